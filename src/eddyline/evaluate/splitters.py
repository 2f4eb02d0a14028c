"""The strategies of ``splits.py`` as scikit-learn splitters.

What belongs here: ``split`` and ``get_n_splits`` as ``cross_val_score`` and searches call them. What does
not: how a split is found.

Each splitter takes in ``groups`` what it parts by: groups, days or times; ``strategies.keys_of`` makes
them from flows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.evaluate.splits import SHARE, Split, group_split, held_out, row_split
from eddyline.tables import Integers


class Strategy:
    """The interface of scikit-learn over ``splits``, which each strategy has.

    Attributes
    ----------
    n_splits
        How often it parts the rows, where that does not depend on them.
    """

    n_splits: int = 1

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give each split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            What the strategy parts by, shape ``(n,)``.
        """
        raise NotImplementedError

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Integers, Integers]]:
        """Give row numbers of training and validation, split by split.

        Parameters
        ----------
        X
            Rows, shape ``(n, …)``; only their number counts.
        y
            Class of each row, shape ``(n,)``.
        groups
            What the strategy parts by, shape ``(n,)``.

        Raises
        ------
        UsageError
            When y or groups are not given.
        """
        if y is None or groups is None:
            given = "y" if y is not None else "groups" if groups is not None else "neither"
            message = (
                f"{type(self).__name__} must have y and groups, got {given}; pass groups="
                "keys_of(strategy, flows)"
            )
            raise UsageError(message)
        del X
        for split in self.splits(y, groups):
            yield split.train, split.validation

    def get_n_splits(
        self,
        X: Any = None,  # noqa: ARG002 - scikit-learn passes all three
        y: ArrayLike | None = None,  # noqa: ARG002
        groups: ArrayLike | None = None,  # noqa: ARG002
    ) -> int:
        """Give the number of splits.

        Parameters
        ----------
        X, y, groups
            As for ``split``; what a strategy does not count by may be None.
        """
        return self.n_splits


@dataclass(frozen=True, slots=True)
class GroupSplit(Strategy):
    """Keep each group whole: ``n_splits`` independent searches, each with its own seed.

    Parameters
    ----------
    n_splits
        Splits, ``>= 1``.
    share
        Part of the rows that validates, in ``(0, 1)``.
    seed
        Of the first draw of the first split.

    Examples
    --------
    >>> y, groups = [0, 1] * 20, np.arange(40) // 2
    >>> [(len(a), len(b)) for a, b in GroupSplit(2).split(y, y, groups)]
    [(30, 10), (30, 10)]
    """

    n_splits: int = 1
    share: float = SHARE
    seed: int = 0

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give each split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Group of each row.
        """
        for number in range(self.n_splits):
            yield group_split(groups, y, share=self.share, seed=self.seed + 100_000 * number)


@dataclass(frozen=True, slots=True)
class RowSplit(Strategy):
    """Part rows at random, to show how much that overstates.

    Parameters
    ----------
    n_splits
        Splits, ``>= 1``.
    share
        Part of the rows that validates, in ``(0, 1)``.
    seed
        Of the first split.
    """

    n_splits: int = 1
    share: float = SHARE
    seed: int = 0

    def splits(self, y: ArrayLike, groups: ArrayLike | None = None) -> Iterator[Split]:  # noqa: ARG002
        """Give each split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Not used.
        """
        for number in range(self.n_splits):
            yield row_split(y, share=self.share, seed=self.seed + number)

    def split(
        self, X: Any, y: ArrayLike | None = None, groups: ArrayLike | None = None
    ) -> Iterator[tuple[Integers, Integers]]:
        """Give row numbers of training and validation, split by split.

        Parameters
        ----------
        X
            Rows, shape ``(n, …)``.
        y
            Class of each row; None when they are all alike.
        groups
            Not used.
        """
        classes = np.zeros(len(X), dtype=np.int64) if y is None else y
        for split in self.splits(classes, groups):
            yield split.train, split.validation


@dataclass(frozen=True, slots=True)
class LastDay(Strategy):
    """Train on all days but the last, validate on the last."""

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give the split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Day of each row, whole numbers that rise with time.
        """
        days = _numbers(groups)
        last = int(days.max())
        yield held_out(days == last, y, name=f"day {last}")


