"""The meter: takes packets in, gives flows out in event-time order, in any number of steps.

What belongs here: growth, the order of the rows, the account. What does not: kernels and file formats.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.meter.jit import patience
from eddyline.flows.meter.layout import (
    CAUSES,
    F_FIRST_US,
    F_LAST_US,
    IDLE_MS,
    M_DONE,
    M_FREE,
    M_HAND,
    M_LEFT,
    NOTCHES,
    NOTE_WORDS,
    O_COLUMNS,
    OK,
    P_COLUMNS,
    T_COLUMNS,
    WHEEL_SHIFT,
    X_COLUMNS,
    Y_COLUMNS,
    Z_COLUMNS,
    Bytes,
    Integers,
    Rows,
    make_table,
)
from eddyline.flows.meter.memory import Buffers, lengthen, prepare, zeros
from eddyline.flows.meter.packets import feed
from eddyline.flows.meter.rows import core_columns, state_numbers, statistics_columns
from eddyline.flows.meter.table import end_some, rehash
from eddyline.flows.meter.text import AddressBook, warm_texts
from eddyline.flows.meter.unpack import Columns, name, unpack

FIRST_ROWS: Final = 4_096
"""Flows that fit before the table grows."""

GROWTH: Final = 4
"""How much longer the table gets; a power of two. Filling a new hash table is what growth costs."""

AHEAD: Final = 16_384
"""Rows whose memory is asked for at once, before flows need it."""


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
        self, sensor: str, *, statistics: bool = False, batch_rows: int = BATCH_ROWS
    ) -> None:
        self._sensor = sensor
        self._statistics = statistics
        self._batch_rows = batch_rows
        self._buffers = Buffers()
        self._book = AddressBook()
        self._ready = AHEAD
        self._packets_then = 0
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
            self._prepare()
            start = feed(data, packets, start, len(packets), self._table)
            if self._table.meta[M_DONE] >= self._batch_rows:
                yield from self._give(self._watermark())
            if start == len(packets):
                return
            if self._table.meta[M_FREE] == 0:
                self._grow()

    def finish(self) -> Iterator[FlowBatch]:
        """End every flow and give the rest of the batches; the meter can be used again."""
        meta = self._table.meta
        hand = int(meta[M_HAND])
        meta[M_LEFT] = NOTCHES
        while end_some(self._table, self._batch_rows):
            yield from self._give(self._watermark())
        yield from self._give(None)
        meta[M_HAND] = hand

    def _warm(self) -> None:
        """Call each kernel with nothing, so that all that must be compiled is compiled, and told, at once."""
        table = self._table
        nothing = _read_only(np.zeros(1, dtype=np.uint8))
        with patience():
            feed(nothing, np.zeros((0, P_COLUMNS), dtype=np.int64), 0, 0, table)
            end_some(table, 0)
            rehash(table.slots[:0], table.slots)
            nobody = np.zeros(0, dtype=np.int64)
            self._columns(table.done[:0])
            name(table.core, table.done[:0], nobody)
            warm_texts()

    def _watermark(self) -> int:
        """Give the time before which no flow can end any more: none that lives was last seen earlier."""
        return ((int(self._table.meta[M_HAND]) << WHEEL_SHIFT) - IDLE_MS) * 1000

    def _give(self, before_us: int | None) -> Iterator[FlowBatch]:
        """Give the ended flows whose order is settled, whole batches unless it is the end."""
        table = self._table
        done = table.done[: table.meta[M_DONE]]
        ends = table.core[done, F_LAST_US]
        order = _event_order(table.core, done, ends)
        settled = len(done) if before_us is None else int((ends < before_us).sum())
        if before_us is not None:
            settled -= settled % self._batch_rows
        ordered = done[order]
        for start in range(0, settled, self._batch_rows):
            rows = ordered[start : min(start + self._batch_rows, settled)]
            yield self._batch(rows)
            # After each batch, so that an interrupt between two gives no flow twice.
            rest = ordered[start + len(rows) :]
            table.done[: len(rest)] = rest
            table.meta[M_DONE] = len(rest)
            free = int(table.meta[M_FREE])
            table.free[free : free + len(rows)] = rows
            table.meta[M_FREE] += len(rows)

    def _columns(self, rows: Rows) -> Columns:
        """Give some rows of the table as columns that each stand in one piece, all in one memory."""
        # An odd number of cache lines each: at a power of two all columns share a place in the cache.
        room = 8 * ((len(rows) + 7) // 8 | 1)
        width = room if self._statistics else 0
        eights = (O_COLUMNS + X_COLUMNS + 1) * room + (T_COLUMNS + Y_COLUMNS) * width
        memory = self._buffers.take((1, 8 * eights + (4 + Z_COLUMNS) * room), np.uint8)[0]
        words = memory[: 8 * eights].view(np.int64)
        ends = np.cumsum([O_COLUMNS * room, X_COLUMNS * room, room, T_COLUMNS * width])
        longs, others, duration, stats, reals = np.split(words, ends)
        columns = Columns(
            longs=longs.reshape(O_COLUMNS, room),
            words=others.reshape(X_COLUMNS, room),
            duration=duration.view(np.float64),
            stats=stats.reshape(T_COLUMNS, width),
            reals=reals.view(np.float64).reshape(Y_COLUMNS, width),
            ports=memory[8 * eights : 8 * eights + 4 * room].view(np.uint16).reshape(2, room),
            small=memory[8 * eights + 4 * room :].reshape(Z_COLUMNS, room),
        )
        unpack(self._table, rows, state_numbers(), columns)
        return columns

    def _batch(self, rows: Rows) -> FlowBatch:
        """Turn rows of the table into a batch."""
        numbers = self._columns(rows)
        columns = core_columns(numbers, len(rows), self._sensor, self._book)
        if self._statistics:
            columns.update(statistics_columns(numbers, len(rows)))
        return FlowBatch.of(pl.DataFrame(columns))

    def _prepare(self) -> None:
        """Keep memory ready for the next flows; statistics are first written by a flow's second packet.

        Whether flows have one is seen from the packets that came since rows were last made ready.
        """
        table = self._table
        used = len(table.core) - int(table.meta[M_FREE])
        needed = min(used + AHEAD // 2, len(table.core))
        if self._ready >= needed:
            return
        packets = int(table.counts[OK])
        longer = packets - self._packets_then > 2 * AHEAD
        self._packets_then = packets
        while self._ready < needed:
            prepare(table.core, self._ready, self._ready + AHEAD)
            if longer:
                prepare(table.stats, self._ready, self._ready + AHEAD)
            self._ready += AHEAD

    def _grow(self) -> None:
        """Make room for four times as many flows; rows cost no memory before they are used."""
        old = self._table
        rows = len(old.core)
        room = GROWTH * rows
        slots = zeros((2 * room,), np.int64, large=True)
        rehash(old.slots, slots)
        stats = lengthen(old.stats, room) if self._statistics else old.stats
        table = old._replace(
            core=lengthen(old.core, room),
            stats=stats,
            reals=stats.view(np.float64),
            rare=lengthen(old.rare, room) if self._statistics else old.rare,
            slots=slots,
            later=lengthen(old.later, room),
            free=lengthen(old.free, room),
            done=lengthen(old.done, room),
        )
        table.free[: room - rows] = np.arange(room - 1, rows - 1, -1, dtype=np.int32)
        table.meta[M_FREE] = room - rows
        self._table = table


def _event_order(core: Integers, rows: Rows, ends: Integers) -> Integers:
    """Order rows by end, then start, then identifier; most ends differ."""
    order = np.argsort(ends)
    same = np.diff(ends[order]) == 0
    tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
    among = order[tied]
    uids = np.empty(len(among), dtype=np.int64)
    name(core, rows[among], uids)
    order[tied] = among[
        np.lexsort((uids.view(np.uint64), core[rows[among], F_FIRST_US], ends[among]))
    ]
    return order


def _read_only(data: Bytes) -> Bytes:
    """Give a view that cannot be written: the kernel is compiled for one kind of array only."""
    view = data.view()
    view.flags.writeable = False
    return view
