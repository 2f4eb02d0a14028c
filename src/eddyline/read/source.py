"""Inputs as users name them: files, folders, patterns and standard input, plain or compressed.

What belongs here: finding files and giving their bytes, mapped when plain. What does not: what the bytes
mean.
"""

from __future__ import annotations

import glob
import mmap
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import zstandard

from eddyline.errors import InputError, UsageError
from eddyline.flows.text import neutral_text
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data, Mapped

HEAD_BYTES: Final = 16_384
"""First bytes that readers recognise a format by."""

MOST_BYTES: Final = 16 << 30
"""Bytes that a compressed or streamed source may grow to; more is taken for a decompression bomb."""

SPOOL_BYTES: Final = 32 << 20
"""Unpacked bytes that are kept in memory; more goes to a temporary file that has no name."""

_PIECE: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_ZSTD_WINDOW: Final = 1 << 27
_ZSTD_BITE: Final = 512


@dataclass(frozen=True, slots=True)
class Source:
    """One input, not opened yet.

    Parameters
    ----------
    name
        As the user knows it, made harmless for a terminal; ``"-"`` for standard input.
    path
        Its file; None for standard input.
    named
        True when the user named it; False when a folder brought it along.
    """

    name: str
    path: Path | None
    named: bool

    @property
    def once(self) -> bool:
        """True when it can be read only once, as standard input and pipes."""
        return self.path is None or not self.path.is_file()

    def head(self) -> bytes:
        """Give the first bytes, unpacked; not for what can be read only once.

        Raises
        ------
        InputError
            When the file cannot be read.
        """
        if self.path is None:
            message = "the head of standard input cannot be read apart; open it whole"
            raise InputError(message)
        head = b""
        try:
            with self.path.open("rb") as file:
                for piece in unpacked(file, file.read(_PIECE)):
                    head += piece
                    if len(head) >= HEAD_BYTES:
                        break
        except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
            if not head:
                raise _unreadable(self.name, error) from error
        return head[:HEAD_BYTES]

    def open(self, report: IngestReport, *, most_bytes: int = MOST_BYTES) -> Data:
        """Give the whole content, unpacked: mapped when the file is plain.

        Parameters
        ----------
        report
            Is told when a compressed source ends too early.
        most_bytes
            Unpacked bytes at the most.

        Raises
        ------
        InputError
            When the file cannot be read, or unpacks to more than ``most_bytes``.
        """
        if self.path is None:
            stdin = sys.stdin.buffer
            return self._spool(unpacked(stdin, stdin.read(_PIECE)), report, most_bytes)
        try:
            with self.path.open("rb") as file:
                start = file.read(_PIECE)
                if start.startswith((_GZIP, _ZSTD)) or not self.path.is_file():
                    return self._spool(unpacked(file, start), report, most_bytes)
                if not start:
                    return b""
                mapped = Mapped(file.fileno(), 0, access=mmap.ACCESS_READ)
                mapped.path = str(self.path.resolve())
                mapped.keep_open(file.fileno())
                return mapped
        except (OSError, ValueError) as error:
            raise _unreadable(self.name, error) from error

    def _spool(self, pieces: Iterator[bytes], report: IngestReport, most_bytes: int) -> Data:
        """Write pieces to their end into memory or a nameless file."""
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            size = 0
            try:
                for piece in pieces:
                    size += len(piece)
                    if size > most_bytes:
                        message = (
                            f"{self.name}: unpacked content must be at most {most_bytes:,} bytes, is more; "
                            "unpack it yourself and pass the plain file, or raise the limit"
                        )
                        raise InputError(message)
                    spool.write(piece)
            except (EOFError, zlib.error, zstandard.ZstdError) as error:
                if size == 0:
                    raise _unreadable(self.name, error) from error
                report.truncated = True
                report.note(f"{self.name}: compressed data is damaged or ends early")
            except OSError as error:
                raise _unreadable(self.name, error) from error
            spool.seek(0)
            if size <= SPOOL_BYTES:
                return spool.read()
            spool.flush()
            return mmap.mmap(spool.fileno(), 0, access=mmap.ACCESS_READ)


