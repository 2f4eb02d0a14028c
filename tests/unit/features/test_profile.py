"""An entity is held against its own past, or against what stands in for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.features.profile import Profile

NUMBERS = st.lists(st.floats(0, 1e9), min_size=1, max_size=30)
NAMES = st.lists(st.sampled_from(["a", "b", "ß", "2001:db8::1", ""]), min_size=1, max_size=30)


def learned(**pasts: list[float]) -> Profile:
    """Learn one feature from each entity's values."""
    entities = [name for name, values in pasts.items() for _ in values]
    X = np.array([value for values in pasts.values() for value in values]).reshape(-1, 1)
    return Profile.fit(entities, X, min_windows=2)


def test_an_entity_with_a_past_is_held_against_its_own() -> None:
    """Smallest, largest and median of its own rows."""
    profile = learned(a=[1.0, 5.0, 2.0], b=[100.0, 300.0])

    assert profile.usual_high(["a", "b", "a"]).ravel().tolist() == [5.0, 300.0, 5.0]
    assert profile.find(["b", "a", "c", ""]).tolist() == [1, 0, -1, -1]
    assert (profile.low[0, 0], profile.middle[0, 0]) == (1.0, 2.0)


def test_an_unseen_host_is_held_against_the_network() -> None:
    """The 0.99 quantile of all rows; so is one that was seen too rarely."""
    profile = learned(a=[1.0] * 99, b=[50.0])

    assert profile.find(["b"]).tolist() == [-1]
    high = profile.usual_high(["b", "never"]).ravel()
    assert high[0] == high[1] == pytest.approx(np.quantile([1.0] * 99 + [50.0], 0.99))


def test_an_unseen_pair_of_known_ends_is_held_against_the_lesser_end() -> None:
    """What the two do with others tells what they may do with each other."""
    profile = learned(**{"a|b": [5.0, 5.0], "a|c": [40.0, 40.0], "d|e": [7.0, 7.0]})

    assert profile.usual_high(["a|b"]).item() == 5.0
    assert profile.usual_high(["b|c"]).item() == 5.0
    assert profile.usual_high(["c|d"]).item() == 7.0


def test_a_pair_with_a_new_end_is_held_against_what_is_typical() -> None:
    """The median of the pairs' largest values."""
    profile = learned(**{"a|b": [5.0, 5.0], "a|c": [40.0, 40.0], "d|e": [7.0, 7.0]})

    assert profile.usual_high(["a|new", "x|y"]).ravel().tolist() == [7.0, 7.0]


@given(names=NAMES, values=NUMBERS, data=st.data())
@settings(max_examples=40)
def test_beyond_is_never_negative_and_rises_with_the_value(names, values, data) -> None:
    """0 inside the range, then by natural logarithms; more is never less."""
    n = min(len(names), len(values))
    profile = Profile.fit(names[:n], np.array(values[:n]).reshape(-1, 1), min_windows=2)
    asked = data.draw(st.lists(st.sampled_from(["a", "b", "new"]), min_size=1, max_size=5))
    X = np.array(data.draw(st.lists(st.floats(0, 1e12), min_size=len(asked), max_size=len(asked))))

    here = profile.beyond(asked, X.reshape(-1, 1))
    more = profile.beyond(asked, X.reshape(-1, 1) * 2.0 + 1.0)

    assert (here >= 0.0).all()
    assert (more >= here).all()
    inside = X.reshape(-1, 1) <= profile.usual_high(asked)
    assert (here[inside] == 0.0).all()


@given(names=NAMES, values=NUMBERS)
@settings(max_examples=40)
def test_no_row_that_was_learned_lies_beyond_its_own_past(names, values) -> None:
    """Rows of entities with a past are inside it; the order of the rows does not matter."""
    n = min(len(names), len(values))
    X = np.array(values[:n]).reshape(-1, 1)
    profile = Profile.fit(names[:n], X, min_windows=2)
    own = profile.find(names[:n]) >= 0
    back = Profile.fit(names[:n][::-1], X[::-1], min_windows=2)

    assert (profile.beyond(names[:n], X)[own] == 0.0).all()
    assert (back.high == profile.high).all()
    assert (back.middle == profile.middle).all()
    assert (profile.low <= profile.middle).all()
    assert (profile.middle <= profile.high).all()


def test_beyond_is_told_in_natural_logarithms() -> None:
    """log((1 + x) / (1 + high))."""
    profile = learned(a=[9.0, 9.0])

    assert profile.beyond(["a"], np.array([[99.0]])).item() == pytest.approx(np.log(10.0))


def test_nothing_learned_holds_everything_against_zero() -> None:
    """An empty past is no past."""
    profile = Profile.fit([], np.zeros((0, 2)))

    assert profile.usual_high(["a"]).tolist() == [[0.0, 0.0]]


def test_addresses_that_hold_the_joint_are_text_like_any_other() -> None:
    """Hostile names do not break the pairs apart."""
    profile = learned(**{"a|b": [5.0, 5.0], "x|y|z": [9.0, 9.0], "|": [1.0, 1.0]})

    assert profile.usual_high(["x|y|z", "|", "a|"]).shape == (3, 1)


def test_strange_is_of_whom_nothing_was_learned() -> None:
    """A host without a past; a pair of which not even an end was seen."""
    hosts, pairs = learned(a=[1.0, 2.0], b=[3.0]), learned(**{"a|b": [1.0, 2.0], "c|d": [3.0]})

    assert hosts.strange(["a", "b", "never", "|"]).tolist() == [False, True, True, True]
    asked = ["a|b", "c|d", "a|never", "never|d", "x|y", "|"]
    assert pairs.strange(asked).tolist() == [False, False, False, False, True, True]
