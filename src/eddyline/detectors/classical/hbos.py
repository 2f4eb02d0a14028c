"""Histograms of single columns: rows in thin bins are strange.

What belongs here: the bins and the sum of their rarities. What does not: empirical tails (``ecdf.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.errors import UsageError
from eddyline.tables import Floats


class HBOS(MatrixDetector):
    """Score rows by the summed -log2 density of their values' bins.

    Rows of shape ``(n, d)`` in, scores out, in bits. Each column has bins of equal width over the training
    range, its densities divided by the highest. A value outside the range is scored as an empty bin, less by
    how many ranges it lies away, so that far is stranger than near. Blind to combinations, and to shape
    within a bin: heavy-tailed columns want a logarithm first (``scaling``).

    Parameters
    ----------
    n_bins
        Bins of each column, >= 2.
    alpha
        Density given to every bin on top, in (0, 1): an empty one scores ``-log2(alpha)``.
    logarithm
        True to take ``sign(x) log1p(|x|)`` of every value first.
    seed
        Ignored; nothing is random. It stands here for the contract.

    References
    ----------
    Goldstein, Dengel, "Histogram-based outlier score (HBOS): a fast unsupervised anomaly detection
    algorithm", KI 2012 poster track. The published rule for values outside the range is ours.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = HBOS().fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("low_", "high_", "bits_")

    low_: Floats
    high_: Floats
    bits_: Floats

    def __init__(
        self, *, n_bins: int = 10, alpha: float = 0.1, logarithm: bool = True, seed: int = 0
    ) -> None:
        self.n_bins = n_bins
        self.alpha = alpha
        self.logarithm = logarithm
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        if self.n_bins < 2 or not 0 < self.alpha < 1:
            message = (
                f"n_bins must be >= 2 and alpha in (0, 1), got {self.n_bins} and {self.alpha}; the "
                "defaults are 10 and 0.1"
            )
            raise UsageError(message)
        Z = self._prepared(X)
        self.low_, self.high_ = Z.min(axis=0), Z.max(axis=0)
        self.bits_ = np.empty((X.shape[1], self.n_bins))
        for j, column in enumerate(Z.T):
            width = self.high_[j] - self.low_[j]
            places = np.zeros(len(Z), np.int64)
            if width > 0:
                unit = (column - self.low_[j]) / width
                places = np.minimum((unit * self.n_bins).astype(np.int64), self.n_bins - 1)
            counts = np.bincount(places, minlength=self.n_bins)
            self.bits_[j] = -np.log2(counts / counts.max() + self.alpha)

    def _score(self, X: Floats) -> Floats:
        out = np.empty(len(X))
        empty = -math.log2(self.alpha)
        _bits(self._prepared(X), self.low_, self.high_, self.bits_, empty, out)
        return out

    def _prepared(self, X: Floats) -> Floats:
        if not self.logarithm:
            return X
        Z: Floats = np.copysign(np.log1p(np.abs(X)), X)
        return Z

    def _restore(self) -> None:
        width = self.n_features_in_
        if self.low_.shape != (width,) or self.high_.shape != (width,):
            raise refuse_model(self, f"has ranges of {width} columns", self.low_.shape)
        if self.bits_.shape != (width, self.n_bins):
            raise refuse_model(self, f"has {self.n_bins} bins a column", self.bits_.shape)
        for name in ("low_", "high_", "bits_"):
            part = np.ascontiguousarray(getattr(self, name), dtype=np.float64)
            if not np.isfinite(part).all():
                raise refuse_model(self, f"has a finite {name}", "infinity")
            setattr(self, name, part)


@njit(cache=True, nogil=True)
def _bits(
    Z: Floats, low: Floats, high: Floats, bits: Floats, empty: float, out: Floats
) -> None:  # pragma: no cover
    n_bins = bits.shape[1]
    for i in range(Z.shape[0]):
        total = 0.0
        for j in range(Z.shape[1]):
            value, width = Z[i, j], high[j] - low[j]
            if value < low[j] or value > high[j]:
                away = low[j] - value if value < low[j] else value - high[j]
                total += empty + math.log2(1.0 + (away / width if width > 0 else away))
            elif width > 0:
                place = int((value - low[j]) / width * n_bins)
                total += bits[j, min(place, n_bins - 1)]
            else:
                total += bits[j, 0]
        out[i] = total
