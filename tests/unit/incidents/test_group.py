"""Stories of many windows become incidents."""

from __future__ import annotations

import random
from zlib import crc32

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.features.columns import derive
from eddyline.incidents.group import (
    CAMPAIGN,
    GAP_US,
    LASTING_GAP_US,
    PAUSE_US,
    TURN_US,
    Grouper,
)
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story, in_order
from eddyline.testing import traffic
from eddyline.testing.traffic import SECOND_US, START_US

WINDOW_US = 300_000_000
SCANNER = "10.20.1.99"


def story(
    at_us: int,
    attack: str = "ip_sweep",
    source: str = SCANNER,
    *,
    target: str = "10.9.0.1",
    every_us: int = SECOND_US,
    flow_of: int | None = None,
    **changes,
) -> Story:
    """Tell a story of three flows that begin at a moment."""
    moments = [at_us, at_us + every_us, at_us + 2 * every_us]
    tag = f"{attack}-{source}-{at_us}"
    frame = derive(traffic.flows(source, target, moments, traffic.VAIN, tag=tag).frame)
    start = (at_us // SECOND_US % 10**8) * 1000 + crc32(f"{attack}-{source}".encode()) % 900
    start = start if flow_of is None else flow_of
    numbered = frame.with_columns(pl.int_range(start, start + 3).alias("flow"))
    told = Story(attack, (source,), source, numbered.select(EVIDENCE_COLUMNS), {"hosts": 3})
    told.window, told.window_us = (at_us + 2 * every_us) // WINDOW_US, WINDOW_US
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
    ("attack", "gap_us"),
    [("ip_sweep", PAUSE_US), ("exfiltration", GAP_US), ("c2_beacon", LASTING_GAP_US)],
)
def test_stories_within_the_gap_are_one_and_beyond_are_two(attack, gap_us) -> None:
    """A run goes on within ten minutes, a deed within two hours, a condition within a day."""
    first = story(START_US, attack)
    within, beyond = (
        story(first.last_us + gap_us, attack),
        story(first.last_us + gap_us + 1, attack),
    )

    assert len(grouped([first, within])) == 1
    assert len(grouped([first, beyond])) == 2


def test_a_chain_of_windows_is_one_incident_however_long() -> None:
    """Each pause counts, not the whole."""
    pause_us = GAP_US - SECOND_US * 10
    chain = [story(START_US + n * pause_us, "exfiltration") for n in range(30)]
    (saga,) = grouped(chain)

    assert saga.flows().height == 90
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


def test_a_run_that_turns_to_another_target_is_another_one_sooner() -> None:
    """After two minutes; to the same target it may come back for ten."""
    first = story(START_US, "guessing")
    same, other = (
        story(first.last_us + TURN_US + 1, "guessing", target=target)
        for target in ("10.9.0.1", "10.9.0.2")
    )
    at_once = story(first.last_us + TURN_US, "guessing", target="10.9.0.2")

    assert len(grouped([first, same])) == 1
    assert len(grouped([first, other])) == 2
    assert len(grouped([first, at_once])) == 1


def test_a_slow_run_rests_as_long_as_its_rhythm_lets_expect() -> None:
    """With a try every three minutes, half an hour's pause is part of it; after two hours none is."""
    slow = story(START_US, every_us=180 * SECOND_US)
    after = story(slow.last_us + 3 * PAUSE_US, every_us=180 * SECOND_US)
    late = story(slow.last_us + GAP_US + 1, every_us=3_600 * SECOND_US)

    assert len(grouped([slow, after])) == 1
    assert len(grouped([slow, late])) == 2


@pytest.mark.parametrize(("runs", "incidents"), [(CAMPAIGN - 1, CAMPAIGN - 1), (CAMPAIGN, 1)])
def test_who_comes_back_again_and_again_is_one_story(runs, incidents) -> None:
    """Several runs against one target stay several; from the sixth on it is a campaign."""
    rounds = [story(START_US + n * 2 * PAUSE_US, "guessing") for n in range(runs)]
    elsewhere = [
        story(
            START_US + n * 2 * PAUSE_US, source="10.9.9.9", target=f"10.9.0.{n}", kind="host_scan"
        )
        for n in range(CAMPAIGN)
    ]

    assert len(grouped(rounds)) == incidents
    assert len(grouped(elsewhere)) == CAMPAIGN


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_each_flow_belongs_to_one_incident(data) -> None:
    """However stories of several windows share flows, every told flow is told once."""
    attacks = st.sampled_from(["ip_sweep", "guessing", "flood", "unusual", "c2_beacon"])
    stories = [
        story(
            START_US + at * WINDOW_US,
            data.draw(attacks),
            source,
            flow_of=data.draw(st.integers(0, 6)),
        )
        for at in data.draw(st.lists(st.integers(0, 30), min_size=1, max_size=12))
        for source in data.draw(st.sets(st.sampled_from([SCANNER, "10.20.1.98"]), min_size=1))
    ]
    sagas = grouped(stories)
    told = [flow for saga in sagas for flow in saga.flows()["flow"]]

    assert len(told) == len(set(told))
    assert all(saga.flows().height for saga in sagas)
    named = {flow for one in stories if one.attack != "unusual" for flow in one.flows["flow"]}
    assert named <= set(told)
