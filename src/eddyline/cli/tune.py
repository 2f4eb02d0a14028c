"""``eddyline tune``: parameters of a method chosen on labelled flows, and what the choice is worth.

What belongs here: the call, progress and the JSON file. What does not: the search
(``eddyline.evaluate.tuning``).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np

from eddyline.cli.outputs import check_outputs
from eddyline.cli.progress import shown
from eddyline.cli.settings import map_of
from eddyline.cli.train import labelled
from eddyline.errors import RefusedError, UsageError
from eddyline.evaluate.bands import paired_band
from eddyline.evaluate.tuning import Outer, Search, Tuned, tune, tune_nested
from eddyline.evaluate.tuning_flows import SPLITS, FlowJudge, LabelledRows, method_of
from eddyline.evaluate.tuning_space import (
    Choice,
    Space,
    grid_points,
    prepared_space,
    space_of,
)
from eddyline.evaluate.tuning_trials import Fold, Kept, Trial, digest
from eddyline.features.rows import FlowRows, flow_rows
from eddyline.features.sets import flow_set, usual_set
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.supervised import NORMAL_NAMES

SCHEMA_VERSION: Final = 1

REFUSED: Final = 3
"""Exit code when a rule of honest evaluation forbids what was asked."""


def run_tune(
    paths: Sequence[str],
    out: Path,
    search: Search,
    *,
    labels: str,
    method: str,
    features: str,
    split: str,
    objective: str,
    normal: str | None,
    nested: bool,
    preparation: bool,
    trials: Path | None,
    columns: Sequence[str] | None,
    quiet: bool,
) -> int:
    """Search and write what was found; give the exit code.

    Parameters
    ----------
    paths
        Labelled flows, as the user named them.
    out
        Where the JSON goes; trials are kept beside it, so that the same call goes on after a break.
    search
        How points are chosen.
    labels
        ``label``, ``label_detail``, or a column of an ordinary CSV.
    method
        A classifier or a detector.
    features
        Name of a feature set.
    split
        What folds are made of.
    objective
        What is maximised.
    normal
        Label that means no attack; None for the one called normal or benign, else the commonest.
    nested
        True to repeat the search inside outer folds.
    preparation
        True to choose how rows are scaled too.
    trials
        File of the judged folds; None for one beside ``out``.
    columns
        Column map of an ordinary CSV, each ``OURS=THEIRS``.
    quiet
        True to print nothing.

    Raises
    ------
    UsageError
        When an option has no meaning.
    """
    beside = out.with_name(out.name + ".trials.jsonl") if trials is None else trials
    check_outputs([out, beside], paths)
    kind, bare = method_of(method)
    space = prepared_space(kind, bare) if preparation else space_of(kind, bare)
    features = usual_set(features, bare)
    flow_set(features)
    if split not in SPLITS:
        message = f"--split must be one of {', '.join(SPLITS)}, got {split!r}"
        raise UsageError(message)
    rows = _read(paths, labels, features, columns, quiet=quiet)
    table = LabelledRows.of(rows, _normal(rows, normal))
    try:
        judge = FlowJudge(table, kind, bare, objective, search.seed)
    except RefusedError as error:
        print(f"eddyline: {error}", file=sys.stderr)
        return REFUSED
    study = {
        "data": digest(table.X, table.y),
        "method": f"{kind}:{bare}",
        "features": features,
        "objective": objective,
        "normal": table.normal,
        "seed": search.seed,
    }
    kept = Kept(beside, study)
    folds = table.folds(split, seed=search.seed)
    if not quiet:
        _announce(space, folds, search, nested=nested, known=len(kept.known))
    start = time.perf_counter()
    tell = None if quiet else _Progress()
    found = tune(judge, space, folds, search, kept=kept, told=tell)
    outer: list[Outer] = []
    if nested:
        outer = tune_nested(
            judge,
            space,
            folds,
            lambda among: table.folds(split, among, seed=search.seed),
            search,
            kept=kept,
            told=tell,
        )
    told = _document(study, space, search, split, table, folds, found, outer)
    told["seconds"] = round(time.perf_counter() - start, 1)
    out.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if not quiet:
        _print(told, out)
    return 0


def _read(
    paths: Sequence[str],
    labels: str,
    features: str,
    columns: Sequence[str] | None,
    *,
    quiet: bool,
) -> FlowRows:
    column_map = map_of(columns) or {}
    if labels not in ("label", "label_detail"):
        column_map = {**column_map, "label": labels}
    with shown("reading", quiet=quiet) as progress:
        batches = read_flows(
            list(paths), column_map=column_map or None, report=IngestReport(), progress=progress
        )
        return flow_rows(labelled(batches, labels), features)


def _normal(rows: FlowRows, normal: str | None) -> str:
    """Give the normal class as ``train`` would take it."""
    if normal is not None or rows.labels is None:
        return normal or ""
    names, counts = np.unique(rows.labels.drop_nulls().to_numpy().astype(str), return_counts=True)
    called = [str(name) for name in names if name.strip().lower() in NORMAL_NAMES]
    return called[0] if len(called) == 1 else str(names[counts.argmax()])


class _Progress:
    """Say a line for each trial on stderr."""

    def __init__(self) -> None:
        self.start = time.perf_counter()

    def __call__(self, trial: Trial, budget: int, best: float) -> None:
        taken = time.perf_counter() - self.start
        if trial.number == 0:
            self.start, taken = time.perf_counter() - trial.seconds, trial.seconds
        left = taken / (trial.number + 1) * (budget - trial.number - 1)
        said = "broken off at" if trial.pruned else "scored"
        print(
            f"trial {trial.number + 1} of {budget} {said} {trial.score:.4f}, best {best:.4f}, "
            f"about {left:.0f} s left",
            file=sys.stderr,
            flush=True,
        )


def _announce(
    space: Space, folds: Sequence[Fold], search: Search, *, nested: bool, known: int
) -> None:
    """Say the budget before it is spent."""
    whole = ""
    if search.kind == "grid":
        points, size = grid_points(space, search.budget, search.seed)
        whole = f" ({len(points):,} of the grid's {size:,} points)"
    fits = (search.budget + 1) * len(folds)
    if nested:
        fits += sum((search.budget + 1) * len(folds) + 2 for _ in folds)
    print(
        f"Budget: {search.budget} trials by {search.kind}{whole} over {len(space)} parameters on "
        f"{len(folds)} folds, at most {fits:,} fits; {known:,} judged folds are kept from before.",
        file=sys.stderr,
        flush=True,
    )


def _document(
    study: dict[str, Any],
    space: Space,
    search: Search,
    split: str,
    table: LabelledRows,
    folds: Sequence[Fold],
    found: Tuned,
    outer: Sequence[Outer],
) -> dict[str, Any]:
    best, names = found.best, [fold.name for fold in folds]
    gain = None
    if len(folds) >= 2:
        band = paired_band(best.scores, found.default.scores)
        gain = {"mean": band.mean, "low": band.low, "high": band.high, "level": band.level}
    return {
        "schema_version": SCHEMA_VERSION,
        "eddyline": version("eddyline"),
        "study": study,
        "search": {"kind": search.kind, "budget": search.budget, "seed": search.seed},
        "split": split,
        "rows": len(table.y),
        "classes": {str(name): int((table.y == name).sum()) for name in np.unique(table.y)},
        "space": {name: _told(part) for name, part in space.items()},
        "folds": [
            {"name": name, "train": len(fold.train), "validation": len(fold.validation)}
            for name, fold in zip(names, folds, strict=True)
        ],
        "default": found.default.as_dict(),
        "best": best.as_dict(),
        "gain_over_default": gain,
        "trials": [trial.as_dict() for trial in found.trials],
        "nested": [
            {"fold": one.name, "params": one.chosen, "score": one.score, "default": one.default}
            for one in outer
        ],
    }


def _told(part: Any) -> dict[str, Any]:
    if isinstance(part, Choice):
        return {"values": list(part.values)}
    return {
        "low": part.low,
        "high": part.high,
        "logarithmic": part.logarithmic,
        "whole": part.whole,
    }


def _print(told: dict[str, Any], out: Path) -> None:
    best, default, objective = told["best"], told["default"], told["study"]["objective"]
    print(
        f"{objective} of {told['study']['method']} over {len(told['folds'])} folds by {told['split']}: "
        f"{default['score']:.4f} with its own parameters, {best['score']:.4f} at best."
    )
    if best["number"] < 0:
        print("  no trial was better than the method's own parameters")
    for name, value in best["params"].items():
        print(f"  {name} = {value}")
    gain = told["gain_over_default"]
    if gain is not None and best["number"] >= 0:
        verdict = "" if gain["low"] > 0 else ": not distinguishable from none"
        print(
            f"  gain {gain['mean']:+.4f}, {gain['level']:.0%} band over the folds {gain['low']:+.4f} to "
            f"{gain['high']:+.4f}{verdict}; the best of many trials, so too good"
        )
    if told["nested"]:
        outer = [one["score"] for one in told["nested"]]
        plain = [one["default"] for one in told["nested"]]
        print(
            f"  nested, on rows that no trial saw: {np.mean(outer):.4f} tuned, {np.mean(plain):.4f} with "
            "its own parameters"
        )
    print(f"Written to {out}; 'eddyline train --params {out}' takes it.")
