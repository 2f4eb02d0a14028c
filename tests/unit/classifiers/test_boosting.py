"""Boosting: the kept forest is LightGBM's, rounds follow left-out groups, hostile forests are refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightgbm
import numpy as np
import pytest

from eddyline.classifiers.boosting import Boosting, group_folds, softmax
from eddyline.classifiers.forest import Forest, forest_of_text, sound_forest
from eddyline.errors import DataError, ModelError, UsageError
from eddyline.testing.check_classifier import labelled


@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_the_forest_gives_what_lightgbm_gives(kind):
    """To the last bits but for the order of the sum."""
    rows, names = labelled(n=500)
    rows = rows.astype(kind)
    codes = np.unique(names, return_inverse=True)[1]
    options = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    booster = lightgbm.train(options, lightgbm.Dataset(rows, codes), 25)
    new = labelled(1, n=300)[0].astype(kind)

    forest = forest_of_text(booster.model_to_string())

    assert forest.n_trees == 75
    assert forest.sums(new, 3) == pytest.approx(booster.predict(new, raw_score=True), abs=1e-12)
    assert softmax(forest.sums(new, 3)) == pytest.approx(booster.predict(new), abs=1e-12)


def test_a_class_without_a_split_keeps_its_constant():
    """Rows that nothing divides give trees of one leaf."""
    model = Boosting(rounds=3).fit(np.ones((60, 2)), ["a"] * 40 + ["b"] * 20)
    p = model.predict_proba(np.zeros((1, 2)))[0]

    assert p == pytest.approx(model.priors_, abs=1e-6)


def test_priors_say_what_the_weights_made_of_the_shares():
    rows, names = labelled(n=1000)
    counts = np.unique(names, return_counts=True)[1]
    model = Boosting(rounds=5).fit(rows, names)
    plain = Boosting(rounds=5, balance=0.0).fit(rows, names)

    assert model.priors_ == pytest.approx(np.sqrt(counts) / np.sqrt(counts).sum())
    assert plain.priors_ == pytest.approx(counts / 1000)


def test_rounds_follow_left_out_groups():
    """Labels that are noise in every other group stop the search early."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1200, 4))
    noise = rng.integers(0, 2, 1200)
    clear = (rows[:, 0] > 0).astype(int)
    groups = np.arange(1200) // 400

    assert int(Boosting(rounds=80).fit(rows, noise, groups=groups).rounds_) < 15
    assert int(Boosting(rounds=80).fit(rows, clear, groups=groups).rounds_) > 30
    assert int(Boosting(rounds=12).fit(rows, clear).rounds_) == 12
    assert int(Boosting(rounds=12).fit(rows, clear, groups=np.zeros(1200)).rounds_) == 12


def test_folds_never_divide_a_group():
    groups = np.random.default_rng(0).integers(0, 9, 500)
    folds = group_folds(groups)

    assert len(folds) == 4
    assert np.sum(folds, axis=0).tolist() == [1] * 500
    for fold in folds:
        assert not set(groups[fold]) & set(groups[~fold])


@pytest.mark.slow
def test_the_number_of_threads_changes_nothing():
    rows, names = labelled(n=600)
    one, two = (Boosting(rounds=4, threads=n).fit(rows, names).predict_proba(rows) for n in (1, 2))

    assert np.array_equal(one, two)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda f: {"left": np.zeros_like(f.left)}, "children after their parent"),
        (lambda f: {"right": f.right - 1000}, "children after their parent"),
        (lambda f: {"feature": f.feature + 5}, "splits on columns"),
        (lambda f: {"leaf": f.leaf * np.inf}, "finite"),
        (lambda f: {"leaf": f.leaf[:-1]}, "rise from 0"),
        (lambda f: {"first_node": f.first_node[::-1].copy()}, "rise from 0"),
        (lambda f: {"threshold": f.threshold[:-1]}, "as many thresholds"),
        (lambda f: {"first_node": f.first_node.astype(float)}, "rise from 0"),
        (lambda f: {"feature": f.feature.astype(float)}, "whole numbers"),
    ],
)
def test_a_forest_that_no_walk_survives_is_refused(change: Any, rule: str):
    model = Boosting(rounds=4).fit(*labelled())
    forest = replace(model.forest_, **change(model.forest_))

    with pytest.raises(ModelError, match=rule):
        sound_forest(forest, 3, 5)


def test_damaged_forests_are_refused_or_walked_to_the_end():
    """Whatever numbers stand in it, a walk of an accepted forest ends, with finite sums."""
    model = Boosting(rounds=3).fit(*labelled())
    rng = np.random.default_rng(0)
    rows = labelled(1)[0]
    accepted = 0
    for _ in range(300):
        arrays = {name: array.copy() for name, array in model.forest_.arrays().items()}
        name = rng.choice([n for n in arrays if len(arrays[n])])
        place = rng.integers(len(arrays[name]))
        arrays[name][place] = rng.choice([-1000, -3, -1, 0, 1, 2, 5, 1000])
        try:
            forest = sound_forest(Forest(**arrays), 3, 5)
        except ModelError:
            continue
        accepted += 1
        assert np.isfinite(forest.sums(rows, 3)).all()
    assert 20 < accepted < 280


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("rounds", 0),
        ("rate", 0.0),
        ("leaves", 1),
        ("row_share", 1.5),
        ("ridge", -1.0),
        ("threads", 0),
    ],
)
def test_arguments_out_of_range_are_named(name, value):
    with pytest.raises(UsageError, match=f"{name} must be"):
        Boosting(**{name: value}).fit(*labelled())


def test_lengths_that_disagree_are_named():
    rows, names = labelled()

    with pytest.raises(DataError, match="300"):
        Boosting().fit(rows, names, groups=[1])
