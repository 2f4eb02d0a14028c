"""Count-min sketches of edges, tick by tick, and the statistics of MIDAS over them, compiled.

What belongs here: hashing, counting and the three statistics. What does not: state and arguments
(``midas.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.stream import Edges
from eddyline.tables import Floats

COUNTS, RELATIONS, FILTER = 0, 1, 2
"""The three variants: edges alone; edges, sources and destinations; the same without learning bursts."""

Settings = tuple[int, float, float, int, int]
Cells = NDArray[np.int64]

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
        Variant, decay, threshold, seed, memory.
    ticks, sketches
        The state.
    """
    variant, decay, seed, memory = settings[0], settings[1], settings[3], settings[4]
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
            if memory and tick - ticks[0] >= memory:
                total *= (memory - 1.0) / float(tick - ticks[0])
                ticks[0] = tick - memory + 1
        t = float(tick - ticks[0]) + 1.0
        kept = (memory - 1.0) / (t - 1.0) if memory and t > memory else 1.0
        t = min(t, float(memory)) if memory else t
        if learn:
            count(cells, current)
            if variant != FILTER:
                count(cells, total)
        if len(scores) > 0 or (learn and variant == FILTER):
            ended = float(ticks[1] - ticks[0]) if tick > ticks[1] else -1.0
            found = judge(cells, t, left, ended, kept, learn, settings, sketches)
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
    kept: float,
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
    kept
        Share of the totals that is left when the edge's tick is not open yet, else 1.
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
            a, s = min(a, now * left + one), min(s, sum_ * kept)
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
