"""Features beside the 113: those that other teams of the challenge found to help.

What belongs here: how they are computed, in the order of ``nad_names``. What does not: the 113.

Source: Yang et al. (broadcast, inner addresses, zero ports) and Liu et al. (groups of a file, rows of
probes), system descriptions for ICASSP 2021.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.features.nad_input import BROADCAST, INNER, NadInput
from eddyline.features.runs import Runs
from eddyline.features.window import Counters
from eddyline.tables import Integers

MIN_PROBES: Final = 7
"""A row of probes has more distinct last octets than this."""

MIN_PROBE_RATE: Final = 0.1
"""Probes a second of a quick row."""

_PER_DST: Final = (
    1,
    3,
    5,
    7,
    9,
    11,
)  # places in COUNTERS: cnt_src and cnt_serv_dst of each window
_PER_NET: Final = (0, 2, 4, 6, 8, 10)


def address_extras(flows: NadInput) -> NDArray[np.float32]:
    """Give ``dst_is_broadcast``, ``inner_src``, ``inner_dst``, ``same_16``, shape ``(n, 4)``.

    Parameters
    ----------
    flows
        n flows between IPv4 addresses.
    """
    flags, v4 = flows.facts.flags, flows.facts.v4
    near = (v4[flows.src] >> np.uint32(16)) == (v4[flows.dst] >> np.uint32(16))
    columns = [
        (flags[flows.dst] & BROADCAST) != 0,
        (flags[flows.src] & INNER) != 0,
        (flags[flows.dst] & INNER) != 0,
        near,
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def flow_extras(flows: NadInput, minute: Runs, hour: Runs) -> NDArray[np.float32]:
    """Give ``prt_zero``, ``flow_diff`` and the runs of each source, shape ``(n, 12)``.

    Parameters
    ----------
    flows
        n flows.
    minute, hour
        Runs of each source with gaps below 60 s and below 3600 s.
    """
    own = np.stack(
        [(flows.spt == 0) & (flows.dpt == 0), np.sign(flows.in_bytes - flows.out_bytes)], axis=1
    )
    return np.concatenate([own.astype(np.float32), minute, hour], axis=1, dtype=np.float32)


def file_extras(flows: NadInput, counters: Counters) -> NDArray[np.float32]:
    """Give what the groups of a whole file show, shape ``(n, 17)``: largest counters, flows, distinct values.

    Parameters
    ----------
    flows
        All flows of a file.
    counters
        Their window counters, shape ``(n, 12)``.
    """
    dst, net = _dense(flows.dst_keys()), network_codes(flows)
    per_dst = [_largest(counters[:, k], dst) for k in _PER_DST]
    per_net = [_largest(counters[:, k], net) for k in _PER_NET]
    counts = [np.bincount(net)[net]]
    counts += [_distinct(net, values) for values in (flows.dst_keys(), flows.spt, flows.dpt)]
    columns = [*per_dst, np.bincount(dst)[dst], *per_net, *counts]
    return np.stack(columns, axis=1).astype(np.float32)


def probe_extras(flows: NadInput) -> NDArray[np.float32]:
    """Give ``probe_run`` and ``is_probe``, shape ``(n, 2)``.

    Parameters
    ----------
    flows
        All flows of a file, between IPv4 addresses.
    """
    net = network_codes(flows)
    octet = (flows.facts.v4[flows.dst] & np.uint32(0xFF)).astype(np.int64)
    n_groups = int(net.max(initial=-1)) + 1
    distinct = np.bincount(np.unique(net * 256 + octet) >> 8, minlength=n_groups)
    low, high = _extent(octet, net, n_groups)
    first, last = _extent(flows.t_us, net, n_groups)
    dense = np.abs((distinct - 1) - (high - low)) < 2
    run = np.where((distinct > MIN_PROBES) & dense, distinct, 0)
    seconds = np.maximum((last - first) / 1e6, 1.0)
    quick = (run > 0) & (run / seconds >= MIN_PROBE_RATE)
    return np.stack([run[net], quick[net]], axis=1).astype(np.float32)


def sweep_extra(flows: NadInput, before: tuple[int, int] | None) -> NDArray[np.float32]:
    """Give ``is_sweep``, shape ``(n, 1)``.

    Parameters
    ----------
    flows
        n flows between IPv4 addresses.
    before
        Source and destination, as 32 bits, of the flow before the first; None without.
    """
    v4 = flows.facts.v4.astype(np.int64)
    src, dst = v4[flows.src], v4[flows.dst]
    first = before or (-1, -1)
    src_before = np.concatenate([[first[0]], src[:-1]])
    dst_before = np.concatenate([[first[1]], dst[:-1]])
    next_to = (dst >> 8 == dst_before >> 8) & (dst != dst_before)
    found: NDArray[np.float32] = ((src == src_before) & next_to).astype(np.float32)[:, None]
    return found


def network_codes(flows: NadInput) -> Integers:
    """Give a number from 0 to each (source, network of the destination), dense.

    Parameters
    ----------
    flows
        n flows.
    """
    src, net = _dense(flows.src_keys()), _dense(flows.facts.net[flows.dst])
    return _dense(src * (int(net.max(initial=0)) + 1) + net)


def _dense(values: NDArray[Any]) -> Integers:
    inverse: Integers = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return inverse


def _largest(values: NDArray[Any], group: Integers) -> NDArray[Any]:
    largest = np.zeros(int(group.max(initial=-1)) + 1, dtype=values.dtype)
    np.maximum.at(largest, group, values)
    return largest[group]


def _extent(values: Integers, group: Integers, n_groups: int) -> tuple[Integers, Integers]:
    low = np.full(n_groups, np.iinfo(np.int64).max)
    high = np.full(n_groups, np.iinfo(np.int64).min)
    np.minimum.at(low, group, values)
    np.maximum.at(high, group, values)
    return low, high


def _distinct(group: Integers, values: NDArray[Any]) -> Integers:
    """Count the distinct values of each flow's group."""
    codes = _dense(values)
    width = int(codes.max(initial=0)) + 1
    counts = np.bincount(np.unique(group * width + codes) // width)
    return counts[group].astype(np.int64)
