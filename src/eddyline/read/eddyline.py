"""Our own flow tables, as ``flows/write.py`` writes them: Parquet, CSV and JSON lines.

What belongs here: reading them back, value for value, and refusing a version that is not known. What does
not: tables of other tools (``csv.py``).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import IO, Final

import numpy as np
import polars as pl

from eddyline.errors import InputError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.record import CORE_SCHEMA, LABEL_SCHEMA, SCHEMA_VERSION, STATISTICS_SCHEMA
from eddyline.flows.text import neutral_text
from eddyline.read import fields
from eddyline.read.fields import Place, Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.jsonl import json_frame, text_list
from eddyline.read.lines import Data, Mapped, chunks, origin
from eddyline.read.order import is_ordered
from eddyline.read.table import Table

NAME: Final = "eddyline"
VERSION_COLUMN: Final = "schema"
VERSION_KEY: Final = "eddyline.schema"

_ESCAPED: Final = re.compile(r"\\[\\nr]")
_PLAIN: Final = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
_PARQUET: Final = b"PAR1"
_ALL: Final = {**CORE_SCHEMA, **STATISTICS_SCHEMA, **LABEL_SCHEMA}
_LISTS: Final = tuple(name for name, kind in _ALL.items() if isinstance(kind, pl.List))
_NEEDED: Final = ("ts", "ts_end", "src_ip", "dst_ip", "proto")


def sniff(head: bytes) -> bool:
    """Tell whether an input is a flow table of ours, or any Parquet file.

    Parameters
    ----------
    head
        Its first bytes.
    """
    if head.startswith(_PARQUET):
        return True
    line = head.split(b"\n", 1)[0]
    return line.startswith(b"schema,ts,ts_end,") or (
        line.startswith(b'{"schema":') and b'"ts_end":' in line
    )


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read a flow table.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows.
    statistics
        True to keep the optional statistics that the table has.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far.

    Raises
    ------
    InputError
        When the table is damaged, lacks a column that a flow cannot be without, or has a version that is
        not known.
    """
    if bytes(data[:4]) == _PARQUET:
        yield from _parquet(data, name, report, statistics, batch_rows, progress)
        return
    parse = _json_rows if bytes(data[:1]) == b"{" else _csv_rows
    for raw, place, end in parse(data, name, report):
        batch = _typed(raw, place, report, statistics)
        for offset in range(0, len(batch), batch_rows):
            yield batch.slice(offset, batch_rows)
        if progress is not None:
            progress(end)


# ------------------------------------------------------------------ Parquet


def _open(data: Data, name: str) -> tuple[pl.LazyFrame, pl.Schema]:
    """Open a Parquet table and check its version and columns."""
    try:
        meta = pl.read_parquet_metadata(_file(data))
        frame = pl.scan_parquet(_file(data), glob=False)
        schema = frame.collect_schema()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        raise _damaged(name, error) from error
    _check_version(meta.get(VERSION_KEY), name)
    for column in _NEEDED:
        if column not in schema:
            message = (
                f"{name} must have the column {column!r}, has {', '.join(schema.names()[:8])} …; "
                "write it with `eddyline flows`, or convert the table to CSV and pass a column map"
            )
            raise InputError(message)
    for column in ("ts", "ts_end"):
        if not (schema[column].is_integer() or isinstance(schema[column], pl.Datetime)):
            message = (
                f"{name}: {column} must be whole µs or a timestamp, is {schema[column]}; "
                "convert it, or write the table as CSV and pass a column map"
            )
            raise InputError(message)
    stamps = [column for column in ("ts", "ts_end") if isinstance(schema[column], pl.Datetime)]
    return frame.with_columns(_stamp(column) for column in stamps), schema


def _stamp(column: str) -> pl.Expr:
    """Give a timestamp as µs, UTC."""
    return pl.col(column).dt.epoch("us").alias(column)


def _file(data: Data) -> IO[bytes] | str:
    """Give content as something that Polars reads in parts; a mapped file without a path is copied."""
    if isinstance(data, Mapped) and data.path:
        return data.path
    if isinstance(data, bytes):
        return io.BytesIO(data)
    data.seek(0)
    return data  # type: ignore[return-value] # a mapped file reads, seeks and tells like a file


def _damaged(name: str, error: BaseException) -> InputError:
    """Say that a table cannot be read."""
    detail = neutral_text(str(error).split("\n", 1)[0])
    return InputError(
        f"{name} must be a whole Parquet file with the record's types, got: {detail}; write it again"
    )


