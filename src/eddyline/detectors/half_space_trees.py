"""Half-space trees: rows that fall where few of the last window's rows fell are strange.

What belongs here: the walk through the trees and the masses of two windows, compiled. What does not: trees
that adapt to the rows (``online_forest.py``).
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

SIZE_LIMIT = 0.1
"""Share of a window below which a node's mass says no more when it is divided; the paper's."""

FIXED_BITS = 30
"""Bits of a value's place in its work range: the deepest tree cuts one column no oftener."""

Words = NDArray[np.uint32]
Nodes = NDArray[np.int32]


class HalfSpaceTrees(StreamDetector):
    """Score rows by the mass of the last full window at the place where they fall in random trees.

    Rows of shape ``(n, d)`` in, scores in [0, 1] out; 1 where nothing of the last window fell. Each node
    halves the range of a column drawn at random, so the cuts depend on no row, and a row's way down a tree is
    a word of as many bits as the tree is deep. Only the words of two windows are kept: the state is
    ``n_trees x 2 x window`` words, and a tree of depth 15 takes no memory. Fails where anomalies lie packed:
    a clump of more than a tenth of a window makes a mass of its own and ranks as the most usual of all, as
    in a flood (a test shows both sides of that tenth). Costs ``n_trees x depth`` steps a row.

    Parameters
    ----------
    n_trees
        Trees, >= 1.
    depth
        Cuts on the way down a tree, in [1, 30].
    window
        Rows of a window, >= 2: a row is judged by the last full one.
    scale
        How columns come into [0, 1]: ``log`` by the least and largest signed logarithm learned so far,
        ``range`` by the least and largest value, ``unit`` when they are in it already.
    seed
        Start of the randomness.

    References
    ----------
    Tan, Ting, Liu, "Fast anomaly detection for streaming data", IJCAI 2011. We depart from it in keeping
    words in place of counters, in the running scale, and in giving ``1 - mass/largest mass``.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(5.0, 0.1, size=(600, 3))
    >>> trees = HalfSpaceTrees(seed=1).partial_fit(crowd)
    >>> bool(trees.anomaly_score([[9.0, 0.0, 9.0]])[0] > np.median(trees.anomaly_score(crowd)))
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("ranges_", "words_")

    ranges_: Floats
    """Least and largest value of each column, shape ``(2, d)``."""

    words_: Words
    """Words of the reference window and of the latest, shape ``(2, n_trees, window)``."""

    _work: Floats
    _parts: Nodes

    def __init__(
        self,
        *,
        n_trees: int = 25,
        depth: int = 15,
        window: int = 250,
        scale: Literal["log", "range", "unit"] = "log",
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.depth = depth
        self.window = window
        self.scale = scale
        self.seed = seed

    @property
    def warm_rows(self) -> int:
        """A full window."""
        return self.window

    def _begin(self, width: int) -> None:
        if self.n_trees < 1 or not 1 <= self.depth <= FIXED_BITS or self.window < 2:
            message = (
                f"n_trees must be >= 1, depth in [1, {FIXED_BITS}] and window >= 2, got "
                f"{self.n_trees}, {self.depth} and {self.window}; the defaults are 25, 15 and 250"
            )
            raise UsageError(message)
        if self.scale not in ("log", "range", "unit"):
            message = f"scale must be log, range or unit, got {self.scale!r}; log is the default"
            raise UsageError(message)
        self.ranges_ = np.repeat([[np.inf], [-np.inf]], width, axis=1)
        if self.scale == "unit":
            self.ranges_[:] = [[0.0], [1.0]]
        self.words_ = np.zeros((2, self.n_trees, self.window), np.uint32)
        self._derive(width)

    def _derive(self, width: int) -> None:
        """Draw the work ranges and make room for the nodes that hold the reference's masses."""
        rng = np.random.default_rng(self.seed)
        centre = rng.random((self.n_trees, width))
        half = 2.0 * np.maximum(centre, 1.0 - centre)
        self._work = np.ascontiguousarray(np.stack([centre - half, 0.5 / half], axis=2))
        most = 2 * self.depth * (self.window // self._limit) + 3
        self._parts = np.zeros((self.n_trees, most, 2), np.int32)

    @property
    def _limit(self) -> int:
        """Mass at which a node is still divided."""
        return max(1, math.ceil(SIZE_LIMIT * self.window))

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
        flags = [learn, self.scale == "log", self.scale != "unit"]
        settings = np.array([self.n_seen_, self.depth, self._limit, self.seed, *flags], np.int64)
        run(rows, scores, settings, self.ranges_, self.words_, self._work, self._parts)

    def _restore(self) -> None:
        self._restored("ranges_", np.float64, (2, self.n_features_in_))
        self._restored("words_", np.uint32, (2, self.n_trees, self.window))
        if (self.words_ >> np.uint32(self.depth)).any():
            raise refuse_model(self, f"holds words of {self.depth} bits", "longer ones")
        if not (np.isfinite(self.ranges_).all() and (self.ranges_[0] <= self.ranges_[1]).all()):
            raise refuse_model(self, "has seen a range in every column", "none")
        self._derive(self.n_features_in_)
        if self.n_seen_ >= self.window:
            index_masses(self.words_[0], self.depth, self._limit, self._parts)


@njit(cache=True, nogil=True)
def column_of(key: np.uint64, width: np.uint64) -> np.uint64:  # pragma: no cover
    """Draw the column that a node cuts, from the node's number alone.

    Parameters
    ----------
    key
        Seed, tree and node in one number.
    width
        Columns.
    """
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return ((key >> np.uint64(32)) * width) >> np.uint64(32)


@njit(cache=True, nogil=True)
def word_of(
    row: Floats, tree: int, seed: int, depth: int, work: Floats, places: NDArray[np.uint32]
) -> np.uint32:  # pragma: no cover
    """Give a row's way down a tree, a bit a cut: 1 for the upper half.

    Cutting a column's range in half k times reads the first k bits of the value's place in the range.

    Parameters
    ----------
    row
        Scaled row.
    tree, seed, depth
        Which tree, and how deep.
    work
        Lower end and inverse length of each column's work range in each tree.
    places
        Room for the unread bits of each column.
    """
    largest = float((1 << FIXED_BITS) - 1)
    for j in range(row.shape[0]):
        place = (row[j] - work[tree, j, 0]) * work[tree, j, 1] * (largest + 1.0)
        places[j] = np.uint32(min(max(place, 0.0), largest))
    base = np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15) + (np.uint64(tree) << np.uint64(40))
    columns, top = np.uint64(row.shape[0]), np.uint32(FIXED_BITS - 1)
    word = np.uint64(1)
    for _ in range(depth):
        column = column_of(base + word * np.uint64(0xD1B54A32D192ED03), columns)
        unread = places[column]
        word = (word << np.uint64(1)) | np.uint64((unread >> top) & np.uint32(1))
        places[column] = unread << np.uint32(1)
    return np.uint32(word ^ (np.uint64(1) << np.uint64(depth)))


