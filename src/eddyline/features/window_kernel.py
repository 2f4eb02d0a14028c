"""The kernel of the window counters: what enters a window, what leaves it, what is forgotten.

What belongs here: compiled code over the arrays of ``window.py``. What does not: settings and growth.

A value, such as a partner of an address, leaves a window when the last flow that carries it does; so each
flow is counted in once and out once, O(1) a flow.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from eddyline.features.compiled import kernel, part
from eddyline.features.tables64 import add, find, give_back, remove, take

# Columns of an address. Its latest flows, as source and as destination, are in a ring each: a short one that
# every address has, or a long one of the pool.
_UID, _REFS, _MARK, _INSIDE = 2, 3, 4, 5
_SRC, _DST = (
    6,
    12,
)  # each: fast, slow, conn, flows ever, next place in the ring, row of the long ring
_FAST, _SLOW, _CONN, _POS, _SLOT, _RING = range(6)
ADDRESS_WIDTH = 18

# Columns of a pair of addresses: its latest flow in all, for the source, for the destination; how many
# windows refer to it; whether either end counts as a partner.
_LAST, _SRC_POS, _DST_POS, _PAIR_REFS, _IN_DST, _IN_SRC = range(2, 8)
PAIR_WIDTH = 8
_NEVER = -(1 << 62)

# Columns of a service (source and destination port, or destination and source port): flows in each window.
SERVICE_WIDTH = 4

SHORT: Final = 8
"""Flows in the short ring of an address."""

# Columns of the log of flows in the slow window.
_TIME, _ENDS, _PAIR, _SERVICES = 0, 1, 2, 3

# Places in the counts of the whole.
LOG_FAST, LOG_SLOW, LOG_END, _NEXT_UID, _HAND, LOST_FLOWS, _LOST_ADDRESSES, LATE, NOW = range(9)


@kernel
def count_flows(  # noqa: PLR0913 - a kernel takes its arrays one by one
    at: int,
    t_us: Any,
    src: Any,
    dst: Any,
    ports: Any,
    masks: Any,
    limits: Any,
    tables: Any,
    counts: Any,
    out: Any,
) -> Any:
    """Count flows from ``at`` on; gives the first flow for which there is no room yet, or their number."""
    spt, dpt = ports
    for i in range(at, len(t_us)):
        now = max(t_us[i], counts[NOW])
        _leave(now, limits, tables, counts)
        if _lacks_room(limits, tables, counts):
            return i
        counts[LATE] += t_us[i] < counts[NOW]
        counts[NOW] = now
        inside_src = masks[0][i] if len(masks[0]) > 1 else masks[0][0]
        inside_dst = masks[1][i] if len(masks[1]) > 1 else masks[1][0]
        source = _address(src[i], inside_src, tables, counts)
        target = _address(dst[i], inside_dst, tables, counts)
        _enter(now, source, target, spt[i], dpt[i], limits[2], tables, counts, out[i])
    return len(t_us)


@part
def _leave(now: int, limits: Any, tables: Any, counts: Any) -> None:
    """Take out of both time windows what is too old."""
    log = tables[4]
    mask = len(log) - 1
    if limits[3]:
        fast, slow = now - now % limits[0], now - now % limits[1]
    else:
        fast, slow = now - limits[0] + 1, now - limits[1] + 1
    while counts[LOG_FAST] < counts[LOG_END] and log[counts[LOG_FAST] & mask, _TIME] < fast:
        _leave_one(counts[LOG_FAST], _FAST, tables, mask)
        counts[LOG_FAST] += 1
    while counts[LOG_SLOW] < counts[LOG_END] and log[counts[LOG_SLOW] & mask, _TIME] < slow:
        _leave_slow(tables, counts, mask)


@part
def _leave_slow(tables: Any, counts: Any, mask: int) -> None:
    """Take the oldest flow out of the slow window, and out of the fast one when it is still there."""
    number = counts[LOG_SLOW]
    if counts[LOG_FAST] <= number:
        _leave_one(number, _FAST, tables, mask)
        counts[LOG_FAST] = number + 1
    _leave_one(number, _SLOW, tables, mask)
    counts[LOG_SLOW] = number + 1
    addresses = tables[0][0]
    ends = tables[4][number & mask, _ENDS]
    addresses[ends >> 32, _REFS] -= 1
    addresses[ends & 0xFFFFFFFF, _REFS] -= 1
    _drop_pair(tables[4][number & mask, _PAIR], tables)
    services = tables[4][number & mask, _SERVICES]
    _drop_service(services >> 32, tables)
    _drop_service(services & 0xFFFFFFFF, tables)


@part
def _leave_one(number: int, window: int, tables: Any, mask: int) -> None:
    """Take one flow out of one time window's counts."""
    log, addresses, pairs, services = tables[4], tables[0][0], tables[1][0], tables[2][0]
    entry = log[number & mask]
    if pairs[entry[_PAIR], _LAST] == number:
        pair, ends = pairs[entry[_PAIR]], entry[_ENDS]
        addresses[ends >> 32, _SRC + window] -= pair[_IN_DST]
        addresses[ends & 0xFFFFFFFF, _DST + window] -= pair[_IN_SRC]
    services[entry[_SERVICES] >> 32, 2 + window] -= 1
    services[entry[_SERVICES] & 0xFFFFFFFF, 2 + window] -= 1


