"""The readers: by name, by content, and those that other packages bring.

What belongs here: which readers exist and which one fits some bytes. What does not: any format.
A reader is a module or object with ``sniff`` and ``read`` (see ``Reader``). A package adds one through the
entry point group ``eddyline.readers``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, cast, runtime_checkable

from eddyline.errors import UnknownFormatError, UsageError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data

GROUP: Final = "eddyline.readers"
"""Entry point group of readers from other packages."""

Progress = Callable[[int], None]
"""Called with the bytes read so far."""


@runtime_checkable
class Reader(Protocol):
    """What a reader has."""

    def sniff(self, head: bytes) -> bool:
        """Tell whether an input is of this format.

        Parameters
        ----------
        head
            Its first bytes, unpacked: 16 KiB, or all when it is shorter.
        """
        ...

    def read(
        self,
        data: Data,
        *,
        name: str,
        report: IngestReport,
        statistics: bool = False,
        batch_rows: int = BATCH_ROWS,
        progress: Progress | None = None,
    ) -> Iterator[FlowBatch]:
        """Read flows.

        Parameters
        ----------
        data
            Whole content, unpacked.
        name
            Name of the source, for the places of lost rows.
        report
            Takes counts of what was lost.
        statistics
            True when the optional statistics are wanted, where the format can give them.
        batch_rows
            Rows of a batch at the most.
        progress
            Called with the bytes read so far.
        """
        ...


@runtime_checkable
class OrderedReader(Protocol):
    """A reader that can tell whether an input is already in event-time order."""

    def span_if_ordered(self, data: Data) -> tuple[int, int] | None:
        """Give the first and the last ``ts_end`` of an ordered input, or None.

        Parameters
        ----------
        data
            Whole content.
        """
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A reader that is known but perhaps not loaded.

    Parameters
    ----------
    name
        Its name, as reports show it.
    module
        Where it is.
    magic
        First bytes that its format must have, so that heavy readers load only for their own; empty
        when the text decides.
    ordered
        True when its flows come in event-time order already, as a meter gives them.
    """

    name: str
    module: str
    magic: tuple[bytes, ...] = ()
    ordered: bool = False


BUILT_IN: Final[tuple[Entry, ...]] = (
    Entry(
        "pcap",
        "eddyline.read.pcap",
        (
            b"\xd4\xc3\xb2\xa1",
            b"\xa1\xb2\xc3\xd4",
            b"\x4d\x3c\xb2\xa1",
            b"\xa1\xb2\x3c\x4d",
            b"\x34\xcd\xb2\xa1",
            b"\xa1\xb2\xcd\x34",
        ),
        ordered=True,
    ),
    Entry("pcapng", "eddyline.read.pcapng", (b"\x0a\x0d\x0d\x0a",), ordered=True),
    Entry("zeek", "eddyline.read.zeek"),
    Entry("eddyline", "eddyline.read.eddyline"),
    Entry("luflow", "eddyline.read.luflow"),
    Entry("nad", "eddyline.read.nad"),
    Entry("csv", "eddyline.read.csv"),
)
"""Readers of this package, in the order they are asked."""


def names() -> list[str]:
    """Give the names of all readers, ours first."""
    return [entry.name for entry in BUILT_IN] + sorted(point.name for point in _points())


def reader(name: str) -> Reader:
    """Give a reader by its name.

    Parameters
    ----------
    name
        One of ``names()``.

    Raises
    ------
    UsageError
        When there is none, or it does not have what a reader has.
    """
    for entry in BUILT_IN:
        if entry.name == name:
            return cast("Reader", importlib.import_module(entry.module))
    for point in _points():
        if point.name == name:
            return _checked(point)
    message = f"a reader must be one of {', '.join(names())}, got {name!r}; check its spelling"
    raise UsageError(message)


def gives_order(name: str) -> bool:
    """Tell whether a reader gives its flows in event-time order whatever the input.

    Parameters
    ----------
    name
        One of ``names()``.
    """
    return any(entry.name == name and entry.ordered for entry in BUILT_IN)


def recognise(head: bytes, source: str) -> str:
    """Give the name of the reader for some content.

    Parameters
    ----------
    head
        First bytes, unpacked.
    source
        Name of the source, for the message.

    Raises
    ------
    UnknownFormatError
        When no reader recognises the content.
    """
    for entry in BUILT_IN:
        if entry.magic and not head.startswith(entry.magic):
            continue
        if reader(entry.name).sniff(head):
            return entry.name
    for point in _points():
        if _checked(point).sniff(head):
            return point.name
    got = f"begins with {head[:8]!r}, which is none of them" if head else "is empty"
    message = (
        f"{source} must hold packets or flows in a known format ({', '.join(names())}), but {got}; "
        "name the columns of a table of flows with --map OURS=THEIRS"
    )
    raise UnknownFormatError(message)


def _points() -> list[importlib.metadata.EntryPoint]:
    """Find the readers of other packages; a name of ours is never taken over."""
    ours = {entry.name for entry in BUILT_IN}
    found = importlib.metadata.entry_points(group=GROUP)
    return sorted((point for point in found if point.name not in ours), key=lambda p: p.name)


def _checked(point: importlib.metadata.EntryPoint) -> Reader:
    """Load a reader of another package and check that it is one."""
    try:
        found = point.load()
    except (ImportError, AttributeError) as error:
        message = (
            f"reader {point.name!r} must load from {point.value}, got {error}; "
            "update or remove its package"
        )
        raise UsageError(message) from error
    found = found() if isinstance(found, type) else found
    if not isinstance(found, Reader):
        message = (
            f"reader {point.name!r} of {point.value} must have sniff and read, has not; "
            "see eddyline.read.registry.Reader"
        )
        raise UsageError(message)
    return found
