"""JSON lines as text columns, however damaged some of the lines are.

What belongs here: one object a line. What does not: what a key means.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.read.ingest import IngestReport
from eddyline.read.lines import LONGEST_LINE, Chunk, Lines

Schema = dict[str, pl.List | pl.String]

_SMALL: Final = 256
"""Lines that are tried one by one once a bad one is among them."""

_DEEPEST: Final = 64
"""Brackets of a line that is still read; a deeper one is an attack on the parser, not a flow."""


def json_frame(
    chunk: Chunk,
    names: Sequence[str],
    source: str,
    report: IngestReport,
    *,
    lists: Collection[str] = (),
) -> tuple[pl.DataFrame, NDArray[np.int64]]:
    """Give some keys of each line as text columns, and the line numbers of the rows.

    Numbers keep their digits. Lines that are no object are counted and left out.

    Parameters
    ----------
    chunk
        Whole lines.
    names
        Keys; one that a line does not have is null.
    source
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows.
    lists
        Those of the keys that hold lists; another value there is null.
    """
    lines = Lines.of(chunk.text)
    lengths = lines.lengths()
    numbers = chunk.first_line + np.arange(len(lengths), dtype=np.int64)
    filled = lengths > 0
    nested = lines.count(b"{") + lines.count(b"[")
    good = filled & (lengths <= LONGEST_LINE) & (nested <= _DEEPEST)
    text_lists = pl.List(pl.String)
    schema = {name: text_lists if name in lists else pl.String() for name in names}
    parts: list[pl.DataFrame] = []
    lost = filled & ~good
    rows = np.flatnonzero(good)
    stack = [rows] if len(rows) else []
    while stack:
        some = stack.pop()
        frame = _fast(lines, some, schema)
        if frame is None and len(some) > _SMALL:
            half = len(some) // 2
            stack += [some[half:], some[:half]]
            continue
        if frame is None:
            frame, bad = _slow(lines, some, schema)
            lost[bad] = True
        parts.append(frame)
    if lost.any():
        where = f"{source}:{numbers[lost.argmax()]}: line is not a JSON object"
        report.skip("line is not a JSON object", int(lost.sum()), place=where)
    frame = pl.concat(parts) if parts else pl.DataFrame(schema=schema)
    return frame, numbers[good & ~lost]


def _text(lines: Lines, rows: NDArray[np.int64]) -> bytes:
    """Give the bytes of some lines that rise."""
    first, last = int(rows[0]), int(rows[-1])
    some = lines.part(first, last + 1)
    chosen = np.zeros(last - first + 1, dtype=np.bool_)
    chosen[rows - first] = True
    return some.pick(chosen)


def _fast(lines: Lines, rows: NDArray[np.int64], schema: Schema) -> pl.DataFrame | None:
    """Parse many lines at once; None when one of them is bad."""
    chosen_first = lines.buffer[lines.starts[rows]]
    if (chosen_first != ord("{")).any():
        return None
    try:
        frame = pl.read_ndjson(_text(lines, rows), schema=schema)
    except (pl.exceptions.PolarsError, UnicodeDecodeError):
        return None
    return frame if frame.height == len(rows) else None


def _slow(lines: Lines, rows: NDArray[np.int64], schema: Schema) -> tuple[pl.DataFrame, list[int]]:
    """Parse lines one by one; give the good rows and the numbers of the bad ones."""
    found: list[dict[str, str | list[str | None] | None]] = []
    bad: list[int] = []
    for row in rows.tolist():
        text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
        try:
            value = json.loads(text.decode("utf-8", "replace"), parse_float=str, parse_int=str)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            found.append({name: _cell(value.get(name), kind) for name, kind in schema.items()})
        else:
            bad.append(row)
    return pl.DataFrame(found, schema=schema), bad


def _cell(value: object, kind: pl.DataType) -> str | list[str | None] | None:
    """Write a JSON value as its column wants it."""
    if not isinstance(kind, pl.List):
        return _as_text(value)
    return [_as_text(one) for one in value] if isinstance(value, list) else None


def _as_text(value: object) -> str | None:
    """Write a JSON value as the fast parser does."""
    if value is None or isinstance(value, str):
        text = value
    elif isinstance(value, bool):
        text = "true" if value else "false"
    else:
        text = json.dumps(value)
    return None if text is None else text.encode("utf-8", "replace").decode()


def text_list(column: pl.Series) -> pl.Series:
    """Read lists of texts that are written as JSON; what is no list becomes null.

    Parameters
    ----------
    column
        JSON text; each distinct one is parsed once.
    """
    found: dict[str, list[str]] = {}
    for text in column.drop_nulls().unique().to_list():
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, list) and all(isinstance(one, str | int) for one in value):
            found[text] = [_as_text(str(one)) or "" for one in value]
    kind = pl.List(pl.String)
    if not found:
        return pl.repeat(None, len(column), dtype=kind, eager=True).alias(column.name)
    texts = pl.Series(list(found), dtype=pl.String)
    numbers = pl.arange(len(texts), eager=True)
    index = column.replace_strict(texts, numbers, default=None)
    return pl.Series(list(found.values()), dtype=kind).gather(index).alias(column.name)
