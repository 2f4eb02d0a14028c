"""The plain distance to the nearest training rows, unfiltered: the published method, for comparison.

What belongs here: the distance. What does not: the filtered reference that detection uses
(``neighbours.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.nearest import Boxes
from eddyline.errors import UsageError
from eddyline.tables import Floats

RANKS = ("mean", "largest")


class PlainNeighbours(ScaledDetector):
    """Score rows by the distance to their nearest training rows, whatever these are.

    Rows of shape ``(n, d)`` in, distances >= 0 out. Exact search. Attacks in the training rows are each
    other's neighbours and look usual, and copies of a row have no distance: on dirty data use
    ``neighbours``.

    Parameters
    ----------
    n_neighbours
        Neighbours, >= 1.
    method
        ``largest``: the distance to the last of them; ``mean``: the mean over them.
    max_reference
        Training rows kept at most, drawn at random, >= 1.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Ramaswamy, Rastogi, Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000,
    doi:10.1145/342009.335437; Angiulli, Pizzuti, "Fast outlier detection in high dimensional spaces", PKDD
    2002, doi:10.1007/3-540-45681-3_2.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = PlainNeighbours().fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("centre_", "scale_", "reference_")

    reference_: Floats

    def __init__(
        self,
        *,
        n_neighbours: int = 5,
        method: str = "largest",
        max_reference: int = 100_000,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.method = method
        self.max_reference = max_reference
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        if self.n_neighbours < 1 or self.method not in RANKS or self.max_reference < 1:
            message = (
                f"n_neighbours and max_reference must be >= 1 and method one of {', '.join(RANKS)}, got "
                f"{self.n_neighbours}, {self.max_reference} and {self.method!r}; the defaults are 5, "
                "100,000 and 'largest'"
            )
            raise UsageError(message)
        rows = Z
        if len(rows) > self.max_reference:
            rng = np.random.default_rng(self.seed)
            rows = rows[np.sort(rng.choice(len(rows), self.max_reference, replace=False))]
        self.reference_ = np.ascontiguousarray(rows)
        self._index()

    def _score_scaled(self, Z: Floats) -> Floats:
        k = min(self.n_neighbours, len(self.reference_))
        if self.method == "mean":
            return self._boxes.mean_distance(Z, k)
        return self._boxes.kth_distance(Z, k)

    def _index(self) -> None:
        self._boxes = Boxes.of(self.reference_)

    def _restore_own(self) -> None:
        self.reference_ = self._finite("reference_", (-1, self.n_features_in_))
        self._index()
