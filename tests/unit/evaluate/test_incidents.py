"""Incident-level figures, worked out by hand."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.unit.evaluate.tables import SECOND, make_flows, make_incident

from eddyline.evaluate.curve import ratio
from eddyline.evaluate.incidents import DAY_US, IncidentFigures, figures
from eddyline.evaluate.match import judge_incidents, members_of, pairs_by_flow


def _figures(rows, names, truths, *, top=10, n_attacks=None) -> IncidentFigures:
    flows = make_flows(rows).with_columns(pl.Series("truth", truths, dtype=pl.UInt32))
    members = members_of(flows, [make_incident(uid) for uid in names])
    pairs = pairs_by_flow(members, flows)
    judged = judge_incidents(members, flows, pairs, n_incidents=len(names))
    attacks = len({truth for truth in truths if truth is not None})
    n = attacks if n_attacks is None else n_attacks
    return figures("ours", judged, members, pairs, flows, n_attacks=n, top=top)


def _two_days(top: int = 10) -> IncidentFigures:
    """Day 1: a false incident, then one that is true. Day 2: the true one goes on; one is impure."""
    one, two = 10 * SECOND, DAY_US + 10 * SECOND
    bad = {"attack": True}
    rows = [
        {"ts": one, "attack": False, "incident": "false"},
        {"ts": one, **bad, "incident": "true"},
        {"ts": one, **bad, "incident": "true"},
        {"ts": one, **bad},
        {"ts": two, **bad, "incident": "true"},
        {"ts": two, **bad, "incident": "impure"},
        {"ts": two, "attack": False, "incident": "impure"},
        {"ts": two + DAY_US, "attack": False},
    ]
    return _figures(rows, ["false", "true", "impure"], [None, 0, 0, 1, 0, 2, None, None], top=top)


def test_counts_and_ratios_are_those_of_the_definition():
    """Three attacks, two hit; of three incidents one is false."""
    told = _two_days()

    assert (told.n_true, told.n_false, told.n_duplicate, told.n_impure) == (2, 1, 0, 1)
    assert told.recall == pytest.approx(2 / 3)
    assert told.precision == pytest.approx(2 / 3)
    assert told.first_true == 2
    assert told.days == 2.0
    assert told.false_per_day == 0.5


def test_only_flows_in_pure_incidents_are_found():
    """Of five attack flows, three are in the pure incident, one in the impure one, one in none."""
    told = _two_days()

    assert (told.n_found, told.n_attack_flows) == (3, 5)
    assert told.found_share == 0.6


def test_each_day_has_its_own_first_incidents():
    """With one incident a day, day 1 shows the false one and day 2 the true one."""
    told = _two_days(top=1)

    assert [(d.day, d.n_incidents, d.n_false, d.n_found, d.share) for d in told.per_day] == [
        (date(1970, 1, 1), 2, 1, 0, 0.0),
        (date(1970, 1, 2), 2, 0, 1, 0.5),
        (date(1970, 1, 3), 0, 0, 0, None),
    ]
    assert told.recall_at_top == pytest.approx(1 / 3)
    assert told.precision_at_top == 0.5


def test_a_duplicate_is_neither_right_nor_wrong():
    """Two incidents of one attack: precision is 1, and one of them is said to be extra."""
    rows = [{"attack": True, "incident": name} for name in "aab"]

    told = _figures(rows, "ab", [0, 0, 0])

    assert (told.n_true, told.n_duplicate, told.precision, told.recall) == (1, 1, 1.0, 1.0)


def test_a_merge_detects_every_attack_that_it_covers():
    """One incident, two attacks."""
    told = _figures([{"attack": True, "incident": "a"}] * 2, "a", [0, 1])

    assert (told.n_merges, told.n_detected, told.recall, told.n_true) == (1, 2, 1.0, 1)


def test_no_incident_and_no_attack_is_undefined_and_not_zero():
    """0/0 is None."""
    told = _figures([{"attack": False}], [], [None])

    assert told.recall is None
    assert told.precision is None
    assert told.found_share is None
    assert told.first_true is None
    assert told.false_per_day == 0.0


def test_a_capture_of_minutes_counts_as_a_day():
    """Two false incidents in a second are two a day, not 172,800."""
    rows = [{"attack": False, "incident": name} for name in "ab"]

    assert _figures(rows, "ab", [None, None]).false_per_day == 2.0


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(["a", "b", "c", None])),
        min_size=1,
    ),
    st.integers(1, 3),
)
def test_shares_stay_shares_and_more_incidents_find_no_less(rows, top):
    """Whatever is told: found <= all, per day and in total, and a larger budget loses nothing."""
    table = [{"ts": day * DAY_US, "attack": bad, "incident": name} for day, bad, name in rows]
    truths = [0 if bad else None for _, bad, _ in rows]

    few, more = (_figures(table, "abc", truths, top=n) for n in (top, top + 1))

    assert 0 <= few.n_found <= more.n_found <= more.n_attack_flows == sum(t == 0 for t in truths)
    assert few.n_top_detected <= more.n_top_detected <= more.n_detected <= 1
    assert all(day.n_found <= day.n_attack for day in more.per_day)
    assert sum(day.n_false for day in more.per_day) == more.n_false


def test_a_ratio_of_nothing_is_none():
    """And of something to something it is a number."""
    assert ratio(0, 0) is None
    assert ratio(0, 2) == 0.0
