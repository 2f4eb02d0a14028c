"""``eddyline classify``: flows labelled by a model of 'eddyline train'.

What belongs here: the call, the written table and what is said about it. What does not: judging
(``eddyline.supervised``).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from eddyline.cli.outputs import check_outputs
from eddyline.cli.progress import shown
from eddyline.cli.settings import map_of
from eddyline.errors import UsageError
from eddyline.flows.text import neutral_text
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.supervised import FlowModel

FORMATS = (".parquet", ".csv", ".jsonl")
"""Suffixes of the written table."""


def run_classify(
    paths: Sequence[str],
    model: Path,
    out: str | None,
    *,
    sessions: bool | None,
    prior_correction: bool,
    columns: Sequence[str] | None,
    quiet: bool,
) -> int:
    """Label flows; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    model
        Model file.
    out
        Table to write, by its suffix; ``"-"`` for JSON lines on stdout; None for none.
    sessions
        Whether flows of a session vote; None for what the model says.
    prior_correction
        True to follow the class shares of these flows.
    columns
        Column map of an ordinary CSV, each ``OURS=THEIRS``.
    quiet
        True to print no table.

    Raises
    ------
    UsageError
        When the table's format is unknown.
    """
    check_outputs([out], [*paths, str(model)])
    if out not in (None, "-") and Path(str(out)).suffix not in FORMATS:
        message = f"--out must end in {', '.join(FORMATS)}, got {out!r}; name such a file"
        raise UsageError(message)
    judge = FlowModel.load(model)
    report = IngestReport()
    with shown("reading", quiet=quiet) as progress:
        batches = read_flows(
            list(paths), column_map=map_of(columns), report=report, progress=progress
        )
        table = judge.classify(batches, sessions=sessions, prior_correction=prior_correction)
    seen = judge.seen(table)
    if seen is not None and seen.certain:
        print(f"warning: {seen.sentence(neutral_text(model.name))}", file=sys.stderr)
    if out is not None:
        _write(table, out)
    if not quiet and out != "-":
        _tell(judge, table, report, transductive=prior_correction)
        if judge.votes and sessions is None:
            print(
                "  flows of a session voted, as left-out training days had it; see --no-sessions"
            )
        if out is not None:
            print(f"  next: eddyline canvas {out} -o canvas.html")
    return 0


def _write(table: pl.DataFrame, out: str) -> None:
    if out == "-":
        sys.stdout.write(table.write_ndjson())
    elif out.endswith(".parquet"):
        table.write_parquet(out)
    elif out.endswith(".csv"):
        table.write_csv(out)
    else:
        table.write_ndjson(out)


def _tell(
    judge: FlowModel, table: pl.DataFrame, report: IngestReport, *, transductive: bool
) -> None:
    print(f"{table.height:,} flows:")
    for name in (str(name) for name in judge.site.classes):
        rows = table.filter(pl.col("verdict") == name)
        strange = int((rows["familiarity"] == "stranger").sum())
        print(
            f"  {name}: {rows.height:,}, of them {strange:,} between hosts never met in training"
        )
    strangers = int((table["familiarity"] == "stranger").sum())
    if 2 * strangers > table.height:
        print(
            f"  {strangers:,} of {table.height:,} flows are between hosts never met in training: these "
            "verdicts are guesses; train on labelled flows of this network"
        )
    if "label" in table.columns:
        for line in _agreement(table):
            print(f"  {line}")
    if transductive:
        print("  the class shares were estimated from these flows: each verdict depends on all")
    for sentence in report.sentences():
        print(f"  {sentence}")


def _agreement(table: pl.DataFrame) -> list[str]:
    """Say how many flows of each label got it as their verdict."""
    same = (pl.col("label") == pl.col("verdict")).sum()
    counts = (
        table.filter(pl.col("label").is_not_null())
        .group_by("label")
        .agg(pl.len().alias("flows"), same.alias("same"))
        .sort("flows", descending=True)
    )
    return [
        f"labelled {neutral_text(str(label))}: {flows:,}, of them {hit:,} called so"
        for label, flows, hit in counts.iter_rows()
    ]
