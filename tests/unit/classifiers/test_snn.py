"""The self-normalising classifier: the contract, scikit-learn's checks, and what only a net can get wrong."""

from functools import partial
from typing import Any, cast

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.classifiers.classifier import Classifier
from eddyline.classifiers.deep.encoder import SnnNet
from eddyline.classifiers.deep.snn import SNN, joint_loss
from eddyline.errors import DataError, ModelError, UsageError
from eddyline.tables import Floats
from eddyline.testing.check_classifier import Check, labelled, yield_checks

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
    "check_sample_weight_equivalence_on_dense_data": "a weight of 2 and a doubled row give different draws",
}


class Quick(SNN):
    __doc__ = SNN.__doc__  # few steps and small layers, else the same

    def __init__(
        self,
        *,
        updates: int = 80,
        every: int = 40,
        batch: int = 64,
        width: int = 32,
        latent: int = 16,
        rate: float = 3e-3,
        alignment: Any = "cmd",
        align_weight: float = 1.0,
        reference: Any = "sampled",
        shake: str = "shake-even-sample",
        head_weight: float = 1.0,
        any_head: bool = False,
        aside: float = 0.25,
        scaling: Any = "standard",
        seed: int = 0,
    ) -> None:
        super().__init__(
            updates=updates,
            every=every,
            batch=batch,
            width=width,
            latent=latent,
            rate=rate,
            alignment=alignment,
            align_weight=align_weight,
            reference=reference,
            shake=shake,
            head_weight=head_weight,
            any_head=any_head,
            aside=aside,
            scaling=scaling,
            seed=seed,
        )


def title_of(check: Any) -> str:
    """Name a check of scikit-learn with its arguments."""
    name: str = getattr(check, "func", check).__name__
    extra = check.keywords if isinstance(check, partial) else {}
    return name + "".join(f"-{v}" for k, v in sorted(extra.items()) if k != "name")


def sklearn_titles() -> list[str]:
    """Name every check that scikit-learn has for a classifier."""
    return sorted({title_of(check) for _, check in estimator_checks_generator(Quick())})


def net_of(model: SNN) -> SnnNet:
    """Give the net with its type."""
    return cast("SnnNet", model.net_)


def moved(shift: float, n: int = 600, seed: int = 5) -> tuple[Floats, Any]:
    """Rows of the miniature on a logarithmic scale, all columns moved."""
    rows, names = labelled(seed, n=n)
    return np.log1p(np.abs(rows)) + shift, names


