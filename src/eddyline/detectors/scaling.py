"""Bring columns of any unit onto one robust scale, and find rows that say the same.

What belongs here: the log-and-scale step that distances and grids stand on, and de-duplication. What does
not: scores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats, Integers

SCALE_FLOOR = 0.05
"""Least scale of a column in log units: a nearly constant column must not explode."""

CLIP = 8.0
"""Scaled distance from which a column grows only by its logarithm."""

CELL = 0.1
"""Width in robust units within which rows are near-copies, m of which count as the square root of m: a
cluster that fills the training data loses most of its weight, and where there are few columns, so that
normal rows share cells too, the shape of normal stays. Wider cells cost AUC on clean NSL-KDD
rows and gain nothing."""

MOST_ROWS = 200_000
"""Training rows, drawn at random, that forests, neighbours and tails learn from: bounds memory and time."""

SCALE_ROWS = 100_000
"""Training rows, evenly spaced, that the scale is learned from."""

LARGEST_LOG = 709.0
"""Largest logarithm of a float64."""

WINSOR = (0.01, 0.99)
"""Levels at which training values are cut before their mean and deviation are taken."""


@dataclass(frozen=True, slots=True)
class RobustScale:
    """Hold a centre and a scale for each column, in signed-log units.

    Parameters
    ----------
    centre
        Shape ``(d,)``, winsorised mean of ``sign(x) log1p(|x|)``.
    scale
        Shape ``(d,)``, winsorised standard deviation, at least ``SCALE_FLOOR``.
    """

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, X: Floats) -> RobustScale:
        """Learn centre and scale from training rows.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``, finite, n >= 1.
        """
        step = max(1, len(X) // SCALE_ROWS)
        logs = signed_log(X[::step])
        low, high = np.quantile(logs, WINSOR, axis=0)
        cut = np.clip(logs, low, high)
        return cls(cut.mean(axis=0), np.maximum(cut.std(axis=0), SCALE_FLOOR))

    def apply(self, X: Floats) -> Floats:
        """Give rows in robust units: (signed log - centre) / scale, linear to 8, logarithmic beyond.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, C-ordered, finite.
        """
        out = np.empty_like(X)
        _scale(X, self.centre, self.scale, out)
        return out

    def invert(self, value: Floats, column: NDArray[np.integer]) -> Floats:
        """Give the raw values that ``apply`` turns into the given scaled ones, at most about 8e307.

        Parameters
        ----------
        value
            Scaled values, shape ``(m,)``.
        column
            Column of each value, shape ``(m,)``.
        """
        size = np.abs(value)
        size = np.where(size > CLIP, CLIP + np.expm1(np.clip(size - CLIP, 0.0, 20.0)), size)
        logs = np.sign(value) * size * self.scale[column] + self.centre[column]
        logs = np.clip(logs, -LARGEST_LOG, LARGEST_LOG)
        raw: Floats = np.sign(logs) * np.expm1(np.abs(logs))
        return raw


def signed_log(X: Floats) -> Floats:
    """Give ``sign(x) log1p(|x|)`` of every value.

    Parameters
    ----------
    X
        Any shape, finite.
    """
    logs: Floats = np.sign(X) * np.log1p(np.abs(X))
    return logs


def draw_rows(X: Floats, seed: int) -> Floats:
    """Give at most ``MOST_ROWS`` rows, in their order, each with the same chance.

    Parameters
    ----------
    X
        Rows, shape ``(n, d)``, C-ordered.
    seed
        Start of the randomness.
    """
    if len(X) <= MOST_ROWS:
        return X
    chosen = np.random.default_rng(seed).choice(len(X), MOST_ROWS, replace=False)
    return np.ascontiguousarray(X[np.sort(chosen)])


def distinct_rows(X: Floats) -> tuple[Integers, Integers]:
    """Find the first row of each set of equal rows, and how many rows each set has.

    Rows are compared by a 64-bit hash of their bits: two different rows fall together with a probability of
    about n²/2⁶⁵, and the cost would be one training row.

    Parameters
    ----------
    X
        Rows, shape ``(n, d)``, C-ordered, finite.

    Returns
    -------
    tuple
        Row numbers in rising order, and the size of the set of each.
    """
    _, first, counts = np.unique(_hash_rows(X), return_index=True, return_counts=True)
    order = np.argsort(first)
    return first[order].astype(np.int64), counts[order].astype(np.int64)


def cell_counts(Z: Floats, width: float) -> Integers:
    """Give, for each row, how many rows share its cell of a grid, itself included.

    Parameters
    ----------
    Z
        Scaled rows, shape ``(n, d)``.
    width
        Width of a cell in scaled units, > 0.
    """
    cells = _hash_rows(np.round(Z / width))
    _, member, counts = np.unique(cells, return_inverse=True, return_counts=True)
    return counts[member].astype(np.int64)


def distinct_cells(Z: Floats, width: float) -> tuple[Integers, Integers]:
    """Find the first row of each cell of a grid, so that near-copies count as one.

    Parameters
    ----------
    Z
        Scaled rows, shape ``(n, d)``.
    width
        Width of a cell in scaled units, > 0.

    Returns
    -------
    tuple
        Row numbers in rising order, and how many rows share the cell of each.
    """
    return distinct_rows(np.round(Z / width))


@njit(cache=True, nogil=True)
def _scale(X: Floats, centre: Floats, scale: Floats, out: Floats) -> None:  # pragma: no cover
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            log = math.copysign(math.log1p(abs(value)), value)
            unit = (log - centre[j]) / scale[j]
            if unit > 8.0:
                unit = 8.0 + math.log1p(unit - 8.0)
            elif unit < -8.0:
                unit = -8.0 - math.log1p(-8.0 - unit)
            out[i, j] = unit


@njit(cache=True, nogil=True)
def _hash_bits(bits: NDArray[np.uint64], out: NDArray[np.uint64]) -> None:  # pragma: no cover
    for i in range(bits.shape[0]):
        state = np.uint64(0x9E3779B97F4A7C15)
        for j in range(bits.shape[1]):
            state = (state ^ bits[i, j]) * np.uint64(0xBF58476D1CE4E5B9)
            state ^= state >> np.uint64(29)
            state = (state + np.uint64(0x94D049BB133111EB)) * np.uint64(0xD6E8FEB86659FD93)
            state ^= state >> np.uint64(32)
        out[i] = state


def _hash_rows(X: Floats) -> NDArray[np.uint64]:
    """Hash each row's bits; -0.0 and 0.0 are one value."""
    bits = np.ascontiguousarray(X + 0.0).view(np.uint64)
    out = np.empty(len(X), np.uint64)
    _hash_bits(bits, out)
    return out
