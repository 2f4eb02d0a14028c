"""Which class to decide for: one weight a class, found on left-out days.

What belongs here: the search for the weights. What does not: whose probabilities they weigh, and the figure
that a challenge asks for, which is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from eddyline.errors import DataError
from eddyline.tables import Floats, Integers

GRID: Final[tuple[float, ...]] = tuple(float(w) for w in np.geomspace(0.1, 30.0, 31))
"""Weights that are tried for a class."""

ROUNDS: Final = 2
"""Times that every class's weight is sought anew."""

LEAST_GAIN: Final = 1e-9
"""Rise of the objective below which a weight stays."""

Objective = Callable[[Integers], float]
"""From a confusion matrix (rows = true, columns = decided) to a figure that should be high."""


def macro_f(confusion: Integers, beta: float = 2.0) -> float:
    """Give the mean F-beta of the classes; a class without rows or decisions counts 0.

    Parameters
    ----------
    confusion
        Counts, shape ``(k, k)``, rows = true.
    beta
        Recall weighs ``beta ** 2`` times precision, ``> 0``.
    """
    hits = np.diag(confusion).astype(np.float64)
    weighed = beta**2 * confusion.sum(axis=1) + confusion.sum(axis=0)
    scores = np.divide((1 + beta**2) * hits, weighed, out=np.zeros_like(hits), where=weighed > 0)
    return float(scores.mean())


def decide(probabilities: ArrayLike, weights: ArrayLike) -> Integers:
    """Give the class of the largest weighted probability of each row; of equals the first.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    weights
        Shape ``(k,)``, ``> 0``.
    """
    weighted = np.asarray(probabilities, np.float64) * np.asarray(weights, np.float64)
    decided: Integers = np.argmax(weighted, axis=1).astype(np.int64)
    return decided


def decision_weights(
    probabilities: ArrayLike,
    codes: ArrayLike,
    *,
    objective: Objective = macro_f,
    groups: ArrayLike | None = None,
    reference: int = 0,
) -> Floats:
    """Find weights by coordinate ascent on rows that the model was not fitted on, shape ``(k,)``.

    Parameters
    ----------
    probabilities
        Out-of-fold, of **all** training days, shape ``(n, k)``: weights from one day do not carry over.
    codes
        Their classes, in [0, k).
    objective
        What should be high.
    groups
        The day of each row; the objective is then the mean over days, so that a large day does not decide
        alone. None for one confusion matrix over all rows.
    reference
        The class that keeps weight 1, usually the normal one.

    Raises
    ------
    DataError
        When shapes disagree or a class is out of range.
    """
    given, truth = np.asarray(probabilities, np.float64), np.asarray(codes, np.int64)
    days = np.zeros(len(truth), np.int64) if groups is None else _coded(groups, len(truth))
    if given.ndim != 2 or truth.shape != given.shape[:1] or not len(truth):
        message = (
            f"probabilities (n, k) and n >= 1 codes must agree, got {given.shape}, {truth.shape}"
        )
        raise DataError(message)
    parts = [
        Part(given[days == day], truth[days == day], np.zeros(int((days == day).sum()), np.int64))
        for day in range(int(days.max()) + 1)
    ]
    weights: Floats = stratum_weights(parts, 1, objective=objective, reference=reference)[0]
    return weights


@dataclass(frozen=True, slots=True)
class Part:
    """One left-out day.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    codes
        Class of each row, in [0, k).
    strata
        Kind of each row, such as whether its source was ever met, in [0, n_strata).
    """

    probabilities: Floats
    codes: Integers
    strata: Integers


def stratum_weights(
    parts: Sequence[Part],
    n_strata: int,
    *,
    objective: Objective = macro_f,
    reference: int = 0,
) -> Floats:
    """Find the weights of each kind of rows together, shape ``(n_strata, k)``.

    Parameters
    ----------
    parts
        Left-out days; the objective is the mean of theirs.
    n_strata
        Kinds of rows.
    objective
        What should be high.
    reference
        The class that keeps weight 1 in every stratum.

    Raises
    ------
    DataError
        When there is no part, or a class or stratum is out of range.
    """
    if not parts:
        message = "parts must hold at least one left-out day, got none; leave days out first"
        raise DataError(message)
    n_classes = parts[0].probabilities.shape[1]
    for part in parts:
        _in_range("codes", part.codes, n_classes)
        _in_range("strata", part.strata, n_strata)
    _in_range("reference", np.array([reference]), n_classes)
    weights = np.ones((n_strata, n_classes))
    counted = np.stack([_confusions(parts, s, weights[s], n_classes) for s in range(n_strata)])
    best = _mean(counted, objective)
    free = [c for c in range(n_classes) if c != reference]
    for _, stratum, place in product(range(ROUNDS), range(n_strata), free):
        for tried in GRID:
            candidate = weights[stratum].copy()
            candidate[place] = tried
            other = counted.copy()
            other[stratum] = _confusions(parts, stratum, candidate, n_classes)
            value = _mean(other, objective)
            if value > best + LEAST_GAIN:
                best, counted = value, other
                weights[stratum] = candidate
    return weights


def _confusions(parts: Sequence[Part], stratum: int, weights: Floats, n_classes: int) -> Integers:
    """Count one stratum's rows by true and decided class, shape ``(days, k, k)``."""
    counts = np.zeros((len(parts), n_classes, n_classes), np.int64)
    for day, part in enumerate(parts):
        rows = part.strata == stratum
        cells = part.codes[rows] * n_classes + decide(part.probabilities[rows], weights)
        flat = np.bincount(cells, minlength=n_classes**2)
        counts[day] = flat.reshape(n_classes, n_classes)
    return counts


def _mean(counted: Integers, objective: Objective) -> float:
    return float(np.mean([objective(confusion) for confusion in counted.sum(axis=0)]))


def _in_range(name: str, values: Integers, end: int) -> None:
    if len(values) and not (values.min() >= 0 and values.max() < end):
        message = f"{name} must be in [0, {end}), got {values.min()} to {values.max()}"
        raise DataError(message)


def _coded(groups: ArrayLike, n: int) -> Integers:
    members = np.asarray(groups)
    if members.shape != (n,):
        message = f"groups must name the day of each of {n} rows, got shape {members.shape}"
        raise DataError(message)
    return np.unique(members, return_inverse=True)[1].astype(np.int64)
