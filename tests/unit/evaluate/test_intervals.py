"""Intervals over groups and what they allow to be claimed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as reference

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.evaluate.intervals import Figure, GroupBootstrap, Interval, bootstrap, holm


@given(st.integers(0, 10_000))
def test_a_draw_is_the_figure_of_its_rows(seed):
    """Each draw's figure is scikit-learn's with the groups' multiplicities as weights."""
    rng = np.random.default_rng(seed)
    attack, groups = rng.random(120) < 0.3, rng.integers(0, 30, 120)
    groups[:30] = np.arange(30)
    score = np.round(rng.random(120) + attack * 0.3, 1)
    drawn = GroupBootstrap(attack, groups, n_resamples=3, seed=seed)

    measures: dict[Figure, Any] = {
        "roc_auc": reference.roc_auc_score,
        "pr_auc": reference.average_precision_score,
    }
    for figure, measure in measures.items():
        value, draws = drawn.draws(score, figure)
        assert value == pytest.approx(measure(attack, score))
        for times, found in zip(drawn.times, draws, strict=True):
            weights = times[drawn.codes]
            if np.isfinite(found):
                assert found == pytest.approx(measure(attack, score, sample_weight=weights))


def test_repeated_rows_widen_the_interval():
    """Rows that come fifty to a group say no more than the groups do."""
    rng = np.random.default_rng(0)
    attack = np.repeat(rng.random(40) < 0.5, 50)
    score = np.repeat(rng.random(40), 50) + attack * 0.3
    by_group = GroupBootstrap(attack, np.repeat(np.arange(40), 50), n_resamples=300)
    by_row = GroupBootstrap(attack, np.arange(2_000), n_resamples=300)

    wide, narrow = by_group.interval(score, "roc_auc"), by_row.interval(score, "roc_auc")

    assert wide.high - wide.low > 3 * (narrow.high - narrow.low)


def test_equal_methods_are_not_distinguishable_and_a_better_one_is():
    """Two copies of a method cannot be told apart; one that sees more is named."""
    rng = np.random.default_rng(1)
    attack, groups = rng.random(2_000) < 0.2, np.arange(2_000) // 4
    noise = rng.normal(size=(3, 2_000))
    poor = [attack * 0.5 + one for one in noise]
    better = [attack * 2.0 + one for one in noise]
    drawn = GroupBootstrap(attack, groups, n_resamples=400)

    same, told = drawn.compare(
        {"a": poor, "b": list(poor), "c": better}, "pr_auc", pairs=[("a", "b"), ("a", "c")]
    )

    assert same.verdict == "not distinguishable"
    assert same.p_value == 1.0
    assert told.verdict == "c"
    assert told.difference.high < 0


def test_unlike_numbers_of_seeds_cannot_be_paired():
    """Pairs of seeds need equally many of them."""
    drawn = GroupBootstrap(np.arange(40) % 2 == 0, np.arange(40), n_resamples=10)

    with pytest.raises(DataError, match="equally many seeds"):
        drawn.compare({"a": [np.zeros(40)], "b": [np.zeros(40), np.zeros(40)]}, "roc_auc")


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_never_lowers_and_keeps_the_order(p_values):
    """Corrected p-values are at least the raw ones, at most 1, and ordered alike."""
    corrected = holm(p_values)

    assert all(raw <= told <= 1 for raw, told in zip(p_values, corrected, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(corrected)[order]) >= 0).all()


def test_any_figure_can_be_drawn():
    """The mean of group means of a constant is that constant, whatever is drawn."""
    values = np.repeat(np.arange(30.0), 3)

    groups = np.repeat(np.arange(30), 3)

    told = bootstrap(groups, lambda rows: float(values[rows].mean()), n_resamples=500)

    assert told.value == pytest.approx(14.5)
    assert told.low < 14.5 < told.high
    assert 3.0 < told.high - told.low < 9.0


def test_too_few_groups_and_bad_levels_are_refused():
    """No interval from a handful of groups, nor one of no width."""
    with pytest.raises(TooFewRowsError, match="at least 20 groups, got 3"):
        GroupBootstrap([True, False, True], [1, 2, 3])
    with pytest.raises(TooFewRowsError, match="at least 20 groups"):
        bootstrap([1, 2], lambda rows: 0.0)
    with pytest.raises(UsageError, match="level must be"):
        Interval.of(0.5, np.zeros(3), level=1.0)
    with pytest.raises(DataError, match="one value a row"):
        GroupBootstrap(np.zeros(30, bool), np.arange(29))
