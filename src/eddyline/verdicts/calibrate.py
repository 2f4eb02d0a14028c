"""Scores to p-values: how often normal traffic, which the detector did not learn from, scores as high.

What belongs here: conformal p-values and their continuation beyond what was seen. What does not: which rows
were held out (``leg.py``), thresholds (``threshold.py``) and the joining of legs (``fuse.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.pareto import MIN_PEAKS, ParetoTail
from eddyline.errors import DataError, ModelError, TooFewRowsError
from eddyline.tables import Floats

TAIL_LEVEL = 0.98
"""Quantile of the calibration scores from which a tail is fitted."""

MOST_TAIL = 0.12
"""Largest share of the calibration scores that may count as their tail."""

CLUSTER = 0.002
"""Peaks that differ by less than this part of the largest excess are one: repeats of one behaviour."""

KS_LIMIT = 0.01
"""KS probability below which the fitted tail is not trusted."""


@dataclass(frozen=True, slots=True)
class Calibrator:
    """Turn scores into p-values by the scores of normal rows that the detector did not learn from.

    Up to the largest of those scores the p-value is conformal, ``(1 + #{calibration >= s}) / (n + 1)``: for
    new normal rows that are exchangeable with the calibration rows it is at most u with probability at most
    u, whatever the detector. Beyond, where enough scores lie above the 98 % quantile (88 % when there are
    few scores), their generalised Pareto tail goes on below the conformal floor; its shape is held at 0 or
    above, since a tail that ends would call a row impossible. That part is a model and not a guarantee, so
    its fit is shown. Where there are too few peaks, p-values end at the floor, 1 / (n + 1); where the fit is
    poor, an upper envelope of the peaks stands in for it. ``note`` says so.

    Parameters
    ----------
    scores
        Calibration scores in rising order, shape ``(n,)``.
    level
        Score above which the tail's peaks lie; the largest score when there is no tail.
    tail
        The fitted tail, or None.
    note
        Why there is no tail or which, or ``""``.
    """

    scores: Floats
    level: float
    tail: ParetoTail | None
    note: str

    @classmethod
    def fit(cls, scores: Floats, *, min_peaks: int = MIN_PEAKS) -> Self:
        """Learn from the scores of held-out normal rows.

        Parameters
        ----------
        scores
            Scores of normal rows that the detector did not fit on, shape ``(n,)``, finite, n >= 1.
        min_peaks
            Fewest scores above the 98 % quantile to fit a tail to.

        Raises
        ------
        TooFewRowsError
            When there are no scores.
        DataError
            When a score is not finite.
        """
        ordered = np.sort(np.asarray(scores, dtype=np.float64))
        if len(ordered) == 0:
            message = (
                "calibration needs at least 1 held-out score, got 0; give it more normal traffic"
            )
            raise TooFewRowsError(message)
        if not np.isfinite(ordered).all():
            message = (
                f"calibration scores must be finite, got {ordered[~np.isfinite(ordered)][0]}; "
                f"mend the detector"
            )
            raise DataError(message)
        share = max(1.0 - TAIL_LEVEL, 1.2 * min_peaks / len(ordered))
        if share > MOST_TAIL:
            note = (
                f"{len(ordered)} calibration scores hold fewer than {min_peaks} peaks above their "
                f"{100 * (1 - MOST_TAIL):.0f} % quantile, too few for a tail: no p-value is below "
                f"{1 / (len(ordered) + 1):.2g}"
            )
            return cls(ordered, float(ordered[-1]), None, note)
        level = float(np.quantile(ordered, 1.0 - share, method="inverted_cdf"))
        peaks = _declustered(ordered[ordered > level] - level)
        if len(peaks) < min_peaks // 2:
            note = (
                f"only {len(peaks)} different values lie above the {100 * (1 - share):.0f} % quantile "
                f"of {len(ordered)} calibration scores, too few for a tail: no p-value is below "
                f"{1 / (len(ordered) + 1):.2g}"
            )
            return cls(ordered, float(ordered[-1]), None, note)
        tail = ParetoTail.fit(peaks, min_peaks=len(peaks), least_shape=0.0)
        if tail.ks_p >= KS_LIMIT:
            return cls(ordered, level, tail, "")
        note = (
            f"the tail of {len(peaks)} peaks is not generalised Pareto (KS {tail.ks_distance:.3f}, "
            f"p {tail.ks_p:.1g}): beyond the largest score an upper envelope of the peaks is used"
        )
        return cls(ordered, level, tail.envelope(peaks), note)

    @property
    def floor(self) -> float:
        """The smallest conformal p-value, 1 / (n + 1)."""
        return 1.0 / (len(self.scores) + 1.0)

    def p_values(self, scores: Floats) -> Floats:
        """Give the p-value of each score, in (0, 1], falling as scores rise.

        Parameters
        ----------
        scores
            Scores by the same detector, shape ``(n,)``, finite.
        """
        asked = np.asarray(scores, dtype=np.float64)
        at_least = len(self.scores) - np.searchsorted(self.scores, asked, side="left")
        conformal: Floats = (1.0 + at_least.astype(np.float64)) / (len(self.scores) + 1.0)
        if self.tail is None:
            return conformal
        share = float((self.scores > self.level).sum() + 1.0) / (len(self.scores) + 1.0)
        log_p = np.log(share) + self.tail.log_survival(np.maximum(asked - self.level, 0.0))
        beyond = np.minimum(np.maximum(np.exp(log_p), 1e-300), self.floor)
        return np.where(asked > self.scores[-1], beyond, conformal)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays of numbers and text."""
        tail = self.tail
        numbers = (
            []
            if tail is None
            else [tail.shape, tail.scale, tail.log_likelihood, tail.ks_distance, tail.ks_p]
        )
        return {
            "scores": self.scores,
            "level": np.array(self.level),
            "tail": np.array(numbers, dtype=np.float64),
            "n_peaks": np.array(0 if tail is None else tail.n_peaks),
            "note": np.array(self.note, dtype=np.str_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Build a calibrator from what ``to_arrays`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.

        Raises
        ------
        ModelError
            When a part is missing or could not have been fitted.
        """
        missing = {"scores", "level", "tail", "n_peaks", "note"} - set(arrays)
        if missing:
            message = (
                f"a saved calibration must hold {', '.join(sorted(missing))}; learn the model "
                f"again"
            )
            raise ModelError(message)
        scores, numbers = (
            np.asarray(arrays["scores"], np.float64),
            np.asarray(arrays["tail"], np.float64),
        )
        sorted_scores = scores.ndim == 1 and len(scores) > 0 and bool((np.diff(scores) >= 0).all())
        if not sorted_scores or not np.isfinite(scores).all():
            message = (
                f"saved calibration scores must rise and be finite, got shape {scores.shape}; "
                f"learn again"
            )
            raise ModelError(message)
        tail = None
        if len(numbers):
            if len(numbers) != 5 or not np.isfinite(numbers).all() or numbers[1] <= 0:
                message = (
                    f"a saved tail must hold five finite numbers, scale > 0, got {numbers}; "
                    f"learn again"
                )
                raise ModelError(message)
            shape, scale, likelihood, distance, chance = (float(number) for number in numbers)
            tail = ParetoTail(shape, scale, likelihood, int(arrays["n_peaks"]), distance, chance)
        return cls(scores, float(arrays["level"]), tail, str(arrays["note"]))


def _declustered(excess: Floats) -> Floats:
    """Keep one of each run of nearly equal peaks: repeats of one behaviour are one observation.

    Parameters
    ----------
    excess
        Scores minus level, > 0, rising.
    """
    if not len(excess):
        return excess
    step = CLUSTER * float(excess[-1])
    kept = [float(excess[-1])]
    for value in excess[-2::-1]:
        if kept[-1] - value >= step:
            kept.append(float(value))
    return np.array(kept[::-1])
