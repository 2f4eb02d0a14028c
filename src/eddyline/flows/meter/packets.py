"""The kernel: packets in, flows in the table, ended flows on the pile.

What belongs here: what is done with each packet, in which order. What does not: how a step works.
"""

from __future__ import annotations

from typing import Final

from numpy import int64

from eddyline.flows.meter.count import begin, count, make_key, recall_ports
from eddyline.flows.meter.headers import TCP, UDP, is_tunnel, read_packet
from eddyline.flows.meter.jit import inline, kernel, prefetch
from eddyline.flows.meter.layout import (
    A_SWAPPED,
    ACTIVE_MS,
    BAD_TIME,
    BLOCK,
    F_FACTS,
    F_FIRST_US,
    F_LAST_US,
    F_PACKETS_OUT,
    IDLE_MS,
    K_HIGH_A,
    K_HIGH_B,
    K_KIND,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    LATEST_US,
    M_FREE,
    M_HAND,
    M_PEER_TICK_MS,
    M_STATISTICS,
    M_TICK_US,
    N_BOTH,
    N_IN,
    N_OUT,
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
    R_ICMP,
    R_IP_BYTES,
    R_LINK_PEER,
    R_OUTER,
    R_PAYLOAD,
    R_PEER,
    R_PROTO,
    R_QUALITY,
    R_TUNNEL,
    R_VLAN,
    R_VLANS,
    R_WIRE,
    SUSPECT_US,
    WHEEL_SHIFT,
    Bytes,
    Integers,
    Table,
    Word,
)
from eddyline.flows.meter.link import ETHERNET, be16, be32, find_network
from eddyline.flows.meter.statistics import count_statistics
from eddyline.flows.meter.table import (
    add_row,
    end_idle,
    find,
    guess,
    place_key,
    same_key,
    set_aside,
    upper,
)

PLAIN_BYTES: Final = 48
"""Captured bytes of a frame that is read in few steps: up to the flags of TCP."""

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
def read_plain(data: Bytes, packet: Integers, r: Integers, key: Integers, meta: Integers) -> Word:
    """Read TCP or UDP over IPv4 without options in Ethernet; False when it is anything else.

    Most packets are so. The answer is that of ``read_frame`` and ``make_key``, in fewer steps; registers
    that nobody reads afterwards stay as they were.
    """
    at, captured = packet[P_OFFSET], packet[P_CAPTURED]
    if packet[P_LINK] != ETHERNET or captured < PLAIN_BYTES or at < 0:
        return False
    if captured > data.size - at or packet[P_TIME] < 0 or packet[P_TIME] >= LATEST_US:
        return False
    f = data[at : at + captured]
    if f[12] != 8 or f[13] != 0 or f[14] != 0x45 or f[20] & 0x3F != 0 or f[21] != 0:
        return False
    proto, total, wire = int64(f[23]), be16(f, 16), max(packet[P_LENGTH], captured)
    src_port, dst_port = be16(f, 34), be16(f, 36)
    if total > wire - 14:
        return False
    if proto == TCP and total >= 40:
        r[R_FLAGS] = f[47]
        r[R_PAYLOAD] = max(total - 20 - max((int64(f[46]) >> 4) * 4, int64(20)), int64(0))
    elif proto == UDP and total >= 28 and not is_tunnel(src_port, dst_port):
        r[R_FLAGS] = 0
        r[R_PAYLOAD] = total - 28
    else:
        return False
    r[R_END] = at + captured
    r[R_WIRE] = at + wire
    r[R_PEER] = 1
    r[R_PROTO] = proto
    r[R_IP_BYTES] = total
    r[R_ICMP] = -1
    r[R_QUALITY] = 0
    r[R_TUNNEL] = 0
    r[R_FRAGMENT] = 0
    write_plain_key(key, be32(f, 26), be32(f, 30), (src_port << 16) | dst_port)
    key[K_PORTS] |= proto << 24
    key[Q_HASH] = place_key(key, meta)
    return True


@inline
def write_plain_key(key: Integers, src: int, dst: int, ports: int) -> None:
    """Write the key of IPv4 without tags, protocol left out, and 1 for a sender that is B."""
    src_port, dst_port = ports >> 16, ports & 0xFFFF
    swapped = int64(src > dst or (src == dst and src_port > dst_port))
    key[K_HIGH_A] = 0
    key[K_HIGH_B] = 0
    key[K_LOW_A] = dst if swapped else src
    key[K_LOW_B] = src if swapped else dst
    key[K_PORTS] = (dst_port << 48) | (src_port << 32) if swapped else ports << 32
    key[K_KIND] = 4 << 4
    key[Q_SWAPPED] = swapped


