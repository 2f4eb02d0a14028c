"""Which flows must stay together when rows are parted: one number a flow for its group, its block, its day.

What belongs here: keys made from the columns of the flow record. What does not: who goes to which side
(``splits.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.features.columns import networks_of
from eddyline.tables import Integers

BLOCK_US: Final = 600_000_000
"""Ten minutes: how long a block of one group is."""

DAY_US: Final = 86_400_000_000


def network_groups(frame: pl.DataFrame) -> Integers:
    """Give a number to each group (source, network of the destination): /24, /64 of IPv6, or the text itself.

    Parameters
    ----------
    frame
        Columns ``src_ip`` and ``dst_ip`` of the record.

    Returns
    -------
    Integers
        A number from 0 for each flow, dense, in no order that means anything.

    Examples
    --------
    >>> flows = pl.DataFrame(
    ...     {"src_ip": ["a", "a", "a"], "dst_ip": ["10.0.0.1", "10.0.0.9", "10.0.1.1"]}
    ... )
    >>> network_groups(flows).tolist()
    [0, 0, 1]
    """
    distinct = frame["dst_ip"].unique()
    nets = networks_of(distinct.cast(pl.String).fill_null(""))
    codes = pl.DataFrame({"dst_ip": distinct, "net": dense(nets.to_numpy())})
    joined = frame.select("dst_ip").join(
        codes, on="dst_ip", how="left", maintain_order="left", nulls_equal=True
    )
    return combined(column_codes(frame["src_ip"]), joined["net"].to_numpy())


def block_groups(frame: pl.DataFrame, *, block_us: int = BLOCK_US) -> Integers:
    """Give a number to each group of ``network_groups`` within each block of time.

    A long session is cut at whole blocks.

    Parameters
    ----------
    frame
        Columns ``ts``, ``src_ip`` and ``dst_ip`` of the record.
    block_us
        Length of a block, µs, ``> 0``; blocks begin at whole multiples since the epoch.
    """
    return combined(network_groups(frame), dense(frame["ts"].to_numpy() // block_us))


def day_groups(frame: pl.DataFrame) -> Integers:
    """Give a number to the UTC days on which flows began, the earliest 0; days without a flow have no number.

    Parameters
    ----------
    frame
        Column ``ts`` of the record.
    """
    return dense(frame["ts"].to_numpy() // DAY_US)


def column_codes(column: pl.Series) -> Integers:
    """Give a number to the distinct values of a column from 0.

    Parameters
    ----------
    column
        Texts, dictionary-encoded or not, or whole numbers.
    """
    if not column.dtype.is_integer():
        column = column.cast(pl.Categorical()).to_physical()
    return dense(column.cast(pl.Int64).fill_null(-1).to_numpy())


def combined(first: Integers, second: Integers) -> Integers:
    """Give a number to the pairs of two keys from 0.

    Parameters
    ----------
    first, second
        Dense numbers of the same rows.
    """
    width = int(second.max(initial=0)) + 1
    return dense(first * width + second)


def dense(values: NDArray[np.generic]) -> Integers:
    """Give a number to the distinct values of an array from 0, in their order.

    Parameters
    ----------
    values
        Whole numbers or texts, shape ``(n,)``.
    """
    if values.dtype.kind in "iu" and len(values):
        low, high = int(values.min()), int(values.max())
        if high - low <= 4 * len(values) + 100_000:  # a table is faster than sorting
            place = np.zeros(high - low + 1, dtype=np.int64)
            shifted = (values - low).astype(np.int64)
            place[shifted] = 1
            return (np.cumsum(place) - 1)[shifted]
    inverse: Integers = np.unique(values, return_inverse=True)[1].astype(np.int64)
    return inverse
