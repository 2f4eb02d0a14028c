"""A threshold on a stream of scores that learns the tail it cuts: SPOT, and DSPOT where the level drifts.

What belongs here: judging a score and learning from it, one after the other. What does not: the tail
(``pareto.py``), scores, and thresholds on a finished set (``verdicts``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.detectors.pareto import ParetoTail
from eddyline.errors import DataError, ModelError, TooFewRowsError, UsageError
from eddyline.tables import Floats

Alarms = Literal["censor", "include", "exclude"]
"""What an alarm teaches: that the tail goes at least so far, how far it went, or nothing."""

LEAST_PEAKS: Final = 20
"""Peaks that the calibration must leave beyond its level."""

FREEZE_TIMES: Final = 5
"""Alarms in 1/risk records, times what is promised, above which nothing is learned."""


@dataclass(frozen=True, slots=True)
class Spotted:
    """What came of a batch of scores.

    Parameters
    ----------
    alarm
        Whether each score passed the threshold it was held against, shape ``(n,)``.
    threshold
        That threshold, in units of the score, shape ``(n,)``.
    frozen
        Whether nothing was learned from the score because alarms came too thick, shape ``(n,)``.
    """

    alarm: NDArray[np.bool_]
    threshold: Floats
    frozen: NDArray[np.bool_]


@dataclass(slots=True)
class Spot:
    """Alarm on scores that come with a probability below ``risk``, and learn the tail on the way.

    Each score is judged first and learned after, so a batch gives what its scores one by one give. A score
    beyond the level but not the threshold is a peak and refits the tail. The published rule leaves alarms
    out of what is learned; that cuts the tail's end off, the threshold tightens itself, and exponential
    draws at a risk of 1e-3 alarmed at 2e-3 to 8e-3, more the longer it ran. Here an alarm is told to
    the tail as one that goes at least to the threshold it passed, without its size, so that an attack cannot
    stretch the tail either. While alarms come five times as often as promised nothing is learned.

    Parameters
    ----------
    risk
        q in (0, 1 - level): probability of an alarm on usual scores.
    level
        Quantile of the calibration beyond which scores are peaks, in (0, 1).
    alarms
        ``censor``; ``include`` teaches their size; ``exclude`` is the published rule.
    window
        Last usual scores whose mean is taken off, for scores whose level drifts (DSPOT); 0 for none.
    most_peaks
        Peaks that the tail is fitted to, newest, >= 20.

    References
    ----------
    Siffer, Fouque, Termier, Largouet, "Anomaly detection in streams with extreme value theory", KDD 2017,
    doi:10.1145/3097983.3098144. Censoring, the bound on the shape and the freeze are ours.

    Examples
    --------
    >>> import numpy as np
    >>> scores = np.random.default_rng(0).exponential(size=3000)
    >>> spot = Spot(risk=1e-3).calibrate(scores[:2000])
    >>> bool(spot.update([50.0]).alarm[0]), int(spot.update(scores[2000:]).alarm.sum()) < 10
    (True, True)
    """

    risk: float = 1e-4
    level: float = 0.98
    alarms: Alarms = "censor"
    window: int = 0
    most_peaks: int = 500
    start: float = field(init=False, default=math.nan)
    excess: float = field(init=False, default=math.nan)
    n_seen: int = field(init=False, default=0)
    n_peaks: int = field(init=False, default=0)
    n_judged: int = field(init=False, default=0)
    _peaks: Floats = field(init=False, repr=False)
    _whole: NDArray[np.bool_] = field(init=False, repr=False)
    _recent: list[int] = field(init=False, repr=False)
    _usual: Floats = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.level < 1 or not 0 < self.risk < 1 - self.level:
            message = (
                f"level must be in (0, 1) and risk in (0, 1 - level), got {self.level} and "
                f"{self.risk}; use 0.98 and a risk below 0.02"
            )
            raise UsageError(message)
        if self.alarms not in ("censor", "include", "exclude"):
            message = f"alarms must be censor, include or exclude, got {self.alarms!r}; use censor"
            raise UsageError(message)
        if self.window < 0 or self.most_peaks < LEAST_PEAKS:
            message = (
                f"window must be >= 0 and most_peaks >= {LEAST_PEAKS}, got {self.window} and "
                f"{self.most_peaks}; the defaults are 0 and 500"
            )
            raise UsageError(message)
        self._peaks, self._whole = np.zeros(0), np.zeros(0, np.bool_)
        self._recent, self._usual = [], np.zeros(0)

    @property
    def threshold(self) -> float:
        """The score from which the next one is an alarm."""
        return self.start + self.excess + self._base()

    def calibrate(self, scores: ArrayLike) -> Self:
        """Set level and tail from scores that are usual, oldest first; forgets everything before.

        Parameters
        ----------
        scores
            Shape ``(n,)``, finite; enough for 20 peaks beyond the level.

        Raises
        ------
        DataError
            When a score is not finite.
        TooFewRowsError
            When too few scores lie beyond the level, or fewer than ``window`` are given.
        """
        known = _finite(scores)
        self.__post_init__()
        if self.window:
            if len(known) <= self.window:
                message = (
                    f"a window of {self.window} needs more scores to calibrate on, got "
                    f"{len(known)}; give more or take a shorter window"
                )
                raise TooFewRowsError(message)
            sums = np.concatenate([[0.0], np.cumsum(known)])
            means = (sums[self.window :] - sums[: -self.window]) / self.window
            self._usual = known[-self.window :].copy()
            known = known[self.window :] - means[:-1]
        self.start = (
            float(np.quantile(known, self.level, method="inverted_cdf"))
            if len(known)
            else math.nan
        )
        peaks = known[known > self.start] - self.start
        if len(peaks) < LEAST_PEAKS:
            message = (
                f"a tail needs at least {LEAST_PEAKS} scores beyond the {self.level:.0%} quantile, "
                f"got {len(peaks)} of {len(known)}; calibrate on more scores or lower the level"
            )
            raise TooFewRowsError(message)
        self._peaks = peaks[-self.most_peaks :]
        self._whole = np.ones(len(self._peaks), np.bool_)
        self.n_seen, self.n_peaks = len(known), len(peaks)
        self._refit()
        return self

    def update(self, scores: ArrayLike) -> Spotted:
        """Judge scores and learn from each before the next.

        Parameters
        ----------
        scores
            Oldest first, shape ``(n,)``, finite.

        Raises
        ------
        DataError
            When a score is not finite, or nothing was calibrated.
        """
        if math.isnan(self.start):
            message = "a Spot must be calibrated before it judges, got no scores yet; calibrate"
            raise DataError(message)
        known = _finite(scores)
        alarm, frozen = np.zeros(len(known), np.bool_), np.zeros(len(known), np.bool_)
        threshold = np.zeros(len(known))
        for place, score in enumerate(known.tolist()):
            base = self._base()
            threshold[place] = self.start + self.excess + base
            alarm[place], frozen[place] = self._judge(score, base)
        return Spotted(alarm, threshold, frozen)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the whole state as arrays of numbers."""
        return {
            "level": np.array([self.start, self.excess]),
            "counts": np.array([self.n_seen, self.n_peaks, self.n_judged], np.int64),
            "peaks": self._peaks.copy(),
            "whole": self._whole.copy(),
            "recent": np.array(self._recent, np.int64),
            "usual": self._usual.copy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], **settings: Any) -> Self:
        """Go on where ``to_arrays`` stopped.

        Parameters
        ----------
        arrays
            The state; checked before use.
        **settings
            Arguments of the constructor.

        Raises
        ------
        ModelError
            When an array is missing or could not have been left behind.
        """
        spot = cls(**settings)
        try:
            held = {
                name: np.asarray(arrays[name])
                for name in ("level", "counts", "peaks", "whole", "recent", "usual")
            }
        except KeyError as error:
            message = f"a saved Spot must hold {error}, it does not; calibrate again"
            raise ModelError(message) from error
        sound = (
            held["level"].shape == (2,)
            and held["counts"].shape == (3,)
            and held["peaks"].ndim == 1
            and LEAST_PEAKS <= len(held["peaks"]) <= spot.most_peaks
            and held["whole"].shape == held["peaks"].shape
            and held["usual"].shape == (spot.window,)
            and all(held[name].dtype.kind in "biuf" for name in held)
            and all(np.isfinite(held[name]).all() for name in ("level", "peaks", "usual"))
        )
        if not sound:
            shapes = {name: array.shape for name, array in held.items()}
            message = f"a saved Spot must hold a level and peaks, got {shapes}; calibrate again"
            raise ModelError(message)
        spot.start, spot.excess = (float(value) for value in held["level"])
        spot.n_seen, spot.n_peaks, spot.n_judged = (int(value) for value in held["counts"])
        spot._peaks = held["peaks"].astype(np.float64)
        spot._whole = held["whole"].astype(np.bool_)
        spot._recent = [int(value) for value in held["recent"]]
        spot._usual = held["usual"].astype(np.float64)
        return spot

    def _judge(self, score: float, base: float) -> tuple[bool, bool]:
        """Judge one score and learn from it; give whether it alarmed and whether nothing was learned."""
        self.n_judged += 1
        excess = score - base - self.start
        alarm = excess > self.excess
        if alarm:
            self._recent = [*self._recent, self.n_judged][-(FREEZE_TIMES + 1) :]
        if self._is_frozen():
            return alarm, True
        if not alarm and self.window:
            self._usual = np.append(self._usual[1:], score)
        if alarm and self.alarms == "exclude":
            return True, False
        self.n_seen += 1
        if excess > 0:
            self.n_peaks += 1
            whole = not alarm or self.alarms == "include"
            self._peaks = np.append(self._peaks, excess if whole else self.excess)
            self._whole = np.append(self._whole, whole)
            self._peaks = self._peaks[-self.most_peaks :]
            self._whole = self._whole[-self.most_peaks :]
            self._refit()
        return alarm, False

    def _is_frozen(self) -> bool:
        """Tell whether the last 1/risk records hold more than five times the alarms that were promised."""
        if self.alarms == "exclude":
            return (
                False  # the published rule, which learns nothing from alarms and knows no freeze
            )
        span = math.ceil(1.0 / self.risk)
        return len(self._recent) > FREEZE_TIMES and self._recent[0] > self.n_judged - span

    def _base(self) -> float:
        return float(self._usual.mean()) if self.window else 0.0

    def _refit(self) -> None:
        tail = ParetoTail.fit(
            self._peaks[self._whole],
            min_peaks=min(LEAST_PEAKS, int(self._whole.sum())),
            censored=self._peaks[~self._whole],
        )
        self.excess = tail.excess_at(min(self.risk * self.n_seen / self.n_peaks, 1.0))


def _finite(scores: ArrayLike) -> Floats:
    known = np.asarray(scores, dtype=np.float64)
    if known.ndim != 1 or not np.isfinite(known).all():
        message = (
            f"scores must be finite numbers in one row, got shape {known.shape}; mend the detector"
        )
        raise DataError(message)
    return known
