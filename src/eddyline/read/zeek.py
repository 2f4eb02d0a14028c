"""Zeek's ``conn.log``: tab-separated with a header, or JSON lines; with or without labels.

What belongs here: Zeek's names, headers and marks, and the labels that NetflowLabeler and IoT-23 add.
What does not: checks that every text format shares (``fields.py``).

``bytes_out`` is ``orig_ip_bytes``: ``orig_bytes`` is payload taken from sequence numbers and may be
wrong for large connections. ICMP "ports" are type and code. Zeek's duration leaves out trailing packets
without new payload, so ``ts_end`` may be early.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.read.fields import Place
from eddyline.read.ingest import IngestReport
from eddyline.read.jsonl import json_frame
from eddyline.read.lines import LONGEST_LINE, Chunk, Data, Lines, chunks, origin
from eddyline.read.zeekheader import (
    CONN_ONLY,
    LABELS,
    USED,
    Header,
    bare_header,
    is_conn,
    with_line,
)
from eddyline.read.zeekrecord import flows_of

NAME: Final = "zeek"

MOST_CHANGES: Final = 200
"""Times that the header of one log may change; logs joined end to end repeat theirs."""

Flags = NDArray[np.bool_]


def sniff(head: bytes) -> bool:
    """Tell whether an input is a Zeek connection log.

    Parameters
    ----------
    head
        Its first bytes, a few thousand.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        line = text.split(b"\n", 1)[0]
        names = set(re.findall(rb'"([^"\\]{1,40})"\s*:', line))
        return {b"id.orig_h", b"id.resp_h"} <= names and bool(
            names & {name.encode() for name in CONN_ONLY}
        )
    header = Header()
    for line in text.split(b"\n")[:40]:
        if not line.startswith(b"#"):
            return is_conn(header.names or bare_header(line)[1])
        if line.startswith(b"#path") and line.split()[1:] != [b"conn"]:
            return False
        try:
            header = with_line(header, line)
        except InputError:
            return False
    return is_conn(header.names)


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,  # noqa: ARG001 - a log has none
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read a connection log.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows.
    statistics
        No effect: a log has no packet statistics.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far.
    """
    start = bytes(data[:4096]).lstrip(b"\xef\xbb\xbf \t\r\n")
    made = origin(name, data)
    parse = _parse_json if start.startswith(b"{") else _TabParser().parse
    for chunk in chunks(data):
        for raw, place in parse(chunk, name, report):
            batch = flows_of(raw, place, report, made)
            for offset in range(0, len(batch), batch_rows):
                yield batch.slice(offset, batch_rows)
        if progress is not None:
            progress(chunk.end)


# ------------------------------------------------------------------ rows as text

Parsed = Iterator[tuple[pl.DataFrame, Place]]


class _TabParser:
    """Rows of a log whose header may change on the way, as in rotated logs joined end to end."""

    def __init__(self) -> None:
        self.header = Header()
        self.changes = 0

    def parse(self, chunk: Chunk, name: str, report: IngestReport) -> Parsed:
        """Cut a chunk where the header changes and give the text columns of each part."""
        lines = Lines.of(chunk.text)
        lengths, first = lines.lengths(), lines.first_bytes()
        numbers = chunk.first_line + np.arange(len(lengths), dtype=np.int64)
        comment = first == ord("#")
        too_long = lengths > LONGEST_LINE
        if too_long.any():
            where = (
                f"{name}:{numbers[too_long.argmax()]}: line is longer than {LONGEST_LINE} bytes"
            )
            report.skip("line too long", int(too_long.sum()), place=where)
        heads = self._is_header(lines, comment)
        usable = (lengths > 0) & ~heads & ~too_long
        if not self.header.names:
            self._bare(lines, usable, heads)
        start = 0
        for row in np.flatnonzero(heads).tolist():
            changed = self._apply(lines, row)
            if changed is None:
                continue
            part = slice(start, row)
            yield from self._part(
                lines.part(start, row), usable[part], numbers[part], name, report
            )
            self._change(changed, name)
            start = row + 1
        part = slice(start, len(lengths))
        yield from self._part(
            lines.part(start, len(lengths)), usable[part], numbers[part], name, report
        )

    def _change(self, header: Header, name: str) -> None:
        """Take another header; a log that changes it with every row is an attack on the reader."""
        self.header = header
        self.changes += 1
        if self.changes > MOST_CHANGES:
            message = (
                f"{name} must not change its header more than {MOST_CHANGES} times, does; "
                "split the file where its columns change"
            )
            raise InputError(message)

    def _is_header(self, lines: Lines, comment: Flags) -> Flags:
        """Tell which lines may change the header; a tab before the first # is forgiven."""
        odd = np.zeros(len(comment), dtype=np.bool_)
        for row in range(min(3, len(comment))):
            text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
            odd[row] = text.lstrip(b"\xef\xbb\xbf \t").startswith(b"#") and not comment[row]
        return comment | odd

    def _apply(self, lines: Lines, row: int) -> Header | None:
        """Give the header after one line, or None when it stays as it is."""
        text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
        text = text.lstrip(b"\xef\xbb\xbf \t")
        if not text.startswith((b"#separator", b"#set_", b"#unset_", b"#empty_", b"#fields")):
            return None
        if text.startswith(b"#separator") and self.header.names:
            fresh = with_line(self.header, text)
            if fresh.separator == self.header.separator:
                return None
            return fresh
        changed = with_line(self.header, text)
        return None if changed == self.header else changed

    def _bare(self, lines: Lines, usable: Flags, comment: Flags) -> None:
        """Take a header without ``#`` from the first line when there is no other."""
        if comment.any() or not usable.any():
            return
        row = int(usable.argmax())
        separator, names = bare_header(lines.buffer[lines.starts[row] : lines.ends[row]].tobytes())
        if names:
            self.header = Header(separator, names=names)
            usable[row] = False

    def _part(
        self,
        lines: Lines,
        usable: Flags,
        numbers: NDArray[np.int64],
        name: str,
        report: IngestReport,
    ) -> Parsed:
        """Give the text columns of some lines under one header."""
        inside = usable.copy()
        if not inside.any():
            return
        width = len(self.header.names)
        if width == 0:
            where = f"{name}:{numbers[inside.argmax()]}: there is no #fields line before this row"
            report.skip("row before the header", int(inside.sum()), place=where)
            return
        found = lines.count(self.header.separator) + 1
        wrong = inside & (found != width)
        if wrong.any():
            row = int(wrong.argmax())
            where = f"{name}:{numbers[row]}: row has {found[row]} fields, must have {width}"
            report.skip("wrong number of fields", int(wrong.sum()), place=where)
            inside &= ~wrong
        if inside.any():
            yield self._frame(lines.pick(inside)), Place(name, numbers[inside])

    def _frame(self, text: bytes) -> pl.DataFrame:
        """Split rows that are known to have the right number of fields."""
        header = self.header
        unique = [f"{i}" for i in range(len(header.names))]
        frame = _split(text, header.separator, unique)
        columns: dict[str, str] = {}
        for position, field in enumerate(header.names):
            columns.setdefault(field, str(position))
        wanted = [*USED, *LABELS]
        picked = frame.select(
            _marked(pl.col(columns[field]), header, field).alias(field)
            for field in wanted
            if field in columns and not (header.tail and field == header.names[-1])
        )
        if header.tail:
            picked = picked.with_columns(_tail_columns(frame[unique[-1]], header))
        sets = [field for field in ("tunnel_parents",) if field in picked.columns]
        return picked.with_columns(
            pl.when(pl.col(field) == header.empty)
            .then(pl.lit([], dtype=pl.List(pl.String)))
            .otherwise(pl.col(field).str.split(header.set_separator))
            .alias(field)
            for field in sets
        )


