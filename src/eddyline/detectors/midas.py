"""MIDAS: edges that come in bursts, against how often they came before, counted in sketches.

What belongs here: the count-min sketches and the three scores, compiled. What does not: blocks of edges
(``edges.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.stream import EdgeDetector, Edges
from eddyline.errors import UsageError
from eddyline.tables import Floats

COUNTS, RELATIONS, FILTER = 0, 1, 2
"""The three variants: edges alone; edges, sources and destinations; the same without learning bursts."""

Settings = tuple[int, float, float, int]
Cells = NDArray[np.int64]


class Midas(EdgeDetector):
    """Score an edge by how far its count of this tick lies above its mean, as a chi-squared statistic.

    Edges of shape ``(n, 3)`` in, scores >= 0 of shape ``(n,)`` out, with no upper end. With a the edge's
    count of this tick, s its total and t the tick, counted from 1: ``(a - s/t)^2 t^2 / (s (t - 1))``. Counts
    stand in count-min sketches: collisions can only make them larger. Finds floods and nothing else: one
    packet that should not be is worth little. Costs less than a microsecond an edge; memory is
    ``3 x n_hashes x n_cells`` numbers.

    Parameters
    ----------
    n_hashes
        Rows of a sketch, >= 1.
    n_cells
        Cells of a row, >= 2.
    seed
        Start of the randomness.

    References
    ----------
    Bhatia, Hooi, Yoon, Shin, Faloutsos, "MIDAS: Microcluster-based detector of anomalies in edge streams",
    AAAI 2020, doi:10.1609/aaai.v34i04.5724. Ticks are counted from the first one seen, so that any number
    of minutes since any epoch will do.

    Examples
    --------
    >>> counts = Midas().partial_fit([[1, 2, tick] for tick in range(20)])
    >>> float(counts.anomaly_score([[1, 2, 20]]).round(6)[0])
    0.0
    >>> bool(counts.partial_fit([[1, 2, 20]] * 9).anomaly_score([[1, 2, 20]])[0] > 50)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("current_", "total_", "burst_", "ticks_")
    _variant: ClassVar[int] = COUNTS

    current_: Floats
    """Counts of this tick: edges, sources, destinations; shape ``(parts, n_hashes, n_cells)``."""

    total_: Floats
    burst_: Floats
    """Last score of each cell, where bursts are kept out of the totals."""

    ticks_: NDArray[np.int64]
    """First tick and the one that is open."""

    def __init__(self, *, n_hashes: int = 2, n_cells: int = 1024, seed: int = 0) -> None:
        self.n_hashes = n_hashes
        self.n_cells = n_cells
        self.seed = seed

    @property
    def warm_rows(self) -> int:
        """One edge; in the first tick every score is 0."""
        return 1

    def _begin(self, width: int) -> None:  # noqa: ARG002 - edges have three numbers
        decay, threshold = self._rule
        if self.n_hashes < 1 or self.n_cells < 2 or not 0 <= decay <= 1 or not threshold > 0:
            message = (
                f"n_hashes must be >= 1, n_cells >= 2, decay in [0, 1] and threshold > 0, got "
                f"{self.n_hashes}, {self.n_cells}, {decay} and {threshold}; the defaults do for most"
            )
            raise UsageError(message)
        self.current_ = np.zeros(self._shape)
        self.total_ = np.zeros(self._shape)
        self.burst_ = np.zeros(self._shape)
        self.ticks_ = np.zeros(2, np.int64)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (1 if self._variant == COUNTS else 3, self.n_hashes, self.n_cells)

    @property
    def _rule(self) -> tuple[float, float]:
        """What is left of this tick's counts in the next, and the score that counts as a burst."""
        return 0.0, math.inf

    def _learn(self, rows: Edges) -> None:
        self._run(rows, np.empty(0), learn=True)

    def _score(self, rows: Edges) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=False)
        return scores

    def _score_and_learn(self, rows: Edges) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=True)
        return scores

    def _run(self, rows: Edges, scores: Floats, *, learn: bool) -> None:
        if self.n_seen_ == 0:
            self.ticks_[:] = rows[0, 2]
        settings = (self._variant, *self._rule, self.seed)
        run(rows, scores, learn, settings, self.ticks_, (self.current_, self.total_, self.burst_))

    def _restore(self) -> None:
        for name in ("current_", "total_", "burst_"):
            self._restored(name, np.float64, self._shape)
            array = getattr(self, name)
            if not (np.isfinite(array).all() and (array >= 0).all()):
                raise refuse_model(self, f"holds finite {name} >= 0", array.min())
        self._restored("ticks_", np.int64, (2,))
        if self.ticks_[1] < self.ticks_[0]:
            raise refuse_model(self, "has an open tick after the first", self.ticks_)


