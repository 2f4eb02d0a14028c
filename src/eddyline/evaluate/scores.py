"""Scores of named classes: the criterion of the NAD 2021 challenge and F-beta per class.

What belongs here: arithmetic on a confusion matrix (rows = true, columns = predicted). What does not: what
several seeds say together (``bands.py``), thresholds on anomaly scores (``evaluation.py``) and which rows are
held out (``splits.py``).

Source: ZYELL-NCTU Network Anomaly Detection Challenge, ICASSP 2021, page "Submission": the cost of mistakes
on a logarithmic scale and the macro F2, 0.3 to 0.7. The page does not name the axes of its cost matrix;
rows are taken as true, as in the KDD Cup 1999, whose wording it repeats.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.tables import Floats, Integers

NAD_CLASSES: Final = (
    "Normal",
    "DDOS-smurf",
    "Probing-IP sweep",
    "Probing-Nmap",
    "Probing-Port sweep",
)
"""The classes of the challenge in its own order."""

NAD_COST: Final[tuple[tuple[int, ...], ...]] = (
    (0, 2, 1, 1, 1),
    (2, 0, 1, 1, 1),
    (1, 2, 0, 1, 1),
    (1, 2, 1, 0, 1),
    (1, 2, 1, 1, 0),
)
"""Cost of taking a flow of the row's class for one of the column's."""

LUFLOW_COST: Final[tuple[tuple[int, ...], ...]] = ((0, 2, 1), (2, 0, 1), (1, 1, 0))
"""The same for benign, malicious, outlier."""

ALPHA: Final = 0.3
"""Weight of the cost term."""

BETA: Final = 2.0
"""Recall weighs BETA squared times precision."""


@dataclass(frozen=True, slots=True)
class ClassScore:
    """What a confusion matrix is worth.

    Parameters
    ----------
    value
        The criterion, in ``[0, 1]``.
    n
        Flows.
    cost
        Sum of the costs of all flows.
    worst
        Largest cost times flows.
    macro_f
        Mean of ``f``.
    f
        F-beta of each class; 0 where it is undefined.
    """

    value: float
    n: int
    cost: float
    worst: float
    macro_f: float
    f: tuple[float, ...]


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, classes: Sequence[Any]) -> Integers:
    """Count flows by true and predicted class, shape ``(K, K)``, rows = true.

    Parameters
    ----------
    y_true, y_pred
        Classes of n flows, names or numbers.
    classes
        All K classes in the order of rows and columns, each once.

    Raises
    ------
    DataError
        When the two have different lengths, or hold a class that is not among ``classes``.
    """
    truth, told = _places(y_true, classes, "y_true"), _places(y_pred, classes, "y_pred")
    if len(truth) != len(told):
        message = (
            f"y_pred must have a class for each of {len(truth)} flows, got {len(told)}; "
            "pass both of one table"
        )
        raise DataError(message)
    size = len(classes)
    counts = np.bincount(truth * size + told, minlength=size * size)
    return counts.reshape(size, size).astype(np.int64)


def f_beta(confusion: ArrayLike, *, beta: float = BETA) -> Floats:
    """Give F-beta of each class; 0 where a class has neither true nor predicted flows.

    Parameters
    ----------
    confusion
        Counts, shape ``(K, K)``, rows = true.
    beta
        Weight of recall against precision, ``> 0``.
    """
    counts = _counts(confusion).astype(np.float64)
    hits, true, told = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    below = beta**2 * true + told
    scores: Floats = np.divide(
        (1 + beta**2) * hits, below, out=np.zeros(len(hits)), where=below > 0
    )
    return scores


def challenge_score(
    confusion: ArrayLike,
    cost: ArrayLike = NAD_COST,
    *,
    alpha: float = ALPHA,
    beta: float = BETA,
    transpose_cost: bool = False,
) -> ClassScore:
    """Judge a confusion matrix by the criterion of the NAD 2021 challenge.

    ``alpha (1 − ln C / ln C_max) + (1 − alpha) mean F_beta``; a cost of at most 1 counts as none, as
    the logarithm has it.

    Parameters
    ----------
    confusion
        Counts, shape ``(K, K)``, rows = true.
    cost
        Cost of each mistake, shape ``(K, K)``, rows = true, ``>= 0``, zeros on the diagonal.
    alpha
        Weight of the cost term, in ``[0, 1]``.
    beta
        Weight of recall against precision, ``> 0``.
    transpose_cost
        True to read the cost matrix with rows = predicted, as one published implementation does.

    Raises
    ------
    DataError
        When there is no flow, or a matrix is not what it must be.
    UsageError
        When alpha or beta is out of its range.

    Examples
    --------
    >>> score = challenge_score([[10, 0], [0, 10]], [[0, 1], [2, 0]])
    >>> score.value
    1.0
    """
    if not 0 <= alpha <= 1 or not beta > 0:
        message = (
            f"alpha must be in [0, 1] and beta > 0, got {alpha} and {beta}; use {ALPHA} and {BETA}"
        )
        raise UsageError(message)
    counts = _counts(confusion)
    costs = _costs(cost, len(counts))
    n = int(counts.sum())
    if n == 0:
        message = (
            "a score must have flows to judge, got an empty confusion matrix; check the split"
        )
        raise TooFewRowsError(message)
    spent = float((counts * (costs.T if transpose_cost else costs)).sum())
    worst = float(costs.max()) * n
    f = f_beta(counts, beta=beta)
    macro = float(f.mean())
    value = alpha * _thrift(spent, worst) + (1 - alpha) * macro
    return ClassScore(value, n, spent, worst, macro, tuple(f.tolist()))


def challenge_metric(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    *,
    classes: Sequence[Any] = NAD_CLASSES,
    cost: ArrayLike = NAD_COST,
    transpose_cost: bool = False,
) -> float:
    """Give the criterion as scikit-learn's metrics take it: true and predicted classes in, a number out.

    Parameters
    ----------
    y_true, y_pred
        Classes of n flows.
    classes
        All K classes, in the order of the cost matrix; those without a flow count too, with F = 0.
    cost, transpose_cost
        See ``challenge_score``.
    """
    counts = confusion_matrix(y_true, y_pred, classes)
    return challenge_score(counts, cost, transpose_cost=transpose_cost).value


def challenge_scorer(
    classes: Sequence[Any] = NAD_CLASSES,
    cost: ArrayLike = NAD_COST,
    *,
    transpose_cost: bool = False,
) -> Any:
    """Make a scikit-learn scorer, for ``cross_val_score`` and searches; the classes stay fixed over folds.

    Parameters
    ----------
    classes, cost, transpose_cost
        See ``challenge_metric``.
    """
    from sklearn.metrics import make_scorer

    return make_scorer(
        challenge_metric, classes=tuple(classes), cost=cost, transpose_cost=transpose_cost
    )


def constant_floor(support: ArrayLike, cost: ArrayLike = NAD_COST) -> tuple[int, float]:
    """Give the class that is best to name always, and its score: what a method must at least beat.

    Parameters
    ----------
    support
        Flows of each class, shape ``(K,)``.
    cost
        See ``challenge_score``.
    """
    counts = np.asarray(support, dtype=np.int64)
    scores = []
    for k in range(len(counts)):
        always = np.zeros((len(counts), len(counts)), dtype=np.int64)
        always[:, k] = counts
        scores.append(challenge_score(always, cost).value)
    best = int(np.argmax(scores))
    return best, scores[best]


# ------------------------------------------------------------------ checks


def _thrift(spent: float, worst: float) -> float:
    """Give 1 without cost and 0 at the largest one, on the logarithmic scale of the challenge."""
    if worst <= 1:  # one flow at the most: there is no scale to speak of
        return 1.0 if spent == 0 else 0.0
    return 1.0 if spent <= 1 else 1.0 - math.log(spent) / math.log(worst)


def _places(values: ArrayLike, classes: Sequence[Any], name: str) -> NDArray[np.int64]:
    """Give each value its place among the classes."""
    told = np.asarray(values)
    place = {value: i for i, value in enumerate(classes)}
    distinct, inverse = np.unique(told, return_inverse=True)
    strange = [value for value in distinct.tolist() if value not in place]
    if strange:
        message = f"{name} must hold classes among {tuple(classes)}, got {strange[0]!r}; pass all classes"
        raise DataError(message)
    table = np.array([place[value] for value in distinct.tolist()], dtype=np.int64)
    return table[inverse.ravel()] if len(table) else np.zeros(0, dtype=np.int64)


def _counts(confusion: ArrayLike) -> Integers:
    counts = np.asarray(confusion)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not len(counts):
        message = (
            f"a confusion matrix must be square, got shape {counts.shape}; "
            "rows are true, columns predicted"
        )
        raise DataError(message)
    if not np.all(counts == np.floor(counts)) or counts.min() < 0:
        message = f"a confusion matrix must hold counts >= 0, got {counts.min()}; pass counts, not shares"
        raise DataError(message)
    return counts.astype(np.int64)


def _costs(cost: ArrayLike, size: int) -> Floats:
    costs = np.asarray(cost, dtype=np.float64)
    if costs.shape != (size, size):
        message = (
            f"a cost matrix must have the confusion's shape ({size}, {size}), got {costs.shape}; "
            "pass one of your classes"
        )
        raise DataError(message)
    if not np.isfinite(costs).all() or costs.min() < 0 or np.diag(costs).any() or not costs.any():
        message = (
            f"a cost matrix must be finite and >= 0, with zeros on the diagonal alone, "
            f"got {costs.tolist()}; a right answer costs nothing"
        )
        raise DataError(message)
    return costs
