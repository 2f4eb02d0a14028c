"""The kernel: packets in, flows in the table, ended flows on the pile.

What belongs here: what is done with each packet, in which order. What does not: how a step works.
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.count import begin, count, make_key, recall_ports
from eddyline.flows.meter.headers import read_packet
from eddyline.flows.meter.jit import inline, kernel
from eddyline.flows.meter.layout import (
    ACTIVE_MS,
    BAD_TIME,
    BLOCK,
    F_FIRST_MS,
    F_LAST_MS,
    F_SWAPPED,
    FLOATS,
    IDLE_MS,
    LATEST_US,
    M_FREE,
    M_PEER_TICK_MS,
    M_SEED,
    M_STATISTICS,
    M_TICK_US,
    M_TOUCHED,
    NOTE_BACKWARDS,
    NOTE_CUT,
    NOTE_FRAGMENTS,
    NOTE_TUNNELS,
    OK,
    OUT_OF_FILE,
    P_CAPTURED,
    P_LENGTH,
    P_LINK,
    P_OFFSET,
    P_TIME,
    Q_HASH,
    Q_OUTCOME,
    Q_ROW,
    Q_SWAPPED,
    R_BEGIN,
    R_END,
    R_FLAGS,
    R_FRAGMENT,
    R_LINK_PEER,
    R_OUTER,
    R_PEER,
    R_QUALITY,
    R_TUNNEL,
    R_VLAN,
    R_VLANS,
    R_WIRE,
    SUSPECT_US,
    Bytes,
    Integers,
    Table,
    Word,
)
from eddyline.flows.meter.link import find_network
from eddyline.flows.meter.statistics import count_for_peer
from eddyline.flows.meter.table import end, end_idle, find, take_row, touch, upper

CLOCK_SUSPECT: Final = 8
"""Bit of ``quality``; the record's own."""


@inline
def read_frame(data: Bytes, packet: Integers, r: Integers, saved: Integers) -> Word:
    """Fill the registers from one frame; gives an outcome."""
    at, captured = packet[P_OFFSET], packet[P_CAPTURED]
    if at < 0 or captured < 0 or captured > data.size - at:
        return OUT_OF_FILE
    if packet[P_TIME] < 0 or packet[P_TIME] >= LATEST_US:
        return BAD_TIME
    r[R_BEGIN] = at
    r[R_END] = at + captured
    r[R_WIRE] = at + max(packet[P_LENGTH], captured)
    r[R_VLANS] = 0
    r[R_OUTER] = 0
    r[R_VLAN] = 0
    r[R_LINK_PEER] = 1
    outcome = find_network(data, at, packet[P_LINK], r)
    return read_packet(data, r, saved) if outcome == OK else outcome


@inline
def come_near(t: Table, count: int) -> None:
    """Touch the rows of a block and their neighbours in the order of last sight."""
    touched = int64(0)
    for j in range(count):
        row = t.scratch[j, Q_ROW]
        if row >= 0:
            touched += t.links[row, 0]
            for column in range(0, t.ints.shape[1], 8):
                touched += t.ints[row, column]
            if t.meta[M_STATISTICS]:
                touched += int64(t.floats[row, 0] > t.floats[row, FLOATS - 1])
    for j in range(count):
        row = t.scratch[j, Q_ROW]
        if row >= 0:
            touched += t.links[max(t.links[row, 0], 0), 1] + t.links[max(t.links[row, 1], 0), 0]
    t.meta[M_TOUCHED] = touched


@inline
def read_block(data: Bytes, packets: Integers, start: int, count: int, t: Table) -> None:
    """Read some packets, and have the rows that they will change brought near.

    Each loop is short and its reads do not wait for each other, so a processor has many under way at
    once; what is read here is a guess and changes nothing.
    """
    mask = t.slots.size - 1
    for j in range(count):
        key = t.scratch[j]
        key[Q_ROW] = -1
        key[Q_OUTCOME] = read_frame(data, packets[start + j], t.registers[j], t.saved)
        if key[Q_OUTCOME] == OK:
            make_key(t.registers[j], key, t.meta[M_SEED])
    for j in range(count):
        if t.scratch[j, Q_OUTCOME] == OK:
            t.scratch[j, Q_ROW] = (t.slots[upper(t.scratch[j, Q_HASH]) & mask] & 0xFFFFFFFF) - 1
    come_near(t, count)


@inline
def tell_time(t: Table, r: Integers, time_us: int) -> Word:
    """Give the packet's event time: its own, or the latest seen when its clock ran back."""
    now_us = t.meta[M_TICK_US]
    if time_us >= now_us:
        t.meta[M_TICK_US] = time_us
        return time_us
    t.notes[NOTE_BACKWARDS] += 1
    if now_us - time_us > SUSPECT_US:
        r[R_QUALITY] |= CLOCK_SUSPECT
    return now_us


@inline
def find_flow(t: Table, key: Integers, r: Integers, now_us: int) -> Word:
    """Give the row of the packet's flow, a fresh one where there is none or it has ended."""
    now_ms = now_us // 1000
    row = find(t, key, key[Q_HASH])
    if row >= 0:
        if (
            now_ms - t.ints[row, F_LAST_MS] < IDLE_MS
            and now_ms - t.ints[row, F_FIRST_MS] < ACTIVE_MS
        ):
            touch(t, row)
            return row
        end(t, row)
    row = take_row(t, key[Q_HASH])
    begin(t, row, key, r, now_us)
    return row


@inline
def count_packet(t: Table, r: Integers, key: Integers, time_us: int, length: int) -> None:
    """Count a packet that was read."""
    now_us = tell_time(t, r, time_us)
    end_idle(t, now_us // 1000)
    t.notes[NOTE_TUNNELS] += r[R_TUNNEL] > 0
    if r[R_FRAGMENT]:
        recall_ports(t, r, now_us // 1000)
        make_key(r, key, t.meta[M_SEED])
        t.notes[NOTE_FRAGMENTS] += r[R_FRAGMENT] == 2
    t.notes[NOTE_CUT] += r[R_WIRE] > r[R_END]
    row = find_flow(t, key, r, now_us)
    incoming = t.ints[row, F_SWAPPED] ^ key[Q_SWAPPED]
    count(t, row, r, incoming, now_us)
    if t.meta[M_STATISTICS] and r[R_PEER]:
        now_ms = max(time_us // 1000, t.meta[M_PEER_TICK_MS])
        t.meta[M_PEER_TICK_MS] = now_ms
        count_for_peer(t.ints[row], t.floats[row], incoming, length, r[R_FLAGS], now_ms)


@kernel
def feed(data: Bytes, packets: Integers, start: int, stop: int, t: Table) -> Word:
    """Take packets in until a row is missing; gives where it stopped.

    Parameters
    ----------
    data
        Bytes that the packets stand in.
    packets
        One row a packet: the ``P_`` columns.
    start, stop
        Which of them.
    t
        State.
    """
    i = int64(start)
    while i < stop:
        ahead = min(int64(BLOCK), stop - i)
        read_block(data, packets, i, ahead, t)
        for j in range(ahead):
            if t.meta[M_FREE] == 0:
                return i + j
            outcome = t.scratch[j, Q_OUTCOME]
            t.counts[outcome] += 1
            if outcome == OK:
                time_us, length = packets[i + j, P_TIME], packets[i + j, P_LENGTH]
                count_packet(t, t.registers[j], t.scratch[j], time_us, length)
        i += ahead
    return int64(stop)
