"""Rows of the edge view for detectors of edges: as many edges as a row has flows, in the order of the rows.

What belongs here: the way from rows to edges and from edges' scores to rows. What does not: the detectors
(``detectors/midas.py``, ``detectors/edges.py``) and calibration (``leg.py``).

A row's score is that of its last flow, the logarithm of one and more: the statistics have tails that no
threshold fits. Rows stand by minute, source and destination, however the input was cut.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.stream import EdgeDetector, Edges
from eddyline.tables import Floats

MOST_OF_A_ROW: Final = 1_000
"""Flows of a row that are counted: more in a minute are as strange, and what a row costs is bounded."""


def edges_of(
    entities: NDArray[np.str_], windows: NDArray[np.int64], counts: Floats
) -> tuple[Edges, NDArray[np.int64]]:
    """Give the edges of rows, and the place of each row's last.

    Parameters
    ----------
    entities
        ``source|destination`` of each row, shape ``(n,)``.
    windows
        Minute of each row, shape ``(n,)``.
    counts
        Flows of each row, >= 1, shape ``(n,)``.
    """
    names, place = np.unique(entities, return_inverse=True)
    ends = [str(name).partition("|") for name in names]
    ids = np.array([[_number(first), _number(second)] for first, _, second in ends], np.int64)
    repeats = np.clip(counts, 1, MOST_OF_A_ROW).astype(np.int64)
    rows = np.column_stack([ids[place.ravel()], windows])
    return np.repeat(rows, repeats, axis=0), np.cumsum(repeats) - 1


def follow(
    detector: EdgeDetector, entities: NDArray[np.str_], windows: NDArray[np.int64], counts: Floats
) -> Floats:
    """Score rows, each by what came before it, and learn them.

    Parameters
    ----------
    detector
        What scores; it learns.
    entities, windows, counts
        As in ``edges_of``; at least one row, oldest first.
    """
    edges, last = edges_of(entities, windows, counts)
    scores: Floats = np.log1p(detector.score_and_learn(edges)[last])
    return scores


def each_next(
    detector: EdgeDetector, entities: NDArray[np.str_], windows: NDArray[np.int64], counts: Floats
) -> Floats:
    """Score rows, each as if it came next, and learn none.

    Parameters
    ----------
    detector
        What scores; it is left as it is.
    entities, windows, counts
        As in ``edges_of``; at least one row.
    """
    state, params = detector.to_arrays(), detector.get_params()
    scores = np.empty(len(entities))
    for row in range(len(entities)):
        copy = type(detector).from_arrays(state, params)
        one = slice(row, row + 1)
        scores[row] = follow(copy, entities[one], windows[one], counts[one])[0]
    return scores


def _number(address: str) -> int:
    """Give an address a number that is the same on every machine and in every process."""
    digest = blake2b(address.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)
