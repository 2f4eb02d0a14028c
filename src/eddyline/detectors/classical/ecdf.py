"""Empirical tails of single columns, learned from training rows: ECOD and COPOD.

What belongs here: the two published ways to add tail probabilities up. What does not: our own tail detector,
which extrapolates beyond the training range (``tails.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.tables import Floats, Integers


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

    def _score(self, X: Floats) -> Floats:
        out = np.empty(len(X))
        tables = self.values_, self.left_, self.right_, self.starts_, self.skew_
        _tail_sums(X, tables, self._copula, np.log(1.0 + self.n_rows_[0]), out)
        return out

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
    X: Floats,
    tables: tuple[Floats, Floats, Floats, Integers, Floats],
    copula: bool,
    beyond: float,
    out: Floats,
) -> None:  # pragma: no cover
    values, left, right, starts, skew = tables
    for i in range(X.shape[0]):
        total = 0.0
        for j in range(X.shape[1]):
            low, high = starts[j], starts[j + 1]
            begin, end = low, high
            value = X[i, j]
            while low < high:  # the first training value at or above this one
                middle = (low + high) // 2
                if values[middle] < value:
                    low = middle + 1
                else:
                    high = middle
            if low < end and values[low] == value:
                lower, upper = left[low], right[low]
            else:
                lower = beyond if low == begin else left[low - 1]
                upper = beyond if low == end else right[low]
            by_skew = lower if skew[j] < 0 else upper if skew[j] > 0 else lower + upper
            both = (lower + upper) / 2.0 if copula else max(lower, upper)
            total += max(by_skew, both)
        out[i] = total