@dataclass(frozen=True, slots=True)
class LeaveOneDayOut(Strategy):
    """Hold out each day once."""

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give each split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Day of each row, whole numbers.
        """
        days = _numbers(groups)
        for day in np.unique(days).tolist():
            yield held_out(days == day, y, name=f"day {day}")

    def get_n_splits(self, X: Any = None, y: Any = None, groups: ArrayLike | None = None) -> int:  # noqa: ARG002
        """Give the number of days.

        Parameters
        ----------
        X, y
            Not used.
        groups
            Day of each row.

        Raises
        ------
        UsageError
            When the days are not given.
        """
        if groups is None:
            message = (
                "LeaveOneDayOut must have groups to count days, got none; pass the day of each row"
            )
            raise UsageError(message)
        return len(np.unique(_numbers(groups)))


@dataclass(frozen=True, slots=True)
class LeaveOneAttackOut(Strategy):
    """Hold out each attack once with all groups that carry it, and a share of the other groups beside it.

    What trains has never seen the attack, nor a flow of the sessions around it. A score on the other side
    tells how an unknown attack is taken.

    Parameters
    ----------
    normal
        Class that is no attack.
    share
        Part of the other groups' rows that validates, in ``(0, 1)``.
    seed
        Of the draws.
    """

    normal: Any = "Normal"
    share: float = SHARE
    seed: int = 0

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give each split with its table, in the order of the attacks' names.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Group of each row.

        Raises
        ------
        DataError
            When an attack is in every group.
        """
        classes, keys = np.asarray(y), np.asarray(groups)
        for attack in self._attacks(classes):
            touched = np.isin(keys, np.unique(keys[classes == attack]))
            others = np.flatnonzero(~touched)
            if not len(others):
                message = (
                    f"an attack must not be in every group to be left out, {attack!r} is; "
                    "use smaller groups"
                )
                raise DataError(message)
            inside = touched.copy()
            rest = group_split(keys[others], classes[others], share=self.share, seed=self.seed)
            inside[others[rest.validation]] = True
            yield held_out(inside, classes, name=str(attack))

    def _attacks(self, classes: NDArray[Any]) -> list[Any]:
        return [value for value in np.unique(classes).tolist() if value != self.normal]

    def get_n_splits(self, X: Any = None, y: ArrayLike | None = None, groups: Any = None) -> int:  # noqa: ARG002
        """Give the number of attacks.

        Parameters
        ----------
        X, groups
            Not used.
        y
            Class of each row.

        Raises
        ------
        UsageError
            When the classes are not given.
        """
        if y is None:
            message = "LeaveOneAttackOut must have y to count attacks, got none; pass the class of each row"
            raise UsageError(message)
        return len(self._attacks(np.asarray(y)))


@dataclass(frozen=True, slots=True)
class TimeSplit(Strategy):
    """Train on the past, validate on what follows, with a gap between that belongs to neither.

    The last ``n_splits`` blocks of ``share`` of the rows validate one after the other. A row trains when it
    lies more than the embargo before the first row that validates; rows of one time are never parted.

    Parameters
    ----------
    n_splits
        Blocks that validate, ``>= 1``; ``n_splits × share < 1``.
    share
        Part of the rows in a block, in ``(0, 1)``.
    embargo_us
        Gap, µs, ``>= 0``; longer than a session and than the longest window of a feature.
    """

    n_splits: int = 1
    share: float = SHARE
    embargo_us: int = 3_600_000_000

    def __post_init__(self) -> None:
        """Check the sizes."""
        fitting = self.n_splits >= 1 and self.share > 0 and self.n_splits * self.share < 1
        if not fitting or self.embargo_us < 0:
            message = (
                f"n_splits × share must be in (0, 1) and the embargo >= 0, got {self.n_splits} × "
                f"{self.share}, {self.embargo_us}; make blocks smaller"
            )
            raise UsageError(message)

    def splits(self, y: ArrayLike, groups: ArrayLike) -> Iterator[Split]:
        """Give each split with its table.

        Parameters
        ----------
        y
            Class of each row, shape ``(n,)``.
        groups
            Time of each row, µs.
        """
        times = _numbers(groups)
        ordered = np.sort(times)
        for number in range(self.n_splits, 0, -1):
            first = ordered[round(len(times) * (1 - number * self.share))]
            inside = times >= first
            if number > 1:
                inside &= times < ordered[round(len(times) * (1 - (number - 1) * self.share))]
            before = times < first - self.embargo_us
            name = f"time from {first}"
            yield held_out(inside, y, name=name, train=before)


def _numbers(values: ArrayLike) -> Integers:
    """Take whole numbers, one a row."""
    numbers = np.asarray(values)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        message = (
            f"days and times must be whole numbers, one a row, got {numbers.dtype} of shape "
            f"{numbers.shape}; number them"
        )
        raise DataError(message)
    if not len(numbers):
        message = "a split must have rows, got none; check the input"
        raise TooFewRowsError(message)
    return numbers.astype(np.int64)
