"""Hash tables of whole numbers for compiled kernels: chains over rows of int64, with a free list.

What belongs here: finding, adding, removing and growing. What does not: what a row means.

A table is three arrays. ``rows`` holds one entry a row: column 0 the key, column 1 the next row of its chain
(or of the free list), the rest is the owner's. ``heads`` holds the first row of each chain, −1 for none; its
length is a power of two. ``meta`` holds the first free row, the rows ever used, and the rows in use.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.features.compiled import kernel, part
from eddyline.tables import Integers

KEY: Final = 0
NEXT: Final = 1

FREE: Final = 0
"""Place in ``meta`` of the first free row, −1 without."""

FRESH: Final = 1
"""Place in ``meta`` of the number of rows that were ever used."""

USED: Final = 2
"""Place in ``meta`` of the number of rows in use."""

_MULTIPLIER: Final = np.uint64(
    0x9E3779B97F4A7C15
)  # Knuth's multiplicative hashing by the golden ratio

Heads = NDArray[np.int32]


class Table:
    """The arrays of one hash table, and how they grow.

    Parameters
    ----------
    width
        Columns of a row, ``>= 2``.
    most
        Rows at the most.
    """

    def __init__(self, width: int, most: int) -> None:
        size = min(1024, most)
        self.most = most
        self.rows: Integers = np.zeros((size, width), dtype=np.int64)
        self.heads: Heads = np.full(_buckets(size), -1, dtype=np.int32)
        self.meta: Integers = np.array([-1, 0, 0], dtype=np.int64)

    def room(self) -> int:
        """Give the rows that can be added without growing."""
        return len(self.rows) - int(self.meta[USED])

    def grow(self) -> bool:
        """Double the rows; False when there are as many as there may be."""
        size = len(self.rows)
        if size >= self.most:
            return False
        wider = np.zeros((min(2 * size, self.most), self.rows.shape[1]), dtype=np.int64)
        wider[:size] = self.rows
        self.rows = wider
        if self.heads.size:
            self.heads = np.full(_buckets(len(wider)), -1, dtype=np.int32)
            _relink(self.rows, self.heads, self.meta, np.zeros(len(wider), dtype=np.bool_))
        return True


class Pool(Table):
    """Rows with a free list and without keys.

    Parameters
    ----------
    width
        Columns of a row, ``>= 2``.
    most
        Rows at the most.
    """

    def __init__(self, width: int, most: int) -> None:
        super().__init__(width, most)
        self.heads = np.zeros(0, dtype=np.int32)


def _buckets(rows: int) -> int:
    return int(1 << max(4, int(rows - 1).bit_length() + 1))


@part
def bucket(key: int, heads: Any) -> Any:
    """Give the chain of a key."""
    mixed = np.uint64(key) * _MULTIPLIER
    mixed ^= mixed >> np.uint64(32)
    mixed *= _MULTIPLIER
    return np.int64((mixed >> np.uint64(20)) & np.uint64(len(heads) - 1))


@part
def find(key: int, rows: Any, heads: Any) -> Any:
    """Give the row of a key, −1 when it is not there."""
    row = np.int64(heads[bucket(key, heads)])
    while row >= 0 and rows[row, 0] != key:
        row = rows[row, 1]
    return row


@part
def take(rows: Any, meta: Any) -> Any:
    """Take a free row and clear it; the caller has seen to it that there is one."""
    row = meta[0]
    if row >= 0:
        meta[0] = rows[row, 1]
    else:
        row = meta[1]
        meta[1] += 1
    meta[2] += 1
    rows[row, :] = 0
    return row


@part
def add(key: int, rows: Any, heads: Any, meta: Any) -> Any:
    """Add a key that is not there; gives its row, cleared."""
    row = take(rows, meta)
    place = bucket(key, heads)
    rows[row, 0] = key
    rows[row, 1] = heads[place]
    heads[place] = row
    return row


@part
def give_back(row: int, rows: Any, meta: Any) -> None:
    """Make a row free."""
    rows[row, 0] = -1
    rows[row, 1] = meta[0]
    meta[0] = row
    meta[2] -= 1


@part
def remove(row: int, rows: Any, heads: Any, meta: Any) -> None:
    """Take a row out of its chain and make it free."""
    place = bucket(rows[row, 0], heads)
    at = np.int64(heads[place])
    if at == row:
        heads[place] = rows[row, 1]
    else:
        while rows[at, 1] != row:
            at = rows[at, 1]
        rows[at, 1] = rows[row, 1]
    give_back(row, rows, meta)


@kernel
def _relink(rows: Any, heads: Any, meta: Any, free: Any) -> None:
    """Put all rows in use into new chains; free rows stay in their list."""
    row = meta[0]
    while row >= 0:
        free[row] = True
        row = rows[row, 1]
    for row in range(meta[1]):
        if not free[row]:
            place = bucket(rows[row, 0], heads)
            rows[row, 1] = heads[place]
            heads[place] = row
