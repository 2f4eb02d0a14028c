"""Tables of text with one header line: separator, names, uniform rows.

What belongs here: cells. What does not: what a column means.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.read.fields import Place
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import LONGEST_LINE, Chunk, Data, Lines

SEPARATORS = (b",", b"\t", b";", b"|")
_MOST_COLUMNS = 2000


def header_of(head: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Guess the separator of a table by its first line, and give the names there.

    Parameters
    ----------
    head
        First bytes of the input.
    """
    line = head.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    best = max(SEPARATORS, key=line.count)
    return best, names_of(line, best)


def names_of(line: bytes, separator: bytes) -> tuple[str, ...]:
    """Give the names of a header line.

    Parameters
    ----------
    line
        Without its newline.
    separator
        One byte.
    """
    text = line.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").strip("\r\n\x00")
    if not text or len(text) > LONGEST_LINE // 8 or "\x00" in text:
        return ()
    try:
        row = next(csv.reader([text], delimiter=separator.decode("latin-1")), [])
    except csv.Error:
        return ()
    return tuple(name.strip() for name in row)


@dataclass(frozen=True, slots=True)
class Table:
    """How the rows of one table are cut into cells.

    Parameters
    ----------
    separator
        One byte.
    names
        Column names, in order; a name that occurs again counts where it is first.
    """

    separator: bytes
    names: tuple[str, ...]

    @classmethod
    def of(cls, data: Data, source: str, *, separator: bytes) -> Table:
        """Read the header.

        Parameters
        ----------
        data
            Whole content.
        source
            Name of the source, for the message.
        separator
            One byte.

        Raises
        ------
        InputError
            When the first line is no header.
        """
        end = data.find(b"\n")
        end = min(len(data) if end < 0 else end, LONGEST_LINE)
        names = names_of(bytes(data[:end]), separator)
        if not 1 <= len(names) <= _MOST_COLUMNS:
            message = (
                f"{source}:1: the first line must name 1 to {_MOST_COLUMNS} columns, names {len(names)}; "
                "put a header line before the rows"
            )
            raise InputError(message)
        return cls(separator, names)

    def rows(self, chunk: Chunk, source: str, report: IngestReport) -> tuple[pl.DataFrame, Place]:
        """Give the text columns of a chunk; rows with another number of cells are counted.

        A row never reaches over the end of its line: a quote that stays open makes a bad row, not a lost
        file.

        Parameters
        ----------
        chunk
            Whole lines; the first chunk holds the header.
        source
            Name of the source, for the places of lost rows.
        report
            Takes counts of lost rows.
        """
        lines = Lines.of(chunk.text)
        numbers = chunk.first_line + np.arange(len(lines.starts), dtype=np.int64)
        lengths = lines.lengths()
        good = (lengths > 0) & (lengths <= LONGEST_LINE) & (numbers > 1)
        if len(self.names) == 1:
            good &= lengths > 0
        long = lengths > LONGEST_LINE
        if long.any():
            where = f"{source}:{numbers[long.argmax()]}: line is longer than {LONGEST_LINE} bytes"
            report.skip("line too long", int(long.sum()), place=where)
        cells = lines.count(self.separator, quoted=True) + 1
        wrong = good & (cells != len(self.names))
        if wrong.any():
            row = int(wrong.argmax())
            found = f"{cells[row]} cells" if cells[row] else "a quote that stays open"
            where = f"{source}:{numbers[row]}: row has {found}, must have {len(self.names)} cells"
            report.skip("wrong number of cells", int(wrong.sum()), place=where)
        good &= ~wrong
        frame = self._frame(lines.pick(good), int(good.sum()))
        if frame is None:
            return self._one_by_one(lines, good, numbers, source, report)
        return frame, Place(source, numbers[good])

    def _one_by_one(
        self,
        lines: Lines,
        good: NDArray[np.bool_],
        numbers: NDArray[np.int64],
        source: str,
        report: IngestReport,
    ) -> tuple[pl.DataFrame, Place]:
        """Split rows one by one when the quotes of one of them make no sense."""
        kept: list[list[str | None]] = []
        for row in np.flatnonzero(good).tolist():
            text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
            line = text.decode("utf-8", "replace").rstrip("\r")
            try:
                cells = next(csv.reader([line], delimiter=self._mark, strict=True), [])
            except csv.Error:
                cells = []
            if len(cells) == len(self.names):
                kept.append([cell or None for cell in cells])
                continue
            good[row] = False
            where = f"{source}:{numbers[row]}: a quote stands in the middle of a cell"
            report.skip("misplaced quote", place=where)
        frame = pl.DataFrame(kept, schema=dict.fromkeys(self._positions, pl.String), orient="row")
        return self._named(frame), Place(source, numbers[good])

    @property
    def _mark(self) -> str:
        """The separator as text."""
        return self.separator.decode("latin-1")

    @property
    def _positions(self) -> list[str]:
        """Names for the columns by their number, since those of the header may repeat."""
        return [str(i) for i in range(len(self.names))]

    def _named(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Give the columns their names; of equal names the first counts."""
        columns: dict[str, str] = {}
        for position, name in zip(self._positions, self.names, strict=True):
            columns.setdefault(name, position)
        return frame.select(pl.col(place).alias(name) for name, place in columns.items())

    def _frame(self, text: bytes, rows: int) -> pl.DataFrame | None:
        """Split uniform rows into text columns; None when quotes stand where none may."""
        try:
            text.decode("utf-8")
        except UnicodeDecodeError:
            text = text.decode("utf-8", "replace").encode()
        schema = dict.fromkeys(self._positions, pl.String)
        if not text:
            return self._named(pl.DataFrame(schema=schema))
        try:
            frame = pl.read_csv(
                text,
                separator=self._mark,
                has_header=False,
                schema=schema,
                quote_char='"' if b'"' in text else None,
                glob=False,
            )
        except pl.exceptions.PolarsError:
            return None
        return self._named(frame) if frame.height == rows else None
