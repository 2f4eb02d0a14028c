"""Where to cut: each threshold says in a sentence what it promises, or why it gives none.

What belongs here: the step from scores or p-values to yes and no. What does not: calibration.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from eddyline.detectors.pareto import MIN_PEAKS, ParetoTail
from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.tables import Floats

TAIL_LEVEL = 0.98
"""Quantile from which scores are peaks."""


class ThresholdRefusedError(TooFewRowsError):
    """Raised when a threshold that keeps its promise cannot be given; says what is missing."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """A cut and its promise.

    Parameters
    ----------
    value
        The cut, on the scale that ``on`` names.
    on
        ``"score"``: strange is above the value; ``"p"``: strange is at or below it.
    promise
        What to expect of it, in a sentence.
    tail
        The tail it rests on, or None.
    """

    value: float
    on: str
    promise: str
    tail: ParetoTail | None = None


def pot_threshold(
    scores: Floats, risk: float, *, level: float = TAIL_LEVEL, min_peaks: int = MIN_PEAKS
) -> Threshold:
    """Give the score that normal rows exceed with the probability ``risk``, by peaks over a level.

    ``z = t + sigma / gamma ((q n / N)^-gamma - 1)``, and ``t - sigma ln(q n / N)`` for gamma = 0.

    Parameters
    ----------
    scores
        Scores of held-out normal rows, shape ``(n,)``, finite.
    risk
        Probability q in (0, 1 - level): share of normal rows that may exceed the threshold.
    level
        Quantile in (0, 1) from which scores are peaks.
    min_peaks
        Fewest peaks.

    Raises
    ------
    UsageError
        When risk or level has no meaning.
    ThresholdRefusedError
        When there are fewer peaks than ``min_peaks``.

    References
    ----------
    Siffer, Fouque, Termier, Largouet, "Anomaly detection in streams with extreme value theory", KDD 2017,
    doi:10.1145/3097983.3098144.
    """
    if not 0 < level < 1 or not 0 < risk < 1 - level:
        message = (
            f"risk must be in (0, {1 - level:.3g}), the share above the level, got {risk}; use a "
            f"quantile instead"
        )
        raise UsageError(message)
    known = np.asarray(scores, dtype=np.float64)
    if len(known) == 0 or not np.isfinite(known).all():
        message = (
            f"scores must be finite, at least one, got {len(known)} rows; mend the detector or "
            f"give traffic"
        )
        raise DataError(message)
    start = float(np.quantile(known, level, method="inverted_cdf"))
    peaks = known[known > start] - start
    if len(peaks) < min_peaks:
        message = (
            f"a threshold at risk {risk:g} needs {min_peaks} peaks above the {level:.0%} "
            f"quantile, got {len(peaks)} in "
            f"{len(known)} rows; learn from about {math.ceil(min_peaks / (1 - level)):,} rows or "
            f"set a budget"
        )
        raise ThresholdRefusedError(message)
    tail = ParetoTail.fit(peaks, min_peaks=min_peaks)
    value = start + tail.excess_at(risk * len(known) / len(peaks))
    promise = (
        f"About {risk:g} of normal rows score above {value:.4g}, if their tail goes on as its "
        f"{len(peaks)} peaks do "
        f"(shape {tail.shape:.2f}, KS distance {tail.ks_distance:.3f})."
    )
    return Threshold(value, "score", promise, tail)


def budget_threshold(per_day: float, rows_per_day: float) -> Threshold:
    """Give the p-value at which normal traffic is expected to raise ``per_day`` alarms a day.

    Parameters
    ----------
    per_day
        False alarms a day that somebody can look at, > 0.
    rows_per_day
        Rows that are judged in a day, > 0.

    Raises
    ------
    UsageError
        When either is not positive.
    """
    if not per_day > 0 or not rows_per_day > 0:
        message = (
            f"per_day and rows_per_day must be > 0, got {per_day} and {rows_per_day}; pass "
            f"expected counts"
        )
        raise UsageError(message)
    value = min(1.0, per_day / rows_per_day)
    promise = (
        f"Normal traffic like the calibration's raises {per_day:g} alarms a day on average, at "
        f"{rows_per_day:,.0f} rows a day; attacks come on top."
    )
    return Threshold(value, "p", promise)


def error_rate_threshold(p_values: Floats, rate: float) -> Threshold:
    """Give the p-value at which the expected share of false alarms among all alarms is at most ``rate``.

    Parameters
    ----------
    p_values
        P-values of the rows that are judged together, shape ``(n,)``; NaN where there is none.
    rate
        False discovery rate in (0, 1).

    Raises
    ------
    UsageError
        When rate is outside (0, 1).

    References
    ----------
    Benjamini, Hochberg, "Controlling the false discovery rate", JRSS B 1995,
    doi:10.1111/j.2517-6161.1995.tb02031.x. Valid for independent and positively dependent p-values, which
    conformal ones that share a calibration set are: Bates et al., Annals of Statistics 2023,
    doi:10.1214/22-AOS2244.
    """
    if not 0 < rate < 1:
        message = f"rate must be in (0, 1), got {rate}; pass a share, not a percentage"
        raise UsageError(message)
    known = np.sort(np.asarray(p_values, dtype=np.float64))
    known = known[~np.isnan(known)]
    passed = np.nonzero(known <= rate * np.arange(1, len(known) + 1) / max(len(known), 1))[0]
    if len(passed) == 0:
        promise = (
            f"No row can be called strange with at most {rate:.0%} expected false alarms among "
            f"{len(known)} rows."
        )
        return Threshold(0.0, "p", promise)
    value = float(known[passed[-1]])
    promise = (
        f"Of the {int(passed[-1]) + 1} rows at or below p = {value:.3g}, at most {rate:.0%} are "
        f"expected to be normal."
    )
    return Threshold(value, "p", promise)
