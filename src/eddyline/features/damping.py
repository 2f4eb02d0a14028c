"""The kernel of the damped statistics: streams that fade, in tables of bounded size, compiled.

What belongs here: fading, adding, reading, and finding a key's place. What does not: flows and names
(``damped.py``).

A place holds one record (w, LS, SS) a speed for each of its streams; those of a pair also hold, a speed each,
the sum of products of residuals, its weight, and the last residual of either direction.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats

SPEEDS: Final = (5.0, 3.0, 1.0, 0.1, 0.01)
"""Speeds of fading, 1/s; the paper's."""

N_SPEEDS: Final = len(SPEEDS)
RECORD: Final = 3
LINK: Final = 4
ONE: Final = RECORD * N_SPEEDS
TWO: Final = (2 * RECORD + LINK) * N_SPEEDS

N_FAMILIES: Final = 3
"""Tables: sources; pairs with their pauses; pairs at a service."""

WIDTHS: Final = (ONE, TWO + ONE, TWO)
"""Numbers at a place of each table."""

WIDTH: Final = 2 * ONE + 2 * 7 * N_SPEEDS
"""Features of a flow."""

WAYS: Final = 8
"""Places among which a key is looked for, and the stalest of which makes room."""

Values = tuple[Floats, Floats, Floats]
Tables = tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.int64]]


@njit(cache=True, nogil=True)
def mix(first: np.uint64, second: np.uint64) -> np.uint64:  # pragma: no cover
    """Make one key of two numbers; never 0, which is an empty place.

    Parameters
    ----------
    first, second
        The numbers, in this order.
    """
    key = (first ^ (second * np.uint64(0x9E3779B97F4A7C15))) + np.uint64(0x9E3779B97F4A7C15)
    key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    key ^= key >> np.uint64(31)
    return key if key != np.uint64(0) else np.uint64(1)


