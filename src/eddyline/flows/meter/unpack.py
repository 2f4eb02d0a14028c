"""Ended flows → columns of numbers: what was packed into few words is told apart again.

What belongs here: one pass over the rows that are given out. What does not: what the columns are called
(``rows.py``).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy import float64, int64
from numpy.typing import NDArray

from eddyline.flows.meter.headers import ICMP, ICMP6, SCTP, TCP, UDP
from eddyline.flows.meter.jit import inline, kernel, prefetch
from eddyline.flows.meter.layout import (
    A_ENDS,
    A_FLAGS_IN,
    A_FLAGS_OUT,
    A_KIND,
    A_QUALITY,
    A_RARE,
    A_SEEN,
    A_SWAPPED,
    A_WRITTEN,
    B_ICMP,
    B_PEER,
    B_SIZE,
    C_FLAGS,
    C_SKIPPED_IN,
    C_SKIPPED_OUT,
    F_BEGINNING,
    F_BYTES_IN,
    F_BYTES_OUT,
    F_FACTS,
    F_FIRST_US,
    F_HISTORY,
    F_LAST_US,
    F_PACKETS_IN,
    F_PACKETS_OUT,
    F_PAYLOAD_IN,
    F_PAYLOAD_OUT,
    K_HIGH_A,
    K_HIGH_B,
    K_LOW_A,
    K_LOW_B,
    K_PORTS,
    M_STATISTICS,
    N_BOTH,
    N_IN,
    N_OUT,
    O_BYTES_IN,
    O_BYTES_OUT,
    O_FIRST_US,
    O_LAST_US,
    O_PACKETS_IN,
    O_PACKETS_OUT,
    O_PAYLOAD_IN,
    O_PAYLOAD_OUT,
    T_BYTES,
    T_DURATION,
    T_FIRST,
    T_FLAGS,
    T_LAST,
    T_MAX_GAP,
    T_MAX_PS,
    T_MIN_GAP,
    T_MIN_PS,
    T_PACKETS,
    T_WAY,
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
    X_HIGH_DST,
    X_HISTORY,
    X_LETTERS,
    X_LOW_DST,
    X_UID,
    X_VLANS,
    Y_MEAN_GAP,
    Y_MEAN_PS,
    Y_VARIANCE_GAP,
    Y_VARIANCE_PS,
    Y_WAY,
    Z_FLAGS_IN,
    Z_FLAGS_OUT,
    Z_HAS_FLAGS,
    Z_HAS_ICMP,
    Z_HAS_PORTS,
    Z_ICMP_CODE,
    Z_ICMP_TYPE,
    Z_PROTO,
    Z_QUALITY,
    Z_STATE,
    Z_VERSION,
    Bytes,
    Floats,
    Integers,
    Rows,
    Table,
    Word,
)
from eddyline.flows.meter.states import SYN_LETTER
from eddyline.flows.meter.statistics import first_in, first_out, last_seen
from eddyline.flows.meter.table import mix

UID_SEED: Final = 0x0EDD71
"""Fixed: a flow's identifier is the same in every run."""

AHEAD: Final = 8
"""Rows that are asked for before they are needed."""

BOTH, OUT, IN = range(3)
"""Blocks of the statistics."""


UNIDIRECTIONAL: Final = 4
"""Bit of ``quality``; the record's own."""


class Columns(NamedTuple):
    """Arrays for the columns of some flows, a column a row; there may be more room than flows.

    Parameters
    ----------
    longs, words, small, ports
        The ``O_``, ``X_`` and ``Z_`` columns, and both ports.
    duration
        Seconds.
    stats, reals
        The ``T_`` and ``Y_`` columns; without statistics, of no flows.
    """

    longs: Integers
    words: Integers
    small: Bytes
    ports: NDArray[np.uint16]
    duration: Floats
    stats: Integers
    reals: Floats


@inline
def identify(c: Integers) -> Word:
    """Give a flow's identifier: a hash of its key, its way and its first time."""
    kind = (c[F_FACTS] >> A_KIND) & 255
    state = int64(UID_SEED)
    for word in range(K_PORTS + 1):
        state = mix(state, c[word])
    state = mix(state, ((kind >> 4) << 8) | ((kind & 15) << 4))
    return mix(mix(state, c[F_FIRST_US]), (c[F_FACTS] >> A_SWAPPED) & 1)


