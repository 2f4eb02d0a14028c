"""Matching by key, and what is a hit, a duplicate, a merge or a miss."""

from __future__ import annotations

import polars as pl
import pytest
from tests.unit.evaluate.tables import SECOND, make_flows, make_incident

from eddyline.evaluate.match import (
    judge_incidents,
    match_flows,
    members_of,
    names_any,
    pairs_by_entity,
    pairs_by_flow,
)
from eddyline.evaluate.truth import Attack
from eddyline.flows.keys import community_id


def _listed(rows, schema=None) -> pl.DataFrame:
    table = pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None)
    return table.with_columns(pl.col("truth").cast(pl.UInt32))


def test_keys_are_tried_from_the_surest_on():
    """One flow matches by uid, one by Community ID, one by 5-tuple, one by address and time only."""
    flows = make_flows(
        [
            {"dst_ip": "10.9.0.1"},
            {"dst_ip": "10.9.0.2"},
            {"dst_ip": "10.9.0.3"},
            {"dst_ip": "10.9.0.4"},
        ]
    )
    cid = community_id(6, "10.0.0.1", "10.9.0.2", 40_000, 445)
    base: dict[str, object] = {
        "src_ip": "10.0.0.1",
        "dst_port": "445",
        "proto": "tcp",
        "start_us": 0,
    }
    base |= {"end_us": 3 * SECOND, "truth": 0, "uid": None, "community_id": None}
    rows = [
        {**base, "uid": "u0", "src_port": "1", "dst_ip": "10.1.1.1"},
        {**base, "community_id": cid, "src_port": "1", "dst_ip": "10.1.1.1"},
        {**base, "src_port": "40000", "dst_ip": "10.9.0.3"},
        {**base, "src_port": "40001", "dst_ip": "10.9.0.4"},
    ]

    hits, counts = match_flows(flows, _listed(rows))

    assert hits["row"].to_list() == [0, 1, 2]
    assert counts == {"uid": 1, "community_id": 1, "5-tuple": 1}


@pytest.mark.parametrize(
    ("second", "matches"),
    [(9.0, True), (9.0 - 1e-6, False), (20, True), (31, True), (31.5, False)],
)
def test_intervals_may_miss_each_other_by_a_second(second, matches):
    """The list says 10 s to 30 s."""
    flows = make_flows([{"ts": round(second * SECOND)}])
    row: dict[str, object] = {
        "src_ip": "10.9.0.1",
        "src_port": "445",
        "dst_ip": "10.0.0.1",
        "dst_port": "40000",
    }
    row |= {"proto": "TCP", "start_us": 10 * SECOND, "end_us": 30 * SECOND, "truth": 0}

    hits, _ = match_flows(flows, _listed([row]))

    assert hits.height == int(matches)


def test_icmp_matches_without_ports():
    """Empty ports in the list are the missing ports of the flow."""
    flows = make_flows([{"proto": "icmp", "src_port": None, "dst_port": None, "ip_proto": 1}])
    row: dict[str, object] = {
        "src_ip": "10.0.0.1",
        "src_port": None,
        "dst_ip": "10.9.0.1",
        "dst_port": None,
    }
    row |= {"proto": "icmp", "start_us": 0, "end_us": 1, "truth": 0}

    hits, counts = match_flows(
        flows, _listed([row], {"src_port": pl.String, "dst_port": pl.String})
    )

    assert hits.height == 1
    assert counts == {"5-tuple": 1}


def test_a_flow_of_two_attacks_goes_to_the_one_that_began_first():
    """A flow is counted once."""
    flows = make_flows([{}])
    row: dict[str, object] = {
        "src_ip": "10.0.0.1",
        "src_port": "40000",
        "dst_ip": "10.9.0.1",
        "dst_port": "445",
    }
    row |= {"proto": "tcp", "end_us": 5}
    rows = [{**row, "start_us": 3, "truth": 0}, {**row, "start_us": 2, "truth": 1}]

    hits, _ = match_flows(flows, _listed(rows))

    assert hits.rows() == [(0, 1)]


