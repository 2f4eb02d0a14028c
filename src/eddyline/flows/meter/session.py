"""The meter: takes packets in, gives flows out in event-time order, in any number of steps.

What belongs here: growth, the order of the rows, the account. What does not: kernels and file formats.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.batch import FlowBatch
from eddyline.flows.meter.jit import patience
from eddyline.flows.meter.layout import (
    CAUSES,
    F_FIRST_US,
    F_LAST_US,
    F_UID,
    M_DONE,
    M_FREE,
    M_HEAD,
    NOTE_WORDS,
    OK,
    P_COLUMNS,
    Bytes,
    Integers,
    Table,
    make_table,
)
from eddyline.flows.meter.memory import Buffers, Number, lengthen, zeros
from eddyline.flows.meter.packets import feed
from eddyline.flows.meter.rows import core_columns, statistics_columns
from eddyline.flows.meter.table import end_all, gather, rehash
from eddyline.flows.meter.text import warm_texts

FIRST_ROWS: Final = 4_096
"""Flows that fit before the table grows."""

GROWTH: Final = 4
"""How much longer the table gets; a power of two. Filling a new hash table is what growth costs."""


class Meter:
    """Make bidirectional flows from packets.

    A flow is the packets of one 5-tuple and VLAN, both ways, whose originator sent the first; it ends after
    120 s of silence or is cut after 1,800 s, in event time. Cutting the packets into other steps changes no
    flow. Memory grows with the flows that are alive, not with the packets.

    Parameters
    ----------
    sensor
        Name of the file or device that saw the packets.
    statistics
        Whether NFStream's columns are kept too.
    batch_rows
        Rows of a batch, ``>= 1``; the last one may be shorter.
    """

    def __init__(
        self, sensor: str, *, statistics: bool = False, batch_rows: int = 100_000
    ) -> None:
        self._sensor = sensor
        self._statistics = statistics
        self._batch_rows = batch_rows
        self._buffers = Buffers()
        self._table = make_table(FIRST_ROWS, statistics=statistics, seed=secrets.randbits(62))
        self._warm()

    @property
    def packets(self) -> int:
        """Packets that became part of a flow so far."""
        return int(self._table.counts[OK])

    @property
    def skipped(self) -> dict[str, int]:
        """Packets that did not, by cause."""
        counts = self._table.counts
        return {words: int(counts[code]) for code, words in CAUSES.items() if counts[code]}

    @property
    def notes(self) -> dict[str, int]:
        """Facts that are not losses, with their counts."""
        notes = self._table.notes
        return {words: int(notes[code]) for code, words in NOTE_WORDS.items() if notes[code]}

    def update(self, data: Bytes, packets: Integers) -> Iterator[FlowBatch]:
        """Take packets in; gives the batches that are complete by them.

        Parameters
        ----------
        data
            Bytes that the packets stand in.
        packets
            One row a packet: offset, captured bytes, bytes on the wire, time in µs, link type; shape
            ``(n, 5)``. Offsets that lead outside ``data`` are counted, not followed.
        """
        data = _read_only(data)
        packets = np.ascontiguousarray(packets, dtype=np.int64).reshape(-1, P_COLUMNS)
        start = 0
        while True:
            with np.errstate(over="ignore"):
                start = feed(data, packets, start, len(packets), self._table)
            if self._table.meta[M_DONE] >= self._batch_rows:
                yield from self._give(self._watermark())
            if start == len(packets):
                return
            if self._table.meta[M_FREE] == 0:
                self._grow()

    def finish(self) -> Iterator[FlowBatch]:
        """End every flow and give the rest of the batches; the meter can be used again."""
        with np.errstate(over="ignore"):
            end_all(self._table)
        yield from self._give(None)

    def _warm(self) -> None:
        """Call each kernel with nothing, so that all that must be compiled is compiled, and told, at once."""
        table = self._table
        nothing = _read_only(np.zeros(1, dtype=np.uint8))
        with patience():
            feed(nothing, np.zeros((0, P_COLUMNS), dtype=np.int64), 0, 0, table)
            end_all(table)
            rehash(table.ints, table.slots, table.links, -1)
            self._columns(table.ints, table.done[:0])
            self._columns(table.floats, table.done[:0])
            warm_texts()

    def _watermark(self) -> int:
        """Give the time before which no flow can end any more: the least recent last sight."""
        head = self._table.meta[M_HEAD]
        return int(self._table.ints[head, F_LAST_US]) if head >= 0 else 0

    def _give(self, before_us: int | None) -> Iterator[FlowBatch]:
        """Give the ended flows whose order is settled, whole batches unless it is the end."""
        table = self._table
        done = table.done[: table.meta[M_DONE]]
        ends = table.ints[done, F_LAST_US]
        order = _event_order(table.ints, done, ends)
        settled = len(done) if before_us is None else int((ends < before_us).sum())
        if before_us is not None:
            settled -= settled % self._batch_rows
        chosen = done[order[:settled]]
        for start in range(0, settled, self._batch_rows):
            yield self._batch(chosen[start : start + self._batch_rows])
        rest = done[order[settled:]]
        free = int(table.meta[M_FREE])
        table.free[free : free + settled] = chosen
        table.meta[M_FREE] += settled
        table.done[: len(rest)] = rest
        table.meta[M_DONE] = len(rest)

    def _columns(self, table: NDArray[Number], rows: Integers) -> NDArray[Number]:
        """Give some rows of the table as columns that each stand in one piece."""
        out = self._buffers.take((table.shape[1], len(rows)), table.dtype.type)
        gather(table, rows, out)
        return out

    def _batch(self, rows: Integers) -> FlowBatch:
        """Turn rows of the table into a batch."""
        n = self._columns(self._table.ints, rows)
        columns = core_columns(n, self._sensor)
        if self._statistics:
            columns.update(statistics_columns(n, self._columns(self._table.floats, rows)))
        with np.errstate(over="ignore"):
            return FlowBatch.of(pl.DataFrame(columns))

    def _grow(self) -> None:
        """Make room for four times as many flows; rows cost no memory before they are used."""
        old = self._table
        rows = len(old.ints)
        room = GROWTH * rows
        slots = zeros((2 * room,), np.int64)
        table = Table(
            ints=lengthen(old.ints, room),
            floats=lengthen(old.floats, room) if self._statistics else old.floats,
            slots=slots,
            links=lengthen(old.links, room),
            free=lengthen(old.free, room),
            done=lengthen(old.done, room),
            meta=old.meta,
            counts=old.counts,
            notes=old.notes,
            fragments=old.fragments,
            registers=old.registers,
            scratch=old.scratch,
            saved=old.saved,
        )
        table.free[: room - rows] = np.arange(room - 1, rows - 1, -1)
        table.meta[M_FREE] = room - rows
        rehash(table.ints, slots, table.links, int(table.meta[M_HEAD]))
        self._table = table


def _event_order(ints: Integers, rows: Integers, ends: Integers) -> Integers:
    """Order rows by end, then start, then identifier; most ends differ and come almost in order."""
    order = np.argsort(ends, kind="stable")
    same = np.diff(ends[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    among = order[tied]
    uids = ints[rows[among], F_UID].view(np.uint64)
    order[tied] = among[np.lexsort((uids, ints[rows[among], F_FIRST_US], ends[among]))]
    return order


def _read_only(data: Bytes) -> Bytes:
    """Give a view that cannot be written: the kernel is compiled for one kind of array only."""
    view = data.view()
    view.flags.writeable = False
    return view
