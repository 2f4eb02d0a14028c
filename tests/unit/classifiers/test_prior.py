"""Class shares of an unlabelled day: the golden values of the specification, and what must always hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.classifiers.prior import bbse_priors, change_priors, em_priors
from eddyline.errors import DataError, UsageError

FIRST = np.array([0.9, 0.8, 0.6, 0.3, 0.2, 0.95])
TWO = np.column_stack([FIRST, 1 - FIRST])
THREE = np.array(
    [(0.7, 0.2, 0.1), (0.1, 0.8, 0.1), (0.2, 0.2, 0.6), (0.6, 0.3, 0.1), (0.8, 0.1, 0.1)]
)


@pytest.mark.parametrize(
    ("p", "priors", "steps", "expected"),
    [
        (TWO, (0.5, 0.5), 1, (0.625, 0.375)),
        (TWO, (0.5, 0.5), 2, (0.7002538, 0.2997462)),
        (TWO, (0.5, 0.5), 10_000, (0.8666643, 0.1333357)),
        (THREE, (0.5, 0.3, 0.2), 1, (0.48, 0.32, 0.20)),
        (THREE, (0.5, 0.3, 0.2), 10_000, (0.4336002, 0.3739884, 0.1924114)),
    ],
)
def test_em_gives_the_golden_shares(p, priors, steps, expected):
    assert em_priors(p, priors, most_steps=steps) == pytest.approx(expected, abs=1e-6)


def test_bbse_gives_the_golden_factors():
    factor, shares = bbse_priors([[0.45, 0.06], [0.05, 0.44]], [0.30, 0.70], [0.5, 0.5])

    assert factor == pytest.approx([0.4615385, 1.5384615], abs=1e-6)
    assert shares == pytest.approx([0.2307692, 0.7692308], abs=1e-6)


def test_bbse_clips_what_would_be_negative_and_refuses_what_has_no_answer():
    factor, shares = bbse_priors([[0.45, 0.06], [0.05, 0.44]], [0.0, 1.0], [0.5, 0.5])

    assert factor[0] == 0
    assert shares.tolist() == [0.0, 1.0]
    with pytest.raises(DataError, match="nearly dependent"):
        bbse_priors([[0.25, 0.25], [0.25, 0.25]], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(DataError, match=r"shape \(k, k\)"):
        bbse_priors([[0.5, 0.5], [0.1, 0.1], [0.1, 0.1]], [0.3, 0.3, 0.4], [0.2, 0.3, 0.5])


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_the_same_shares_change_nothing_and_back_is_the_way_there(seed, k):
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), size=20)
    old, new = rng.dirichlet(np.full(k, 5.0), size=2)

    assert change_priors(p, old, old) == pytest.approx(p)
    there = change_priors(p, old, new, bounds=None)
    assert there.sum(axis=1) == pytest.approx(np.ones(20))
    assert change_priors(there, new, old, bounds=None) == pytest.approx(p)


def test_ratios_are_clipped():
    p = np.array([[0.5, 0.5]])

    clipped = change_priors(p, [0.5, 0.5], [0.999, 0.001])
    free = change_priors(p, [0.5, 0.5], [0.999, 0.001], bounds=None)

    assert clipped[0, 1] == pytest.approx(0.1 / (1.998 + 0.1))
    assert free[0, 1] == pytest.approx(0.001)
    with pytest.raises(UsageError, match="bounds must be"):
        change_priors(p, [0.5, 0.5], [0.5, 0.5], bounds=(2.0, 3.0))


def test_em_finds_the_shares_of_a_shifted_day():
    """With probabilities that are exact, thousands of rows give the true shares."""
    rng = np.random.default_rng(0)
    truth = rng.random(20_000) < 0.9
    x = rng.normal(loc=np.where(truth, 1.0, -1.0))
    p = 1 / (1 + np.exp(2 * x))  # of the class at -1, when both are as common
    shares = em_priors(np.column_stack([1 - p, p]), [0.5, 0.5])

    assert shares[1] == pytest.approx(0.1, abs=0.01)


def test_shares_that_are_none_are_refused():
    for shares in ([0.5, -0.5], [0.0, 0.0], [1.0], [np.nan, 1.0]):
        with pytest.raises(DataError, match="class shares"):
            em_priors(TWO, shares)
    with pytest.raises(DataError, match="n >= 1"):
        em_priors(np.empty((0, 2)), [0.5, 0.5])
