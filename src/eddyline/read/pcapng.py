"""The next-generation capture file, pcapng: where each packet stands and when it was seen.

What belongs here: sections of either byte order, interfaces with their link type and clock, the three
packet blocks. What does not: anything inside a packet (``flows/meter``). The format:
draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy import int64, uint64
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.meter.jit import inline, kernel
from eddyline.flows.meter.layout import P_CAPTURED, P_LENGTH, P_LINK, P_OFFSET, P_TIME, Word
from eddyline.flows.meter.session import Meter
from eddyline.read.ingest import IngestReport
from eddyline.read.packets import (
    AT_END,
    CUT,
    DAMAGED,
    MORE,
    S_FIRST_OF_FORMAT,
    S_POSITION,
    S_STATUS,
    S_SWAPPED,
    Capture,
    Data,
    meter_packets,
)
from eddyline.read.pcap import word

FORMAT: Final = "pcapng"

MOST_INTERFACES: Final = 4_096
"""Interfaces of a section that are kept; packets of later ones are counted as of unknown link type."""

_SECTION: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OLD_PACKET: Final = 2
_SIMPLE: Final = 3
_ENHANCED: Final = 6
_ORDER: Final = 0x1A2B3C4D
_NEVER: Final = -1
"""A time that the meter counts as impossible."""

S_INTERFACES: Final = S_FIRST_OF_FORMAT
S_CLOCK: Final = S_FIRST_OF_FORMAT + 1
S_NUMBERS: Final = S_FIRST_OF_FORMAT + 2

I_LINK, I_RESOLUTION, I_OFFSET_S, I_SNAP, I_COLUMNS = range(5)


def sniff(head: bytes) -> bool:
    """Say whether a file that begins so is a pcapng file.

    Parameters
    ----------
    head
        First bytes of the file, 12 or more.
    """
    return head[:4] == b"\x0a\x0d\x0d\x0a" and head[8:12] in (
        b"\x1a\x2b\x3c\x4d",
        b"\x4d\x3c\x2b\x1a",
    )


@inline
def half(data: NDArray[np.uint8], at: int, swapped: int) -> Word:
    """Read two bytes."""
    if swapped:
        return (int64(data[at]) << 8) | int64(data[at + 1])
    return (int64(data[at + 1]) << 8) | int64(data[at])


@inline
def to_us(high: int, low: int, resolution: int, offset_s: int) -> Word:
    """Turn a time stamp of an interface into µs since the epoch; rounds down, as libpcap does."""
    units = (uint64(high) << uint64(32)) | uint64(low)
    exponent = uint64(resolution & 127)
    million = uint64(1_000_000)
    if resolution & 128:
        seconds = uint64(0) if exponent > uint64(63) else units >> exponent
        rest = units if exponent > uint64(63) else units - (seconds << exponent)
        while exponent > uint64(40):
            rest = rest >> uint64(1)
            exponent = exponent - uint64(1)
        fraction = (rest * million) >> exponent
    else:
        scale = uint64(1)
        step = uint64(0)
        while step < exponent and step < uint64(19):
            scale = scale * uint64(10)
            step = step + uint64(1)
        seconds = uint64(0) if exponent > uint64(19) else units // scale
        rest = units - seconds * scale
        fraction = rest // (scale // million) if scale >= million else rest * (million // scale)
        if exponent > uint64(19):
            fraction = uint64(0)
    if seconds > uint64(1 << 40) or offset_s > 1 << 40 or offset_s < -(1 << 40):
        return _NEVER
    return (int64(seconds) + offset_s) * 1_000_000 + int64(fraction)


@inline
def read_interface(
    data: NDArray[np.uint8], at: int, end: int, numbers: Any, interfaces: Any
) -> None:
    """Read an interface description block and its clock options."""
    which = numbers[S_INTERFACES]
    numbers[S_INTERFACES] += 1
    if which >= interfaces.shape[0] or end - at < 8:
        return
    swapped = numbers[S_SWAPPED]
    interfaces[which, I_LINK] = half(data, at, swapped)
    interfaces[which, I_SNAP] = word(data, at + 4, swapped)
    interfaces[which, I_RESOLUTION] = 6
    interfaces[which, I_OFFSET_S] = 0
    at += 8
    while end - at >= 4:
        code, size = half(data, at, swapped), half(data, at + 2, swapped)
        at += 4
        if code == 0 or size > end - at:
            return
        if code == 9 and size == 1:
            interfaces[which, I_RESOLUTION] = data[at]
        elif code == 14 and size == 8:
            first, second = word(data, at, swapped), word(data, at + 4, swapped)
            high, low = (first, second) if swapped else (second, first)
            interfaces[which, I_OFFSET_S] = (high << 32) | low
        at += (size + 3) & ~int64(3)


@inline
def read_packet_block(
    data: NDArray[np.uint8], kind: int, at: int, end: int, numbers: Any, interfaces: Any, out: Any
) -> Word:
    """Read an enhanced, an old or a simple packet block; False when it cannot hold its packet."""
    swapped = numbers[S_SWAPPED]
    which, header = int64(0), int64(20)
    if end - at < (4 if kind == _SIMPLE else 20):
        return False
    if kind == _SIMPLE:
        header = int64(4)
        length = word(data, at, swapped)
        snap = interfaces[0, I_SNAP]
        captured = min(length, end - at - 4)
        if snap > 0:
            captured = min(captured, snap)
    else:
        which = word(data, at, swapped) if kind == _ENHANCED else half(data, at, swapped)
        captured = word(data, at + 12, swapped)
        length = word(data, at + 16, swapped)
    if captured > end - at - header:
        return False
    known = which < numbers[S_INTERFACES] and which < interfaces.shape[0]
    if known and kind != _SIMPLE:
        numbers[S_CLOCK] = to_us(
            word(data, at + 4, swapped),
            word(data, at + 8, swapped),
            interfaces[which, I_RESOLUTION],
            interfaces[which, I_OFFSET_S],
        )
    out[P_OFFSET] = at + header
    out[P_CAPTURED] = captured
    out[P_LENGTH] = length
    # A simple packet block has no time: it gets that of the packet before it.
    out[P_TIME] = numbers[S_CLOCK]
    out[P_LINK] = interfaces[which, I_LINK] if known else -1
    return True


@inline
def open_section(data: NDArray[np.uint8], at: int, numbers: Any) -> Word:
    """Read a section header's byte order; False when it is none."""
    if word(data, at + 8, 0) == _ORDER:
        numbers[S_SWAPPED] = 0
    elif word(data, at + 8, 1) == _ORDER:
        numbers[S_SWAPPED] = 1
    else:
        return False
    numbers[S_INTERFACES] = 0
    return True


