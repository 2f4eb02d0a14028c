"""The published isolation forests, plain and extended, for comparison and for hyperplane cuts.

What belongs here: both methods as published, walked by one compiled kernel each. What does not: the forest
that detection uses, which departs from them (``isolation_forest.py``).
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.classical.scaled import ScaledDetector
from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.isolation_forest import average_path, walk
from eddyline.errors import UsageError
from eddyline.tables import Floats

MOST_STEPS: Final = 64
"""Deepest tree that a model file may ask for."""

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
        *("feature_", "threshold_", "left_", "path_"),
        *("roots_", "norm_"),
    )

    feature_: NDArray[np.uint32]
    threshold_: Floats
    left_: NDArray[np.uint32]
    path_: Floats
    roots_: NDArray[np.uint64]
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
        trees = [_side_by_side(estimator.tree_) for estimator in model.estimators_]
        roots = np.cumsum([0, *(len(tree[0]) for tree in trees)])[:-1]
        self.roots_ = roots.astype(np.uint64)
        self.feature_ = np.concatenate([tree[0] for tree in trees])
        self.threshold_ = np.concatenate([tree[1] for tree in trees])
        self.left_ = np.concatenate(
            [tree[2] + np.uint32(root) for tree, root in zip(trees, roots, strict=True)]
        )
        self.path_ = np.concatenate([tree[3] for tree in trees])
        steps = max(estimator.tree_.max_depth for estimator in model.estimators_)
        self.norm_ = np.array([len(trees) * average_path(size), float(steps)])

    def _score(self, X: Floats) -> Floats:
        total = np.zeros(len(X))
        tables = self.feature_, self.threshold_, self.left_, self.path_, self.roots_
        walk(X.astype(np.float32), *tables, int(self.norm_[1]), total)
        if self.norm_[0] == 0.0:  # a sample of one row: no cut separates anything
            return np.ones(len(X))
        scores: Floats = 2.0 ** (-total / self.norm_[0])
        return scores

    def _restore(self) -> None:
        n = len(self.feature_)
        shapes = self.threshold_.shape, self.left_.shape, self.path_.shape, self.norm_.shape
        if n == 0 or shapes != ((n,), (n,), (n,), (2,)) or len(self.roots_) < 1:
            raise refuse_model(self, f"has tables of {n} nodes", shapes)
        leaf = self.left_ == np.arange(n)
        last = np.where(leaf, self.left_, self.left_ + 1)
        if self.left_.min() < 0 or last.max() >= n or not np.isposinf(self.threshold_[leaf]).all():
            raise refuse_model(self, "points to nodes of its own", f"{last.max()} of {n}")
        if not (self.left_ >= np.arange(n)).all():
            raise refuse_model(self, "has trees that lead downward", "others")
        if self.feature_.min() < 0 or self.feature_.max() >= self.n_features_in_:
            raise refuse_model(self, "cuts columns in range", int(self.feature_.max()))
        if self.roots_.min() < 0 or self.roots_.max() >= n:
            raise refuse_model(self, f"has roots among {n} nodes", self.roots_.max())
        if not np.isfinite(self.path_).all() or not self.norm_[0] >= 0:
            raise refuse_model(self, "has finite path lengths", "others")
        if not 0 <= self.norm_[1] <= MOST_STEPS:
            raise refuse_model(self, f"has a depth in [0, {MOST_STEPS}]", self.norm_[1])
        self.feature_ = np.ascontiguousarray(self.feature_, dtype=np.uint32)
        self.left_ = np.ascontiguousarray(self.left_, dtype=np.uint32)
        self.roots_ = np.ascontiguousarray(self.roots_, dtype=np.uint64)
        self.threshold_ = np.ascontiguousarray(self.threshold_, dtype=np.float64)
        self.path_ = np.ascontiguousarray(self.path_, dtype=np.float64)


def _side_by_side(
    tree: Any,
) -> tuple[NDArray[np.uint32], Floats, NDArray[np.uint32], Floats]:
    """Renumber a tree of scikit-learn's so that siblings are neighbours; leaves lead to themselves.

    ``tree`` has no type of its own: scikit-learn's compiled class has no stubs.
    """
    order = [0]
    left = np.zeros(tree.node_count, np.uint32)
    for place in range(tree.node_count):  # breadth first: ``order`` grows ahead of ``place``
        node = order[place]
        if tree.children_left[node] >= 0:
            left[place] = len(order)
            order += [tree.children_left[node], tree.children_right[node]]
        else:
            left[place] = place
    inner = tree.children_left[order] >= 0
    at_end = np.array([average_path(n) for n in tree.n_node_samples[order]])
    depths = tree.compute_node_depths()[order] - 1.0
    return (
        np.where(inner, tree.feature[order], 0).astype(np.uint32),
        np.where(inner, tree.threshold[order], np.inf),
        left,
        np.where(inner, 0.0, depths + at_end),
    )


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
