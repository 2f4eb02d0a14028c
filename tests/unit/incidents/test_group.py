"""Stories of many windows become incidents."""

from __future__ import annotations

import random

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.features.columns import derive
from eddyline.incidents.group import GAP_US, LASTING_GAP_US, Grouper
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story, in_order
from eddyline.testing import traffic
from eddyline.testing.traffic import SECOND_US, START_US

WINDOW_US = 300_000_000
SCANNER = "10.20.1.99"


def story(at_us: int, attack: str = "ip_sweep", source: str = SCANNER, **changes) -> Story:
    """Tell a story of three flows that begin at a moment."""
    moments = [at_us, at_us + SECOND_US, at_us + 2 * SECOND_US]
    tag = f"{attack}-{source}-{at_us}"
    frame = derive(traffic.flows(source, "10.9.0.1", moments, traffic.VAIN, tag=tag).frame)
    numbered = frame.with_columns((pl.col("ts") // SECOND_US).alias("flow"))
    told = Story(attack, (source,), source, numbered.select(EVIDENCE_COLUMNS), {"hosts": 3})
    told.window, told.window_us = (at_us + 2 * SECOND_US) // WINDOW_US, WINDOW_US
    for name, value in changes.items():
        setattr(told, name, value)
    return told


def grouped(stories):
    """Group stories in the order in which their windows close."""
    grouper = Grouper()
    for one in in_order(stories):
        grouper.add(one)
    return grouper.finished()


@pytest.mark.parametrize(
    ("attack", "gap_us"), [("ip_sweep", GAP_US), ("c2_beacon", LASTING_GAP_US)]
)
def test_stories_within_the_gap_are_one_and_beyond_are_two(attack, gap_us) -> None:
    """An event goes on within two hours, a condition within a day."""
    first = story(START_US, attack)
    within, beyond = (
        story(first.last_us + gap_us, attack),
        story(first.last_us + gap_us + 1, attack),
    )

    assert len(grouped([first, within])) == 1
    assert len(grouped([first, beyond])) == 2


def test_a_chain_of_windows_is_one_incident_however_long() -> None:
    """Each pause counts, not the whole."""
    chain = [story(START_US + n * (GAP_US - SECOND_US * 10)) for n in range(30)]
    (saga,) = grouped(chain)

    assert len(saga.parts) == 30
    assert (saga.first_us, saga.last_us) == (chain[0].first_us, chain[-1].last_us)


def test_other_anchors_and_attacks_are_other_incidents() -> None:
    """Two scanners are two; a scan and a guess of one host are two."""
    stories = [
        story(START_US),
        story(START_US, source="10.20.1.98"),
        story(START_US, "guessing"),
    ]

    assert len(grouped(stories)) == 3
    assert len({saga.uid for saga in grouped(stories)}) == 3


def test_the_uid_is_stable_while_the_incident_grows() -> None:
    """Made of attack, anchor and first start; neither strength nor later windows change it."""
    stories = [story(START_US + n * WINDOW_US, strength=float(n)) for n in range(5)]
    uids = {grouped(stories[: n + 1])[0].uid for n in range(5)}

    assert len(uids) == 1
    assert grouped([story(START_US + SECOND_US)])[0].uid not in uids


@given(seed=st.integers(0, 10**6))
@settings(max_examples=5, deadline=None)
def test_the_order_of_arrival_does_not_matter(seed) -> None:
    """Windows that are closed together come in any order; what is grouped is the same."""
    stories = [
        story(START_US + n * WINDOW_US, attack, source, strength=float(n % 3 + 1), p_value=p)
        for n, p in ((0, 0.1), (1, None), (2, 1e-5), (60, 1e-7))
        for attack in ("ip_sweep", "guessing", "unusual")
        for source in (SCANNER, "10.20.1.98")
    ]
    mixed = stories.copy()
    random.Random(seed).shuffle(mixed)  # noqa: S311 - an order, no secret

    def told(some):
        return [
            (s.uid, s.attack, s.p_value, s.strength, s.first_us, s.last_us, s.flows().rows())
            for s in grouped(some)
        ]

    assert told(mixed) == told(stories)


def test_the_strongest_story_says_what_was_measured() -> None:
    """And the most unlikely one how sure it is."""
    weak = story(START_US, strength=2.0, value=40.0, p_value=1e-8, scores={"host/tails": 3.0})
    strong = story(
        START_US + WINDOW_US,
        strength=9.0,
        value=180.0,
        p_value=1e-3,
        strict=False,
        scores={"host/tails": 7.0, "dyad/ngram": 1.0},
    )
    (saga,) = grouped([weak, strong])

    assert (saga.strength, saga.value, saga.p_value, saga.strict) == (9.0, 180.0, 1e-8, True)
    assert saga.scores == {"host/tails": 7.0, "dyad/ngram": 1.0}


def test_a_flow_of_two_windows_lengths_counts_once() -> None:
    """Five minutes and an hour tell of the same flows."""
    five, hour = story(START_US), story(START_US)
    hour.window_us = 3_600_000_000
    (saga,) = grouped([five, hour])

    assert saga.flows().height == 3
    assert saga.flows()["flow"].is_sorted()


def test_what_is_merely_unusual_about_an_actor_belongs_to_its_named_story() -> None:
    """Its verdict counts there, its flows do not; anybody else's stays an incident."""
    named = story(START_US)
    near = story(START_US + 20 * 60 * SECOND_US, "unusual", p_value=1e-9)
    target = story(START_US, "unusual", source="10.9.0.1", p_value=1e-7)
    other = story(START_US, "unusual", source="10.20.1.55")
    later = story(START_US + 3 * 3_600 * SECOND_US, "unusual")
    told = grouped([named, near, target, other, later])

    assert [(s.attack, s.entity) for s in told] == [
        ("ip_sweep", SCANNER),
        ("unusual", "10.20.1.55"),
        ("unusual", SCANNER),
    ]
    assert told[0].p_value == 1e-9
    assert told[0].flows().height == 3


def test_a_continuation_alone_is_nothing() -> None:
    """What would only go on with a condition is dropped where there is none."""
    condition = story(START_US, "c2_beacon")
    after = story(START_US + 5 * 3_600 * SECOND_US, "c2_beacon", continued=True, strict=False)

    assert grouped([after]) == []
    (saga,) = grouped([condition, after])
    assert saga.flows().height == 6