def _check_version(text: str | None, name: str) -> None:
    """Refuse a version that is not known; a table of another tool has none."""
    if text is not None and text != str(SCHEMA_VERSION):
        message = (
            f"{name} must have schema version {SCHEMA_VERSION}, has {neutral_text(text, longest=20)}; "
            "read it with the Eddyline that wrote it, or update"
        )
        raise InputError(message)


def span_if_ordered(data: Data) -> tuple[int, int] | None:
    """Give the first and the last ``ts_end`` of a Parquet table in event-time order, else None.

    Reads three columns only.

    Parameters
    ----------
    data
        Whole content.
    """
    if bytes(data[:4]) != _PARQUET:
        return None
    try:
        frame, schema = _open(data, "table")
        if any(schema.get(name) != pl.Int64 for name in ("ts", "ts_end")) or "uid" not in schema:
            return None
        previous: pl.DataFrame | None = None
        first = last = 0
        for part in frame.select("ts_end", "ts", "uid").collect_batches(
            chunk_size=1_000_000, maintain_order=True
        ):
            if not part.height:
                continue
            joined = part if previous is None else pl.concat([previous, part])
            if part["ts_end"].null_count() or part["ts"].null_count() or not is_ordered(joined):
                return None
            first = int(part["ts_end"][0]) if previous is None else first
            last = int(part["ts_end"][-1])
            previous = part.tail(1)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, InputError):
        return None  # reading it will say what is wrong
    return None if previous is None else (first, last)


