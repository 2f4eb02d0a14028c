"""The convolutional net behind the classifiers' contract, and what only a net can get wrong."""

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.classifiers.deep.cnn import CNN
from eddyline.errors import ModelError, UsageError
from eddyline.testing.check_classifier import Check, labelled, yield_checks

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 and a doubled row give different draws",
}


class Quick(CNN):
    __doc__ = CNN.__doc__  # few steps and small layers, else the same

    def __init__(
        self,
        *,
        updates: int = 150,
        every: int = 50,
        batch: int = 64,
        rate: float = 5e-3,
        channels: int = 8,
        kernel: int = 3,
        aside: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(
            updates=updates,
            every=every,
            batch=batch,
            rate=rate,
            channels=channels,
            kernel=kernel,
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
    """Halving the length three times never leaves nothing."""
    rows = np.repeat(np.arange(2.0), 40)[:, None] * np.ones(width)

    assert Quick().fit(rows, rows[:, 0].astype(int)).predict(rows[:1]).tolist() == [0]


def test_a_net_too_large_for_its_weights_is_refused() -> None:
    """A file that names more channels than it brings weights is refused before memory is taken."""
    model = Quick(updates=1).fit(*labelled())

    with pytest.raises(ModelError, match="weights_"):
        Quick.from_arrays(model.to_arrays(), {**model.get_params(), "channels": 1000})


def test_arguments_out_of_range_are_named() -> None:
    """An even kernel has no middle."""
    with pytest.raises(UsageError, match="kernel must be odd"):
        Quick(kernel=4).fit(*labelled())
