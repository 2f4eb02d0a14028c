"""Gaussians: one whose fit ignores outliers, and a mixture of several.

What belongs here: distances and likelihoods of rows. What does not: the fits, which are scikit-learn's.
"""

from __future__ import annotations

import math
import warnings
from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import refuse_model
from eddyline.detectors.scaling import draw_rows
from eddyline.errors import UsageError
from eddyline.tables import Floats

MOST_ROWS = 50_000
"""Rows that a Gaussian is fitted on at most, drawn at random."""

RIDGE = 1e-3
"""Variance added to every column, in squared scaled units: constant and dependent columns stay finite."""


class RobustCovariance(ScaledDetector):
    """Score rows by their Mahalanobis distance under a covariance that outliers did not shape.

    Rows of shape ``(n, d)`` in, squared distances >= 0 out. The covariance is that of the subset of rows
    whose determinant is smallest; where columns are more than a fifth of the rows or nearly dependent, that
    fit is unstable and the shrunk covariance of all rows with clipped columns stands in its place
    (``shrunk_`` tells).

    Parameters
    ----------
    support
        Share of the rows that the subset holds, in (0.5, 1].
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Rousseeuw, Van Driessen, "A fast algorithm for the minimum covariance determinant estimator",
    Technometrics 1999, doi:10.1080/00401706.1999.10485670; Ledoit, Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", 2004, doi:10.1016/S0047-259X(03)00096-4.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = RobustCovariance().fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("centre_", "scale_", "mean_", "whitening_", "shrunk_")

    mean_: Floats
    whitening_: Floats
    shrunk_: Floats

    def __init__(self, *, support: float = 0.75, scaling: str = "robust", seed: int = 0) -> None:
        self.support = support
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.covariance import MinCovDet, ledoit_wolf

        if not 0.5 < self.support <= 1:
            message = f"support must be in (0.5, 1], got {self.support}; 0.75 is usual"
            raise UsageError(message)
        rows = draw_rows(Z, self.seed)[:MOST_ROWS] if len(Z) > MOST_ROWS else Z
        n, d = rows.shape
        values = np.linalg.eigvalsh(np.cov(rows.T).reshape(d, d))
        unstable = d > n / 5 or values[0] <= 1e-6 * max(values[-1], 1e-12)
        if unstable:
            cut = np.clip(rows, *np.quantile(rows, (0.01, 0.99), axis=0))
            covariance = ledoit_wolf(cut)[0] if n > 1 else np.eye(d)
            self.mean_ = cut.mean(axis=0)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", RuntimeWarning
                )  # a determinant that rose by rounding
                model = MinCovDet(support_fraction=self.support, random_state=self.seed).fit(rows)
            covariance, self.mean_ = model.covariance_, np.asarray(model.location_)
        self.shrunk_ = np.array([float(unstable)])
        self.whitening_ = _whitening(covariance)

    def _score_scaled(self, Z: Floats) -> Floats:
        out = np.empty(len(Z))
        _squares(Z, self.mean_, self.whitening_, out)
        return out

    def _restore_own(self) -> None:
        d = self.n_features_in_
        self.mean_ = self._finite("mean_", (d,))
        self.whitening_ = self._finite("whitening_", (d, d))
        self.shrunk_ = self._finite("shrunk_", (1,))


class GaussianMixtureDensity(ScaledDetector):
    """Score rows by how unlikely they are under a mixture of Gaussians.

    Rows of shape ``(n, d)`` in, -log densities out, in nats of scaled units. Fitted by expectation
    maximisation with k-means++ starts. Attacks that fill a component look usual.

    Parameters
    ----------
    n_components
        Gaussians, >= 1; fewer where there are fewer than ten rows for each.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Dempster, Laird, Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977; fitted by
    scikit-learn.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = GaussianMixtureDensity(n_components=2).fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("centre_", "scale_", "means_", "whitenings_"),
        "weights_",
    )

    means_: Floats
    whitenings_: Floats
    weights_: Floats

    def __init__(self, *, n_components: int = 8, scaling: str = "robust", seed: int = 0) -> None:
        self.n_components = n_components
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.mixture import GaussianMixture

        if self.n_components < 1:
            message = f"n_components must be >= 1, got {self.n_components}; 8 is usual"
            raise UsageError(message)
        rows = draw_rows(Z, self.seed)[:MOST_ROWS] if len(Z) > MOST_ROWS else Z
        distinct = len(np.unique(rows, axis=0))
        n_components = max(1, min(self.n_components, len(rows) // 10, distinct))
        model = GaussianMixture(
            n_components, reg_covar=RIDGE, init_params="k-means++", random_state=self.seed
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred steps are near enough
            model.fit(rows)
        self.means_ = np.ascontiguousarray(model.means_, dtype=np.float64)
        self.whitenings_ = np.stack(
            [_whitening(c - RIDGE * np.eye(len(c))) for c in model.covariances_]
        )
        self.weights_ = np.asarray(model.weights_, dtype=np.float64)

    def _score_scaled(self, Z: Floats) -> Floats:
        logs = np.array(
            [
                math.log(max(weight, 1e-300))
                + float(np.log(np.abs(np.diag(white))).sum())
                - 0.5 * len(white) * math.log(2 * math.pi)
                for weight, white in zip(self.weights_, self.whitenings_, strict=True)
            ]
        )
        out = np.empty(len(Z))
        _mixture(Z, self.means_, self.whitenings_, logs, out)
        return out

    def _restore_own(self) -> None:
        d = self.n_features_in_
        self.means_ = self._finite("means_", (-1, d))
        self.whitenings_ = self._finite("whitenings_", (len(self.means_), d, d))
        self.weights_ = self._finite("weights_", (len(self.means_),))
        if not (self.weights_ >= 0).all() or not (np.abs(self.whitenings_).max() > 0):
            raise refuse_model(self, "has weights >= 0", self.weights_.min())


def _whitening(covariance: Floats) -> Floats:
    """Give the lower triangle W for which W (x - mean) has unit covariance."""
    ridged = covariance + RIDGE * np.eye(len(covariance))
    root = np.linalg.cholesky(ridged)
    white: Floats = np.ascontiguousarray(np.tril(np.linalg.solve(root, np.eye(len(root)))))
    return white


@njit(cache=True, nogil=True)
def _square(row: Floats, mean: Floats, white: Floats) -> float:  # pragma: no cover
    total = 0.0
    for a in range(white.shape[0]):
        value = 0.0
        for b in range(a + 1):
            value += white[a, b] * (row[b] - mean[b])
        total += value * value
    return total


@njit(cache=True, nogil=True)
def _squares(Z: Floats, mean: Floats, white: Floats, out: Floats) -> None:  # pragma: no cover
    for i in range(Z.shape[0]):
        out[i] = _square(Z[i], mean, white)


@njit(cache=True, nogil=True)
def _mixture(
    Z: Floats, means: Floats, whites: Floats, logs: Floats, out: Floats
) -> None:  # pragma: no cover
    parts = np.empty(len(logs))
    for i in range(Z.shape[0]):
        top = -np.inf
        for c in range(len(logs)):
            parts[c] = logs[c] - 0.5 * _square(Z[i], means[c], whites[c])
            top = max(top, parts[c])
        total = 0.0
        for c in range(len(logs)):
            total += math.exp(parts[c] - top)
        out[i] = -(top + math.log(total))
