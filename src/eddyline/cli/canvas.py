"""``eddyline canvas``: flows over time, a column for each group, coloured by what is known of them.

What belongs here: which columns are read and which picture is asked for. What does not: drawing it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from eddyline.cli.outputs import INTERRUPTED, check_outputs, stopped
from eddyline.cli.progress import shown
from eddyline.errors import UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.text import neutral_text
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.report.canvas import NETWORK_OF
from eddyline.report.raster import agreement, flow_raster
from eddyline.report.raster_page import Panel, write_raster_html

TRUTH: Final = ("label",)
"""Columns that say what a flow is, the first that is there."""

TOLD: Final = ("prediction", "verdict", "incident")
"""Columns that say what a flow was taken for, the first that is there."""

AUTO: Final = "auto"
"""Group by ports where that gathers flows, else by networks."""

MOST_NAMED: Final = 20
"""Classes that a refusal lists."""

PORTS: Final = ("src_port", "dst_port")
NETWORKS: Final = ("src_net", "dst_net")

GATHERED: Final = 0.5
"""Groups for each flow above which a grouping says nothing: nearly every flow stands alone."""

_COLOURS: Final = {
    "label": TRUTH,
    "prediction": ("prediction", "verdict"),
    "verdict": ("verdict", "incident", "prediction"),
}


def run_canvas(
    paths: Sequence[str],
    out: Path,
    *,
    group: Sequence[str],
    colour: str,
    beside: str | None,
    time_bin: str,
    highlight: str | None,
    quiet: bool,
) -> int:
    """Read what the picture needs and draw it; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    out
        File of the picture, ``.html`` or ``.png``.
    group
        Columns whose values together name a group; ``auto`` alone for the pair of ports, or of networks where
        nearly every flow has ports of its own.
    colour, beside
        What colours tell, on the left and on the right: ``label``, ``prediction``, ``verdict``,
        ``agreement``, or any column of a Parquet file.
    time_bin
        Step of time.
    highlight
        Class that alone has a colour.
    quiet
        True to say nothing.

    Raises
    ------
    UsageError
        When the picture has another suffix, or the input has no such column or no such class.
    """
    if out.suffix.lower() not in (".html", ".png"):
        message = f"a picture must go to .html or .png, got {out.name!r}; choose one of both"
        raise UsageError(message)
    check_outputs([out], paths)
    report = IngestReport()
    wanted = [colour] if beside is None else [colour, beside]
    automatic = tuple(group) == (AUTO,)
    frame = _table(paths, () if automatic else group, wanted, report, quiet=quiet)
    group = _gathering(frame) if automatic else group
    panels = []
    for name in wanted:
        column = _colour(frame, name)
        panels.append(
            Panel(
                name,
                flow_raster(frame.with_columns(column.alias("_class")), group, "_class", time_bin),
            )
        )
    _check_highlight(highlight, panels)
    title = f"{', '.join(Path(path).name for path in paths)}: {' and '.join(wanted)}"
    if out.suffix.lower() == ".png":
        from eddyline.report.raster_png import write_raster_png

        write_raster_png(panels, out, title, highlight=highlight)
    else:
        write_raster_html(panels, out, title, highlight=highlight)
    if not quiet:
        raster = panels[0].raster
        print(
            f"{out}: {frame.height:,} flows, {raster.groups:,} groups of {', '.join(group)}, "
            f"{len(raster.x):,} dots",
            file=sys.stderr,
        )
    return INTERRUPTED if stopped(report, "the picture is of the part that was read") else 0


def _gathering(frame: pl.DataFrame) -> Sequence[str]:
    """Choose the pair of ports where it gathers flows, else the pair of networks."""
    if not set(PORTS) <= set(frame.columns):  # the verdicts of a scan
        return NETWORKS
    groups = frame.select(pl.struct(PORTS).n_unique()).item()
    return PORTS if groups <= GATHERED * frame.height else NETWORKS


def _check_highlight(highlight: str | None, panels: Sequence[Panel]) -> None:
    """Refuse a class that no panel has."""
    known = list(dict.fromkeys(name for panel in panels for name in panel.raster.classes))
    if highlight is not None and highlight not in known:
        shown_names = ", ".join(neutral_text(name, longest=60) for name in known[:MOST_NAMED])
        message = (
            f"--highlight must be one of {shown_names}, got {highlight!r}; check the spelling"
        )
        raise UsageError(message)


def _table(
    paths: Sequence[str],
    group: Sequence[str],
    wanted: Sequence[str],
    report: IngestReport,
    *,
    quiet: bool,
) -> pl.DataFrame:
    """Give the columns that the picture needs, and no other; each flow is in memory once.

    Without a group, those of every group that ``_gathering`` may choose.
    """
    lazy = _told(paths, wanted)
    have = [] if lazy is None else lazy.collect_schema().names()
    if not group:
        group = NETWORKS if lazy is not None and "src_port" not in have else (*PORTS, *NETWORKS)
    needed = ["ts", *dict.fromkeys(NETWORK_OF.get(name, name) for name in group)]
    if lazy is not None:
        extra = [name for name in have if name in {*wanted, *TRUTH, *TOLD} and name not in needed]
        if set(needed) <= set(have):
            texts = pl.col(extra).cast(pl.String).cast(pl.Categorical())
            return lazy.select(pl.col(needed), texts).collect(engine="streaming")
    with shown("reading", quiet=quiet) as progress:
        batches = read_flows(list(paths), report=report, progress=progress)
        parts = list(_needed(batches, needed))
    if not parts:
        message = f"a picture must have flows, {', '.join(paths)} has none; check the input"
        raise UsageError(message)
    return pl.concat(parts)


def _told(paths: Sequence[str], wanted: Sequence[str]) -> pl.LazyFrame | None:
    """Open one table of ours that is no flow table: 'classify' writes Parquet, CSV or JSON lines."""
    if len(paths) != 1 or not Path(paths[0]).is_file():
        return None
    path, suffix = paths[0], Path(paths[0]).suffix.lower()
    if suffix == ".parquet":
        return pl.scan_parquet(path)
    if suffix not in (".csv", ".jsonl", ".ndjson"):
        return None
    try:
        lazy = pl.scan_csv(path) if suffix == ".csv" else pl.scan_ndjson(path)
        schema = lazy.collect_schema()
    except pl.exceptions.PolarsError:  # another format, which its reader knows or refuses
        return None
    told = {*TOLD, *wanted} - set(TRUTH)
    ours = schema.get("ts") == pl.Int64 and told & set(schema.names())
    return lazy if ours else None


def _needed(batches: Iterator[FlowBatch], needed: Sequence[str]) -> Iterator[pl.DataFrame]:
    """Keep the columns that are needed, labels beside them."""
    for batch in batches:
        missing = [name for name in needed if name not in batch.frame.columns]
        if missing:
            message = (
                f"a group must be of columns of the flow record, {missing[0]!r} is none; "
                "see 'eddyline schema flow'"
            )
            raise UsageError(message)
        labels = None if batch.labels is None else batch.labels["label"]
        text = pl.lit(None, dtype=pl.String) if labels is None else labels
        yield batch.frame.select(needed).with_columns(text.cast(pl.Categorical()).alias("label"))


def _colour(frame: pl.DataFrame, name: str) -> pl.Expr:
    """Give the class of each flow."""
    if name == "agreement":
        truth, told = _first(frame, TRUTH, name), _first(frame, TOLD, name)
        return agreement(_said(truth), _said(told))
    column = _first(frame, _COLOURS.get(name, (name,)), name)
    return _said(column) if column == "incident" else pl.col(column).cast(pl.String)


def _said(column: str) -> pl.Expr:
    """Give a column as a class; a flow without an incident was taken for normal."""
    text = pl.col(column).cast(pl.String)
    return text.fill_null("Normal") if column == "incident" else text


def _first(frame: pl.DataFrame, names: Sequence[str], asked: str) -> str:
    """Give the first column that is there."""
    for name in names:
        if name in frame.columns and frame[name].null_count() < frame.height:
            return name
    message = (
        f"{asked} must come from a column {' or '.join(names)}, the input has "
        f"{', '.join(frame.columns)}; pass labelled flows, or a file of verdicts or predictions"
    )
    raise UsageError(message)
