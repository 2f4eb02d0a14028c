"""Numbers read as a person would say them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given, strategies as st

from eddyline.incidents.incident import ATTACKS
from eddyline.report import words
from eddyline.report.summary import compared_with


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (words.count(1902), "1,902"),
        (words.count(0.0312), "0.0312"),
        (words.count(float("nan")), "unknown"),
        (words.plural(1, "flow"), "1 flow"),
        (words.plural(1200, "entry", "entries"), "1,200 entries"),
        (words.data_size(31e6), "31 MB"),
        (words.data_size(999), "999 B"),
        (words.span(0.12), "120 ms"),
        (words.span(240), "4 min"),
        (words.span(13_200), "3 h 40 min"),
        (words.span(14_390), "4 h"),
        (words.span(4630 * 86_400), "4,630 days"),
        (words.span(400_000), "4.63 days"),
        (words.quantity(1.84e9, "bytes"), "1.84 GB"),
        (words.quantity(64, "s"), "64 s"),
        (words.quantity(2500, "ms"), "2.5 s"),
        (words.quantity(0.08, "share"), "8 %"),
        (words.quantity(12, "packets"), "12 packets"),
        (words.quantity(None, ""), "unknown"),
        (words.chance(4e-5), "1 in 25,000"),
        (words.chance(3.1e-4), "1 in 3,200"),
        (words.chance(2e-9), "1 in 500 million"),
        (words.chance(0.5), "1 in 2"),
        (words.chance(0.0), "below any normal seen"),
        (words.chance(None), "none"),
        (words.severity_word(80), "critical"),
        (words.severity_word(79), "high"),
        (words.severity_word(0), "info"),
        (words.several(["a", "b", "c"], 2), "a, b and 1 more"),
        (words.side(["0.0.0.0/0"], 412, 2, "source"), "412 sources"),
        (words.side(["10.0.0.0/24", "::/0"], 1200, 2, "destination"), "1,200 destinations"),
        (words.side(["10.9.0.0/16"], 412, 2, "source"), "10.9.0.0/16"),
        (words.side(["0.0.0.0/0"], 0, 2, "source"), "0.0.0.0/0"),
        (words.interval(0, 60 * 10**6), "1970-01-01 00:00:00 – 00:01:00 UTC (60 s)"),
        (words.interval(5, 5), "1970-01-01 00:00:00 UTC"),
        (words.rfc3339(1_762_768_800_000_001), "2025-11-10T10:00:00.000001Z"),
    ],
)
def test_figures(said, expected):
    """Thousands separated, units chosen, chances as odds."""
    assert said == expected


def test_ports_of_a_full_list_are_not_counted(results):
    """Twenty kept ports may stand for a thousand: "and others" claims no number."""
    few = results.incident(ports=[22, 80, 443])
    full = results.incident(ports=list(range(1, 21)), proto="mixed")

    assert words.service(few, 2) == "tcp ports 22, 80 and 1 more"
    assert words.service(full, 3) == "ports 1, 2, 3 and others"
    assert words.service(results.incident(ports=[], proto="icmp")) == "icmp"


def test_every_behaviour_has_words():
    """A new key of the closed list needs its words here."""
    assert set(words.ATTACK_TITLES) == set(ATTACKS)


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_time_is_a_valid_timestamp(time_us):
    """A lying clock in a capture cannot break the report."""
    text = words.rfc3339(time_us)

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", text)
    assert datetime.fromisoformat(text) == words.moment(time_us)


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "s", "ms", "bytes", "bytes/s"]),
)
def test_any_number_can_be_said(value, unit):
    """No number makes a report fail, and none takes a line of its own."""
    assert 0 < len(words.quantity(value, unit)) < 40


def test_what_is_not_calibrated_is_not_told_as_a_number():
    """Below the smallest p-value there is only a bound."""
    assert words.chance(1e-9) == "less than 1 in 1 billion"
    assert words.chance(1e-12) == "less than 1 in 1 billion"


@given(st.floats(1.01e-9, 1.0))
def test_odds_are_near_the_p_value(p_value):
    """Rounding to two digits moves the odds by less than 6 %."""
    text = words.chance(p_value).removeprefix("1 in ").replace(",", "")
    number, _, power = text.partition(" ")
    odds = float(number) * {"": 1, "million": 1e6, "billion": 1e9}[power]

    assert odds == pytest.approx(1 / p_value, rel=0.06)


@given(st.integers(0, 100))
def test_word_and_level_of_a_severity_agree(severity):
    """Five bands, one word each."""
    order = ["info", "low", "medium", "high", "critical"]

    assert order[words.severity_level(severity) - 1] == words.severity_word(severity)


@pytest.mark.parametrize(("flows", "warned"), [(3, True), (99, True), (100, False)])
def test_a_scan_that_had_little_to_learn_from_says_so(results, flows, warned):
    """Three flows are no baseline; what was left out of it is told too."""
    result = results.scan_result()
    model = replace(result.model, kind="input", trained_flows=flows, left_out=1_002)
    said = compared_with(replace(result, model=model))

    assert ("say little of what is normal here" in said) == warned
    assert "1,002 flows looked too much like an attack to learn from." in said
