"""Which patterns count, given what is normal here."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.incidents.find import Finder
from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanSettings, scan_flows
from eddyline.testing import shapes, traffic
from eddyline.testing.traffic import PAGE, PING, SECOND_US, START_US, VAIN, flows, host

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
BEGIN = START_US + DAY_US + 2000 * SECOND_US


def habit(start_us: int, hours: float = 4.0):
    """Make a monitor that pings forty hosts every five minutes, inside a quiet office."""
    rounds = np.repeat(np.arange(int(hours * 12)) * 300, 40) * SECOND_US
    at = start_us + rounds + np.tile(np.arange(40), int(hours * 12)) * SECOND_US // 4
    hosts = [f"10.50.0.{1 + i % 40}" for i in range(len(at))]
    pings = flows("10.20.10.50", hosts, at, PING, tag="monitor")
    return traffic.mixed(traffic.quiet(n_hosts=6, hours=hours, start_us=start_us), pings)


def told(day, pipeline, **settings) -> list[tuple[str, str]]:
    """Scan; give what is told of whom."""
    result = scan_flows(
        [day], IngestReport(), pipeline=pipeline, settings=ScanSettings(**settings)
    )
    return [(one.attack, one.sources[0]) for one in result.incidents]


@pytest.fixture(scope="module")
def model() -> Pipeline:
    """Learn four hours with the monitor."""
    return Pipeline().fit([habit(START_US)])


def test_a_habit_that_was_learned_is_not_told(model) -> None:
    """The same round a day later is normal; three times as many hosts are not."""
    again = habit(START_US + DAY_US, hours=2.0)
    more = flows(
        "10.20.10.50", [f"10.60.0.{i}" for i in range(1, 141)], BEGIN + np.arange(140), PING
    )

    assert told(again, model) == []
    assert told(traffic.mixed(again, more), model) == [("ip_sweep", "10.20.10.50")]


def test_a_habit_in_the_capture_itself_is_not_told() -> None:
    """Without a model, what a host does all the time, and is answered, is its habit."""
    assert told(habit(START_US), Pipeline()) == []


def test_a_habit_that_is_never_answered_is_told_all_the_same() -> None:
    """A worm that scans from the first minute to the last has no habit but a sickness."""
    sick = [shapes.sweep(start_us=START_US + i * 300 * SECOND_US, tag=f"w{i}") for i in range(24)]
    day = traffic.mixed(traffic.quiet(n_hosts=6, hours=2.0), *sick)

    assert told(day, Pipeline()) == [("ip_sweep", "10.20.1.99")]


def test_somebody_elses_habit_is_no_excuse(model) -> None:
    """Another host that does what the monitor does is told."""
    odd = flows(
        host(2), [f"10.50.0.{i}" for i in range(1, 41)], BEGIN + np.arange(40) * 1000, PING
    )

    assert told(traffic.mixed(habit(START_US + DAY_US, 2.0), odd), model) == [
        ("ip_sweep", host(2))
    ]


def test_attacks_in_the_baseline_are_not_learned() -> None:
    """A capture with a flood in it still tells the flood, and learns the rest."""
    day = traffic.mixed(
        traffic.quiet(n_hosts=6, hours=2.0), shapes.flood(start_us=START_US + 3000 * SECOND_US)
    )
    pipeline = Pipeline()

    assert [attack for attack, _ in told(day, pipeline)] == ["flood"]
    assert pipeline.trained_flows == len(day) - 2000


def test_a_pattern_that_nobody_came_near_is_told_below_the_strict_levels(model) -> None:
    """Nine ports in vain where nobody ever tried one: told with a model, not without."""
    few = shapes.host_scan(host(3), n_ports=12, start_us=BEGIN)
    quiet = habit(START_US + DAY_US, 2.0)
    result = scan_flows(
        [traffic.mixed(quiet, few)], IngestReport(), pipeline=model, settings=ScanSettings()
    )

    assert [one.attack for one in result.incidents] == ["nmap_scan"]
    assert result.incidents[0].p_value is not None
    assert told(few, Pipeline()) == []


def test_new_amounts_without_a_name_are_unusual_and_say_why(model) -> None:
    """A known host that suddenly downloads gigabytes from inside: no attack has that name."""
    huge = replace(PAGE, payload_in=3 * 10**9, pkts_in=2_000_000, pkts_out=90_000, duration_s=90.0)
    day = traffic.mixed(
        habit(START_US + DAY_US, 2.0),
        flows(
            host(1), "10.20.10.4", [BEGIN, BEGIN + SECOND_US, BEGIN + 2 * SECOND_US], huge, tag="h"
        ),
    )
    result = scan_flows([day], IngestReport(), pipeline=model, settings=ScanSettings())

    assert [one.attack for one in result.incidents] == ["unusual"]
    one = result.incidents[0]
    assert one.contributions
    assert "normal" in one.reason
    assert {evidence.uid for evidence in one.evidence} & {"h.0", "h.1", "h.2"}
    assert one.p_value is not None


def test_the_finder_alone_leaves_rules_out(model) -> None:
    """Without rules and without alarms there is nothing, whatever the flows show."""
    (judged, *_) = model.judge([shapes.sweep(n_hosts=500, start_us=BEGIN)])
    silent = replace(judged, alarms=[])
    nobody = Pipeline().known

    assert [s.attack for s in Finder(nobody).stories(silent)] == ["ip_sweep"]
    assert Finder(nobody, rules=False).stories(silent) == []
    with_model = Finder(model.known, rules=False).stories(silent)
    assert all(story.p_value is not None for story in with_model)


def test_flows_are_told_once_by_named_stories(model) -> None:
    """Strict, beyond all and hinted patterns never share a flow."""
    day = traffic.mixed(
        *(
            shapes.sweep(host(i), n_hosts=9 + 6 * i, start_us=BEGIN + i * SECOND_US, tag=f"s{i}")
            for i in range(4)
        ),
        flows(
            host(1), "10.20.10.4", BEGIN + np.arange(30) * 1000, replace(VAIN, port=np.arange(30))
        ),
        shapes.guessing(host(2), start_us=BEGIN),
    )
    for judged in model.judge([day]):
        named = [s for s in Finder(model.known).stories(judged) if s.attack != "unusual"]
        numbers = pl.concat([s.flows["flow"] for s in named])

        assert numbers.n_unique() == len(numbers)
