"""NAD 2021: the firewall logs of the ZYELL-NCTU challenge, one CSV a day, with twelve window counters.

What belongs here: its column names in both spellings, its labels in both spellings, and what a cell means.
What does not: which days there are (``evaluate/corpora/nad2021.py``) and features.

Source: ZYELL-NCTU NetTraffic-1.0, arXiv 2103.05767, and the system descriptions of the challenge. The unit of
``duration`` is not stated; it is read as seconds. The window counters have no place in the flow record;
``read_rows`` gives them beside the flows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.protocols import HAS_PORTS
from eddyline.read import fields
from eddyline.read.fields import Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data, chunks, origin
from eddyline.read.table import Table, header_of

NAME: Final = "nad"

COUNTERS: Final = tuple(
    f"cnt_{what}{window}"
    for window in ("", "_slow", "_conn")
    for what in ("dst", "src", "serv_src", "serv_dst")
)
"""The window counters, in the order of the file."""

COLUMNS: Final = (
    *("time", "src", "dst", "spt", "dpt", "duration", "out_bytes", "in_bytes", "proto", "app"),
    *COUNTERS,
    "label",
)
"""Columns in the order of the file; ``label`` is in training files alone."""

_RESPELL: Final = {"out (bytes)": "out_bytes", "in (bytes)": "in_bytes"}

LABELS: Final = {
    "normal": "Normal",
    "ddos-smurf": "DDOS-smurf",
    "dos-smurf": "DDOS-smurf",
    "probing-ip sweep": "Probing-IP sweep",
    "probing-ipsweep": "Probing-IP sweep",
    "probing-nmap": "Probing-Nmap",
    "probing-port sweep": "Probing-Port sweep",
    "probing-portsweep": "Probing-Port sweep",
}
"""Labels in lower case, to their name."""

_NUMBERS: Final = ("spt", "dpt", "duration", "out_bytes", "in_bytes", *COUNTERS)
_EMPTY: Final = ("", "nan", "null", "none", "na")


@dataclass(frozen=True, slots=True)
class NadRows:
    """Flows with what the record has no place for.

    Parameters
    ----------
    batch
        Flows in the order of the file, with labels where it has them.
    counters
        Window counters as the file gives them, shape ``(n, 12)``, in the order of ``COUNTERS``.
    """

    batch: FlowBatch
    counters: NDArray[np.int32]


def sniff(head: bytes) -> bool:
    """Tell whether an input is a day of NAD 2021, by the names of its columns.

    Parameters
    ----------
    head
        Its first bytes.
    """
    return {_respelled(name) for name in header_of(head)[1]} >= set(COLUMNS) - {"label"}


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,  # noqa: ARG001 - the format has none
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read the flows of a day.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows, of numbers that are missing and of labels that are not known.
    statistics
        Not used.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far.
    """
    for rows in read_rows(data, name=name, report=report, progress=progress):
        for offset in range(0, len(rows.batch), batch_rows):
            yield rows.batch.slice(offset, batch_rows)


def read_rows(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    progress: Callable[[int], None] | None = None,
) -> Iterator[NadRows]:
    """Read the flows of a day with their counters; a file of any size takes the memory of a piece of it.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        See ``read``.
    progress
        Called with the bytes read so far.
    """
    table = Table.of(data, name, separator=header_of(bytes(data[:65_536]))[0])
    made = origin(name, data)
    for chunk in chunks(data):
        raw, place = table.rows(chunk, name, report)
        if raw.height:
            cells = raw.select(_cell(column) for column in table.names)
            cells = _filled(cells, report)
            typed, good = fields.check(cells, _rules(), place, report)
            uid = fields.made_uid(made, place.lines[good])
            labels = _labels(cells.filter(pl.Series(good)), report)
            counters = np.ascontiguousarray(typed.select(COUNTERS).to_numpy(), dtype=np.int32)
            yield NadRows(FlowBatch.of(_record(typed, uid), labels), counters)
        if progress is not None:
            progress(chunk.end)


