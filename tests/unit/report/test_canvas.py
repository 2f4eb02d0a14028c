"""The canvas loses no flow, and shows what an analyst must see."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import DataError
from eddyline.report.canvas import aggregate, network

US = 1_000_000
ROWS = st.lists(
    st.tuples(
        st.integers(0, 10**9),
        st.sampled_from(["10.0.0.1", "10.0.1.2", "fe80::1", "2001:db8::5", "not an address"]),
        st.none() | st.integers(0, 65535),
        st.none() | st.sampled_from(["a", "b", "c"]),
    ),
    min_size=1,
    max_size=60,
)


def frame_of(rows):
    return pl.DataFrame(
        rows,
        schema={"ts": pl.Int64, "src_ip": pl.String, "dst_port": pl.UInt16, "incident": pl.String},
        orient="row",
    )


@settings(max_examples=80, deadline=None)
@given(
    rows=ROWS,
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    group=st.sampled_from([("dst_port",), ("src_ip",), ("src_net", "dst_port")]),
)
def test_every_flow_is_in_one_cell_or_counted_outside(rows, height, width, group):
    """Cells and the outside add up to the flows; a cell has an incident only where it has flows."""
    grid = aggregate(frame_of(rows), group, height, width)

    assert grid.counts.sum() + grid.outside == len(rows)
    assert grid.counts.shape == (height, len(grid.names))
    assert len(grid.names) <= width
    assert (grid.counts[grid.category >= 0] > 0).all()
    assert np.all(np.diff(grid.edges_us) >= 0)
    assert grid.groups.sum() >= len(grid.names)
    if not grid.outside:
        assert set(grid.categories) == {row[3] for row in rows} - {None}


@settings(max_examples=40, deadline=None)
@given(rows=ROWS, seed=st.integers(0, 9))
def test_order_of_flows_changes_names_order_only(rows, seed):
    """Counts of a group do not depend on the order in which flows come."""
    one = aggregate(frame_of(rows), ("src_ip",), 8, 200)
    two = aggregate(
        frame_of(rows).sample(fraction=1, shuffle=True, seed=seed), ("src_ip",), 8, 200
    )

    sums = [dict(zip(g.names, g.counts.sum(axis=0).tolist(), strict=True)) for g in (one, two)]
    assert sums[0] == sums[1]


def test_numbers_agree_with_a_plain_group_by():
    """The counts are those that Polars gives for the same cells."""
    rng = np.random.default_rng(1)
    frame = pl.DataFrame(
        {
            "ts": np.sort(rng.integers(0, 3_600 * US, 5_000)),
            "dst_port": rng.integers(0, 40, 5_000).astype(np.uint16),
            "incident": pl.Series([None] * 5_000, dtype=pl.String),
        }
    )

    grid = aggregate(frame, ("dst_port",), 60, 160)

    row = np.searchsorted(grid.edges_us, frame["ts"].to_numpy(), side="right") - 1
    expected = {
        (r, str(p)): n
        for r, p, n in frame.with_columns(pl.Series("row", row))
        .group_by("row", "dst_port")
        .len()
        .rows()
    }
    got = {
        (r, grid.names[c]): int(grid.counts[r, c]) for r, c in np.argwhere(grid.counts).tolist()
    }
    near = sum(abs(got.get(key, 0) - expected.get(key, 0)) for key in got.keys() | expected.keys())
    assert near <= 4  # a flow on the very edge of a step of time may fall on either side


def test_port_sweep_is_one_connected_run():
    """A sweep over thousands of ports is a run of neighbouring columns in its steps of time."""
    rng = np.random.default_rng(2)
    normal = [
        (int(t), "10.0.0.1", int(p), None)
        for t, p in zip(
            rng.integers(0, 3_600 * US, 4_000), rng.choice([22, 53, 80, 443], 4_000), strict=True
        )
    ]
    sweep = [
        (1_800 * US + i * 5_000, "10.0.0.9", 10_000 + (i * 7919) % 5_000, "x")
        for i in range(5_000)
    ]
    frame = frame_of(normal + sweep).sort("ts")

    grid = aggregate(frame, ("dst_port",), 60, 40)

    swept = np.flatnonzero((grid.category >= 0).any(axis=0))
    steps = np.flatnonzero((grid.category >= 0).any(axis=1))
    assert len(swept) >= 30
    assert (np.diff(swept) == 1).all()
    assert len(steps) <= 2


def test_one_attack_flow_among_thousands_keeps_its_cell():
    """The colour of an incident wins over any amount of traffic that has none."""
    rows = [(i, "10.0.0.1", 443, None) for i in range(10_000)] + [(5_000, "10.0.0.2", 443, "x")]

    grid = aggregate(frame_of(rows).sort("ts"), ("dst_port",), 4, 4)

    assert grid.categories == ("x",)
    assert np.count_nonzero(grid.category == 0) == 1


def test_majority_wins_and_a_tie_goes_to_the_rarer():
    """Within a cell the most frequent label shows; two equal ones leave the rarer."""
    rows = [(0, "h", 1, "benign")] * 3 + [(0, "h", 1, "scan")] * 2
    tie = [(10, "h", 2, "benign")] * 2 + [(10, "h", 2, "scan")] * 2

    grid = aggregate(
        frame_of(rows + tie).rename({"incident": "label"}), ("dst_port",), 2, 2, colour="label"
    )

    assert [grid.categories[i] for i in (grid.category[0, 0], grid.category[1, 1])] == [
        "benign",
        "scan",
    ]


def test_score_canvas_shows_the_highest_score():
    """A cell is as strange as its strangest flow; a cell without a score says so."""
    frame = pl.DataFrame(
        {"ts": [0, 0, 10], "dst_port": [1, 1, 2], "score": [0.5, 7.0, None]},
        schema_overrides={"dst_port": pl.UInt16},
    )

    grid = aggregate(frame, ("dst_port",), 2, 2, colour="score")

    assert grid.score[0, 0] == 7.0
    assert np.isnan(grid.score[1, 1])


def test_a_stray_clock_does_not_squeeze_the_rest_to_a_line():
    """A flow dated 1970 is counted outside; the hour of real traffic keeps all rows."""
    start = 1_700_000_000 * US
    rows = [(0, "10.0.0.1", 80, None)] + [
        (start + i * US, "10.0.0.1", 80, None) for i in range(3_600)
    ]

    grid = aggregate(frame_of(rows), ("dst_port",), 60, 4)

    assert grid.outside == 1
    assert (grid.counts[:, 0] > 0).all()


def test_networks_of_both_families():
    """IPv6 has what IPv4 has; what is not an address stays itself."""
    assert network("10.1.2.3") == "10.1.2.0/24"
    assert network("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network("none") == "none"


def test_what_cannot_be_drawn_is_refused():
    """The error names the rule and the way out."""
    frame = frame_of([(0, "h", 1, None)])

    with pytest.raises(DataError, match="got none; leave it out"):
        aggregate(frame.clear())
    with pytest.raises(DataError, match="0 rows"):
        aggregate(frame, rows=0)
    with pytest.raises(DataError, match="'vlan'"):
        aggregate(frame, ("vlan",))


@pytest.mark.slow
def test_ten_million_flows_take_seconds():
    """The canvas of a large capture is ready within some seconds on a plain machine."""
    rng = np.random.default_rng(3)
    n = 10_000_000
    frame = pl.DataFrame(
        {
            "ts": np.sort(rng.integers(0, 86_400 * US, n)),
            "dst_port": rng.integers(0, 65_536, n).astype(np.uint16),
            "incident": pl.Series([None] * n, dtype=pl.String),
        }
    )

    start = time.process_time()
    grid = aggregate(frame)
    seconds = time.process_time() - start

    assert grid.counts.sum() == n
    assert seconds < 10
