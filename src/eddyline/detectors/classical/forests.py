"""The published isolation forests, plain and extended, for comparison and for hyperplane cuts.

What belongs here: both methods as published, walked by one compiled kernel each. What does not: the forest
that detection uses, which departs from them (``isolation_forest.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.isolation_forest import average_path
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

BLOCK = 64
"""Rows that walk one tree before the next tree is fetched: trees stay in the cache."""


def _check(n_trees: int, sample_rows: int) -> None:
    if n_trees < 1 or sample_rows < 2:
        message = (
            f"n_trees must be >= 1 and sample_rows >= 2, got {n_trees} and {sample_rows}; the defaults "
            "are 100 and 256"
        )
        raise UsageError(message)


class PlainIsolationForest(MatrixDetector):
    """Score rows by how few random cuts of one column separate them, as published.

    Rows of shape ``(n, d)`` in, scores in (0, 1) out. Trees are grown by scikit-learn and walked by our own
    kernel: the scores are scikit-learn's, ``-score_samples``, to the last bits. Copies and clusters of
    attacks in the training rows hide themselves here; ``isolation_forest`` does not let them.

    Parameters
    ----------
    n_trees
        Trees, >= 1.
    sample_rows
        Training rows that a tree is grown on, >= 2.
    seed
        Start of the randomness.

    References
    ----------
    Liu, Ting, Zhou, "Isolation Forest", ICDM 2008, doi:10.1109/ICDM.2008.17.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = PlainIsolationForest().fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > np.median(model.anomaly_score(crowd)))
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("columns_", "cuts_", "children_", "paths_"),
        *("roots_", "norm_"),
    )

    columns_: NDArray[np.int32]
    cuts_: Floats
    children_: NDArray[np.int32]
    paths_: Floats
    roots_: Integers
    norm_: Floats

    def __init__(self, *, n_trees: int = 100, sample_rows: int = 256, seed: int = 0) -> None:
        self.n_trees = n_trees
        self.sample_rows = sample_rows
        self.seed = seed

    def _fit(self, X: Floats) -> None:
        from sklearn.ensemble import IsolationForest

        _check(self.n_trees, self.sample_rows)
        size = min(self.sample_rows, len(X))
        model = IsolationForest(
            n_estimators=self.n_trees, max_samples=size, random_state=self.seed
        ).fit(X)
        columns, cuts, children, paths, roots = [], [], [], [], []
        start = 0
        for estimator in model.estimators_:
            tree = estimator.tree_
            inner = tree.children_left >= 0
            depths = tree.compute_node_depths() - 1.0
            at_end = np.array([average_path(n) for n in tree.n_node_samples])
            columns.append(np.where(inner, tree.feature, -1))
            cuts.append(tree.threshold)
            sides = np.stack([tree.children_left, tree.children_right], axis=1) + start
            children.append(np.where(inner[:, None], sides, -1))
            paths.append(np.where(inner, 0.0, depths + at_end))
            roots.append(start)
            start += tree.node_count
        self.columns_ = np.concatenate(columns).astype(np.int32)
        self.cuts_ = np.concatenate(cuts)
        self.children_ = np.concatenate(children).astype(np.int32)
        self.paths_ = np.concatenate(paths)
        self.roots_ = np.array(roots, dtype=np.int64)
        self.norm_ = np.array([len(roots) * average_path(size)])

    def _score(self, X: Floats) -> Floats:
        total = np.zeros(len(X))
        tables = self.columns_, self.cuts_, self.children_, self.paths_, self.roots_
        _walk(X.astype(np.float32), *tables, total)
        if self.norm_[0] == 0.0:  # a sample of one row: no cut separates anything
            return np.ones(len(X))
        scores: Floats = 2.0 ** (-total / self.norm_[0])
        return scores

    def _restore(self) -> None:
        n = len(self.columns_)
        shapes = self.cuts_.shape, self.children_.shape, self.paths_.shape, self.norm_.shape
        if shapes != ((n,), (n, 2), (n,), (1,)) or len(self.roots_) < 1:
            raise refuse_model(self, f"has tables of {n} nodes", shapes)
        self.columns_ = np.ascontiguousarray(self.columns_, dtype=np.int32)
        self.children_ = np.ascontiguousarray(self.children_, dtype=np.int32)
        self.roots_ = np.ascontiguousarray(self.roots_, dtype=np.int64)
        self.cuts_ = np.ascontiguousarray(self.cuts_, dtype=np.float64)
        self.paths_ = np.ascontiguousarray(self.paths_, dtype=np.float64)
        inner = self.columns_ >= 0
        below = self.children_[inner]
        downward = (below > np.flatnonzero(inner)[:, None]).all() and (below < n).all()
        if (self.columns_ >= self.n_features_in_).any() or not downward:
            raise refuse_model(self, "has trees that lead downward", "others")
        if (self.roots_ < 0).any() or (self.roots_ >= n).any():
            raise refuse_model(self, f"has roots among {n} nodes", self.roots_.max())
        if not np.isfinite(self.paths_).all() or not self.norm_[0] >= 0:
            raise refuse_model(self, "has finite path lengths", "others")


