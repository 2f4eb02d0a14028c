"""The recurrent net behind the classifiers' contract, and what only a net can get wrong."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.classifiers.deep.rnn import RNN
from eddyline.errors import ModelError, UsageError
from eddyline.features.sets import usual_set
from eddyline.testing.check_classifier import Check, labelled, yield_checks

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 and a doubled row give different draws",
}


class Quick(RNN):
    __doc__ = RNN.__doc__  # few steps and small layers, else the same

    def __init__(
        self,
        *,
        updates: int = 80,
        every: int = 40,
        batch: int = 64,
        rate: float = 2e-2,
        units: int = 8,
        steps: int = 2,
        aside: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            updates=updates,
            every=every,
            batch=batch,
            rate=rate,
            units=units,
            steps=steps,
            aside=aside,
            seed=seed,
        )


@pytest.mark.slow
@pytest.mark.parametrize("check", list(yield_checks(Quick)), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check: Check) -> None:
    """Every promise of a classifier holds."""
    check(Quick)


@pytest.mark.slow
def test_it_is_a_scikit_learn_classifier() -> None:
    """scikit-learn's own checks pass."""
    done = 0
    for estimator, check in estimator_checks_generator(Quick()):
        name = getattr(check, "func", check).__name__
        if name not in SKLEARN_SKIPPED:
            check(estimator)
            done += 1

    assert done > 40


def test_training_moves_the_weights() -> None:
    """More updates give other weights, and the classes are told apart on new rows."""
    X, y = labelled()
    short, long = Quick(updates=1).fit(X, y), Quick(updates=200).fit(X, y)
    new, truth = labelled(1)

    assert np.abs(long.weights_ - short.weights_).max() > 0.01
    assert (long.predict(new) == truth).mean() > 0.85


@pytest.mark.parametrize("width", [1, 2, 7])
def test_any_number_of_columns_will_do(width: int) -> None:
    """Noughts fill the first step."""
    rows = np.repeat(np.arange(2.0), 40)[:, None] * np.ones(width)

    assert Quick().fit(rows, rows[:, 0].astype(int)).predict(rows[:1]).tolist() == [0]


def test_a_net_too_large_for_its_weights_is_refused() -> None:
    """A file that names more channels than it brings weights is refused before memory is taken."""
    model = Quick(updates=1).fit(*labelled())

    with pytest.raises(ModelError, match="weights_"):
        Quick.from_arrays(model.to_arrays(), {**model.get_params(), "units": 1000})


def test_arguments_out_of_range_are_named() -> None:
    """No step is no row."""
    with pytest.raises(UsageError, match="steps must be in"):
        Quick(steps=0).fit(*labelled())


def test_order_in_time_is_what_it_reads() -> None:
    """Rows with the same values in another order are told apart, which no sum of their columns can."""
    rng = np.random.default_rng(0)
    low, high = rng.normal(0, 0.1, (200, 2)), rng.normal(3, 0.1, (200, 2))
    rising, falling = np.stack([low, high], axis=1), np.stack([high, low], axis=1)
    X = np.concatenate([rising, falling]).reshape(400, 4)
    y = np.repeat(["rising", "falling"], 200)

    model = RNN(updates=200, every=50, batch=64, units=8, steps=2, scaling="standard").fit(X, y)

    assert (model.predict(X) == y).mean() > 0.95


def test_its_rows_are_sessions_unless_others_are_named() -> None:
    """Every other method takes its surroundings."""
    assert usual_set("auto", "rnn") == "session8"
    assert usual_set("auto", "boosting") == "around"
    assert usual_set("nad113", "rnn") == "nad113"


@pytest.mark.parametrize("name", ["weights_", "scaling_", "sampled_", "classes_"])
def test_a_changed_file_is_refused(name: str) -> None:
    """What no fit could have left is named, not judged with."""
    model = Quick(updates=1).fit(*labelled())
    arrays = model.to_arrays()

    with pytest.raises(ModelError):
        Quick.from_arrays({**arrays, name: arrays[name][:-1]}, model.get_params())
    with pytest.raises(ModelError, match=name):
        Quick.from_arrays(
            {key: kept for key, kept in arrays.items() if key != name}, model.get_params()
        )