@njit(cache=True, nogil=True)
def place_of(
    key: np.uint64, family: int, time_us: int, tables: Tables, values: Floats
) -> tuple[int, float]:  # pragma: no cover
    """Find a key's place, or make room for it; give the place and the seconds since it was seen, -1 if new.

    Parameters
    ----------
    key, family
        What to look for, and in which table.
    time_us
        Now, µs.
    tables
        Keys, times, and the counts of flows and of keys forgotten.
    values
        Numbers of this table's places.
    """
    keys, times, counts = tables
    first = int(key % np.uint64(keys.shape[1] // WAYS)) * WAYS
    stalest = first
    for place in range(first, first + WAYS):
        if keys[family, place] == key:
            seconds = max(time_us - times[family, place], 0) / 1e6
            times[family, place] = max(times[family, place], time_us)
            return place, seconds
        if keys[family, place] == 0:
            stalest = place
            break
        if times[family, place] < times[family, stalest]:
            stalest = place
    if keys[family, stalest] != 0:
        counts[1] += 1
    keys[family, stalest], times[family, stalest] = key, time_us
    for j in range(values.shape[1]):
        values[stalest, j] = 0.0
    return stalest, -1.0


@njit(cache=True, nogil=True)
def fade(record: Floats, factor: float) -> None:  # pragma: no cover
    """Let numbers fade.

    Parameters
    ----------
    record
        What fades.
    factor
        What is left, in [0, 1].
    """
    for j in range(record.shape[0]):
        record[j] *= factor


@njit(cache=True, nogil=True)
def add(record: Floats, x: float) -> float:  # pragma: no cover
    """Add a value to (w, LS, SS); give its distance from the new mean.

    Parameters
    ----------
    record
        Weight, sum, sum of squares.
    x
        The value.
    """
    record[0] += 1.0
    record[1] += x
    record[2] += x * x
    return x - float(record[1]) / float(record[0])


@njit(cache=True, nogil=True)
def moments(record: Floats) -> tuple[float, float, float]:  # pragma: no cover
    """Give weight, mean and variance; zeros for a stream without values.

    Parameters
    ----------
    record
        Weight, sum, sum of squares.
    """
    if record[0] <= 0.0:
        return 0.0, 0.0, 0.0
    mean = record[1] / record[0]
    return record[0], mean, abs(record[2] / record[0] - mean * mean)


@njit(cache=True, nogil=True)
def one_way(
    record: Floats, speed: float, seconds: float, x: float, out: Floats
) -> None:  # pragma: no cover
    """Take a value into a stream and write its three statistics.

    Parameters
    ----------
    record
        The stream at one speed.
    speed, seconds
        Speed of fading, and time since the last value.
    x
        The value.
    out
        Filled: three numbers.
    """
    fade(record, 2.0 ** (-speed * max(seconds, 0.0)))
    add(record, x)
    out[0], out[1], out[2] = moments(record)


@njit(cache=True, nogil=True)
def two_ways(
    part: Floats, side: int, factor: float, sent: float, received: float, out: Floats
) -> None:  # pragma: no cover
    """Take what a flow carried each way into a pair of streams and write seven statistics.

    Parameters
    ----------
    part
        Both streams and their link, at one speed.
    side
        Which stream the flow's source feeds, 0 or 1.
    factor
        What is left of the past.
    sent, received
        Values of the source and of its peer.
    out
        Filled: seven numbers.
    """
    ours = part[RECORD * side : RECORD * side + RECORD]
    theirs = part[RECORD * (1 - side) : RECORD * (1 - side) + RECORD]
    link = part[2 * RECORD :]
    fade(part[: 2 * RECORD + 2], factor)
    residual = add(ours, sent)
    link[0] += residual * link[3 - side]
    link[2 + side] = residual
    residual = add(theirs, received)
    link[0] += residual * link[2 + side]
    link[3 - side] = residual
    link[1] += 2.0
    weight, mean, variance = moments(ours)
    _, other_mean, other_variance = moments(theirs)
    covariance = link[0] / link[1]
    deviations = math.sqrt(variance) * math.sqrt(other_variance)
    out[0], out[1], out[2] = weight, mean, variance
    out[3] = math.sqrt(variance * variance + other_variance * other_variance)
    out[4] = math.sqrt(mean * mean + other_mean * other_mean)
    out[5] = covariance
    out[6] = covariance / deviations if deviations > 1e-9 else 0.0


@njit(cache=True, nogil=True)
def update_rows(
    ends: NDArray[np.uint64],
    times_us: NDArray[np.int64],
    sizes: Floats,
    tables: Tables,
    values: Values,
    rows: Floats,
) -> None:  # pragma: no cover
    """Take flows in their order and write a row for each.

    Parameters
    ----------
    ends
        Numbers of source, destination and service, shape ``(n, 3)``.
    times_us
        Event times, µs.
    sizes
        Values out and in, shape ``(n, 2)``.
    tables, values
        The state.
    rows
        Filled, shape ``(n, 100)``.
    """
    width = RECORD * 2 + LINK
    for i in range(ends.shape[0]):
        source, peer, now = ends[i, 0], ends[i, 1], times_us[i]
        side = 0 if source <= peer else 1
        pair = mix(min(source, peer), max(source, peer))
        a, since_a = place_of(mix(source, np.uint64(0)), 0, now, tables, values[0])
        b, since_b = place_of(pair, 1, now, tables, values[1])
        c, since_c = place_of(mix(mix(source, peer), ends[i, 2]), 2, now, tables, values[2])
        gap = math.log2(1.0 + 1000.0 * max(since_b, 0.0))
        row = rows[i]
        for k in range(N_SPEEDS):
            speed = SPEEDS[k]
            one = RECORD * k
            one_way(
                values[0][a, one : one + RECORD], speed, since_a, sizes[i, 0], row[one : one + 3]
            )
            first = ONE + 7 * k
            left = 2.0 ** (-speed * max(since_b, 0.0))
            part = values[1][b, width * k : width * k + width]
            two_ways(part, side, left, sizes[i, 0], sizes[i, 1], row[first : first + 7])
            pauses = values[1][b, TWO + one : TWO + one + RECORD]
            first = ONE + 7 * N_SPEEDS + one
            if since_b >= 0.0:
                one_way(pauses, speed, since_b, gap, row[first : first + 3])
            else:
                row[first], row[first + 1], row[first + 2] = 0.0, 0.0, 0.0
            first = 2 * ONE + 7 * N_SPEEDS + 7 * k
            left = 2.0 ** (-speed * max(since_c, 0.0))
            part = values[2][c, width * k : width * k + width]
            two_ways(part, 0, left, sizes[i, 0], sizes[i, 1], row[first : first + 7])
        tables[2][0] += 1
