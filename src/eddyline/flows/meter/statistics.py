"""NFStream's counters of a flow, in its arithmetic: milliseconds, 16-bit packet sizes, running means.

What belongs here: what one packet changes. What does not: the record's own counters (``count.py``). The
order of the floating-point operations is NFStream's, so that results are equal to the last bit. The running
mean and spread are Welford's (1962, doi:10.1080/00401706.1962.10490022).
"""

from __future__ import annotations

from numpy import float64, int64

from eddyline.flows.meter.jit import inline
from eddyline.flows.meter.layout import (
    N_BOTH,
    N_FLAGS,
    N_IN,
    N_OUT,
    W_BYTES,
    W_FIRST,
    W_LAST,
    W_MAX_GAP,
    W_MAX_PS,
    W_MEAN_GAP,
    W_MEAN_PS,
    W_MIN_GAP,
    W_MIN_PS,
    W_PACKETS,
    W_SPREAD_GAP,
    W_SPREAD_PS,
    X_BOTH,
    X_IN,
    X_OUT,
    Floats,
    Integers,
)


@inline
def count_way(n: Integers, x: Floats, way: int, real: int, size: int, now_ms: int) -> None:
    """Count one packet of one way: ``n`` and ``x`` are the flow's rows, ``way`` and ``real`` its blocks."""
    packets = n[way + W_PACKETS] + 1
    n[way + W_PACKETS] = packets
    n[way + W_BYTES] += size
    if packets == 1:
        n[way + W_FIRST] = now_ms
        n[way + W_LAST] = now_ms
        n[way + W_MIN_PS] = size
        n[way + W_MAX_PS] = size
        x[real + W_MEAN_PS] = float64(size)
        return
    gap = now_ms - n[way + W_LAST]
    n[way + W_LAST] = now_ms
    n[way + W_MIN_PS] = min(n[way + W_MIN_PS], size)
    n[way + W_MAX_PS] = max(n[way + W_MAX_PS], size)
    mean = x[real + W_MEAN_PS]
    new = mean + (float64(size) - mean) / float64(packets)
    x[real + W_MEAN_PS] = new
    x[real + W_SPREAD_PS] += (float64(size) - mean) * (float64(size) - new)
    if packets == 2:
        n[way + W_MIN_GAP] = gap
        n[way + W_MAX_GAP] = gap
        x[real + W_MEAN_GAP] = float64(gap)
        return
    n[way + W_MIN_GAP] = min(n[way + W_MIN_GAP], gap)
    n[way + W_MAX_GAP] = max(n[way + W_MAX_GAP], gap)
    mean = x[real + W_MEAN_GAP]
    new = mean + (float64(gap) - mean) / float64(packets - 1)
    x[real + W_MEAN_GAP] = new
    x[real + W_SPREAD_GAP] += (float64(gap) - mean) * (float64(gap) - new)


@inline
def count_for_peer(
    n: Integers, x: Floats, incoming: int, length: int, flags: int, now_ms: int
) -> None:
    """Count one packet as NFStream does; sizes are those of the frame, cut to 16 bits."""
    size = length & 0xFFFF
    count_way(n, x, N_BOTH, X_BOTH, size, now_ms)
    if incoming:
        count_way(n, x, N_IN, X_IN, size, now_ms)
    else:
        count_way(n, x, N_OUT, X_OUT, size, now_ms)
    step = int64(1) << 32 if incoming else int64(1)
    bit = 0
    while flags:
        if flags & 1:
            n[N_FLAGS + bit] += step
        flags >>= 1
        bit += 1
