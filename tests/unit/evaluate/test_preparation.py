"""Preparation is fitted on training rows alone, and our estimators stand in scikit-learn's pipelines."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.utils.estimator_checks import check_estimator

from eddyline.classifiers.boosting import Boosting
from eddyline.detectors.classical.hbos import HBOS
from eddyline.detectors.isolation_forest import IsolationForest
from eddyline.errors import UsageError
from eddyline.evaluate.preparation import (
    SCALES,
    SELECTIONS,
    CorrelationChoice,
    OutlierCap,
    Preparation,
    signed_log1p,
)
from eddyline.evaluate.splitters import GroupSplit, TimeSplit


def _rows(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < 0.3).astype(int)
    X = rng.lognormal(size=(n, 6)) + 3.0 * y[:, None] * [1, 0, 0, 1, 0, 0]
    return X, y


X, Y = _rows()


@pytest.mark.parametrize("estimator", [OutlierCap(), CorrelationChoice()], ids=repr)
def test_steps_pass_scikit_learns_own_check(estimator: Any) -> None:
    """They are transformers like any other."""
    check_estimator(estimator, on_skip=None)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("selection", SELECTIONS)
def test_every_preparation_fits_and_keeps_rows_apart(scale: str, selection: str) -> None:
    """Missing values are filled and told of; a row's numbers do not depend on the rows beside it."""
    gaps = X.copy()
    gaps[::7, 2] = np.nan
    made = Preparation(scale=scale, selection=selection, outliers="cap", n_columns=4)
    pipeline = made.pipeline("passthrough").fit(gaps, Y)
    whole = pipeline.transform(gaps)

    assert np.isfinite(whole).all()
    assert np.array_equal(pipeline.transform(gaps[40:60]), whole[40:60])
    if selection in ("mutual_information", "model"):
        assert whole.shape[1] == 4
    if selection == "none":
        assert whole.shape[1] == 7  # six columns, and one that says what was missing


def test_unknown_codes_get_no_column_and_no_error() -> None:
    """Encoding learns the codes of the training rows."""
    codes = np.column_stack([X[:, :2], np.arange(300) % 3])
    pipeline = Preparation(categorical=[2]).pipeline("passthrough").fit(codes)
    known, strange = codes[:1].copy(), codes[:1].copy()
    strange[0, 2] = 9.0

    assert pipeline.transform(known).shape == (1, 5)
    assert pipeline.transform(strange)[0, :3].tolist() == [0.0, 0.0, 0.0]


def test_outliers_are_capped_or_kept_and_always_counted() -> None:
    """No row is dropped; the fences are those of the training rows."""
    train = np.append(np.arange(20.0), 1e6)[:, None]
    capped, kept = OutlierCap().fit(train), OutlierCap(action="keep").fit(train)

    assert capped.transform([[1e9]])[0, 0] == capped.high_[0] < 100.0
    assert kept.transform([[1e9]])[0, 0] == 1e9
    assert capped.report() == {
        "rule": "beyond 3 interquartile ranges",
        "action": "cap",
        "values": 1,
        "share": 1 / 21,
    }
    assert kept.report()["values"] == 1


def test_repeated_columns_are_left_out_once() -> None:
    """The first of a pair stays."""
    doubled = np.column_stack([X, 2.0 * X[:, 0] + 1.0])

    assert CorrelationChoice().fit(doubled).kept_.tolist() == [0, 1, 2, 3, 4, 5]


@given(st.floats(-1e9, 1e9))
def test_the_logarithm_keeps_sign_and_order(value: float) -> None:
    assert np.sign(signed_log1p(value)) == np.sign(value)
    assert signed_log1p(value) <= signed_log1p(value + 1.0)


@pytest.mark.parametrize(
    "arguments",
    [{"scale": "minmax"}, {"missing": "drop"}, {"selection": "luck"}, {"n_columns": 0}],
)
def test_unknown_steps_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        Preparation(**arguments)


# ------------------------------------------------- scikit-learn's tools and our estimators


@pytest.mark.parametrize(
    ("method", "figure"),
    [(Boosting(rounds=10, min_leaf=5), "roc_auc"), (IsolationForest(n_trees=20), "roc_auc")],
    ids=["classifier", "detector"],
)
def test_cross_validate_takes_our_estimators_and_splitters(method: Any, figure: str) -> None:
    """A classifier is scored by its probabilities; a detector by its decision, where 1 is normal."""
    truth = Y if isinstance(method, Boosting) else 1 - Y  # a detector's large decision is normal
    groups = np.arange(300) // 3
    found = cross_validate(
        Preparation().pipeline(method), X, truth, cv=GroupSplit(3), groups=groups, scoring=figure
    )

    assert found["test_score"].shape == (3,)
    assert found["test_score"].min() > 0.6


def test_a_grid_search_goes_into_the_pipeline() -> None:
    """Parameters of a method are found by the name of the step."""
    search = GridSearchCV(
        Preparation().pipeline(Boosting(min_leaf=5)),
        {"method__rounds": [2, 20]},
        cv=3,
        scoring="average_precision",
    ).fit(X, Y)

    assert search.best_params_ in ({"method__rounds": 2}, {"method__rounds": 20})
    assert cross_val_predict(search.best_estimator_, X, Y, cv=3).shape == (300,)


def test_the_step_of_a_fold_sees_only_its_training_rows() -> None:
    """Fences of each fold are those of its training part, not of all rows."""
    times = np.arange(300) * 10_000_000_000
    spoiled = X.copy()
    spoiled[240:] *= 1e6  # the future is strange
    (train, test), *_ = TimeSplit(1, 0.2).split(spoiled, Y, times)
    found = cross_validate(
        Preparation(outliers="cap").pipeline(HBOS()),
        spoiled,
        1 - Y,
        cv=[(train, test)],
        scoring="roc_auc",
        return_estimator=True,
    )
    fences = found["estimator"][0].named_steps["outliers"].high_

    assert test.min() >= 240
    assert np.array_equal(fences, OutlierCap().fit(spoiled[train]).high_)
    assert (fences < OutlierCap().fit(spoiled).high_).all()


def test_our_estimators_are_cloned_as_scikit_learn_asks() -> None:
    made = clone(Preparation().pipeline(IsolationForest(n_trees=7)))

    assert made.get_params()["method__n_trees"] == 7