class MidasR(Midas):
    """Score an edge by the burst of its pair, of its source or of its destination, whichever is largest.

    Edges of shape ``(n, 3)`` in, scores >= 0 of shape ``(n,)`` out. The three are counted as in ``Midas``,
    and a tick begins with a share of the last tick's counts, so that a burst across two ticks is seen: a
    source that knocks once at each of many doors, or many sources at one door.

    Parameters
    ----------
    n_hashes
        Rows of a sketch, >= 1.
    n_cells
        Cells of a row, >= 2.
    decay
        Share of a tick's counts that the next tick begins with, in [0, 1]; a tick that is left out counts.
    seed
        Start of the randomness.

    References
    ----------
    Bhatia, Hooi, Yoon, Shin, Faloutsos, "MIDAS: Microcluster-based detector of anomalies in edge streams",
    AAAI 2020, doi:10.1609/aaai.v34i04.5724. The authors' program decays once whatever the number of ticks
    between two edges.

    Examples
    --------
    >>> counts = MidasR().partial_fit([[1, door, tick] for tick in range(20) for door in range(3)])
    >>> scan = [[7, door, 20] for door in range(100, 140)]
    >>> bool(counts.score_and_learn(scan)[-1] > 500)
    True
    """

    _variant: ClassVar[int] = RELATIONS

    def __init__(
        self, *, n_hashes: int = 2, n_cells: int = 1024, decay: float = 0.5, seed: int = 0
    ) -> None:
        super().__init__(n_hashes=n_hashes, n_cells=n_cells, seed=seed)
        self.decay = decay

    @property
    def _rule(self) -> tuple[float, float]:
        return self.decay, math.inf


class MidasF(Midas):
    """Score an edge as ``MidasR`` does, without letting a burst into what is usual.

    Edges of shape ``(n, 3)`` in, scores >= 0 of shape ``(n,)`` out. With s the total before this tick:
    ``(a + s - a t)^2 / (s (t - 1))``. When a tick ends, a cell's count is added to its total unless its last
    score reached ``threshold``; such a cell gets its own mean instead. An edge that was never seen before
    scores 0 in its first tick, whatever it does: s is 0.

    Parameters
    ----------
    n_hashes
        Rows of a sketch, >= 1.
    n_cells
        Cells of a row, >= 2.
    decay
        Share of a tick's counts that the next tick begins with, in [0, 1].
    threshold
        Score from which a cell is not learned, > 0.
    seed
        Start of the randomness.

    References
    ----------
    Bhatia, Liu, Hooi, Yoon, Shin, Faloutsos, "Real-time anomaly detection in edge streams", TKDD 2022,
    doi:10.1145/3494564.

    Examples
    --------
    >>> counts = MidasF().partial_fit([[1, 2, tick] for tick in range(20)])
    >>> bool(counts.partial_fit([[1, 2, 20]] * 9).anomaly_score([[1, 2, 20]])[0] > 50)
    True
    """

    _variant: ClassVar[int] = FILTER

    def __init__(
        self,
        *,
        n_hashes: int = 2,
        n_cells: int = 1024,
        decay: float = 0.5,
        threshold: float = 1000.0,
        seed: int = 0,
    ) -> None:
        super().__init__(n_hashes=n_hashes, n_cells=n_cells, seed=seed)
        self.decay = decay
        self.threshold = threshold

    @property
    def _rule(self) -> tuple[float, float]:
        return self.decay, self.threshold


ODD: Final = np.uint64(0x9E3779B97F4A7C15)


@njit(cache=True, nogil=True)
def cell_of(first: int, second: int, row: int, seed: int, n_cells: int) -> int:  # pragma: no cover
    """Give the cell of a pair of ids, or of one id, in a row of a sketch.

    Parameters
    ----------
    first, second
        Ids; any whole numbers.
    row
        Which row; each has a hash of its own.
    seed
        Start of the randomness.
    n_cells
        Cells of a row.
    """
    key = np.uint64(seed) * ODD + np.uint64(row + 1)
    for part in (np.uint64(first), np.uint64(second)):
        key = (key ^ part) + ODD
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return int(key % np.uint64(n_cells))


@njit(cache=True, nogil=True)
def burst(a: float, s: float, t: float) -> float:  # pragma: no cover
    """Give the statistic of MIDAS and MIDAS-R.

    Parameters
    ----------
    a, s, t
        Count of this tick; total, this tick included; tick, from 1.
    """
    if s == 0.0 or t <= 1.0:
        return 0.0
    return ((a - s / t) * t) ** 2 / (s * (t - 1.0))


@njit(cache=True, nogil=True)
def filtered_burst(a: float, s: float, t: float) -> float:  # pragma: no cover
    """Give the statistic of MIDAS-F.

    Parameters
    ----------
    a, s, t
        Count of this tick; total before this tick; tick, from 1.
    """
    if s == 0.0 or t <= 1.0:
        return 0.0
    return (a + s - a * t) ** 2 / (s * (t - 1.0))


