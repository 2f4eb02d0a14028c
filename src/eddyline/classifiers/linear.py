"""Planes between classes: logistic regression, and what every classifier on scaled columns shares.

What belongs here: how it finds its planes with scikit-learn, and the loop that scores rows. What does not:
support vector machines (``margins.py``) and the scale of the columns (``deep/scaling.py``).

A score is a sum over columns in a loop of ours, since a matrix product rounds by the size of the batch.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from eddyline.classifiers.boosting import softmax
from eddyline.classifiers.classifier import Classifier, Matrix, refuse_model
from eddyline.classifiers.deep.scaling import Scaling, learn_scaling, scaled, sound_scaling
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


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
