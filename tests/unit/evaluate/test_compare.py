"""Two models on the same flows: equal ones cannot be told apart, a better one is named."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.errors import DataError
from eddyline.evaluate.compare import (
    UNDECIDED,
    Judgement,
    Truth,
    as_dict,
    compare_judgements,
)
from eddyline.evaluate.scores import confusion_matrix, f_beta

N = 1_200


def _truth(seed: int = 0, n_groups: int = 60) -> Truth:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, n_groups, N)
    named = rng.choice(3, N, p=(0.7, 0.2, 0.1))
    return Truth(named > 0, groups, ("calm", "flood", "scan"), named)


def _judgement(name: str, truth: Truth, noise: float, seed: int) -> Judgement:
    rng = np.random.default_rng(seed)
    score = truth.attack + noise * rng.normal(size=N)
    assert truth.named is not None
    right = rng.random(N) > noise / 4
    named = np.where(right, truth.named, rng.integers(0, 3, N))
    return Judgement(name, score, named > 0, named)


def test_identical_models_are_not_distinguishable() -> None:
    """The same judgement twice gives a difference of zero in every draw."""
    truth = _truth()
    one = _judgement("one", truth, 1.0, 1)
    two = Judgement("two", one.score, one.flagged, one.named)
    told = compare_judgements(one, two, truth, resamples=300)

    assert {figure.better for figure in told.figures} == {UNDECIDED}
    assert {(figure.low, figure.high) for figure in told.figures} == {(0.0, 0.0)}


def test_models_of_one_quality_are_told_apart_rarely() -> None:
    """Twenty pairs that differ by chance alone: at most three are claimed at 95 %."""
    claimed = 0
    for seed in range(20):
        truth = _truth(seed)
        one, other = (_judgement(str(i), truth, 1.0, 100 + 2 * seed + i) for i in range(2))
        told = compare_judgements(one, other, truth, resamples=200, seed=seed)
        claimed += told.figure("pr_auc").better != UNDECIDED

    assert claimed <= 3


@pytest.mark.parametrize("turned", [False, True])
def test_a_planted_better_model_is_named(turned: bool) -> None:
    """Whichever stands first; fewer false alarms count as better."""
    truth = _truth()
    good, bad = _judgement("good", truth, 0.3, 1), _judgement("bad", truth, 2.0, 2)
    pair = (bad, good) if turned else (good, bad)
    told = compare_judgements(*pair, truth, resamples=400)

    assert {figure.better for figure in told.figures} == {"good"}
    rate = told.figure("false_positive_rate")
    assert rate.difference is not None
    assert (rate.difference < 0) != turned


def test_class_figures_are_those_of_the_confusion() -> None:
    """Macro F1 and F2 equal the ones of ``scores`` where every class occurs; recalls carry their support."""
    truth = _truth()
    one, other = _judgement("a", truth, 0.5, 1), _judgement("b", truth, 1.5, 2)
    told = compare_judgements(one, other, truth, resamples=100)
    table = confusion_matrix(truth.named, one.named, [0, 1, 2])  # type: ignore[arg-type]

    assert told.figure("macro_f1").first == pytest.approx(f_beta(table, beta=1.0).mean())
    assert told.figure("macro_f2").first == pytest.approx(f_beta(table, beta=2.0).mean())
    shares = np.diag(table) / table.sum(axis=1)
    assert [row.first for row in told.by_class] == pytest.approx(list(shares))
    assert sum(row.support for row in told.by_class) == N


def test_few_groups_give_figures_without_a_verdict() -> None:
    """Under twenty groups nothing is claimed, and the result says why."""
    truth = _truth(n_groups=12)
    pair = _judgement("a", truth, 0.1, 1), _judgement("b", truth, 3.0, 2)
    told = compare_judgements(*pair, truth)

    assert "12 groups" in told.note
    assert {figure.better for figure in told.figures} == {UNDECIDED}
    assert as_dict(told)["figures"][0]["low"] is None


def test_nothing_flagged_leaves_precision_undefined() -> None:
    """0/0 is None, not 0, and claims nothing."""
    truth = _truth()
    silent = Judgement("silent", np.zeros(N), np.zeros(N, bool))
    told = compare_judgements(silent, _judgement("b", truth, 1.0, 2), truth, resamples=100)

    assert told.figure("precision").first is None
    assert told.figure("precision").better == UNDECIDED
    with pytest.raises(DataError, match="need two classifiers"):
        told.figure("macro_f1")


def test_many_groups_are_drawn_together() -> None:
    """A group for each row does not make a table of millions of draws."""
    truth = Truth(np.arange(9_000) % 3 == 0, np.arange(9_000))
    score = Judgement("a", np.arange(9_000.0), truth.attack)
    told = compare_judgements(score, score, truth, resamples=20)

    assert told.n_groups == 4_000


@pytest.mark.parametrize("attack", [np.zeros(N, bool), np.ones(N, bool)])
def test_flows_of_one_kind_are_refused(attack: np.ndarray) -> None:
    one = Judgement("a", np.zeros(N), attack)

    with pytest.raises(DataError, match="attacks and normal"):
        compare_judgements(one, one, Truth(attack, np.arange(N)))
