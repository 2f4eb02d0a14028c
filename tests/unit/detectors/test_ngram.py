"""N-gram surprise has the published values, ends at every length the same way, and is fast."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from eddyline.detectors.aggregate import length_calibrated
from eddyline.detectors.ngram import NGram
from eddyline.detectors.vocabulary import Vocabulary
from eddyline.errors import ModelError, UsageError
from eddyline.tables import TokenGroups
from eddyline.testing.check_sequence_detector import groups_of, usual_groups
from eddyline.testing.strategies import token_groups


def test_witten_bell_by_hand() -> None:
    """One sequence a b a c a b, order 1: the values were worked out by hand from the formula."""
    model = NGram(order=1, unknown_share=0.0).fit(groups_of([list("abacab")]))
    pairs = [list("ab"), list("ac"), list("aa"), list("a?"), list("?a")]
    chance = np.exp(-model.token_scores(groups_of(pairs)))

    np.testing.assert_allclose(model.base_, [0.083333, 0.416667, 0.305556, 0.194444], atol=1e-6)
    np.testing.assert_allclose(
        chance[1::2], [0.522222, 0.277778, 0.166667, 0.033333, 0.416667], atol=1e-6
    )
    np.testing.assert_allclose(chance[0], 0.708333, atol=1e-6)


@given(token_groups())
def test_probabilities_after_any_history_sum_to_one(groups: TokenGroups) -> None:
    model = NGram(order=2).fit(groups)
    alphabet = [*model.texts_.tolist(), "\ue000 unseen"]
    for history in ([], groups.tokens[:1].tolist(), groups.tokens[:2].tolist(), ["\ue000 unseen"]):
        asked = groups_of([[*history, token] for token in alphabet])
        last = np.exp(-model.token_scores(asked)[asked.offsets[1:] - 1])

        assert last.sum() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("survival", "length", "expected"),
    [
        (1e-3, 1, 3.0),
        (1e-3, 100, 1.021327),
        (1e-3, 1000, 0.199074),
        (1e-6, 1000, 3.000217),
        (1e-12, 10, 11.0),
        (0.5, 10, 0.000424),
    ],
)
def test_length_calibration_by_hand(survival: float, length: int, expected: float) -> None:
    got = length_calibrated(np.log([survival]), np.array([float(length)]))

    np.testing.assert_allclose(got, expected, atol=1e-5)


def test_length_calibration_goes_on_where_powers_underflow() -> None:
    logs = np.array([-10.0, -30.0, -40.0, -400.0, -4000.0])
    scores = length_calibrated(logs, np.full(5, 50.0))

    assert (np.diff(scores) > 0).all()
    assert np.isfinite(scores).all()


def test_calibrated_groups_grow_far_less_with_their_length() -> None:
    """Tokens drawn independently: the plain maximum grows with the length, the calibrated one far less."""
    rng = np.random.default_rng(0)
    words = np.array([f"w{i}" for i in range(200)])
    lengths = rng.integers(1, 200, size=1500)
    draw = words[np.minimum(rng.zipf(1.6, lengths.sum() * 2) - 1, 199)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    training = TokenGroups(offsets, draw[: lengths.sum()])
    groups = TokenGroups(offsets, draw[lengths.sum() :])
    ranks = {}
    for kind in ("max", "calibrated"):
        scores = NGram(order=0, group=kind).fit(training).anomaly_score(groups)
        ranks[kind] = np.corrcoef(scores.argsort().argsort(), lengths.argsort().argsort())[0, 1]

    assert ranks["max"] > 0.5
    assert abs(ranks["calibrated"]) < 0.6 * ranks["max"]


def test_repeats_do_not_excuse_a_strange_token() -> None:
    """A thousand repeats of what was never seen are no less strange than one."""
    model = NGram().fit(groups_of(usual_groups()))
    once, often = model.anomaly_score(groups_of([["irc"], ["irc"] * 1000]))

    assert often >= once - 0.5


def test_a_new_token_and_the_one_after_it_stand_out() -> None:
    model = NGram(unknown_share=0.0).fit(groups_of([list("abc") * 200]))
    scores = model.token_scores(groups_of([list("abc" * 5 + "d" + "abc" * 5)]))

    assert set(np.argsort(scores)[-2:]) == {15, 16}
    assert scores.max() <= -np.log(1e-10)


def test_a_flood_becomes_usual() -> None:
    """The blindness that the docstring states: many equal tokens are learned as usual."""
    rng = np.random.default_rng(0)
    benign = rng.choice(["a", "b", "c", "d"], 200).tolist()
    groups = groups_of([benign + ["x"] * 10_000])
    scores = NGram().fit(groups).token_scores(groups)

    assert np.median(scores[-5000:]) < np.median(scores[:200])


def test_texts_that_differ_are_never_one_token() -> None:
    texts = np.array([f"{a}:{b}" for a in range(60) for b in range(60)])
    vocabulary = Vocabulary.of(np.concatenate([texts, texts[:100]]))

    assert len(np.unique(vocabulary.encode(texts))) == 3600
    assert (vocabulary.encode(np.array(["60:60", "", "0:0 "])) == 0).all()
    assert set(vocabulary.texts[:100].tolist()) == set(texts[:100].tolist())


def test_wider_and_narrower_text_arrays_are_one() -> None:
    narrow = Vocabulary.of(np.array(["ab", "c"]))

    assert narrow.encode(np.array(["c", "a much longer text", "ab"])).tolist() == [2, 0, 1]


@pytest.mark.parametrize("arguments", [{"order": 4}, {"group": "median"}, {"unknown_share": 5.0}])
def test_senseless_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        NGram(**arguments).fit(groups_of([["a"]]))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("counts_", np.zeros(3)),
        ("base_", np.ones(2)),
        ("base_", np.zeros(4)),
        ("texts_", np.array(["a", "a", "b"])),
        ("tail_", np.ones(4)),
        ("texts_", np.array([1.0, 2.0, 3.0])),
    ],
)
def test_hostile_counts_are_refused(name: str, value: np.ndarray) -> None:
    model = NGram().fit(groups_of(usual_groups()))

    with pytest.raises(ModelError):
        NGram.from_arrays({**model.to_arrays(), name: value}, model.get_params())


@settings(deadline=None)
@given(token_groups())
def test_any_text_scores_finitely(groups: TokenGroups) -> None:
    scores = NGram().fit(groups).anomaly_score(groups)

    assert np.isfinite(scores).all()


@pytest.mark.slow
def test_a_million_tokens_take_a_second() -> None:
    rng = np.random.default_rng(0)
    tokens = np.array([f"TCP:{i}:{i % 7}" for i in range(1000)])[rng.zipf(1.5, 1_000_000) % 1000]
    offsets = np.unique(np.concatenate([[0], rng.integers(1, 1_000_000, 100_000), [1_000_000]]))
    groups = TokenGroups(offsets, tokens)
    model = NGram().fit(groups)
    start = time.process_time()
    model.anomaly_score(groups)

    assert time.process_time() - start < 1.0


def test_three_tokens_of_history_know_more_than_two() -> None:
    """After x a b comes c, after y a b comes d: only the third token back tells which."""
    usual = [list("xabc"), list("yabd")] * 50
    strange = groups_of([list("xabd")])
    two, three = (
        NGram(order=order, unknown_share=0.0).fit(groups_of(usual)).token_scores(strange)
        for order in (2, 3)
    )

    assert two[-1] == pytest.approx(np.log(2), abs=0.1)
    assert three[-1] > 2.5


def test_what_was_expected_instead_is_told() -> None:
    model = NGram(order=1, unknown_share=0.0).fit(groups_of([list("abacab")]))
    (told,) = model.surprises(groups_of([list("abaa")]), top=2)

    assert (told.place, told.token, told.before) == (3, "a", ("b", "a"))
    assert told.probability == pytest.approx(0.166667, abs=1e-6)
    assert [guess.token for guess in told.expected] == ["b", "c"]
    assert told.expected[0].probability == pytest.approx(0.522222, abs=1e-6)


@pytest.mark.parametrize("how", ["max", "mean", "q90", "top3_mean", "sum", "calibrated"])
def test_every_aggregation_is_a_score_of_the_model(how: Any) -> None:
    model = NGram(group=how).fit(groups_of(usual_groups()))
    odd, even = model.anomaly_score(groups_of([["web", "irc", "web"], ["dns", "web", "web"]]))

    assert odd > even


def test_held_out_groups_can_calibrate() -> None:
    model = NGram().fit(groups_of(usual_groups()))
    before = model.anomaly_score(groups_of([["irc"]]))
    model.calibrate(groups_of([["irc"], ["web"]] * 100))

    assert model.anomaly_score(groups_of([["irc"]])) < before
