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

from eddyline.flows.batch import FlowBatch
from eddyline.flows.meter.jit import patience
from eddyline.flows.meter.layout import P_COLUMNS
from eddyline.flows.meter.session import Meter
from eddyline.read.ingest import IngestReport

Data = bytes | mmap.mmap | NDArray[np.uint8]
"""Content of a capture: read into memory, or mapped."""

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


def meter_packets(
    data: NDArray[np.uint8],
    meter: Meter,
    step: Callable[[Any, Any, Any], int],
    state: Any,
    report: IngestReport,
    progress: Callable[[int], None] | None,
) -> Iterator[FlowBatch]:
    """Index and meter a capture to its end, and write the account.

    Parameters
    ----------
    data
        The whole capture.
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
        step(data, state, packets[:0])
    stopped: KeyboardInterrupt | None = None
    try:
        while numbers[S_STATUS] == MORE:
            count = step(data, state, packets)
            yield from meter.update(data, packets[:count])
            if progress is not None:
                progress(int(numbers[S_POSITION]))
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
        report.note("bytes after the last whole record", len(data) - int(numbers[S_POSITION]))
    if numbers[S_STATUS] == DAMAGED:
        report.skip("damaged record header: the rest of the file is not read")
    if stopped is not None:
        raise stopped  # after the open flows were given: whoever reads several files reads no further
