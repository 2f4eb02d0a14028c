"""One-class support vector machines: exact, and by random features.

What belongs here: the margin of a row. What does not: the optimisation, which is scikit-learn's.
"""

from __future__ import annotations

import math
import warnings
from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import refuse_model
from eddyline.errors import UsageError
from eddyline.tables import Floats

MOST_ROWS = 5_000
"""Rows that the exact machine is fitted on at most, drawn at random: its cost grows as their square."""

MOST_ROWS_LINEAR = 100_000
"""The same for random features."""


def _check(nu: float, gamma: float | None) -> None:
    if not 0 < nu <= 1 or (gamma is not None and not gamma > 0):
        message = (
            f"nu must be in (0, 1] and gamma > 0 or None, got {nu} and {gamma}; the defaults are 0.05 "
            "and None, one over the number of columns times their variance"
        )
        raise UsageError(message)


def _gamma(gamma: float | None, Z: Floats) -> float:
    return gamma if gamma is not None else 1.0 / max(Z.shape[1] * float(Z.var()), 1e-12)


def _draw(Z: Floats, most: int, seed: int) -> Floats:
    if len(Z) <= most:
        return Z
    chosen = np.random.default_rng(seed).choice(len(Z), most, replace=False)
    return np.ascontiguousarray(Z[np.sort(chosen)])


class OneClassSVM(ScaledDetector):
    """Score rows by how far they lie outside the smooth region that holds most training rows.

    Rows of shape ``(n, d)`` in, scores out: 0 is the border, positive is outside. Gaussian kernel, exact
    optimisation on at most 5,000 rows. Beyond the reach of the kernel all rows score alike.

    Parameters
    ----------
    nu
        Share of the training rows that may lie outside, in (0, 1].
    gamma
        One over twice the squared width of the kernel, > 0; None for one over columns times variance.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Of the draw where there are more than 5,000 rows.

    References
    ----------
    Schölkopf, Platt, Shawe-Taylor, Smola, Williamson, "Estimating the support of a high-dimensional
    distribution", Neural Computation 2001, doi:10.1162/089976601750264965.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = OneClassSVM().fit(crowd)
    >>> bool(
    ...     model.anomaly_score([[9.0, 9.0, 9.0]])[0]
    ...     > 0
    ...     > model.anomaly_score([[0.0, 0.0, 0.0]])[0]
    ... )
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("centre_", "scale_", "vectors_", "weights_"),
        *("border_", "gamma_"),
    )

    vectors_: Floats
    weights_: Floats
    border_: Floats
    gamma_: Floats

    def __init__(
        self,
        *,
        nu: float = 0.05,
        gamma: float | None = None,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.nu = nu
        self.gamma = gamma
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.svm import OneClassSVM as Exact

        _check(self.nu, self.gamma)
        rows = _draw(Z, MOST_ROWS, self.seed)
        gamma = _gamma(self.gamma, rows)
        model = Exact(kernel="rbf", nu=self.nu, gamma=gamma).fit(rows)
        self.vectors_ = np.ascontiguousarray(model.support_vectors_, dtype=np.float64)
        self.weights_ = np.ascontiguousarray(model.dual_coef_[0], dtype=np.float64)
        self.border_ = np.array([-float(model.intercept_[0])])
        self.gamma_ = np.array([gamma])

    def _score_scaled(self, Z: Floats) -> Floats:
        out = np.empty(len(Z))
        _kernel_sums(Z, self.vectors_, self.weights_, self.gamma_[0], out)
        margin: Floats = self.border_[0] - out
        return margin

    def _restore_own(self) -> None:
        self.vectors_ = self._finite("vectors_", (-1, self.n_features_in_))
        self.weights_ = self._finite("weights_", (len(self.vectors_),))
        self.border_ = self._finite("border_", (1,))
        self.gamma_ = self._finite("gamma_", (1,))
        if not self.gamma_[0] > 0:
            raise refuse_model(self, "has a positive gamma", self.gamma_[0])


class RandomFeatureSVM(ScaledDetector):
    """Score rows as ``OneClassSVM`` does, on random features in place of the kernel.

    Rows of shape ``(n, d)`` in, scores out: 0 is the border, positive is outside. Its cost does not grow
    with the square of the rows; the kernel is met to within ``1/sqrt(n_features)``.

    Parameters
    ----------
    n_features
        Random cosines, >= 1.
    nu
        Share of the training rows that may lie outside, in (0, 1].
    gamma
        One over twice the squared width of the kernel, > 0; None for one over columns times variance.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Rahimi, Recht, "Random features for large-scale kernel machines", NIPS 2007.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = RandomFeatureSVM().fit(crowd)
    >>> near, far = model.anomaly_score([[0.0, 0.0, 0.0], [9.0, 9.0, 9.0]])
    >>> bool(far > near)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("centre_", "scale_", "directions_", "phases_"),
        *("weights_", "border_"),
    )

    directions_: Floats
    phases_: Floats
    weights_: Floats
    border_: Floats

    def __init__(
        self,
        *,
        n_features: int = 300,
        nu: float = 0.05,
        gamma: float | None = None,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.n_features = n_features
        self.nu = nu
        self.gamma = gamma
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import SGDOneClassSVM

        _check(self.nu, self.gamma)
        if self.n_features < 1:
            message = f"n_features must be >= 1, got {self.n_features}; 300 is usual"
            raise UsageError(message)
        rows = _draw(Z, MOST_ROWS_LINEAR, self.seed)
        rng = np.random.default_rng(self.seed)
        width = math.sqrt(2.0 * _gamma(self.gamma, rows))
        self.directions_ = rng.normal(size=(self.n_features, Z.shape[1])) * width
        self.phases_ = rng.uniform(0.0, 2.0 * math.pi, self.n_features)
        features = np.empty((len(rows), self.n_features))
        _cosines(rows, self.directions_, self.phases_, features)
        model = SGDOneClassSVM(nu=self.nu, random_state=self.seed, average=True, tol=1e-4)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ConvergenceWarning
            )  # a thousand rounds are near enough
            model.fit(features)
        self.weights_ = np.ascontiguousarray(model.coef_.ravel(), dtype=np.float64)
        self.border_ = np.array([float(model.offset_[0])])

    def _score_scaled(self, Z: Floats) -> Floats:
        out = np.empty(len(Z))
        _projected(Z, self.directions_, self.phases_, self.weights_, out)
        margin: Floats = self.border_[0] - out
        return margin

    def _restore_own(self) -> None:
        self.directions_ = self._finite("directions_", (-1, self.n_features_in_))
        self.phases_ = self._finite("phases_", (len(self.directions_),))
        self.weights_ = self._finite("weights_", (len(self.directions_),))
        self.border_ = self._finite("border_", (1,))


