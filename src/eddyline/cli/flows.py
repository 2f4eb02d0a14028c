"""``eddyline flows``: the flow table of any input.

What belongs here: the call and what is said about it. What does not: formats.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from eddyline.cli.outputs import INTERRUPTED, check_outputs, stopped
from eddyline.cli.progress import shown
from eddyline.cli.settings import map_of
from eddyline.flows.batch import FlowBatch
from eddyline.flows.keys import community_ids
from eddyline.flows.write import write_flows
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport


def run_flows(
    paths: Sequence[str],
    out: str,
    output_format: str | None,
    *,
    statistics: bool,
    internal: Sequence[str] | None,
    since: str | None,
    until: str | None,
    columns: Sequence[str] | None,
    quiet: bool,
) -> int:
    """Read and write flows; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    out
        File, or ``"-"`` for JSON lines on stdout.
    output_format
        parquet, csv or jsonl; None to go by the suffix.
    statistics
        True to add NFStream's statistics.
    internal
        Networks that count as inside.
    since, until
        Keep flows with ``since <= ts_end < until``.
    columns
        Column map of an ordinary CSV, each ``OURS=THEIRS``.
    quiet
        True to say nothing.
    """
    check_outputs([out], paths)
    report = IngestReport()
    with shown("reading", quiet=quiet) as progress:
        batches = read_flows(
            list(paths),
            internal=internal,
            since=since,
            until=until,
            column_map=map_of(columns),
            statistics=statistics,
            report=report,
            progress=progress,
        )
        told = (_with_ids(batch) for batch in batches)
        write_flows(told, out, format_name=output_format)
    if not quiet:
        for sentence in report.sentences():
            print(sentence, file=sys.stderr)
    return INTERRUPTED if stopped(report, "the flows of the part that was read are written") else 0


def _with_ids(batch: FlowBatch) -> FlowBatch:
    """Fill the Community ID where the source gave none."""
    made = community_ids(batch.frame)
    given = batch.frame["community_id"]
    frame = batch.frame.with_columns(
        given.zip_with(given.is_not_null(), made).alias("community_id")
    )
    return FlowBatch(frame, batch.labels)