@inline
def unpack_ends(c: Integers, o: Columns, i: int) -> None:
    """Write who spoke with whom, the originator first."""
    ports = c[K_PORTS]
    port_a, port_b = (ports >> 48) & 0xFFFF, (ports >> 32) & 0xFFFF
    proto = (ports >> 24) & 0xFF
    swapped = (c[F_FACTS] >> A_SWAPPED) & 1
    for source in range(2):
        high, low = (c[K_HIGH_A], c[K_LOW_A]) if source != swapped else (c[K_HIGH_B], c[K_LOW_B])
        o.words[X_HIGH_DST - source, i] = high
        o.words[X_LOW_DST - source, i] = low
        o.ports[1 - source, i] = port_a if source != swapped else port_b
    o.words[X_VLANS, i] = ports & 0xFFFFFF
    o.small[Z_PROTO, i] = proto
    o.small[Z_VERSION, i] = (c[F_FACTS] >> (A_KIND + 4)) & 15
    o.small[Z_HAS_PORTS, i] = (proto in (TCP, UDP, SCTP)) & ((port_a | port_b) != 0)


@inline
def unpack_outcome(c: Integers, states: Integers, o: Columns, i: int) -> None:
    """Write how a flow went: state, history, flags, quality."""
    facts, proto = c[F_FACTS], o.small[Z_PROTO, i]
    flags_out, flags_in = (facts >> A_FLAGS_OUT) & 255, (facts >> A_FLAGS_IN) & 255
    answered = c[F_PACKETS_IN] > 0
    state = states[256 + int64(answered)]
    if proto == TCP:
        began = (facts >> (A_SEEN + SYN_LETTER + 8)) & 1
        payload = int64(c[F_PAYLOAD_OUT] + c[F_PAYLOAD_IN] > 0)
        state = states[((facts >> A_ENDS) & 63) | (began << 6) | (payload << 7)]
    o.small[Z_STATE, i] = state
    o.small[Z_FLAGS_OUT, i] = flags_out
    o.small[Z_FLAGS_IN, i] = flags_in
    o.small[Z_HAS_FLAGS, i] = proto == TCP
    icmp = ((c[F_BEGINNING] >> B_ICMP) & 0x1FFFF) - 1
    o.small[Z_ICMP_TYPE, i] = (icmp >> 8) & 255
    o.small[Z_ICMP_CODE, i] = icmp & 255
    o.small[Z_HAS_ICMP, i] = (proto in (ICMP, ICMP6)) & (icmp >= 0)
    o.small[Z_QUALITY, i] = ((facts >> A_QUALITY) & 255) | (0 if answered else UNIDIRECTIONAL)
    o.words[X_HISTORY, i] = c[F_HISTORY]
    o.words[X_LETTERS, i] = (facts >> A_WRITTEN) & 31


@inline
def unpack_core(c: Integers, states: Integers, o: Columns, i: int) -> None:
    """Write the record's numbers of a flow."""
    unpack_ends(c, o, i)
    unpack_outcome(c, states, o, i)
    o.longs[O_FIRST_US, i] = c[F_FIRST_US]
    o.longs[O_LAST_US, i] = c[F_LAST_US]
    o.longs[O_PACKETS_OUT, i] = c[F_PACKETS_OUT]
    o.longs[O_PACKETS_IN, i] = c[F_PACKETS_IN]
    o.longs[O_BYTES_OUT, i] = c[F_BYTES_OUT]
    o.longs[O_BYTES_IN, i] = c[F_BYTES_IN]
    o.longs[O_PAYLOAD_OUT, i] = c[F_PAYLOAD_OUT]
    o.longs[O_PAYLOAD_IN, i] = c[F_PAYLOAD_IN]
    o.duration[i] = float64(c[F_LAST_US] - c[F_FIRST_US]) / 1e6
    o.words[X_UID, i] = identify(c)