# ------------------------------------------------------------------ cells to flows


def _respelled(name: str) -> str:
    """Give a column's name in the one spelling."""
    lowered = " ".join(name.strip().lower().split())
    return _RESPELL.get(lowered, lowered)


def _cell(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    given = pl.when(~text.str.to_lowercase().is_in(_EMPTY)).then(text)
    return given.alias(_respelled(column))


def _filled(cells: pl.DataFrame, report: IngestReport) -> pl.DataFrame:
    """Take missing numbers as 0, as the challenge's own baselines do, and count them."""
    missing = int(cells.select(pl.sum_horizontal(pl.col(_NUMBERS).null_count())).item())
    report.note("missing numbers, taken as 0", missing)
    return cells.with_columns(pl.col(_NUMBERS).fill_null("0")) if missing else cells


def _rules() -> list[Rule]:
    """Give the rules of the columns."""
    wide = pl.UInt64()
    rules = [
        Rule("ts", "time", fields.time_text("time"), fields.TIME_RULE, required=True),
        Rule("src_ip", "src", _short("src"), "must be an address", required=True),
        Rule("dst_ip", "dst", _short("dst"), "must be an address", required=True),
        Rule(
            "ip_proto",
            "proto",
            fields.whole("proto", pl.UInt8()),
            "must be a protocol number",
            required=True,
        ),
        Rule("src_port", "spt", fields.whole("spt", pl.UInt16()), fields.PORT_RULE),
        Rule("dst_port", "dpt", fields.whole("dpt", pl.UInt16()), fields.PORT_RULE),
        Rule("duration_us", "duration", fields.micros("duration"), fields.DURATION_RULE),
        Rule("bytes_out", "out_bytes", fields.whole("out_bytes", wide), fields.COUNT_RULE),
        Rule("bytes_in", "in_bytes", fields.whole("in_bytes", wide), fields.COUNT_RULE),
        Rule("app", "app", pl.col("app").str.to_lowercase(), "must be a name"),
    ]
    return rules + [
        Rule(name, name, fields.whole(name, pl.Int32()).clip(0), fields.COUNT_RULE)
        for name in COUNTERS
    ]


def _short(column: str) -> pl.Expr:
    return pl.when(pl.col(column).str.len_bytes().is_between(1, 255)).then(pl.col(column))


def _record(typed: pl.DataFrame, uid: pl.Expr) -> pl.DataFrame:
    """Give the columns of the record."""
    end = (pl.col("ts") + pl.col("duration_us")).clip(upper_bound=fields.LATEST_US)
    named = typed.with_columns(pl.col("ip_proto").cast(pl.String).alias("proto"))
    named = named.with_columns(fields.proto_name("proto"), end.alias("ts_end"))
    ported = pl.col("proto").is_in(list(HAS_PORTS))
    frame = named.with_columns(
        ((pl.col("ts_end") - pl.col("ts")) / 1e6).alias("duration_s"),
        uid.alias("uid"),
        fields.ip_version("src_ip").alias("ip_version"),
        *(pl.when(ported).then(pl.col(name)).alias(name) for name in ("src_port", "dst_port")),
    )
    return frame.drop("duration_us", *COUNTERS)


def _labels(cells: pl.DataFrame, report: IngestReport) -> pl.DataFrame | None:
    """Give labels by their name, of attacks also as the detail; one that is not known stays as it is."""
    if "label" not in cells.columns:
        return None
    lowered = pl.col("label").str.to_lowercase().str.replace_all(r"\s+", " ")
    named = cells.select(
        lowered.replace_strict(LABELS, default=None, return_dtype=pl.String).alias("label"),
        pl.col("label").alias("given"),
    )
    strange = int(
        named.select((pl.col("label").is_null() & pl.col("given").is_not_null()).sum()).item()
    )
    report.note("labels that are none of the five classes", strange)
    label = pl.coalesce("label", "given")
    return named.select(
        label.alias("label"), pl.when(label != "Normal").then(label).alias("label_detail")
    )
