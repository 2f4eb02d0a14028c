"""Edge blocks: edges that lie in a dense block of the graph of the last moments are strange.

What belongs here: the small matrices that the graph is folded into, and the search for a block, compiled.
What does not: bursts of a single edge (``midas.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.sketches import cell_of
from eddyline.detectors.stream import EdgeDetector, Edges
from eddyline.errors import UsageError
from eddyline.tables import Floats


class AnoEdge(EdgeDetector):
    """Score an edge by the densest block of edges that grows from it in a folded graph.

    Edges of shape ``(n, 3)`` in, scores > 0 of shape ``(n,)`` out. Sources and destinations are hashed to the
    rows and columns of a small matrix, ``n_hashes`` times; each tick all cells fade. From the edge's cell a
    block grows by the row or column that adds most; its density is ``sum / sqrt(rows x columns)``, and the
    least of the hashes' largest densities is the score. Many machines that call each other, or one that calls
    many, make a block: scans, floods and worms, whatever the single edge's count. Blind to what is rare but
    thin. Costs about ``4 n_hashes x n_cells^2`` steps an edge, 5 microseconds; memory is
    ``n_hashes x n_cells^2`` numbers.

    Parameters
    ----------
    n_hashes
        Matrices, >= 1.
    n_cells
        Rows and columns of a matrix, >= 2.
    decay
        Share of a cell that is left after a tick, in [0, 1].
    seed
        Start of the randomness.

    References
    ----------
    Bhatia, Wadhwa, Kawaguchi, Shah, Yu, Hooi, "Sketch-based anomaly detection in streaming graphs", KDD 2023,
    doi:10.1145/3580305.3599504: AnoEdge-G. The authors' program fades once whatever the number of ticks
    between two edges; here each tick counts.

    Examples
    --------
    >>> blocks = AnoEdge().partial_fit([[n % 7, 50 + n % 5, n] for n in range(100)])
    >>> worm = [[a, b, 100] for a in range(200, 210) for b in range(300, 310)]
    >>> bool(blocks.score_and_learn(worm)[-1] > 5)
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("cells_", "tick_")

    cells_: Floats
    tick_: NDArray[np.int64]

    def __init__(
        self, *, n_hashes: int = 2, n_cells: int = 32, decay: float = 0.9, seed: int = 0
    ) -> None:
        self.n_hashes = n_hashes
        self.n_cells = n_cells
        self.decay = decay
        self.seed = seed

    @property
    def warm_rows(self) -> int:
        """One edge."""
        return 1

    def _begin(self, width: int) -> None:  # noqa: ARG002 - edges have three numbers
        if self.n_hashes < 1 or self.n_cells < 2 or not 0 <= self.decay <= 1:
            message = (
                f"n_hashes must be >= 1, n_cells >= 2 and decay in [0, 1], got {self.n_hashes}, "
                f"{self.n_cells} and {self.decay}; the defaults are 2, 32 and 0.9"
            )
            raise UsageError(message)
        self.cells_ = np.zeros((self.n_hashes, self.n_cells, self.n_cells))
        self.tick_ = np.zeros(1, np.int64)

    def _learn(self, rows: Edges) -> None:
        if self.n_seen_ == 0:
            self.tick_[:] = rows[0, 2]
        count(rows, self.decay, self.seed, self.tick_, self.cells_)

    def _score(self, rows: Edges) -> Floats:
        scores = np.empty(len(rows))
        for i in range(len(rows)):  # each on a copy, a few kilobytes: scoring changes nothing
            scores[i : i + 1] = self._scored(
                rows[i : i + 1], self.tick_.copy(), self.cells_.copy()
            )
        return scores

    def _score_and_learn(self, rows: Edges) -> Floats:
        return self._scored(rows, self.tick_, self.cells_)

    def _scored(self, rows: Edges, tick: NDArray[np.int64], cells: Floats) -> Floats:
        scores = np.empty(len(rows))
        count_and_score(rows, self.decay, self.seed, tick, cells, scores)
        return scores

    def _restore(self) -> None:
        self._restored("cells_", np.float64, (self.n_hashes, self.n_cells, self.n_cells))
        self._restored("tick_", np.int64, (1,))
        if not (np.isfinite(self.cells_).all() and self.cells_.min() >= 0):
            raise refuse_model(self, "holds finite counts >= 0", self.cells_.min())


