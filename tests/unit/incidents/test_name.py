"""Incidents in words: who, what, whom, how much, how long, and what is normal."""

from __future__ import annotations

import dataclasses
import json
import re
from importlib.resources import files

import numpy as np
import polars as pl
import pytest

from eddyline.features.columns import derive
from eddyline.incidents import name, rank
from eddyline.incidents.facts import facts_of
from eddyline.incidents.find import PATTERNS, look
from eddyline.incidents.group import Grouper
from eddyline.incidents.incident import ATTACKS
from eddyline.incidents.patterns.levels import STRICT
from eddyline.incidents.places import places
from eddyline.incidents.saga import Saga
from eddyline.incidents.tell import tell
from eddyline.testing import shapes, traffic
from eddyline.testing.traffic import START_US, VAIN, flows
from eddyline.verdicts.known import Known

EMITTED = sorted(name.SENTENCES)
NOBODY = Known({})


def sagas_of(batch) -> list[Saga]:
    """Look, in five minutes and in an hour, and group."""
    frame = derive(batch.frame).with_row_index("flow")
    grouper = Grouper()
    for window_us in (300_000_000, 3_600_000_000):
        windowed = frame.with_columns(window=frame["ts_end"] // window_us)
        for story in look(windowed, STRICT, window_us):
            grouper.add(story)
    return grouper.finished()


def told(batch) -> str:
    """Give the first sentence."""
    return tell(sagas_of(batch), NOBODY, [])[0].reason


def test_every_behaviour_that_can_be_told_has_words_for_everything() -> None:
    """A sentence, a severity, advice, and a row in the table of techniques."""
    table = json.loads(files("eddyline.incidents").joinpath("attack_v18_1.json").read_text())

    assert set(EMITTED) <= set(ATTACKS)
    for attack in EMITTED:
        assert 0 < rank.BASE[attack] <= 100
        assert name.what_to_do(attack).endswith(".")
        assert attack in table["attacks"]
    assert set(table["attacks"]) == set(ATTACKS)


def test_every_pattern_tells_a_behaviour_that_has_a_sentence() -> None:
    """No pattern can tell what nobody can say."""
    source = "".join(
        path.read_text()
        for path in files("eddyline.incidents").joinpath("patterns").iterdir()
        if path.name.endswith(".py")
    )
    written = set(re.findall(r'attack="(\w+)"', source))
    written |= {
        key for pair in re.findall(r'attack="(\w+)" if .* else "(\w+)"', source) for key in pair
    }

    assert len(PATTERNS) >= 14
    assert written <= set(EMITTED)
    assert {"ip_sweep", "nmap_scan", "flood", "guessing"} <= written


def test_techniques_come_from_the_table_that_names_its_release() -> None:
    """ATT&CK ids are data with a version, not code."""
    text = files("eddyline.incidents").joinpath("attack_v18_1.json").read_text()
    table = json.loads(text)

    assert table["version"] == "18.1"
    for attack, rows in table["attacks"].items():
        assert [[t.id, t.name, t.tactic_id, t.tactic] for t in name.techniques(attack)] == rows
        for technique in name.techniques(attack):
            assert re.fullmatch(r"T\d{4}(\.\d{3})?", technique.id)
            assert re.fullmatch(r"TA\d{4}", technique.tactic_id)
    assert name.techniques("nothing") == []


@pytest.mark.parametrize(
    ("batch", "parts"),
    [
        (shapes.sweep(), ["10.20.1.99", "60 hosts", "10.30.0.0/24", "smb (tcp/445)", "59 s"]),
        (shapes.host_scan(), ["10.20.1.99", "100 ports", "10.20.10.4", "20 s"]),
        (shapes.flood(), ["300 hosts", "10.20.10.4", "2,000 connections", "30 s"]),
        (shapes.guessing(), ["10.20.1.98", "10.20.10.4", "ssh (tcp/22)", "60 times"]),
        (shapes.beacon(), ["10.20.1.97", "203.0.113.66", "50 times", "every 60 s"]),
        (shapes.tunnel(), ["10.20.1.96", "10.20.10.2", "DNS", "130 B in each question"]),
        (shapes.upload(), ["10.20.1.95", "411.4 MB", "203.0.113.77", "https (tcp/443)"]),
    ],
)
def test_a_sentence_says_who_what_whom_and_how_much(batch, parts) -> None:
    """Source, count, target or network, service, duration."""
    said = told(batch)

    assert all(part in said for part in parts), said


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["10.1.0.1"], "10.1.0.1"),
        (["10.1.0.1", "10.2.0.2", "10.3.0.3"], "10.1.0.1 and 10.2.0.2 and 10.3.0.3"),
        ([f"10.1.{i}.1" for i in range(7)], "7 hosts"),
        (
            [f"10.1.{i // 250}.{1 + i % 250}" for i in range(1000)],
            "1,000 hosts of 10.1.0.0/24, 10.1.1.0/24",
        ),
        ([f"{1 + i % 200}.{i % 99}.1.1" for i in range(1000)], "1,000 hosts"),
    ],
    ids=["1", "3", "7", "1000", "anywhere"],
)
def test_one_three_and_a_thousand_hosts_are_said(hosts, expected) -> None:
    """Few by name, many by number and network, everywhere by number alone."""
    batch = flows("10.0.0.9", hosts, [START_US + i for i in range(len(hosts))], VAIN)

    assert facts_of(derive(batch.frame)).whom == expected


