"""Online isolation forest: trees that grow where rows gather and wither where they are forgotten.

What belongs here: growing, forgetting and walking the trees, compiled. What does not: trees that are built at
once from a sample (``isolation_forest.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.stream import StreamDetector
from eddyline.errors import UsageError
from eddyline.tables import Floats

LEAF, ABSENT = -1, -2
"""In place of the column that a node cuts: it cuts none, or it does not exist."""

Nodes = NDArray[np.int64]


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
    the logarithms, and learn and forget one row at a time, so that batches do not matter.

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


@njit(cache=True, nogil=True)
def path_of(n_rows: float, leaf_rows: float) -> float:  # pragma: no cover
    """Give the mean depth of a row among n: ``log4(n / leaf_rows)``, 0 below ``leaf_rows``.

    Parameters
    ----------
    n_rows
        Rows, at or below a node.
    leaf_rows
        Rows at which the root is first cut.
    """
    if n_rows < leaf_rows:
        return 0.0
    return math.log(n_rows / leaf_rows) / math.log(4.0)


@njit(cache=True, nogil=True)
def draw(draws: NDArray[np.uint64], tree: int) -> float:  # pragma: no cover
    """Draw a number in [0, 1) from a tree's own sequence (splitmix64).

    Parameters
    ----------
    draws
        State of each tree's sequence.
    tree
        Which tree.
    """
    draws[tree] += np.uint64(0x9E3779B97F4A7C15)
    word = draws[tree]
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return float(word >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@njit(cache=True, nogil=True)
def run(
    rows: Floats,
    scores: Floats,
    settings: NDArray[np.int64],
    trees: tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]],
    kept: Floats,
) -> None:  # pragma: no cover
    """Score rows, learn them, or both in turn.

    Parameters
    ----------
    rows
        Shape ``(n, d)``.
    scores
        Shape ``(n,)`` to be filled, or empty when only to learn.
    settings
        Rows seen, rows at which the root is cut, whether to learn.
    trees
        The state: columns, counts, cuts, boxes and sequences of draws.
    kept
        The last rows, a ring.
    """
    seen, leaf_rows, learn = settings
    n_trees, window = trees[0].shape[0], kept.shape[0]
    for i in range(rows.shape[0]):
        if len(scores) > 0:
            total = 0.0
            for tree in range(n_trees):
                total += depth_of(rows[i], tree, leaf_rows, trees)
            norm = path_of(min(seen, window), leaf_rows)
            scores[i] = 2.0 ** (-total / n_trees / norm) if norm > 0.0 else 0.0
        if learn:
            n_rows = min(seen, window) + 1
            limit = path_of(n_rows, leaf_rows)
            for tree in range(n_trees):
                gather(rows[i], tree, leaf_rows, limit, trees)
                if n_rows > window:
                    forget(kept[seen % window], tree, leaf_rows, trees)
            kept[seen % window] = rows[i]
            seen += 1


@njit(cache=True, nogil=True)
def depth_of(
    row: Floats,
    tree: int,
    leaf_rows: int,
    trees: tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]],
) -> float:  # pragma: no cover
    """Give a row's depth in a tree, and what its leaf's rows would add.

    Parameters
    ----------
    row
        Scaled row.
    tree, leaf_rows, trees
        Which tree, rows at which the root is cut, all trees.
    """
    column, count, cut = trees[0], trees[1], trees[2]
    node, depth = 0, 0
    while column[tree, node] >= 0:
        node = 2 * node + 1 + int(row[column[tree, node]] >= cut[tree, node])
        depth += 1
    return depth + path_of(count[tree, node], leaf_rows)


@njit(cache=True, nogil=True)
def gather(
    row: Floats,
    tree: int,
    leaf_rows: int,
    limit: float,
    trees: tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]],
) -> None:  # pragma: no cover
    """Count a row in the nodes on its way, and cut the leaf that has gathered enough.

    Parameters
    ----------
    row
        Scaled row.
    tree, leaf_rows, trees
        Which tree, rows at which the root is cut, all trees.
    limit
        Depth at which nothing is cut.
    """
    column, count, cut, box = trees[0], trees[1], trees[2], trees[3]
    node, depth = 0, 0
    while True:
        count[tree, node] += 1
        for j in range(row.shape[0]):
            box[tree, node, 0, j] = min(box[tree, node, 0, j], row[j])
            box[tree, node, 1, j] = max(box[tree, node, 1, j], row[j])
        if column[tree, node] < 0:
            break
        node = 2 * node + 1 + int(row[column[tree, node]] >= cut[tree, node])
        depth += 1
    if count[tree, node] >= leaf_rows << depth and depth < limit:
        grow(tree, node, leaf_rows, limit, trees)


@njit(cache=True, nogil=True)
def grow(
    tree: int,
    top: int,
    leaf_rows: int,
    limit: float,
    trees: tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]],
) -> None:  # pragma: no cover
    """Cut a leaf, and its halves while they are large enough, over points drawn uniformly in its box.

    Parameters
    ----------
    tree, top
        Which leaf of which tree.
    leaf_rows, limit, trees
        Rows at which the root is cut, depth at which nothing is cut, all trees.
    """
    column, count, cut, box, draws = trees
    n_points, width = count[tree, top], box.shape[3]
    points = np.empty((n_points, width))
    for i in range(n_points):
        for j in range(width):
            low, high = box[tree, top, 0, j], box[tree, top, 1, j]
            points[i, j] = low + (high - low) * draw(draws, tree)
    order = np.arange(n_points)
    stack = np.empty((64, 4), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = top, 0, n_points
    stack[0, 3] = int(math.log2(top + 1.0))
    waiting = 1
    while waiting > 0:
        waiting -= 1
        node, first, end, depth = stack[waiting]
        count[tree, node], column[tree, node] = end - first, LEAF
        box[tree, node, 0], box[tree, node, 1] = np.inf, -np.inf
        for i in range(first, end):
            for j in range(width):
                value = points[order[i], j]
                box[tree, node, 0, j] = min(box[tree, node, 0, j], value)
                box[tree, node, 1, j] = max(box[tree, node, 1, j], value)
        if end - first < leaf_rows << depth or depth >= limit:
            continue
        chosen = min(int(draw(draws, tree) * width), width - 1)
        low, high = box[tree, node, 0, chosen], box[tree, node, 1, chosen]
        place = low + (high - low) * draw(draws, tree)
        column[tree, node], cut[tree, node] = chosen, place
        middle = first
        for i in range(first, end):
            if points[order[i], chosen] < place:
                order[i], order[middle] = order[middle], order[i]
                middle += 1
        for side in range(2):
            stack[waiting, 0], stack[waiting, 3] = 2 * node + 1 + side, depth + 1
            stack[waiting, 1] = middle if side else first
            stack[waiting, 2] = end if side else middle
            waiting += 1


@njit(cache=True, nogil=True)
def forget(
    row: Floats,
    tree: int,
    leaf_rows: int,
    trees: tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]],
) -> None:  # pragma: no cover
    """Take a row out of the nodes on its way, and close the first that has too few left.

    Parameters
    ----------
    row
        Scaled row, as it was learned.
    tree, leaf_rows, trees
        Which tree, rows at which the root is cut, all trees.
    """
    column, count, cut = trees[0], trees[1], trees[2]
    node, depth = 0, 0
    while True:
        count[tree, node] -= 1
        if column[tree, node] < 0 or count[tree, node] < leaf_rows << depth:
            break
        node = 2 * node + 1 + int(row[column[tree, node]] >= cut[tree, node])
        depth += 1
    close(tree, node, column, trees[3])
    while node > 0:
        node = (node - 1) // 2
        unite(tree, node, trees[3])


@njit(cache=True, nogil=True)
def close(tree: int, top: int, column: Nodes, box: Floats) -> None:  # pragma: no cover
    """Make a node a leaf whose box is the union of the leaves' below it.

    Parameters
    ----------
    tree, top
        Which node of which tree.
    column, box
        Columns and boxes of all nodes.
    """
    n_nodes = column.shape[1]
    first, last = top, top
    while 2 * first + 1 < n_nodes:
        first, last = 2 * first + 1, 2 * last + 2
    while first > top:
        first, last = (first - 1) // 2, (last - 2) // 2
        for node in range(first, last + 1):
            if column[tree, node] >= 0:
                unite(tree, node, box)
                column[tree, node] = LEAF
                column[tree, 2 * node + 1] = column[tree, 2 * node + 2] = ABSENT


@njit(cache=True, nogil=True)
def unite(tree: int, node: int, box: Floats) -> None:  # pragma: no cover
    """Make a node's box the union of its children's.

    Parameters
    ----------
    tree, node
        Which node of which tree.
    box
        Boxes of all nodes.
    """
    for j in range(box.shape[3]):
        box[tree, node, 0, j] = min(box[tree, 2 * node + 1, 0, j], box[tree, 2 * node + 2, 0, j])
        box[tree, node, 1, j] = max(box[tree, 2 * node + 1, 1, j], box[tree, 2 * node + 2, 1, j])
