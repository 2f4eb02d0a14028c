"""Exact nearest-neighbour search, compiled, with the same bits for a row whatever rows it is asked with.

What belongs here: cutting the reference rows into boxes and searching them. What does not: which rows
deserve to be a reference (``neighbours.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from eddyline.detectors.products import insert, measure, search, squares_of
from eddyline.tables import Floats, Integers

BOX_ROWS: Final = 128
"""Most rows in a box: enough for the inner loop to run in vector registers, few enough to skip most boxes."""

SHADOW: Final = 0.9
"""Share of the variance that the leading axes hold along which rows are compared first."""

AXES_ROWS: Final = 20_000
"""Reference rows, evenly spaced, that the axes are found on."""

PROBED: Final = 32
"""Rows that show how much the boxes spare before the way is chosen for the others."""

DENSE: Final = 0.35
"""Share of the reference rows looked at from which matrix products are faster than boxes."""

WORTH: Final = 256
"""Fewer rows are not worth the products."""

ROUNDING: Final = 16.0 * np.finfo(np.float64).eps
"""Bound, for each column and unit of length, of what rounding does to a place on the axes."""


@dataclass(frozen=True, slots=True)
class Boxes:
    """Hold reference rows in boxes, so that a search skips those that are too far away.

    Boxes are cut and rows first compared in the shadow they throw on the leading principal axes, where a
    distance is never longer than the true one. Traffic has far fewer directions than columns: most rows are
    ruled out by a few numbers. Those that remain are measured column by column, so a distance is exact and
    the axes only decide how soon it is found.

    Parameters
    ----------
    rows
        Reference rows, box after box: shape ``(n, d)``.
    order
        Number of each of them among the rows that were given, shape ``(n,)``.
    starts
        Where each box starts in them, and n at the end, shape ``(b + 1,)``.
    centre
        Mean of the rows, shape ``(d,)``.
    axes
        Leading principal axes, shape ``(m, d)``, m <= d.
    shadows
        Places of the rows on the axes, shape ``(m, n)``.
    low, high
        Smallest and largest place of each box on each axis, shape ``(m, b)``.
    reach
        Longest distance of a box's rows from the centre, and the centre's own length, shape ``(b,)``: what
        their rounding is bounded by.
    """

    rows: Floats
    order: Integers
    starts: Integers
    centre: Floats
    axes: Floats
    shadows: Floats
    low: Floats
    high: Floats
    reach: Floats

    @classmethod
    def of(cls, rows: Floats) -> Boxes:
        """Cut rows into boxes at the median of the axis they are longest on, until each is small.

        Parameters
        ----------
        rows
            Reference rows, shape ``(n, d)``, n >= 1, finite.
        """
        centre, axes = _leading_axes(rows)
        shadows = (rows - centre) @ axes.T
        waiting, boxes = [np.arange(len(rows))], []
        while waiting:
            members = waiting.pop()
            if len(members) <= BOX_ROWS:
                boxes.append(members)
                continue
            longest = int(np.argmax(np.ptp(shadows[members], axis=0)))
            middle = len(members) // 2
            order = members[np.argsort(shadows[members, longest], kind="stable")]
            waiting += [order[middle:], order[:middle]]
        starts = np.concatenate([[0], np.cumsum([len(box) for box in boxes])]).astype(np.int64)
        order = np.concatenate(boxes).astype(np.int64)
        with np.errstate(over="ignore"):  # an infinite length only means that nothing is ruled out
            lengths = np.sqrt(((rows - centre) ** 2).sum(axis=1))
            own = np.sqrt((centre**2).sum())
        return cls(
            np.ascontiguousarray(rows[order]),
            order,
            starts,
            centre,
            axes,
            np.ascontiguousarray(shadows[order].T),
            np.stack([shadows[box].min(axis=0) for box in boxes], axis=1),
            np.stack([shadows[box].max(axis=0) for box in boxes], axis=1),
            np.array([lengths[box].max() for box in boxes]) + own,
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
        distances, _ = self.nearest(rows, n_neighbours)
        out = np.empty(len(rows))
        _means(distances, out)
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

        Of equally near rows those of the lowest numbers are taken, so a row's neighbours do not depend on
        the way they are found nor on the rows beside it.

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
        places = np.zeros((len(rows), k), np.int64)
        rest = slice(PROBED, None)
        looked = self._by_boxes(rows[:PROBED], squares[:PROBED], places[:PROBED])
        dense = len(rows) >= WORTH and looked > DENSE * PROBED * len(self.rows)
        if not (dense and self._by_products(rows[rest], squares[rest], places[rest])):
            self._by_boxes(rows[rest], squares[rest], places[rest])
        return np.sqrt(squares), places

    def _by_boxes(self, rows: Floats, squares: Floats, places: Integers) -> int:
        """Search box by box; gives how many pairs were looked at."""
        return int(
            _nearest(
                rows,
                self.rows,
                self.order,
                self.starts,
                self.centre,
                self.axes,
                self.shadows,
                self.low,
                self.high,
                self.reach,
                squares,
                places,
            )
        )

    def _by_products(self, rows: Floats, squares: Floats, places: Integers) -> bool:
        """Search by matrix products; False when the rows are too long for their precision."""
        own, reference = squares_of(rows, self.centre), squares_of(self.rows, self.centre)
        if own is None or reference is None:
            return False
        search(rows, self.rows, self.order, self.centre, (own, reference), squares, places)
        return True


def _leading_axes(rows: Floats) -> tuple[Floats, Floats]:
    """Give the mean and the principal axes that hold most of the variance; the columns where those fail."""
    sample = rows[:: max(1, len(rows) // AXES_ROWS)]
    with np.errstate(over="ignore", invalid="ignore"):
        centre = sample.mean(axis=0)
        away = sample - centre
        spread = away.T @ away
        sound = bool(np.isfinite(spread).all() and np.isfinite(rows - centre).all())
    if not sound:  # values whose squares are beyond a float: compare column by column
        return np.zeros(rows.shape[1]), np.eye(rows.shape[1])
    variances, axes = np.linalg.eigh(spread)
    share = np.cumsum(variances[::-1])
    n_axes = int(np.searchsorted(share, SHADOW * share[-1])) + 1
    return centre, np.ascontiguousarray(axes[:, ::-1][:, : min(n_axes, len(centre))].T)


@njit(cache=True, nogil=True)
def _means(distances: Floats, out: Floats) -> None:  # pragma: no cover
    for i in range(distances.shape[0]):
        total = 0.0
        for k in range(distances.shape[1]):
            total += distances[i, k]
        out[i] = total / distances.shape[1]


@njit(cache=True, nogil=True)
def _nearest(  # noqa: PLR0913 - a kernel takes its arrays one by one
    asked: Floats,
    rows: Floats,
    order: Integers,
    starts: Integers,
    centre: Floats,
    axes: Floats,
    shadows: Floats,
    low: Floats,
    high: Floats,
    reach: Floats,
    out: Floats,
    places: Integers,
) -> int:  # pragma: no cover
    n_boxes, looked = len(reach), 0
    shadow, gaps = np.empty(axes.shape[0]), np.empty(n_boxes)
    near, squares = np.empty(n_boxes, np.int64), np.empty(BOX_ROWS)
    for i in range(asked.shape[0]):
        row, best, which = asked[i], out[i], places[i]
        best[:] = np.inf
        which[:] = len(rows)
        length = _shadow(row, centre, axes, shadow)
        _box_gaps(shadow, low, high, gaps)
        first = int(np.argmin(gaps))
        unsure = ROUNDING * len(row) * (length + reach)
        box = first
        _look(row, shadow, box, unsure[box], rows, order, starts, shadows, squares, best, which)
        looked += starts[first + 1] - starts[first]
        n_near = 0
        for box in range(n_boxes):
            if box != first and not gaps[box] > _limit(best[-1], unsure[box]):
                near[n_near] = box
                n_near += 1
        chosen = near[:n_near]
        for box in chosen[np.argsort(gaps[chosen])]:
            if not gaps[box] > _limit(best[-1], unsure[box]):
                _look(
                    row,
                    shadow,
                    box,
                    unsure[box],
                    rows,
                    order,
                    starts,
                    shadows,
                    squares,
                    best,
                    which,
                )
                looked += starts[box + 1] - starts[box]
    return looked


@njit(cache=True, nogil=True)
def _shadow(row: Floats, centre: Floats, axes: Floats, out: Floats) -> float:  # pragma: no cover
    """Put a row on the axes; give its distance from the centre."""
    length = 0.0
    for j in range(len(row)):
        length += (row[j] - centre[j]) ** 2
    for k in range(axes.shape[0]):
        total = 0.0
        for j in range(len(row)):
            total += (row[j] - centre[j]) * axes[k, j]
        out[k] = total
    return float(np.sqrt(length))


@njit(cache=True, nogil=True)
def _limit(best: float, unsure: float) -> float:  # pragma: no cover
    """Give the square beyond which a shadow rules out a nearer row, whatever the rounding."""
    return float((np.sqrt(best) * (1.0 + 1e-12) + unsure) ** 2 * (1.0 + 1e-12))


@njit(cache=True, nogil=True)
def _box_gaps(row: Floats, low: Floats, high: Floats, gaps: Floats) -> None:  # pragma: no cover
    """Give the squared distance from a shadow to the nearest point of every box."""
    gaps[:] = 0.0
    for k in range(low.shape[0]):
        value = row[k]
        for box in range(low.shape[1]):
            gap = max(max(low[k, box] - value, value - high[k, box]), 0.0)
            gaps[box] += gap * gap


@njit(cache=True, nogil=True)
def _look(  # noqa: PLR0913 - a kernel takes its arrays one by one
    row: Floats,
    shadow: Floats,
    box: int,
    unsure: float,
    rows: Floats,
    order: Integers,
    starts: Integers,
    shadows: Floats,
    squares: Floats,
    best: Floats,
    which: Integers,
) -> None:  # pragma: no cover
    """Take a box's rows into the rising list of the nearest; each sum runs over the columns in order."""
    start, stop = starts[box], starts[box + 1]
    size = stop - start
    squares[:] = 0.0
    for k in range(shadows.shape[0]):
        value = shadow[k]
        column = shadows[k, start:stop]
        for r in range(size):
            difference = column[r] - value
            squares[r] += difference * difference
    limit = _limit(best[-1], unsure)
    for r in range(size):
        if squares[r] > limit:
            continue
        square = measure(row, rows[start + r])
        if square <= best[-1]:
            insert(square, order[start + r], best, which)
            limit = _limit(best[-1], unsure)
