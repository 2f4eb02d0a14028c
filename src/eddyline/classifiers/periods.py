"""What is left out together: days, groups of keys, or stretches of time.

What belongs here: numbering rows by what must not be divided. What does not: splits for evaluation
(``evaluate.splits``), which this room may not know, and what is done with left-out rows.
"""

from __future__ import annotations

import zlib
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.tables import Integers

DAY_US: Final = 86_400_000_000
SMALL_DAY: Final = 0.02
"""Share of the rows below which a calendar day joins the next: a capture that starts before midnight."""

MOST_DAYS: Final = 5
"""Days that are left out one by one; of more, runs of days are, since each costs a training."""

PARTS: Final = 4
"""Folds where there is no second day: equal stretches of time, or groups of pairs."""

Split = Literal["auto", "day", "group"]
"""What is left out together to set decision weights: days, pairs of hosts, or days when there are several."""

SPLITS: Final[tuple[Split, ...]] = ("auto", "day", "group")


def periods_of(times: Integers, pairs: NDArray[np.str_], split: Split) -> Integers:
    """Give the number of what each row is left out with.

    Parameters
    ----------
    times
        µs, shape ``(n,)``, rising.
    pairs
        Pair of hosts of each row.
    split
        ``day``, ``group``, or ``auto``: days, and equal stretches of time when there is one day only.

    Raises
    ------
    UsageError
        When the split is unknown.
    DataError
        When days are wanted and there is one only.
    """
    if split not in SPLITS:
        message = f"split must be one of {', '.join(SPLITS)}, got {split!r}; check the spelling"
        raise UsageError(message)
    if split == "group":
        distinct, place = np.unique(pairs, return_inverse=True)
        fold = np.array([zlib.crc32(pair.encode()) % PARTS for pair in distinct.tolist()])
        return fold[place].astype(np.int64)
    days, codes, counts = np.unique(times // DAY_US, return_inverse=True, return_counts=True)
    small = counts < SMALL_DAY * len(times)
    merged = np.cumsum(np.append(0, ~small[:-1]))  # a small day joins the one behind it
    if small[-1] and len(days) > 1:
        merged[-1] = max(merged[-1] - 1, 0)
    periods: Integers = merged[codes].astype(np.int64)
    if periods.max() > 0:
        return _fewer(periods)
    if split == "day":
        message = "split 'day' needs flows of at least 2 days, got 1; take 'auto' or add days"
        raise DataError(message)
    return (np.arange(len(times)) * PARTS // len(times)).astype(np.int64)


def _fewer(periods: Integers) -> Integers:
    """Join neighbouring days until there are few, of about as many rows."""
    counts = np.bincount(periods)
    if len(counts) <= MOST_DAYS:
        return periods
    middle = np.cumsum(counts) - counts / 2
    joined = (middle * MOST_DAYS // len(periods)).astype(np.int64)
    dense: Integers = np.unique(joined, return_inverse=True)[1].astype(np.int64)
    return dense[periods]
