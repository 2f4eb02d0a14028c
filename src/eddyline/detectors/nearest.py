"""Exact nearest-neighbour search, compiled, with the same bits for a row whatever rows it is asked with.

What belongs here: cutting the reference rows into boxes and searching them. What does not: which rows
deserve to be a reference (``neighbours.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from eddyline.tables import Floats, Integers

BOX_ROWS = 128
"""Most rows in a box: enough for the inner loop to run in vector registers, few enough to skip most boxes."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Hold reference rows in boxes, so that a search skips those that are too far away.

    Parameters
    ----------
    columns
        Reference rows, transposed, box after box: shape ``(d, n)``.
    order
        Number of each of them among the rows that were given, shape ``(n,)``.
    starts
        Where each box starts in them, and n at the end, shape ``(b + 1,)``.
    low, high
        Smallest and largest value of each column in each box, shape ``(b, d)``.
    """

    columns: Floats
    order: Integers
    starts: Integers
    low: Floats
    high: Floats

    @classmethod
    def of(cls, rows: Floats) -> Boxes:
        """Cut rows into boxes at the median of the widest column, until each is small.

        Parameters
        ----------
        rows
            Reference rows, shape ``(n, d)``, n >= 1, finite.
        """
        waiting, boxes = [np.arange(len(rows))], []
        while waiting:
            members = waiting.pop()
            if len(members) <= BOX_ROWS:
                boxes.append(members)
                continue
            widest = int(np.argmax(np.ptp(rows[members], axis=0)))
            order = members[np.argsort(rows[members, widest], kind="stable")]
            middle = len(order) // 2
            waiting += [order[middle:], order[:middle]]
        starts = np.concatenate([[0], np.cumsum([len(box) for box in boxes])]).astype(np.int64)
        order = np.concatenate(boxes).astype(np.int64)
        return cls(
            np.ascontiguousarray(rows[order].T),
            order,
            starts,
            np.stack([rows[box].min(axis=0) for box in boxes]),
            np.stack([rows[box].max(axis=0) for box in boxes]),
        )

    def mean_distance(self, rows: Floats, n_neighbours: int) -> Floats:
        """Give each row's mean Euclidean distance to its nearest reference rows.

        Parameters
        ----------
        rows
            Rows to ask for, shape ``(n, d)``, C-ordered, finite.
        n_neighbours
            Neighbours to average over, in [1, reference rows].
        """
        out = np.empty(len(rows))
        _search(rows, self.columns, self.starts, self.low, self.high, n_neighbours, out)
        return out

    def kth_distance(self, rows: Floats, k: int) -> Floats:
        """Give each row's Euclidean distance to its k-th nearest reference row.

        Parameters
        ----------
        rows
            Rows to ask for, shape ``(n, d)``, C-ordered, finite; one that is a reference itself is its own
            nearest.
        k
            Which neighbour, in [1, reference rows].
        """
        return np.ascontiguousarray(self.nearest(rows, k)[0][:, -1])

    def nearest(self, rows: Floats, k: int) -> tuple[Floats, Integers]:
        """Give each row's distances to its k nearest reference rows, rising, and which they are.

        Of equally near rows those met first are taken.

        Parameters
        ----------
        rows
            Rows to ask for, shape ``(n, d)``, C-ordered, finite.
        k
            Neighbours, in [1, reference rows].

        Returns
        -------
        tuple
            Distances and row numbers of the reference, both of shape ``(n, k)``.
        """
        squares = np.empty((len(rows), k))
        places = np.empty((len(rows), k), np.int64)
        _nearest(rows, self.columns, self.starts, self.low, self.high, squares, places)
        return np.sqrt(squares), self.order[places]


@njit(cache=True, nogil=True)
def _search(
    rows: Floats,
    columns: Floats,
    starts: Integers,
    low: Floats,
    high: Floats,
    n_neighbours: int,
    out: Floats,
) -> None:  # pragma: no cover
    gaps = np.empty(low.shape[0])
    squares = np.empty(np.max(starts[1:] - starts[:-1]))
    best = np.empty(n_neighbours)
    for i in range(rows.shape[0]):
        row = rows[i]
        _box_gaps(row, low, high, gaps)
        best[:] = np.inf
        for box in np.argsort(gaps):
            # Rounding may put a row of the box a hair nearer than its box: look at those too.
            if gaps[box] * (1.0 - 1e-12) > best[-1]:
                break
            _box_squares(row, columns, starts[box], starts[box + 1], squares)
            for k in range(starts[box + 1] - starts[box]):
                if squares[k] < best[-1]:
                    _insert(squares[k], best)
        total = 0.0
        for k in range(n_neighbours):
            total += np.sqrt(best[k])
        out[i] = total / n_neighbours


@njit(cache=True, nogil=True)
def _box_gaps(row: Floats, low: Floats, high: Floats, gaps: Floats) -> None:  # pragma: no cover
    """Give the squared distance from a row to the nearest point of every box."""
    for box in range(low.shape[0]):
        gap = 0.0
        for j in range(low.shape[1]):
            value = row[j]
            if value < low[box, j]:
                gap += (low[box, j] - value) ** 2
            elif value > high[box, j]:
                gap += (value - high[box, j]) ** 2
        gaps[box] = gap


@njit(cache=True, nogil=True)
def _insert(square: float, best: Floats) -> None:  # pragma: no cover
    """Put a value into the rising list of the smallest, dropping the largest."""
    place = best.shape[0] - 1
    while place > 0 and best[place - 1] > square:
        best[place] = best[place - 1]
        place -= 1
    best[place] = square


@njit(cache=True, nogil=True)
def _box_squares(
    row: Floats, columns: Floats, start: int, stop: int, squares: Floats
) -> None:  # pragma: no cover
    """Give the squared distance to every row of a box; each sum runs over the columns in order."""
    size = stop - start
    for k in range(size):
        squares[k] = 0.0
    for j in range(columns.shape[0]):
        value = row[j]
        column = columns[j, start:stop]
        for k in range(size):
            difference = column[k] - value
            squares[k] += difference * difference


@njit(cache=True, nogil=True)
def _nearest(
    rows: Floats,
    columns: Floats,
    starts: Integers,
    low: Floats,
    high: Floats,
    out: Floats,
    places: Integers,
) -> None:  # pragma: no cover
    gaps = np.empty(low.shape[0])
    squares = np.empty(np.max(starts[1:] - starts[:-1]))
    last = out.shape[1] - 1
    for i in range(rows.shape[0]):
        _box_gaps(rows[i], low, high, gaps)
        best, which = out[i], places[i]
        best[:] = np.inf
        for box in np.argsort(gaps):
            if gaps[box] * (1.0 - 1e-12) > best[last]:
                break
            _box_squares(rows[i], columns, starts[box], starts[box + 1], squares)
            for k in range(starts[box + 1] - starts[box]):
                if squares[k] < best[last]:
                    place = last
                    while place > 0 and best[place - 1] > squares[k]:
                        best[place], which[place] = best[place - 1], which[place - 1]
                        place -= 1
                    best[place], which[place] = squares[k], starts[box] + k
