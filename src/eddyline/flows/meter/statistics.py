"""NFStream's counters of a flow, in its arithmetic: milliseconds, 16-bit packet sizes, running means.

What belongs here: what one packet changes. What does not: the record's own counters (``count.py``). The
order of the floating-point operations is NFStream's, so that results are equal to the last bit. The running
mean and spread are Welford's (1962, doi:10.1080/00401706.1962.10490022).

A flow's first packet is only noted; the counters are opened with its second one, whatever its kind. What
follows from other numbers is not kept: counts of both ways, times that are the record's.
"""

from __future__ import annotations

from typing import Final

from numpy import float64, int64

from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    A_FLAGS_OUT,
    A_LATE,
    A_RARE,
    B_FIRST_IN,
    B_PEER,
    B_SIZE,
    C_FIRST_IN,
    C_FIRST_OUT,
    C_FLAGS,
    C_LAST,
    C_SKIPPED_IN,
    C_SKIPPED_OUT,
    F_BEGINNING,
    F_FACTS,
    F_FIRST_US,
    F_LAST_US,
    F_PACKETS_IN,
    F_PACKETS_OUT,
    LONGEST_WAIT_MS,
    N_BOTH,
    N_IN,
    N_OUT,
    V_FLAGS_IN,
    V_FLAGS_OUT,
    V_MAX_GAP,
    V_MIN_GAP,
    W_BYTES,
    W_LAST,
    W_LEAST,
    W_MEAN_GAP,
    W_MEAN_PS,
    W_MOST,
    W_SPREAD_GAP,
    W_SPREAD_PS,
    Floats,
    Integers,
    Table,
    Word,
)

FULL: Final = -0x7F7F7F7F7F7F7F80
"""Top bit of each of the eight counters in a word."""


@inline
def spread_bits(flags: int) -> Word:
    """Give eight bits as eight counters of eight bits, the lowest first."""
    low = ((flags & 15) * 0x00204081) & 0x01010101
    high = ((flags >> 4) * 0x00204081) & 0x01010101
    return low | (high << 32)


@inline
def first_out(t: Table, row: int, c: Integers) -> Word:
    """Give when NFStream saw the first packet of the originator, if it saw one; ms."""
    if (c[F_FACTS] >> A_RARE) & 1 and t.rare[row, C_FIRST_OUT] > 0:
        return t.rare[row, C_FIRST_OUT] - 1
    return c[F_FIRST_US] // 1000


@inline
def first_in(t: Table, row: int, c: Integers) -> Word:
    """Give when NFStream saw the first packet of the responder; 0 when it saw none; ms."""
    wait = (c[F_BEGINNING] >> B_FIRST_IN) & (LONGEST_WAIT_MS + 1)
    if wait > 0:
        return c[F_FIRST_US] // 1000 + wait - 1
    if (c[F_FACTS] >> A_RARE) & 1 and t.rare[row, C_FIRST_IN] > 0:
        return t.rare[row, C_FIRST_IN] - 1
    return int64(0)


@inline
def last_seen(t: Table, row: int, c: Integers) -> Word:
    """Give when NFStream saw the flow last, if it saw it; ms."""
    return t.rare[row, C_LAST] if (c[F_FACTS] >> A_LATE) & 1 else c[F_LAST_US] // 1000


@inline
def start_way(n: Integers, x: Floats, way: int, size: int, now_ms: int) -> None:
    """Write a way's line for its first packet."""
    x[way + W_MEAN_PS] = float64(size)
    x[way + W_SPREAD_PS] = 0.0
    x[way + W_MEAN_GAP] = 0.0
    x[way + W_SPREAD_GAP] = 0.0
    n[way + W_LAST] = now_ms
    n[way + W_BYTES] = size
    n[way + W_LEAST] = size
    n[way + W_MOST] = size


@inline
def start_both(n: Integers, x: Floats, size: int) -> None:
    """Write the line of both ways for the first packet; its flags are counted apart."""
    x[N_BOTH + W_MEAN_PS] = float64(size)
    x[N_BOTH + W_SPREAD_PS] = 0.0
    x[N_BOTH + W_MEAN_GAP] = 0.0
    x[N_BOTH + W_SPREAD_GAP] = 0.0
    n[V_MIN_GAP] = 0
    n[V_MAX_GAP] = 0


@inline
def run(x: Floats, line: int, packets: int, size: int, gap: int) -> None:
    """Move the running means and spreads of a line by its second or a later packet."""
    mean = x[line + W_MEAN_PS]
    new = mean + (float64(size) - mean) / float64(packets)
    x[line + W_MEAN_PS] = new
    x[line + W_SPREAD_PS] += (float64(size) - mean) * (float64(size) - new)
    if packets == 2:
        x[line + W_MEAN_GAP] = float64(gap)
        return
    mean = x[line + W_MEAN_GAP]
    new = mean + (float64(gap) - mean) / float64(packets - 1)
    x[line + W_MEAN_GAP] = new
    x[line + W_SPREAD_GAP] += (float64(gap) - mean) * (float64(gap) - new)


@inline
def count_way(n: Integers, x: Floats, way: int, packets: int, size: int, now_ms: int) -> None:
    """Count one packet of one way, its ``packets``-th."""
    if packets == 1:
        start_way(n, x, way, size, now_ms)
        return
    gap = now_ms - n[way + W_LAST]
    n[way + W_LAST] = now_ms
    n[way + W_BYTES] += size
    least, most = n[way + W_LEAST], n[way + W_MOST]
    least_gap, most_gap = least >> 16, most >> 16
    if packets == 2:
        least_gap, most_gap = gap, gap
    n[way + W_LEAST] = (min(least_gap, gap) << 16) | min(least & 0xFFFF, size)
    n[way + W_MOST] = (max(most_gap, gap) << 16) | max(most & 0xFFFF, size)
    run(x, way, packets, size, gap)