@njit(cache=True, nogil=True)
def add_edge(
    edge: Edges, decay: float, seed: int, tick: NDArray[np.int64], cells: Floats
) -> None:  # pragma: no cover
    """Let the cells fade to the edge's tick, and count the edge.

    Parameters
    ----------
    edge
        Source, destination, tick.
    decay, seed
        What is left after a tick, and the start of the randomness.
    tick, cells
        The state.
    """
    n_hashes, n_cells = cells.shape[0], cells.shape[1]
    if edge[2] > tick[0]:
        cells *= decay ** float(edge[2] - tick[0])
        tick[0] = edge[2]
    for k in range(n_hashes):
        row = cell_of(edge[0], 0, 2 * k, seed, n_cells)
        column = cell_of(edge[1], 0, 2 * k + 1, seed, n_cells)
        cells[k, row, column] += 1.0


@njit(cache=True, nogil=True)
def count(
    rows: Edges, decay: float, seed: int, tick: NDArray[np.int64], cells: Floats
) -> None:  # pragma: no cover
    """Count edges.

    Parameters
    ----------
    rows
        Edges, shape ``(n, 3)``.
    decay, seed, tick, cells
        As in ``add_edge``.
    """
    for i in range(rows.shape[0]):
        add_edge(rows[i], decay, seed, tick, cells)


@njit(cache=True, nogil=True)
def count_and_score(
    rows: Edges, decay: float, seed: int, tick: NDArray[np.int64], cells: Floats, scores: Floats
) -> None:  # pragma: no cover
    """Count each edge and give the density of its block, itself included.

    Parameters
    ----------
    rows
        Edges, shape ``(n, 3)``.
    decay, seed, tick, cells
        As in ``add_edge``.
    scores
        Filled, shape ``(n,)``.
    """
    n_cells = cells.shape[1]
    for i in range(rows.shape[0]):
        add_edge(rows[i], decay, seed, tick, cells)
        least = np.inf
        for k in range(cells.shape[0]):
            row = cell_of(rows[i, 0], 0, 2 * k, seed, n_cells)
            column = cell_of(rows[i, 1], 0, 2 * k + 1, seed, n_cells)
            least = min(least, block_density(cells[k], row, column))
        scores[i] = least


@njit(cache=True, nogil=True)
def block_density(matrix: Floats, row: int, column: int) -> float:  # pragma: no cover
    """Give the largest density met while a block grows greedily from one cell to the whole matrix.

    Parameters
    ----------
    matrix
        Counts >= 0, shape ``(b, b)``.
    row, column
        Where the block begins.
    """
    n_rows, n_columns = matrix.shape
    row_sum, column_sum = np.empty(n_rows), np.empty(n_columns)
    for i in range(n_rows):
        row_sum[i] = matrix[i, column]
    for j in range(n_columns):
        column_sum[j] = matrix[row, j]
    total = matrix[row, column]
    row_sum[row] = column_sum[column] = -1.0  # taken
    taken_rows, taken_columns = 1, 1
    best = float(total)
    for _ in range(n_rows + n_columns - 2):
        i, j = last_largest(row_sum), last_largest(column_sum)
        if row_sum[i] >= column_sum[j]:
            total += row_sum[i]
            row_sum[i] = -1.0
            taken_rows += 1
            for k in range(n_columns):
                if column_sum[k] >= 0.0:
                    column_sum[k] += matrix[i, k]
        else:
            total += column_sum[j]
            column_sum[j] = -1.0
            taken_columns += 1
            for k in range(n_rows):
                if row_sum[k] >= 0.0:
                    row_sum[k] += matrix[k, j]
        best = max(best, total / math.sqrt(taken_rows * taken_columns))
    return best


@njit(cache=True, nogil=True)
def last_largest(sums: Floats) -> int:  # pragma: no cover
    """Give the place of the largest sum, the last one among equals.

    Parameters
    ----------
    sums
        One a row or column; -1 when it is taken.
    """
    found = 0
    for k in range(1, sums.shape[0]):
        if sums[k] >= sums[found]:
            found = k
    return found
