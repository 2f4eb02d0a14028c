"""Parting rows into training and validation so that what belongs together stays on one side.

What belongs here: the search for a split whose sizes and class shares fit, and the account of it. What does
not: which rows belong together (``split_keys.py``) and scikit-learn's interface (``splitters.py``).

Source: Arjona-Medina et al., A Deep Learning Approach for Network Anomaly Detection, 2021: flows of one
source and one destination network go whole to one side, and assignments are tried until sizes and class
shares fit. Departure: the tolerances, the distance, and single-group moves when no draw fits.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, SplitWarning, TooFewRowsError, UsageError
from eddyline.evaluate.split_keys import dense
from eddyline.tables import Floats, Integers

SHARE: Final = 0.25
"""Part of the flows that validate."""

SIZE_TOLERANCE: Final = 0.02
"""How far the validation share of all flows may be from the one asked for."""

CLASS_TOLERANCE: Final = 0.05
"""The same for each class."""

MOST_DRAWS: Final = 1_000
"""Assignments that are tried at random."""

BIG_GROUP: Final = 0.1
"""Part of a class in one group from which a warning says that the shares hang on it."""

_VIOLATION: Final = 10.0
"""Distance that a class on one side alone adds: more than any shares can."""

_MOST_MOVES: Final = 1_000


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows train and which validate, and how well the split fits.

    Parameters
    ----------
    train, validation
        Row numbers, rising; no row is in both.
    table
        One row a class: ``class``, ``flows``, ``validation``, ``share``; with groups, ``groups``, ``note``.
    share
        Part of all flows that validate.
    distance
        ``|r − share| + mean |r_k − share|`` over the classes that can be shared out; NaN for splits by time.
    fits
        True when sizes and shares lie within the tolerances, and every class is where it must be.
    name
        What was held out, such as a day or an attack; ``""`` when chance decided.
    """

    train: Integers
    validation: Integers
    table: pl.DataFrame
    share: float
    distance: float
    fits: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Problem:
    """Flows of each class in each group, and what is asked of a choice of groups.

    Parameters
    ----------
    counts
        Shape ``(G, K)``.
    share
        Part asked for.
    """

    counts: Integers
    share: float
    total: Integers = field(init=False)
    holders: Integers = field(init=False)
    shared: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        """Tell the classes that lie in two groups or more from those that must stay in training."""
        object.__setattr__(self, "total", self.counts.sum(axis=0))
        object.__setattr__(self, "holders", (self.counts > 0).sum(axis=0))
        object.__setattr__(self, "shared", self.holders >= 2)

    def shares(self, chosen: Integers) -> tuple[Floats, Floats]:
        """Give the validation share of all flows and of each shared class, for sums of shape ``(…, K)``."""
        whole = chosen.sum(axis=-1) / self.total.sum()
        each = chosen[..., self.shared] / self.total[self.shared]
        return whole, each

    def distance(self, chosen: Integers) -> Floats:
        """Give the distance of sums of shape ``(…, K)`` from what is asked, one-sided classes included."""
        whole, each = self.shares(chosen)
        spread: Floats = np.abs(whole - self.share)
        if each.shape[-1]:
            spread = spread + np.abs(each - self.share).mean(axis=-1)
        lone = ((each <= 0) | (each >= 1)).sum(axis=-1)
        return np.asarray(spread + _VIOLATION * lone, dtype=np.float64)

    def fits(self, chosen: Integers) -> bool:
        """Tell whether sums of shape ``(K,)`` lie within the tolerances, each class on both sides."""
        whole, each = self.shares(chosen)
        sized = abs(float(whole) - self.share) <= SIZE_TOLERANCE
        mixed = bool(((each > 0) & (each < 1)).all())
        return sized and mixed and bool((np.abs(each - self.share) <= CLASS_TOLERANCE).all())


