"""Empirical tails of single columns, learned from training rows: ECOD and COPOD.

What belongs here: the two published ways to add tail probabilities up. What does not: our own tail detector,
which extrapolates beyond the training range (``tails.py``).
"""

from __future__ import annotations

import itertools
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.tables import Floats, Integers

BLOCK = 512
"""Rows that search one column before the next is fetched: their places stay in the cache."""


class _Empirical(MatrixDetector):
    """Hold the distinct values of each column with -log of both tails there."""

    _arrays: ClassVar[tuple[str, ...]] = (
        *("values_", "left_", "right_", "starts_", "skew_"),
        "n_rows_",
    )

    _copula: ClassVar[bool]
    """True to average the two tails (COPOD) rather than compare them (ECOD)."""

    values_: Floats
    left_: Floats
    right_: Floats
    starts_: Integers
    skew_: Floats
    n_rows_: Integers

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        n = len(X)
        values, left, right = [], [], []
        for column in X.T:
            distinct, counts = np.unique(column, return_counts=True)
            at_most = np.cumsum(counts)
            values.append(distinct)
            left.append(-np.log(at_most / n))
            right.append(-np.log((n - at_most + counts) / n))
        self.values_, self.left_, self.right_ = (
            np.concatenate(part) for part in (values, left, right)
        )
        self.starts_ = np.cumsum([0, *map(len, values)]).astype(np.int64)
        centred = X - X.mean(axis=0)
        spread = (centred**2).mean(axis=0)
        flat = spread <= (np.finfo(np.float64).eps * X.mean(axis=0)) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            skew = (centred**3).mean(axis=0) / spread**1.5
        self.skew_ = np.sign(np.where(flat, 0.0, skew))
        self.n_rows_ = np.array([n], dtype=np.int64)

        self._index()

    def _score(self, X: Floats) -> Floats:
        out = np.zeros(len(X))
        _tail_sums(X, self.values_, self.starts_, self._worth, out)
        return out

    def _index(self) -> None:
        """Lay down what a value adds to a row's sum: before, at and after each training value in turn."""
        beyond = np.array([np.log(1.0 + self.n_rows_[0])])
        worth = np.empty(2 * len(self.values_) + len(self.skew_))
        for j, (low, high) in enumerate(itertools.pairwise(self.starts_)):
            left, right = self.left_[low:high], self.right_[low:high]
            own = worth[2 * low + j : 2 * high + j + 1]
            own[1::2] = self._rarity(left, right, self.skew_[j])
            lower, upper = np.concatenate([beyond, left]), np.concatenate([right, beyond])
            own[::2] = self._rarity(lower, upper, self.skew_[j])
        self._worth = worth

    def _rarity(self, lower: Floats, upper: Floats, skew: float) -> Floats:
        """Join the two tails as the method does."""
        by_skew = lower if skew < 0 else upper if skew > 0 else lower + upper
        both = (lower + upper) / 2.0 if self._copula else np.maximum(lower, upper)
        joined: Floats = np.maximum(by_skew, both)
        return joined

    def _restore(self) -> None:
        starts: NDArray[np.int64] = np.ascontiguousarray(self.starts_, dtype=np.int64)
        n = len(self.values_)
        if starts.shape != (self.n_features_in_ + 1,) or starts[0] != 0 or starts[-1] != n:
            raise refuse_model(self, f"has tables of {self.n_features_in_} columns", starts.shape)
        if (np.diff(starts) < 1).any() or self.skew_.shape != (self.n_features_in_,):
            raise refuse_model(self, "has a value and a skew for each column", self.skew_.shape)
        if self.n_rows_.shape != (1,) or self.n_rows_[0] < 1:
            raise refuse_model(self, "has one number of training rows", self.n_rows_)
        for name in ("values_", "left_", "right_", "skew_"):
            part = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if not np.isfinite(part).all() or (name != "skew_" and part.shape != (n,)):
                raise refuse_model(self, f"has a finite {name} of length {n}", part.shape)
            setattr(self, name, part)
        self.starts_ = starts
        self._index()


class ECOD(_Empirical):
    """Score rows by the larger of their summed -log tails, column by column, of the training rows.

    Rows of shape ``(n, d)`` in, scores >= 0 out, in nats. A value takes the left tail, the right one, or
    the one on the side of the column's skew, whichever is rarest. The published code ranks a row among the
    rows beside it; here the training rows alone are the distribution, so on training rows the scores agree
    and elsewhere a row's score is its own. Beyond the training range every value is one row rarer than the
    rarest.

    Parameters
    ----------
    seed
        Ignored; nothing is random. It stands here for the contract.

    References
    ----------
    Li, Zhao, Hu, Botta, Ionescu, Chen, "ECOD: Unsupervised outlier detection using empirical cumulative
    distribution functions", TKDE 2022, doi:10.1109/TKDE.2022.3159580.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = ECOD().fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _copula: ClassVar[bool] = False


class COPOD(_Empirical):
    """Score rows by their -log tails under an empirical copula of the training rows.

    Rows of shape ``(n, d)`` in, scores >= 0 out, in nats. A value takes the mean of its two tails or the
    one on the side of the column's skew, whichever is rarer. As ``ECOD``, the training rows alone are the
    distribution, unlike the published code.

    Parameters
    ----------
    seed
        Ignored; nothing is random. It stands here for the contract.

    References
    ----------
    Li, Zhao, Botta, Ionescu, Hu, "COPOD: Copula-based outlier detection", ICDM 2020,
    doi:10.1109/ICDM50108.2020.00135.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = COPOD().fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _copula: ClassVar[bool] = True


@njit(cache=True, nogil=True)
def _tail_sums(
    X: Floats, values: Floats, starts: Integers, worth: Floats, out: Floats
) -> None:  # pragma: no cover
    """Add what each value of a row is worth; each sum runs over the columns in order.

    All rows of a block take one step of the binary search together, and no step branches, so that the
    compiler gathers many at once: six times the rows a second of one search after the other.
    """
    places, asked = np.empty(BLOCK, np.uint32), np.empty(BLOCK)
    for begin in range(0, X.shape[0], BLOCK):
        n = min(BLOCK, X.shape[0] - begin)
        for j in range(X.shape[1]):
            first, end = starts[j], starts[j + 1]
            column = values[first:end]
            parts = worth[2 * first + j : 2 * end + j + 1]
            for i in range(n):
                asked[i], places[i] = X[begin + i, j], 0
            left = np.uint32(end - first)
            while left > 1:
                half = left >> np.uint32(1)
                probe = np.uint64(half) - np.uint64(1)
                for i in range(n):
                    place = np.uint64(places[i])
                    lower = column[place + probe] < asked[i]
                    places[i] = place + np.uint64(half) if lower else place
                left -= half
            for i in range(n):
                place = np.uint64(places[i])
                value = column[place]
                after = np.uint64(value <= asked[i]) + np.uint64(value < asked[i])
                out[begin + i] += parts[np.uint64(2) * place + after]