def _split(text: bytes, separator: bytes, names: list[str]) -> pl.DataFrame:
    """Split uniform rows into text columns."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        text = text.decode("utf-8", "replace").encode()
    return pl.read_csv(
        text,
        separator=separator.decode("latin-1"),
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        quote_char=None,
        glob=False,
    )


def _marked(column: pl.Expr, header: Header, field: str) -> pl.Expr:
    """Turn the marks of a missing value into null, and of an empty one where it is no set."""
    marks = [header.unset] if field == "tunnel_parents" else [header.unset, header.empty]
    return pl.when(~column.is_in(marks)).then(column)


def _tail_columns(last: pl.Series, header: Header) -> list[pl.Series]:
    """Split the last column at runs of spaces into its own value and the labels."""
    names = (header.names[-1], *header.tail)
    parts = last.str.replace_all(r" {2,}", "\x1f").str.splitn("\x1f", len(names)).struct.unnest()
    parts.columns = list(names)
    return [
        parts.select(_marked(pl.col(field).str.strip_chars(), header, field)).to_series()
        for field in names
        if field in LABELS or field in USED
    ]


def _parse_json(chunk: Chunk, name: str, report: IngestReport) -> Parsed:
    """Give the text columns of JSON lines."""
    names = [*USED, *LABELS]
    frame, numbers = json_frame(chunk, names, name, report, lists=["tunnel_parents"])
    if frame.height == 0:
        return
    present = frame.select(
        pl.col(field) for field in names if frame[field].null_count() < frame.height
    )
    yield present, Place(name, numbers)
