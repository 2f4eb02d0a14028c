"""Lints of a split: what stands on both sides of it.

What belongs here: duplicates, groups, times and windows across a cut. What does not: making splits
(``evaluate/splits.py``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from eddyline.evaluate.lints.finding import Finding, Level
from eddyline.evaluate.lints.table import row_hashes

DUPLICATE_SHARE: Final = 0.01
"""Share of test rows with an equal training row above which a result is refused."""

Index = NDArray[np.int64]


def duplicate_rows(stored: pl.DataFrame, train: Index, test: Index) -> Iterator[Finding]:
    """Tell how many test rows equal a training row in all stored columns.

    Parameters
    ----------
    stored
        Every stored column, the label too.
    train, test
        Row numbers of the two sides.
    """
    share = _seen(row_hashes(stored), train, test).mean() if len(test) else 0.0
    if share > 0:
        level: Level = "refuse" if share > DUPLICATE_SHARE else "warn"
        yield Finding.of(
            "duplicate-rows-across-splits",
            "rows",
            f"{share:.2%} of the test rows stand in the training part too, equal in all "
            f"{stored.width} columns; drop the copies",
            value=float(share),
            level=level,
        )


def seen_rows(features: pl.DataFrame, train: Index, test: Index) -> Iterator[Finding]:
    """Tell how many test rows equal a training row in the features, exactly and to four digits.

    Parameters
    ----------
    features
        What a model is given.
    train, test
        Row numbers of the two sides.
    """
    if not len(test):
        return
    exact = _seen(row_hashes(features), train, test).mean()
    near = _seen(row_hashes(features, rounded=True), train, test).mean()
    if near > 0:
        yield Finding.of(
            "seen-feature-rows",
            "rows",
            f"{exact:.2%} of the test rows equal a training row in the features, {near:.2%} to four digits; "
            "report the figures on the unlike rows too",
            value=float(near),
        )


def unlike_rows(features: pl.DataFrame, train: Index, test: Index) -> NDArray[np.bool_]:
    """Mark the test rows that no training row equals, to four digits.

    Parameters
    ----------
    features
        What a model is given.
    train, test
        Row numbers of the two sides.
    """
    return ~_seen(row_hashes(features, rounded=True), train, test)


def group_leaks(
    groups: ArrayLike, train: Index, test: Index, *, by_group: bool = True
) -> Iterator[Finding]:
    """Tell how many groups stand on both sides.

    Parameters
    ----------
    groups
        Group of each row.
    train, test
        Row numbers of the two sides.
    by_group
        True when the split claims to keep groups whole: then it is refused.
    """
    keys = np.asarray(groups)
    both = np.intersect1d(keys[train], keys[test])
    if len(both):
        n_groups = len(np.unique(keys))
        share = float(np.isin(keys[test], both).mean())
        yield Finding.of(
            "group-leak",
            "groups",
            f"{len(both):,} of {n_groups:,} groups ({share:.1%} of the test rows) stand on both sides; "
            "split by group",
            value=share,
            level="refuse" if by_group else "warn",
        )


def time_leaks(
    times: ArrayLike, train: Index, test: Index, *, by_time: bool = True, embargo: float = 0.0
) -> Iterator[Finding]:
    """Tell how many training rows are later than the first test row.

    Parameters
    ----------
    times
        Time of each row, any unit.
    train, test
        Row numbers of the two sides.
    by_time
        True when the split claims to train before it tests: then it is refused.
    embargo
        Time that must lie between the sides, in the unit of ``times``, ``>= 0``.
    """
    at = np.asarray(times, np.float64)
    if not len(train) or not len(test):
        return
    late = at[train] > at[test].min() - embargo
    if late.any():
        yield Finding.of(
            "time-leak",
            "rows",
            f"{int(late.sum()):,} training rows ({late.mean():.1%}) are later than the first test row"
            f"{' less the embargo' if embargo else ''}; train on the past only",
            value=float(late.mean()),
            level="refuse" if by_time else "warn",
        )


def window_spans(
    starts: ArrayLike, ends: ArrayLike, train: Index, test: Index
) -> Iterator[Finding]:
    """Tell how many test rows have features of a window that reaches back into the training part.

    Parameters
    ----------
    starts, ends
        Window that each row's features are made of, any unit.
    train, test
        Row numbers of the two sides.
    """
    begin, end = np.asarray(starts, np.float64), np.asarray(ends, np.float64)
    if not len(train) or not len(test):
        return
    lower, upper = begin[train], end[train]
    order = np.argsort(lower, kind="stable")
    reach = np.maximum.accumulate(upper[order])
    place = np.searchsorted(lower[order], end[test], side="left") - 1
    across = (place >= 0) & (reach[np.maximum(place, 0)] > begin[test])
    if across.any():
        yield Finding.of(
            "window-spans-split",
            "windows",
            f"{int(across.sum()):,} test rows ({across.mean():.1%}) have windows that overlap windows of the "
            "training part; compute features after the split, each side for itself",
            value=float(across.mean()),
        )


def _seen(hashes: NDArray[Any], train: Index, test: Index) -> NDArray[np.bool_]:
    return np.isin(hashes[test], hashes[train])
