"""One flow, one story: several attacks of one source within an hour stay apart and share nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.incidents.claims import Claims, runs
from eddyline.incidents.group import PAUSE_US
from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanResult, ScanSettings, scan_flows
from eddyline.testing import shapes, traffic
from eddyline.testing.traffic import SECOND_US, START_US, VAIN, Exchange, flows

SCANNER = "10.20.1.99"
MINUTE_US = 60 * SECOND_US
TRY = Exchange("tcp", 22, "SF", 15, 13, 1725, 1106, 2.5)
"""One failed login by ssh."""

DROPPED = Exchange("tcp", 22, "RSTR", 3, 3, 41, 0, 0.002)
"""A login that the server drops because too many are under way."""


def port_scan(target: str, at_us: int, tag: str):
    """Scan 200 ports in 20 s, each tried three times, ssh among them."""
    ports = np.tile(1 + np.arange(200), 3)
    at = at_us + np.arange(600) * SECOND_US // 30
    return flows(SCANNER, target, at, replace(VAIN, port=ports, src_port=61_001), tag=tag)


def logins(target: str, at_us: int, tag: str, *, tries: int = 40, dropped: int = 120):
    """Guess by ssh for a minute and a half; most tries are dropped."""
    span_us = 90 * SECOND_US
    kept = flows(SCANNER, target, at_us + np.arange(tries) * span_us // tries, TRY, tag=f"{tag}k")
    lost_at = at_us + np.arange(dropped) * span_us // dropped
    lost = flows(SCANNER, target, lost_at, DROPPED, tag=f"{tag}d")
    return traffic.mixed(kept, lost)


def judged(day) -> ScanResult:
    """Scan with the capture itself as baseline, with every flow's verdict."""
    return scan_flows(
        [day],
        IngestReport(),
        pipeline=Pipeline(),
        settings=ScanSettings(flow_verdicts=True),
    )


def marks(result: ScanResult) -> dict[str, set[str]]:
    """Give the flows that the verdicts mark, by incident."""
    assert result.flow_verdicts is not None
    marked = result.flow_verdicts.drop_nulls("incident")
    found = marked.group_by("incident").agg("uid")
    return {incident: set(uids) for incident, uids in found.iter_rows()}


def test_five_attacks_of_one_source_within_an_hour_are_five() -> None:
    """Scans and guessings of the same and other hosts, minutes apart: each has exactly its own flows."""
    five = [
        port_scan("10.20.10.41", START_US + 3 * MINUTE_US, "s1"),
        logins("10.20.10.41", START_US + 7 * MINUTE_US, "g1"),
        logins("10.20.10.45", START_US + 18 * MINUTE_US, "g2"),
        port_scan("10.20.10.48", START_US + 40 * MINUTE_US, "s2"),
        port_scan("10.20.10.48", START_US + 58 * MINUTE_US + 40 * SECOND_US, "s3"),
    ]
    result = judged(traffic.mixed(traffic.quiet(n_hosts=5, hours=1.2), *five))

    told = sorted((one.attack, one.destinations[0]) for one in result.incidents)
    assert told == [
        ("guessing", "10.20.10.41"),
        ("guessing", "10.20.10.45"),
        ("nmap_scan", "10.20.10.41"),
        ("nmap_scan", "10.20.10.48"),
        ("nmap_scan", "10.20.10.48"),
    ]
    true = sorted(sorted(batch.frame["uid"]) for batch in five)
    assert sorted(sorted(uids) for uids in marks(result).values()) == true


@pytest.mark.slow
@given(
    minutes=st.lists(st.integers(0, 110), min_size=2, max_size=5),
    kinds=st.lists(st.sampled_from(["scan", "guess", "sweep", "beacon"]), min_size=5, max_size=5),
)
@settings(max_examples=4, deadline=None)
def test_an_incident_counts_the_flows_that_the_verdicts_mark(minutes, kinds) -> None:
    """Whatever overlaps, no flow is counted twice, and what is counted is marked."""
    parts = []
    for number, (minute, kind) in enumerate(zip(minutes, kinds, strict=False)):
        at, tag = START_US + minute * MINUTE_US, f"x{number}"
        if kind == "scan":
            parts.append(port_scan("10.20.10.41", at, tag))
        elif kind == "guess":
            parts.append(logins("10.20.10.41", at, tag))
        elif kind == "sweep":
            parts.append(shapes.sweep(SCANNER, start_us=at, tag=tag))
        else:
            parts.append(shapes.beacon(SCANNER, start_us=at, tag=tag))
    result = judged(traffic.mixed(traffic.quiet(n_hosts=4, hours=2.0), *parts))

    counted = {one.uid: one.flows_count for one in result.incidents}
    assert counted == {incident: len(uids) for incident, uids in marks(result).items()}
    assert result.incidents


