"""The classical classifiers give scikit-learn's own numbers, by our kernels."""

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import (
    AdaBoostClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from eddyline.classifiers.bagged import AdaBoost, Bagging, RandomForest
from eddyline.classifiers.deep.scaling import learn_scaling, scaled
from eddyline.classifiers.histogram import HistogramBoosting
from eddyline.classifiers.layers import MLP
from eddyline.classifiers.linear import Logistic
from eddyline.classifiers.margins import KernelSVM, LinearSVM, calibration_rows
from eddyline.classifiers.nearest_rows import KNN
from eddyline.errors import ModelError, UsageError
from eddyline.testing.check_classifier import labelled

ROWS, NAMES = labelled(0, n=400)
NEW = labelled(1, n=300)[0]
TWO = np.where(NAMES == "calm", "calm", "attack")


def on_scale(X: Any) -> Any:
    """Give rows on the scale that the classifiers learn from ROWS."""
    return scaled(X, learn_scaling(ROWS, "log"), "log")


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_a_forest_gives_the_probabilities_of_scikit_learn(y: Any) -> None:
    """The walk by our kernel equals scikit-learn's mean over trees."""
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    theirs = RandomForestClassifier(20, random_state=3, max_features="sqrt").fit(
        ROWS.astype(np.float32), y, sample_weight=1 / counts[codes]
    )

    ours = RandomForest(n_trees=20, seed=3).fit(ROWS, y)

    np.testing.assert_allclose(ours.predict_proba(NEW), theirs.predict_proba(NEW), atol=1e-14)


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_histogram_boosting_gives_the_probabilities_of_scikit_learn(y: Any) -> None:
    """The sums over our forest equal scikit-learn's, with one forest for two classes and three for three."""
    theirs = HistGradientBoostingClassifier(
        max_iter=15, early_stopping=False, random_state=0, min_samples_leaf=20
    ).fit(ROWS, y)

    ours = HistogramBoosting(rounds=15).fit(ROWS, y)

    np.testing.assert_allclose(ours.predict_proba(NEW), theirs.predict_proba(NEW), atol=1e-12)


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_adaboost_gives_the_probabilities_of_scikit_learn(y: Any) -> None:
    """The votes of our leaves equal scikit-learn's decisions."""
    theirs = AdaBoostClassifier(
        DecisionTreeClassifier(max_depth=2), n_estimators=12, learning_rate=0.5, random_state=0
    ).fit(ROWS.astype(np.float32), y)

    ours = AdaBoost(rounds=12, depth=2).fit(ROWS, y)

    np.testing.assert_allclose(ours.predict_proba(NEW), theirs.predict_proba(NEW), atol=1e-12)


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_logistic_regression_gives_the_probabilities_of_scikit_learn(y: Any) -> None:
    """On rows of the same scale both give the same."""
    theirs = LogisticRegression(max_iter=200).fit(on_scale(ROWS).astype(np.float64), y)

    ours = Logistic().fit(ROWS, y)

    found = ours.predict_proba(NEW)
    np.testing.assert_allclose(found, theirs.predict_proba(on_scale(NEW)), atol=1e-9)


def test_the_margins_of_the_linear_machine_are_those_of_scikit_learn() -> None:
    """Fitted on the rows that do not calibrate, the planes and margins are scikit-learn's."""
    codes = np.unique(NAMES, return_inverse=True)[1]
    inside = ~calibration_rows(codes, None, 0)
    theirs = LinearSVC(dual=False, tol=1e-3, random_state=0).fit(
        on_scale(ROWS)[inside].astype(np.float64), codes[inside]
    )

    ours = LinearSVM().fit(ROWS, NAMES)

    found = ours.margins(on_scale(NEW))
    np.testing.assert_allclose(found, theirs.decision_function(on_scale(NEW)), atol=1e-9)


def test_kernel_features_are_those_of_nystroem() -> None:
    """With the same marks, products of our whitened kernels are scikit-learn's."""
    ours = KernelSVM(components=50, gamma=0.5).fit(ROWS, NAMES)
    theirs = Nystroem(gamma=0.5, n_components=len(ours.marks_)).fit(ours.marks_)
    kernel = ours._kernel(on_scale(NEW[:5]))
    inverse = np.linalg.pinv(ours._kernel(ours.marks_).astype(np.float64), rcond=1e-6)
    features = theirs.transform(on_scale(NEW[:5]))

    np.testing.assert_allclose(kernel @ inverse @ kernel.T, features @ features.T, atol=1e-3)


def test_margins_by_the_loop_are_those_by_products() -> None:
    """The kernel loop that scores equals the matrix products of the fit."""
    model = KernelSVM(components=50).fit(ROWS, NAMES)
    Z = on_scale(NEW)

    np.testing.assert_allclose(
        model.margins(Z), model._kernel(Z) @ model.slope_.T + model.level_, atol=1e-3
    )


@pytest.mark.parametrize("y", [NAMES, TWO], ids=["three", "two"])
def test_the_perceptron_gives_the_probabilities_of_scikit_learn(y: Any) -> None:
    """The loop through the layers equals scikit-learn's products up to float32."""
    model = MLP(steps=10, first=8, second=6).fit(ROWS, y)
    with pytest.warns(UserWarning, match="Maximum iterations"):
        theirs = MLPClassifier((8, 6), max_iter=10, random_state=0).fit(on_scale(ROWS), y)

    found = model.predict_proba(NEW)

    np.testing.assert_allclose(found, theirs.predict_proba(on_scale(NEW)), atol=1e-5)


def test_neighbours_give_the_probabilities_of_scikit_learn() -> None:
    """Without copies among the rows a place is a row, and both give the same votes."""
    theirs = KNeighborsClassifier(5).fit(on_scale(ROWS), NAMES)

    found = KNN().fit(ROWS, NAMES).predict_proba(NEW)

    np.testing.assert_allclose(found, theirs.predict_proba(on_scale(NEW)), atol=1e-12)


def test_copies_of_a_row_are_one_neighbour() -> None:
    """A thousand copies beside nine rows of another class do not fill the neighbourhood."""
    rows = np.concatenate([np.zeros((1000, 1)), np.arange(1.0, 10.0)[:, None]])
    y = ["calm"] * 1000 + ["scan"] * 9

    model = KNN(n_neighbours=1).fit(rows, y)

    assert len(model.rows_) == 10
    assert model.predict([[2.1]]).tolist() == ["scan"]


def test_bagging_draws_whole_groups() -> None:
    """With two groups of half the rows each, a tree sees one of them only."""
    rows = np.array([[0.0], [0.0], [1.0], [1.0]] * 20)
    y = np.array([0, 1, 0, 1] * 20)
    groups = np.arange(80) % 2  # group 0 knows class 0 alone

    model = Bagging(n_trees=10, column_share=1.0).fit(rows, y, groups=groups)

    assert set(np.unique(model.votes_)) == {0.0, 1.0}
    assert len(model.column_) == 10  # no cut anywhere


def test_histogram_boosting_stops_by_groups() -> None:
    """Noise that repeats within a group stops early, and grows all rounds without groups."""
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 10)
    rows = np.repeat(rng.normal(size=(60, 4)), 10, axis=0)
    y = np.repeat(rng.integers(0, 2, 60), 10)

    by_groups = HistogramBoosting(patience=3).fit(rows, y, groups=groups)

    assert by_groups.forest_.n_trees < 50
    assert HistogramBoosting(rounds=60).fit(rows, y).forest_.n_trees == 60


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (RandomForest(n_trees=0), "n_trees"),
        (RandomForest(column_share="most"), "column_share"),
        (Bagging(row_share=0.0), "row_share"),
        (AdaBoost(rate=0.0), "rate"),
        (HistogramBoosting(leaves=1), "leaves"),
        (Logistic(strength=0.0), "strength"),
        (KernelSVM(gamma=-1.0), "gamma"),
        (MLP(ridge=-1.0), "ridge"),
        (KNN(most=0), "most"),
    ],
)
def test_arguments_out_of_range_are_named(made: Any, name: str) -> None:
    """The message begins with the argument."""
    with pytest.raises(UsageError, match=f"^{name} must be"):
        made.fit(ROWS, NAMES)


def test_a_tree_that_leads_in_a_circle_is_refused() -> None:
    """A file whose child is its own parent would be walked for ever."""
    model = RandomForest(n_trees=3).fit(ROWS, NAMES)
    arrays = model.to_arrays()
    arrays["other_"] = np.where(arrays["column_"] >= 0, 0, arrays["other_"])

    with pytest.raises(ModelError, match="children after their parent"):
        RandomForest.from_arrays(arrays, model.get_params())


@pytest.mark.parametrize("cls", [Logistic, LinearSVM, KernelSVM, MLP, KNN])
def test_tables_of_another_shape_are_refused(cls: Any) -> None:
    """A file whose tables do not fit its columns is refused by the table's name."""
    model = cls().fit(ROWS, NAMES)
    name = cls._arrays[2]
    arrays = {**model.to_arrays(), name: model.to_arrays()[name][:, :-1]}

    with pytest.raises(ModelError, match=name):
        cls.from_arrays(arrays, model.get_params())
