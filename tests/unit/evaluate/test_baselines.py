"""Trivial rules do what their names say."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st
from tests.unit.evaluate.tables import make_flows

from eddyline.evaluate.baselines import MINUTE_US, flow_scores, incident_members
from eddyline.evaluate.incidents import DAY_US


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40
    )
)
def test_every_rule_puts_each_flow_into_exactly_one_incident(rows):
    """Places begin at 1 and have no gap."""
    flows = make_flows(
        [
            {"ts": day * DAY_US, "src_ip": f"10.0.0.{src}", "dst_ip": f"10.9.0.{dst}"}
            for day, src, dst in rows
        ]
    )

    for members in incident_members(flows).values():
        assert sorted(members["row"].to_list()) == list(range(len(rows)))
        places = members["place"].unique().sort().to_list()
        assert places == list(range(1, len(places) + 1))


def test_fan_out_counts_destinations_of_a_source_in_a_minute():
    """Three in the first minute, one in the next."""
    rows = [
        {"ts": 0, "dst_ip": "10.9.0.1"},
        {"ts": 1, "dst_ip": "10.9.0.2"},
        {"ts": 2, "dst_ip": "10.9.0.2"},
        {"ts": 3, "dst_ip": "10.9.0.3"},
        {"ts": MINUTE_US, "dst_ip": "10.9.0.9"},
        {"ts": 3, "src_ip": "10.0.0.9"},
    ]

    scores = flow_scores(make_flows(rows))

    assert scores["fan-out"].tolist() == [3, 3, 3, 3, 1, 1]
    assert scores["bytes"].tolist() == [100] * 6


def test_the_busiest_source_comes_first():
    """Ordered by flows; one incident a source and day."""
    rows = [{"src_ip": "10.0.0.2"}, {"src_ip": "10.0.0.1"}, {"src_ip": "10.0.0.1"}]

    members = incident_members(make_flows(rows))["one per source"]

    assert members.sort("row")["place"].to_list() == [2, 1, 1]


def test_the_same_seed_gives_the_same_chance():
    """And another seed another one."""
    flows = make_flows([{}] * 50)

    assert np.array_equal(
        flow_scores(flows, seed=1)["random"], flow_scores(flows, seed=1)["random"]
    )
    assert not np.array_equal(
        flow_scores(flows, seed=1)["random"], flow_scores(flows, seed=2)["random"]
    )
