"""Flows of one session vote: one source keeps one label for a while.

What belongs here: cutting rows into sessions by key and time, and summing probabilities over them. What does
not: which key, such as the source or the pair of hosts, which the caller knows.

Source: Yang, Lin, Wu, Wang, "Voting-based ensemble model for network anomaly detection", ICASSP 2021. The
published code leaves each session's first flow outside it; ours includes it. The causal vote is ours: a row
sees the rows of its session up to itself, so that a stream can decide as it goes.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers

MINUTE_US: Final = 60_000_000
HOUR_US: Final = 3_600_000_000

SMALLEST: Final = 1e-12
"""Probability below which a logarithm is not taken."""


def calendar_sessions(keys: ArrayLike, times: ArrayLike, span_us: int) -> Integers:
    """Cut sessions at whole multiples of a span since the epoch: the calendar's minutes or hours.

    Parameters
    ----------
    keys
        Whose session a row may belong to, whole numbers or text, shape ``(n,)``.
    times
        µs, shape ``(n,)``.
    span_us
        Length of a session, µs, ``> 0``.

    Raises
    ------
    UsageError
        When the span is not above 0.
    DataError
        When shapes disagree.
    """
    who, when = _checked(keys, times)
    _positive("span_us", span_us)
    pairs = np.stack([who, when // span_us], axis=1)
    return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def gap_sessions(keys: ArrayLike, times: ArrayLike, gap_us: int) -> Integers:
    """Cut a key's rows where the time between two of them is ``gap_us`` or more.

    Parameters
    ----------
    keys
        Whose session a row may belong to, shape ``(n,)``.
    times
        µs, shape ``(n,)``, in any order.
    gap_us
        Shortest silence between two sessions, µs, ``> 0``.

    Raises
    ------
    UsageError
        When the gap is not above 0.
    DataError
        When shapes disagree.
    """
    who, when = _checked(keys, times)
    _positive("gap_us", gap_us)
    order = np.lexsort((when, who))
    fresh = np.ones(len(who), np.int64)
    same = who[order][1:] == who[order][:-1]
    fresh[1:] = ~same | (np.diff(when[order]) >= gap_us)
    sessions = np.empty(len(who), np.int64)
    sessions[order] = np.cumsum(fresh) - 1
    return sessions


def vote(
    probabilities: ArrayLike,
    sessions: ArrayLike,
    *,
    times: ArrayLike | None = None,
    causal: bool = False,
    logs: bool = False,
) -> Floats:
    """Sum the probabilities of each session and give every member the share of each class.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    sessions
        Session of each row, shape ``(n,)``.
    times
        µs, shape ``(n,)``: the order of a causal vote, ties in the order of the rows; None for that order.
    causal
        True to sum from the session's first row up to each row itself.
    logs
        True to sum logarithms, as if the rows were independent; one sure row then outweighs many.

    Raises
    ------
    DataError
        When shapes disagree.
    """
    given = np.asarray(probabilities, np.float64)
    who, when = _checked(sessions, np.zeros(len(given)) if times is None else times)
    if given.ndim != 2 or len(given) != len(who):
        message = f"probabilities (n, k) and n sessions must agree, got {given.shape}, {who.shape}"
        raise DataError(message)
    votes = np.log(np.maximum(given, SMALLEST)) if logs else given
    order = np.lexsort((when, who))
    starts = np.flatnonzero(np.diff(who[order], prepend=who[order][:1] - 1))
    running = _running(votes[order], starts)
    sums = running if causal else _last(running, starts)
    if logs:
        sums = np.exp(sums - sums.max(axis=1, keepdims=True))
    shares = np.empty_like(given)
    shares[order] = sums / sums.sum(axis=1, keepdims=True)
    return shares


def combined_vote(
    probabilities: ArrayLike,
    keys: ArrayLike,
    times: ArrayLike,
    *,
    brief: int,
    causal: bool = False,
) -> Integers:
    """Decide by the hour's vote, but for the brief class wherever the minute's vote says so.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    keys
        Source of each row.
    times
        µs, shape ``(n,)``.
    brief
        The class whose sessions last no longer than a minute, such as a smurf flood.
    causal
        True for votes that end with each row.
    """
    hours = calendar_sessions(keys, times, HOUR_US)
    minutes = calendar_sessions(keys, times, MINUTE_US)
    return _with_brief(probabilities, hours, minutes, times, brief=brief, causal=causal)


def dynamic_vote(
    probabilities: ArrayLike,
    keys: ArrayLike,
    times: ArrayLike,
    *,
    brief: int,
    causal: bool = False,
) -> Integers:
    """Decide like ``combined_vote``, with sessions ended by silence: an hour, a minute for the brief class.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    keys
        Source of each row.
    times
        µs, shape ``(n,)``.
    brief
        The class whose sessions a minute's silence ends.
    causal
        True for votes that end with each row.
    """
    long = gap_sessions(keys, times, HOUR_US)
    short = gap_sessions(keys, times, MINUTE_US)
    return _with_brief(probabilities, long, short, times, brief=brief, causal=causal)


def _with_brief(
    probabilities: ArrayLike,
    long: Integers,
    short: Integers,
    times: ArrayLike,
    *,
    brief: int,
    causal: bool,
) -> Integers:
    slow = vote(probabilities, long, times=times, causal=causal).argmax(axis=1)
    quick = vote(probabilities, short, times=times, causal=causal).argmax(axis=1)
    return np.where(quick == brief, brief, slow).astype(np.int64)


@njit(cache=True, nogil=True)
def _running(votes: Floats, starts: Integers) -> Floats:  # pragma: no cover
    """Sum each session from its start to each row; sessions are end to end, and never mix their rounding."""
    sums = votes.copy()
    place = 0
    for row in range(votes.shape[0]):
        if place < len(starts) and starts[place] == row:
            place += 1
        else:
            sums[row] += sums[row - 1]
    return sums


def _last(running: Floats, starts: Integers) -> Floats:
    """Give every row of a session its last row's sum."""
    ends = np.append(starts[1:], len(running))
    totals: Floats = np.repeat(running[ends - 1], ends - starts, axis=0)
    return totals


def _checked(keys: ArrayLike, times: ArrayLike) -> tuple[Integers, Integers]:
    who, when = np.asarray(keys), np.asarray(times)
    if who.ndim != 1 or who.shape != when.shape or not len(who):
        message = (
            f"keys and times must have one shape (n,) with n >= 1, got {who.shape}, {when.shape}"
        )
        raise DataError(message)
    codes = np.unique(who, return_inverse=True)[1]
    return codes.astype(np.int64), when.astype(np.int64)


def _positive(name: str, value: int) -> None:
    if value <= 0:
        message = f"{name} must be > 0 µs, got {value}; a minute is {MINUTE_US}"
        raise UsageError(message)
