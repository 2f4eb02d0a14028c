"""The scale that densities are learned on: logarithms, a floor under the spread, a clip.

What belongs here: turning rows into scaled ones and scaled values back. What does not: the winsorised scale
of distances and forests (``detectors/scaling.py``).

It decides as much as the model. On plain z-scores of heavy tails the largest energies have a tail of shape
one, the fence that rejects rows stands at thousands, and no row is ever rejected.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.scaling import LARGEST_LOG, signed_log
from eddyline.errors import UsageError
from eddyline.tables import Floats

SPREAD_FLOOR: Final = 0.05
"""Least spread of a column: a rare one-hot must not explode."""

CLIP: Final = 8.0
"""Scaled values are cut at this on either side."""

Preprocessing = Literal["log", "standard"]
"""Signed logarithm, floor and clip; or the plain z-scores of the published experiment."""


@dataclass(frozen=True, slots=True)
class DensityScale:
    """Centre and spread of each column.

    Parameters
    ----------
    centre, spread
        Mean and standard deviation of the training rows, after the logarithm; shape ``(d,)``.
    logged
        Whether a column is taken as ``sign(x) log1p(|x|)``; those of 0 and 1 alone are not, shape ``(d,)``.
    limit
        Where scaled values are cut, > 0.
    """

    centre: Floats
    spread: Floats
    logged: NDArray[np.bool_]
    limit: float

    @classmethod
    def of(cls, X: Floats, preprocessing: str = "log") -> DensityScale:
        """Learn the scale from training rows, attacks among them included.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite, n >= 1.
        preprocessing
            ``log``, or ``standard`` for plain z-scores without logarithm, floor and clip.

        Raises
        ------
        UsageError
            When the name is unknown.
        """
        if preprocessing not in ("log", "standard"):
            message = (
                f"preprocessing must be log or standard, got {preprocessing!r}; log is the default"
            )
            raise UsageError(message)
        plain = preprocessing == "standard"
        logged = np.zeros(X.shape[1], np.bool_) if plain else ~((X == 0) | (X == 1)).all(axis=0)
        values = np.where(logged, signed_log(X), X)
        spread = values.std(axis=0)
        if plain:
            spread[spread == 0] = 1.0
            return cls(values.mean(axis=0), spread, logged, float(np.finfo(np.float32).max) / 1e20)
        return cls(values.mean(axis=0), np.maximum(spread, SPREAD_FLOOR), logged, CLIP)

    def apply(self, X: Floats) -> NDArray[np.float32]:
        """Give scaled rows as float32.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, C-ordered, finite.
        """
        out = np.empty(X.shape, np.float32)
        _apply(X, self.centre, self.spread, self.logged, self.limit, out)
        return out

    def invert(self, scaled: Floats) -> Floats:
        """Give the raw values behind scaled ones.

        Parameters
        ----------
        scaled
            Shape ``(n, d)``.
        """
        values = np.clip(scaled, -self.limit, self.limit) * self.spread + self.centre
        cut = np.clip(values, -LARGEST_LOG, LARGEST_LOG)
        raw: Floats = np.where(self.logged, np.sign(cut) * np.expm1(np.abs(cut)), values)
        return raw


@njit(cache=True, nogil=True)
def _apply(
    X: Floats,
    centre: Floats,
    spread: Floats,
    logged: NDArray[np.bool_],
    limit: float,
    out: NDArray[np.float32],
) -> None:  # pragma: no cover
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = X[i, j]
            if logged[j]:
                value = math.copysign(math.log1p(abs(value)), value)
            out[i, j] = min(max((value - centre[j]) / spread[j], -limit), limit)
