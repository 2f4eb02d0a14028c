"""MIDAS: edges that come in bursts, against how often they came before, counted in sketches.

What belongs here: the three detectors. What does not: the compiled sketches (``sketches.py``), and blocks of
edges (``edges.py``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.detector import refuse_model
from eddyline.detectors.sketches import COUNTS, FILTER, RELATIONS, run
from eddyline.detectors.stream import EdgeDetector, Edges
from eddyline.errors import UsageError
from eddyline.tables import Floats


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
        (decay, threshold), _ = self._rule, self._memory
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

    @property
    def _memory(self) -> int:
        """Ticks that the totals are of, 0 for all."""
        return 0

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
        settings = (self._variant, *self._rule, self.seed, self._memory)
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
    memory
        Ticks that the totals are of, 0 for all, as published, else >= 2: when more have passed, totals and
        age are cut back to so many, the mean stays. Without it the score of an edge that was never seen
        before grows with the age of the stream, so that no threshold lasts.
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
        self,
        *,
        n_hashes: int = 2,
        n_cells: int = 1024,
        decay: float = 0.5,
        memory: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(n_hashes=n_hashes, n_cells=n_cells, seed=seed)
        self.decay = decay
        self.memory = memory

    @property
    def _rule(self) -> tuple[float, float]:
        return self.decay, math.inf

    @property
    def _memory(self) -> int:
        if self.memory != 0 and self.memory < 2:
            message = f"memory must be 0 or >= 2 ticks, got {self.memory}; 0 remembers all"
            raise UsageError(message)
        return self.memory


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
    >>> bool(counts.partial_fit([[1, 2, 20]] * 9).anomaly_score([[1, 2, 20]])[0] > 20)
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
