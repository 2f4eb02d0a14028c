"""Resampling happens in the training of a fold, and probabilities are put right again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.model_selection import cross_validate

from eddyline.classifiers.boosting import Boosting
from eddyline.errors import DataError, UsageError
from eddyline.evaluate.imbalance import (
    RESAMPLINGS,
    SyntheticAnomalies,
    balanced_weights,
    cheapest_classes,
    cost_threshold,
    resampled_pipeline,
    resampler,
    restored_priors,
)
from eddyline.evaluate.preparation import Preparation

RNG = np.random.default_rng(0)
Y = np.repeat(["Normal", "scan"], [270, 30])
X = RNG.lognormal(size=(300, 5)) + 2.0 * (Y == "scan")[:, None]


@pytest.mark.parametrize("kind", RESAMPLINGS)
def test_every_resampling_trains_inside_folds(kind: str) -> None:
    """Judged rows are never resampled: the pipeline gives one probability for each of them."""
    made = resampled_pipeline(
        Preparation(), kind, Boosting(rounds=10, min_leaf=5), normal="Normal"
    )
    found = (
        cross_validate(made, X, Y == "scan", cv=3, scoring="average_precision")
        if (kind != "synthetic")
        else cross_validate(
            made, X, Y, cv=3, scoring=lambda e, a, b: float((e.predict(a) == b).mean())
        )
    )

    assert found["test_score"].min() > 0.2
    assert made.fit(X, Y).predict_proba(X[:7]).shape[0] == 7


@pytest.mark.parametrize(
    ("kind", "counts"),
    [("under", (30, 30)), ("over", (270, 270)), ("smote", (270, 270))],
)
def test_classes_are_brought_to_one_size(kind: str, counts: tuple[int, int]) -> None:
    rows, labels = resampler(kind).fit_resample(X, Y)

    assert tuple(np.unique(labels, return_counts=True)[1]) == counts
    assert len(rows) == sum(counts)


def test_synthetic_anomalies_stand_behind_the_rows_and_are_no_copies() -> None:
    """Every one differs from all normal rows; the rows themselves are untouched."""
    rows, labels = SyntheticAnomalies(share=0.2, seed=3).fit_resample(X, Y)

    assert np.array_equal(rows[:300], X)
    assert np.array_equal(labels[:300], Y)
    assert (labels[300:] == "synthetic").all()
    assert len(rows) == 300 + 54
    assert not (rows[300:, None] == X[None, :270]).all(axis=2).any()


def test_without_a_normal_row_there_is_nothing_to_alter() -> None:
    with pytest.raises(DataError, match="hold none"):
        SyntheticAnomalies(normal="calm").fit_resample(X, Y)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=60))
def test_balanced_weights_give_classes_one_sum(labels: list[int]) -> None:
    weights = balanced_weights(labels)
    sums = [weights[np.array(labels) == name].sum() for name in set(labels)]

    assert np.allclose(sums, sums[0])
    assert weights.mean() == pytest.approx(1.0)
    assert np.allclose(balanced_weights(labels, power=0.0), 1.0)


def test_priors_come_back_after_under_sampling() -> None:
    """On rows whose true probabilities are known, correction undoes the resampling exactly."""
    truth = np.array([[0.999, 0.001], [0.9, 0.1], [0.5, 0.5]])
    original, trained = np.array([0.99, 0.01]), np.array([0.5, 0.5])
    seen = truth * trained / original
    seen /= seen.sum(axis=1, keepdims=True)

    assert np.allclose(restored_priors(seen, trained, original), truth)


@given(st.integers(0, 1_000), st.floats(0.1, 100.0))
def test_the_cheapest_threshold_is_the_cheapest(seed: int, miss: float) -> None:
    """No other cut costs less."""
    rng = np.random.default_rng(seed)
    score, attack = np.round(rng.normal(size=40), 1), rng.random(40) < 0.3

    def cost(level: float) -> float:
        yes = score >= level
        return float(miss * (attack & ~yes).sum() + (~attack & yes).sum())

    level = cost_threshold(attack, score, miss=miss, alarm=1.0)
    assert cost(level) <= min(cost(other) for other in [*score, np.inf]) + 1e-9


def test_dear_mistakes_move_the_decision() -> None:
    shares = [[0.8, 0.2], [0.99, 0.01]]

    assert cheapest_classes(shares, [[0, 1], [1, 0]]).tolist() == [0, 0]
    assert cheapest_classes(shares, [[0, 1], [10, 0]]).tolist() == [1, 0]
    with pytest.raises(UsageError, match="costs must be"):
        cheapest_classes(shares, [[0, 1, 2]])


@pytest.mark.parametrize(
    "call",
    [
        lambda: resampler("magic"),
        lambda: balanced_weights([0, 1], power=2.0),
        lambda: cost_threshold([True], [1.0], miss=0.0, alarm=1.0),
        lambda: SyntheticAnomalies(share=0.0).fit_resample(X, Y),
    ],
)
def test_senseless_arguments_are_refused(call: Any) -> None:
    with pytest.raises(UsageError, match="got"):
        call()
