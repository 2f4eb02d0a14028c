"""Nearest neighbours: rows far from everything in a filtered reference are strange.

What belongs here: choosing the reference rows and measuring the distance to them. What does not: the forest
that filters (``isolation_forest.py``) and the scale (``scaling.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.isolation_forest import IsolationForest
from eddyline.detectors.nearest import Boxes
from eddyline.detectors.scaling import RobustScale, distinct_rows, draw_rows
from eddyline.errors import UsageError
from eddyline.tables import Floats


class Neighbours(MatrixDetector):
    """Score rows by their mean distance to the nearest rows of a cleaned reference set.

    Rows of shape ``(n, d)`` in, distances >= 0 out, in robust log units. The reference is the part of the
    distinct training rows that an isolation forest finds least strange. Without that filter and the
    de-duplication, attacks in the training data are each other's neighbours and the ranking turns over: on
    KDD ``http`` unfiltered neighbours reach an AUC of .05. The price is that rare modes of normal traffic may
    drop out; calibration on held-out normal rows accounts for it. Exact search, about 10⁴ to 10⁵ rows a
    second; memory is the reference.

    Parameters
    ----------
    n_neighbours
        Neighbours that the distance is averaged over, >= 1.
    keep
        Share of the distinct training rows, least strange first, that may serve as reference, in (0, 1].
    max_reference
        Most rows of the reference, drawn at random from those kept, >= ``n_neighbours``.
    seed
        Start of the randomness.

    References
    ----------
    Ramaswamy, Rastogi, Shim, "Efficient algorithms for mining outliers from large data sets", SIGMOD 2000,
    doi:10.1145/342009.335437; with a mean in place of the k-th distance, after Angiulli and Pizzuti 2002,
    doi:10.1007/3-540-45681-3_2. The filter is ours.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = Neighbours(seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > model.anomaly_score(crowd).max())
    True
    """

    min_rows: ClassVar[int] = 2
    _arrays: ClassVar[tuple[str, ...]] = ("reference_", "centre_", "scale_")

    reference_: Floats
    centre_: Floats
    scale_: Floats

    def __init__(
        self,
        *,
        n_neighbours: int = 5,
        keep: float = 0.5,
        max_reference: int = 10_000,
        seed: int = 0,
    ) -> None:
        self.n_neighbours = n_neighbours
        self.keep = keep
        self.max_reference = max_reference
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        if (
            self.n_neighbours < 1
            or not 0 < self.keep <= 1
            or self.max_reference < self.n_neighbours
        ):
            message = (
                f"n_neighbours must be >= 1, keep in (0, 1] and max_reference >= n_neighbours, "
                f"got {self.n_neighbours}, "
                f"{self.keep} and {self.max_reference}; the defaults are 5, 0.5 and 10,000"
            )
            raise UsageError(message)
        rows = draw_rows(X, self.seed)
        first, _ = distinct_rows(rows)
        distinct = rows[first]
        scale = RobustScale.of(distinct)
        self.centre_, self.scale_ = scale.centre, scale.scale
        forest = IsolationForest(seed=self.seed).fit(rows)
        strangeness = forest.anomaly_score(distinct)
        n_kept = min(len(distinct), max(self.n_neighbours, round(self.keep * len(distinct))))
        kept = np.argsort(strangeness, kind="stable")[:n_kept]
        if len(kept) > self.max_reference:
            kept = np.random.default_rng(self.seed).choice(kept, self.max_reference, replace=False)
        self.reference_ = scale.apply(distinct[np.sort(kept)])
        self._index()

    def _score(self, X: Floats) -> Floats:
        Z = RobustScale(self.centre_, self.scale_).apply(X)
        n_neighbours = min(self.n_neighbours, len(self.reference_))
        return self._boxes.mean_distance(Z, n_neighbours)

    def _index(self) -> None:
        self._boxes = Boxes.of(self.reference_)

    def _restore(self) -> None:
        width = (self.n_features_in_,)
        shapes = self.reference_.shape[1:], self.centre_.shape, self.scale_.shape
        if shapes != (width, width, width) or len(self.reference_) == 0:
            raise refuse_model(self, f"has arrays of width {width[0]}", shapes)
        if not np.isfinite(self.reference_).all() or not (self.scale_ > 0).all():
            raise refuse_model(self, "has a finite reference and positive scales", "others")
        self.reference_ = np.ascontiguousarray(self.reference_, dtype=np.float64)
        self.centre_ = np.ascontiguousarray(self.centre_, dtype=np.float64)
        self.scale_ = np.ascontiguousarray(self.scale_, dtype=np.float64)
        self._index()