def test_a_flow_that_two_incidents_share_counts_for_both():
    """The verdict names one incident, the evidence both."""
    flows = make_flows([{"incident": "i1"}, {"incident": "i1"}, {}])
    incidents = [
        make_incident("i1"),
        make_incident("i2", evidence=[("u1", None), ("u2", None), ("elsewhere", None)]),
    ]

    members = members_of(flows, incidents)

    assert members.select("place", "row").rows() == [(1, 0), (1, 1), (2, 1), (2, 2)]


def _judged(rows, incidents, truths):
    flows = make_flows(rows).with_columns(pl.Series("truth", truths, dtype=pl.UInt32))
    members = members_of(flows, [make_incident(uid) for uid in incidents])
    pairs = pairs_by_flow(members, flows)
    return judge_incidents(members, flows, pairs, n_incidents=len(incidents))


def test_an_attack_counts_for_the_incident_that_holds_most_of_it():
    """The first incident holds one flow of attack 1 and is a merge; the second holds the rest of it."""
    bad = {"attack": True}
    rows = [
        {**bad, "incident": "a"},
        {**bad, "incident": "a"},
        {**bad, "incident": "b"},
        {**bad, "incident": "b"},
        {**bad, "incident": "c"},
        {"attack": False, "incident": "c"},
        {"attack": False, "incident": "d"},
        {"incident": "d"},
        {"incident": "e"},
    ]

    judged = _judged(rows, "abcde", [0, 1, 1, 1, 1, None, None, None, None])

    assert judged["kind"].to_list() == ["true", "true", "duplicate", "false", "unlabelled"]
    assert judged["n_truths"].to_list() == [2, 1, 1, 0, 0]
    assert judged["purity"].to_list() == [1.0, 1.0, 0.5, 0.0, None]
    assert judged["n_unknown"].to_list() == [0, 0, 0, 1, 1]


def test_of_two_equal_incidents_the_first_is_true():
    """A tie goes to the better rank."""
    rows = [{"attack": True, "incident": "b"}, {"attack": True, "incident": "a"}]

    judged = _judged(rows, "ab", [0, 0])

    assert judged["kind"].to_list() == ["true", "duplicate"]


def test_an_incident_whose_flows_are_unknown_is_counted_without_purity():
    """No flow of it is in the table."""
    judged = _judged([{"attack": True}], ["lost"], [0])

    assert judged.select("n_flows", "kind", "purity").row(0) == (0, "unlabelled", None)


@pytest.mark.parametrize(
    ("told", "true", "named"),
    [
        (["10.0.0.1"], ["10.0.0.1"], True),
        (["10.0.0.1"], ["10.0.0.2"], False),
        (["10.0.0.0/24"], ["10.0.0.7"], True),
        (["10.0.0.7"], ["10.0.0.0/24"], True),
        (["0.0.0.0/0"], ["10.0.0.7"], False),
        (["::/0"], ["fd00::1"], False),
        (["fd00::/64"], ["fd00::1"], True),
        (["fd00::1"], ["10.0.0.1"], False),
        (["10.0.0.1"], [], True),
        ([], ["10.0.0.1"], False),
        (["\x1b[2J"], ["10.0.0.1"], False),
        (["fe80::1%eth0"], ["fe80::1"], True),
    ],
)
def test_addresses_name_each_other(told, true, named):
    """Everybody is nobody; no true address is met by anything."""
    assert names_any(told, true) is named


def test_an_attack_list_without_flows_is_matched_by_entity_and_time():
    """Source, destination and time must all fit."""
    attacks = [
        Attack("right", "ip_sweep", (), ("10.0.0.1",), ("10.9.0.0/24",), 50 * SECOND, 60 * SECOND),
        Attack(
            "late", "ip_sweep", (), ("10.0.0.1",), ("10.9.0.0/24",), 102 * SECOND, 110 * SECOND
        ),
        Attack("other", "ip_sweep", (), ("10.0.0.2",), ("10.9.0.0/24",), 50 * SECOND, 60 * SECOND),
        Attack("away", "ip_sweep", (), ("10.0.0.1",), ("10.8.0.0/24",), 50 * SECOND, 60 * SECOND),
    ]

    pairs = pairs_by_entity([make_incident("a")], attacks)

    assert pairs.select("place", "truth").rows() == [(1, 0)]