@part
def _drop_pair(pair: int, tables: Any) -> None:
    """Let one reference to a pair go; the last one takes the pair along."""
    rows, heads, meta = tables[1]
    rows[pair, _PAIR_REFS] -= 1
    if rows[pair, _PAIR_REFS] == 0:
        remove(pair, rows, heads, meta)


@part
def _drop_service(service: int, tables: Any) -> None:
    """Forget a service that is in no window any more."""
    rows, heads, meta = tables[2]
    if rows[service, 2] == 0 and rows[service, 3] == 0:
        remove(service, rows, heads, meta)


@part
def _lacks_room(limits: Any, tables: Any, counts: Any) -> Any:
    """Tell whether a table must grow first; where it may not, something old is forgotten."""
    log = tables[4]
    if counts[LOG_END] - counts[LOG_SLOW] >= limits[4]:
        counts[LOST_FLOWS] += 1
        _leave_slow(tables, counts, len(log) - 1)
    if counts[LOG_END] - counts[LOG_SLOW] >= len(log):
        return True
    if len(tables[1][0]) == tables[1][2][2] or len(tables[2][0]) - tables[2][2][2] < 2:
        return True
    if len(tables[0][0]) - tables[0][2][2] < 2:
        if len(tables[0][0]) < limits[5]:
            return True
        while limits[5] - tables[0][2][2] < 2:
            _forget_one(limits, tables, counts)
    if len(tables[3][0]) - tables[3][2][2] < 2:
        if len(tables[3][0]) < limits[6]:
            return True
        while limits[6] - tables[3][2][2] < 2:
            _forget_one(limits, tables, counts)
    return False


