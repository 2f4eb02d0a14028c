"""Decision weights: they rise where recall is dear, and stay at 1 where nothing is won."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.classifiers.weights import (
    GRID,
    Part,
    decide,
    decision_weights,
    macro_f,
    stratum_weights,
)
from eddyline.errors import DataError


def rare(seed=0, n=20_000):
    """Give exact probabilities of a common and a rare class, and classes drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.beta(0.3, 6.0, size=n)
    return np.column_stack([1 - p, p]), (rng.random(n) < p).astype(int)


def test_macro_f_of_a_known_matrix():
    confusion = np.array(
        [[85, 1, 2, 1, 1], [2, 8, 0, 0, 0], [3, 0, 17, 0, 0], [0, 0, 1, 4, 0], [1, 0, 1, 0, 8]]
    )

    assert macro_f(confusion) == pytest.approx(0.8433175104)
    assert macro_f(np.zeros((2, 2), int)) == 0


def test_a_rare_class_gets_weight_when_recall_counts():
    p, y = rare()
    found = decision_weights(p, y)
    new_p, new_y = rare(1)

    def worth(weights):
        counts = np.zeros((2, 2), int)
        np.add.at(counts, (new_y, decide(new_p, weights)), 1)
        return macro_f(counts)

    assert found[0] == 1
    assert found[1] > 2
    assert worth(found) > worth(np.ones(2)) + 0.03


def test_nothing_won_keeps_the_plain_decision():
    p = np.array([[0.9, 0.1], [0.1, 0.9]] * 5)

    assert decision_weights(p, [0, 1] * 5).tolist() == [1.0, 1.0]


def test_days_count_alike_whatever_their_size():
    p, y = rare(n=6_000)
    small = np.arange(6_000) < 600
    by_day = decision_weights(p, y, groups=np.where(small, "mon", "tue"))
    thrice = decision_weights(
        np.concatenate([p, p[~small]]), np.concatenate([y, y[~small]]),
        groups=np.concatenate([np.where(small, "mon", "tue"), np.full((~small).sum(), "tue")]),
    )  # fmt: skip

    assert by_day.tolist() == thrice.tolist()
    assert by_day[1] in GRID


def test_each_stratum_gets_weights_of_its_own():
    """What is rare among the familiar may be common among strangers."""
    p, y = rare()
    strange = np.arange(len(y)) % 2 == 1
    flipped = np.where(strange, 1 - y, y)
    found = stratum_weights([Part(p, flipped, strange.astype(np.int64))], 2)

    assert found[0, 1] < GRID[-1]
    assert found[1, 1] > found[0, 1]
    assert found[:, 0].tolist() == [1.0, 1.0]
    with pytest.raises(DataError, match="strata must be"):
        stratum_weights([Part(p, y, strange.astype(np.int64))], 1)
    with pytest.raises(DataError, match="at least one"):
        stratum_weights([], 1)


def test_bad_input_is_named():
    with pytest.raises(DataError, match="must agree"):
        decision_weights([[0.5, 0.5]], [0, 1])
    with pytest.raises(DataError, match=r"in \[0, 2\)"):
        decision_weights([[0.5, 0.5]], [2])
    with pytest.raises(DataError, match="day of each"):
        decision_weights([[0.5, 0.5]], [1], groups=[1, 2])