@inline
def read_any(data: Bytes, packet: Integers, r: Integers, key: Integers, t: Table) -> Word:
    """Read a packet, fill its registers and its key; gives an outcome."""
    if read_plain(data, packet, r, key, t.meta):
        return int64(OK)
    outcome = read_frame(data, packet, r, t.saved)
    if outcome == OK:
        make_key(r, key, t.meta)
    return outcome


@inline
def ask_for_lines(t: Table, count: int) -> None:
    """Have the lines of NFStream's counters brought near that some packets will change."""
    for j in range(count):
        row = t.scratch[j, Q_ROW]
        if row >= 0:
            prefetch(t.stats, row, N_BOTH)
            swapped = (t.core[row, F_FACTS] >> A_SWAPPED) & 1
            prefetch(t.stats, row, N_OUT if swapped == t.scratch[j, Q_SWAPPED] else N_IN)


@inline
def read_block(data: Bytes, packets: Integers, start: int, count: int, t: Table) -> None:
    """Read some packets, and have what they will change brought near.

    Memory answers after some hundred instructions, but many questions at a time: so first all slots are
    asked for, then all flows, then their lines. What is read here is a guess and changes nothing.
    """
    mask = t.slots.size - 1
    for j in range(count):
        key = t.scratch[j]
        key[Q_OUTCOME] = read_any(data, packets[start + j], t.registers[j], key, t)
        if key[Q_OUTCOME] == OK:
            prefetch(t.slots, upper(key[Q_HASH]) & mask, 0)
    for j in range(count):
        key = t.scratch[j]
        key[Q_ROW] = -1
        if key[Q_OUTCOME] == OK:
            row = guess(t.slots, key[Q_HASH])
            key[Q_ROW] = row
            if row >= 0:
                prefetch(t.core, row, 0)
                prefetch(t.core, row, F_PACKETS_OUT)
    if t.meta[M_STATISTICS]:
        ask_for_lines(t, count)


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
def fresh(c: Integers, now_ms: int) -> Word:
    """Say whether a flow goes on with a packet at this time."""
    return bool(
        now_ms - c[F_LAST_US] // 1000 < IDLE_MS and now_ms - c[F_FIRST_US] // 1000 < ACTIVE_MS
    )


@inline
def find_flow(t: Table, key: Integers, r: Integers, now_us: int) -> Word:
    """Give the row of the packet's flow, begun anew where there is none or it has ended."""
    now_ms = now_us // 1000
    row = key[Q_ROW]
    # A row that was guessed and has ended meanwhile has been silent: it is not fresh.
    if row >= 0 and same_key(t.core[row], key) and fresh(t.core[row], now_ms):
        return row
    row = find(t, key, key[Q_HASH])
    if row < 0:
        row = add_row(t, key[Q_HASH], now_ms)
    elif fresh(t.core[row], now_ms):
        return row
    else:
        set_aside(t, row)
    begin(t, row, key, r, now_us)
    return row


@inline
def count_packet(t: Table, r: Integers, key: Integers, time_us: int, length: int) -> None:
    """Count a packet that was read."""
    now_us = tell_time(t, r, time_us)
    now_ms = now_us // 1000
    if now_ms >> WHEEL_SHIFT != t.meta[M_HAND]:
        end_idle(t, now_ms)
    t.notes[NOTE_TUNNELS] += r[R_TUNNEL] > 0
    if r[R_FRAGMENT]:
        recall_ports(t, r, now_ms)
        make_key(r, key, t.meta)
        t.notes[NOTE_FRAGMENTS] += r[R_FRAGMENT] == 2
    t.notes[NOTE_CUT] += r[R_WIRE] > r[R_END]
    row = find_flow(t, key, r, now_us)
    incoming = ((t.core[row, F_FACTS] >> A_SWAPPED) & 1) ^ key[Q_SWAPPED]
    if t.meta[M_STATISTICS]:
        peer_ms = t.meta[M_PEER_TICK_MS]
        if r[R_PEER]:
            peer_ms = max(time_us // 1000, peer_ms)
            t.meta[M_PEER_TICK_MS] = peer_ms
        times = (r[R_PEER], peer_ms, now_ms)
        count_statistics(t, row, incoming, length, r[R_FLAGS], times)
    count(t.core[row], r, incoming, now_us)


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
