"""Trees that vote: every leaf holds a number for each class, and a row adds up the leaves it falls into.

What belongs here: the arrays, the check of those that come from a file, and the walk. What does not: growing
the trees (``bagged.py``), and trees whose leaves hold one number (``forest.py``).

Scores are scikit-learn's to the last bits: rows are compared as float32, votes are added as float64 in the
order of the trees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.errors import ModelError
from eddyline.tables import Floats, Integers

Ints = NDArray[np.int32]

LARGEST = float(np.finfo(np.float32).max)
"""Rows are cut at this on either side, since trees compare float32."""

BLOCK = 64
"""Rows that walk one tree before the next is fetched: trees stay in the cache."""


@dataclass(frozen=True, slots=True)
class Ballots:
    """Trees end to end: node n goes left when ``X[row, column[n]] <= cut[n]``; column -1 marks a leaf.

    Parameters
    ----------
    column, cut
        One entry a node.
    child
        Place of the left child among all nodes, shape ``(nodes,)``; the right one stands at ``other``. For a
        leaf, ``child`` is its row of ``votes``.
    other
        Place of the right child; 0 for a leaf.
    root
        Where each tree begins, shape ``(trees,)``.
    votes
        Votes of each leaf, shape ``(leaves, k)``.
    """

    column: Ints
    cut: Floats
    child: Ints
    other: Ints
    root: Ints
    votes: Floats

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Give the arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def sums(self, X: NDArray[np.floating[Any]]) -> Floats:
        """Add up the votes of each row over all trees, shape ``(n, k)``.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite.
        """
        out = np.zeros((len(X), self.votes.shape[1]))
        tables = self.column, self.cut, self.child, self.other, self.root, self.votes
        _walk(single(X), *tables, out)
        return out


def single(X: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Give rows as the float32 that trees compare; what is too large becomes the largest.

    Parameters
    ----------
    X
        Rows, shape ``(n, d)``, finite.
    """
    return np.ascontiguousarray(np.clip(X, -LARGEST, LARGEST), dtype=np.float32)


def ballots_of(
    trees: Sequence[Any], columns: Sequence[Integers], votes: Sequence[Floats]
) -> Ballots:
    """Put scikit-learn's trees end to end.

    Parameters
    ----------
    trees
        Fitted ``tree_`` objects.
    columns
        For each tree, the column of our rows that each of its columns is.
    votes
        For each tree, the votes of its nodes, shape ``(nodes, k)``; those of inner nodes are left out.
    """
    column, cut, child, other, root, kept = [], [], [], [], [], []
    first, n_leaves = 0, 0
    for tree, own, vote in zip(trees, columns, votes, strict=True):
        inner = tree.children_left >= 0
        leaves = np.cumsum(~inner) - 1 + n_leaves
        column.append(np.where(inner, own[np.maximum(tree.feature, 0)], -1))
        cut.append(np.where(inner, tree.threshold, 0.0))
        child.append(np.where(inner, tree.children_left + first, leaves))
        other.append(np.where(inner, tree.children_right + first, 0))
        kept.append(vote[~inner])
        root.append(first)
        first += tree.node_count
        n_leaves += int((~inner).sum())
    return Ballots(
        np.concatenate(column).astype(np.int32),
        np.concatenate(cut).astype(np.float64),
        np.concatenate(child).astype(np.int32),
        np.concatenate(other).astype(np.int32),
        np.array(root, np.int32),
        np.ascontiguousarray(np.concatenate(kept), dtype=np.float64),
    )


def sound_ballots(ballots: Ballots, n_classes: int, width: int) -> Ballots:
    """Give trees that came from a file, once they are known to be walkable.

    Parameters
    ----------
    ballots
        The arrays as they were read.
    n_classes
        Numbers a leaf.
    width
        Columns of the rows.

    Raises
    ------
    ModelError
        When a walk could leave the arrays or never end.
    """
    n = len(ballots.column)
    shapes = {len(ballots.cut), len(ballots.child), len(ballots.other)}
    _hold(shapes == {n}, f"tables of {n} nodes", shapes)
    _hold(
        ballots.votes.ndim == 2 and ballots.votes.shape[1] == n_classes and len(ballots.votes),
        f"votes for {n_classes} classes",
        ballots.votes.shape,
    )
    whole = (ballots.column, ballots.child, ballots.other, ballots.root)
    _hold(all(table.dtype.kind == "i" for table in whole), "whole numbers as nodes", "others")
    inner = ballots.column >= 0
    _hold((ballots.column[inner] < width).all(), f"cuts of columns in [0, {width})", "others")
    place = np.flatnonzero(inner)
    for side in (ballots.child[inner], ballots.other[inner]):
        _hold(((side > place) & (side < n)).all(), "children after their parent", "others")
    leaves = ballots.child[~inner]
    _hold(((leaves >= 0) & (leaves < len(ballots.votes))).all(), "leaves with votes", "others")
    roots = ballots.root
    _hold(len(roots) and ((roots >= 0) & (roots < n)).all(), f"roots among {n} nodes", roots[:3])
    finite = np.isfinite(ballots.cut).all() and np.isfinite(ballots.votes).all()
    _hold(finite, "finite cuts and votes", "others")
    return Ballots(
        np.ascontiguousarray(ballots.column, np.int32),
        np.ascontiguousarray(ballots.cut, np.float64),
        np.ascontiguousarray(ballots.child, np.int32),
        np.ascontiguousarray(ballots.other, np.int32),
        np.ascontiguousarray(roots, np.int32),
        np.ascontiguousarray(ballots.votes, np.float64),
    )


def _hold(kept: object, rule: str, value: object) -> None:
    if not kept:
        message = f"saved trees must hold {rule}, got {value}; train the model again"
        raise ModelError(message)


@njit(cache=True, nogil=True)
def _walk(
    X: NDArray[np.float32],
    column: Ints,
    cut: Floats,
    child: Ints,
    other: Ints,
    root: Ints,
    votes: Floats,
    out: Floats,
) -> None:  # pragma: no cover
    n, k = out.shape
    for start in range(0, n, BLOCK):
        stop = min(start + BLOCK, n)
        for tree in range(len(root)):
            for row in range(start, stop):
                at = root[tree]
                while column[at] >= 0:
                    at = child[at] if X[row, column[at]] <= cut[at] else other[at]
                leaf = child[at]
                for c in range(k):
                    out[row, c] += votes[leaf, c]
