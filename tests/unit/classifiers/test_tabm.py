"""TabM behind the classifiers' contract, and what only a net can get wrong."""

from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.classifiers.deep.tabm import TabM
from eddyline.errors import ModelError, UsageError
from eddyline.testing.check_classifier import Check, labelled, yield_checks

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 and a doubled row give different draws",
}


class Quick(TabM):
    __doc__ = TabM.__doc__  # few steps and small layers, else the same

    def __init__(
        self,
        *,
        updates: int = 100,
        every: int = 50,
        batch: int = 64,
        members: int = 8,
        width: int = 64,
        blocks: int = 2,
        bins: int = 0,
        embedding: int = 4,
        dropout: float = 0.1,
        scaling: Any = "log",
        seed: int = 0,
    ) -> None:
        super().__init__(
            updates=updates,
            every=every,
            batch=batch,
            members=members,
            width=width,
            blocks=blocks,
            bins=bins,
            embedding=embedding,
            dropout=dropout,
            scaling=scaling,
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


@pytest.mark.parametrize("bins", [0, 8])
def test_training_moves_the_weights_and_lowers_the_loss(bins: int) -> None:
    """With and without embeddings the weights move, the loss falls and probabilities spread."""
    X, y = labelled()
    scaling = "quantile" if bins else "log"
    short = Quick(updates=1, bins=bins, scaling=scaling).fit(X, y)
    long = Quick(updates=120, every=20, bins=bins, scaling=scaling).fit(X, y)

    assert np.abs(long.weights_ - short.weights_).max() > 0.01
    assert long.history_[-1, 1] < 0.5 * long.history_[0, 1]
    assert long.predict_proba(X).std(axis=0).min() > 0.05


def test_a_row_alone_is_judged_as_in_any_batch() -> None:
    """To the bit, whatever the batch."""
    X, y = labelled(n=100)
    model = Quick(bins=8, scaling="quantile").fit(X, y)
    whole = model.predict_proba(X)

    for size in (1, 31, 32, 33):
        assert np.array_equal(model.predict_proba(X[:size]), whole[:size])


def test_a_loaded_model_is_the_saved_one_to_the_bit() -> None:
    """Arrays leave and come back, and a damaged state is refused by name."""
    X, y = labelled()
    model = Quick(bins=8, scaling="quantile", seed=3).fit(X, y)
    arrays = model.to_arrays()
    loaded = Quick.from_arrays(arrays, model.get_params())

    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ModelError, match="weights_"):
        Quick.from_arrays({**arrays, "weights_": arrays["weights_"][:-1]}, model.get_params())


def test_the_same_seed_gives_the_same_weights_whatever_the_global_state() -> None:
    """The package draws from torch's global generator, which is seeded for it and put back."""
    import torch

    X, y = labelled()
    torch.manual_seed(1)
    first = Quick(seed=4).fit(X, y)
    before = torch.get_rng_state()
    torch.manual_seed(2)
    again = Quick(seed=4).fit(X, y)
    torch.manual_seed(1)

    assert np.array_equal(first.weights_, again.weights_)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"members": 0}, "members"),
        ({"width": 0}, "width"),
        ({"dropout": 1.0}, "dropout"),
        ({"bins": 8, "scaling": "standard"}, "scaling"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, Any], name: str) -> None:
    """The error names the argument."""
    X, y = labelled(n=60)
    with pytest.raises(UsageError, match=name):
        Quick(**arguments).fit(X, y)
