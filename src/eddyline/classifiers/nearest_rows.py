"""k nearest neighbours: a row is judged by the labels of the training rows next to it.

What belongs here: the rows that are kept and the vote. What does not: the tree that finds neighbours, which
is scikit-learn's, and distances as scores of strangeness (``detectors``).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.classifier import refuse_model
from eddyline.classifiers.deep.scaling import Scaling
from eddyline.classifiers.linear import ScaledClassifier, positive
from eddyline.tables import Floats, Integers


class KNN(ScaledClassifier):
    """Judge rows by the votes of their nearest training rows on scaled columns.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out, which are scikit-learn's on rows of the same
    scale. Equal training rows are kept once with the weights of their classes, for logs are full of copies: a
    neighbour is a place, and its vote the shares of the classes there.

    Parameters
    ----------
    n_neighbours
        Places that vote, ``>= 1``.
    most
        Most places kept, ``>= 1``, drawn at random above.
    scaling
        ``"standard"``, ``"log"`` or ``"quantile"``.
    seed
        Start of the randomness.

    References
    ----------
    Cover, Hart, "Nearest neighbor pattern classification", IEEE Trans. Information Theory 13, 1967,
    doi:10.1109/TIT.1967.1053964.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = KNN(n_neighbours=1).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = ("scaling_", "seen_", "rows_", "mass_")

    rows_: NDArray[np.float32]
    mass_: Floats

    def __init__(
        self,
        *,
        n_neighbours: int = 5,
        most: int = 50_000,
        scaling: Scaling = "log",
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.most = most
        self.scaling = scaling
        self.seed = seed

    def _learn(
        self,
        Z: NDArray[np.float32],
        codes: Integers,
        weight: Floats,
        groups: Any,  # noqa: ARG002 - no row is set aside
    ) -> None:
        rows, place = _distinct(Z)
        mass = np.zeros((len(rows), len(self.seen_)))
        np.add.at(mass, (place, codes), weight)
        if len(rows) > self.most:
            rng = np.random.default_rng(self.seed)
            chosen = np.sort(rng.choice(len(rows), self.most, replace=False))
            rows, mass = rows[chosen], mass[chosen]
        self.rows_, self.mass_ = rows, mass
        self._plant()

    def _plant(self) -> None:
        from sklearn.neighbors import KDTree

        self.tree_ = KDTree(self.rows_.astype(np.float64))

    def _shares(self, Z: NDArray[np.float32]) -> Floats:
        k = min(self.n_neighbours, len(self.rows_))
        places = self.tree_.query(Z.astype(np.float64), k, return_distance=False)
        votes = np.zeros((len(Z), len(self.seen_)))
        for neighbour in range(k):  # one after another: sums in one order
            votes += self.mass_[places[:, neighbour]]
        shares: Floats = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def _sound(self, k: int) -> None:
        self._finite("rows_", (len(np.atleast_1d(self.rows_)), self.n_features_in_))
        self._finite("mass_", (len(self.rows_), k))
        if not len(self.rows_) or (self.mass_ < 0).any() or (self.mass_.sum(axis=1) <= 0).any():
            raise refuse_model(self, "holds mass_ above 0 in each place", self.mass_.shape)
        self._plant()

    def _check_arguments(self) -> None:
        positive("n_neighbours", self.n_neighbours, self.n_neighbours >= 1)
        positive("most", self.most, self.most >= 1)


def _distinct(Z: NDArray[np.float32]) -> tuple[NDArray[np.float32], Integers]:
    """Give the distinct rows in the order of their bytes, and the place of each row among them."""
    whole = np.ascontiguousarray(Z + np.float32(0.0))  # -0.0 equals 0.0
    keys = whole.view(np.dtype((np.void, whole.shape[1] * whole.itemsize))).ravel()
    _, first, place = np.unique(keys, return_index=True, return_inverse=True)
    return np.ascontiguousarray(whole[first]), place.astype(np.int64)
