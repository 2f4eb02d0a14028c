"""Drive the meter with an indexer: the part that every packet capture format shares.

What belongs here: steps, progress, the account. What does not: where a packet stands in one format
(``pcap.py``, ``pcapng.py``) and what a packet means (``flows/meter``).
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.meter.jit import patience
from eddyline.flows.meter.layout import P_COLUMNS
from eddyline.flows.meter.session import Meter
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Mapped

Data = bytes | mmap.mmap | NDArray[np.uint8]
"""Content of a capture: read into memory, or mapped."""

PIECE_BYTES: Final = 1 << 20
"""Bytes of a file that are read at once; they fit a core's cache, and hold more than any record of pcap."""

STEP_PACKETS: Final = 4_096
"""Packets that are indexed, then metered, at once; their index and headers fit a core's cache."""

# ---------------------------------------------------------------- state of every indexer
S_POSITION, S_STATUS, S_LINK, S_SWAPPED, S_FIRST_OF_FORMAT = range(5)

# ---------------------------------------------------------------- how a step of it ended
MORE, AT_END, CUT, DAMAGED = range(4)


def as_bytes(data: Data) -> NDArray[np.uint8]:
    """Give the content as an array that nobody can write to.

    Parameters
    ----------
    data
        Content; nothing is copied.
    """
    view = data.view() if isinstance(data, np.ndarray) else np.frombuffer(data, dtype=np.uint8)
    view.flags.writeable = False
    return view


class Capture:
    """The bytes of a capture: all of them, or a piece at a time of a file.

    Parameters
    ----------
    data
        Content; nothing is copied but pieces.
    in_pieces
        Whether a file may be given in pieces; only for records shorter than ``PIECE_BYTES``.
    """

    def __init__(self, data: Data, *, in_pieces: bool) -> None:
        self.size = len(data)
        """Bytes of the whole capture."""
        self.start = 0
        """Where in the capture the piece at hand begins."""
        self.piece = np.zeros(0, dtype=np.uint8)
        """Bytes at hand; nobody can write to them."""
        self._file = data if in_pieces and isinstance(data, Mapped) else None
        if self._file is None or self._file.descriptor < 0 or self.size <= PIECE_BYTES:
            self._file, self.piece = None, as_bytes(data)
            return
        self._memory = np.empty(PIECE_BYTES, dtype=np.uint8)
        self.read_on(0)

    def read_on(self, at: int) -> bool:
        """Drop what stands before a place of the piece and read on behind it; False when there is no more.

        Parameters
        ----------
        at
            First byte that is still needed; it becomes the first of the piece.

        Raises
        ------
        InputError
            When the file can no longer be read.
        """
        if self._file is None:
            return False
        rest = len(self.piece) - at
        self._memory[:rest] = self.piece[at:]
        self.start += at
        try:
            count = self._file.read_into(self._memory.data[rest:], self.start + rest)
        except OSError as error:
            message = (
                f"{self._file.path} must stay readable until its end, got {error.strerror} at byte "
                f"{self.start + rest:,}; check the disk or the connection to it, and read it again"
            )
            raise InputError(message) from error
        self.piece = as_bytes(self._memory[: rest + count])
        return count > 0


def meter_packets(
    capture: Capture,
    meter: Meter,
    step: Callable[[Any, Any, Any], int],
    state: Any,
    report: IngestReport,
    progress: Callable[[int], None] | None,
) -> Iterator[FlowBatch]:
    """Index and meter a capture to its end, and write the account.

    Parameters
    ----------
    capture
        Its bytes.
    meter
        Takes the packets.
    step
        Kernel ``(data, state, packets) -> number of packets written``.
    state
        The indexer's state; its first array begins with the ``S_`` numbers.
    report
        Filled while batches are drawn.
    progress
        Called with the bytes read so far.
    """
    numbers = state[0]
    packets = np.empty((STEP_PACKETS, P_COLUMNS), dtype=np.int64)
    with patience():
        step(capture.piece, state, packets[:0])
    stopped: KeyboardInterrupt | None = None
    try:
        while numbers[S_STATUS] == MORE:
            count = step(capture.piece, state, packets)
            yield from meter.update(capture.piece, packets[:count])
            if progress is not None:
                progress(capture.start + int(numbers[S_POSITION]))
            _read_on(capture, numbers)
    except KeyboardInterrupt as interrupt:
        stopped = interrupt
    yield from meter.finish()
    report.packets_read += meter.packets
    for cause, count in meter.skipped.items():
        report.skip(cause, count)
    for fact, count in meter.notes.items():
        report.note(fact, count)
    if numbers[S_STATUS] in (CUT, DAMAGED):
        report.truncated = True
        left = capture.size - capture.start - int(numbers[S_POSITION])
        report.note("bytes after the last whole record", left)
    if numbers[S_STATUS] == DAMAGED:
        report.skip("damaged record header: the rest of the file is not read")
    if stopped is not None:
        raise stopped  # after the open flows were given: whoever reads several files reads no further


def _read_on(capture: Capture, numbers: NDArray[np.int64]) -> None:
    """Where the piece at hand has no whole record any more, take the next one, if there is one."""
    if numbers[S_STATUS] in (AT_END, CUT):
        before = capture.start
        if capture.read_on(int(numbers[S_POSITION])):
            numbers[S_STATUS] = MORE
        numbers[S_POSITION] -= capture.start - before
