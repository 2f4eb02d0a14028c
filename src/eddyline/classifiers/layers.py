"""The multi-layer perceptron: scikit-learn trains it, plain arrays keep it.

What belongs here: the call of scikit-learn and the loop through the layers. What does not: nets trained with
torch (``deep``).
"""

from __future__ import annotations

import warnings
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from eddyline.classifiers.boosting import softmax
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.linear import ScaledClassifier, positive
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


class MLP(ScaledClassifier):
    """Judge rows by two hidden layers of rectified units on scaled columns.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out, which are scikit-learn's on rows of the same
    scale. It trains for a fixed number of passes, since rows set aside at random would be copies of those
    that stay.

    Parameters
    ----------
    first, second
        Units of the two hidden layers, ``>= 1``.
    steps
        Most passes over the rows, ``>= 1``.
    rate
        First step of Adam, ``> 0``.
    ridge
        Penalty on squared weights, ``>= 0``.
    batch
        Rows an update, ``>= 1``.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    seed
        Start of the randomness.

    References
    ----------
    Rumelhart, Hinton, Williams, "Learning representations by back-propagating errors", Nature 323, 1986.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = MLP(steps=50).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("scaling_", "seen_", "w1_", "b1_"),
        *("w2_", "b2_", "w3_", "b3_"),
    )

    w1_: Floats
    b1_: Floats
    w2_: Floats
    b2_: Floats
    w3_: Floats
    b3_: Floats

    def __init__(
        self,
        *,
        first: int = 64,
        second: int = 32,
        steps: int = 30,
        rate: float = 1e-3,
        ridge: float = 1e-4,
        batch: int = 200,
        scaling: Scaling = "log",
        seed: int = 0,
    ) -> None:
        self.first = first
        self.second = second
        self.steps = steps
        self.rate = rate
        self.ridge = ridge
        self.batch = batch
        self.scaling = scaling
        self.seed = seed

    def _learn(
        self,
        Z: NDArray[np.float32],
        codes: Integers,
        weight: Floats,
        groups: Any,  # noqa: ARG002 - no row is set aside
    ) -> None:
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier(
            (self.first, self.second),
            max_iter=self.steps,
            learning_rate_init=self.rate,
            alpha=self.ridge,
            batch_size=min(self.batch, len(Z)),
            random_state=self.seed % 2**31,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # ``steps`` is a budget
            model.fit(Z, codes, sample_weight=weight)
        slopes = [np.ascontiguousarray(w.T, np.float64) for w in model.coefs_]
        levels = [np.asarray(b, np.float64) for b in model.intercepts_]
        if len(levels[2]) == 1:  # two classes share one unit
            slopes[2] = np.vstack([np.zeros_like(slopes[2]), slopes[2]])
            levels[2] = np.append(0.0, levels[2])
        self.w1_, self.w2_, self.w3_ = slopes
        self.b1_, self.b2_, self.b3_ = levels

    def _shares(self, Z: NDArray[np.float32]) -> Floats:
        tables = self.w1_, self.b1_, self.w2_, self.b2_, self.w3_, self.b3_
        return softmax(_through(Z, *tables))

    def _sound(self, k: int) -> None:
        self._finite("w1_", (self.first, self.n_features_in_))
        self._finite("b1_", (self.first,))
        self._finite("w2_", (self.second, self.first))
        self._finite("b2_", (self.second,))
        self._finite("w3_", (k, self.second))
        self._finite("b3_", (k,))

    def _check_arguments(self) -> None:
        for name in ("first", "second", "steps", "batch"):
            positive(name, getattr(self, name), getattr(self, name) >= 1)
        positive("rate", self.rate, self.rate > 0)
        if self.ridge < 0:
            message = f"ridge must be >= 0, got {self.ridge}; take the default"
            raise UsageError(message)


@njit(cache=True, nogil=True)
def _through(
    Z: NDArray[np.float32],
    w1: Floats,
    b1: Floats,
    w2: Floats,
    b2: Floats,
    w3: Floats,
    b3: Floats,
) -> Floats:  # pragma: no cover
    out = np.empty((Z.shape[0], len(b3)))
    one, two = np.empty(len(b1)), np.empty(len(b2))
    for i in range(Z.shape[0]):
        for a in range(len(b1)):
            total = b1[a]
            for j in range(Z.shape[1]):
                total += Z[i, j] * w1[a, j]
            one[a] = max(total, 0.0)
        for a in range(len(b2)):
            total = b2[a]
            for j in range(len(b1)):
                total += one[j] * w2[a, j]
            two[a] = max(total, 0.0)
        for a in range(len(b3)):
            total = b3[a]
            for j in range(len(b2)):
                total += two[j] * w3[a, j]
            out[i, a] = total
    return out
