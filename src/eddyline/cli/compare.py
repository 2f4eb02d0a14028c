"""``eddyline compare``: two models on the same labelled flows, paired, with bands.

What belongs here: loading two models of either kind, letting both judge, the table and the exit code. What
does not: any figure (``eddyline.evaluate.compare``).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from eddyline.classifiers.trained_on import Seen
from eddyline.cli.outputs import check_outputs
from eddyline.cli.progress import shown
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.compare import (
    UNDECIDED,
    Compared,
    Judgement,
    Truth,
    as_dict,
    compare_judgements,
)
from eddyline.evaluate.labels import meaning
from eddyline.evaluate.split_keys import network_groups
from eddyline.flows.batch import FlowBatch
from eddyline.flows.text import neutral_text
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanSettings, pipeline_for, scan_flows
from eddyline.supervised import KIND, FlowModel
from eddyline.verdicts.archive import read_archive

MISSED: Final = 4
"""Exit code when what ``--require`` asks for is not so."""

REQUIRE: Final = ("better", "not-worse")


@dataclass(frozen=True, slots=True)
class _Said:
    """What one model said, and how long it took."""

    score: np.ndarray
    flagged: np.ndarray
    named: np.ndarray | None
    seconds: float
    kind: str
    seen: Seen | None = None


def run_compare(
    models: tuple[Path, Path],
    paths: Sequence[str],
    settings: ScanSettings,
    *,
    labels: str,
    normal: Sequence[str] | None,
    by: str,
    require: str | None,
    out: str | None,
    quiet: bool,
) -> int:
    """Let both models judge, compare, tell; give the exit code.

    Parameters
    ----------
    models
        Two model files, of ``learn`` or of ``train``.
    paths
        Labelled flows, as the user named them.
    settings
        What changes a scan; its seed is that of the draws too.
    labels
        ``label``, ``label_detail``, or a column of an ordinary CSV.
    normal
        Labels that mean no attack; None for those that say normal or benign, or a classifier's own.
    by
        Figure that decides.
    require
        ``better`` or ``not-worse``: what the first model must be; None for nothing.
    out
        Where the JSON goes; ``-`` for standard output in place of the table.
    quiet
        True to print no table.

    Raises
    ------
    UsageError
        When an option has no meaning.
    InputError
        When the flows have no labels.
    """
    check_outputs([out], [*paths, *map(str, models)])
    if require is not None and require not in REQUIRE:
        message = f"--require must be one of {', '.join(REQUIRE)}, got {require!r}"
        raise UsageError(message)
    batches, report = _read(paths, settings, labels, quiet=quiet)
    said = [_judge(path, batches, report, settings) for path in models]
    truth, kept = _truth(batches, models, normal, [one.named for one in said])
    names = _names(models)
    first, second = (
        Judgement(
            name,
            one.score[kept],
            one.flagged[kept],
            None if one.named is None else _places(one.named[kept], truth.classes),
        )
        for name, one in zip(names, said, strict=True)
    )
    for name, one in zip(names, said, strict=True):
        if one.seen is not None and one.seen.certain:
            print(f"warning: {one.seen.sentence(neutral_text(name))}", file=sys.stderr)
    told = compare_judgements(first, second, truth, seed=settings.seed)
    decisive = told.figure(by)
    document = _document(told, said, decisive.better, by)
    if out is not None:
        _write(out, document)
    if not quiet and out != "-":
        _print(told, by, said)
    first_is_better = decisive.better == names[0]
    if require == "better":
        return 0 if first_is_better else MISSED
    if require == "not-worse":
        return MISSED if decisive.better == names[1] else 0
    return 0


def _names(models: tuple[Path, Path]) -> tuple[str, str]:
    """Give short names that differ."""
    if models[0].name != models[1].name:
        return models[0].name, models[1].name
    if models[0] != models[1]:
        return str(models[0]), str(models[1])
    return f"{models[0].name} (first)", f"{models[1].name} (second)"


def _read(
    paths: Sequence[str], settings: ScanSettings, labels: str, *, quiet: bool
) -> tuple[list[FlowBatch], IngestReport]:
    """Read the flows once; both models judge the same."""
    report = IngestReport()
    columns = dict(settings.column_map or {})
    if labels not in ("label", "label_detail"):
        columns["label"] = labels
    with shown("reading", quiet=quiet) as progress:
        batches = list(
            read_flows(
                list(paths),
                column_map=columns or None,
                internal=settings.internal,
                report=report,
                progress=progress,
            )
        )
    if labels == "label_detail":
        batches = [_detailed(batch) for batch in batches]
    if not any(batch.labels is not None and batch.labels["label"].count() for batch in batches):
        message = "flows must have labels to compare models on, have none; name their column with --labels"
        raise InputError(message)
    return batches, report


def _detailed(batch: FlowBatch) -> FlowBatch:
    if batch.labels is None:
        return batch
    return FlowBatch(batch.frame, batch.labels.with_columns(label=pl.col("label_detail")))


def _judge(
    path: Path, batches: list[FlowBatch], report: IngestReport, settings: ScanSettings
) -> _Said:
    """Let one model of either kind judge the flows."""
    start = time.perf_counter()
    if read_archive(path)[0].get("kind") == KIND:
        model = FlowModel.load(path)
        table = model.classify(batches)
        normal = str(model.site.classes[model.site.normal])
        named = table["verdict"].to_numpy().astype(np.str_)
        score = 1.0 - table[f"p_{normal}"].to_numpy()
        taken = time.perf_counter() - start
        return _Said(score, named != normal, named, taken, "classifier", model.seen(table))
    pipeline, name = pipeline_for(path, settings)
    wanted = replace(settings, flow_verdicts=True)
    result = scan_flows(batches, report, pipeline=pipeline, settings=wanted, name=name)
    verdicts = result.flow_verdicts
    n = sum(len(batch) for batch in batches)
    if verdicts is None or verdicts.height != n:
        message = (
            f"{path.name} must judge all {n} flows to be compared, judged "
            f"{0 if verdicts is None else verdicts.height}; compare without an ignore list"
        )
        raise UsageError(message)
    score = verdicts["score"].cast(pl.Float64).fill_null(float("-inf")).to_numpy()
    finite = score[np.isfinite(score)]
    floor = float(finite.min()) - 1.0 if len(finite) else 0.0  # unscored flows are least strange
    flagged = verdicts["incident"].is_not_null().to_numpy()
    taken = time.perf_counter() - start
    return _Said(np.where(np.isfinite(score), score, floor), flagged, None, taken, "baseline")


def _truth(
    batches: Sequence[FlowBatch],
    models: tuple[Path, Path],
    normal: Sequence[str] | None,
    named: Sequence[np.ndarray | None],
) -> tuple[Truth, np.ndarray]:
    """Give what the labelled flows were, and which flows these are; classes are those anybody names."""
    empty = pl.DataFrame(schema={"label": pl.String, "label_detail": pl.String})
    parts = [empty.clear(len(b)) if b.labels is None else b.labels for b in batches]
    labels = pl.concat([part.select("label", "label_detail") for part in parts])
    text = labels["label"]
    own = _own_normal(models)
    said = meaning(labels)["attack"]
    if normal or (
        own and said.n_unique() < 2
    ):  # names of the site's own, which say nothing by themselves
        kept = text.is_not_null().to_numpy()
        attack = ~text.is_in(list(normal or own)).fill_null(value=True).to_numpy()
    else:
        kept, attack = said.is_not_null().to_numpy(), said.fill_null(value=False).to_numpy()
    frame = pl.concat(
        [b.frame.select(pl.col("src_ip", "dst_ip").cast(pl.String)) for b in batches]
    )
    groups = network_groups(frame)
    names = text.fill_null("").to_numpy().astype(np.str_)[kept]
    if not kept.any():
        message = (
            "labels must say which flows are attacks, none says normal, benign or malicious; name the "
            "label of normal flows with --normal"
        )
        raise InputError(message)
    told = np.concatenate([names, *(one[kept] for one in named if one is not None)])
    classes = tuple(str(name) for name in np.unique(told))
    return Truth(attack[kept], groups[kept], classes, _places(names, classes)), kept


def _places(names: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    return np.searchsorted(np.array(classes), names).astype(np.int64)


def _own_normal(models: tuple[Path, Path]) -> list[str]:
    """Give the normal class of the classifiers among the models; one for both, or none."""
    found: list[str] = []
    for path in models:
        if read_archive(path)[0].get("kind") == KIND:
            site = FlowModel.load(path).site
            found.append(str(site.classes[site.normal]))
    if len(set(found)) > 1:
        message = (
            f"two classifiers must have one normal class to be compared, have {found[0]!r} and "
            f"{found[1]!r}; train both with --normal"
        )
        raise UsageError(message)
    return found[:1]


def _document(told: Compared, said: Sequence[_Said], better: str, by: str) -> dict[str, Any]:
    return as_dict(told) | {
        "by": by,
        "better": better,
        "kinds": [one.kind for one in said],
        "seconds": [round(one.seconds, 3) for one in said],
        "trained_on_share": [
            None if one.seen is None else round(one.seen.share, 6) for one in said
        ],
        "seeds": "one model each: the bands hold the chance of the flows, not that of the training",
    }


def _write(out: str, document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    if out == "-":
        sys.stdout.write(text)
    else:
        Path(out).write_text(text, encoding="utf-8")


def _print(told: Compared, by: str, said: Sequence[_Said]) -> None:
    first, second = (neutral_text(name) for name in told.names)
    print(
        f"{told.n_flows:,} labelled flows, {told.n_attack:,} of attacks "
        f"({told.n_attack / told.n_flows:.2%}), in {told.n_groups:,} groups of source and network."
    )
    print(f"  {'':20} {first[:20]:>20} {second[:20]:>20}   difference ({told.level:.0%} band)")
    for one in told.figures:
        band = "no band"
        if one.low is not None and one.difference is not None:
            band = f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})  {one.better}"
        print(f"  {one.figure:20} {_said(one.first):>20} {_said(one.second):>20}   {band}")
    for row in told.by_class:
        name = f"recall {neutral_text(row.label)}"
        few = "  too few to rank" if row.support < 10 else ""
        print(f"  {name[:20]:20} {row.first:>20.3f} {row.second:>20.3f}   of {row.support:,}{few}")
    seconds = " and ".join(f"{one.seconds:.1f} s" for one in said)
    print(f"  judged in {seconds}; one model each: a band holds the chance of the flows alone")
    chosen = told.figure(by)
    if told.note:
        print(f"{UNDECIDED}: {told.note}.")
    elif chosen.better == UNDECIDED:
        print(f"{UNDECIDED}: the band of the difference in {by} holds zero.")
    else:
        print(f"{neutral_text(chosen.better)} is better by {by}.")


def _said(value: float | None) -> str:
    return "undefined (0/0)" if value is None else f"{value:.3f}"
