"""Binary truth against answers and scores: one cut, and every cut of a score.

What belongs here: counts, ratios, curves and their areas. What does not: what a report shows of them
(``metrics.py``).

A ratio of nothing to nothing is None, never 0 or 1. Scores rise with strangeness; rows of equal score are
one step of every curve, so that an order among them is never credited.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats

MAX_FPR: Final = 1e-3
"""False positive rate up to which the partial area counts."""


def ratio(part: float, whole: float) -> float | None:
    """Give part over whole, None when the whole is nothing.

    Parameters
    ----------
    part, whole
        Counts or sums.
    """
    return part / whole if whole else None


@dataclass(frozen=True, slots=True)
class Cut:
    """What a yes or no for each row is worth.

    Parameters
    ----------
    tp, fp, tn, fn
        Rows: attack and yes, normal and yes, normal and no, attack and no.

    Examples
    --------
    >>> Cut(tp=8, fp=2, tn=88, fn=2).recall
    0.8
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @classmethod
    def of(cls, attack: ArrayLike, yes: ArrayLike) -> Cut:
        """Count answers against truth.

        Parameters
        ----------
        attack
            True where a row is an attack, shape ``(n,)``.
        yes
            True where the answer is yes, shape ``(n,)``.

        Raises
        ------
        DataError
            When the two differ in length.
        """
        truth, said = np.asarray(attack, bool), np.asarray(yes, bool)
        check_lengths(truth, said)
        return cls(
            int((truth & said).sum()),
            int((~truth & said).sum()),
            int((~truth & ~said).sum()),
            int((truth & ~said).sum()),
        )

    @property
    def n_rows(self) -> int:
        """Rows counted."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def base_rate(self) -> float | None:
        """Share of attacks among all rows."""
        return ratio(self.tp + self.fn, self.n_rows)

    @property
    def precision(self) -> float | None:
        """Share of attacks among yes."""
        return ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of yes among attacks: the detection rate."""
        return ratio(self.tp, self.tp + self.fn)

    @property
    def false_positive_rate(self) -> float | None:
        """Share of yes among normal rows."""
        return ratio(self.fp, self.fp + self.tn)

    @property
    def false_negative_rate(self) -> float | None:
        """Share of no among attacks."""
        return ratio(self.fn, self.fn + self.tp)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall."""
        return self.f_beta(1.0)

    def f_beta(self, beta: float) -> float | None:
        """Give F-beta, recall weighing ``beta`` squared times precision.

        Parameters
        ----------
        beta
            Weight, ``> 0``.
        """
        square = beta * beta
        return ratio((1 + square) * self.tp, (1 + square) * self.tp + square * self.fn + self.fp)

    @property
    def accuracy(self) -> float | None:
        """Share of right answers; says nothing without the base rate, so never report it alone."""
        return ratio(self.tp + self.tn, self.n_rows)

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean of recall and of the share of no among normal rows."""
        rate, recall = self.false_positive_rate, self.recall
        return None if rate is None or recall is None else (recall + 1.0 - rate) / 2.0

    @property
    def mcc(self) -> float | None:
        """Matthews correlation of truth and answer, in [-1, 1] (Matthews, 1975)."""
        yes, no = self.tp + self.fp, self.tn + self.fn
        attacks, normals = self.tp + self.fn, self.tn + self.fp
        root = math.sqrt(yes) * math.sqrt(no) * math.sqrt(attacks) * math.sqrt(normals)
        return ratio(self.tp * self.tn - self.fp * self.fn, root)


