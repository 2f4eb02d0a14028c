r"""Flows become a file: Parquet, CSV or JSON lines, batch by batch.

What belongs here: how the record is laid out in a file, so that ``read/eddyline.py`` gives it back value
for value. What does not: reports and alerts.

CSV cells are harmless in a spreadsheet: a text that would be taken for a formula gets ``'`` before it, and
a newline is written as ``\\n``, so that each flow is one line.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Final

import polars as pl
from polars.io.plugins import register_io_source

from eddyline.errors import UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import CORE_SCHEMA, LABEL_SCHEMA, SCHEMA_VERSION
from eddyline.flows.text import FORMULA_STARTS, neutral_text

SUFFIXES: Final = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
}
"""Formats by the end of a file name."""

ROW_GROUP: Final = 131_072
"""Rows of a Parquet row group; what a reader must hold at least."""


def format_of(target: str | Path, format_name: str | None = None) -> str:
    """Give the format of a target: as named, else by its suffix; ``-`` is JSON lines.

    Parameters
    ----------
    target
        File name, or ``-`` for standard output.
    format_name
        ``parquet``, ``csv`` or ``jsonl``; None to go by the name.

    Raises
    ------
    UsageError
        When the format is not known.
    """
    known = sorted(set(SUFFIXES.values()))
    chosen = format_name or (
        "jsonl" if str(target) == "-" else SUFFIXES.get(Path(target).suffix.lower())
    )
    if chosen not in known:
        what = repr(format_name) if format_name else f"{str(target)!r}"
        message = (
            f"a flow table must be one of {', '.join(known)}, got {what}; "
            f"end the name with one of {', '.join(SUFFIXES)}"
        )
        raise UsageError(message)
    return chosen


def write_flows(
    batches: Iterable[FlowBatch], target: str | Path, *, format_name: str | None = None
) -> int:
    """Write flows, and give how many; a file appears under its name only when it is whole.

    Parameters
    ----------
    batches
        In the order of the file. The columns of the first one count: labels and statistics that only
        later ones have are left out, and those that later ones lack become null.
    target
        File name, or ``-`` for standard output.
    format_name
        ``parquet``, ``csv`` or ``jsonl``; None to go by the name.

    Raises
    ------
    UsageError
        When the format is not known, Parquet is to go to standard output, or the file cannot be written.
    """
    chosen = format_of(target, format_name)
    if str(target) == "-":
        if chosen == "parquet":
            message = "Parquet must go to a file, got -; choose csv or jsonl, or name a file"
            raise UsageError(message)
        return _text(batches, sys.stdout.buffer, chosen)
    final = Path(target)
    try:
        if (
            final.exists() and not final.is_file()
        ):  # a device or a pipe: there is nothing to replace
            return _file(batches, final, chosen)
        partial = final.with_name(f".{final.name}.part")
        try:
            rows = _file(batches, partial, chosen)
            partial.replace(final)
        finally:
            partial.unlink(missing_ok=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        message = (
            f"{neutral_text(str(target))} must be a file that can be written, got "
            f"{error.strerror or neutral_text(str(error))}; check the folder, the space and the permissions"
        )
        raise UsageError(message) from error
    return rows


def _file(batches: Iterable[FlowBatch], path: Path, chosen: str) -> int:
    """Write a file."""
    if chosen == "parquet":
        return _parquet(batches, path)
    with path.open("wb") as file:
        return _text(batches, file, chosen)


def _laid_out(batches: Iterable[FlowBatch]) -> Iterator[pl.DataFrame]:
    """Give the frames of all batches with the same columns; at least one, perhaps empty."""
    schema: dict[str, pl.DataType] | None = None
    for batch in batches:
        frame = batch.frame
        if batch.labels is not None:
            frame = frame.with_columns(batch.labels.get_columns())
        if schema is None:
            schema = dict(frame.schema)
        if frame.schema != schema:
            frame = frame.select(
                pl.col(name) if name in frame.columns else pl.lit(None, dtype=kind).alias(name)
                for name, kind in schema.items()
            )
        yield frame
    if schema is None:
        yield pl.DataFrame(schema=CORE_SCHEMA)


def _parquet(batches: Iterable[FlowBatch], path: Path) -> int:
    """Stream frames into a Parquet file."""
    frames = _laid_out(batches)
    first = next(frames)
    rows = 0
    failure: list[BaseException] = []

    def source(
        with_columns: list[str] | None,
        _predicate: pl.Expr | None,
        _n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        nonlocal rows
        frame: pl.DataFrame | None = first
        while frame is not None:
            rows += frame.height
            yield frame if with_columns is None else frame.select(with_columns)
            try:
                frame = next(frames, None)
            except BaseException as error:  # polars would hide its kind: raised again below
                failure.append(error)
                raise

    lazy = register_io_source(source, schema=first.schema)
    try:
        # Opened here: Polars opens a path in a thread of its own, which may come after the source has failed
        # and the partial file was taken away.
        with path.open("wb") as file:
            lazy.sink_parquet(
                file,
                compression="zstd",
                compression_level=3,
                row_group_size=ROW_GROUP,
                metadata={"eddyline.schema": str(SCHEMA_VERSION)},
                maintain_order=True,
            )
    except BaseException:
        if failure:
            raise failure[0] from None
        raise
    return rows


def _text(batches: Iterable[FlowBatch], file: IO[bytes], chosen: str) -> int:
    """Write frames as lines."""
    rows = 0
    write: Callable[[pl.DataFrame, IO[bytes], bool], None] = _csv if chosen == "csv" else _jsonl
    for number, frame in enumerate(_laid_out(batches)):
        write(frame, file, number == 0)
        rows += frame.height
    file.flush()
    return rows


def _versioned(frame: pl.DataFrame) -> pl.DataFrame:
    """Put the version of the record before each row, where cutting the file cannot lose it."""
    version = pl.lit(SCHEMA_VERSION, dtype=pl.UInt8).alias("schema")
    return frame.select(version, pl.all())


def _jsonl(frame: pl.DataFrame, file: IO[bytes], _first: bool) -> None:
    """Write one object a line."""
    if frame.height:
        lines = io.BytesIO()
        _versioned(frame).write_ndjson(lines)
        file.write(lines.getbuffer())


def _csv(frame: pl.DataFrame, file: IO[bytes], first: bool) -> None:
    """Write one line a flow, under a header."""
    texts = [
        name
        for name, kind in frame.schema.items()
        if kind in (pl.String, pl.Categorical) or name in LABEL_SCHEMA
    ]
    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    cells = frame.with_columns(
        *(neutral_cell(pl.col(name).cast(pl.String)).alias(name) for name in texts),
        *(_list_text(name) for name in lists),
    )
    lines = io.BytesIO()  # polars hides which error a closed pipe gave
    _versioned(cells).write_csv(lines, include_header=first)
    file.write(lines.getbuffer())


def _list_text(name: str) -> pl.Expr:
    """Write a list as JSON."""
    encoded = pl.struct(pl.col(name).alias("v")).struct.json_encode()
    return (
        pl.when(pl.col(name).is_not_null())
        .then(encoded.str.slice(5, encoded.str.len_chars() - 6))
        .alias(name)
    )


def neutral_cell(text: pl.Expr) -> pl.Expr:
    r"""Make text cells harmless in a spreadsheet and one line long; ``read/eddyline.py`` undoes it.

    Backslash, newline and return become ``\\``, ``\n`` and ``\r``; then ``'`` goes before whatever begins
    like a formula.

    Parameters
    ----------
    text
        String column.
    """
    escaped = (
        text.str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all("\n", "\\n", literal=True)
        .str.replace_all("\r", "\\r", literal=True)
    )
    starts = [escaped.str.starts_with(mark) for mark in FORMULA_STARTS]
    return pl.when(pl.any_horizontal(starts)).then("'" + escaped).otherwise(escaped)
