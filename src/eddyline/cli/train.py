"""``eddyline train``: a model from labelled flows.

What belongs here: the call and what is said about it. What does not: learning (``eddyline.supervised``).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from eddyline.classifiers.model import Recipe
from eddyline.classifiers.periods import SPLITS
from eddyline.classifiers.registry import classifier_class, classifier_names
from eddyline.classifiers.sessions import votes_wanted
from eddyline.cli.outputs import check_outputs
from eddyline.cli.progress import shown
from eddyline.cli.settings import map_of
from eddyline.errors import UsageError
from eddyline.features.sets import flow_set, usual_set
from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.supervised import FlowModel, train

_PERIODS: Final = {"group": "pairs of hosts, dealt out by a hash"}

PER_DAY: Final = "per_day_quantile"
"""Rank each day by itself, whatever the method."""

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def run_train(
    paths: Sequence[str],
    out: Path,
    *,
    labels: str,
    method: str,
    features: str,
    split: Any,
    normal: str | None,
    columns: Sequence[str] | None,
    seed: int,
    quiet: bool,
    scaling: str | None = None,
    params: Path | None = None,
    sessions: str = "auto",
) -> int:
    """Train and write the model; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    out
        Where the model goes.
    labels
        Column of the labels: ``label``, ``label_detail``, or a column of an ordinary CSV.
    method
        Name of a classifier.
    features
        Name of a feature set.
    split
        ``auto``, ``day`` or ``group``.
    normal
        Label of the normal class; None for the one called normal or benign, else the commonest.
    columns
        Column map of an ordinary CSV, each ``OURS=THEIRS``.
    seed
        Start of the randomness.
    quiet
        True to print nothing.
    scaling
        A scaling of the method, or ``per_day_quantile``; None for the method's own.
    params
        File of ``eddyline tune`` whose method, parameters and features are taken; None for none.
    sessions
        Whether flows of a session vote: ``on``, ``off``, or ``auto`` for what left-out days say.

    Raises
    ------
    UsageError
        When the method, the split or the choice of sessions does not exist, or the method is another than the
        file's; when the method has no scaling.
    """
    check_outputs([out], [*paths, *([str(params)] if params else [])])
    tuned: dict[str, Any] = {}
    if params is not None:
        from eddyline.cli.tuned import read_params

        found, tuned, features = read_params(params)
        if method not in (found, Recipe().method):
            message = f"--method must be that of {params}, {found}, got {method!r}; leave it out"
            raise UsageError(message)
        method = found
    if split not in SPLITS:
        message = f"--split must be one of {', '.join(SPLITS)}, got {split!r}; check the spelling"
        raise UsageError(message)
    if method not in classifier_names():
        message = f"--method must be one of {', '.join(classifier_names())}, got {method!r}"
        raise UsageError(message)
    features = usual_set(features, method)
    flow_set(features)
    votes_wanted(sessions, ())
    own = _own_scaling(method, scaling)  # a missing extra is told before the flows are read
    report = IngestReport()
    column_map = map_of(columns) or {}
    if labels not in ("label", "label_detail"):
        column_map = {**column_map, "label": labels}
    with shown("reading", quiet=quiet) as progress:
        batches = read_flows(
            list(paths), column_map=column_map or None, report=report, progress=progress
        )
        told = labelled(batches, labels)
        recipe = Recipe(
            method=method,
            params={**tuned, **own, "seed": seed},
            grouped=method != Recipe().method,
            day_ranks=scaling == PER_DAY,
            sessions=sessions,
        )
        model = train(told, recipe=recipe, feature_set=features, split=split, normal=normal)
    model.save(out)
    if not quiet:
        _tell(model, out, report)
    return 0


def _tell_votes(told: dict[str, Any]) -> None:
    """Say whether flows of a session vote, and what that was worth on the parts left out."""
    alone, voted = told["mean"]
    word = "vote" if told["vote"] else "do not vote"
    print(
        f"  flows of a session {word}: mean macro F1 {voted:.3f} with votes, {alone:.3f} without"
    )


def _own_scaling(method: str, scaling: str | None) -> dict[str, str]:
    """Give the parameter that a method takes its scaling by; none where each day is ranked instead."""
    known = inspect.signature(classifier_class(method)).parameters
    if scaling in (None, PER_DAY):
        return {}
    if "scaling" not in known:
        message = (
            f"--scaling must be {PER_DAY} for {method}, which looks at the order of values only, got "
            f"{scaling!r}; leave it out"
        )
        raise UsageError(message)
    return {"scaling": str(scaling)}


def labelled(batches: Iterable[FlowBatch], column: str) -> Iterator[FlowBatch]:
    """Take the detailed labels for the labels where the user asks for it.

    Parameters
    ----------
    batches
        Flows with their labels.
    column
        ``label_detail``, or anything else to change nothing.
    """
    for batch in batches:
        if batch.labels is None or column != "label_detail":
            yield batch
        else:
            detail = batch.labels.with_columns(pl.col("label_detail").alias("label"))
            yield FlowBatch(batch.frame, detail)


def _tell(model: FlowModel, out: Path, report: IngestReport) -> None:
    card = model.card
    shown_classes = ", ".join(f"{name} {count:,}" for name, count in card["classes"].items())
    print(f"Trained {model.recipe.method} on {card['rows']:,} flows into {out}: {shown_classes}.")
    what = _PERIODS.get(card["split"], "days or equal stretches of time")
    print(f"  normal is {card['normal']!r}")
    names = [str(name) for name in model.site.classes]
    if card["left_out"]:
        print(
            f"  trained without one part at a time and tried on it; {card['periods']} parts: {what}"
        )
    for part in card["left_out"]:
        figures = ", ".join(
            f"{name} {score:.3f}" for name, score in zip(names, part["f1"], strict=True)
        )
        print(f"  part {part['period'] + 1} left out, F1: {figures}")
    if not card["left_out"]:
        print("  nothing could be left out, so no figure is given: train on more days")
    else:
        _tell_votes(card["sessions"])
    if 0 < len(card["left_out"]) < card["periods"]:
        print("  without one of the other parts a class would be missing: no figure for them")
    for sentence in report.sentences():
        print(f"  {sentence}")
    print(f"  next: eddyline classify FLOWS --model {out}, or eddyline scan FLOWS --classes {out}")
