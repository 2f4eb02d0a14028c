"""Per-feature tails: a row is strange by how rare each of its values is on its own.

What belongs here: the tail probabilities of single columns and their sum. What does not: anything that needs
two columns at once.
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.scaling import CELL, RobustScale, cell_counts, draw_rows, signed_log
from eddyline.tables import Floats

KNOTS = 512
"""Ranks kept of each column: the 128 outermost on either side exactly, the rest evenly spaced."""

EXACT_TAIL = 128

SKEWED = 0.5
"""Absolute skewness from which only a column's long tail counts inside the training range."""


class Tails(MatrixDetector):
    """Score rows by the summed squares of their values' rarity, column by column.

    Rows of shape ``(n, d)`` in, scores >= 0 out, in nats². A value's rarity is ``-log`` of its tail
    probability among the training rows, where m near-copies count as √m: the long tail of a skewed column,
    the nearer tail of an even one. Beyond the training range the tail goes on as an exponential in robust
    log units, so ten times the largest value is stranger than 1.1 times it. The rarities are summed as
    squares, so that many ordinary columns do not drown an extraordinary one. A row is scored by the training
    distribution alone, unlike the published code, which ranks it among the rows beside it. Blind to
    combinations of ordinary values.

    Parameters
    ----------
    seed
        Start of the randomness that draws training rows when there are more than 200,000.

    References
    ----------
    Li, Zhao, Hu, Botta, Ionescu, Chen, "ECOD: Unsupervised outlier detection using empirical cumulative
    distribution functions", TKDE 2022, doi:10.1109/TKDE.2022.3159580. We depart from it in the extrapolation,
    the squares and the de-duplication.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> near, far = Tails().fit(crowd).anomaly_score([[9.0, 0.0, 0.0], [90.0, 0.0, 0.0]])
    >>> bool(far > near)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("knots_", "left_", "right_", "side_", "scale_")

    knots_: Floats
    left_: Floats
    right_: Floats
    side_: NDArray[np.int64]
    scale_: Floats

    def __init__(self, *, seed: int = 0) -> None:
        self.seed = seed

    def feature_scores(self, X: ArrayLike) -> Floats:
        """Give each value's part of the score, shape ``(n, d)``; the parts of a row sum to its score.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite.
        """
        check_is_fitted(self)
        return self._parts(self._checked(X, reset=False))

    def _fit(self, X: Floats) -> None:
        rows = draw_rows(X, self.seed)
        scale = RobustScale.of(rows)
        self.scale_ = scale.scale
        weights = 1.0 / np.sqrt(cell_counts(scale.apply(rows), CELL))
        logs = signed_log(rows)
        ranks = _ranks(len(rows))
        self.knots_ = np.empty((X.shape[1], len(ranks)))
        self.left_ = np.empty_like(self.knots_)
        self.right_ = np.empty_like(self.knots_)
        for column in range(X.shape[1]):
            order = np.argsort(logs[:, column], kind="stable")
            values, below = logs[order, column], np.concatenate([[0.0], np.cumsum(weights[order])])
            knots = values[ranks]
            knots[0], knots[-1] = signed_log(np.array([X[:, column].min(), X[:, column].max()]))
            self.knots_[column] = knots
            one, all_rows = below[-1] / len(rows), below[-1]
            at_most = below[np.searchsorted(values, knots, side="right")]
            at_least = all_rows - below[np.searchsorted(values, knots, side="left")]
            self.left_[column] = -np.log((np.maximum(at_most, 0.0) + one) / (all_rows + one))
            self.right_[column] = -np.log((np.maximum(at_least, 0.0) + one) / (all_rows + one))
        unit = np.clip((logs - scale.centre) / scale.scale, -4.0, 4.0)
        unit -= unit.mean(axis=0)
        skewness = (unit**3).mean(axis=0) / np.maximum((unit**2).mean(axis=0), 1e-12) ** 1.5
        self.side_ = np.where(np.abs(skewness) < SKEWED, 0, np.sign(skewness)).astype(np.int64)

    def _parts(self, X: Floats) -> Floats:
        parts = np.empty_like(X)
        _rarity(
            X,
            self.knots_,
            self.left_,
            self.right_,
            self.side_,
            self.scale_,
            parts,
        )
        return parts

    def _score(self, X: Floats) -> Floats:
        scores = np.empty(len(X))
        _row_sums(self._parts(X), scores)
        return scores

    def _restore(self) -> None:
        shape = self.knots_.shape
        width = (self.n_features_in_,)
        if len(shape) != 2 or shape[:1] != width or shape[1] < 1:
            raise refuse_model(self, f"has knots of {width[0]} columns", shape)
        if self.left_.shape != shape or self.right_.shape != shape:
            raise refuse_model(
                self, f"has tails of shape {shape}", (self.left_.shape, self.right_.shape)
            )
        if self.side_.shape != width or self.scale_.shape != width or not (self.scale_ > 0).all():
            raise refuse_model(self, f"has {width[0]} sides and positive scales", self.side_.shape)
        if not all(np.isfinite(part).all() for part in (self.knots_, self.left_, self.right_)):
            raise refuse_model(self, "has finite knots and tails", "infinity")
        self.side_ = self.side_.astype(np.int64)


def _ranks(n: int) -> NDArray[np.int64]:
    """Choose the ranks to keep of n sorted values: the outermost exactly, both ends included."""
    if n <= KNOTS:
        return np.arange(n, dtype=np.int64)
    inside = np.linspace(EXACT_TAIL, n - 1 - EXACT_TAIL, KNOTS - 2 * EXACT_TAIL).astype(np.int64)
    return np.concatenate(
        [np.arange(EXACT_TAIL), inside, np.arange(n - EXACT_TAIL, n)],
        dtype=np.int64,
        casting="same_kind",
    )


@njit(cache=True, nogil=True)
def _rarity(
    X: Floats,
    knots: Floats,
    left: Floats,
    right: Floats,
    side: NDArray[np.int64],
    scale: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    last = knots.shape[1] - 1
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            value = math.copysign(math.log1p(abs(X[i, j])), X[i, j])
            if value > knots[j, last]:
                rare = right[j, last] + (value - knots[j, last]) / scale[j]
            elif value < knots[j, 0]:
                rare = left[j, 0] + (knots[j, 0] - value) / scale[j]
            else:
                # The first knot at or above the value: its right tail is no larger than the value's own.
                low, high = 0, last
                while low < high:
                    middle = (low + high) // 2
                    if knots[j, middle] < value:
                        low = middle + 1
                    else:
                        high = middle
                above = low
                below = low if knots[j, low] == value else low - 1
                upper, lower = right[j, below], left[j, above]
                if side[j] > 0:
                    rare = upper
                elif side[j] < 0:
                    rare = lower
                else:
                    rare = max(upper, lower) - 0.6931471805599453
            out[i, j] = max(0.0, rare) ** 2


@njit(cache=True, nogil=True)
def _row_sums(parts: Floats, out: Floats) -> None:  # pragma: no cover
    for i in range(parts.shape[0]):
        total = 0.0
        for j in range(parts.shape[1]):
            total += parts[i, j]
        out[i] = total
