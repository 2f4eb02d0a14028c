"""Tails grow with distance beyond the training range, sum over columns, and look at no other row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.detectors.tails import Tails
from eddyline.errors import ModelError
from eddyline.testing.check_detector import crowd, planted
from eddyline.testing.strategies import matrices


@given(matrices(min_rows=3), st.integers(0, 5), st.booleans())
def test_ten_times_the_maximum_is_stranger_than_a_little_more(
    X: np.ndarray, column: int, up: bool
) -> None:
    column %= X.shape[1]
    X = np.clip(X, -1e6, 1e6)
    edge = max(abs(X[:, column]).max(), 1.0) * (1 if up else -1)
    near, far = X[:1].copy(), X[:1].copy()
    near[0, column], far[0, column] = 1.1 * edge, 10 * edge
    model = Tails().fit(X)

    assert model.anomaly_score(far)[0] > model.anomaly_score(near)[0] > 0


def test_feature_scores_sum_to_the_score() -> None:
    model = Tails().fit(crowd())
    rows = np.concatenate([crowd(1), planted()])

    np.testing.assert_allclose(
        model.feature_scores(rows).sum(axis=1), model.anomaly_score(rows), rtol=1e-12
    )


def test_the_strange_column_carries_the_score() -> None:
    model = Tails().fit(crowd())
    row = crowd(1)[:1].copy()
    row[0, 4] = crowd()[:, 4].max() * 50

    assert np.argmax(model.feature_scores(row)[0]) == 4


def test_the_short_tail_of_a_skewed_column_does_not_count_inside() -> None:
    """Few bytes are not strange where most flows are small; fewer than ever seen are."""
    X = np.exp(np.random.default_rng(0).exponential(2.0, size=(2000, 1)) + 1)
    model = Tails().fit(X)
    small, large, smaller = model.anomaly_score([[X.min() * 1.001], [X.max() * 0.999], [0.0]])

    assert small < 0.1 < 10 < large
    assert smaller > 10


def test_rarity_is_the_log_of_the_tail() -> None:
    """Of 21 even rows 3 are at or above the 19th, and two sides are asked."""
    X = np.sinh(np.linspace(-3, 3, 21))[:, None]
    model = Tails().fit(X)

    assert model.side_[0] == 0
    assert model.anomaly_score(X[18:19])[0] == pytest.approx((-np.log(4 / 22) - np.log(2)) ** 2)


def test_a_constant_column_adds_nothing_until_it_changes() -> None:
    X = np.concatenate([crowd(), np.full((400, 1), 7.0)], axis=1)
    model = Tails().fit(X)
    changed = X[:1].copy()
    changed[0, -1] = 9.0

    assert (model.feature_scores(X)[:, -1] == 0).all()
    assert model.feature_scores(changed)[0, -1] > 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("knots_", np.ones((2, 5))),
        ("left_", np.ones((6, 3))),
        ("scale_", np.zeros(6)),
        ("side_", np.zeros(2)),
        ("right_", np.full((6, 400), np.inf)),
    ],
)
def test_hostile_tails_are_refused(name: str, value: np.ndarray) -> None:
    model = Tails().fit(crowd())

    with pytest.raises(ModelError, match="learn the model again"):
        Tails.from_arrays({**model.to_arrays(), name: value}, model.get_params())