@inline
def block_size(data: NDArray[np.uint8], at: int, numbers: Any) -> Word:
    """Give the bytes of the block at hand, 0 when its header is damaged."""
    if word(data, at, 0) == _SECTION and (
        data.size - at < 28 or not open_section(data, at, numbers)
    ):
        return 0
    size = word(data, at + 4, numbers[S_SWAPPED])
    return 0 if size < 12 or size & 3 else size


@kernel
def index(data: NDArray[np.uint8], state: Any, packets: NDArray[np.int64]) -> Word:
    """Write where the next packets stand; gives how many.

    Parameters
    ----------
    data
        The whole file.
    state
        Two arrays: the ``S_`` numbers, and a row for each interface of the section.
    packets
        Filled from the first row on.
    """
    numbers, interfaces = state
    at = numbers[S_POSITION]
    count = 0
    while count < packets.shape[0]:
        if data.size - at < 12:
            numbers[S_STATUS] = AT_END if at == data.size else CUT
            break
        size = block_size(data, at, numbers)
        if size == 0:
            numbers[S_STATUS] = DAMAGED
            break
        if size > data.size - at:
            numbers[S_STATUS] = CUT
            break
        kind = word(data, at, numbers[S_SWAPPED])
        body, end = at + 8, at + size - 4
        if kind == _INTERFACE:
            read_interface(data, body, end, numbers, interfaces)
        elif kind in (_ENHANCED, _OLD_PACKET, _SIMPLE):
            if not read_packet_block(data, kind, body, end, numbers, interfaces, packets[count]):
                numbers[S_STATUS] = DAMAGED
                break
            count += 1
        at += size
    numbers[S_POSITION] = at
    return count


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read the flows of a capture, in event-time order.

    Parameters
    ----------
    data
        The whole file; best mapped.
    name
        Name of the file or sensor; the column ``sensor``.
    report
        The account; complete when the last batch has been drawn.
    statistics
        Whether NFStream's columns are given too.
    batch_rows
        Rows of a batch, ``>= 1``.
    progress
        Called with the bytes read so far.

    Raises
    ------
    InputError
        When the file does not begin with a section header.
    """
    capture = Capture(data, in_pieces=False)
    head = capture.piece[:12].tobytes()
    if not sniff(head):
        message = (
            f"{name}: a pcapng file begins with a section header block, got {head.hex()!r}; "
            "check that the transfer was complete"
        )
        raise InputError(message)
    numbers = np.zeros(S_NUMBERS, dtype=np.int64)
    numbers[S_STATUS] = MORE
    interfaces = np.zeros((MOST_INTERFACES, I_COLUMNS), dtype=np.int64)
    meter = Meter(name, statistics=statistics, batch_rows=batch_rows)
    yield from meter_packets(capture, meter, index, (numbers, interfaces), report, progress)