def _parquet(
    data: Data,
    name: str,
    report: IngestReport,
    statistics: bool,
    batch_rows: int,
    progress: Callable[[int], None] | None,
) -> Iterator[FlowBatch]:
    """Give the batches of a Parquet table."""
    frame, schema = _open(data, name)
    wanted = {**CORE_SCHEMA, **LABEL_SCHEMA, **(STATISTICS_SCHEMA if statistics else {})}
    columns = [column for column in schema.names() if column in wanted]
    foreign = [column for column in schema.names() if column not in _ALL]
    report.note(f"{name}: columns that are not of the record, left out", len(foreign))
    done = 0
    made = origin(name, data)
    try:
        total = int(frame.select(pl.len()).collect().item())
        for part in frame.select(columns).collect_batches(
            chunk_size=batch_rows, maintain_order=True
        ):
            for offset in range(0, part.height, batch_rows):
                yield _whole(part.slice(offset, batch_rows), name, done + offset, report, made)
            done += part.height
            if progress is not None:
                progress(len(data) * done // max(total, 1))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _damaged(name, error) from error


def _whole(
    part: pl.DataFrame, name: str, before: int, report: IngestReport, made: str
) -> FlowBatch:
    """Make a batch of rows that have what a flow cannot be without."""
    if "uid" not in part.columns:
        rows = np.arange(before, before + part.height)
        part = part.with_columns(fields.made_uid(made, rows).alias("uid"))
    part = _fitting(part, name, before, report)
    good = pl.all_horizontal(pl.col(column).is_not_null() for column in (*_NEEDED, "uid"))
    times = pl.all_horizontal(
        pl.col(column).cast(pl.Int64).is_between(0, fields.LATEST_US)
        for column in ("ts", "ts_end")
    )
    forward = pl.col("ts") <= pl.col("ts_end")
    kept = part.select((good & times & forward).fill_null(value=False)).to_series()
    if not kept.all():
        lost = int((~kept).sum())
        row = before + int((~kept).arg_true()[0])
        cause = "a time, address or protocol is missing or makes no sense"
        report.skip(cause, lost, place=f"{name}: row {row}: {cause}")
        part = part.filter(kept)
    labels = part.select(list(LABEL_SCHEMA)) if set(LABEL_SCHEMA) <= set(part.columns) else None
    return FlowBatch.of(part.drop(list(LABEL_SCHEMA), strict=False), labels)


def _fitting(part: pl.DataFrame, name: str, before: int, report: IngestReport) -> pl.DataFrame:
    """Bring columns of other types to those of the record; rows with a value that does not fit are lost."""
    other = [column for column, kind in part.schema.items() if kind != _ALL[column]]
    if not other:
        return part
    typed = part.with_columns(pl.col(column).cast(_ALL[column], strict=False) for column in other)
    broken = [typed[column].is_null() & part[column].is_not_null() for column in other]
    wrong = pl.select(pl.any_horizontal(broken)).to_series()
    if not wrong.any():
        return typed
    cause = "a value does not fit its column"
    row = before + int(wrong.arg_true()[0])
    report.skip(cause, int(wrong.sum()), place=f"{name}: row {row}: {cause}")
    return typed.filter(~wrong)


# ------------------------------------------------------------------ text

Rows = Iterator[tuple[pl.DataFrame, Place, int]]


def _csv_rows(data: Data, name: str, report: IngestReport) -> Rows:
    """Give the text columns of a CSV table, with its marks against spreadsheets taken off."""
    table = Table.of(data, name, separator=b",")
    texts = [
        column
        for column, kind in _ALL.items()
        if kind in (pl.String, pl.Categorical) and column in table.names
    ]
    for chunk in chunks(data):
        raw, place = table.rows(chunk, name, report)
        if raw.height:
            yield raw.with_columns(_unmarked(raw[column]) for column in texts), place, chunk.end


def _unmarked(column: pl.Series) -> pl.Series:
    """Undo what the writer did to text cells."""
    text = column.str.strip_prefix("'")
    marked = text.str.contains("\\", literal=True).fill_null(value=False)
    if not marked.any():
        return text
    old = text.filter(marked).unique()
    new = [
        _ESCAPED.sub(lambda found: _PLAIN.get(found[0], found[0]), one) for one in old.to_list()
    ]
    return text.replace(old, pl.Series(new, dtype=pl.String))


def _json_rows(data: Data, name: str, report: IngestReport) -> Rows:
    """Give the text columns of JSON lines."""
    for chunk in chunks(data):
        raw, lines = json_frame(chunk, [VERSION_COLUMN, *_ALL], name, report, lists=_LISTS)
        if raw.height:
            present = [
                column
                for column in raw.columns
                if raw[column].null_count() < raw.height or column not in _ALL
            ]
            yield raw.select(present), Place(name, lines), chunk.end


def _typed(
    raw: pl.DataFrame,
    place: Place,
    report: IngestReport,
    statistics: bool,
) -> FlowBatch:
    """Turn text columns into flows."""
    if VERSION_COLUMN in raw.columns:
        for version in raw[VERSION_COLUMN].drop_nulls().unique().head(3).to_list():
            _check_version(version, place.name)
    needed = [column for column in (*_NEEDED, "uid") if column not in raw.columns]
    raw = raw.with_columns(pl.lit(None, dtype=pl.String).alias(column) for column in needed)
    raw = raw.with_columns(
        (text_list(raw[column]) if raw[column].dtype == pl.String else raw[column]).cast(
            _ALL[column], strict=False
        )
        for column in _LISTS
        if column in raw.columns
    )
    wanted = {**CORE_SCHEMA, **(STATISTICS_SCHEMA if statistics else {})}
    rules = [_rule(column, kind) for column, kind in wanted.items() if column in raw.columns]
    typed, good = fields.check(raw, rules, place, report)
    labels = raw.filter(pl.Series(good)).select(
        pl.col(column) if column in raw.columns else pl.lit(None, dtype=pl.String).alias(column)
        for column in LABEL_SCHEMA
    )
    return FlowBatch.of(typed, labels if set(LABEL_SCHEMA) & set(raw.columns) else None)


def _rule(column: str, kind: pl.DataType) -> Rule:
    """Give the rule of one column of the record."""
    required = column in _NEEDED or column == "uid"
    if column in ("ts", "ts_end"):
        number = pl.col(column).cast(pl.Int64, strict=False)
        typed = pl.when(number.is_between(0, fields.LATEST_US)).then(number)
        if column == "ts_end":
            begin = pl.col("ts").cast(pl.Int64, strict=False)
            typed = pl.when(number >= begin).then(typed)
            return Rule(column, column, typed, "must be a time at or after ts", required=True)
        return Rule(column, column, typed, fields.TIME_RULE, required=True)
    if kind.is_integer():
        number = pl.col(column).cast(kind, strict=False)
        return Rule(column, column, number, f"must fit {kind}")
    if kind.is_float():
        number = pl.col(column).cast(kind, strict=False)
        finite = pl.when(number.is_finite()).then(number)
        return Rule(column, column, finite, "must be a finite number")
    return Rule(column, column, pl.col(column), "must not be missing", required=required)
