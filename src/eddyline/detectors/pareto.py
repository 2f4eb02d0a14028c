"""The generalised Pareto tail: what lies beyond the largest values that were seen.

What belongs here: fitting the tail of peaks over a level, its survival function and quantile, and how well
it fits. What does not: deciding with it or making p-values of it (both ``verdicts``), or learning it from a
stream (``spot.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from eddyline.errors import DataError, TooFewRowsError
from eddyline.tables import Floats

MIN_PEAKS = 50
"""Peaks below which a tail is not fitted: its shape would be a guess."""

LEAST_SHAPE = -0.5
"""Shape below which the likelihood has no maximum."""

MOST_SHAPE = 0.5
"""Shape above which the variance is infinite and thresholds run away; fits are held here."""

_BELOW, _ABOVE = 60, 80
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """A generalised Pareto distribution of the excess over a level.

    Parameters
    ----------
    shape
        gamma: 0 is exponential, positive heavier, negative bounded.
    scale
        sigma, > 0, in units of the score.
    log_likelihood
        Of the peaks it was fitted to.
    n_peaks
        How many those were.
    ks_distance
        Largest gap between the peaks' distribution and the fitted one, in [0, 1].
    ks_p
        Probability of such a gap or a larger one if the tail were true. The tail was fitted to the same
        peaks, so this is too kind: it warns, it does not vouch.
    """

    shape: float
    scale: float
    log_likelihood: float
    n_peaks: int
    ks_distance: float
    ks_p: float

    @classmethod
    def fit(
        cls,
        excess: Floats,
        *,
        min_peaks: int = MIN_PEAKS,
        least_shape: float = LEAST_SHAPE,
        most_shape: float = MOST_SHAPE,
        censored: Floats | None = None,
    ) -> ParetoTail:
        """Fit the tail by maximum likelihood.

        The likelihood is profiled over x = gamma / sigma, on a grid on either side of zero, then by golden
        section; the exponential is a candidate too.

        Parameters
        ----------
        excess
            Score minus level of each peak, > 0.
        min_peaks
            Fewest peaks to fit to.
        least_shape, most_shape
            Bounds of the shape; 0 as the lower one forbids a tail that ends.
        censored
            Excesses that peaks are only known to lie beyond, > 0: each enters the likelihood by its
            survival. None or empty when every peak was seen whole; the distance leaves them out.

        Raises
        ------
        TooFewRowsError
            When there are fewer peaks.
        DataError
            When an excess is not a positive finite number.

        References
        ----------
        Grimshaw, "Computing maximum likelihood estimates for the generalized Pareto distribution",
        Technometrics 1993, doi:10.1080/00401706.1993.10485040; Siffer et al., KDD 2017,
        doi:10.1145/3097983.3098144. We search the profile instead of solving for its stationary points.
        """
        peaks = np.sort(np.asarray(excess, dtype=np.float64))
        if len(peaks) < min_peaks:
            message = (
                f"a tail needs at least {min_peaks} peaks, got {len(peaks)}; calibrate on more "
                f"rows"
            )
            raise TooFewRowsError(message)
        if not np.isfinite(peaks).all() or peaks[0] <= 0:
            message = (
                f"an excess over the level must be finite and > 0, got {peaks[0]}; drop ties "
                f"with the level"
            )
            raise DataError(message)
        beyond = np.zeros(0) if censored is None else np.asarray(censored, dtype=np.float64)
        mean = float(peaks.mean()) + float(beyond.sum()) / len(peaks)
        shape, scale, best = 0.0, mean, -len(peaks) * (1.0 + math.log(mean))
        for x in _candidates(peaks, beyond, mean):
            gamma, sigma, value = _profile(x, peaks, beyond)
            if value > best and gamma > least_shape:
                shape, scale, best = gamma, sigma, value
        if shape > most_shape:
            shape, scale, best = _at_shape(most_shape, peaks, beyond)
        distance = _ks(peaks, shape, scale)
        return cls(shape, scale, best, len(peaks), distance, _kolmogorov(distance, len(peaks)))

    def envelope(self, excess: Floats) -> ParetoTail:
        """Give the tail of the same shape whose scale is large enough to lie above all peaks.

        For peaks that no generalised Pareto distribution fits: nothing that was seen is told to be less
        likely than it was.

        Parameters
        ----------
        excess
            The peaks' excesses, > 0.
        """
        peaks = np.sort(np.asarray(excess, dtype=np.float64))
        n = len(peaks)
        survival = (n - np.arange(n)) / (n + 1.0)  # in (0, 1): share of peaks at least as large
        log_s = -np.log(survival)
        reach = log_s if abs(self.shape) < 1e-9 else np.expm1(self.shape * log_s) / self.shape
        scale = float((peaks / np.maximum(reach, 1e-12))[n // 4 :].max())
        return replace(self, scale=max(scale, self.scale))

    def log_survival(self, excess: Floats) -> Floats:
        """Give the logarithm of the probability that a peak exceeds the given excess.

        Parameters
        ----------
        excess
            Score minus level, >= 0. Beyond the end of a bounded tail the exponential of the end's slope
            goes on, so that larger scores keep getting smaller probabilities.
        """
        ratio = np.asarray(excess, dtype=np.float64) / self.scale
        if abs(self.shape) < 1e-9:
            return -ratio
        if self.shape > 0:
            heavy: Floats = -np.log1p(self.shape * ratio) / self.shape
            return heavy
        # A bounded tail ends at -1/gamma; from 0.9 of it on we continue with the slope reached there.
        turn = -0.9 / self.shape
        inside = -np.log1p(self.shape * np.minimum(ratio, turn)) / self.shape
        slope = 1.0 / (1.0 + self.shape * turn)
        bounded: Floats = inside - slope * np.maximum(ratio - turn, 0.0)
        return bounded

    def excess_at(self, ratio: float) -> float:
        """Give the excess that a peak exceeds with probability ``ratio``.

        Parameters
        ----------
        ratio
            Probability in (0, 1]: the wanted rate divided by the share of peaks.
        """
        if abs(self.shape) < 1e-9:
            return -self.scale * math.log(ratio)
        return self.scale * math.expm1(-self.shape * math.log(ratio)) / self.shape


def _candidates(peaks: Floats, beyond: Floats, mean: float) -> list[float]:
    """Give the x that locally maximise the profile likelihood on either side of zero."""
    edge = -1.0 / max(peaks[-1], beyond.max(initial=0.0))
    below = edge * np.linspace(1e-6, 1.0 - 1e-6, _BELOW)[::-1]
    above = np.geomspace(1e-6, 1e3, _ABOVE) / mean
    found: list[float] = []
    for grid in (below, above):
        values = [_profile(float(x), peaks, beyond)[2] for x in grid]
        top = int(np.argmax(values))
        low, high = float(grid[max(top - 1, 0)]), float(grid[min(top + 1, len(grid) - 1)])
        found.append(_golden(low, high, peaks, beyond))
    return found


def _profile(x: float, peaks: Floats, beyond: Floats) -> tuple[float, float, float]:
    """Give (gamma, sigma, log-likelihood) of the best tail with gamma / sigma = x."""
    seen = float(np.log1p(x * peaks).mean())
    gamma = seen
    if len(beyond):
        gamma += float(np.log1p(x * beyond).sum()) / len(peaks)
    if gamma == 0.0 or gamma / x <= 0.0:
        return 0.0, 0.0, -math.inf
    sigma = gamma / x
    return gamma, sigma, -len(peaks) * (math.log(sigma) + 1.0 + seen)


def _golden(low: float, high: float, peaks: Floats, beyond: Floats) -> float:
    """Maximise the profile likelihood on [low, high] by golden section."""
    for _ in range(60):
        span = _GOLDEN * (high - low)
        left = _profile(high - span, peaks, beyond)[2]
        if left >= _profile(low + span, peaks, beyond)[2]:
            high = low + span
        else:
            low = high - span
    return (low + high) / 2.0


def _at_shape(gamma: float, peaks: Floats, beyond: Floats) -> tuple[float, float, float]:
    """Give (gamma, sigma, log-likelihood) of the best tail with the given positive shape."""

    def likelihood(log_scale: float) -> float:
        sigma = math.exp(log_scale)
        value = float(
            -len(peaks) * log_scale - (1.0 + 1.0 / gamma) * np.log1p(gamma * peaks / sigma).sum()
        )
        return value - float(np.log1p(gamma * beyond / sigma).sum()) / gamma

    centre = math.log(float(peaks.mean()))
    low, high = centre - 12.0, centre + 2.0 + math.log1p(len(beyond) / len(peaks))
    for _ in range(80):
        span = _GOLDEN * (high - low)
        if likelihood(high - span) >= likelihood(low + span):
            high = low + span
        else:
            low = high - span
    best = (low + high) / 2.0
    return gamma, math.exp(best), likelihood(best)


def _ks(peaks: Floats, shape: float, scale: float) -> float:
    """Give the Kolmogorov-Smirnov distance of sorted peaks to the tail."""
    ratio = peaks / scale
    if abs(shape) < 1e-9:
        fitted = -np.expm1(-ratio)
    else:
        fitted = 1.0 - np.maximum(1.0 + shape * ratio, 0.0) ** (-1.0 / shape)
    steps = np.arange(len(peaks) + 1) / len(peaks)
    return float(max((steps[1:] - fitted).max(), (fitted - steps[:-1]).max()))


def _kolmogorov(distance: float, n: int) -> float:
    """Give the asymptotic probability of a Kolmogorov-Smirnov distance, after Stephens 1970."""
    root = math.sqrt(n)
    reach = (root + 0.12 + 0.11 / root) * distance
    if reach < 0.2:
        return 1.0
    terms = [(-1.0) ** (k - 1) * math.exp(-2.0 * (k * reach) ** 2) for k in range(1, 101)]
    return float(min(1.0, max(0.0, 2.0 * math.fsum(terms))))
