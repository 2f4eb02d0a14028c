"""The direction of each flow, seen from the perimeter.

What belongs here: inside and outside of both ends make a direction. What does not: which addresses are
inside (``flows/addresses.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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

_NAMES: Final = ("external", "inbound", "outbound", "internal", "local")
_NUMBERS: Final = {name: number for number, name in enumerate(_NAMES)}
_GROUP: Final = networks(("224.0.0.0/4", "ff00::/8"))
_UNSPECIFIED: Final = networks(("0.0.0.0/32", "::/128"))
_LOOPBACK: Final = networks(("127.0.0.0/8", "::1/128"))


_INSIDE, _HELD_BACK, _OWN, _UNSET = 1, 2, 4, 8
"""Bits of what is known of an address: inside; a group or broadcast address; loopback; none yet."""

MOST_KNOWN: Final = 500_000
"""Addresses that are remembered; a flood of invented ones must not fill memory."""


class Perimeter:
    """Tells inside from outside, working out each distinct address once.

    Parameters
    ----------
    internal
        Networks that count as inside, as CIDR; None for the private ranges.
    """

    def __init__(self, internal: Sequence[str] | None = None) -> None:
        self._networks = AddressFacts(internal).networks
        self._keeps_source = internal is None
        self._known: dict[str, int] = {}

    def place(self, batch: FlowBatch) -> FlowBatch:
        """Set the column ``direction`` of a batch.

        A direction that the source gave stays, unless networks were named. A multicast or broadcast
        destination of an internal host, or of one that has no address yet, is internal: it does not leave.

        Parameters
        ----------
        batch
            Flows.
        """
        frame = batch.frame
        if not len(frame):
            return batch
        src, dst = self._bits(frame["src_ip"]), self._bits(frame["dst_ip"])
        number = (src & _INSIDE) * 2 + (dst & _INSIDE)
        number[((src & dst) & _OWN) != 0] = 4
        given = frame["direction"]
        if self._keeps_source and given.null_count() < len(given):
            old = given.cast(pl.String).replace_strict(
                _NUMBERS, default=None, return_dtype=pl.Int64
            )
            kept = old.is_not_null().to_numpy()
            number[kept] = old.fill_null(0).to_numpy()[kept]
        nameless = (number == 0) & ((src & _UNSET) != 0)
        number[((number == 2) | nameless) & ((dst & _HELD_BACK) != 0)] = 3
        made = pl.Series("direction", _NAMES, dtype=ADDRESS)[number.astype(np.uint32)]
        return FlowBatch(frame.with_columns(made), batch.labels)

    def _bits(self, column: pl.Series) -> NDArray[np.int64]:
        """Give what is known of the address of each row."""
        codes = column.to_physical().to_numpy()
        distinct, position = np.unique(codes, return_inverse=True)
        first = np.empty(len(distinct), np.int64)
        first[position[::-1]] = np.arange(len(codes) - 1, -1, -1)
        texts = column[first].cast(pl.String).fill_null("").to_list()
        new = [text for text in texts if text not in self._known]
        if new:
            self._learn(new)
        found = np.fromiter((self._known[text] for text in texts), np.int64, len(texts))
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        bits: NDArray[np.int64] = found[position]
        return bits

    def _learn(self, texts: list[str]) -> None:
        """Work out new addresses."""
        packed = pack_all(texts)
        inside = in_networks(packed, self._networks)
        group = in_networks(packed, _GROUP) | is_directed_broadcast(packed, self._networks, inside)
        own = in_networks(packed, _LOOPBACK)
        unset = in_networks(packed, _UNSPECIFIED)
        bits = inside * _INSIDE + group * _HELD_BACK + own * _OWN + unset * _UNSET
        self._known.update(zip(texts, bits.tolist(), strict=True))
