"""Cut text into whole lines and keep their numbers, so that a lost row can be named by its place.

What belongs here: newlines, separators and quotes of any line-based format, counted over arrays. What
does not: what a field means.
"""

from __future__ import annotations

import mmap
import os
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np
from numpy.typing import NDArray

CHUNK_BYTES: Final = 8 << 20
"""Bytes that are parsed at once; bounds memory and lets progress be told."""

LONGEST_LINE: Final = 1 << 20
"""Bytes of the longest line that is read; a longer one is no flow."""


class Mapped(mmap.mmap):
    """A mapped file that knows its path, for libraries that would copy anything but a path.

    It can also be read into memory of the reader's: pages that are mapped enter the process a few at a time,
    and for a file that is read once, from end to end, that costs more than copying them.
    """

    path: str = ""
    descriptor: int = -1
    """Open for reading as long as this lives; −1 when it is not."""

    def keep_open(self, descriptor: int) -> None:
        """Let the file be read by ``read_into`` too.

        Parameters
        ----------
        descriptor
            Of the mapped file; it is duplicated.
        """
        self.descriptor = os.dup(descriptor)
        weakref.finalize(self, os.close, self.descriptor)

    def read_into(self, memory: memoryview, offset: int) -> int:
        """Copy bytes of the file; gives how many, 0 at its end.

        Parameters
        ----------
        memory
            Filled from its start on.
        offset
            Where in the file.

        Raises
        ------
        OSError
            When the file can no longer be read.
        """
        return os.preadv(self.descriptor, [memory], offset)


Data = bytes | mmap.mmap
"""Content of a source: read into memory, or mapped."""

_NEWLINE: Final = 10
_RETURN: Final = 13
_QUOTE: Final = 34


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some whole lines of a source.

    Parameters
    ----------
    text
        Bytes from the start of a line to the end of one; ends with a newline.
    first_line
        Number of its first line in the source, from 1.
    end
        Offset of the first byte behind it in the source.
    """

    text: bytes
    first_line: int
    end: int


@dataclass(frozen=True, slots=True)
class Lines:
    """Where the lines of a chunk start and end.

    Parameters
    ----------
    buffer
        The bytes as numbers.
    starts, ends
        Offsets of each line's first byte and of its newline, shape ``(n,)``.
    """

    buffer: NDArray[np.uint8]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, text: bytes) -> Lines:
        """Find the lines of a chunk.

        Parameters
        ----------
        text
            Ends with a newline, or is empty.
        """
        buffer = np.frombuffer(text, dtype=np.uint8)
        ends = np.flatnonzero(buffer == _NEWLINE).astype(np.int64)
        starts = np.concatenate((np.zeros(1, np.int64), ends[:-1] + 1))[: len(ends)]
        return cls(buffer, starts, ends)

    def lengths(self) -> NDArray[np.int64]:
        """Give the bytes of each line, without its newline and the return before it."""
        length: NDArray[np.int64] = self.ends - self.starts
        before = self.buffer[np.maximum(self.ends - 1, 0)]
        returned = (before == _RETURN) & (length > 0)
        length -= returned
        return length

    def first_bytes(self) -> NDArray[np.uint8]:
        """Give the first byte of each line; an empty one gives its newline."""
        return self.buffer[self.starts]

    def count(self, separator: bytes, *, quoted: bool = False) -> NDArray[np.int64]:
        """Count the separators of each line; -1 where a quote is left open.

        Parameters
        ----------
        separator
            One byte.
        quoted
            True when separators between double quotes do not count.
        """
        is_separator = self.buffer == separator[0]
        if quoted:
            is_quote = self.buffer == _QUOTE
            if is_quote.any():
                return self._count_quoted(is_separator, is_quote)
        return self._sum(np.flatnonzero(is_separator))

    def _sum(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Count the positions that lie in each line."""
        return np.diff(np.searchsorted(positions, self.ends), prepend=0)

    def _count_quoted(
        self, is_separator: NDArray[np.bool_], is_quote: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """Count separators outside of quotes; a line never inherits an open quote from another."""
        quotes = np.flatnonzero(is_quote)
        before = np.searchsorted(quotes, self.starts)
        separators = np.flatnonzero(is_separator)
        line = np.searchsorted(self.ends, separators)
        inside = (np.searchsorted(quotes, separators) - before[line]) % 2 == 1
        counted = self._sum(separators[~inside])
        return np.where(self._sum(quotes) % 2 == 1, -1, counted)

    def part(self, first: int, stop: int) -> Lines:
        """Give the lines ``first`` (included) to ``stop`` (excluded).

        Parameters
        ----------
        first, stop
            Line numbers within the chunk, ``0 <= first <= stop <= n``.
        """
        if first == stop:
            return Lines(self.buffer[:0], self.starts[:0], self.ends[:0])
        begin, end = int(self.starts[first]), int(self.ends[stop - 1]) + 1
        return Lines(
            self.buffer[begin:end], self.starts[first:stop] - begin, self.ends[first:stop] - begin
        )

    def pick(self, chosen: NDArray[np.bool_]) -> bytes:
        """Give the bytes of the chosen lines, newlines included.

        Parameters
        ----------
        chosen
            Shape ``(n,)``.
        """
        if chosen.all():
            return self.buffer.tobytes()
        keep = np.repeat(chosen, self.ends - self.starts + 1)
        return self.buffer[keep].tobytes()


def origin(name: str, data: Data) -> str:
    """Name a source by its file name and its first bytes, the same wherever the file lies.

    Parameters
    ----------
    name
        Name of the source, perhaps a path.
    data
        Whole content.
    """
    return f"{PurePath(name).name}-{zlib.crc32(data[:65_536]):08x}"


def chunks(data: Data, *, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Cut a source into pieces of whole lines; the last one gets a newline when it has none.

    Parameters
    ----------
    data
        Whole content of the source.
    size
        Bytes of a piece, about; ``>= 1``.
    """
    start, total, line = 0, len(data), 1
    while start < total:
        kept = stop = _stop(data, start, size)
        if stop - start > max(size, LONGEST_LINE + 1):
            kept = (
                start + LONGEST_LINE + 1
            )  # one endless line: enough of it to be told as too long
        text = data[start:kept]
        yield Chunk(text if text.endswith(b"\n") else text + b"\n", line, stop)
        line += max(text.count(b"\n"), 1)
        start = stop


def _stop(data: Data, start: int, size: int) -> int:
    """Find the end of the last whole line within a size, or of the first line when it is longer."""
    total = len(data)
    if start + size >= total:
        return total
    cut = data.rfind(b"\n", start, start + size)
    if cut < 0:
        cut = data.find(b"\n", start + size)
    return total if cut < 0 else cut + 1
