"""From the surprise of each token to one score of its group, several ways.

What belongs here: maxima, means and sums of a group, and the maximum set against the group's length. What
does not: the surprises themselves (the language models) and alarm levels (``verdicts``).

A group's largest surprise grows with its length when nothing is wrong, so it never stands alone. The
calibrated one is a device for ranking: the tokens of a group depend on each other, so its p-value is not a
probability to be taken at its word.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.pareto import MIN_PEAKS, ParetoTail
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.tables import Floats, Integers

AGGREGATIONS: Final = ("max", "mean", "q90", "top3_mean", "sum", "calibrated")
"""How a group's score can be made of its tokens' surprises; ``max`` is the paper's."""

TAIL_LEVELS: Final = (0.98, 0.99, 0.995, 0.998, 0.999)
"""Quantiles of the reference above which its tail is modelled: the first whose Pareto tail holds."""

REFUTED: Final = 0.05
"""Kolmogorov-Smirnov probability below which a tail does not hold."""

TAIL_POINTS: Final = 4096
"""Ranks of the reference that are kept."""

MIN_BIN: Final = 200
"""Groups of about one length from which they are a reference of their own."""


@dataclass(frozen=True, slots=True)
class LengthCalibration:
    """How often ordinary tokens surprise so much, to set a group's largest surprise against its length.

    Parameters
    ----------
    values
        Surprises of reference tokens, rising, in nats.
    survival
        Share of reference tokens at least as surprising as each, in (0, 1].
    level
        Surprise above which the modelled tail holds; infinite without one.
    share
        Share of reference tokens above it.
    shape, scale
        Of the generalised Pareto tail above it.
    """

    values: Floats
    survival: Floats
    level: float = np.inf
    share: float = 0.0
    shape: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, surprises: Floats, *, tail: bool = True) -> LengthCalibration:
        """Learn from the surprises of ordinary tokens, best of tokens that no model learned from.

        Parameters
        ----------
        surprises
            Surprise of each reference token, finite, at least one.
        tail
            True for a Pareto tail above the 98 % quantile, or a higher one, where at least 50 distinct
            surprises lie and it fits them; otherwise the reference's own shares count, and beyond its largest
            an exponential, as surprises of well calibrated models have.

        Raises
        ------
        TooFewRowsError
            When there is no token.
        """
        if not len(surprises):
            message = "a length calibration needs at least one token, got none; give it groups"
            raise TooFewRowsError(message)
        ordered = np.sort(np.asarray(surprises, dtype=np.float64))
        n = len(ordered)
        ranks = np.unique(np.linspace(0, n - 1, TAIL_POINTS).astype(np.int64))
        outer = np.arange(max(0, n - TAIL_POINTS // 4), n)
        ranks = np.union1d(ranks, outer)
        at_least = n - np.searchsorted(ordered, ordered[ranks], side="left")
        kept, survival = ordered[ranks], at_least / (n + 1.0)
        for level in np.quantile(ordered, TAIL_LEVELS if tail else ()).tolist():
            peaks = ordered[ordered > level] - level
            if len(np.unique(peaks)) < MIN_PEAKS:
                break
            fitted = ParetoTail.fit(peaks)
            if fitted.ks_p >= REFUTED:
                return cls(kept, survival, level, len(peaks) / n, fitted.shape, fitted.scale)
        return cls(kept, survival)

    def log_survival(self, surprise: Floats) -> Floats:
        """Give the natural logarithm of the share of ordinary tokens at least as surprising.

        Parameters
        ----------
        surprise
            In nats, shape ``(n,)``.
        """
        last = self.values[-1]
        place = np.minimum(
            np.searchsorted(self.values, surprise, side="left"), len(self.values) - 1
        )
        outside = np.log(1.0 / self.survival[-1]) - np.log1p(1.0 / self.survival[-1])
        beyond = np.where(surprise > last, outside - (surprise - last), 0.0)
        logs: Floats = np.log(self.survival[place]) + beyond
        if not np.isfinite(self.level):
            return logs
        model = ParetoTail(self.shape, self.scale, 0.0, MIN_PEAKS, 0.0, 0.0)
        excess = np.maximum(surprise - self.level, 0.0)
        return np.where(
            surprise > self.level, np.log(self.share) + model.log_survival(excess), logs
        )

    def score(self, largest: Floats, lengths: Floats) -> Floats:
        """Give ``-log10 p`` of groups by their largest surprise and their length.

        Parameters
        ----------
        largest
            Largest surprise of each group.
        lengths
            Tokens of each group, or its distinct windows, ``>= 1``.
        """
        return length_calibrated(self.log_survival(largest), lengths)


def length_calibrated(log_survival: Floats, lengths: Floats) -> Floats:
    """Turn the tail of a group's largest token into ``-log10 p`` for the group: ``p = 1 - (1 - S)^n``.

    Parameters
    ----------
    log_survival
        Natural logarithm of S, the probability that one token is at least as surprising; <= 0.
    lengths
        Independent tokens in each group, >= 1.
    """
    survival = np.minimum(np.exp(log_survival), 1.0 - 1e-12)
    direct = -np.log10(np.maximum(-np.expm1(lengths * np.log1p(-survival)), 1e-300))
    # For a tiny S the power is n S, which only logarithms can hold.
    remote: Floats = -(log_survival + np.log(lengths)) / np.log(10.0)
    return np.where(log_survival + np.log(lengths) < -30.0, remote, np.maximum(direct, 0.0))


def binned(
    largest: Floats, lengths: Integers, reference: Floats, reference_lengths: Integers
) -> Floats:
    """Give ``-log10 p`` by rank among reference groups of about the same length.

    Parameters
    ----------
    largest, lengths
        Largest surprise and tokens of the groups to judge.
    reference, reference_lengths
        The same of ordinary groups.

    Returns
    -------
    numpy.ndarray
        NaN where fewer than ``MIN_BIN`` reference groups have the same ``floor(log2 n)``.
    """
    out = np.full(len(largest), np.nan)
    bins, reference_bins = length_bin(lengths), length_bin(reference_lengths)
    for number in np.unique(bins):
        peers = np.sort(reference[reference_bins == number])
        if len(peers) < MIN_BIN:
            continue
        mine = bins == number
        above = len(peers) - np.searchsorted(peers, largest[mine], side="left")
        out[mine] = -np.log10((above + 1.0) / (len(peers) + 1.0))
    return out


def length_bin(lengths: Integers) -> Integers:
    """Give ``floor(log2 n)`` in whole numbers.

    Parameters
    ----------
    lengths
        Counts, ``>= 1``.
    """
    return np.frexp(np.asarray(lengths, dtype=np.float64))[1].astype(np.int64) - 1


def aggregate(surprises: Floats, offsets: Integers, how: str) -> Floats:
    """Give one number a group.

    Parameters
    ----------
    surprises
        Of every token, groups end to end.
    offsets
        Where each group starts, and the end; no group is empty.
    how
        One of ``AGGREGATIONS`` but ``calibrated``, which needs a ``LengthCalibration``.

    Raises
    ------
    UsageError
        When there is no such aggregation.
    """
    simple = AGGREGATIONS[:-1]
    if how not in simple:
        message = f"an aggregation must be one of {', '.join(simple)}, got {how!r}; choose one"
        raise UsageError(message)
    out = np.empty((len(offsets) - 1, len(simple)))
    _aggregate(
        np.ascontiguousarray(surprises, np.float64), np.ascontiguousarray(offsets, np.int64), out
    )
    return np.ascontiguousarray(out[:, simple.index(how)])


def most_surprising(surprises: Floats, offsets: Integers) -> Integers:
    """Give the place of each group's most surprising token, the first of equals.

    Parameters
    ----------
    surprises
        Of every token, groups end to end.
    offsets
        Where each group starts, and the end; no group is empty.
    """
    places = np.empty(len(offsets) - 1, np.int64)
    _places(surprises, np.ascontiguousarray(offsets, np.int64), places)
    return places


def distinct_windows(words: Integers, offsets: Integers, context: int = 10) -> Floats:
    """Count each group's distinct (context, token) windows; a repeat is not a new chance to surprise.

    Parameters
    ----------
    words
        Token numbers, groups end to end.
    offsets
        Where each group starts, and the end; no group is empty.
    context
        Tokens of the same group before a token that belong to its window.
    """
    out = np.empty(len(offsets) - 1)
    _distinct_windows(
        np.ascontiguousarray(words, np.int64),
        np.ascontiguousarray(offsets, np.int64),
        context,
        out,
    )
    return out


@njit(cache=True, nogil=True)
def _aggregate(surprises: Floats, offsets: Integers, out: Floats) -> None:  # pragma: no cover
    for group in range(len(offsets) - 1):
        ordered = np.sort(surprises[offsets[group] : offsets[group + 1]])
        n = len(ordered)
        total = 0.0
        for i in range(n):
            total += ordered[i]
        rank = 0.9 * (n - 1)
        below = int(rank)
        above = min(below + 1, n - 1)
        top = min(3, n)
        most = 0.0
        for i in range(n - top, n):
            most += ordered[i]
        out[group, 0] = ordered[n - 1]
        out[group, 1] = total / n
        out[group, 2] = ordered[below] + (rank - below) * (ordered[above] - ordered[below])
        out[group, 3] = most / top
        out[group, 4] = total


@njit(cache=True, nogil=True)
def _places(surprises: Floats, offsets: Integers, out: Integers) -> None:  # pragma: no cover
    for group in range(len(offsets) - 1):
        place = offsets[group]
        for i in range(offsets[group], offsets[group + 1]):
            if surprises[i] > surprises[place]:
                place = i
        out[group] = place


@njit(cache=True, nogil=True)
def _distinct_windows(
    words: Integers, offsets: Integers, context: int, out: Floats
) -> None:  # pragma: no cover
    for group in range(len(offsets) - 1):
        start, end = offsets[group], offsets[group + 1]
        keys = np.empty(end - start, np.uint64)
        for i in range(start, end):
            state = np.uint64(0xCBF29CE484222325)
            for j in range(max(start, i - context), i + 1):
                state = (state ^ np.uint64(words[j] + 2)) * np.uint64(0x9E3779B97F4A7C15)
                state ^= state >> np.uint64(29)
            keys[i - start] = state
        keys.sort()
        kinds = 1.0
        for i in range(1, len(keys)):
            if keys[i] != keys[i - 1]:
                kinds += 1.0
        out[group] = kinds


def parts(calibration: LengthCalibration) -> tuple[Floats, Floats]:
    """Give a calibration as two arrays: values with survival, and the tail.

    Parameters
    ----------
    calibration
        What to save.
    """
    tail = [calibration.level, calibration.share, calibration.shape, calibration.scale]
    return np.stack([calibration.values, calibration.survival]), np.array(tail)


def from_parts(table: NDArray[np.float64], tail: NDArray[np.float64]) -> LengthCalibration:
    """Build a calibration from ``parts``.

    Parameters
    ----------
    table
        Shape ``(2, m)``: values and survival.
    tail
        Level, share, shape and scale of the tail.

    Raises
    ------
    UsageError
        When no calibration gives such arrays.
    """
    sound = (
        table.ndim == 2
        and table.shape[0] == 2
        and table.shape[1] > 0
        and bool((table[1] > 0).all())
        and bool((np.diff(table[0]) >= 0).all())
        and tail.shape == (4,)
        and tail[3] > 0
        and (not np.isfinite(tail[0]) or 0 < tail[1] <= 1)
    )
    if not sound:
        message = (
            f"a length calibration needs two rising rows and a tail of four, got {table.shape} and "
            f"{tail.shape}; learn the model again"
        )
        raise UsageError(message)
    level, share, shape, scale = (float(value) for value in tail)
    return LengthCalibration(table[0], table[1], level, share, shape, scale)