def _unreadable(name: str, error: Exception) -> InputError:
    """Say that a file cannot be read."""
    detail = getattr(error, "strerror", None) or neutral_text(str(error)) or type(error).__name__
    return InputError(
        f"{name} must be a readable file, got {detail}; check the path and the permissions"
    )


def unpacked(file: IO[bytes], start: bytes) -> Iterator[bytes]:
    """Give the content of a file in pieces, unpacked by its first bytes.

    Parameters
    ----------
    file
        Stands behind ``start``.
    start
        Its first bytes, already read; the piece that decides.

    Raises
    ------
    EOFError
        When packed data ends inside; what it held was given out before.
    """
    raw = _raw(file, start)
    if start.startswith(_GZIP):
        yield from _inflated(raw)
    elif start.startswith(_ZSTD):
        yield from _unpacked_zstd(raw)
    else:
        yield from raw


def _raw(file: IO[bytes], start: bytes) -> Iterator[bytes]:
    """Give the bytes of a file."""
    piece = start
    while piece:
        yield piece
        piece = file.read(_PIECE)


def _inflated(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack gzip, also several members end to end; never more than a piece at once."""
    member = zlib.decompressobj(wbits=31)
    for packed in raw:
        left = packed
        while left:
            if member.eof:
                if not left.startswith(_GZIP[: len(left)]):
                    return  # zeros or other padding behind the last member
                member = zlib.decompressobj(wbits=31)
            yield member.decompress(left, _PIECE)
            left = member.unconsumed_tail or member.unused_data
    if not member.eof:
        message = "compressed data ends early"
        raise EOFError(message)


def _unpacked_zstd(raw: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack zstandard, also several frames end to end.

    A few bytes may stand for 128 KiB each, so it is fed little at a time.
    """
    unpacker = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    frame = unpacker.decompressobj()
    for packed in raw:
        for offset in range(0, len(packed), _ZSTD_BITE):
            left = packed[offset : offset + _ZSTD_BITE]
            while left:
                if frame.eof:
                    frame = unpacker.decompressobj()
                yield frame.decompress(left)
                left = frame.unused_data if frame.eof else b""
    if not frame.eof:
        message = "compressed data ends early"
        raise EOFError(message)


def sources(paths: str | Path | Sequence[str | Path]) -> list[Source]:
    """Find the inputs that a user named, in order; folders and patterns are sorted.

    Parameters
    ----------
    paths
        Files, folders (searched through), patterns with ``*``, ``?`` or ``[``, or ``-``.

    Raises
    ------
    UsageError
        When nothing was named.
    InputError
        When a file does not exist or a pattern matches nothing.
    """
    named = [paths] if isinstance(paths, str | Path) else list(paths)
    if not named:
        message = "an input must be named, got none; pass a file, a folder, a pattern or -"
        raise UsageError(message)
    found: list[Source] = []
    for one in named:
        found.extend(_expand(str(one)))
    return found


def _expand(text: str) -> Iterator[Source]:
    """Give the inputs behind one name."""
    if text == "-":
        yield Source("-", None, named=True)
        return
    path = Path(text)
    if path.is_dir():
        yield from _folder(path)
    elif path.exists():
        yield Source(_shown(text), path, named=True)
    elif any(mark in text for mark in "*?["):
        matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            message = (
                f"{_shown(text)} must match a file, matches none; check the pattern and its quotes"
            )
            raise InputError(message)
        for match in matches:
            inner = Path(match)
            if inner.is_dir():
                yield from _folder(inner)
            else:
                yield Source(_shown(match), inner, named=False)
    else:
        message = (
            f"an input must be a file, a folder or a pattern, {neutral_text(text)} does not exist; "
            "check the path"
        )
        raise InputError(message)


def _shown(name: str) -> str:
    """Make a file name harmless: whoever wrote the file may have chosen it."""
    return neutral_text(name, longest=4096)


def _folder(folder: Path) -> Iterator[Source]:
    """Give the files of a folder and its folders, sorted; hidden ones are left out."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file():
            yield Source(_shown(str(path)), path, named=False)
