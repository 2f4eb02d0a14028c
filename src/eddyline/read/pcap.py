"""The classic capture file, pcap: where each packet stands and when it was seen.

What belongs here: the file header, record headers, both byte orders, µs and ns, the patched format of
Kuznetzov with longer record headers. What does not: anything inside a packet (``flows/meter``).
The format: draft-ietf-opsawg-pcap.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Literal

import numpy as np
from numpy import int64
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.meter.jit import inline, kernel, prefetch
from eddyline.flows.meter.layout import P_CAPTURED, P_LENGTH, P_LINK, P_OFFSET, P_TIME, Word
from eddyline.flows.meter.session import Meter
from eddyline.read.ingest import IngestReport
from eddyline.read.packets import (
    AT_END,
    CUT,
    DAMAGED,
    MORE,
    S_FIRST_OF_FORMAT,
    S_LINK,
    S_POSITION,
    S_STATUS,
    S_SWAPPED,
    Capture,
    Data,
    meter_packets,
)

FORMAT: Final = "pcap"

HEADER_BYTES: Final = 24
"""Bytes of the file header."""

MOST_CAPTURED: Final = 262_144
"""Captured bytes that a record may claim; libpcap's bound, over any frame."""

LINE_BYTES: Final = 64
"""Bytes that come from memory at once."""
AHEAD_BYTES: Final = 3_072
"""How far ahead of the record at hand the file is asked for."""

# Magic as the bytes stand in the file: (swapped, nanoseconds, bytes of a record header).
_MAGICS: Final[dict[bytes, tuple[bool, bool, int]]] = {
    b"\xa1\xb2\xc3\xd4": (True, False, 16),
    b"\xd4\xc3\xb2\xa1": (False, False, 16),
    b"\xa1\xb2\x3c\x4d": (True, True, 16),
    b"\x4d\x3c\xb2\xa1": (False, True, 16),
    b"\xa1\xb2\xcd\x34": (True, False, 24),
    b"\x34\xcd\xb2\xa1": (False, False, 24),
}

S_NANO: Final = S_FIRST_OF_FORMAT
S_RECORD: Final = S_FIRST_OF_FORMAT + 1
S_LENGTHS: Final = S_FIRST_OF_FORMAT + 2
S_NUMBERS: Final = S_FIRST_OF_FORMAT + 3

# The two lengths of a record: captured first, the other way (files before 2.3), or as they fit (2.3).
CAPTURED_FIRST, CAPTURED_LAST, AS_THEY_FIT = range(3)


def sniff(head: bytes) -> bool:
    """Say whether a file that begins so is a pcap file.

    Parameters
    ----------
    head
        First bytes of the file.
    """
    return head[:4] in _MAGICS


@inline
def word(data: NDArray[np.uint8], at: int, swapped: int) -> Word:
    """Read four bytes: little-endian, or big-endian when ``swapped``."""
    a, b = int64(data[at]), int64(data[at + 1])
    c, d = int64(data[at + 2]), int64(data[at + 3])
    if swapped:
        return (a << 24) | (b << 16) | (c << 8) | d
    return (d << 24) | (c << 16) | (b << 8) | a


@kernel
def index(data: NDArray[np.uint8], state: Any, packets: NDArray[np.int64]) -> Word:
    """Write where the next packets stand; gives how many.

    Parameters
    ----------
    data
        The file, or a piece of it.
    state
        One array: the ``S_`` numbers.
    packets
        Filled from the first row on.
    """
    numbers = state[0]
    at, swapped, header = numbers[S_POSITION], numbers[S_SWAPPED], numbers[S_RECORD]
    ahead = int64(
        at
    )  # where a record begins is known only from the one before: all lines are asked for
    count = 0
    while count < packets.shape[0]:
        if at == data.size:
            numbers[S_STATUS] = AT_END
            break
        if data.size - at < header:
            numbers[S_STATUS] = CUT
            break
        ahead = max(ahead, at)
        while ahead < min(at + AHEAD_BYTES, data.size):
            prefetch(data, int(ahead), 0)
            ahead += LINE_BYTES
        captured, length = word(data, at + 8, swapped), word(data, at + 12, swapped)
        lengths = numbers[S_LENGTHS]
        if lengths == CAPTURED_LAST or (lengths == AS_THEY_FIT and captured > length):
            captured, length = length, captured
        if captured > MOST_CAPTURED:
            numbers[S_STATUS] = DAMAGED
            break
        if captured > data.size - at - header:
            numbers[S_STATUS] = CUT
            break
        # Signed, as in libpcap: a damaged fraction moves the time back or on by up to 36 minutes.
        fraction = (word(data, at + 4, swapped) ^ 0x80000000) - 0x80000000
        if numbers[S_NANO]:
            fraction //= 1000
        packets[count, P_OFFSET] = at + header
        packets[count, P_CAPTURED] = captured
        packets[count, P_LENGTH] = length
        packets[count, P_TIME] = word(data, at, swapped) * 1_000_000 + fraction
        packets[count, P_LINK] = numbers[S_LINK]
        count += 1
        at += header + captured
    numbers[S_POSITION] = at
    return count


def _order_of_lengths(version: tuple[int, int]) -> int:
    """Say in which order a file of a version has the two lengths of a record."""
    if version < (2, 3) or version[0] == 543:
        return CAPTURED_LAST
    return AS_THEY_FIT if version == (2, 3) else CAPTURED_FIRST


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
        When the file header is not that of a pcap file, or is cut.
    """
    capture = Capture(data, in_pieces=True)
    head = capture.piece[:HEADER_BYTES].tobytes()
    if not sniff(head) or len(head) < HEADER_BYTES:
        message = (
            f"{name}: a pcap file begins with a header of {HEADER_BYTES} bytes that names its byte order, "
            f"got {len(head)} bytes, {head[:4].hex()!r} first; check that the transfer was complete"
        )
        raise InputError(message)
    swapped, nano, record = _MAGICS[head[:4]]
    order: Literal["big", "little"] = "big" if swapped else "little"
    numbers = np.zeros(S_NUMBERS, dtype=np.int64)
    numbers[S_POSITION] = HEADER_BYTES
    numbers[S_STATUS] = MORE
    # The upper six bits say whether frames keep their check sequence, not what they are.
    numbers[S_LINK] = int.from_bytes(head[20:24], order) & 0x03FFFFFF
    numbers[S_SWAPPED] = swapped
    numbers[S_NANO] = nano
    numbers[S_RECORD] = record
    version = int.from_bytes(head[4:6], order), int.from_bytes(head[6:8], order)
    numbers[S_LENGTHS] = _order_of_lengths(version)
    meter = Meter(name, statistics=statistics, batch_rows=batch_rows)
    yield from meter_packets(capture, meter, index, (numbers,), report, progress)
