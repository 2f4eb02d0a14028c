"""The direction of each flow, seen from the perimeter.

What belongs here: inside and outside of both ends make a direction. What does not: which addresses are
inside (``flows/addresses.py``).
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.addresses import (
    AddressFacts,
    in_networks,
    is_directed_broadcast,
    networks,
    pack_all,
)
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import ADDRESS

_NAMES = ("external", "inbound", "outbound", "internal", "local")
_GROUP = networks(("224.0.0.0/4", "ff00::/8"))
_LOOPBACK = networks(("127.0.0.0/8", "::1/128"))


def with_direction(batch: FlowBatch, facts: AddressFacts, *, keep: bool) -> FlowBatch:
    """Set the column ``direction`` of a batch.

    A multicast or broadcast destination of an internal host is internal: it does not leave.

    Parameters
    ----------
    batch
        Flows.
    facts
        Knows the internal networks.
    keep
        True to keep a direction that the source gave.
    """
    frame = batch.frame
    if not len(frame):
        return batch
    src_inside, _, src_loop = _flags(frame["src_ip"], facts)
    dst_inside, dst_group, dst_loop = _flags(frame["dst_ip"], facts)
    given = frame["direction"] if keep else None
    if given is not None and given.null_count() < len(given):
        texts = given.cast(pl.String)
        left = texts.is_in(["outbound", "internal"]).fill_null(value=False).to_numpy()
        src_inside = np.where(texts.is_null().to_numpy(), src_inside, left)
    number = src_inside.astype(np.uint8) * 2 + dst_inside
    number[src_inside & dst_group] = 3
    number[src_loop & dst_loop] = 4
    made = pl.Series("direction", _NAMES, dtype=pl.String)[number.astype(np.uint32)]
    if given is not None and given.null_count() < len(given):
        fixed = pl.Series(src_inside & dst_group)
        made = frame.select(
            pl.when(fixed | given.is_null()).then(made).otherwise(given.cast(pl.String))
        ).to_series()
    return FlowBatch(frame.with_columns(made.cast(ADDRESS).alias("direction")), batch.labels)


def _flags(column: pl.Series, facts: AddressFacts) -> tuple[NDArray[np.bool_], ...]:
    """Tell of each row whether its address is inside, a group or broadcast address, or loopback."""
    codes = column.to_physical().to_numpy()
    distinct, position = np.unique(codes, return_inverse=True)
    first = np.zeros(len(distinct), np.int64)
    first[position[::-1]] = np.arange(len(codes) - 1, -1, -1)
    texts = column[first].cast(pl.String).fill_null("").to_list()
    packed = pack_all(texts)
    inside = in_networks(packed, facts.networks)
    group = in_networks(packed, _GROUP) | is_directed_broadcast(packed, facts.networks, inside)
    loop = in_networks(packed, _LOOPBACK)
    return inside[position], group[position], loop[position]