@njit(cache=True, nogil=True)
def index_masses(
    reference: NDArray[np.uint32], depth: int, limit: int, parts: Nodes
) -> None:  # pragma: no cover
    """Lay out the part of each tree that scoring can meet: nodes of at least ``limit`` rows are divided.

    Parameters
    ----------
    reference
        Words of the reference window, shape ``(n_trees, window)``.
    depth, limit
        Depth of the trees; mass at which a node is divided.
    parts
        Filled, two numbers a node: the first of its two children (0 for none), and its mass.
    """
    stack = np.empty((2 * depth + 2, 4), np.int64)
    for tree in range(reference.shape[0]):
        words = np.sort(reference[tree])
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, 0, len(words), 0
        used, waiting = 1, 1
        while waiting > 0:
            waiting -= 1
            here, low, high, level = stack[waiting]
            parts[tree, here, 0], parts[tree, here, 1] = 0, high - low
            if level == depth or high - low < limit:
                continue
            bit = np.uint32(depth - 1 - level)
            middle, end = low, high
            while middle < end:
                probe = (middle + end) // 2
                if (words[probe] >> bit) & np.uint32(1):
                    end = probe
                else:
                    middle = probe + 1
            parts[tree, here, 0] = used
            stack[waiting, 0], stack[waiting, 1], stack[waiting, 2] = used, low, middle
            stack[waiting + 1, 0], stack[waiting + 1, 1] = used + 1, middle
            stack[waiting + 1, 2] = high
            stack[waiting, 3] = stack[waiting + 1, 3] = level + 1
            used += 2
            waiting += 2


