"""A site model: memory, classifier and weights in one, the same after loading, refused when damaged."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.classifiers.model import Recipe, SiteModel, fit_site_model
from eddyline.errors import DataError, ModelError, UsageError

QUICK = Recipe(params={"rounds": 15})


def site(seed=0, n=900, strangers=0.2):
    """Give three days of calm rows and two kinds of strange ones that only their pair tells apart."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 12, n)
    stranger = rng.random(n) < strangers
    pair = np.where(stranger, rng.integers(1000, 9000, n), who).astype(str)
    strange = rng.random(n) < 0.5
    kind = np.where(stranger, rng.random(n) < 0.9, who % 2 == 0)
    label = np.where(~strange, "calm", np.where(kind, "outlier", "malicious"))
    X = np.column_stack([strange + 0.1 * rng.normal(size=n), rng.normal(size=n)])
    return X, label, pair, np.arange(n) * 3 // n


def accuracy(model, rows):
    X, y, pair, _ = rows
    decided = model.decide(model.probabilities(X, [pair]), model.strata([pair], len(X)))
    return float((model.classes[decided] == y).mean())


def test_memory_tells_what_features_cannot():
    X, y, pair, days = site()
    with_memory = fit_site_model(X, y, [pair], days, recipe=QUICK)
    without = fit_site_model(
        X, y, [pair], days, recipe=Recipe(params={"rounds": 15}, memory=False)
    )

    assert accuracy(with_memory, site(1)) > 0.93
    assert accuracy(without, site(1)) < 0.85
    assert with_memory.normal == 0
    assert with_memory.periods == 3


def test_left_out_days_are_told():
    X, y, pair, days = site()
    model = fit_site_model(X, y, [pair], days, recipe=QUICK)

    assert [part.period for part in model.left_out] == [0, 1, 2]
    assert sum(int(part.confusion.sum()) for part in model.left_out) == len(y)
    assert fit_site_model(X, y, [pair], np.zeros(len(y)), recipe=QUICK).left_out == ()


def test_rows_are_judged_alone_and_the_same_after_loading():
    X, y, pair, days = site()
    model = fit_site_model(X, y, [pair], days, recipe=QUICK)
    loaded = SiteModel.from_arrays(model.to_arrays(), "boosting", QUICK.params)
    new, _, keys, _ = site(2, n=60)
    whole = model.probabilities(new, [keys])

    assert np.array_equal(loaded.probabilities(new, [keys]), whole)
    assert np.array_equal(loaded.weights, model.weights)
    one_by_one = [model.probabilities(new[i : i + 1], [keys[i : i + 1]]) for i in range(60)]
    assert np.array_equal(np.concatenate(one_by_one), whole)


def test_many_normal_rows_are_thinned_and_weigh_as_before():
    X, y, pair, days = site(n=3000)
    thin = fit_site_model(
        X, y, [pair], days, recipe=Recipe(params={"rounds": 15}, most_normal=500)
    )
    full = fit_site_model(X, y, [pair], days, recipe=QUICK)

    assert thin.classifier.priors_ == pytest.approx(full.classifier.priors_, abs=0.02)
    assert accuracy(thin, site(1)) > 0.9


def test_grouped_classifiers_stop_by_whole_days():
    """Boosting then finds its rounds on left-out days, fewer than it may take."""
    X, y, pair, days = site()
    slow = Recipe(params={"rounds": 90}, grouped=True)
    fitted = fit_site_model(X, y, [pair], days, recipe=slow).classifier
    alone = fit_site_model(X, y, [pair], np.zeros(len(y)), recipe=slow).classifier

    assert int(fitted.to_arrays()["rounds_"]) < 90
    assert int(alone.to_arrays()["rounds_"]) == 90


def test_damaged_states_are_refused():
    X, y, pair, days = site()
    model = fit_site_model(X, y, [pair], days, recipe=QUICK)
    state = model.to_arrays()

    for name, value in (
        ("weights", -model.weights),
        ("normal", np.array(9)),
        ("periods", np.array(0)),
    ):
        with pytest.raises(ModelError, match="saved model must"):
            SiteModel.from_arrays(
                {**state, "model": {**state["model"], name: value}}, "boosting", {}
            )
    with pytest.raises(ModelError, match="weights"):
        SiteModel.from_arrays({**state, "model": {}}, "boosting", {})
    with pytest.raises(ModelError, match="memory must hold"):
        SiteModel.from_arrays({**state, "memory_0": {}}, "boosting", {})


def test_the_normal_class_must_exist():
    X, y, pair, days = site()

    with pytest.raises(DataError, match="calm, malicious, outlier"):
        fit_site_model(X, y, [pair], days, recipe=QUICK, normal="benign")


def test_copies_of_a_key_and_day_count_as_one():
    X, y, pair, days = site(strangers=0.0)
    order = np.argsort(days, kind="stable")
    first = np.flatnonzero((pair == "3") & (days == 1))
    more = np.concatenate([np.arange(len(y)), np.repeat(first, 30)])
    more = more[np.argsort(days[more], kind="stable")]
    recipe = Recipe(params={"rounds": 3, "balance": 0.0}, weighed=False)
    once, often = (
        fit_site_model(X[rows], y[rows], [pair[rows]], days[rows], recipe=recipe)
        for rows in (order, more)
    )
    full = fit_site_model(
        X[more], y[more], [pair[more]], days[more], recipe=Recipe(recipe.method, crowding=0.0)
    )

    assert once.classifier.priors_ == pytest.approx(often.classifier.priors_)
    assert once.classifier.priors_ != pytest.approx(full.classifier.priors_)


def test_crowding_outside_its_range_is_refused():
    X, y, pair, days = site()
    with pytest.raises(UsageError, match=r"crowding must be in \[0, 1\], got 2"):
        fit_site_model(X, y, [pair], days, recipe=Recipe(crowding=2.0))


def test_left_out_rows_come_with_their_odds():
    X, y, pair, days = site()
    model = fit_site_model(X, y, [pair], days, recipe=QUICK)

    for part in model.left_out:
        assert (days[part.rows] == part.period).all()
        assert (part.odds[:, model.normal] == 0).all()
        told = part.odds.argmax(axis=1)
        counted = np.zeros_like(part.confusion)
        np.add.at(counted, (np.searchsorted(model.classes, y[part.rows]), told), 1)
        assert np.array_equal(counted, part.confusion)
