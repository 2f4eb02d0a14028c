"""The nets that read tokens keep every promise of a sequence detector, learn, and say what they expected."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eddyline.detectors.deep.causal import Causal
from eddyline.detectors.deep.radford import Radford
from eddyline.detectors.deep.reader import ReaderModel
from eddyline.detectors.deep.session import Session, split_tokens
from eddyline.errors import DegradedWarning, ModelError, TooFewRowsError, UsageError
from eddyline.tables import TokenGroups
from eddyline.testing.check_detector import ConformanceError
from eddyline.testing.check_sequence_detector import (
    CHECKS,
    SequenceCheck,
    check_training_worked,
    groups_of,
    usual_groups,
    yield_sequence_checks,
)

BOTH_SIDES = {"check_later_tokens_change_nothing": "the net reads both sides of a flow on purpose"}


class QuickCausal(Causal):
    """Trained for as long as the suite needs."""

    def __init__(self, *, seed: int = 0, least_steps: int = 160, epochs: int = 1) -> None:
        super().__init__(seed=seed, least_steps=least_steps, epochs=epochs, rate=1e-2)


class QuickRadford(Radford):
    """Trained for as long as the suite needs."""

    def __init__(self, *, seed: int = 0, least_steps: int = 60, epochs: int = 2) -> None:
        super().__init__(seed=seed, least_steps=least_steps, epochs=epochs, batch=56)


class QuickSession(Session):
    """Trained for as long as the suite needs."""

    def __init__(self, *, seed: int = 0, least_steps: int = 120, epochs: int = 1) -> None:
        super().__init__(seed=seed, least_steps=least_steps, epochs=epochs, rate=1e-2)


QUICK: tuple[type[ReaderModel], ...] = (QuickCausal, QuickRadford, QuickSession)


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("cls", QUICK)
def test_promises_of_a_sequence_detector(cls: type[ReaderModel], check: SequenceCheck) -> None:
    skip = BOTH_SIDES if cls is QuickSession else None
    if check not in list(yield_sequence_checks(cls, skip=skip)):
        pytest.skip(BOTH_SIDES[check.__name__])
    check(cls)


@pytest.mark.slow
@pytest.mark.parametrize("cls", QUICK)
def test_training_moves_every_weight_and_lowers_the_loss(cls: type[ReaderModel]) -> None:
    check_training_worked(cls)


class Idle(QuickCausal):
    """Trains next to nothing."""

    def __init__(self, *, seed: int = 0, rate: float = 1e-9) -> None:
        super().__init__(seed=seed, least_steps=20)
        self.rate = rate


def test_a_net_that_learns_nothing_is_found_out() -> None:
    with pytest.raises(ConformanceError, match="lowers its loss"):
        check_training_worked(Idle)


@pytest.mark.slow
@pytest.mark.parametrize("cls", [QuickCausal, QuickRadford])
def test_a_new_token_and_the_one_after_it_stand_out(cls: type[ReaderModel]) -> None:
    model = cls(least_steps=200).fit(groups_of([list("abc") * 200]))
    scores = model.token_scores(groups_of([list("abc" * 5 + "d" + "abc" * 5)]))

    assert set(np.argsort(scores)[-2:]) == {15, 16}
    assert scores.max() <= -np.log(1e-10) + 1e-9


@pytest.mark.slow
def test_a_target_is_out_of_a_windows_reach() -> None:
    """Random tokens cannot be foretold: the held-out loss stays at the logarithm of their number."""
    rng = np.random.default_rng(0)
    words = np.array(list("abcdefgh"))[rng.integers(0, 8, (2, 2000))]
    model = QuickRadford(least_steps=80).fit(TokenGroups(np.arange(0, 2001, 20), words[0]))
    scores = model.token_scores(TokenGroups(np.arange(0, 2001, 20), words[1]))

    assert scores.mean() > 0.95 * np.log(8)


@pytest.mark.slow
@pytest.mark.parametrize("cls", QUICK)
def test_expected_tokens_are_named(cls: type[ReaderModel]) -> None:
    model = cls().fit(groups_of([["web", "dns", "mail"] * 40] * 3))
    (told,) = model.surprises(groups_of([["web", "dns", "mail", "irc", "dns", "mail"]]))

    assert told.place == 3
    assert [guess.token for guess in told.expected].index("web") == 0
    assert told.expected[0].probability > 0.5 > told.probability


def test_a_live_stream_scores_as_the_whole_group_does() -> None:
    model = QuickCausal(least_steps=16).fit(groups_of(usual_groups()))
    sequences = [["dns", "web", "irc", "web"], ["mail", "mail", "dns"]]
    stream = model.stream(most_groups=2)
    turns = [(g, i) for i in range(4) for g in (0, 1) if i < len(sequences[g])]
    live = {(g, i): stream.score(f"pair {g}", sequences[g][i]) for g, i in turns}
    whole = model.token_scores(groups_of(sequences))

    assert [live[0, i] for i in range(4)] + [live[1, i] for i in range(3)] == whole.tolist()
    stream.score("pair 2", "web")
    assert len(stream) == 2
    stream.forget("pair 2")
    assert len(stream) == 1


def test_held_out_groups_end_the_training() -> None:
    """With tokens nobody can foretell, the held-out loss stops falling and training ends early."""
    rng = np.random.default_rng(0)
    words = np.array(list("abcdefgh"))[rng.integers(0, 8, 6000)]
    model = Causal(epochs=60, rate=2e-2, batch_tokens=64, least_steps=1)
    model.fit(TokenGroups(np.arange(0, 6001, 10), words))

    assert len(model.losses_) < 30


def test_sessions_are_split_into_state_and_size() -> None:
    states, sizes = split_tokens(
        np.array(["tcp/443>:10", "dns", "a:b", "port:443", ":", "x:99999999999"])
    )

    assert states.tolist() == ["tcp/443>", "dns", "a:b", "port", ":", "x:99999999999"]
    assert sizes.tolist() == [10, 0, 0, 443, 0, 0]


@pytest.mark.slow
def test_an_unusual_size_surprises_the_size_head() -> None:
    usual = [["web:10", "dns:7", "web:10", "dns:7"] * 3] * 60
    model = QuickSession().fit(groups_of(usual))
    heads = model.head_scores(groups_of([["web:10", "dns:7", "web:7", "dns:7"]]))

    assert np.argmax(heads[:, 1]) == 2
    model.set_params()
    model.group = "session"
    odd, even = model.anomaly_score(groups_of([["irc:30"] * 4, usual[0]]))
    assert 0 <= even < odd <= 1


def test_a_large_corpus_is_drawn_from_with_a_warning() -> None:
    model = Radford(most_windows=300, least_steps=1, epochs=1)
    with pytest.warns(DegradedWarning, match="at most 300 windows"):
        model.fit(groups_of(usual_groups()))


def test_rare_tokens_share_a_number() -> None:
    words = [f"w{i}" for i in range(30) for _ in range(30 - i)]
    model = Causal(most_words=5, least_steps=1, epochs=1).fit(groups_of([words]))
    scores = model.token_scores(groups_of([["w20"], ["w29"], ["never"], ["w1"]]))

    assert model.n_words == 6
    assert scores[0] == scores[1]
    assert len({*scores[[0, 2, 3]]}) == 3


@pytest.mark.parametrize(
    ("cls", "arguments"),
    [
        (Causal, {"cell": "rnn"}),
        (Causal, {"hidden": 0}),
        (Causal, {"unknown_share": 0.5}),
        (Radford, {"count_power": 2.0}),
        (Session, {"dropout": 1.0}),
        (Session, {"group": "median"}),
        (Causal, {"group": "session"}),
        (Causal, {"most_words": 0}),
    ],
)
def test_senseless_arguments_are_named(cls: type[ReaderModel], arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        cls(**arguments).fit(groups_of(usual_groups()))


def test_too_few_tokens_are_named() -> None:
    with pytest.raises(TooFewRowsError, match="at least 20 tokens"):
        Causal().fit(groups_of([["a", "b"]]))


@pytest.mark.parametrize(
    ("cls", "name", "value"),
    [
        (Causal, "table_", np.zeros((3, 3), np.float32)),
        (Causal, "out_bias_", np.full(3, np.inf)),
        (Radford, "upper_state_1_", np.zeros((2, 2))),
        (Session, "edges_", np.array([3.0, 1.0])),
        (Session, "kinds_", np.array([1, 2])),
        (Causal, "tail_", np.zeros((2, 3))),
    ],
)
def test_hostile_weights_are_refused(cls: Any, name: str, value: np.ndarray) -> None:
    steps = {"batch": 16} if cls is Radford else {}
    model = cls(least_steps=1, epochs=1, **steps).fit(groups_of(usual_groups(n=5)))

    with pytest.raises(ModelError):
        cls.from_arrays({**model.to_arrays(), name: value}, model.get_params())