@njit(cache=True, nogil=True)
def mass_at(word: np.uint32, depth: int, parts: Nodes) -> float:  # pragma: no cover
    """Give the mass where a word leaves the divided part of a tree, times 2 to the depth of that place.

    Parameters
    ----------
    word, depth
        Way down the tree, and its length.
    parts
        The divided part of this tree.
    """
    here, level = np.int32(0), 0
    while parts[here, 0] != 0:
        level += 1
        here = parts[here, 0] + np.int32((word >> np.uint32(depth - level)) & np.uint32(1))
    return float(parts[here, 1]) * float(1 << level)


@njit(cache=True, nogil=True)
def run(
    rows: Floats,
    scores: Floats,
    settings: NDArray[np.int64],
    ranges: Floats,
    words: Words,
    work: Floats,
    parts: Nodes,
) -> None:  # pragma: no cover
    """Score rows, learn them, or both in turn.

    Parameters
    ----------
    rows
        Shape ``(n, d)``.
    scores
        Shape ``(n,)`` to be filled, or empty when only to learn.
    settings
        Rows seen, depth, limit of mass, seed, and whether to learn, take logarithms, stretch to the ranges.
    ranges, words
        The state.
    work, parts
        Work ranges, and the divided part of the trees.
    """
    seen, depth, limit, seed, learn, logarithm, stretch = settings
    n_trees, window = words.shape[1], words.shape[2]
    values, scaled = np.empty(rows.shape[1]), np.empty(rows.shape[1])
    places = np.empty(rows.shape[1], np.uint32)
    way = np.empty(n_trees, np.uint32)
    largest = float(n_trees) * window * float(1 << depth)
    for i in range(rows.shape[0]):
        for j in range(rows.shape[1]):
            values[j] = rows[i, j]
            if logarithm:
                values[j] = np.copysign(np.log1p(abs(rows[i, j])), rows[i, j])
        known = len(scores) > 0
        if known:
            into_unit(values, ranges, stretch, scaled)
            total = 0.0
            for tree in range(n_trees):
                way[tree] = word_of(scaled, tree, seed, depth, work, places)
                total += mass_at(way[tree], depth, parts[tree])
            scores[i] = 1.0 - total / largest
        if not learn:
            continue
        if widen(ranges, values, stretch) or not known:
            into_unit(values, ranges, stretch, scaled)
            for tree in range(n_trees):
                way[tree] = word_of(scaled, tree, seed, depth, work, places)
        words[1, :, seen % window] = way
        seen += 1
        if seen % window == 0:
            words[0] = words[1]
            index_masses(words[0], depth, limit, parts)


@njit(cache=True, nogil=True)
def widen(ranges: Floats, values: Floats, stretch: int) -> bool:  # pragma: no cover
    """Take values into the ranges; tell whether one lay outside.

    Parameters
    ----------
    ranges
        Least and largest value of each column.
    values
        A row.
    stretch
        Whether the ranges are used at all.
    """
    wider = False
    if stretch:
        for j in range(values.shape[0]):
            if values[j] < ranges[0, j]:
                ranges[0, j], wider = values[j], True
            if values[j] > ranges[1, j]:
                ranges[1, j], wider = values[j], True
    return wider


@njit(cache=True, nogil=True)
def into_unit(
    values: Floats, ranges: Floats, stretch: int, scaled: Floats
) -> None:  # pragma: no cover
    """Bring a row into [0, 1] by the ranges; a column of one value is 0 there, and 1 or -1 beside it.

    Parameters
    ----------
    values, scaled
        Row in, row out.
    ranges
        Least and largest value of each column.
    stretch
        Whether the ranges are used at all.
    """
    for j in range(values.shape[0]):
        low, high = ranges[0, j], ranges[1, j]
        if not stretch:
            scaled[j] = values[j]
        elif high > low:
            scaled[j] = (0.5 * values[j] - 0.5 * low) / (0.5 * high - 0.5 * low)  # no overflow
        else:
            scaled[j] = np.sign(values[j] - low)