def test_many_addresses_are_said_as_the_narrowest_networks() -> None:
    """At most ten networks, IPv6 too; what is no address is listed as it is."""
    six = flows("fe80::1", [f"2001:db8:0:{i % 3}::{i + 1:x}" for i in range(40)], range(40), VAIN)
    odd = flows("a", [f"host-{i}" for i in range(40)], range(40), VAIN)

    assert places(six.frame["dst_ip"]) == [
        "2001:db8::/64",
        "2001:db8:0:1::/64",
        "2001:db8:0:2::/64",
    ]
    assert len(places(odd.frame["dst_ip"])) == 10


def test_what_is_normal_for_the_host_is_said_with_its_unit() -> None:
    """The range is told once, and a single value is no range."""
    (saga,) = sagas_of(shapes.upload())
    facts = facts_of(saga.flows())

    said = name.sentence(saga, facts, (0.0, 2_500_000.0), "bytes")
    assert said.endswith("; normal for this host: 0 B–2.5 MB")
    assert name.sentence(saga, facts, (3.0, 3.0), "").endswith("; normal for this host: 3")
    assert "normal" not in name.sentence(saga, facts, None, "")


@pytest.mark.parametrize(
    "hostile",
    ["<img src=x onerror=1>", "\x1b[2J", "{0}", "%s%n", "a|b", "'; --", "\u202e10.0.0.1"],
)
def test_hostile_addresses_are_text(hostile) -> None:
    """They are said as they are; making them harmless is the work of each output."""
    scan = flows(
        hostile, [f"{hostile}{i}" for i in range(60)], [START_US + i for i in range(60)], VAIN
    )
    (saga,) = sagas_of(scan)
    (incident,) = tell([saga], NOBODY, [])

    assert incident.sources == [hostile]
    assert hostile in incident.reason


def test_incidents_are_ranked_by_what_they_may_cost() -> None:
    """Severity times confidence, from 1; all fields stand."""
    batch = traffic.mixed(shapes.sweep(), shapes.upload(), shapes.guessing(), shapes.tunnel())
    found = tell(sagas_of(batch), NOBODY, ["blind to x"])

    values = [one.severity * one.confidence for one in found]
    assert [one.rank for one in found] == [1, 2, 3, 4]
    assert values == sorted(values, reverse=True)
    for one in found:
        assert 0 <= one.severity <= 100
        assert 0 <= one.confidence <= 99
        assert one.p_value is None
        assert one.p_value_note
        assert one.degraded == ["blind to x"]
        assert len(one.evidence) == one.flows_count
        assert one.contributions
        assert one.first_us < one.last_us


def test_evidence_is_bounded() -> None:
    """The first thousand flows are named, all are counted."""
    (one,) = tell(sagas_of(shapes.sweep(n_hosts=2000, span_s=200)), NOBODY, [])

    assert (len(one.evidence), one.flows_count) == (1000, 2000)
    assert one.evidence[0].uid == "sweep.0"
    assert all(evidence.community_id for evidence in one.evidence)


@pytest.mark.parametrize(
    ("span_s", "words"), [(0.018, "18 ms"), (0.0, "under 1 ms"), (5.0, "5 s"), (900.0, "15 min")]
)
def test_a_short_time_is_told_in_its_unit(span_s: float, words: str) -> None:
    """A burst of milliseconds is not told as a second, which the time beside it would contradict."""
    facts = facts_of(derive(shapes.sweep(n_hosts=10).frame))

    assert dataclasses.replace(facts, span_s=span_s).span == words


def test_calls_in_bursts_are_not_said_to_come_at_one_pace() -> None:
    """Ten calls 4 s apart, then an hour of nothing, many times: no call every 4 s."""
    burst = np.arange(10) * 4
    times = [START_US + int(s) * 1_000_000 for hour in range(5) for s in burst + 3600 * hour]
    saga = dataclasses.replace(sagas_of(shapes.sweep())[0], attack="c2_beacon", measures={})
    told = name.sentence(
        saga, facts_of(derive(flows("10.0.0.1", "192.0.2.9", times).frame)), None, ""
    )
    steady = [START_US + 60_000_000 * n for n in range(50)]
    even = name.sentence(
        saga, facts_of(derive(flows("10.0.0.1", "192.0.2.9", steady).frame)), None, ""
    )

    assert "mostly 4 s apart" in told
    assert "every 60 s" in even


def test_a_scan_of_protocols_is_not_told_as_one_of_ports() -> None:
    """One try of each IP protocol has no ports but those of two or three of them."""
    batch = flows("10.0.0.1", "10.0.0.2", [START_US + n for n in range(40)]).frame
    saga = dataclasses.replace(sagas_of(shapes.sweep())[0], attack="nmap_scan", measures={})
    tried = derive(
        batch.with_columns(ip_proto=pl.Series(range(40), dtype=batch["ip_proto"].dtype))
    )

    assert "tried 40 IP protocols of 10.0.0.2" in name.sentence(saga, facts_of(tried), None, "")
    assert "tried 1 ports" in name.sentence(saga, facts_of(derive(batch)), None, "")
