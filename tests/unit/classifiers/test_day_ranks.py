"""Ranks within days: no unit, no load of a day, changes them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from eddyline.classifiers.day_ranks import ranked_by_day
from eddyline.errors import DataError

ROWS = arrays(np.float64, (12, 3), elements=st.integers(2, 50).map(float))
DAYS = arrays(np.int64, 12, elements=st.integers(0, 2))


@given(ROWS, DAYS, st.integers(1, 9))
def test_a_rising_change_of_one_day_changes_nothing(X, days, factor) -> None:
    changed = np.where((days == 1)[:, None], factor * X**2 + 3, X)

    assert np.array_equal(ranked_by_day(changed, days), ranked_by_day(X, days))


@given(ROWS, DAYS)
def test_ranks_of_a_day_are_centred(X, days) -> None:
    ranks = ranked_by_day(X, days)

    assert ((ranks > 0) & (ranks < 1)).all()
    for day in np.unique(days):
        assert ranks[days == day].mean(axis=0) == pytest.approx(np.full(3, 0.5), abs=1e-6)


def test_flags_stay() -> None:
    X = np.array([[0.0, 5.0], [1.0, 6.0], [1.0, 6.0]])

    assert ranked_by_day(X, [0, 0, 0])[:, 0].tolist() == [0.0, 1.0, 1.0]


def test_a_day_for_each_row_is_needed() -> None:
    with pytest.raises(DataError, match="the day of each of 2 rows"):
        ranked_by_day(np.zeros((2, 1)), [0])