@inline
def write_times(out: Integers, i: int, block: int, first: int, last: int) -> None:
    """Write a way's first and last time and what is between."""
    out[block * T_WAY + T_FIRST, i] = first
    out[block * T_WAY + T_LAST, i] = last
    out[block * T_WAY + T_DURATION, i] = last - first


@inline
def write_amounts(out: Integers, i: int, block: int, amounts: tuple[int, ...]) -> None:
    """Write a way's packets, bytes, least and greatest size, least and greatest gap."""
    packets, size, least, most, least_gap, most_gap = amounts
    out[block * T_WAY + T_PACKETS, i] = packets
    out[block * T_WAY + T_BYTES, i] = size
    out[block * T_WAY + T_MIN_PS, i] = least
    out[block * T_WAY + T_MAX_PS, i] = most
    out[block * T_WAY + T_MIN_GAP, i] = least_gap
    out[block * T_WAY + T_MAX_GAP, i] = most_gap


@inline
def variance(total: float, packets: int, least: int) -> Word:
    """Give the sample variance from the sum of squares; 0 where there are too few packets."""
    return total / float64(packets - least) if packets > least else 0.0


@inline
def write_reals(y: Floats, i: int, block: int, x: Floats, line: int, packets: int) -> None:
    """Write a way's means and variances."""
    at = block * Y_WAY
    y[at + Y_MEAN_PS, i] = x[line + W_MEAN_PS]
    y[at + Y_VARIANCE_PS, i] = variance(x[line + W_SPREAD_PS], packets, 1)
    y[at + Y_MEAN_GAP, i] = x[line + W_MEAN_GAP]
    y[at + Y_VARIANCE_GAP, i] = variance(x[line + W_SPREAD_GAP], packets, 2)


@inline
def write_flags(out: Integers, i: int, block: int, small: int) -> None:
    """Write a way's eight counters of flags from the small ones."""
    for bit in range(8):
        out[block * T_WAY + T_FLAGS + bit, i] = (small >> (8 * bit)) & 255


@inline
def write_nothing(out: Integers, y: Floats, i: int, block: int) -> None:
    """Write a way without packets."""
    for column in range(T_WAY):
        out[block * T_WAY + column, i] = 0
    for column in range(Y_WAY):
        y[block * Y_WAY + column, i] = 0.0


@inline
def unpack_single(t: Table, row: int, out: Integers, y: Floats, i: int) -> None:
    """Write NFStream's numbers of a flow of one packet."""
    c = t.core[row]
    write_nothing(out, y, i, IN)
    if not (c[F_BEGINNING] >> B_PEER) & 1:
        write_nothing(out, y, i, OUT)
        write_nothing(out, y, i, BOTH)
        return
    size, first = (c[F_BEGINNING] >> B_SIZE) & 0xFFFF, first_out(t, row, c)
    flags = (c[F_FACTS] >> A_FLAGS_OUT) & 255
    for block in range(2):
        write_times(out, i, block, first, first)
        write_amounts(out, i, block, (int64(1), size, size, size, int64(0), int64(0)))
        y[block * Y_WAY + Y_MEAN_PS, i] = float64(size)
        for column in range(Y_VARIANCE_PS, Y_WAY):
            y[block * Y_WAY + column, i] = 0.0
        for bit in range(8):
            out[block * T_WAY + T_FLAGS + bit, i] = (flags >> bit) & 1


@inline
def unpack_way(
    n: Integers, x: Floats, line: int, first: int, packets: int, out: Integers, y: Floats, i: int
) -> None:
    """Write NFStream's numbers of one way, flags left out."""
    block = OUT if line == N_OUT else IN
    if packets == 0:
        write_nothing(out, y, i, block)
        return
    least, most = n[line + W_LEAST], n[line + W_MOST]
    write_times(out, i, block, first, n[line + W_LAST])
    amounts = (packets, n[line + W_BYTES], least & 0xFFFF, most & 0xFFFF, least >> 16, most >> 16)
    write_amounts(out, i, block, amounts)
    write_reals(y, i, block, x, line, packets)


