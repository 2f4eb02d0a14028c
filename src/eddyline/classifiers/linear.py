"""Planes between classes: logistic regression, the linear SVM, and an SVM of kernel features.

What belongs here: how each finds its planes with scikit-learn, and the loop that scores rows. What does not:
the scale of the columns (``deep/scaling.py``) and trees.

A score is a sum over columns in a loop of ours, since a matrix product rounds by the size of the batch.
"""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from eddyline.classifiers.boosting import FEW_ROWS, group_folds, softmax
from eddyline.classifiers.classifier import Classifier, Matrix, refuse_model
from eddyline.classifiers.deep.scaling import Scaling, learn_scaling, scaled, sound_scaling
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

ABSENT = -1e300
"""Intercept of a class without weight: its probability is 0."""

CALIBRATION = 0.2
"""Share of the rows on which margins become probabilities."""


class ScaledClassifier(Classifier):
    """Classifiers that see scaled rows and only the classes that have weight.

    Parameters
    ----------
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``, learned on the rows with weight.
    seed
        Start of the randomness.
    """

    _arrays: ClassVar[tuple[str, ...]] = ("scaling_", "seen_")

    scaling: Scaling
    seed: int
    scaling_: Floats
    seen_: Integers

    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,  # noqa: ARG002 - the contract's
    ) -> None:
        self._check_arguments()
        kept = weight > 0
        members = None if groups is None else np.unique(groups[kept], return_inverse=True)[1]
        self.scaling_ = learn_scaling(X[kept], self.scaling)
        self.seen_, local = np.unique(codes[kept], return_inverse=True)
        Z = scaled(X[kept], self.scaling_, self.scaling)
        share = weight[kept] * (kept.sum() / weight.sum())
        self._learn(Z, local.astype(np.int64), share, members)

    def _probabilities(self, X: Matrix) -> Floats:
        shares = np.zeros((len(X), len(self.classes_)))
        shares[:, self.seen_] = self._shares(scaled(X, self.scaling_, self.scaling))
        return shares

    def _restore(self) -> None:
        self._check_arguments()
        seen, k = self.seen_, len(self.classes_)
        if seen.dtype.kind != "i" or not 2 <= seen.size <= k or not set(seen) <= set(range(k)):
            raise refuse_model(self, f"has seen_, two or more of {k} classes", seen)
        if not sound_scaling(self.scaling_, self.scaling, self.n_features_in_):
            raise refuse_model(self, "holds the scaling_ of its columns", self.scaling_.shape)
        self._sound(len(seen))

    def _finite(self, name: str, shape: tuple[int, ...]) -> None:
        """Refuse a table of another shape, or one that is not finite."""
        table = getattr(self, name)
        if table.shape != shape or table.dtype.kind != "f" or not np.isfinite(table).all():
            raise refuse_model(self, f"holds finite {name} of shape {shape}", table.shape)

    @abstractmethod
    def _learn(self, Z: NDArray[np.float32], codes: Integers, weight: Floats, groups: Any) -> None:
        """Learn from scaled rows; every class of ``codes`` has weight."""

    @abstractmethod
    def _shares(self, Z: NDArray[np.float32]) -> Floats:
        """Give probabilities of the seen classes for scaled rows."""

    @abstractmethod
    def _sound(self, k: int) -> None:
        """Refuse tables that no fit could have left; ``k`` classes were seen."""

    @abstractmethod
    def _check_arguments(self) -> None:
        """Refuse arguments out of range by name."""


class Logistic(ScaledClassifier):
    """Judge rows by logistic regression on scaled columns.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out, which are scikit-learn's on rows of the same
    scale. The plainest model with probabilities that mean something; what beats it has earned it.

    Parameters
    ----------
    strength
        Inverse of the penalty on squared coefficients, ``> 0``.
    steps
        Most steps of the solver, ``>= 1``.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``; logarithms suit counts with long tails.
    seed
        Not used; every classifier has one.

    References
    ----------
    Cox, "The regression analysis of binary sequences", JRSS B 20, 1958.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = Logistic().fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = ("scaling_", "seen_", "slope_", "level_")

    slope_: Floats
    level_: Floats

    def __init__(
        self,
        *,
        strength: float = 1.0,
        steps: int = 200,
        scaling: Scaling = "log",
        seed: int = 0,
    ) -> None:
        self.strength = strength
        self.steps = steps
        self.scaling = scaling
        self.seed = seed

    def _learn(
        self,
        Z: NDArray[np.float32],
        codes: Integers,
        weight: Floats,
        groups: Any,  # noqa: ARG002 - no row is set aside
    ) -> None:
        self.slope_, self.level_ = logistic(
            Z.astype(np.float64), codes, weight, self.strength, self.steps
        )

    def _shares(self, Z: NDArray[np.float32]) -> Floats:
        return softmax(planes(Z, self.slope_, self.level_))

    def _sound(self, k: int) -> None:
        self._finite("slope_", (k, self.n_features_in_))
        self._finite("level_", (k,))

    def _check_arguments(self) -> None:
        positive("strength", self.strength, self.strength > 0)
        positive("steps", self.steps, self.steps >= 1)


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


def logistic(
    Z: Floats, codes: Integers, weight: Floats, strength: float, steps: int
) -> tuple[Floats, Floats]:
    """Give slopes ``(k, d)`` and levels ``(k,)`` of a logistic regression; those of two classes are halved.

    Parameters
    ----------
    Z
        Rows, shape ``(n, d)``.
    codes
        Classes 0 to k − 1, each present.
    weight
        Weight of each row, ``> 0``.
    strength
        Inverse of the penalty.
    steps
        Most steps of the solver; it is a budget.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=steps)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(Z, codes, sample_weight=weight)
    slope, level = model.coef_.astype(np.float64), model.intercept_.astype(np.float64)
    if len(slope) == 1:
        slope, level = np.vstack([-slope, slope]) / 2, np.append(-level, level) / 2
    return np.ascontiguousarray(slope), level


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


def positive(name: str, value: float, kept: bool) -> None:
    """Refuse an argument that is not positive.

    Parameters
    ----------
    name, value
        The argument.
    kept
        Whether it keeps the rule.
    """
    if not kept:
        message = f"{name} must be positive, got {value}; take the default"
        raise UsageError(message)


@njit(cache=True, nogil=True)
def planes(Z: Any, slope: Floats, level: Floats) -> Floats:  # pragma: no cover
    """Give ``Z slope.T + level``, each sum in the order of the columns.

    Parameters
    ----------
    Z
        Rows, shape ``(n, d)``.
    slope, level
        Shapes ``(k, d)`` and ``(k,)``.
    """
    out = np.empty((Z.shape[0], slope.shape[0]))
    for i in range(Z.shape[0]):
        for c in range(slope.shape[0]):
            total = level[c]
            for j in range(Z.shape[1]):
                total += Z[i, j] * slope[c, j]
            out[i, c] = total
    return out


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
