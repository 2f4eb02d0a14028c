"""The union of detectors: how parts are joined, and that a file of before is read as it was."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra.numpy import arrays

from eddyline.detectors.union import Union
from eddyline.errors import UsageError

UNLIKELY = arrays(np.float64, (2, 12), elements=st.floats(0.0, 30.0))


@given(UNLIKELY)
@settings(deadline=None)
def test_the_mean_orders_as_the_sum_of_p_does(each):
    """Edgington's statistic, smallest first; where it differs by more than rounding."""
    score = Union(join="mean").joined({"a": each[0], "b": each[1]})
    edgington = np.exp(-each).sum(axis=0)

    for i in range(12):
        for j in range(12):
            if edgington[i] < edgington[j] * (1 - 1e-9):
                assert score[i] > score[j]


@given(UNLIKELY)
@settings(deadline=None)
def test_the_sum_is_half_of_fishers_statistic(each):
    assert np.allclose(Union().joined({"a": each[0], "b": each[1]}), each.sum(axis=0))


def test_the_mean_tells_rows_apart_whose_p_has_no_number():
    """Probabilities below 1e-308 still have an order."""
    each = np.array([2_000.0, 3_000.0])
    score = Union(join="mean").joined({"a": each, "b": each})

    assert score == pytest.approx(each)


def test_the_mean_asks_that_parts_agree():
    """One part alone cannot make a row strange; two that agree can."""
    score = Union(join="mean").joined({"a": np.array([40.0, 9.0]), "b": np.array([0.1, 9.0])})

    assert score[0] < 1 < score[1]


@pytest.mark.parametrize("join", ["sum", "mean"])
def test_the_score_is_what_its_components_join_to(join):
    rng = np.random.default_rng(3)
    rows = rng.lognormal(size=(400, 3))
    model = Union(parts="isolation_forest,neighbours", join=join, seed=1).fit(rows)
    again = Union.from_arrays(model.to_arrays(), model.get_params())
    far = np.vstack([rows[:50], [[1e5, 1e5, 1e5]]])

    assert (model.joined(model.components(far)) == model.anomaly_score(far)).all()
    assert (again.anomaly_score(far) == model.anomaly_score(far)).all()
    assert model.anomaly_score(far).argmax() == 50


def test_a_model_of_before_there_was_a_choice_adds_up():
    rows = np.random.default_rng(4).lognormal(size=(300, 2))
    model = Union(parts="tails", seed=1).fit(rows)
    params = {name: value for name, value in model.get_params().items() if name != "join"}

    assert (
        Union.from_arrays(model.to_arrays(), params).anomaly_score(rows)
        == model.anomaly_score(rows)
    ).all()


def test_an_unknown_way_to_join_is_refused_before_anything_is_learned():
    with pytest.raises(UsageError, match="join must be one of sum, mean, got 'max'"):
        Union(join="max").fit(np.ones((30, 2)))