@njit(cache=True, nogil=True)
def run(
    rows: Edges,
    scores: Floats,
    learn: bool,
    settings: Settings,
    ticks: NDArray[np.int64],
    sketches: tuple[Floats, Floats, Floats],
) -> None:  # pragma: no cover
    """Score edges, count them, or both in turn.

    Parameters
    ----------
    rows
        Edges, shape ``(n, 3)``.
    scores
        Shape ``(n,)`` to be filled, or empty when only to count.
    learn
        Whether edges are counted.
    settings
        Variant, decay, threshold, seed.
    ticks, sketches
        The state.
    """
    variant, decay, seed = settings[0], settings[1], settings[3]
    current, total = sketches[0], sketches[1]
    n_parts, n_hashes, n_cells = current.shape
    cells = np.empty((n_parts, n_hashes), np.int64)
    for i in range(rows.shape[0]):
        source, destination, tick = rows[i, 0], rows[i, 1], max(rows[i, 2], ticks[1])
        for row in range(n_hashes):
            cells[0, row] = cell_of(source, destination, row, seed, n_cells)
            if n_parts > 1:
                cells[1, row] = cell_of(source, 0, row + n_hashes, seed, n_cells)
                cells[2, row] = cell_of(destination, 0, row + 2 * n_hashes, seed, n_cells)
        left = decay ** float(tick - ticks[1]) if tick > ticks[1] else 1.0
        if learn and tick > ticks[1]:
            end_tick(settings, float(ticks[1] - ticks[0]), left, sketches)
            ticks[1], left = tick, 1.0
        t = float(tick - ticks[0]) + 1.0
        if learn:
            count(cells, current)
            if variant != FILTER:
                count(cells, total)
        if len(scores) > 0 or (learn and variant == FILTER):
            ended = float(ticks[1] - ticks[0]) if tick > ticks[1] else -1.0
            found = judge(cells, t, left, ended, learn, settings, sketches)
            if len(scores) > 0:
                scores[i] = found


@njit(cache=True, nogil=True)
def count(cells: Cells, sketch: Floats) -> None:  # pragma: no cover
    """Add one to the cells of an edge.

    Parameters
    ----------
    cells
        Its cell in each row of each part.
    sketch
        What to add to.
    """
    for part in range(cells.shape[0]):
        for row in range(cells.shape[1]):
            sketch[part, row, cells[part, row]] += 1.0


@njit(cache=True, nogil=True)
def judge(
    cells: Cells,
    t: float,
    left: float,
    ended: float,
    learn: bool,
    settings: Settings,
    sketches: tuple[Floats, Floats, Floats],
) -> float:  # pragma: no cover
    """Give the largest statistic of an edge's parts, the edge itself counted.

    Parameters
    ----------
    cells
        Its cell in each row of each part.
    t
        Tick, from 1.
    left
        Share of the counts that is left when the edge's tick is not open yet, else 1.
    ended
        Ticks before the open one when the edge's tick would end that one, else -1.
    learn
        Whether the edge has been counted; if so its score is kept where bursts are kept out.
    settings, sketches
        As in ``run``.
    """
    variant, threshold = settings[0], settings[2]
    current, total, last = sketches
    one = 0.0 if learn else 1.0
    largest = 0.0
    for part in range(cells.shape[0]):
        a, s = np.inf, np.inf
        for row in range(cells.shape[1]):
            cell = cells[part, row]
            now, sum_ = current[part, row, cell], total[part, row, cell]
            if variant == FILTER and ended >= 0.0:
                sum_ = merged(now, sum_, last[part, row, cell], ended, threshold)
            a, s = min(a, now * left + one), min(s, sum_)
        found = filtered_burst(a, s, t) if variant == FILTER else burst(a, s + one, t)
        if learn and variant == FILTER:
            for row in range(cells.shape[1]):
                last[part, row, cells[part, row]] = found
        largest = max(largest, found)
    return largest


@njit(cache=True, nogil=True)
def merged(
    now: float, total: float, last: float, before: float, threshold: float
) -> float:  # pragma: no cover
    """Give a cell's total after a tick: with its count, or with its mean when it was a burst.

    Parameters
    ----------
    now, total, last
        The cell's count of the tick, its total before it, its last score.
    before
        Ticks before that one.
    threshold
        Score of a burst.
    """
    if last < threshold:
        return total + now
    return total + (total / before if before > 0.0 else 0.0)


@njit(cache=True, nogil=True)
def end_tick(
    settings: Settings, before: float, left: float, sketches: tuple[Floats, Floats, Floats]
) -> None:  # pragma: no cover
    """End the open tick: take its counts into the totals where that is still to do, and let them decay.

    Parameters
    ----------
    settings, sketches
        As in ``run``.
    before
        Ticks before the one that ends.
    left
        Share of the counts that the new tick begins with.
    """
    current, total, last = sketches
    for part in range(current.shape[0]):
        for row in range(current.shape[1]):
            for cell in range(current.shape[2]):
                if settings[0] == FILTER:
                    total[part, row, cell] = merged(
                        current[part, row, cell],
                        total[part, row, cell],
                        last[part, row, cell],
                        before,
                        settings[2],
                    )
                current[part, row, cell] *= left
