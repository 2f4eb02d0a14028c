"""Searches fit inside folds, go on where they broke off, and do not flatter themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from tests.unit.test_supervised import traffic

from eddyline.classifiers.registry import CLASSIFIERS, classifier_class
from eddyline.detectors.registry import matrix_detector
from eddyline.errors import DataError, InputError, RefusedError, UsageError
from eddyline.evaluate.tuning import SEARCHES, Search, tune, tune_nested
from eddyline.evaluate.tuning_flows import FlowJudge, LabelledRows, method_of
from eddyline.evaluate.tuning_space import (
    CLASSIFIER_SPACES,
    DETECTOR_SPACES,
    Choice,
    Params,
    Range,
    Space,
    grid_points,
    random_points,
    space_of,
)
from eddyline.evaluate.tuning_trials import Fold, Kept
from eddyline.features.rows import flow_rows
from eddyline.tables import Integers

SPACE: Space = {
    "x": Range(0.01, 100.0, logarithmic=True),
    "k": Range(1, 9, whole=True),
    "c": Choice(("a", "b")),
}
FOLDS = [Fold(np.arange(8), np.array([8 + i]), f"fold {i}") for i in range(2)]


class Counted:
    """A judge with a known best point, that counts its fits."""

    def __init__(self) -> None:
        self.fits = 0

    def __call__(self, params: Params, fold: Fold) -> float:
        self.fits += 1
        x, k = params.get("x", 50.0), params.get("k", 9)
        return float(-abs(np.log10(x)) - abs(k - 3) / 10 - 0.001 * int(fold.validation[0]))


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_beats_the_defaults_and_keeps_every_trial(kind: str) -> None:
    """All trials are there, inside the space; the best is the largest mean of the whole ones."""
    judge = Counted()
    found = tune(judge, SPACE, FOLDS, Search(kind, 18))

    assert len(found.trials) == 18
    assert found.best.score > found.default.score
    assert found.best.score == max(t.score for t in found.trials if not t.pruned)
    for trial in found.trials:
        assert 0.01 <= trial.params["x"] <= 100.0
        assert trial.params["k"] in range(1, 10)
        assert len(trial.scores) == 2 or trial.pruned


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_broken_off_search_goes_on_as_it_would_have(kind: str, tmp_path: Path) -> None:
    """Kept folds are not judged again, and the trials are those of an unbroken search."""
    whole = tune(Counted(), SPACE, FOLDS, Search(kind, 12, seed=4))
    first, second = Counted(), Counted()
    tune(first, SPACE, FOLDS, Search(kind, 7, seed=4), kept=Kept(tmp_path / "t", {"data": 1}))
    again = tune(
        second, SPACE, FOLDS, Search(kind, 12, seed=4), kept=Kept(tmp_path / "t", {"data": 1})
    )
    other = Counted()
    tune(other, SPACE, FOLDS, Search(kind, 7, seed=4), kept=Kept(tmp_path / "t", {"data": 2}))

    assert second.fits <= 26 - first.fits + (2 if kind == "grid" else 0) * 7
    assert other.fits == first.fits
    if kind != "grid":  # a larger budget of a grid is another choice of its points
        assert [t.params for t in again.trials] == [t.params for t in whole.trials]
        assert [t.scores for t in again.trials] == [t.scores for t in whole.trials]


def test_pruning_breaks_off_what_begins_badly() -> None:
    """After the first trials Optuna spends no second fold on points below the median."""
    judge = Counted()
    found = tune(judge, SPACE, FOLDS, Search("optuna", 30, seed=1))

    assert any(trial.pruned for trial in found.trials)
    assert judge.fits < 2 * 31


def test_a_grid_holds_the_bounds_and_says_its_size() -> None:
    points, size = grid_points(SPACE, 100, 0)

    assert size == len(points) == 3 * 3 * 2
    assert {point["x"] for point in points} == {0.01, 1.0, 100.0}
    assert {point["k"] for point in points} == {1, 5, 9}
    assert len(grid_points(SPACE, 4, 0)[0]) == 4


@pytest.mark.parametrize("name", sorted(DETECTOR_SPACES))
def test_detectors_take_every_point(name: str) -> None:
    """Each name of a space is an argument, and its bounds can be given."""
    for params in random_points(space_of("detector", name), 3, 0):
        assert params.items() <= matrix_detector(name)(**params).get_params().items()


@pytest.mark.parametrize("name", sorted(set(CLASSIFIERS)))
def test_classifiers_take_every_point(name: str) -> None:
    """Every classifier of ours can be tuned."""
    for params in random_points(CLASSIFIER_SPACES[name], 3, 0):
        assert params.items() <= classifier_class(name)(**params).get_params().items()


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1_000), st.integers(2, 5))
def test_nested_trials_never_see_the_outer_rows(seed: int, n_folds: int) -> None:
    """Rows that judge an outer fold are in no inner fold, whatever the folds are."""
    rng = np.random.default_rng(seed)
    part = rng.integers(0, n_folds, 60)
    outer = [Fold(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(n_folds)]
    seen: list[tuple[Params, Fold]] = []

    def judge(params: Params, fold: Fold) -> float:
        seen.append((params, fold))
        return float(params.get("x", 0.0))

    def inner(rows: Integers) -> list[Fold]:
        return [Fold(rows[::2], rows[1::2])]

    found = tune_nested(judge, SPACE, outer, inner, Search("random", 3, seed))

    assert len(found) == n_folds
    outer_sizes = {fold.validation.tobytes() for fold in outer}
    for _, fold in seen:
        if fold.validation.tobytes() not in outer_sizes:
            mine = np.concatenate([fold.train, fold.validation])
            assert any(not np.isin(mine, one.validation).any() for one in outer)


def test_an_inner_fold_that_leaks_is_refused() -> None:
    outer = [Fold(np.arange(5), np.arange(5, 9))]

    with pytest.raises(DataError, match="leave the rows"):
        tune_nested(Counted(), SPACE, outer, lambda _: FOLDS, Search("random", 1))


@pytest.fixture(scope="module")
def rows() -> LabelledRows:
    """Three days of three classes."""
    return LabelledRows.of(flow_rows([traffic()], "around"), "calm")


@pytest.mark.parametrize("split", ["time", "day"])
def test_folds_of_flows_are_parted_in_time(rows: LabelledRows, split: str) -> None:
    """By time the past trains; by day no day stands on both sides."""
    for fold in rows.folds(split):
        assert not np.isin(fold.train, fold.validation).any()
        times, days = rows.keys["time"], rows.keys["day"]
        if split == "time":
            assert times[fold.train].max() < times[fold.validation].min() - 3_500_000_000
        else:
            assert not np.isin(days[fold.train], days[fold.validation]).any()


@pytest.mark.parametrize(
    "objective", ["pr_auc", "roc_auc", "recall_at_10", "macro_f1", "macro_f2"]
)
def test_a_classifier_is_judged_by_every_objective(rows: LabelledRows, objective: str) -> None:
    """Easy classes come near the most that can be had."""
    fold = rows.folds("day")[0]
    score = FlowJudge(rows, "classifier", "boosting", objective)({"rounds": 20}, fold)

    assert (0.05 if objective == "recall_at_10" else 0.9) < score <= 1.0


def test_a_detector_never_sees_a_label(rows: LabelledRows) -> None:
    """Other labels in the training rows give the same figure."""
    fold = rows.folds("day")[0]
    turned = rows.y.copy()
    turned[fold.train] = rows.y[fold.train][::-1]
    other = LabelledRows(rows.X, turned, rows.normal, rows.keys)
    one, same = (FlowJudge(r, "detector", "hbos")({"n_bins": 20}, fold) for r in (rows, other))

    assert one == same


@pytest.mark.parametrize(
    ("kind", "objective", "error"),
    [
        ("classifier", "accuracy", RefusedError),
        ("detector", "macro_f1", UsageError),
        ("classifier", "profit", UsageError),
    ],
)
def test_bad_objectives_are_refused(
    rows: LabelledRows, kind: str, objective: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        FlowJudge(rows, kind, "boosting", objective)


def test_a_name_of_both_is_a_classifier_unless_told() -> None:
    assert method_of("knn") == ("classifier", "knn")
    assert method_of("detector:knn") == ("detector", "knn")
    assert method_of("lof") == ("detector", "lof")
    with pytest.raises(UsageError):
        method_of("magic")


@pytest.mark.parametrize("arguments", [("all", 3), ("random", 0)])
def test_senseless_searches_are_refused(arguments: tuple[Any, Any]) -> None:
    with pytest.raises(UsageError, match="must be one of"):
        Search(*arguments)


def test_a_file_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("not a trial\n")

    with pytest.raises(InputError, match=r"t:1: must be a judged fold"):
        Kept(tmp_path / "t", {})
