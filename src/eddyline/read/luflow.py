"""LUFlow: one CSV a day, plain or in a zip, labelled benign, malicious or outlier.

What belongs here: its column names, times without their point, ports written as floats, and AS numbers in the
place of addresses. What does not: the published days and what their figures are worth
(``evaluate/corpora/luflow.py``).

Source: Mills, Marchang, Race, "LUFlow", Lancaster University, 2021. ``bytes_in`` and ``bytes_out`` are
payload as Cisco's Joy counts it. Joy's entropy has no place in the flow record; ``columns_beside`` gives it.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import polars as pl

from eddyline.errors import InputError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.protocols import HAS_PORTS
from eddyline.read import fields
from eddyline.read.fields import Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data, chunks, origin
from eddyline.read.source import MOST_BYTES
from eddyline.read.table import Table, names_of

NAME: Final = "luflow"

COLUMNS: Final = (
    "avg_ipt",
    "bytes_in",
    "bytes_out",
    "dest_ip",
    "dest_port",
    "entropy",
    "num_pkts_out",
    "num_pkts_in",
    "proto",
    "src_ip",
    "src_port",
    "time_end",
    "time_start",
    "total_entropy",
    "label",
    "duration",
)
"""Columns of a published day, in its order; a reader asks for the names, not for the order."""

_ZIP: Final = b"PK\x03\x04"
_ZIP_HEAD: Final = 30
_STAMP_DIGITS: Final = 10
"""Digits of the whole seconds; those behind them are the fraction."""


def sniff(head: bytes) -> bool:
    """Tell whether an input is a day of LUFlow, by the names of its columns.

    Parameters
    ----------
    head
        Its first bytes, of the CSV or of a zip around it.
    """
    text = _first_member(head) if head.startswith(_ZIP) else head
    return set(COLUMNS) - {"label"} <= set(names_of(text.split(b"\n", 1)[0], b","))


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read the flows of a day, or of several days in one zip.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows.
    statistics
        True for the mean time between packets, the one statistic that the format has.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far; of a zip once a member.

    Raises
    ------
    InputError
        When a zip is damaged, encrypted, or unpacks to too much.
    """
    for member, text, end in _members(data, name):
        table = Table.of(text, member, separator=b",")
        made = origin(member, text)
        for chunk in chunks(text):
            raw, place = table.rows(chunk, member, report)
            if raw.height:
                cells = raw.select(_cell(column) for column in table.names)
                typed, good = fields.check(cells, _rules(), place, report)
                labels = _labels(cells.filter(pl.Series(good)))
                uid = fields.made_uid(made, place.lines[good])
                batch = FlowBatch.of(_record(typed, uid, statistics=statistics), labels)
                for offset in range(0, len(batch), batch_rows):
                    yield batch.slice(offset, batch_rows)
            if progress is not None:
                progress(end or chunk.end)


def columns_beside(data: Data, name: str) -> pl.DataFrame:
    """Give the columns that the flow record has no place for, one row a line of the day.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for messages.

    Returns
    -------
    polars.DataFrame
        ``uid`` as ``read`` makes it, ``native_entropy`` and ``native_total_entropy`` (bits a byte, and bits),
        null where a cell is no number.
    """
    parts = []
    for member, text, _ in _members(data, name):
        table = Table.of(text, member, separator=b",")
        made = origin(member, text)
        for chunk in chunks(text):
            raw, place = table.rows(chunk, member, IngestReport())
            parts.append(
                raw.select(
                    fields.made_uid(made, place.lines).alias("uid"),
                    pl.col("entropy").cast(pl.Float64, strict=False).alias("native_entropy"),
                    pl.col("total_entropy")
                    .cast(pl.Float64, strict=False)
                    .alias("native_total_entropy"),
                )
            )
    return pl.concat(parts)


# ------------------------------------------------------------------ a zip around it


def _first_member(head: bytes) -> bytes:
    """Unpack what the first bytes of a zip hold of its first member."""
    if len(head) < _ZIP_HEAD:
        return b""
    method = int.from_bytes(head[8:10], "little")
    start = _ZIP_HEAD + sum(int.from_bytes(head[i : i + 2], "little") for i in (26, 28))
    if method == zipfile.ZIP_STORED:
        return head[start:]
    if method != zipfile.ZIP_DEFLATED:
        return b""
    try:
        return zlib.decompressobj(wbits=-15).decompress(head[start:], 65_536)
    except zlib.error:
        return b""


