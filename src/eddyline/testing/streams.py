"""Streams in miniature, usual and strange, for the suite of the stream detectors.

What belongs here: rows, and detectors that have learned some. What does not: a promise
(``check_stream_detector.py``), or flows (``traffic.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.stream import EdgeDetector, StreamDetector
from eddyline.testing.check_detector import crowd

Rows = NDArray[Any]

SOME = 600
"""Rows of a short stream after the warm-up."""


def usual_rows(cls: type[StreamDetector], seed: int = 0, n: int = SOME) -> Rows:
    """Give a stream of usual rows: crowded numbers, or edges between a few dozen machines.

    Parameters
    ----------
    cls
        What the rows are for.
    seed
        Start of the randomness.
    n
        Rows.
    """
    if not issubclass(cls, EdgeDetector):
        usual = crowd(0)
        rng = np.random.default_rng(seed + 17)
        return np.ascontiguousarray(
            usual[rng.integers(len(usual), size=n)] * rng.uniform(0.95, 1.05, (n, 1))
        )
    rng = np.random.default_rng(seed)
    clients, servers = rng.integers(40, size=n), 1000 + rng.integers(8, size=n)
    return np.stack([clients, servers, np.arange(n) // 20], axis=1).astype(np.int64)


def strange_rows(cls: type[StreamDetector], after: Rows, n: int = 20) -> Rows:
    """Give rows unlike the usual ones, to follow them: numbers far outside, or a sudden block of edges.

    Parameters
    ----------
    cls
        What the rows are for.
    after
        The usual rows.
    n
        Rows, at least ten.
    """
    if not issubclass(cls, EdgeDetector):
        factor = np.random.default_rng(1).uniform(5.0, 50.0, size=(n, after.shape[1]))
        return np.ascontiguousarray(after.max(axis=0) * factor)
    tick = np.full(n, after[-1, 2] + 1)
    return np.stack([np.full(n, 3), np.full(n, 1003), tick], axis=1).astype(np.int64)


def started(cls: type[StreamDetector], seed: int = 0) -> tuple[StreamDetector, Rows]:
    """Give a detector that is warm, and the rows it has learned.

    Parameters
    ----------
    cls
        The class.
    seed
        Start of the detector's randomness.
    """
    model = cls(seed=seed)
    rows = usual_rows(cls, n=model.warm_rows + SOME)
    return model.partial_fit(rows), rows


def later(cls: type[StreamDetector], rows: Rows, seed: int = 1, n: int = 200) -> Rows:
    """Give usual rows that follow others, and some strange ones in their middle.

    Parameters
    ----------
    cls
        What the rows are for.
    rows
        Rows learned before.
    seed
        Start of the randomness.
    n
        Usual rows.
    """
    more = usual_rows(cls, seed, n)
    if issubclass(cls, EdgeDetector):
        more[:, 2] += rows[-1, 2] + 1
    half = len(more) // 2
    strange = strange_rows(cls, more[:half])
    return np.concatenate([more[:half], strange, more[half:]])


def same_state(first: StreamDetector, second: StreamDetector) -> bool:
    """Tell whether two detectors hold the same bits.

    Parameters
    ----------
    first, second
        The two.
    """
    ours, theirs = first.to_arrays(), second.to_arrays()
    return ours.keys() == theirs.keys() and all(
        array.dtype == theirs[name].dtype and array.tobytes() == theirs[name].tobytes()
        for name, array in ours.items()
    )


def bytes_of(model: StreamDetector) -> int:
    """Give the bytes of the arrays that a detector holds and of those it would save.

    Parameters
    ----------
    model
        The detector.
    """
    held = [value for value in vars(model).values() if isinstance(value, np.ndarray)]
    return sum(array.nbytes for array in (*held, *model.to_arrays().values()))


def extreme_rows(cls: type[StreamDetector], rows: Rows) -> Rows:
    """Give rows of numbers of 1e300 and 1e-300, with either sign; edges have none, and stay as they are.

    Parameters
    ----------
    cls
        What the rows are for.
    rows
        Rows learned before.
    """
    more = later(cls, rows)
    if issubclass(cls, EdgeDetector):
        return more
    factors = np.resize([1e297, -1e297, 1e-303, 1e-3, -1e-3], (len(more), 1))
    return np.ascontiguousarray(more * factors)