def group_split(
    groups: ArrayLike,
    y: ArrayLike,
    *,
    share: float = SHARE,
    seed: int = 0,
    most_draws: int = MOST_DRAWS,
) -> Split:
    """Part rows so that each group stays whole and both sides look alike in size and classes.

    Draws of groups are tried, then single groups are moved from the best of them. A class that lies in one
    group alone stays in training. Says so when the result is outside the tolerances.

    Parameters
    ----------
    groups
        Group of each row, whole numbers or texts, shape ``(n,)``.
    y
        Class of each row, shape ``(n,)``.
    share
        Part of the rows that validates, in ``(0, 1)``.
    seed
        Of the first draw; the next ones count up from it.
    most_draws
        Draws at the most, ``>= 1``.

    Raises
    ------
    DataError
        When groups and classes have different lengths, or there are fewer than two groups.
    UsageError
        When the share or the draws are out of their range.

    Examples
    --------
    >>> split = group_split(np.arange(40) // 2, ["a", "b"] * 20)
    >>> len(split.train), len(split.validation), split.fits
    (30, 10, True)
    """
    _check_share(share)
    if most_draws < 1:
        message = f"most_draws must be >= 1, got {most_draws}; {MOST_DRAWS} is usual"
        raise UsageError(message)
    code, labels, names = _coded(groups, y)
    n_groups = int(code.max()) + 1
    if n_groups < 2:
        message = (
            "a split by groups must have two groups or more, got 1; use a finer key or a row split"
        )
        raise TooFewRowsError(message)
    counts = np.bincount(code * len(names) + labels, minlength=n_groups * len(names))
    problem = _Problem(counts.reshape(n_groups, len(names)), share)
    chosen = _search(problem, seed, most_draws)
    split = _account(problem, chosen, code, names)
    _tell(problem, split, names)
    return split


def row_split(y: ArrayLike, *, share: float = SHARE, seed: int = 0) -> Split:
    """Part rows at random; flows of one session stand on both sides, so its scores are too good.

    Parameters
    ----------
    y
        Class of each row, shape ``(n,)``, ``n >= 2``.
    share
        Part of the rows that validates, in ``(0, 1)``.
    seed
        Of the draw.
    """
    _check_share(share)
    n = len(np.asarray(y))
    code, labels, names = _coded(np.arange(n), y)
    if n < 2:
        message = f"a split must have two rows or more, got {n}; there is nothing to part"
        raise TooFewRowsError(message)
    drawn = np.random.default_rng(seed).permutation(n)[: min(max(1, round(share * n)), n - 1)]
    chosen = np.zeros(n, dtype=np.bool_)
    chosen[drawn] = True
    counts = np.zeros((n, len(names)), dtype=np.int64)
    counts[code, labels] = 1
    return _account(_Problem(counts, share), chosen, code, names)


def held_out(
    inside: NDArray[np.bool_],
    y: ArrayLike,
    *,
    name: str,
    train: NDArray[np.bool_] | None = None,
) -> Split:
    """Make a split of the rows that are told, such as those of one day.

    Parameters
    ----------
    inside
        True where a row validates, shape ``(n,)``.
    y
        Class of each row, shape ``(n,)``.
    name
        What is held out.
    train
        True where a row trains; None for all that do not validate. Rows may be left out of both.

    Raises
    ------
    DataError
        When one side would be empty.
    """
    rest = ~inside if train is None else train & ~inside
    _, labels, names = _coded(np.arange(len(inside)), y)
    if not (inside.any() and rest.any()):
        message = (
            f"both sides of a split must have rows, {name} leaves {int(rest.sum())} to train and "
            f"{int(inside.sum())} to validate; give more days or classes"
        )
        raise TooFewRowsError(message)
    total = np.bincount(labels[inside | rest], minlength=len(names))
    held = np.bincount(labels[inside], minlength=len(names))
    table = pl.DataFrame(
        {
            "class": [str(value) for value in names],
            "flows": total,
            "validation": held,
            "share": held / np.maximum(total, 1),
        }
    )
    share = float(held.sum() / total.sum())
    rows, held_rows = np.flatnonzero(rest), np.flatnonzero(inside)
    return Split(rows, held_rows, table, share, float("nan"), fits=True, name=name)


def train_validation(split: Split, *arrays: Any) -> list[Any]:
    """Cut arrays or frames as a split says: training, validation of the first, of the second, and so on.

    Parameters
    ----------
    split
        From one of the functions of this module.
    arrays
        Anything that takes row numbers: NumPy arrays, Polars frames.
    """
    return [part for array in arrays for part in (array[split.train], array[split.validation])]


# ------------------------------------------------------------------ search


def _search(problem: _Problem, seed: int, most_draws: int) -> NDArray[np.bool_]:
    """Choose the groups that validate."""
    n_groups = len(problem.counts)
    lone = ~problem.shared & (problem.total > 0)
    free = np.flatnonzero(~(problem.counts[:, lone] > 0).any(axis=1))
    if not len(free):
        free = np.arange(n_groups)
    size = min(max(1, round(problem.share * len(free))), max(1, n_groups - 1))
    best, best_distance = np.zeros(n_groups, dtype=np.bool_), np.inf
    for draw in range(most_draws):
        rng = np.random.default_rng(seed + draw)
        drawn = free[rng.permutation(len(free))[:size]]
        sums = problem.counts[drawn].sum(axis=0)
        if problem.fits(sums):
            return _as_mask(drawn, n_groups)
        distance = float(problem.distance(sums))
        if distance < best_distance:
            best, best_distance = _as_mask(drawn, n_groups), distance
    return _moved(problem, best, free)


