"""A forest of decision trees as plain arrays, and its sum over the leaves that a row falls into.

What belongs here: the arrays, the check of those that come from a file, and the walk. What does not: growing
trees (``boosting.py``), which is LightGBM's work.

A saved forest is walked by our own loop: the parser of LightGBM's text trusts its input, which a model file
from a stranger must not enjoy, and a loop of ours gives a row the same bits in every batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.errors import ModelError
from eddyline.tables import Floats

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees end to end: node n of a tree goes left when ``X[row, feature[n]] <= threshold[n]``.

    Parameters
    ----------
    feature, threshold, left, right
        One entry a node. A child ``>= 0`` is a node of the same tree and stands after its parent; a child
        ``< 0`` is leaf ``-1 - child`` of the same tree.
    first_node, first_leaf
        Where each tree begins, shape ``(trees + 1,)``.
    leaf
        Value of each leaf.
    """

    feature: Ints
    threshold: Floats
    left: Ints
    right: Ints
    first_node: Ints
    first_leaf: Ints
    leaf: Floats

    @property
    def n_trees(self) -> int:
        """Number of trees."""
        return len(self.first_node) - 1

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def sums(self, X: NDArray[np.floating[Any]], n_classes: int) -> Floats:
        """Add up the leaves of each row: tree t counts for class ``t % n_classes``.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite, with d above every entry of ``feature``.
        n_classes
            Columns of the result.
        """
        out = np.zeros((len(X), n_classes))
        _walk(
            X,
            self.feature,
            self.threshold,
            self.left,
            self.right,
            self.first_node,
            self.first_leaf,
            self.leaf,
            out,
        )
        return out


def forest_of_text(text: str) -> Forest:
    """Read the trees of a LightGBM model's text.

    Parameters
    ----------
    text
        What ``Booster.model_to_string`` gave just now, with numerical splits only.
    """
    feature: list[Ints] = []
    threshold: list[Floats] = []
    left: list[Ints] = []
    right: list[Ints] = []
    leaf: list[Floats] = []
    for tree in _trees(text):
        leaf.append(np.array(tree["leaf_value"].split(), np.float64))
        empty = len(leaf[-1]) == 1  # a tree without a split: its only leaf is every row's
        feature.append(np.array([] if empty else tree["split_feature"].split(), np.int32))
        threshold.append(np.array([] if empty else tree["threshold"].split(), np.float64))
        left.append(np.array([] if empty else tree["left_child"].split(), np.int32))
        right.append(np.array([] if empty else tree["right_child"].split(), np.int32))
    nodes = np.cumsum([0, *(len(f) for f in feature)], dtype=np.int32)
    leaves = np.cumsum([0, *(len(values) for values in leaf)], dtype=np.int32)
    return Forest(
        np.concatenate(feature),
        np.concatenate(threshold),
        np.concatenate(left),
        np.concatenate(right),
        nodes,
        leaves,
        np.concatenate(leaf),
    )


def _trees(text: str) -> Iterator[dict[str, str]]:
    body = text.split("end of trees", maxsplit=1)[0]
    for block in body.split("\nTree=")[1:]:
        yield dict(line.split("=", 1) for line in block.splitlines()[1:] if "=" in line)


def sound_forest(forest: Forest, n_classes: int, width: int) -> Forest:
    """Give a forest that came from a file, once it is known to be walkable.

    Parameters
    ----------
    forest
        The arrays as they were read.
    n_classes
        Classes whose trees take turns.
    width
        Columns of the rows it will see.

    Raises
    ------
    ModelError
        When a walk could leave the arrays, never end, or the trees do not take turns.
    """
    nodes, leaves = forest.first_node, forest.first_leaf
    borders = _are_borders(nodes, len(forest.feature)) and _are_borders(leaves, len(forest.leaf))
    _hold(borders, "first_node and first_leaf that rise from 0 to the end", nodes[:3])
    kinds = {forest.feature.dtype.kind, forest.left.dtype.kind, forest.right.dtype.kind}
    floats = forest.threshold.dtype == forest.leaf.dtype == np.float64
    _hold(kinds == {"i"} and floats, "whole numbers as nodes and float64 as values", kinds)
    sizes = {len(forest.threshold), len(forest.left), len(forest.right)}
    _hold(sizes == {len(forest.feature)}, "as many thresholds and children as features", sizes)
    turns = len(nodes) == len(leaves) and (len(nodes) - 1) % n_classes == 0
    _hold(turns, f"a tree for each of {n_classes} classes a round", len(nodes) - 1)
    columns = forest.feature
    _hold(
        ((columns >= 0) & (columns < width)).all(), f"splits on columns in [0, {width})", columns
    )
    finite = np.isfinite(forest.threshold).all() and np.isfinite(forest.leaf).all()
    _hold(finite, "finite thresholds and leaves", "others")
    counts, n_leaves = np.diff(nodes), np.diff(leaves)
    _hold((n_leaves >= 1).all(), "at least one leaf a tree", n_leaves.min())
    place = np.arange(len(forest.feature)) - np.repeat(nodes[:-1], counts)
    last_node, last_leaf = np.repeat(counts, counts), np.repeat(n_leaves, counts)
    for child in (forest.left, forest.right):
        inner = (child > place) & (child < last_node)
        outer = (child < 0) & (-1 - child.astype(np.int64) < last_leaf)
        _hold((inner | outer).all(), "children after their parent in the same tree", "others")
    return forest


def _are_borders(borders: Ints, length: int) -> bool:
    return bool(
        borders.ndim == 1
        and borders.dtype.kind == "i"
        and len(borders) >= 2
        and borders[0] == 0
        and borders[-1] == length
        and (np.diff(borders) >= 0).all()
    )


def _hold(kept: object, rule: str, value: object) -> None:
    if not kept:
        message = f"a saved forest must hold {rule}, got {value}; train the model again"
        raise ModelError(message)


@njit(cache=True, nogil=True)
def _walk(  # noqa: PLR0913 - a kernel takes its arrays one by one
    X: NDArray[np.floating[Any]],
    feature: Ints,
    threshold: Floats,
    left: Ints,
    right: Ints,
    first_node: Ints,
    first_leaf: Ints,
    leaf: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    n_trees, n_classes = len(first_node) - 1, out.shape[1]
    for row in range(X.shape[0]):
        for tree in range(n_trees):
            base = first_node[tree]
            node = 0 if first_node[tree + 1] > base else -1
            while node >= 0:
                at = base + node
                node = left[at] if X[row, feature[at]] <= threshold[at] else right[at]
            out[row, tree % n_classes] += leaf[first_leaf[tree] - 1 - node]
