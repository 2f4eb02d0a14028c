"""The trivial rivals every detector must beat: chance, and one column alone.

What belongs here: scores that need no learning. What does not: anything a figure is proud of.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.errors import DataError
from eddyline.tables import Floats


class RandomScore(MatrixDetector):
    """Score rows by chance: a hash of the row and the seed, uniform in [0, 1).

    Rows of shape ``(n, d)`` in. Equal rows get equal scores, and a row's score does not depend on its
    neighbours, so that chance obeys the same contract as everybody else.

    Parameters
    ----------
    seed
        Start of the randomness.

    References
    ----------
    The finaliser is that of Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
    OOPSLA 2014, doi:10.1145/2660193.2660195.

    Examples
    --------
    >>> model = RandomScore(seed=1).fit([[0.0], [1.0]])
    >>> bool(0 <= model.anomaly_score([[5.0]])[0] < 1)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ()

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        """Learn nothing."""

    def _score(self, X: Floats) -> Floats:
        scores = np.empty(len(X))
        _hash_to_unit(
            np.ascontiguousarray(X + 0.0).view(np.uint64), np.uint64(self.seed % 2**63), scores
        )
        return scores


class SingleColumn(MatrixDetector):
    """Score rows by one column alone, such as bytes or fan-out: large is strange.

    Rows of shape ``(n, d)`` in, the column itself out.

    Parameters
    ----------
    column
        Number of the column, in [0, d).
    seed
        Not used; every detector has one.

    References
    ----------
    Bytes alone beat every sequence model between pairs of hosts within one capture in our own measurements,
    which is why it stands here.

    Examples
    --------
    >>> SingleColumn(column=1).fit([[0.0, 1.0], [0.0, 2.0]]).anomaly_score([[5.0, 7.0]])
    array([7.])
    """

    _arrays: ClassVar[tuple[str, ...]] = ("column_",)

    column_: NDArray[np.int64]

    def __init__(self, *, column: int = 0, seed: int = 0) -> None:
        self.column = column
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        if not 0 <= self.column < X.shape[1]:
            message = (
                f"column must be in [0, {X.shape[1]}), got {self.column}; count columns from 0"
            )
            raise DataError(message)
        self.column_ = np.array([self.column], np.int64)

    def _score(self, X: Floats) -> Floats:
        return X[:, int(self.column_[0])].copy()

    def _restore(self) -> None:
        if self.column_.shape != (1,) or not 0 <= self.column_[0] < self.n_features_in_:
            raise refuse_model(self, f"reads a column in [0, {self.n_features_in_})", self.column_)


@njit(cache=True, nogil=True)
def _hash_to_unit(
    bits: NDArray[np.uint64], seed: np.uint64, out: Floats
) -> None:  # pragma: no cover
    for i in range(bits.shape[0]):
        state = seed
        for j in range(bits.shape[1]):
            state = (state ^ bits[i, j]) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state ^= state >> np.uint64(31)
        out[i] = float(state >> np.uint64(11)) * (1.0 / 9007199254740992.0)
