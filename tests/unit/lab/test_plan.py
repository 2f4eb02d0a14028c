"""The plan of a day: the same seed gives the same sessions, and nothing else decides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from lab import actions, attacks
from lab.plan import PERIODIC, Session, object_sizes, plan
from lab.spec import Day, load_day

DAYS = ["quiet-morning", "afternoon", "quarry-attacks"]


@pytest.fixture(scope="module", params=DAYS)
def day(request: pytest.FixtureRequest) -> Day:
    return load_day(request.param)


def test_the_same_seed_gives_the_same_plan(day: Day) -> None:
    """A plan is a function of the specification."""
    assert plan(day) == plan(day)


def test_another_seed_gives_another_plan(day: Day) -> None:
    """The seed decides when sessions start; the attacks stay where they were put."""
    other = plan(replace(day, seed=day.seed + 1))
    planned = plan(day)

    assert other != planned
    assert [s for s in other if s.attack] == [s for s in planned if s.attack]


def test_sessions_lie_within_the_day_in_order(day: Day) -> None:
    """Sessions come by their start, each of a known kind, on a host of the network."""
    planned = plan(day)

    assert [s.start_s for s in planned] == sorted(s.start_s for s in planned)
    assert all(0 <= s.start_s < day.length_s for s in planned)
    assert all(s.host in day.network.hosts for s in planned)
    assert {s.kind for s in planned if s.attack} <= set(attacks.KINDS)
    assert {s.kind for s in planned if not s.attack} <= set(actions.KINDS)
    assert {s.attack for s in planned if s.attack} == {a.id for a in day.attacks}


def test_one_host_less_leaves_the_others_alone() -> None:
    """Each host draws from its own generator, so populations can change without a new day."""
    day = load_day("quiet-morning")
    hosts = {name: host for name, host in day.network.hosts.items() if name != "eng05"}
    fewer = replace(day, network=replace(day.network, hosts=hosts))

    def of_others(sessions: list[Session]) -> list[Session]:
        return [s for s in sessions if s.host != "eng05"]

    assert of_others(plan(day)) == of_others(plan(fewer))
    assert len(plan(fewer)) < len(plan(day))


def test_the_hourly_profile_is_followed() -> None:
    """An hour without people has no sessions that people start."""
    day = replace(load_day("quiet-morning"), profile=(1.0, 0.0, 1.0, 1.0))
    jobs = {"poll", "transfer"}

    at = [s.start_s for s in plan(day) if s.kind not in PERIODIC | jobs]

    assert at
    assert not [start for start in at if 3600 <= start < 7200]


def test_quiet_days_do_not_touch_the_attackers() -> None:
    """Hosts that exist for the attacks neither act nor are asked on a quiet day."""
    day = load_day("quiet-morning")
    evil = {day.network.hosts[name].ip for name in ("corsair", "wrecker")}

    text = repr(plan(day))

    assert not [address for address in evil if f"'{address}'" in text]


def test_web_objects_have_many_sizes() -> None:
    """Pages do not all weigh the same."""
    sizes = object_sizes()

    assert len(set(sizes)) > 50
    assert max(sizes) <= 120_100