class ExtendedIsolationForest(ScaledDetector):
    """Score rows by how few random hyperplanes separate them.

    Rows of shape ``(n, d)`` in, scores in (0, 1) out. Cuts of slanted direction leave none of the
    axis-parallel bands in which the plain forest finds strange places usual.

    Parameters
    ----------
    n_trees
        Trees, >= 1.
    sample_rows
        Training rows that a tree is grown on, >= 2.
    scaling
        ``robust``: signed logarithm and robust units; ``none``: the rows as they are.
    seed
        Start of the randomness.

    References
    ----------
    Hariri, Carrasco Kind, Brunner, "Extended isolation forest", TKDE 2021, doi:10.1109/TKDE.2019.2947676;
    full extension.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(500, 3))
    >>> model = ExtendedIsolationForest().fit(crowd)
    >>> bool(model.anomaly_score([[9.0, 9.0, 9.0]])[0] > np.median(model.anomaly_score(crowd)))
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        *("centre_", "scale_", "normals_", "offsets_"),
        *("paths_", "norm_"),
    )

    normals_: Floats
    offsets_: Floats
    paths_: Floats
    norm_: Floats

    def __init__(
        self,
        *,
        n_trees: int = 100,
        sample_rows: int = 256,
        scaling: str = "robust",
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.sample_rows = sample_rows
        self.scaling = scaling
        self.seed = seed

    def _fit_scaled(self, Z: Floats) -> None:
        _check(self.n_trees, self.sample_rows)
        rng = np.random.default_rng(self.seed)
        size = min(self.sample_rows, len(Z))
        depth = max(1, math.ceil(math.log2(size)))
        n_inner, n_nodes = 2**depth - 1, 2 ** (depth + 1) - 1
        self.normals_ = np.zeros((self.n_trees, n_inner, Z.shape[1]))
        self.offsets_ = np.zeros((self.n_trees, n_inner))
        self.paths_ = np.full((self.n_trees, n_nodes), -1.0)
        for tree in range(self.n_trees):
            sample = Z[rng.choice(len(Z), size, replace=False)]
            self._grow(tree, sample, depth, rng)
        self.norm_ = np.array([average_path(size)])

    def _grow(self, tree: int, sample: Floats, depth: int, rng: np.random.Generator) -> None:
        """Cut a sample until rows are alone or the tree is deep; nodes lie as in a heap."""
        waiting = [(0, 0, sample)]
        while waiting:
            node, level, rows = waiting.pop()
            if level == depth or len(rows) <= 1 or not np.ptp(rows, axis=0).any():
                self.paths_[tree, node] = level + average_path(len(rows))
                continue
            normal = rng.normal(size=rows.shape[1])
            point = rng.uniform(rows.min(axis=0), rows.max(axis=0))
            left = (rows - point) @ normal <= 0
            self.normals_[tree, node], self.offsets_[tree, node] = normal, point @ normal
            waiting += [
                (2 * node + 1, level + 1, rows[left]),
                (2 * node + 2, level + 1, rows[~left]),
            ]

    def _score_scaled(self, Z: Floats) -> Floats:
        total = np.zeros(len(Z))
        _walk_planes(Z, self.normals_, self.offsets_, self.paths_, total)
        if self.norm_[0] == 0.0:
            return np.ones(len(Z))
        scores: Floats = 2.0 ** (-total / (len(self.paths_) * self.norm_[0]))
        return scores

    def _restore_own(self) -> None:
        d = self.n_features_in_
        self.normals_ = self._finite("normals_", (-1, -1, d))
        trees, inner = self.normals_.shape[:2]
        self.offsets_ = self._finite("offsets_", (trees, inner))
        self.paths_ = self._finite("paths_", (trees, 2 * inner + 1))
        self.norm_ = self._finite("norm_", (1,))
        if (inner + 1) & inner or (self.paths_[:, inner:] < 0).all(axis=1).any():
            raise refuse_model(self, "has full trees with ends", inner)


@njit(cache=True, nogil=True)
def _walk(
    X: NDArray[np.float32],
    columns: NDArray[np.int32],
    cuts: Floats,
    children: NDArray[np.int32],
    paths: Floats,
    roots: Integers,
    total: Floats,
) -> None:  # pragma: no cover
    for start in range(0, X.shape[0], BLOCK):
        stop = min(start + BLOCK, X.shape[0])
        for tree in range(len(roots)):
            for i in range(start, stop):
                node = roots[tree]
                while columns[node] >= 0:
                    right = 1 if X[i, columns[node]] > cuts[node] else 0
                    node = np.int64(children[node, right])
                total[i] += paths[node]


@njit(cache=True, nogil=True)
def _walk_planes(
    Z: Floats, normals: Floats, offsets: Floats, paths: Floats, total: Floats
) -> None:  # pragma: no cover
    for start in range(0, Z.shape[0], BLOCK):
        stop = min(start + BLOCK, Z.shape[0])
        for tree in range(paths.shape[0]):
            for i in range(start, stop):
                node = 0
                while paths[tree, node] < 0 and node < offsets.shape[1]:
                    side = 0.0
                    for j in range(Z.shape[1]):
                        side += normals[tree, node, j] * Z[i, j]
                    node = 2 * node + (1 if side <= offsets[tree, node] else 2)
                total[i] += paths[tree, node]