@njit(cache=True, nogil=True)
def _kernel_sums(
    Z: Floats, vectors: Floats, weights: Floats, gamma: float, out: Floats
) -> None:  # pragma: no cover
    for i in range(Z.shape[0]):
        total = 0.0
        for v in range(vectors.shape[0]):
            square = 0.0
            for j in range(Z.shape[1]):
                square += (Z[i, j] - vectors[v, j]) ** 2
            total += weights[v] * math.exp(-gamma * square)
        out[i] = total


@njit(cache=True, nogil=True)
def _cosines(
    Z: Floats, directions: Floats, phases: Floats, out: Floats
) -> None:  # pragma: no cover
    scale = math.sqrt(2.0 / len(phases))
    for i in range(Z.shape[0]):
        for f in range(len(phases)):
            angle = phases[f]
            for j in range(Z.shape[1]):
                angle += directions[f, j] * Z[i, j]
            out[i, f] = scale * math.cos(angle)


@njit(cache=True, nogil=True)
def _projected(
    Z: Floats, directions: Floats, phases: Floats, weights: Floats, out: Floats
) -> None:  # pragma: no cover
    scale = math.sqrt(2.0 / len(phases))
    for i in range(Z.shape[0]):
        total = 0.0
        for f in range(len(phases)):
            angle = phases[f]
            for j in range(Z.shape[1]):
                angle += directions[f, j] * Z[i, j]
            total += weights[f] * scale * math.cos(angle)
        out[i] = total
