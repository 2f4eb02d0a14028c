"""Fading n-grams score before they learn, forget with time, and care nothing for how input is cut."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.detectors.ngram import NGram
from eddyline.detectors.online import OnlineNGram
from eddyline.errors import DataError, ModelError, UsageError
from eddyline.tables import TokenGroups
from eddyline.testing.check_sequence_detector import groups_of, usual_groups
from eddyline.testing.strategies import token_groups


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_without_time_the_counts_are_those_of_the_batch_model(order: int) -> None:
    groups = groups_of(usual_groups())
    batch = NGram(order=order, unknown_share=0.0).fit(groups)
    online = OnlineNGram(order=order).fit(groups)

    np.testing.assert_allclose(online.token_scores(groups), batch.token_scores(groups), rtol=1e-12)


@given(token_groups(), st.integers(0, 100))
def test_cutting_the_input_changes_no_bit(groups: TokenGroups, place: int) -> None:
    """Groups that come in two batches leave the same state as in one."""
    days = np.arange(len(groups.tokens)) * 0.4
    cut = 1 + place % len(groups)
    first = TokenGroups(groups.offsets[: cut + 1], groups.tokens[: groups.offsets[cut]])
    rest = TokenGroups(
        groups.offsets[cut:] - groups.offsets[cut], groups.tokens[groups.offsets[cut] :]
    )
    one, two = OnlineNGram(), OnlineNGram()
    whole = one.score_then_learn(groups, days)
    parts = [two.score_then_learn(first, days[: len(first.tokens)])]
    if len(rest):
        parts.append(two.score_then_learn(rest, days[len(first.tokens) :]))

    assert np.array_equal(np.concatenate(parts), whole)


def test_a_flood_becomes_usual_within_twenty_flows() -> None:
    """The blindness by construction: after a varied past, repeats fall below its median at once."""
    rng = np.random.default_rng(0)
    past = rng.choice(["a", "b", "c", "d"], 200).tolist()
    groups = groups_of([past + ["x"] * 10_000])
    scores = OnlineNGram(order=2).score_then_learn(groups)

    assert (scores[220:] < np.median(scores[:200])).all()
    assert scores[200] > np.median(scores[:200])


def test_what_is_long_past_is_forgotten() -> None:
    model = OnlineNGram(order=1, half_life_days=1.0)
    model.partial_fit(groups_of([["a", "b"] * 5]), np.zeros(10))
    before = len(model.keys_)
    model.partial_fit(groups_of([["c", "d"] * 5]), np.full(10, 20.0))
    old, new = model.token_scores(groups_of([["b"], ["d"]]))

    assert before == 2 * (2 + 1) - 1
    assert len(model.keys_) == before
    assert old > new


def test_counts_halve_with_every_half_life() -> None:
    model = OnlineNGram(order=0, half_life_days=2.0)
    model.partial_fit(groups_of([["a"] * 8]), np.zeros(8))
    model.partial_fit(groups_of([["b"] * 8]), np.full(8, 4.0))
    (a,) = np.exp(-model.token_scores(groups_of([["a"]])))

    assert a == pytest.approx((2.0 + 2.0 / 3.0) / (10.0 + 2.0))


def test_what_was_learned_without_time_fades_from_the_first_time_on() -> None:
    model = OnlineNGram(order=0, half_life_days=1.0).fit(groups_of([["a"] * 100]))
    model.partial_fit(groups_of([["b"]]), np.array([20_000.0]))

    assert model.totals_[0] == pytest.approx(101.0, abs=0.5)


@given(token_groups())
def test_probabilities_sum_to_one(groups: TokenGroups) -> None:
    model = OnlineNGram(order=2).partial_fit(groups, np.arange(len(groups.tokens)) * 1.5)
    alive = int(model.kinds_[0])
    texts = [*model.texts_.tolist(), "\ue000 unseen"]
    asked = groups_of([[text] for text in texts])
    total = np.exp(-model.token_scores(asked)).sum()
    faded = len(texts) - 1 - alive

    assert total == pytest.approx(1.0 + faded * np.exp(-model.token_scores(asked)[-1]))


def test_expected_tokens_are_named() -> None:
    model = OnlineNGram(order=1).fit(groups_of([list("abacab")]))
    (told,) = model.surprises(groups_of([list("abaa")]), top=2)

    assert [guess.token for guess in told.expected] == ["b", "c"]


def test_a_loaded_model_goes_on_learning() -> None:
    model = OnlineNGram().fit(groups_of(usual_groups()))
    twin = OnlineNGram.from_arrays(
        {name: array.copy() for name, array in model.to_arrays().items()}, model.get_params()
    )
    more = groups_of(usual_groups(1))

    assert np.array_equal(model.score_then_learn(more), twin.score_then_learn(more))


@pytest.mark.parametrize("arguments", [{"order": 4}, {"half_life_days": 0.0}, {"group": "median"}])
def test_senseless_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        OnlineNGram(**arguments).fit(groups_of([["a"]]))


def test_times_must_fit_the_tokens() -> None:
    with pytest.raises(DataError, match="2 finite numbers"):
        OnlineNGram().partial_fit(groups_of([["a", "b"]]), np.array([1.0]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys_", np.array([2**60])),
        ("counts_", np.zeros(3)),
        ("clock_", np.zeros(2)),
        ("texts_", np.array(["a", "a"])),
    ],
)
def test_hostile_tables_are_refused(name: str, value: np.ndarray) -> None:
    model = OnlineNGram(order=0).fit(groups_of([["a"]]))

    with pytest.raises(ModelError):
        OnlineNGram.from_arrays({**model.to_arrays(), name: value}, model.get_params())


@pytest.mark.slow
def test_a_hundred_thousand_flows_a_second_are_scored_and_learned() -> None:
    rng = np.random.default_rng(0)
    tokens = np.array([f"TCP:{i}:{i % 7}" for i in range(1000)])[rng.zipf(1.5, 300_000) % 1000]
    offsets = np.unique(np.concatenate([[0], rng.integers(1, 300_000, 30_000), [300_000]]))
    groups = TokenGroups(offsets, tokens)
    model = OnlineNGram().fit(groups_of([["a"]]))
    start = time.process_time()
    model.score_then_learn(groups, np.sort(rng.random(300_000)))

    assert 300_000 / (time.process_time() - start) > 100_000