@dataclass(frozen=True, slots=True)
class Curve:
    """Every cut of a score, from the strangest row down.

    Parameters
    ----------
    thresholds
        Distinct scores, falling, shape ``(k,)``; a row says yes when its score is at least that.
    tp, fp
        Attacks and normal rows that say yes there, shape ``(k,)``.
    n_attack, n_normal
        Rows of each kind.
    """

    thresholds: Floats
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    n_attack: int
    n_normal: int

    @classmethod
    def of(cls, attack: ArrayLike, score: ArrayLike) -> Curve:
        """Sort rows by score, equal scores as one step.

        Parameters
        ----------
        attack
            True where a row is an attack, shape ``(n,)``, ``n > 0``.
        score
            Score of each row, finite, shape ``(n,)``.

        Raises
        ------
        DataError
            When lengths differ, there are no rows, or a score is not finite.
        """
        truth, values = np.asarray(attack, bool), np.asarray(score, np.float64)
        check_lengths(truth, values)
        if not len(values):
            message = "scores must be of at least one row, got none; give labelled rows"
            raise DataError(message)
        if not np.isfinite(values).all():
            bad = int(np.flatnonzero(~np.isfinite(values))[0])
            message = f"scores must be finite, got {values[bad]} at row {bad}; fix the method"
            raise DataError(message)
        order = np.argsort(-values, kind="stable")
        ranked, hits = values[order], truth[order]
        last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        tp = np.cumsum(hits)[last].astype(np.int64)
        return cls(
            ranked[last],
            tp,
            (last + 1 - tp).astype(np.int64),
            int(truth.sum()),
            int(len(truth) - truth.sum()),
        )

    @property
    def auc(self) -> float | None:
        """Area under the ROC curve: chance that an attack scores above a normal row, ties half."""
        if not self.n_attack or not self.n_normal:
            return None
        tp, fp = np.append(0, self.tp), np.append(0, self.fp)
        area = float(np.sum(np.diff(fp) * (tp[1:] + tp[:-1]) / 2.0))
        return area / (self.n_attack * self.n_normal)

    @property
    def average_precision(self) -> float | None:
        """Mean precision over the attacks as recall rises; the base rate is chance."""
        if not self.n_attack:
            return None
        gained = np.diff(np.append(0, self.tp))
        return float(np.sum(gained * (self.tp / (self.tp + self.fp)))) / self.n_attack

    def partial_auc(self, max_fpr: float = MAX_FPR) -> float | None:
        """Give the mean recall over false positive rates from 0 to ``max_fpr``, in [0, 1].

        Parameters
        ----------
        max_fpr
            Where the area ends, in (0, 1]; the step there is cut in proportion.
        """
        if not 0 < max_fpr <= 1:
            message = f"max_fpr must be in (0, 1], got {max_fpr}; 0.001 is the default"
            raise UsageError(message)
        if not self.n_attack or not self.n_normal:
            return None
        rates = np.append(0, self.fp) / self.n_normal
        recalls = np.append(0, self.tp) / self.n_attack
        after = int(np.searchsorted(rates, max_fpr))  # the step that reaches or crosses the end
        before = after - 1
        part = (max_fpr - rates[before]) / (rates[after] - rates[before])
        end = recalls[before] + part * (recalls[after] - recalls[before])
        x, y = np.append(rates[:after], max_fpr), np.append(recalls[:after], end)
        return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2.0)) / max_fpr

    def at_most(self, n_yes: float) -> Cut:
        """Give the cut that says yes as often as it can but to no more than ``n_yes`` rows.

        Rows of one score are taken together or not at all.

        Parameters
        ----------
        n_yes
            Most rows that may say yes, ``>= 0``.
        """
        place = int(np.searchsorted(self.tp + self.fp, n_yes, side="right")) - 1
        return self._cut(place)

    def at_recall(self, recall: float) -> Cut:
        """Give the highest cut with at least that recall.

        Parameters
        ----------
        recall
            Share of attacks to find, in (0, 1].
        """
        if not 0 < recall <= 1:
            message = f"recall must be in (0, 1], got {recall}; pass a share"
            raise UsageError(message)
        need = math.ceil(recall * self.n_attack - 1e-9)
        return self._cut(int(np.searchsorted(self.tp, need)))

    def _cut(self, place: int) -> Cut:
        tp, fp = (int(self.tp[place]), int(self.fp[place])) if place >= 0 else (0, 0)
        return Cut(tp, fp, self.n_normal - fp, self.n_attack - tp)


def check_lengths(first: NDArray[Any], second: NDArray[Any]) -> None:
    """Raise when two lists do not have one entry a row each.

    Parameters
    ----------
    first, second
        Lists, shape ``(n,)``.

    Raises
    ------
    DataError
        When their shapes differ or are not flat.
    """
    if first.shape != second.shape or first.ndim != 1:
        message = (
            f"labels and answers must be two lists of one length, got shapes {first.shape} and "
            f"{second.shape}; give one of each a row"
        )
        raise DataError(message)
