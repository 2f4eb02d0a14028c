"""Trees that grow, forget and are walked a row at a time, compiled.

What belongs here: one step of each. What does not: state and arguments (``online_forest.py``).

A tree is a heap: the children of node i are ``2i + 1`` and ``2i + 2``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats

LEAF, ABSENT = -1, -2
"""In place of the column that a node cuts: it cuts none, or it does not exist."""

Nodes = NDArray[np.int64]
Trees = tuple[Nodes, Nodes, Floats, Floats, NDArray[np.uint64]]
"""Columns, counts, cuts, boxes, and the sequence of draws of each tree."""


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
    trees: Trees,
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
            for j in range(rows.shape[1]):
                kept[seen % window, j] = rows[i, j]
            seen += 1


@njit(cache=True, nogil=True)
def depth_of(
    row: Floats,
    tree: int,
    leaf_rows: int,
    trees: Trees,
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
    trees: Trees,
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
    trees: Trees,
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
            part = draw(draws, tree)
            points[i, j] = low * (1.0 - part) + high * part  # the range itself may overflow
    order = np.arange(n_points)
    stack = np.empty((64, 4), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = top, 0, n_points
    stack[0, 3] = int(math.log2(top + 1.0))
    waiting = 1
    while waiting > 0:
        waiting -= 1
        node, first = stack[waiting, 0], stack[waiting, 1]
        end, depth = stack[waiting, 2], stack[waiting, 3]
        count[tree, node], column[tree, node] = end - first, LEAF
        enclose(points, order[first:end], box[tree, node])
        if end - first < leaf_rows << depth or depth >= limit:
            continue
        chosen = column_to_cut(box[tree, node], draws, tree)
        low, high = box[tree, node, 0, chosen], box[tree, node, 1, chosen]
        part = draw(draws, tree)
        place = low * (1.0 - part) + high * part
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
def column_to_cut(box: Floats, draws: NDArray[np.uint64], tree: int) -> int:  # pragma: no cover
    """Draw a column in which a box has an extent; any column when it has none in all.

    A cut of a constant column separates nothing, and a tree of four levels has none to spare: on one-hot
    columns the published draw from all columns spent most of them so.

    Parameters
    ----------
    box
        Shape ``(2, d)``.
    draws, tree
        As in ``draw``.
    """
    width = box.shape[1]
    chosen = 0
    for _ in range(8 * width):
        chosen = min(int(draw(draws, tree) * width), width - 1)
        if box[1, chosen] > box[0, chosen]:
            break
    return chosen


@njit(cache=True, nogil=True)
def enclose(points: Floats, chosen: Nodes, box: Floats) -> None:  # pragma: no cover
    """Give the box of some points; without points its lower end is above its upper.

    Parameters
    ----------
    points, chosen
        Points, and the numbers of those meant.
    box
        Filled, shape ``(2, d)``.
    """
    for j in range(points.shape[1]):
        box[0, j], box[1, j] = np.inf, -np.inf
        for i in chosen:
            box[0, j], box[1, j] = min(box[0, j], points[i, j]), max(box[1, j], points[i, j])


@njit(cache=True, nogil=True)
def forget(
    row: Floats,
    tree: int,
    leaf_rows: int,
    trees: Trees,
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
