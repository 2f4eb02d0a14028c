"""Local outlier factor against the training rows.

What belongs here: the densities and the factor of a new row. What does not: the neighbour search
(``nearest.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import refuse_model
from eddyline.detectors.nearest import Boxes
from eddyline.detectors.scaling import distinct_rows
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

TINY = 1e-10
"""Added to mean reach distances, as scikit-learn does, so that copies have a finite density."""


class LocalOutlierFactor(ScaledDetector):
    """Score rows by how much thinner it is around them than around their neighbours.

    Rows of shape ``(n, d)`` in, factors > 0 out: about 1 is as dense as the neighbours. A new row is held
    against the training rows only (scikit-learn's novelty mode, whose values it gives on distinct rows); it
    is never its own or another new row's neighbour. Copies are counted once, since they have infinite
    density.

    Parameters
    ----------
    n_neighbours
        Neighbours, >= 1.
    max_reference
        Training rows kept at most, drawn at random, >= 2.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Breunig, Kriegel, Ng, Sander, "LOF: identifying density-based local outliers", SIGMOD 2000,
    doi:10.1145/342009.335388.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = LocalOutlierFactor().fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("centre_", "scale_", "reference_", "reach_"),
        "density_",
    )

    reference_: Floats
    reach_: Floats
    density_: Floats

    def __init__(
        self,
        *,
        n_neighbours: int = 20,
        max_reference: int = 50_000,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.max_reference = max_reference
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        if self.n_neighbours < 1 or self.max_reference < 2:
            message = (
                f"n_neighbours must be >= 1 and max_reference >= 2, got {self.n_neighbours} and "
                f"{self.max_reference}; the defaults are 20 and 50,000"
            )
            raise UsageError(message)
        first, _ = distinct_rows(Z)
        rows = Z[np.sort(first)]
        if len(rows) > self.max_reference:
            rng = np.random.default_rng(self.seed)
            rows = rows[np.sort(rng.choice(len(rows), self.max_reference, replace=False))]
        self.reference_ = np.ascontiguousarray(rows)
        self._index()
        k = self._k
        if len(rows) == 1:  # one distinct row: everything at its place is as dense as it
            self.reach_, self.density_ = np.zeros(1), np.array([1.0 / TINY])
            return
        distances, places = self._boxes.nearest(self.reference_, k + 1)
        distances, places = _without_self(distances, places)
        self.reach_ = np.ascontiguousarray(distances[:, -1])
        self.density_ = np.empty(len(rows))
        _densities(distances, places, self.reach_, self.density_)

    @property
    def _k(self) -> int:
        return max(1, min(self.n_neighbours, len(self.reference_) - 1))

    def _score_scaled(self, Z: Floats) -> Floats:
        distances, places = self._boxes.nearest(Z, self._k)
        own, out = np.empty(len(Z)), np.empty(len(Z))
        _densities(distances, places, self.reach_, own)
        _factors(places, own, self.density_, out)
        return out

    def _index(self) -> None:
        self._boxes = Boxes.of(self.reference_)

    def _restore_own(self) -> None:
        self.reference_ = self._finite("reference_", (-1, self.n_features_in_))
        self.reach_ = self._finite("reach_", (len(self.reference_),))
        self.density_ = self._finite("density_", (len(self.reference_),))
        if not (self.density_ > 0).all() or not (self.reach_ >= 0).all():
            raise refuse_model(self, "has positive densities", self.density_.min())
        self._index()


def _without_self(distances: Floats, places: Integers) -> tuple[Floats, Integers]:
    """Leave each reference row out of its own neighbours; it is among the nearest, at distance 0."""
    own = places == np.arange(len(places))[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (len(places), places.shape[1] - 1)
    return distances[~own].reshape(shape), places[~own].reshape(shape)


@njit(cache=True, nogil=True)
def _densities(
    distances: Floats, places: Integers, reach: Floats, out: Floats
) -> None:  # pragma: no cover
    for i in range(distances.shape[0]):
        total = 0.0
        for k in range(distances.shape[1]):
            total += max(distances[i, k], reach[places[i, k]])
        out[i] = 1.0 / (total / distances.shape[1] + TINY)


@njit(cache=True, nogil=True)
def _factors(
    places: Integers, own: Floats, density: Floats, out: Floats
) -> None:  # pragma: no cover
    for i in range(places.shape[0]):
        total = 0.0
        for k in range(places.shape[1]):
            total += density[places[i, k]]
        out[i] = total / places.shape[1] / own[i]