@pytest.mark.parametrize(("rounds", "told"), [(1, ["nmap_scan"]), (60, ["guessing", "nmap_scan"])])
def test_a_scan_takes_only_what_it_tried(rounds, told) -> None:
    """One look at ssh is the scan's own; a round of logins in the same minutes is not."""
    result = judged(
        traffic.mixed(
            traffic.quiet(n_hosts=4, hours=0.5),
            port_scan("10.20.10.41", START_US + 5 * MINUTE_US, "s"),
            logins("10.20.10.41", START_US + 5 * MINUTE_US, "g", tries=rounds, dropped=0),
        )
    )

    assert sorted(one.attack for one in result.incidents) == told
    assert sum(len(uids) for uids in marks(result).values()) == 600 + rounds


def test_a_claim_ends_with_the_long_window_that_holds_it() -> None:
    """Then nothing is kept of it."""
    frame = pl.DataFrame({"flow": [1, 2, 3], "ts": [0, 1, 2], "ts_end": [0, 1, 2]})
    claims = Claims()
    claims._told.append(pl.DataFrame({"flow": [2, 9], "pattern": ["a", "a"]}))

    free, owned = claims.divide(frame)
    assert (free["flow"].to_list(), owned["a"]["flow"].to_list()) == ([1, 3], [2])
    free, owned = claims.divide(frame)
    assert (free.height, owned) == (3, {})


@pytest.mark.parametrize(("pause_us", "n"), [(PAUSE_US, 1), (PAUSE_US + 1, 2)])
def test_a_run_is_cut_where_nothing_comes_for_long(pause_us, n) -> None:
    """Ten minutes, or ten times its own pause."""
    at = np.array([0, SECOND_US, 2 * SECOND_US])
    at = np.concatenate([at, at[-1] + pause_us + at])
    frame = pl.DataFrame({"flow": np.arange(6), "ts": at, "ts_end": at})
    slow = frame.with_columns(pl.col("ts", "ts_end") * 100)

    assert len(runs(frame)) == n
    assert sum(part.height for part in runs(frame)) == 6
    assert len(runs(slow)) >= n


def test_a_tunnel_through_a_resolver_is_one_story() -> None:
    """Who asks, who passes it on and who answers, with the flows of both ways."""
    asked = shapes.tunnel("10.20.1.95", "10.20.10.2", n_questions=150, tag="near")
    passed = shapes.tunnel("10.20.10.2", "203.0.113.53", n_questions=150, tag="far")
    other = shapes.tunnel("10.20.1.94", "203.0.113.54", n_questions=150, tag="else")
    told = judged(
        traffic.mixed(traffic.quiet(n_hosts=4, hours=0.5), asked, passed, other)
    ).incidents

    assert sorted(one.flows_count for one in told) == [len(other), len(asked) + len(passed)]
    relayed = max(told, key=lambda one: one.flows_count)
    assert relayed.attack == "tunnel"
    assert "10.20.1.95 moved" in relayed.reason
    assert "to 203.0.113.53 by way of 10.20.10.2" in relayed.reason


def test_ordinary_questions_beside_a_tunnel_are_not_in_it() -> None:
    """The pair asks for names too: the tunnel's time, size and flows are those of its own questions."""
    pair = ("10.20.1.96", "10.20.10.2")
    tunnel = shapes.tunnel(*pair, n_questions=150, tag="long", start_us=START_US + 10 * MINUTE_US)
    names = shapes.tunnel(*pair, n_questions=30, question_bytes=33, span_s=1_700.0, tag="names")
    told = judged(traffic.mixed(traffic.quiet(n_hosts=4, hours=0.5), tunnel, names)).incidents

    assert [(one.attack, one.flows_count) for one in told] == [("tunnel", 150)]
    assert " in 3 min" in told[0].reason


@pytest.mark.parametrize(("callers", "told"), [(1, ["c2_beacon"]), (4, [])])
def test_rare_regular_calls_of_few_add_up_over_hours(callers, told) -> None:
    """Ten calls an hour for three hours are a beacon, unless many hosts make the same."""
    calls = [
        shapes.beacon(f"10.20.1.{150 + i}", n_calls=30, gap_s=350.0, seed=i, tag=f"b{i}")
        for i in range(callers)
    ]
    result = judged(traffic.mixed(traffic.quiet(n_hosts=8, hours=3.0), *calls))

    assert [one.attack for one in result.incidents] == told
    assert [one.flows_count for one in result.incidents] == [30] * len(told)


@pytest.mark.slow
def test_attacks_that_were_learned_from_are_found_without_a_rule() -> None:
    """A first look doubts them, so that a second one does not take them for normal."""
    attacks = [
        shapes.sweep(start_us=START_US + 20 * MINUTE_US),
        port_scan("10.20.10.4", START_US + 50 * MINUTE_US, "s"),
        shapes.flood(start_us=START_US + 80 * MINUTE_US),
    ]
    day = traffic.mixed(traffic.quiet(n_hosts=15, hours=3.0), *attacks)
    result = scan_flows(
        [day], IngestReport(), pipeline=Pipeline(), settings=ScanSettings(rules=False)
    )
    quiet = traffic.quiet(n_hosts=15, hours=3.0)
    nothing = scan_flows(
        [quiet], IngestReport(), pipeline=Pipeline(), settings=ScanSettings(rules=False)
    )

    assert {one.attack for one in result.incidents} >= {"ip_sweep", "nmap_scan", "flood"}
    assert all(one.p_value is not None for one in result.incidents)
    assert nothing.incidents == []