def _as_mask(chosen: Integers, size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=np.bool_)
    mask[chosen] = True
    return mask


def _moved(problem: _Problem, chosen: NDArray[np.bool_], free: Integers) -> NDArray[np.bool_]:
    """Move single groups to the other side as long as one of them lowers the distance."""
    chosen = chosen.copy()
    sums = problem.counts[chosen].sum(axis=0)
    distance = float(problem.distance(sums))
    for _ in range(_MOST_MOVES):
        sign = np.where(chosen[free], -1, 1)[:, None]
        after = problem.distance(sums + sign * problem.counts[free])
        if chosen.sum() == 1:
            after = np.where(chosen[free], np.inf, after)  # the last group stays
        best = int(np.argmin(after))
        if after[best] >= distance - 1e-15 or problem.fits(sums):
            break
        group, distance = free[best], float(after[best])
        sums = sums + sign[best] * problem.counts[group]
        chosen[group] = ~chosen[group]
    return chosen


# ------------------------------------------------------------------ account


def _account(
    problem: _Problem, chosen: NDArray[np.bool_], code: Integers, names: Sequence[Any]
) -> Split:
    """Turn a choice of groups into rows and a table."""
    inside = chosen[code]
    sums = problem.counts[chosen].sum(axis=0)
    notes = [
        "" if n >= 2 else "in one group alone: stays in training" for n in problem.holders.tolist()
    ]
    table = pl.DataFrame(
        {
            "class": [str(name) for name in names],
            "flows": problem.total,
            "groups": problem.holders,
            "validation": sums,
            "share": sums / problem.total,
            "note": notes,
        }
    )
    distance = float(problem.distance(sums))
    return Split(
        train=np.flatnonzero(~inside),
        validation=np.flatnonzero(inside),
        table=table,
        share=float(inside.mean()),
        distance=distance,
        fits=problem.fits(sums),
    )


def _tell(problem: _Problem, split: Split, names: Sequence[Any]) -> None:
    """Warn of what does not fit, with the table of the classes."""
    told: list[str] = []
    if not split.fits:
        told.append(
            f"the validation share must be {problem.share:.2f} ± {SIZE_TOLERANCE} of all flows and "
            f"± {CLASS_TOLERANCE} of each class, is {split.share:.3f}; use smaller groups (group_block), "
            "or read the class values with this in mind"
        )
    lone = [str(name) for name, n in zip(names, problem.holders, strict=True) if n == 1]
    if lone:
        told.append(f"in one group alone, so in training alone: {', '.join(lone)}")
    largest = problem.counts.max(axis=0) / np.maximum(problem.total, 1)
    heavy = [
        f"{name} ({part:.0%})"
        for name, part, n in zip(names, largest.tolist(), problem.holders.tolist(), strict=True)
        if part > BIG_GROUP and n >= 2
    ]
    if heavy:
        told.append(f"one group holds over {BIG_GROUP:.0%} of a class: {', '.join(heavy)}")
    if told:
        lines = [
            f"{name}: {flows:,} flows, {groups:,} groups, {share:.3f} to validation"
            for name, flows, groups, share in split.table.select(
                "class", "flows", "groups", "share"
            ).iter_rows()
        ]
        warnings.warn("; ".join(told) + "\n" + "\n".join(lines), SplitWarning, stacklevel=3)


def _coded(groups: ArrayLike, y: ArrayLike) -> tuple[Integers, Integers, list[Any]]:
    """Give numbers to groups and classes from 0."""
    keys, classes = np.asarray(groups), np.asarray(y)
    if keys.shape != classes.shape or keys.ndim != 1:
        message = (
            f"groups and classes must have one value a row, got shapes {keys.shape} and "
            f"{classes.shape}; make both from one table"
        )
        raise DataError(message)
    if not len(keys):
        message = "a split must have rows, got none; check the input"
        raise TooFewRowsError(message)
    names, labels = np.unique(classes, return_inverse=True)
    return dense(keys), labels.astype(np.int64), names.tolist()


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        message = f"share must be in (0, 1), got {share}; {SHARE} is usual"
        raise UsageError(message)
