"""K-means: rows far from every cluster, by that cluster's own measure, are strange.

What belongs here: the score. What does not: the clustering, which is scikit-learn's.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.scaling import draw_rows
from eddyline.errors import UsageError
from eddyline.tables import Floats

SPREAD_FLOOR = 1e-3
"""Least spread of a cluster in scaled units: one of copies must not make its neighbours infinite."""


class KMeansDistance(ScaledDetector):
    """Score rows by the distance to the nearest centroid over that cluster's median distance.

    Rows of shape ``(n, d)`` in, scores >= 0 out, without unit: 1 is a usual row. Of all clusters the one by
    whose measure the row is least far counts. Clusters are found by scikit-learn's mini-batch K-means;
    attacks that fill a cluster of their own look usual, so a high ``n_clusters`` on dirty data hides them.

    Parameters
    ----------
    n_clusters
        Clusters, >= 1; fewer where there are fewer distinct rows.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Sculley, "Web-scale k-means clustering", WWW 2010, doi:10.1145/1772690.1772862; the score by the cluster's
    median is ours.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = KMeansDistance(n_clusters=4).fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("centre_", "scale_", "centroids_", "spreads_")

    centroids_: Floats
    spreads_: Floats

    def __init__(self, *, n_clusters: int = 16, scaling: str = "robust", seed: int = 0) -> None:
        self.n_clusters = n_clusters
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.cluster import MiniBatchKMeans

        if self.n_clusters < 1:
            message = f"n_clusters must be >= 1, got {self.n_clusters}; 16 is usual"
            raise UsageError(message)
        rows = draw_rows(Z, self.seed)
        n_clusters = min(self.n_clusters, len(np.unique(rows, axis=0)))
        model = MiniBatchKMeans(n_clusters, random_state=self.seed, n_init=3, batch_size=1024)
        places = model.fit_predict(rows)
        self.centroids_ = np.ascontiguousarray(model.cluster_centers_, dtype=np.float64)
        distances = np.sqrt(((rows - self.centroids_[places]) ** 2).sum(axis=1))
        whole = max(float(np.median(distances)), SPREAD_FLOOR)
        self.spreads_ = np.array(
            [
                max(float(np.median(distances[places == c])), SPREAD_FLOOR)
                if (places == c).any()
                else whole  # an empty cluster measures by the crowd
                for c in range(n_clusters)
            ]
        )

    def _score_scaled(self, Z: Floats) -> Floats:
        out = np.empty(len(Z))
        _nearest(Z, self.centroids_, self.spreads_, out)
        return out

    def _restore_own(self) -> None:
        self.centroids_ = self._finite("centroids_", (-1, self.n_features_in_))
        self.spreads_ = self._finite("spreads_", (len(self.centroids_),))


@njit(cache=True, nogil=True)
def _nearest(
    Z: Floats, centroids: Floats, spreads: Floats, out: Floats
) -> None:  # pragma: no cover
    for i in range(Z.shape[0]):
        best = np.inf
        for c in range(centroids.shape[0]):
            square = 0.0
            for j in range(Z.shape[1]):
                square += (Z[i, j] - centroids[c, j]) ** 2
            best = min(best, np.sqrt(square) / spreads[c])
        out[i] = best