def _members(data: Data, name: str) -> Iterator[tuple[str, bytes, int]]:
    """Give each CSV with its name, and for a zip the packed bytes up to its end."""
    if data[: len(_ZIP)] != _ZIP:
        yield name, bytes(data), 0
        return
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if e.filename.lower().endswith(".csv")]
            size = sum(entry.file_size for entry in entries)
            if not entries or size > MOST_BYTES:
                message = (
                    f"{name} must hold CSV files of at most {MOST_BYTES:,} bytes in all, holds "
                    f"{len(entries)} of {size:,} bytes; unpack it yourself and pass the days"
                )
                raise InputError(message)
            for entry in entries:
                end = entry.header_offset + entry.compress_size
                # the declared size bounds what zipfile gives out, so that a bomb cannot lie about it
                yield f"{name}/{entry.filename}", archive.read(entry), end
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        message = f"{name} must be a whole zip without a password, got {error}; fetch it again"
        raise InputError(message) from error


# ------------------------------------------------------------------ cells to flows


def _cell(column: str) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.is_in(["", "nan", "NaN", "None"])).then(text).alias(column)


def _stamp(column: str) -> pl.Expr:
    """Read Unix seconds whose point is missing, µs: ten digits are seconds, the others the fraction.

    Zeros at the end of the fraction are not written, as a float is printed without them.
    """
    digits = pl.col(column).str.strip_suffix(".0")
    seconds = digits.str.slice(0, _STAMP_DIGITS).cast(pl.Int64, strict=False)
    fraction = digits.str.slice(_STAMP_DIGITS).str.pad_end(6, "0").str.slice(0, 6)
    stamp = seconds * 1_000_000 + fraction.cast(pl.Int64, strict=False)
    whole = digits.str.contains(r"^[1-9]\d{9,18}$")
    return pl.when(whole & stamp.is_between(0, fields.LATEST_US)).then(stamp)


def _rules() -> list[Rule]:
    def address(column: str) -> pl.Expr:
        number = pl.col(column).str.strip_suffix(".0")
        return pl.when(number.str.contains(r"^\d{1,10}$")).then(pl.format("AS{}", number))

    rule, port, count = "must be Unix seconds without a point", fields.PORT_RULE, fields.COUNT_RULE
    number = pl.col("avg_ipt").cast(pl.Float64, strict=False)
    return [
        Rule("ts", "time_start", _stamp("time_start"), rule, required=True),
        Rule("ts_end", "time_end", _stamp("time_end"), rule, required=True),
        Rule("src_ip", "src_ip", address("src_ip"), "must be an AS number", required=True),
        Rule("dst_ip", "dest_ip", address("dest_ip"), "must be an AS number", required=True),
        Rule(
            "ip_proto",
            "proto",
            fields.whole("proto", pl.UInt8()),
            "must be a protocol number",
            required=True,
        ),
        Rule("src_port", "src_port", fields.whole("src_port", pl.UInt16()), port),
        Rule("dst_port", "dest_port", fields.whole("dest_port", pl.UInt16()), port),
        Rule("payload_out", "bytes_out", fields.whole("bytes_out", pl.UInt64()), count),
        Rule("payload_in", "bytes_in", fields.whole("bytes_in", pl.UInt64()), count),
        Rule("pkts_out", "num_pkts_out", fields.whole("num_pkts_out", pl.UInt64()), count),
        Rule("pkts_in", "num_pkts_in", fields.whole("num_pkts_in", pl.UInt64()), count),
        Rule(
            "bidirectional_mean_piat_ms",
            "avg_ipt",
            pl.when(number.is_finite() & (number >= 0)).then(number),
            "must be a finite number >= 0",
        ),
    ]


def _record(typed: pl.DataFrame, uid: pl.Expr, *, statistics: bool) -> pl.DataFrame:
    end = pl.max_horizontal("ts", "ts_end")
    named = typed.with_columns(pl.col("ip_proto").cast(pl.String).alias("proto"))
    named = named.with_columns(fields.proto_name("proto"))
    ported = pl.col("proto").is_in(list(HAS_PORTS))
    frame = named.with_columns(
        end.alias("ts_end"),
        ((end - pl.col("ts")) / 1e6).alias("duration_s"),
        uid.alias("uid"),
        *(
            pl.when(ported).then(pl.col(column)).alias(column)
            for column in ("src_port", "dst_port")
        ),
    )
    return frame if statistics else frame.drop("bidirectional_mean_piat_ms")


def _labels(cells: pl.DataFrame) -> pl.DataFrame | None:
    if "label" not in cells.columns:
        return None
    return cells.select("label", pl.lit(None, dtype=pl.String).alias("label_detail"))
