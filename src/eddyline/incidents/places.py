"""Many addresses as a few places: one by one while they are few, else the networks that hold them.

What belongs here: that choice. What does not: sentences (``name.py``).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

import polars as pl

MANY: Final = 10
"""Addresses up to this many are named one by one, beyond as networks."""


def places(addresses: pl.Series) -> list[str]:
    """Give a few addresses as they are, and many as the networks that hold them.

    Parameters
    ----------
    addresses
        One a flow.
    """
    counts = addresses.cast(pl.String).value_counts(sort=False)
    name = counts.columns[0]
    ordered = counts.sort(["count", name], descending=[True, False])[name].to_list()
    if len(ordered) <= MANY:
        return ordered
    return _networks(ordered)


def _networks(addresses: Sequence[str]) -> list[str]:
    """Give at most ``MANY`` networks that hold the addresses, as narrow as that allows."""
    numbers: dict[int, list[int]] = {4: [], 6: []}
    for text in addresses:
        try:
            parsed = ipaddress.ip_address(text)
        except ValueError:
            return [*addresses[:MANY]]
        numbers[parsed.version].append(int(parsed))
    found: list[str] = []
    for version, bits, widths in ((4, 32, (24, 16, 8, 0)), (6, 128, (64, 48, 32, 0))):
        for width in widths if numbers[version] else ():
            nets = {number >> (bits - width) << (bits - width) for number in numbers[version]}
            if len(nets) <= MANY or width == 0:
                kind = ipaddress.IPv4Network if version == 4 else ipaddress.IPv6Network
                found.extend(str(kind((net, width))) for net in sorted(nets))
                break
    return found
