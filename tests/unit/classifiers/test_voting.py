"""Sessions vote: the golden case of the specification, causal votes, and independence of other sessions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.classifiers.voting import (
    HOUR_US,
    calendar_sessions,
    combined_vote,
    dynamic_vote,
    gap_sessions,
    vote,
)
from eddyline.errors import DataError, UsageError

NORMAL, SMURF, SWEEP = 0, 1, 2


def at(clock):
    hours, minutes, seconds = (int(part) for part in clock.split(":"))
    return ((hours * 60 + minutes) * 60 + seconds) * 1_000_000


CASES = [
    ("A", "10:00:10", (0.6, 0.0, 0.4)),
    ("A", "10:00:50", (0.1, 0.0, 0.9)),
    ("A", "10:20:00", (0.55, 0.0, 0.45)),
    ("A", "11:10:00", (0.58, 0.0, 0.42)),
    ("A", "12:30:00", (0.9, 0.0, 0.1)),
    ("B", "10:00:05", (0.3, 0.7, 0.0)),
    ("B", "10:00:15", (0.2, 0.8, 0.0)),
    ("B", "10:40:00", (0.9, 0.1, 0.0)),
    ("B", "10:41:30", (0.95, 0.05, 0.0)),
]
KEYS = np.array([case[0] for case in CASES])
TIMES = np.array([at(case[1]) for case in CASES])
P = np.array([case[2] for case in CASES])
SMURFS = [SMURF, SMURF, NORMAL, NORMAL]


def test_the_golden_votes():
    combined = combined_vote(P, KEYS, TIMES, brief=SMURF)
    dynamic = dynamic_vote(P, KEYS, TIMES, brief=SMURF)

    assert combined.tolist() == [SWEEP, SWEEP, SWEEP, NORMAL, NORMAL, *SMURFS]
    assert dynamic.tolist() == [SWEEP, SWEEP, SWEEP, SWEEP, NORMAL, *SMURFS]


def test_a_gap_of_exactly_the_limit_splits():
    sessions = gap_sessions(["a", "a", "a", "b"], [0, 59, 119, 119], 60)

    assert sessions.tolist() == [0, 0, 1, 2]
    assert calendar_sessions(["a", "a", "b"], [0, HOUR_US - 1, HOUR_US], HOUR_US).tolist() == [
        0,
        0,
        1,
    ]


@settings(max_examples=40)
@given(st.integers(0, 100_000))
def test_a_causal_vote_is_the_vote_of_the_rows_so_far(seed):
    rng = np.random.default_rng(seed)
    n = 30
    keys, times = rng.integers(0, 4, n), np.sort(rng.integers(0, 500, n))
    p = rng.dirichlet(np.ones(3), size=n)
    sessions = gap_sessions(keys, times, 40)
    causal = vote(p, sessions, times=times, causal=True)

    for end in (1, 7, n):
        assert np.array_equal(
            vote(p[:end], sessions[:end], times=times[:end], causal=True), causal[:end]
        )
    for session in np.unique(sessions):
        rows = np.flatnonzero(sessions == session)
        assert np.array_equal(vote(p[rows], sessions[rows]), vote(p, sessions)[rows])
        assert causal[rows[-1]].tolist() == vote(p, sessions)[rows[-1]].tolist()
        assert causal[rows[0]] == pytest.approx(p[rows[0]])


def test_the_order_of_rows_changes_no_whole_vote():
    order = np.random.default_rng(1).permutation(len(P))

    shuffled = dynamic_vote(P[order], KEYS[order], TIMES[order], brief=SMURF)

    assert shuffled.tolist() == dynamic_vote(P, KEYS, TIMES, brief=SMURF)[order].tolist()


def test_logarithms_let_one_sure_row_decide():
    p = [[0.6, 0.4], [0.6, 0.4], [0.001, 0.999]]

    assert vote(p, [0, 0, 0])[0].argmax() == 1
    assert vote([[0.7, 0.3], [0.7, 0.3], [0.05, 0.95]], [0, 0, 0])[0].argmax() == 1
    assert vote([[0.8, 0.2], [0.8, 0.2], [0.01, 0.99]], [0, 0, 0])[0].argmax() == 0
    assert vote([[0.8, 0.2], [0.8, 0.2], [0.01, 0.99]], [0, 0, 0], logs=True)[0].argmax() == 1


def test_bad_input_is_named():
    with pytest.raises(UsageError, match="gap_us must be > 0"):
        gap_sessions(["a"], [0], 0)
    with pytest.raises(DataError, match="one shape"):
        gap_sessions(["a"], [0, 1], 60)
    with pytest.raises(DataError, match="one shape"):
        vote([[0.5, 0.5]], [0, 1])
    with pytest.raises(DataError, match="must agree"):
        vote([0.5], [0])
