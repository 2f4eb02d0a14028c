"""Support vector machines: planes with the widest margin, on the columns or on a kernel of them.

What belongs here: how the planes are found with scikit-learn, and the loop that scores kernels. What does
not: logistic regression and the scale (``linear.py``), and machines without labels (``detectors``).
"""

from __future__ import annotations

import math
import warnings
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from eddyline.classifiers.boosting import FEW_ROWS, group_folds, softmax
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.linear import ScaledClassifier, logistic, planes, positive
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

CALIBRATION = 0.2
"""Share of the rows on which margins become probabilities."""


class LinearSVM(ScaledClassifier):
    """Judge rows by their side of the widest margin between one class and the others.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out. scikit-learn finds the planes on four fifths of
    the groups; a logistic regression on the margins of the other fifth makes them probabilities.

    Parameters
    ----------
    strength
        Cost of a row on the wrong side, ``> 0``.
    steps
        Most steps of the solver, ``>= 1``.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    seed
        Start of the randomness: which groups calibrate.

    References
    ----------
    Cortes, Vapnik, "Support-vector networks", Machine Learning 20, 1995, doi:10.1007/BF00994018;
    probabilities after Platt, 1999, with a plane for each class instead of one slope.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = LinearSVM().fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("scaling_", "seen_", "slope_", "level_"),
        *("turn_", "shift_"),
    )

    slope_: Floats
    level_: Floats
    turn_: Floats
    shift_: Floats

    def __init__(
        self,
        *,
        strength: float = 1.0,
        steps: int = 1_000,
        scaling: Scaling = "log",
        seed: int = 0,
    ) -> None:
        self.strength = strength
        self.steps = steps
        self.scaling = scaling
        self.seed = seed

    def margins(self, Z: NDArray[np.float32]) -> Floats:
        """Give the margins of scaled rows, one column a plane: one for two classes, else one a class.

        Parameters
        ----------
        Z
            Scaled rows, shape ``(n, d)``.
        """
        return planes(Z, self.slope_, self.level_)

    def _learn(self, Z: NDArray[np.float32], codes: Integers, weight: Floats, groups: Any) -> None:
        outside = calibration_rows(codes, groups, self.seed)
        inside = ~outside if outside.any() else np.ones(len(Z), np.bool_)
        self._find_planes(Z[inside], codes[inside], weight[inside])
        held = outside if outside.any() else inside
        self.turn_, self.shift_ = logistic(
            self.margins(Z[held]), codes[held], weight[held], 1.0, 1_000
        )

    def _find_planes(self, Z: NDArray[np.float32], codes: Integers, weight: Floats) -> None:
        from sklearn.svm import LinearSVC

        model = LinearSVC(
            C=self.strength,
            dual=False,
            max_iter=self.steps,
            tol=1e-3,
            random_state=self.seed % 2**31,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # ``steps`` is a budget
            model.fit(Z.astype(np.float64), codes, sample_weight=weight)
        self.slope_, self.level_ = (
            model.coef_,
            np.broadcast_to(model.intercept_, len(model.coef_)).astype(np.float64),
        )

    def _shares(self, Z: NDArray[np.float32]) -> Floats:
        return softmax(planes(self.margins(Z), self.turn_, self.shift_))

    def _width(self) -> int:
        return self.n_features_in_

    def _sound(self, k: int) -> None:
        n_planes = 1 if k == 2 else k
        self._finite("slope_", (n_planes, self._width()))
        self._finite("level_", (n_planes,))
        self._finite("turn_", (k, n_planes))
        self._finite("shift_", (k,))

    def _check_arguments(self) -> None:
        positive("strength", self.strength, self.strength > 0)
        positive("steps", self.steps, self.steps >= 1)


class KernelSVM(LinearSVM):
    """Judge rows by a support vector machine with a Gaussian kernel, approximated by 500 of the rows.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out. The kernel to drawn training rows, whitened,
    are the columns on which planes are found by averaged stochastic gradients of the hinge.

    Parameters
    ----------
    components
        Training rows that stand for the kernel, ``>= 1``.
    gamma
        Inverse width of the kernel, ``> 0``; 0 takes 1 over the columns, which have variance 1.
    strength
        Cost of a row on the wrong side, ``> 0``.
    steps
        Passes over the rows, ``>= 1``.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    seed
        Start of the randomness.

    References
    ----------
    Williams, Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2000.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = KernelSVM(components=5).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[5.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = (*LinearSVM._arrays, "marks_", "width_")

    marks_: NDArray[np.float32]
    width_: Floats

    def __init__(
        self,
        *,
        components: int = 500,
        gamma: float = 0.0,
        strength: float = 1.0,
        steps: int = 5,
        scaling: Scaling = "log",
        seed: int = 0,
    ) -> None:
        self.components = components
        self.gamma = gamma
        self.strength = strength
        self.steps = steps
        self.scaling = scaling
        self.seed = seed

    def margins(self, Z: NDArray[np.float32]) -> Floats:
        """Give the margins of scaled rows, one column a plane.

        Parameters
        ----------
        Z
            Scaled rows, shape ``(n, d)``.
        """
        return kernel_planes(Z, self.marks_, float(self.width_[0]), self.slope_, self.level_)

    def _find_planes(self, Z: NDArray[np.float32], codes: Integers, weight: Floats) -> None:
        from sklearn.linear_model import SGDClassifier

        rng = np.random.default_rng(self.seed)
        chosen = rng.choice(len(Z), min(self.components, len(Z)), replace=False)
        self.marks_ = np.ascontiguousarray(np.unique(Z[np.sort(chosen)], axis=0))
        self.width_ = np.array([self.gamma or 1.0 / Z.shape[1]])
        values, vectors = np.linalg.eigh(self._kernel(self.marks_).astype(np.float64))
        kept = values > 1e-6 * values[-1]  # float32 kernels know no more
        whitening = vectors[:, kept] / np.sqrt(values[kept])
        features = self._kernel(Z) @ whitening.astype(np.float32)
        model = SGDClassifier(
            loss="hinge",
            alpha=1.0 / (self.strength * len(Z)),
            max_iter=self.steps,
            tol=None,
            average=True,
            random_state=self.seed % 2**31,
        ).fit(features, codes, sample_weight=weight)
        self.slope_ = np.ascontiguousarray(model.coef_ @ whitening.T, np.float64)
        self.level_ = np.asarray(model.intercept_, np.float64)

    def _kernel(self, Z: NDArray[np.float32]) -> NDArray[np.float32]:
        """Give the kernel of rows with the marks by matrix products, for fitting only."""
        square = (Z**2).sum(axis=1)[:, None] + (self.marks_**2).sum(axis=1)
        square -= 2.0 * (Z @ self.marks_.T)
        np.maximum(square, 0.0, out=square)
        near: NDArray[np.float32] = np.exp(-np.float32(self.width_[0]) * square)
        return near

    def _width(self) -> int:
        return len(self.marks_)

    def _sound(self, k: int) -> None:
        self._finite("marks_", (len(np.atleast_1d(self.marks_)), self.n_features_in_))
        self._finite("width_", (1,))
        super()._sound(k)
        self.marks_ = np.ascontiguousarray(self.marks_, np.float32)

    def _check_arguments(self) -> None:
        super()._check_arguments()
        positive("components", self.components, self.components >= 1)
        if self.gamma < 0:
            message = f"gamma must be >= 0, got {self.gamma}; 0 takes 1 over the columns"
            raise UsageError(message)


def calibration_rows(codes: Integers, groups: Any, seed: int) -> NDArray[np.bool_]:
    """Choose whole groups to calibrate on, about a fifth; none when a class would be too rare on a side.

    Parameters
    ----------
    codes
        Class of each row.
    groups
        Group of each row as numbers from 0, or None for rows alone.
    seed
        Start of the dealing.
    """
    members = np.arange(len(codes)) if groups is None else groups
    folds = group_folds(members.astype(np.int64), most=round(1 / CALIBRATION), seed=seed)
    for outside in folds:
        sizes = [
            np.bincount(codes[side], minlength=codes.max() + 1) for side in (outside, ~outside)
        ]
        if min(size.min() for size in sizes) >= FEW_ROWS // 4:
            return outside
    return np.zeros(len(codes), np.bool_)


@njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz", "arcp"})
def _square_distance(a: NDArray[np.float32], b: NDArray[np.float32]) -> Any:  # pragma: no cover
    total: Any = np.float32(0.0)
    for j in range(len(a)):
        gap = a[j] - b[j]
        total += gap * gap
    return total


@njit(cache=True, nogil=True)
def kernel_planes(
    Z: NDArray[np.float32], marks: NDArray[np.float32], width: float, slope: Floats, level: Floats
) -> Floats:  # pragma: no cover
    """Give the planes of Gaussian kernels with marks, row by row.

    Parameters
    ----------
    Z
        Scaled rows, shape ``(n, d)``.
    marks
        Rows that stand for the kernel, shape ``(m, d)``.
    width
        Inverse width of the kernel.
    slope, level
        Shapes ``(k, m)`` and ``(k,)``.
    """
    out = np.empty((Z.shape[0], slope.shape[0]))
    for i in range(Z.shape[0]):
        for c in range(slope.shape[0]):
            out[i, c] = level[c]
        for m in range(marks.shape[0]):
            near = math.exp(-width * _square_distance(Z[i], marks[m]))
            for c in range(slope.shape[0]):
                out[i, c] += near * slope[c, m]
    return out