@inline
def count_both(n: Integers, x: Floats, packets: int, size: int, gap: int) -> None:
    """Count one packet of both ways together, the ``packets``-th."""
    if packets == 1:
        start_both(n, x, size)
        return
    if packets == 2:
        n[V_MIN_GAP] = gap
        n[V_MAX_GAP] = gap
    else:
        n[V_MIN_GAP] = min(n[V_MIN_GAP], gap)
        n[V_MAX_GAP] = max(n[V_MAX_GAP], gap)
    run(x, N_BOTH, packets, size, gap)


@inline
def keep_flags(t: Table, row: int, column: int, step: int) -> None:
    """Move eight small counters that are about to be full to the wide ones."""
    small = t.stats[row, column]
    t.stats[row, column] = 0
    t.core[row, F_FACTS] |= int64(1) << A_RARE
    for bit in range(8):
        t.rare[row, C_FLAGS + bit] += ((small >> (8 * bit)) & 255) * step


@inline
def note_first(t: Table, row: int, size: int, peer: int, peer_ms: int) -> None:
    """Note the first packet of a flow: enough for its counters, should there be no other."""
    c = t.core[row]
    if not peer:
        t.rare[row, C_SKIPPED_OUT] = 1
        c[F_FACTS] |= int64(1) << A_RARE
        return
    c[F_BEGINNING] |= (size << B_SIZE) | (int64(1) << B_PEER)
    if peer_ms != c[F_FIRST_US] // 1000:
        t.rare[row, C_FIRST_OUT] = peer_ms + 1
        t.rare[row, C_LAST] = peer_ms
        c[F_FACTS] |= (int64(1) << A_RARE) | (int64(1) << A_LATE)


@inline
def open_lines(t: Table, row: int, n: Integers, x: Floats) -> None:
    """Write the counters of a flow of one packet, before its second one is counted."""
    c = t.core[row]
    n[V_FLAGS_IN] = 0
    n[V_FLAGS_OUT] = 0
    if (c[F_BEGINNING] >> B_PEER) & 1:
        size = (c[F_BEGINNING] >> B_SIZE) & 0xFFFF
        start_way(n, x, N_OUT, size, first_out(t, row, c))
        start_both(n, x, size)
        n[V_FLAGS_OUT] = spread_bits((c[F_FACTS] >> A_FLAGS_OUT) & 255)


@inline
def skip(t: Table, row: int, incoming: int) -> None:
    """Leave a packet out, before the record counts it."""
    c = t.core[row]
    t.rare[row, C_LAST] = last_seen(t, row, c)
    t.rare[row, C_SKIPPED_IN if incoming else C_SKIPPED_OUT] += 1
    c[F_FACTS] |= (int64(1) << A_RARE) | (int64(1) << A_LATE)


@inline
def count_for_peer(
    t: Table, row: int, incoming: int, size: int, flags: int, peer_ms: int, now_ms: int
) -> None:
    """Count a later packet of a flow as NFStream does, before the record counts it."""
    c, n, x = t.core[row], t.stats[row], t.reals[row]
    sent, answered = c[F_PACKETS_OUT], c[F_PACKETS_IN]
    if (c[F_FACTS] >> A_RARE) & 1:
        sent -= t.rare[row, C_SKIPPED_OUT]
        answered -= t.rare[row, C_SKIPPED_IN]
    count_both(n, x, sent + answered + 1, size, peer_ms - last_seen(t, row, c))
    if peer_ms == now_ms:
        c[F_FACTS] &= ~(int64(1) << A_LATE)
    else:
        t.rare[row, C_LAST] = peer_ms
        c[F_FACTS] |= (int64(1) << A_RARE) | (int64(1) << A_LATE)
    if incoming:
        if answered == 0:
            wait = peer_ms - c[F_FIRST_US] // 1000
            if 0 <= wait <= LONGEST_WAIT_MS:
                c[F_BEGINNING] |= (wait + 1) << B_FIRST_IN
            else:
                t.rare[row, C_FIRST_IN] = peer_ms + 1
                c[F_FACTS] |= int64(1) << A_RARE
        count_way(n, x, N_IN, answered + 1, size, peer_ms)
        n[V_FLAGS_IN] += spread_bits(flags)
        if n[V_FLAGS_IN] & FULL:
            keep_flags(t, row, V_FLAGS_IN, int64(1) << 32)
        return
    if sent == 0:
        t.rare[row, C_FIRST_OUT] = peer_ms + 1
        c[F_FACTS] |= int64(1) << A_RARE
    count_way(n, x, N_OUT, sent + 1, size, peer_ms)
    n[V_FLAGS_OUT] += spread_bits(flags)
    if n[V_FLAGS_OUT] & FULL:
        keep_flags(t, row, V_FLAGS_OUT, int64(1))


@inline
def count_statistics(
    t: Table, row: int, incoming: int, length: int, flags: int, times: tuple[int, int, int]
) -> None:
    """Count one packet; sizes are those of the frame, cut to 16 bits.

    ``times`` are 1 when NFStream counts the packet, the time at which it does, and the record's; ms.
    """
    peer, peer_ms, now_ms = times
    c = t.core[row]
    before = c[F_PACKETS_OUT] + c[F_PACKETS_IN]
    size = length & 0xFFFF
    if before == 0:
        note_first(t, row, size, peer, peer_ms)
        return
    if before == 1:
        open_lines(t, row, t.stats[row], t.reals[row])
    if peer:
        count_for_peer(t, row, incoming, size, flags, peer_ms, now_ms)
    else:
        skip(t, row, incoming)