@inline
def unpack_both(out: Integers, i: int, last: int, n: Integers) -> None:
    """Write the numbers of both ways that follow from those of each."""
    sent, answered = out[OUT * T_WAY + T_PACKETS, i], out[IN * T_WAY + T_PACKETS, i]
    way = OUT if sent > 0 else IN
    first = out[way * T_WAY + T_FIRST, i]
    least, most = out[way * T_WAY + T_MIN_PS, i], out[way * T_WAY + T_MAX_PS, i]
    if sent > 0 and answered > 0:
        first = min(first, out[IN * T_WAY + T_FIRST, i])
        least = min(least, out[IN * T_WAY + T_MIN_PS, i])
        most = max(most, out[IN * T_WAY + T_MAX_PS, i])
    size = out[OUT * T_WAY + T_BYTES, i] + out[IN * T_WAY + T_BYTES, i]
    write_times(out, i, BOTH, first, last)
    write_amounts(out, i, BOTH, (sent + answered, size, least, most, n[V_MIN_GAP], n[V_MAX_GAP]))


@inline
def unpack_statistics(t: Table, row: int, out: Integers, y: Floats, i: int) -> None:
    """Write NFStream's numbers of a flow of several packets."""
    c, n, x = t.core[row], t.stats[row], t.reals[row]
    sent, answered = c[F_PACKETS_OUT], c[F_PACKETS_IN]
    write_flags(out, i, OUT, n[V_FLAGS_OUT])
    write_flags(out, i, IN, n[V_FLAGS_IN])
    rare = (c[F_FACTS] >> A_RARE) & 1
    if rare:
        sent -= t.rare[row, C_SKIPPED_OUT]
        answered -= t.rare[row, C_SKIPPED_IN]
    unpack_way(n, x, N_OUT, first_out(t, row, c), sent, out, y, i)
    unpack_way(n, x, N_IN, first_in(t, row, c), answered, out, y, i)
    if sent + answered == 0:
        write_nothing(out, y, i, BOTH)
        return
    unpack_both(out, i, last_seen(t, row, c), n)
    write_reals(y, i, BOTH, x, N_BOTH, sent + answered)
    for bit in range(8):
        out_flags = (n[V_FLAGS_OUT] >> (8 * bit)) & 255
        in_flags = (n[V_FLAGS_IN] >> (8 * bit)) & 255
        if rare:
            out_flags += t.rare[row, C_FLAGS + bit] & 0xFFFFFFFF
            in_flags += t.rare[row, C_FLAGS + bit] >> 32
        out[OUT * T_WAY + T_FLAGS + bit, i] = out_flags
        out[IN * T_WAY + T_FLAGS + bit, i] = in_flags
        out[BOTH * T_WAY + T_FLAGS + bit, i] = out_flags + in_flags


@kernel
def unpack(t: Table, rows: Rows, states: Integers, o: Columns) -> None:
    """Write some rows as columns, each column in one piece.

    Parameters
    ----------
    t
        State.
    rows
        Which rows, in the order wanted.
    states
        Numbers of the states: of TCP by ends, SYN and payload, 256 of them; without and with an answer.
    o
        Written.
    """
    for i in range(rows.size):
        row, later = rows[i], rows[min(i + AHEAD, rows.size - 1)]
        prefetch(t.core, later, 0)
        prefetch(t.core, later, F_PACKETS_OUT)
        unpack_core(t.core[row], states, o, i)
        if t.meta[M_STATISTICS]:
            for line in (N_OUT, N_BOTH, N_IN):
                prefetch(t.stats, later, line)
            if t.core[row, F_PACKETS_OUT] + t.core[row, F_PACKETS_IN] == 1:
                unpack_single(t, row, o.stats, o.reals, i)
            else:
                unpack_statistics(t, row, o.stats, o.reals, i)


@kernel
def name(core: Integers, rows: Rows, uids: Integers) -> None:
    """Write the identifiers of some rows.

    Parameters
    ----------
    core
        The record's numbers of each flow.
    rows
        Which rows.
    uids
        Filled; as many as ``rows``.
    """
    for i in range(rows.size):
        uids[i] = identify(core[rows[i]])
