"""Which class to decide for: one weight a class, found on left-out days.

What belongs here: the search for the weights. What does not: whose probabilities they weigh, and the figure
that a challenge asks for, which is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from eddyline.errors import DataError
from eddyline.tables import Floats, Integers

GRID: Final[tuple[float, ...]] = tuple(float(w) for w in np.geomspace(0.1, 30.0, 31))
"""Weights that are tried for a class."""

ROUNDS: Final = 2
"""Times that every class's weight is sought anew."""

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
    gain: float = 0.0,
) -> Floats:
    """Find weights by coordinate ascent on rows that the model was not fitted on.

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
    gain
        Least rise of the objective for which a weight leaves 1, ``>= 0``.

    Raises
    ------
    DataError
        When shapes disagree or a class is out of range.
    """
    given = np.asarray(probabilities, np.float64)
    truth = np.asarray(codes, np.int64)
    days = np.zeros(len(truth), np.int64) if groups is None else _coded(groups, len(truth))
    if given.ndim != 2 or truth.shape != given.shape[:1] or not len(truth):
        message = (
            f"probabilities (n, k) and n >= 1 codes must agree, got {given.shape}, {truth.shape}"
        )
        raise DataError(message)
    n_classes = given.shape[1]
    if truth.min() < 0 or truth.max() >= n_classes or not 0 <= reference < n_classes:
        message = (
            f"codes and reference must be in [0, {n_classes}), got {truth.max()}, {reference}"
        )
        raise DataError(message)

    def worth(weights: Floats) -> float:
        decided = decide(given, weights)
        cells = np.ravel_multi_index(
            (days, truth, decided), (days.max() + 1, n_classes, n_classes)
        )
        counts = np.bincount(cells, minlength=(days.max() + 1) * n_classes**2)
        return float(np.mean([objective(c) for c in counts.reshape(-1, n_classes, n_classes)]))

    weights = np.ones(n_classes)
    best = plain = worth(weights)
    for _ in range(ROUNDS):
        for place in (c for c in range(n_classes) if c != reference):
            for tried in GRID:
                candidate = weights.copy()
                candidate[place] = tried
                value = worth(candidate)
                if value > best:
                    best, weights = value, candidate
    return weights if best >= plain + gain else np.ones(n_classes)


def _coded(groups: ArrayLike, n: int) -> Integers:
    members = np.asarray(groups)
    if members.shape != (n,):
        message = f"groups must name the day of each of {n} rows, got shape {members.shape}"
        raise DataError(message)
    return np.unique(members, return_inverse=True)[1].astype(np.int64)
