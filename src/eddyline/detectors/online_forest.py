"""Online isolation forest: trees that grow where rows gather and wither where they are forgotten.

What belongs here: the detector and its state. What does not: growing, forgetting and walking the trees
(``online_trees.py``), and trees that are built at once from a sample (``isolation_forest.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.online_trees import ABSENT, LEAF, Nodes, path_of, run
from eddyline.detectors.stream import StreamDetector
from eddyline.errors import UsageError
from eddyline.tables import Floats


class OnlineForest(StreamDetector):
    """Score rows by how soon random cuts separate them from the last window of rows.

    Rows of shape ``(n, d)`` in, scores in (0, 1] out. A leaf at depth k that has gathered ``leaf_rows x 2^k``
    rows is cut: at a random place of a random column of points that are drawn uniformly in the box of its
    rows; a node that loses its rows again closes. A node therefore says how many of the last ``window`` rows
    fell into it, and sparse places end early. Trees are at most ``log4(window / leaf_rows)`` deep, rounded
    up: 32 trees and a window of 2,048 rows take less than a megabyte at 40 columns.

    Parameters
    ----------
    n_trees
        Trees, >= 1.
    leaf_rows
        Rows at which the root is first cut, >= 1; twice as many a level deeper.
    window
        Rows that are remembered, > ``leaf_rows``.
    scale
        ``log`` cuts signed logarithms, so that bytes and counts are cut where their orders of magnitude are;
        ``none`` cuts the numbers as they are, as published.
    seed
        Start of the randomness.

    References
    ----------
    Leveni, Cassales, Pfahringer, Bifet, Boracchi, "Online Isolation Forest", ICML 2024. We depart from it in
    the logarithms, in cutting only columns that vary, and in learning and forgetting one row at a time, so
    that batches do not matter.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(600, 3))
    >>> forest = OnlineForest(seed=1).partial_fit(crowd)
    >>> bool(forest.anomaly_score([[9.0, 9.0, 9.0]])[0] > np.median(forest.anomaly_score(crowd)))
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("column_", "count_", "cut_", "box_", "draws_", "kept_")

    column_: Nodes
    count_: Nodes
    cut_: Floats
    box_: Floats
    draws_: NDArray[np.uint64]
    kept_: Floats

    def __init__(
        self,
        *,
        n_trees: int = 32,
        leaf_rows: int = 32,
        window: int = 2048,
        scale: Literal["log", "none"] = "log",
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.leaf_rows = leaf_rows
        self.window = window
        self.scale = scale
        self.seed = seed

    @property
    def warm_rows(self) -> int:
        """Twice the rows of the first cut: before it every row lies in the root."""
        return min(2 * self.leaf_rows, self.window)

    def _begin(self, width: int) -> None:
        if self.n_trees < 1 or self.leaf_rows < 1 or self.window <= self.leaf_rows:
            message = (
                f"n_trees and leaf_rows must be >= 1 and window > leaf_rows, got {self.n_trees}, "
                f"{self.leaf_rows} and {self.window}; the defaults are 32, 32 and 2048"
            )
            raise UsageError(message)
        if self.scale not in ("log", "none"):
            message = f"scale must be log or none, got {self.scale!r}; log is the default"
            raise UsageError(message)
        shape = (self.n_trees, self._n_nodes)
        self.column_ = np.full(shape, ABSENT, np.int64)
        self.column_[:, 0] = LEAF
        self.count_ = np.zeros(shape, np.int64)
        self.cut_ = np.zeros(shape)
        self.box_ = np.empty((*shape, 2, width))
        self.box_[:, :, 0], self.box_[:, :, 1] = np.inf, -np.inf
        self.draws_ = np.random.default_rng(self.seed).integers(
            2**63, size=self.n_trees, dtype=np.uint64
        )
        self.kept_ = np.zeros((self.window, width))

    @property
    def _n_nodes(self) -> int:
        """Nodes of a tree as deep as one row beyond the window can make it."""
        depth = math.ceil(path_of(self.window + 1, self.leaf_rows))
        return int(2 ** (depth + 1) - 1)

    def _learn(self, rows: Floats) -> None:
        self._run(rows, np.empty(0), learn=True)

    def _score(self, rows: Floats) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=False)
        return scores

    def _score_and_learn(self, rows: Floats) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=True)
        return scores

    def _run(self, rows: Floats, scores: Floats, *, learn: bool) -> None:
        values = np.copysign(np.log1p(np.abs(rows)), rows) if self.scale == "log" else rows
        settings = np.array([self.n_seen_, self.leaf_rows, learn], np.int64)
        trees = (self.column_, self.count_, self.cut_, self.box_, self.draws_)
        run(values, scores, settings, trees, self.kept_)

    def _restore(self) -> None:
        shape, width = (self.n_trees, self._n_nodes), self.n_features_in_
        self._restored("column_", np.int64, shape)
        self._restored("count_", np.int64, shape)
        self._restored("cut_", np.float64, shape)
        self._restored("box_", np.float64, (*shape, 2, width))
        self._restored("draws_", np.uint64, (self.n_trees,))
        self._restored("kept_", np.float64, (self.window, width))
        column = self.column_
        if column.min() < ABSENT or column.max() >= width or (column[:, 0] == ABSENT).any():
            raise refuse_model(self, "cuts columns in range", (column.min(), column.max()))
        if np.abs(self.count_).max() > self.window + 1:
            raise refuse_model(self, "counts no more rows than its window", self.count_.max())
        inner = column[:, : shape[1] // 2] >= 0
        children = column[:, 1:].reshape(self.n_trees, -1, 2) != ABSENT
        if (column[:, shape[1] // 2 :] >= 0).any() or not (children == inner[:, :, None]).all():
            raise refuse_model(self, "has two children for each cut and no others", "another tree")
