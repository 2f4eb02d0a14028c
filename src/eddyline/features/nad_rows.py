"""The kernel that writes the NAD features of each flow from its own columns, its counters and its segment.

What belongs here: per-flow arithmetic, in the order of ``nad_names.NAD113``. What does not: state, and names.

``ratio(a, b) = ln(1 + a) − ln(1 + b)`` and ``dist(a, b) = ln(1 + |a − b|)``, in double precision; what is
written is rounded to single.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from eddyline.features.compiled import kernel, part, sealed
from eddyline.features.nad_input import GLOBAL, LINK_LOCAL, UNSPECIFIED, NadInput
from eddyline.features.nad_names import APPS, FLAGGED_APPS
from eddyline.features.runs import Runs
from eddyline.features.window import Counters

_TABLE: Final = np.log1p(np.arange(1 << 13, dtype=np.float64))
"""ln(1 + n) of small counts."""

_GLOBAL, _LINK_LOCAL, _UNSPECIFIED = int(GLOBAL), int(LINK_LOCAL), int(UNSPECIFIED)


def write_rows(
    flows: NadInput, counters: Counters, runs: Runs, X: Any, *, with_ip: bool, fold_apps: bool
) -> None:
    """Write the features into the first columns of X.

    Parameters
    ----------
    flows
        n flows.
    counters, runs
        Their window counters and segments, shapes ``(n, 12)`` and ``(n, 5)``.
    X
        Shape ``(n, d)``, float32; 113 columns are written, 100 without ip.
    with_ip
        True for the families of IPv4 addresses.
    fold_apps
        True to count every application without a column of its own as ``app_others``.
    """
    flagged = np.full(len(APPS) + 1, len(FLAGGED_APPS) - 1 if fold_apps else -1, dtype=np.int64)
    for place, name in enumerate(FLAGGED_APPS):
        flagged[APPS.index(name)] = place
    columns = sealed(
        flows.src,
        flows.dst,
        flows.spt,
        flows.dpt,
        flows.duration_s,
        flows.out_bytes,
        flows.in_bytes,
        flows.proto,
        flows.app,
    )
    facts = sealed(flows.facts.v4, flows.facts.one_bits, flows.facts.flags)
    own = sealed(counters, runs, flagged, _TABLE)
    _write(columns, facts, *own, with_ip, X)


@kernel
def _write(
    columns: Any,
    facts: Any,
    counters: Any,
    runs: Any,
    flagged: Any,
    table: Any,
    with_ip: bool,
    X: Any,
) -> None:
    """Write all rows."""
    src, dst, spt, dpt, duration, out_bytes, in_bytes, proto, app = columns
    for i in range(len(X)):
        row, counts = X[i], counters[i]
        at = _write_plain(row, counts, proto[i], flagged[app[i]])
        log_duration = _log_of_one_more(duration[i])
        log_in, log_out = _log(in_bytes[i], table), _log(out_bytes[i], table)
        row[at] = duration[i] == 0
        row[at + 1] = in_bytes[i] == 0
        row[at + 2] = out_bytes[i] == 0
        at += 3
        for window in range(3):
            row[at] = counts[4 * window + 2] == 0
            row[at + 1] = counts[4 * window + 3] == 0
            at += 2
        row[at] = log_duration
        row[at + 1] = log_in
        row[at + 2] = log_out
        row[at + 3] = _log(counts[1], table)
        row[at + 4] = _log(counts[0], table)
        row[at + 5] = _log(counts[2], table)
        row[at + 6] = _log(counts[3], table)
        at += 7
        if with_ip:
            at = _write_addresses(row, at, src[i], dst[i], facts)
        at = _write_port(row, at, spt[i])
        at = _write_port(row, at, dpt[i])
        row[at] = spt[i] == dpt[i]
        at += 1
        for k in range(5):
            row[at + k] = runs[i, k]
        at = _write_derived(row, at + 5, counts, table)
        log_total = _log(in_bytes[i] + out_bytes[i], table)
        row[at] = log_in - log_out
        row[at + 1] = log_in - log_total
        row[at + 2] = log_in - log_duration
        row[at + 3] = log_out - log_duration
        row[at + 4] = log_total - log_duration


@part
def _log(value: int, table: Any) -> Any:
    """Give ln(1 + value) of a whole number."""
    return table[value] if value < len(table) else math.log(np.float64(value) + 1.0)


@part
def _log_of_one_more(value: float) -> Any:
    """Give ln(1 + value); the logarithm is quicker than ``log1p``, and what 1 + value lost is added to it.

    Kahan's correction; Goldberg, What every computer scientist should know about floating-point arithmetic,
    1991, theorem 4, in another form.
    """
    total = 1.0 + value
    if total == value:
        return math.log(value)
    return math.log(total) - ((total - 1.0) - value) / total


@part
def _write_plain(row: Any, counts: Any, proto: int, flag: int) -> Any:
    """Write counters, protocol and application; gives the next column."""
    for k in range(12):
        row[k] = counts[k]
    row[12] = proto == 1
    row[13] = proto == 2
    row[14] = proto == 6
    row[15] = proto == 17
    for k in range(9):
        row[16 + k] = flag == k
    return 25


@part
def _write_addresses(row: Any, at: int, src: int, dst: int, facts: Any) -> Any:
    """Write what the two addresses tell; gives the next column."""
    v4, one_bits, flags = facts
    for k in range(2):
        mine = flags[src] if k == 0 else flags[dst]
        row[at + 3 * k] = (mine & _GLOBAL) != 0
        row[at + 3 * k + 1] = (mine & _LINK_LOCAL) != 0
        row[at + 3 * k + 2] = (mine & _UNSPECIFIED) != 0
    out, into = (flags[src] & _GLOBAL) != 0, (flags[dst] & _GLOBAL) != 0
    row[at + 6] = out and into
    row[at + 7] = not out and not into
    row[at + 8] = out and not into
    row[at + 9] = not out and into
    row[at + 10] = _common_bits(v4[src], v4[dst])
    row[at + 11] = one_bits[src]
    row[at + 12] = one_bits[dst]
    return at + 13


@part
def _write_port(row: Any, at: int, port: int) -> Any:
    """Write the area of a port; gives the next column."""
    row[at] = port < 1024
    row[at + 1] = 1024 <= port < 49152
    row[at + 2] = port >= 49152
    return at + 3


@part
def _common_bits(a: int, b: int) -> Any:
    """Give how many leading bits two addresses share; the differing ones are halved, not counted."""
    different, shared = np.int64(a ^ b), np.int64(32)
    for shift in (16, 8, 4, 2, 1):
        if different >> shift:
            different >>= shift
            shared -= shift
    return shared - different


@part
def _write_derived(row: Any, at: int, counts: Any, table: Any) -> Any:
    """Write ratios and distances of counters; gives the next column."""
    a, b = _log(counts[0], table), _log(counts[1], table)
    c, d = _log(counts[2], table), _log(counts[3], table)
    slow_a, slow_b = _log(counts[4], table), _log(counts[5], table)
    slow_c, slow_d = _log(counts[6], table), _log(counts[7], table)
    conn_a, conn_b = _log(counts[8], table), _log(counts[9], table)
    conn_c, conn_d = _log(counts[10], table), _log(counts[11], table)
    _write_ratios(row, at, a, b, c, d)
    _write_ratios(row, at + 6, slow_a, slow_b, slow_c, slow_d)
    _write_ratios(row, at + 12, conn_a, conn_b, conn_c, conn_d)
    _write_across(row, at + 18, a, slow_a, conn_a)
    _write_across(row, at + 21, b, slow_b, conn_b)
    _write_across(row, at + 24, c, slow_c, conn_c)
    _write_across(row, at + 27, d, slow_d, conn_d)
    at += 30
    for k in range(4):
        fast, slow, conn = counts[k], counts[4 + k], counts[8 + k]
        row[at] = _log(abs(fast - slow), table)
        row[at + 1] = _log(abs(fast - conn), table)
        row[at + 2] = _log(abs(slow - conn), table)
        at += 3
    return at


@part
def _write_ratios(row: Any, at: int, a: float, b: float, c: float, d: float) -> None:
    """Write the ratios of the counters of one window, from their logarithms."""
    row[at] = a - b
    row[at + 1] = a - c
    row[at + 2] = a - d
    row[at + 3] = b - c
    row[at + 4] = b - d
    row[at + 5] = c - d


@part
def _write_across(row: Any, at: int, fast: float, slow: float, conn: float) -> None:
    """Write the ratios of one counter across the windows, from its logarithms."""
    row[at] = fast - slow
    row[at + 1] = fast - conn
    row[at + 2] = conn - slow
