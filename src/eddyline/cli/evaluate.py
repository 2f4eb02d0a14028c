"""``eddyline evaluate``: a scan held against labels, as tables and JSON.

What belongs here: gluing the scan to the truth, and the tables. What does not: any figure
(``eddyline.evaluate``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eddyline.cli.progress import shown
from eddyline.errors import InputError
from eddyline.evaluate.evaluation import Evaluation, evaluate
from eddyline.evaluate.incidents import PURE
from eddyline.evaluate.labels import Watch, with_verdicts
from eddyline.evaluate.truth import read_truth
from eddyline.flows.text import neutral_text
from eddyline.incidents.ignore import IgnoreList
from eddyline.pipeline import Pipeline
from eddyline.read.flows import Progress, read_flows
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanResult, ScanSettings, pipeline_for, scan_flows

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

MOST_ROWS = 40
"""Rows of one table; the JSON has all."""


def run_evaluate(
    paths: Sequence[str],
    model: Path | None,
    truth: Path | None,
    settings: Any,
    *,
    top: int,
    json: str | None,
    quiet: bool,
) -> int:
    """Scan, hold the result against the truth, and tell; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    model
        Model file, or None.
    truth
        CSV of attacks, or None when the input has labels.
    settings
        ``ScanSettings``.
    top
        Incidents a day that count.
    json
        File of the figures, ``"-"`` for stdout, or None.
    quiet
        True to print no table.

    Raises
    ------
    InputError
        When there is no truth to hold the scan against, or a file cannot be read or written.
    """
    listed = None if truth is None else read_truth(truth)
    with shown("reading", quiet=quiet) as progress:
        result, flows = scan_watched(list(paths), model, settings, progress)
    told = evaluate(flows, result.incidents, listed=listed, top=top, seed=settings.seed)
    if json is not None:
        _write(json, document(result, told))
    if not quiet and json != "-":
        from rich.console import Console

        print_tables(result, told, Console(file=sys.stdout))
    return 0


def scan_watched(
    paths: Sequence[str],
    model: Pipeline | Path | None,
    settings: ScanSettings,
    progress: Progress | None = None,
) -> tuple[ScanResult, pl.DataFrame]:
    """Scan, and give the flows with their labels and verdicts beside the result.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    model
        A fitted pipeline, a model file, or None to learn from the input itself.
    settings
        What changes the result.
    progress
        Called with the bytes read so far and all bytes.
    """
    report = IngestReport()
    watch = Watch()
    batches = read_flows(
        list(paths),
        internal=settings.internal,
        since=settings.since,
        until=settings.until,
        report=report,
        progress=progress,
    )
    kept = watch.over(settings.ignore.kept(batches))
    pipeline, name = pipeline_for(model, settings)
    wanted = replace(settings, flow_verdicts=True, ignore=IgnoreList())
    result = scan_flows(kept, report, pipeline=pipeline, settings=wanted, name=name)
    if report.interrupted:
        raise KeyboardInterrupt  # a part of the input is not held against its labels
    if result.flow_verdicts is None or not result.flows_judged:
        message = (
            "the input must hold flows to evaluate, holds none; check the file and the bounds"
        )
        raise InputError(message)
    return result, with_verdicts(watch.flows(), result.flow_verdicts)


def document(result: ScanResult, told: Evaluation) -> dict[str, Any]:
    """Give the figures as plain data, with what was scanned.

    Parameters
    ----------
    result
        The scan.
    told
        Its figures.
    """
    figures = told.as_dict()
    for row, incident in zip(figures["incidents"], result.incidents, strict=True):
        row |= {"uid": incident.uid, "attack": incident.attack, "reason": incident.reason}
    return {
        "eddyline": result.version,
        "flows_judged": result.flows_judged,
        "model": {"kind": result.model.kind, "name": result.model.name},
        "settings": dict(result.settings),
        **figures,
    }


def _write(target: str, figures: dict[str, Any]) -> None:
    text = json.dumps(figures, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, "ascii")
    except OSError as error:
        message = f"{target}: must be a file that can be written, {error.strerror}; choose another"
        raise InputError(message) from error


# ------------------------------------------------------------------ tables


def print_tables(result: ScanResult, told: Evaluation, console: Console) -> None:
    """Print incident level, flow level and each day.

    Parameters
    ----------
    result
        The scan.
    told
        Its figures.
    console
        Where to print.
    """
    console.print(_heading(result, told), highlight=False, soft_wrap=True, markup=False)
    _print_incidents(result, told, console)
    _print_level(told, console)
    _print_days(told, console)
    _print_graded(told, console)
    _print_flows(told, console)


def _heading(result: ScanResult, told: Evaluation) -> str:
    ours = told.incident_level[0]
    matches = ", ".join(f"{count:,} by {key}" for key, count in told.matches.items())
    what = "attacks" if told.truth == "attack list" else "flows"
    days = "a day at most" if ours.days == 1.0 else f"{ours.days:.2f} days"
    return (
        f"{ours.n_incidents:,} incidents in {result.flows_judged:,} flows over {days}, "
        f"held against {ours.n_attacks:,} attacks ({told.truth}; {what} matched: {matches})."
    )


def _print_incidents(result: ScanResult, told: Evaluation, console: Console) -> None:
    rows = [
        [
            str(row["place"]),
            incident.attack,
            f"{row['n_flows']:,}",
            f"{row['n_attack']:,}",
            f"{row['n_normal']:,}",
            f"{row['n_unknown']:,}",
            said(row["purity"]),
            f"{row['n_truths']:,}",
            row["kind"],
        ]
        for row, incident in zip(told.incidents.to_dicts(), result.incidents, strict=True)
    ]
    names = ["#", "incident", "flows", "attack", "normal", "unknown", "purity", "hits", ""]
    _table(console, "Incidents", names, rows)


def _print_level(told: Evaluation, console: Console) -> None:
    rows = [
        [
            one.method,
            f"{one.n_incidents:,}",
            f"{one.n_true:,}",
            f"{one.n_duplicate:,}",
            f"{one.n_false:,}",
            f"{one.false_per_day:.1f}",
            said(one.recall),
            said(one.recall_at_top),
            said(one.precision_at_top),
            "none" if one.first_true is None else str(one.first_true),
            said(one.found_share),
        ]
        for one in told.incident_level
    ]
    top = told.incident_level[0].top
    names = ["incidents of", "n", "true", "dup", "false", "/day", "recall", f"R@{top}", f"P@{top}",
             "1st", "share"]  # fmt: skip
    _table(console, "Incident level", names, rows)
    console.print(
        f"dup: hits only attacks that count for another; /day: false a day; R, P @{top}: recall and "
        f"precision of each day's first {top}; 1st: rank of the first hit; share: of attack flows, "
        f"inside a day's first {top} of purity >= {PURE:g}; 0/0: undefined.\n",
        highlight=False,
        style="dim",
    )


def _print_days(told: Evaluation, console: Console) -> None:
    ours = told.incident_level[0]
    rows = [
        [
            day.day.isoformat(),
            f"{day.n_incidents:,}",
            f"{day.n_false:,}",
            f"{day.n_attack:,}",
            f"{day.n_found:,}",
            said(day.share),
        ]
        for day in ours.per_day
    ]
    names = ["day (UTC)", "incidents", "false", "attack flows", f"in first {ours.top}", "share"]
    _table(console, "Each day", names, rows)


def _print_graded(told: Evaluation, console: Console) -> None:
    rows = [
        [
            one.attack.name,
            one.attack.key,
            "missed" if one.rank is None else str(one.rank),
            one.said,
            f"{one.points:g}",
            "yes" if one.source_right else "no",
            "yes" if one.destination_right else "no",
        ]
        for one in told.graded
    ]
    if rows:
        points = sum(one.points for one in told.graded)
        title = f"Behaviour: {points:g} of {len(rows)} points (a neighbouring key is half a point)"
        names = ["attack", "key", "rank", "said", "points", "source", "destination"]
        _table(console, title, names, rows)


def _print_flows(told: Evaluation, console: Console) -> None:
    level = told.flow_level
    if level is None:
        console.print(
            "No flow-level figures: the truth names attacks, not flows.", highlight=False
        )
        return
    scores = [[one.method, said(one.auc), said(one.average_precision)] for one in level.scores]
    title = (
        f"Flow level: {level.n_attack:,} attack, {level.n_normal:,} normal, "
        f"{level.n_unknown:,} unknown (left out); base rate {said(level.base_rate)}"
    )
    _table(console, title, ["score", "AUC", "AP"], scores)
    cuts = [
        [one.method, *map(said, (cut.precision, cut.recall, cut.f1, cut.false_positive_rate))]
        for one in level.cuts
        for cut in (one.cut,)
    ]
    _table(console, "Flow is …", ["", "precision", "recall", "F1", "FPR"], cuts)


def said(value: float | None) -> str:
    """Write a ratio with three decimals, more when it is small, or that it is undefined.

    Parameters
    ----------
    value
        A ratio; None for 0/0.
    """
    if value is None:
        return "0/0"
    return f"{value:.2g}" if 0 < value < 0.0995 else f"{value:.3f}"


def _table(console: Console, title: str, names: list[str], rows: list[list[str]]) -> None:
    from rich import box
    from rich.table import Table

    utf8 = console.encoding.lower().startswith("utf")
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold not italic",
        box=box.SIMPLE_HEAD if utf8 else box.ASCII2,
        pad_edge=False,
        padding=0,
        expand=False,
    )
    for place, name in enumerate(names):
        is_text = place == 0 or name in {"incident", "", "key", "said"}
        table.add_column(name, justify="left" if is_text else "right", no_wrap=is_text)
    for row in rows[:MOST_ROWS]:
        table.add_row(*(neutral_text(cell) for cell in row))
    console.print(table, highlight=False, markup=False)
    if len(rows) > MOST_ROWS:
        console.print(f"{len(rows) - MOST_ROWS:,} more rows in the JSON.", highlight=False)
