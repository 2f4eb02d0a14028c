"""Each pattern tells just above its level, stays silent just below, and for what only looks like it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.features.columns import HOUR_US, WINDOW_US, derive
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.find import look, plainly_strange
from eddyline.incidents.patterns.levels import LENIENT, STRICT, Levels
from eddyline.testing import shapes, traffic
from eddyline.testing.strategies import flow_batches
from eddyline.testing.traffic import (
    LOOKUP,
    PAGE,
    PING,
    REFUSED,
    SECOND_US,
    START_US,
    VAIN,
    Exchange,
    flows,
    host,
)

A, SERVER, OUT = host(1), traffic.FILE_SERVER, "203.0.113.9"


def every(seconds: float, n: int) -> np.ndarray:
    """Give n moments, evenly."""
    return START_US + (np.arange(n) * seconds * SECOND_US).astype(np.int64)


def found(*batches: FlowBatch, window_us: int = WINDOW_US, levels: Levels = STRICT):
    """Look for patterns."""
    frame = derive(traffic.mixed(*batches).frame).with_row_index("flow")
    return look(frame.with_columns(window=pl.col("ts_end") // window_us), levels, window_us)


def attacks(*batches: FlowBatch, window_us: int = WINDOW_US) -> list[str]:
    """Name what is told."""
    return [story.attack for story in found(*batches, window_us=window_us)]


def many(template: str, n: int) -> list[str]:
    """Give n addresses."""
    return [template.format(i // 250, 1 + i % 250) for i in range(n)]


def smurf(n: int) -> FlowBatch:
    """Ping a broadcast address n times."""
    return flows(A, "10.20.1.255", every(1, n), replace(PING, pkts_in=0, payload_in=0))


def icmp_tunnel(n: int, payload: int = 150) -> FlowBatch:
    """Exchange n ICMP packets of a payload each."""
    sent = replace(PING, pkts_out=n // 2, pkts_in=n - n // 2)
    out, back = payload * (n // 2), payload * (n - n // 2)
    long = replace(sent, payload_out=out, payload_in=back, duration_s=60.0)
    return flows(A, OUT, every(1, 1), long)


def reflection(n: int) -> FlowBatch:
    """Let n name servers answer a host that never asked."""
    answer = Exchange("udp", 40_000, None, 3, 0, 3000, 0, 0.1, src_port=53)
    return flows(many("203.0.{}.{}", n), SERVER, every(0.1, n), answer)


def one_source_flood(n: int) -> FlowBatch:
    """Send n SYNs to one service in a few seconds."""
    return flows(A, SERVER, every(0.01, n), replace(VAIN, port=80))


def packet_flood(n: int) -> FlowBatch:
    """Send n UDP packets in one flow of ten seconds."""
    sent = Exchange("udp", 9999, "S0", n, 0, 100 * n, 0, 10.0)
    return flows(A, SERVER, every(1, 1), sent)


def web_guessing(n: int) -> FlowBatch:
    """Send the same form n times."""
    return flows(A, SERVER, every(1.5, n), replace(PAGE, port=80))


def probes(n: int) -> FlowBatch:
    """Let n outside hosts try one inside host in an hour."""
    return flows(many("198.18.{}.{}", n), SERVER, every(60, n), replace(VAIN, port=23))


def calls(n: int) -> FlowBatch:
    """Call one outside service that is not there."""
    return flows(A, OUT, every(90, n), replace(VAIN, port=6667))


def spread(n: int) -> FlowBatch:
    """Try another port of another host each time."""
    hosts = many("10.40.{}.{}", n)
    return flows(A, hosts, every(1, n), replace(VAIN, port=5000 + np.arange(n)))


def ping_flood(n: int) -> FlowBatch:
    """Ping a server n times in two seconds; it answers each with the same bytes."""
    fast = replace(PING, pkts_out=n, pkts_in=n, payload_out=700 * n, payload_in=700 * n)
    return flows(A, SERVER, every(1, 1), replace(fast, duration_s=2.0))


def wide_icmp_tunnel(payload: int) -> FlowBatch:
    """Exchange 200 packets of ICMPv6, whose header is 20 B longer."""
    sent = replace(PING, proto="ipv6-icmp", icmp_type=128, pkts_out=100, pkts_in=100)
    long = replace(sent, payload_out=payload * 100, payload_in=payload * 100, duration_s=60.0)
    return flows("fd20::1", "2001:db8::9", every(1, 1), long)


CASES = [
    ("nmap_scan", lambda n: shapes.host_scan(n_ports=n), 15, WINDOW_US),
    ("ip_sweep", lambda n: shapes.sweep(n_hosts=n), 20, WINDOW_US),
    ("port_sweep", spread, 15, WINDOW_US),
    ("smurf", smurf, 50, WINDOW_US),
    ("reflection", reflection, 50, WINDOW_US),
    ("flood", lambda n: shapes.flood(n_flows=n, n_sources=150), 1000, WINDOW_US),
    ("flood", lambda n: shapes.flood(n_flows=1500, n_sources=n), 100, WINDOW_US),
    ("flood", one_source_flood, 500, WINDOW_US),
    ("flood", packet_flood, 5000, WINDOW_US),
    ("flood", ping_flood, 1000, WINDOW_US),
    ("guessing", lambda n: shapes.guessing(n_tries=n), 20, WINDOW_US),
    ("guessing", web_guessing, 60, WINDOW_US),
    ("tunnel", lambda n: shapes.tunnel(n_questions=n), 100, WINDOW_US),
    ("tunnel", lambda n: shapes.tunnel(question_bytes=n), 75, WINDOW_US),
    ("tunnel", icmp_tunnel, 100, WINDOW_US),
    ("tunnel", lambda n: icmp_tunnel(200, payload=n), 150, WINDOW_US),
    ("tunnel", wide_icmp_tunnel, 150, WINDOW_US),
    ("exfiltration", lambda n: shapes.upload(n_bytes=n * 1_000_000, n_flows=1), 244, WINDOW_US),
    ("c2_beacon", lambda n: shapes.beacon(n_calls=n, gap_s=75), 20, HOUR_US),
    ("c2_beacon", calls, 30, HOUR_US),
    ("port_sweep_external", probes, 20, HOUR_US),
]
NAMES = [f"{attack}-{level}" for attack, _, level, _ in CASES]


@pytest.mark.parametrize(("attack", "shape", "level", "window_us"), CASES, ids=NAMES)
def test_it_tells_at_the_level_and_is_silent_below(attack, shape, level, window_us) -> None:
    """One story by its name with all its flows; one less, and there is nothing."""
    told = found(shape(level), window_us=window_us)

    assert [story.attack for story in told] == [attack]
    assert told[0].flows.height == len(shape(level))
    assert told[0].strength >= 1.0
    assert attacks(shape(level - 1), window_us=window_us) == []


SILENT = {
    "a page of thirty connections": flows(
        A, [f"198.51.100.{i}" for i in range(1, 31)], every(0.1, 30), PAGE
    ),
    "a page of thirty connections to one server": flows(
        A, OUT, every(0.1, 30), replace(PAGE, payload_in=np.arange(30) * 5000 + 500)
    ),
    "a dead link in a page": flows(
        A, many("198.51.{}.{}", 12), every(0.2, 12), replace(VAIN, port=443)
    ),
    "bursts of names": flows(A, traffic.RESOLVER, every(0.05, 900), LOOKUP),
    "long names now and then": shapes.tunnel(n_questions=60, question_bytes=120),
    "mail every five minutes": flows(
        A, traffic.MAIL_SERVER, every(300, 12), replace(PAGE, port=993)
    ),
    "a nightly backup inside": shapes.upload(dst=SERVER, n_bytes=5_000_000_000),
    "a large download": flows(
        A, OUT, every(9, 4), replace(PAGE, payload_in=10**9, pkts_in=700_000, duration_s=60.0)
    ),
    "a video call": flows(
        A,
        OUT,
        every(9, 1),
        Exchange("udp", 3478, "SF", 90_000, 80_000, 90_000_000, 80_000_000, 280.0),
    ),
    "time from a pool of which half is silent": flows(
        A,
        many("192.0.{}.{}", 60),
        every(4, 60),
        Exchange("udp", 123, "S0", 1, np.arange(60) % 2, 48, 48 * (np.arange(60) % 2), 0.0),
    ),
    "files by FTP, a port each": flows(
        SERVER,
        A,
        every(1, 200),
        Exchange("tcp", 50_000 + np.arange(200), "SF", 9, 5, 8000, 0, 0.1, src_port=20),
    ),
    "answers of which the questions were not seen": flows(
        OUT,
        A,
        every(0.1, 300),
        Exchange(
            "tcp",
            50_000 + np.arange(300),
            "OTH",
            5,
            0,
            0,
            0,
            0.1,
            src_port=443,
            tcp_flags_out=0x10,
        ),
    ),
    "answers of a name server to many ports": flows(
        traffic.RESOLVER,
        A,
        every(0.1, 300),
        Exchange("udp", 50_000 + np.arange(300), "S0", 1, 0, 90, 0, 0.0, src_port=53),
    ),
    "announcements": flows(
        A, "224.0.0.251", every(0.5, 500), Exchange("udp", 5353, "S0", 2, 0, 200, 0, 1.0)
    ),
    "a broadcast of names": flows(
        A, "10.20.1.255", every(0.5, 500), Exchange("udp", 137, "S0", 3, 0, 150, 0, 1.0)
    ),
    "one ping a second": flows(A, SERVER, every(1, 280), PING),
    "a web service that is polled": flows(
        A, SERVER, every(10, 30), replace(PAGE, port=8080, payload_in=500)
    ),
    "a server that is down and one client": flows(
        A, SERVER, every(1, 300), replace(REFUSED, port=80)
    ),
}


@pytest.mark.parametrize("what", SILENT)
@pytest.mark.parametrize("window_us", [WINDOW_US, HOUR_US])
def test_it_stays_silent_for_what_only_looks_like_it(what, window_us) -> None:
    """Everyday traffic that is large, regular, failing or one-sided is no attack."""
    assert attacks(SILENT[what], window_us=window_us) == []


def test_names_and_time_outside_are_no_beacon() -> None:
    """Infrastructure is regular by nature; ordinary pages are irregular."""
    for port, proto in ((53, "udp"), (123, "udp"), (853, "tcp")):
        asked = Exchange(proto, port, "SF", 2, 2, 60, 120, 0.1)
        assert attacks(flows(A, OUT, every(60, 58), asked), window_us=HOUR_US) == []
    rng = np.random.default_rng(0)
    at = np.sort(START_US + rng.integers(0, HOUR_US, 60))
    page = replace(PAGE, payload_out=rng.integers(300, 3000, 60))
    assert attacks(flows(A, OUT, at, page), window_us=HOUR_US) == []


@pytest.mark.parametrize(
    ("from_inside", "attack"), [(True, "ip_sweep"), (False, "ip_sweep_external")]
)
def test_a_sweep_is_inside_or_from_outside(from_inside, attack) -> None:
    """Who looks in from outside is another story."""
    source = A if from_inside else "198.18.0.9"

    assert attacks(shapes.sweep(source)) == [attack]


def test_a_ping_sweep_is_told_though_all_answer() -> None:
    """Nobody pings twenty hosts in five minutes by chance."""
    hosts = many("10.30.{}.{}", 20)

    assert attacks(flows(A, hosts, every(1, 20), PING)) == ["ip_sweep"]
    assert attacks(flows(A, hosts[:19], every(1, 19), PING)) == []


def test_a_sweep_of_two_thousand_hosts_is_one_story() -> None:
    """However many hosts, ports or seconds: one source, one port, one story."""
    told = found(shapes.sweep(n_hosts=2000, span_s=240))

    assert [story.attack for story in told] == ["ip_sweep"]
    assert told[0].measures["hosts"] == 2000


def test_the_answered_ports_of_a_scan_are_part_of_it() -> None:
    """A version scan talks to what is open."""
    told = found(
        shapes.host_scan(n_ports=60),
        flows("10.20.1.99", SERVER, every(1, 3), replace(PAGE, port=[22, 80, 443]), tag="open"),
    )

    assert [story.attack for story in told] == ["nmap_scan"]
    assert told[0].flows.height == 63


def five(start_us: int = START_US) -> list[FlowBatch]:
    """Plant five attacks at the same time."""
    return [
        shapes.sweep(start_us=start_us),
        shapes.host_scan(start_us=start_us),
        shapes.flood(start_us=start_us, n_flows=1200),
        shapes.guessing(start_us=start_us),
        shapes.tunnel(start_us=start_us),
    ]


def test_five_overlapping_attacks_are_five_stories_of_their_own_flows() -> None:
    """Two of them by one host and two against one server; no flow is told twice."""
    told = found(*five(), traffic.quiet(n_hosts=4, hours=0.1))

    assert sorted(story.attack for story in told) == sorted(
        ["ip_sweep", "nmap_scan", "flood", "guessing", "tunnel"]
    )
    for story, batch in ((s, b) for s in told for b in five()):
        uids = set(story.flows["uid"])
        assert uids == set(batch.frame["uid"]) or not uids & set(batch.frame["uid"])


@given(batch=flow_batches(max_flows=40), levels=st.sampled_from([STRICT, LENIENT]))
@settings(max_examples=20, deadline=None)
def test_no_flow_is_told_twice_and_all_are_real(batch, levels) -> None:
    """Whatever flows there are, a flow belongs to one story at the most."""
    window_us = HOUR_US
    frame = derive(batch.frame).with_row_index("flow")
    frame = frame.with_columns(window=pl.col("ts_end") // window_us)
    told = [n for story in look(frame, levels, window_us) for n in story.flows["flow"]]

    assert len(told) == len(set(told))
    assert set(told) <= set(frame["flow"])
    assert set(plainly_strange(frame, window_us)["flow"]) <= set(frame["flow"])


def test_windows_are_looked_at_apart() -> None:
    """Ten hosts before the border and ten behind are no sweep of twenty."""
    early = shapes.sweep(n_hosts=10, start_us=START_US, span_s=5)
    late = shapes.sweep("10.20.1.99", n_hosts=20, start_us=START_US + WINDOW_US, tag="late")

    assert attacks(early, late.slice(0, 10)) == []
    assert len(found(early, late)) == 1


def test_lenient_levels_never_ask_for_more() -> None:
    """What only chooses the word is easier than what is told for itself."""
    for name in STRICT.__slots__:
        assert getattr(LENIENT, name) <= getattr(STRICT, name), name


def test_mail_polling_is_no_guessing() -> None:
    """A client that asks its mailbox every other minute logs in often, and never in haste."""
    mailbox = Exchange(port=993, payload_out=700, payload_in=1_200)
    polls = flows(A, SERVER, every(110, 32), mailbox)

    assert attacks(polls, window_us=HOUR_US) == []
    assert attacks(flows(A, SERVER, every(10, 32), mailbox), window_us=HOUR_US) == ["guessing"]