@pytest.mark.slow
@pytest.mark.parametrize("check", list(yield_checks(Quick)), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(check: Check) -> None:
    """Every promise of a classifier holds."""
    check(Quick)


@pytest.mark.slow
@pytest.mark.parametrize("title", sklearn_titles())
def test_it_is_a_scikit_learn_classifier(title: str) -> None:
    """scikit-learn's own checks pass."""
    if title in SKLEARN_SKIPPED:
        pytest.skip(SKLEARN_SKIPPED[title])
    for estimator, check in estimator_checks_generator(Quick()):
        if title_of(check) == title:
            check(estimator)


def test_training_moves_the_weights_and_lowers_the_loss() -> None:
    """The weights leave where they began and the training loss falls to less than half."""
    X, y = labelled()
    short = Quick(updates=1).fit(X, y)
    long = Quick(updates=120, every=20).fit(X, y)

    assert np.abs(long.weights_ - short.weights_).max() > 0.01
    assert long.history_[-1, 1] < 0.5 * long.history_[0, 1]


def test_probabilities_spread() -> None:
    """Rows get different probabilities; a net that says the same of all rows has learned nothing."""
    X, y = labelled()
    given = Quick().fit(X, y).predict_proba(X)

    assert given.std(axis=0).min() > 0.05
    assert len(np.unique(given[:, 0].round(6))) > 100


def test_extreme_rows_get_finite_probabilities() -> None:
    """Values beyond all that was seen, up to the largest of all, are judged and not lost."""
    X, y = labelled()
    given = Quick().fit(X, y).predict_proba(np.full((2, 5), [[1e300], [-1e300]]))

    assert np.isfinite(given).all()


def test_a_row_alone_is_judged_as_in_any_batch() -> None:
    """To the bit, whatever the batch: one row, rows about the size of a tile, all."""
    X, y = labelled(n=700)
    model = Quick().fit(X, y)
    whole = model.predict_proba(X)

    for size in (1, 255, 256, 257):
        assert np.array_equal(model.predict_proba(X[:size]), whole[:size])


def test_a_loaded_model_is_the_saved_one_to_the_bit() -> None:
    """Arrays leave and come back, and a damaged state is refused by name."""
    X, y = labelled()
    model = Quick().fit(X, y)
    arrays = model.to_arrays()
    loaded = Quick.from_arrays(arrays, model.get_params())

    assert np.array_equal(loaded.predict_proba(X), model.predict_proba(X))
    with pytest.raises(ModelError, match="weights_"):
        Quick.from_arrays({**arrays, "weights_": arrays["weights_"][:-1]}, model.get_params())
    with pytest.raises(ModelError, match="weights_"):  # a net of 68 GB is never built
        SNN.from_arrays(arrays, {"width": 8_192, "blocks": 64})
    with pytest.raises(ModelError, match="scaling_"):
        Quick.from_arrays({**arrays, "scaling_": -arrays["scaling_"]}, model.get_params())


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    """The seed decides first weights, drops, batches and rows set aside; nothing global does."""
    import torch

    X, y = labelled()
    torch.manual_seed(1)
    first = Quick(seed=4).fit(X, y)
    torch.manual_seed(2)
    again = Quick(seed=4).fit(X, y)

    assert np.array_equal(first.weights_, again.weights_)
    assert not np.array_equal(first.weights_, Quick(seed=5).fit(X, y).weights_)


def test_the_joint_loss_has_its_golden_value() -> None:
    """All logits nought, five classes, four heads: ln 5 + 4 ln 2."""
    import torch

    labels = torch.arange(5)
    table = torch.eye(5)[:, 1:]
    loss = joint_loss(torch.zeros(5, 5), torch.zeros(5, 4), labels, table, 1.0)

    assert loss.item() == pytest.approx(4.3820266, abs=1e-6)


def test_every_class_but_the_commonest_has_a_head() -> None:
    """Three classes give two heads, one more on request, none without weight."""
    X, y = labelled()
    n_heads = [
        net_of(Quick(updates=1, **arguments).fit(X, y)).heads.out_features - 3
        for arguments in ({}, {"any_head": True}, {"head_weight": 0.0})
    ]

    assert n_heads == [2, 3, 0]


@pytest.mark.parametrize("alignment", ["cmd", "coral", "dann"])
def test_a_target_is_drawn_nearer(alignment: Any) -> None:
    """With alignment, source and target latents end nearer than without, as CMD of their means tells."""
    import torch

    X, y = moved(0.0)
    target, _ = moved(0.6, seed=6)

    def distance(kind: Any) -> float:
        model = Quick(updates=150, every=150, alignment=kind, aside=0.0).fit(X, y, target=target)
        with torch.inference_mode():
            latents = [
                torch.tanh(net_of(model).encoder(model._tensor(rows))).mean(0)
                for rows in (X, target)
            ]
        return float((latents[0] - latents[1]).norm())

    assert distance(alignment) < distance("none")


def test_reference_weighs_the_source_back() -> None:
    """CMD against the training mix gives other weights than against the drawn mix."""
    X, y = labelled()
    fits = [
        Quick(reference=reference).fit(X, y, target=X).weights_
        for reference in ("sampled", "trained", "estimated")
    ]

    assert not np.array_equal(fits[0], fits[1])
    assert not np.array_equal(fits[1], fits[2])


def test_the_mix_of_the_target_is_followed() -> None:
    """With 9 in 10 of the target's rows of a class rare in training, the estimate goes there."""
    X, y = labelled(n=600)
    others, names = labelled(3, n=3_000)
    scans, calm = others[names == "scan"][:180], others[names == "calm"][:20]
    model = Quick(updates=300, every=300, reference="estimated", align_weight=0.1)
    model.fit(X, y, target=np.vstack([scans, calm]))

    assert model.trained_[2] < 0.15
    assert model.target_mix_[2] > 0.6
    assert model.target_mix_.sum() == pytest.approx(1.0)


def test_given_rows_decide_what_is_kept() -> None:
    """Rows given for validation decide what is kept; unknown labels and odd lengths are refused."""
    X, y = labelled()
    watched: list[int] = []

    def watch(update: int, model: Classifier) -> None:
        assert np.isfinite(model.predict_proba(X[:5])).all()
        watched.append(update)

    Quick().fit(X[:200], y[:200], validation=(X[200:], y[200:]), watch=watch)

    assert watched == [40, 80]
    with pytest.raises(DataError, match="classes that were trained"):
        Quick().fit(X, y, validation=(X[:2], ["calm", "storm"]))
    with pytest.raises(DataError, match="a label for each"):
        Quick().fit(X, y, validation=(X[:2], ["calm"]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alignment", "mmd"),
        ("shake", "odd-even"),
        ("scaling", "cubic"),
        ("batch", 1),
        ("width", 0),
        ("rate", 0.0),
        ("head_weight", -1.0),
        ("aside", 1.0),
    ],
)
def test_impossible_arguments_are_refused(name: str, value: object) -> None:
    """The error names the argument."""
    X, y = labelled(n=60)
    with pytest.raises(UsageError, match=name):
        Quick().set_params(**{name: value}).fit(X, y)
