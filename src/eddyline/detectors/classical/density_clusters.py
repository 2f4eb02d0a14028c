"""Clusters of dense rows: DBSCAN and HDBSCAN, with a rule that scores new rows.

What belongs here: the rows that make up the clusters, and the distance to them. What does not: the
clusterings, which are scikit-learn's and have no prediction of their own.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import refuse_model
from eddyline.detectors.nearest import Boxes
from eddyline.errors import UsageError
from eddyline.tables import Floats

MOST_ROWS = 20_000
"""Rows that are clustered at most, drawn at random: the memory of a clustering grows as their square."""


class _Clusters(ScaledDetector):
    """Score rows by the distance to the nearest row of a cluster, over the clusters' own measure."""

    _arrays: ClassVar[tuple[str, ...]] = ("centre_", "scale_", "members_", "reach_")

    members_: Floats
    reach_: Floats

    def _take(self, Z: Floats) -> Floats:
        if len(Z) <= MOST_ROWS:
            return Z
        rng = np.random.default_rng(self.seed)
        return np.ascontiguousarray(Z[np.sort(rng.choice(len(Z), MOST_ROWS, replace=False))])

    def _keep(self, members: Floats, reach: float) -> None:
        self.members_ = np.unique(members, axis=0)
        self.reach_ = np.array([reach])
        self._boxes = Boxes.of(self.members_)

    def _score_scaled(self, Z: Floats) -> Floats:
        scores: Floats = self._boxes.mean_distance(Z, 1) / self.reach_[0]
        return scores

    def _restore_own(self) -> None:
        self.members_ = self._finite("members_", (-1, self.n_features_in_))
        self.reach_ = self._finite("reach_", (1,))
        if not self.reach_[0] > 0:
            raise refuse_model(self, "has a positive reach", self.reach_[0])
        self._boxes = Boxes.of(self.members_)


class DBSCANDistance(_Clusters):
    """Score rows by the distance to the nearest core row over epsilon: more than 1 is noise.

    Rows of shape ``(n, d)`` in, scores >= 0 out. A core row has ``min_points`` rows within epsilon; a new
    row is noise exactly when no core row is that near, as in the published method. Epsilon is a quantile of
    the training rows' distances to their ``min_points``-th neighbour. Attacks as dense as normal traffic
    are clusters like any other.

    Parameters
    ----------
    min_points
        Rows within epsilon, the row itself among them, that make a core row, >= 2.
    epsilon_quantile
        Share of the training rows that are to be core rows, in (0, 1).
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Of the draw where there are more than 20,000 rows.

    References
    ----------
    Ester, Kriegel, Sander, Xu, "A density-based algorithm for discovering clusters in large spatial databases
    with noise", KDD 1996. The rule for epsilon and the score are ours.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = DBSCANDistance().fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    def __init__(
        self,
        *,
        min_points: int = 10,
        epsilon_quantile: float = 0.95,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.min_points = min_points
        self.epsilon_quantile = epsilon_quantile
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        if self.min_points < 2 or not 0 < self.epsilon_quantile < 1:
            message = (
                f"min_points must be >= 2 and epsilon_quantile in (0, 1), got {self.min_points} and "
                f"{self.epsilon_quantile}; the defaults are 10 and 0.95"
            )
            raise UsageError(message)
        rows = self._take(Z)
        kth = Boxes.of(rows).kth_distance(rows, min(self.min_points, len(rows)))
        epsilon = float(np.quantile(kth, self.epsilon_quantile))
        if epsilon == 0.0:  # copies all over: the nearest unlike row gives the scale
            epsilon = float(kth[kth > 0].min()) if (kth > 0).any() else 1.0
        self._keep(rows[kth <= epsilon], epsilon)


class HDBSCANDistance(_Clusters):
    """Score rows by the distance to the nearest clustered row, over the clusters' usual core distance.

    Rows of shape ``(n, d)`` in, scores >= 0 out: about 1 is the edge of a cluster. Clusters of any density
    are found by scikit-learn's HDBSCAN; rows that it calls noise are no part of the reference. Where it
    finds no cluster at all, the densest half of the rows stands for one.

    Parameters
    ----------
    min_cluster
        Rows that make a cluster, >= 2.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Of the draw where there are more than 20,000 rows.

    References
    ----------
    Campello, Moulavi, Zimek, Sander, "Hierarchical density estimates for data clustering, visualization, and
    outlier detection", TKDD 2015, doi:10.1145/2733381. The score of new rows is ours.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(300, 3))
    >>> model = HDBSCANDistance().fit(crowd)
    >>> bool(model.anomaly_score([[90.0, 90.0, 90.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    def __init__(self, *, min_cluster: int = 20, scaling: str = "robust", seed: int = 0) -> None:
        self.min_cluster = min_cluster
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        from sklearn.cluster import HDBSCAN

        if self.min_cluster < 2:
            message = f"min_cluster must be >= 2, got {self.min_cluster}; 20 is usual"
            raise UsageError(message)
        rows = self._take(Z)
        least = min(self.min_cluster, len(rows))
        core = Boxes.of(rows).kth_distance(rows, least)
        clustered = np.zeros(len(rows), bool)
        if len(rows) > self.min_cluster:
            model = HDBSCAN(min_cluster_size=self.min_cluster, algorithm="kd_tree", copy=True)
            clustered = model.fit_predict(rows) >= 0
        if not clustered.any():
            clustered = core <= np.median(core)
        usual = float(np.median(core[clustered]))
        positive = core[core > 0]
        self._keep(rows[clustered], usual or (float(positive.min()) if len(positive) else 1.0))