@part
def _forget_one(limits: Any, tables: Any, counts: Any) -> None:
    """Forget one address that was not used lately; when all are in the window, let its oldest flows go."""
    addresses, meta = tables[0][0], tables[0][2]
    while True:
        for _ in range(2 * meta[1]):
            counts[_HAND] = (counts[_HAND] + 1) % meta[1]
            at = counts[_HAND]
            if addresses[at, _UID] == 0 or addresses[at, _REFS] > 0:
                continue
            if addresses[at, _MARK]:
                addresses[at, _MARK] = 0
                continue
            _forget(at, limits[2], tables)
            counts[_LOST_ADDRESSES] += 1
            return
        kept = counts[LOG_END] - counts[LOG_SLOW]
        for _ in range(max(1, kept // 8)):
            counts[LOST_FLOWS] += 1
            _leave_slow(tables, counts, len(tables[4]) - 1)


@part
def _forget(at: int, n_conn: int, tables: Any) -> None:
    """Forget an address with the latest flows it is known by."""
    addresses, heads, meta = tables[0]
    for k in range(2):
        role = _SRC if k == 0 else _DST
        kept = min(addresses[at, role + _POS], n_conn)
        ring, long = (
            addresses[at, role + _RING],
            addresses[at, role + _POS] > SHORT and n_conn > SHORT,
        )
        for slot in range(kept):
            _drop_pair(tables[6][ring, slot] if long else tables[8][at, k, slot], tables)
        if long:
            give_back(ring, tables[3][0], tables[3][2])
    remove(at, addresses, heads, meta)
    addresses[at, _UID] = 0


@part
def _address(key: int, inside: bool, tables: Any, counts: Any) -> Any:
    """Find an address, or take it up."""
    rows, heads, meta = tables[0]
    at = find(key, rows, heads)
    if at < 0:
        at = add(key, rows, heads, meta)
        counts[_NEXT_UID] += 1
        rows[at, _UID] = counts[_NEXT_UID]
        rows[at, _INSIDE] = inside
    rows[at, _MARK] = 1
    return at


@part
def _service(key: int, tables: Any) -> Any:
    """Find a service, or take it up."""
    rows, heads, meta = tables[2]
    at = find(key, rows, heads)
    return at if at >= 0 else add(key, rows, heads, meta)


@part
def _pair(source: int, target: int, tables: Any) -> Any:
    """Find a pair of addresses, or take it up."""
    addresses = tables[0][0]
    rows, heads, meta = tables[1]
    key = (addresses[source, _UID] << 32) | addresses[target, _UID]
    at = find(key, rows, heads)
    if at < 0:
        at = add(key, rows, heads, meta)
        rows[at, _LAST] = -1
        rows[at, _SRC_POS] = _NEVER
        rows[at, _DST_POS] = _NEVER
        rows[at, _IN_DST] = addresses[target, _INSIDE]
        rows[at, _IN_SRC] = addresses[source, _INSIDE]
    return at


@part
def _enter(  # noqa: PLR0913 - the same
    now: int,
    source: int,
    target: int,
    spt: int,
    dpt: int,
    n_conn: int,
    tables: Any,
    counts: Any,
    out: Any,
) -> None:
    """Write the counters before a flow, then count the flow in."""
    addresses, pairs, services = tables[0][0], tables[1][0], tables[2][0]
    pair = _pair(source, target, tables)
    asked = _service(((addresses[source, _UID] << 16) | dpt) << 1, tables)
    answering = _service((((addresses[target, _UID] << 16) | spt) << 1) | 1, tables)
    for window in range(2):
        out[4 * window] = addresses[source, _SRC + window]
        out[4 * window + 1] = addresses[target, _DST + window]
        out[4 * window + 2] = services[asked, 2 + window]
        out[4 * window + 3] = services[answering, 2 + window]
        services[asked, 2 + window] += 1
        services[answering, 2 + window] += 1
    out[8] = addresses[source, _SRC + _CONN]
    out[9] = addresses[target, _DST + _CONN]
    out[10] = _in_ring(source, 0, _SRC, dpt, n_conn, tables)
    out[11] = _in_ring(target, 1, _DST, spt, n_conn, tables)
    number = counts[LOG_END]
    for window in range(2):
        if pairs[pair, _LAST] < counts[LOG_FAST + window]:
            addresses[source, _SRC + window] += pairs[pair, _IN_DST]
            addresses[target, _DST + window] += pairs[pair, _IN_SRC]
    pairs[pair, _LAST] = number
    pairs[pair, _PAIR_REFS] += 3  # the log and both chains
    addresses[source, _REFS] += 1
    addresses[target, _REFS] += 1
    entry = tables[4][number & (len(tables[4]) - 1)]
    entry[_TIME] = now
    entry[_ENDS] = (source << 32) | target
    entry[_PAIR] = pair
    entry[_SERVICES] = (asked << 32) | answering
    counts[LOG_END] = number + 1
    _remember(source, 0, pair, dpt, n_conn, tables)
    _remember(target, 1, pair, spt, n_conn, tables)


@part
def _in_ring(at: int, k: int, role: int, port: int, n_conn: int, tables: Any) -> Any:
    """Count the flows of a ring that have a port; a scan of a few cache lines, faster than a table."""
    row = tables[0][0][at]
    kept = min(row[role + _POS], n_conn)
    found = np.int32(0)
    if kept > SHORT:
        ports = tables[5][row[role + _RING]]
        for slot in range(kept):
            found += np.int32(ports[slot] == port)
    else:
        few = tables[7][at, k]
        for slot in range(kept):
            found += np.int32(few[slot] == port)
    return found


@part
def _remember(at: int, k: int, pair: int, port: int, n_conn: int, tables: Any) -> None:
    """Put a flow into the ring of an address, in the place of the one that is now too old."""
    row, pairs = tables[0][0][at], tables[1][0]
    role, pos = (_SRC, _SRC_POS) if k == 0 else (_DST, _DST_POS)
    inside = _IN_DST if k == 0 else _IN_SRC
    ever, slot = row[role + _POS], row[role + _SLOT]
    if pairs[pair, pos] < ever - n_conn:
        row[role + _CONN] += pairs[pair, inside]
    pairs[pair, pos] = ever
    if ever == SHORT and n_conn > SHORT:
        _lengthen(at, k, role, tables)
        slot = SHORT
    long = ever >= SHORT and n_conn > SHORT
    ring = row[role + _RING]
    if ever >= n_conn:
        oldest = np.int64(tables[6][ring, slot] if long else tables[8][at, k, slot])
        if pairs[oldest, pos] == ever - n_conn:
            row[role + _CONN] -= pairs[oldest, inside]
        _drop_pair(oldest, tables)
    if long:
        tables[5][ring, slot] = port
        tables[6][ring, slot] = pair
    else:
        tables[7][at, k, slot] = port
        tables[8][at, k, slot] = pair
    row[role + _POS] = ever + 1
    row[role + _SLOT] = slot + 1 if slot + 1 < n_conn else 0


@part
def _lengthen(at: int, k: int, role: int, tables: Any) -> None:
    """Move the flows of a short ring into a long one."""
    ring = take(tables[3][0], tables[3][2])
    for slot in range(SHORT):
        tables[5][ring, slot] = tables[7][at, k, slot]
        tables[6][ring, slot] = tables[8][at, k, slot]
    tables[0][0][at, role + _RING] = ring
