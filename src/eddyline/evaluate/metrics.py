"""What scores and answers are worth to those who get the alerts: alerts a day, prevalence, classes.

What belongs here: figures of binary truth and scores that a report shows. What does not: the curves
(``curve.py``), intervals and comparisons (``intervals.py``), named classes (``scores.py``), incidents.

A ratio of nothing to nothing is None, never 0 or 1. Scores rise with strangeness; rows of equal score are
one step of every curve, so that an order among them is never credited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.curve import Curve, check_lengths, ratio

PREVALENCES: Final = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
"""Shares of attacks among the units of a network that precision is restated for."""

ALERTS_A_DAY: Final = (1, 5, 10, 50)
"""Budgets that recall is told at."""

RECALLS: Final = (0.5, 0.8, 0.9, 0.95)
"""Recalls that the false positive rate is told at."""

MIN_SUPPORT: Final = 10
"""Rows below which a class is shown without being ranked."""


def recall_at_alerts(
    curve: Curve, days: float, per_day: Sequence[float] = ALERTS_A_DAY
) -> dict[float, float | None]:
    """Give the recall when a day may hold so many alerts.

    Parameters
    ----------
    curve
        All cuts of the score.
    days
        Days that the rows span, ``> 0``.
    per_day
        Alerts a day, each ``> 0``.

    Raises
    ------
    UsageError
        When ``days`` is not positive.
    """
    if not days > 0:
        message = f"days must be > 0, got {days}; recall a day needs the time span of the rows"
        raise UsageError(message)
    return {budget: curve.at_most(budget * days).recall for budget in per_day}


def fpr_at_recalls(curve: Curve, recalls: Sequence[float] = RECALLS) -> dict[float, float | None]:
    """Give the false positive rate that each recall costs; None where there are no attacks.

    Parameters
    ----------
    curve
        All cuts of the score.
    recalls
        Shares of attacks to find, each in (0, 1].
    """
    if not curve.n_attack:
        return dict.fromkeys(recalls)
    return {recall: curve.at_recall(recall).false_positive_rate for recall in recalls}


def precision_at_prevalence(tpr: float, fpr: float, prevalence: float) -> float | None:
    """Give the chance that a yes is an attack where attacks are as rare as stated.

    Axelsson, 2000, "The base-rate fallacy and the difficulty of intrusion detection".

    Parameters
    ----------
    tpr
        Recall, in [0, 1].
    fpr
        False positive rate, in [0, 1].
    prevalence
        Share of attacks among the units judged, in [0, 1].

    Raises
    ------
    UsageError
        When one of them is outside [0, 1].

    Examples
    --------
    >>> precision_at_prevalence(0.99, 0.01, 0.01)
    0.5
    """
    for name, value in (("tpr", tpr), ("fpr", fpr), ("prevalence", prevalence)):
        if not 0 <= value <= 1:
            message = f"{name} must be in [0, 1], got {value}; pass a share"
            raise UsageError(message)
    right = prevalence * tpr
    return ratio(right, right + (1.0 - prevalence) * fpr)


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """How much of one class says yes.

    Parameters
    ----------
    name
        The class.
    support
        Its rows.
    found
        Those that say yes.
    """

    name: str
    support: int
    found: int

    @property
    def recall(self) -> float | None:
        """Share found."""
        return ratio(self.found, self.support)

    @property
    def ranked(self) -> bool:
        """False where the support is too small to rank the class by its recall."""
        return self.support >= MIN_SUPPORT


def recall_by_class(
    classes: Sequence[Any] | NDArray[Any], attack: ArrayLike, yes: ArrayLike
) -> list[ClassRecall]:
    """Give the recall of each attack class with its support, the largest class first.

    Parameters
    ----------
    classes
        Class of each row, shape ``(n,)``.
    attack
        True where a row is an attack, shape ``(n,)``; other rows are left out.
    yes
        True where the answer is yes, shape ``(n,)``.
    """
    truth, said = np.asarray(attack, bool), np.asarray(yes, bool)
    named = np.asarray(classes).astype(np.str_)
    check_lengths(truth, said)
    check_lengths(truth, named)
    names, inverse, support = np.unique(named[truth], return_inverse=True, return_counts=True)
    found = np.bincount(inverse, weights=said[truth], minlength=len(names))
    rows = [
        ClassRecall(str(name), int(n), int(k))
        for name, n, k in zip(names, support, found, strict=True)
    ]
    return sorted(rows, key=lambda row: (-row.support, row.name))


def expected_calibration_error(
    attack: ArrayLike, probability: ArrayLike, *, n_bins: int = 10
) -> float:
    """Give the mean distance between promised and realised share of attacks, over equal-width bins.

    Parameters
    ----------
    attack
        True where a row is an attack, shape ``(n,)``, ``n > 0``.
    probability
        Promised probability of an attack, in [0, 1], shape ``(n,)``.
    n_bins
        Bins over [0, 1], ``> 0``.

    Raises
    ------
    DataError
        When lengths differ, there are no rows, or a probability is outside [0, 1].
    """
    truth, promised = np.asarray(attack, np.float64), np.asarray(probability, np.float64)
    check_lengths(truth, promised)
    if not len(promised) or not ((promised >= 0) & (promised <= 1)).all():
        message = "probabilities must be in [0, 1] for at least one row; check the method"
        raise DataError(message)
    bins = np.minimum((promised * n_bins).astype(np.int64), n_bins - 1)
    gap = np.abs(
        np.bincount(bins, weights=promised, minlength=n_bins)
        - np.bincount(bins, weights=truth, minlength=n_bins)
    )
    return float(gap.sum() / len(promised))


def summary(
    attack: ArrayLike, score: ArrayLike, *, days: float | None = None
) -> Mapping[str, Any]:
    """Give the figures that every report shows of a score, chance levels beside them.

    Parameters
    ----------
    attack
        True where a row is an attack, shape ``(n,)``.
    score
        Score of each row, finite, shape ``(n,)``.
    days
        Days that the rows span; without it no figure is per day.
    """
    curve = Curve.of(attack, score)
    return {
        "n_attack": curve.n_attack,
        "n_normal": curve.n_normal,
        "base_rate": ratio(curve.n_attack, curve.n_attack + curve.n_normal),
        "roc_auc": curve.auc,
        "partial_auc": curve.partial_auc(),
        "pr_auc": curve.average_precision,
        "fpr_at_recall": {str(k): v for k, v in fpr_at_recalls(curve).items()},
        "recall_at_alerts_a_day": None
        if days is None
        else {str(k): v for k, v in recall_at_alerts(curve, days).items()},
    }
