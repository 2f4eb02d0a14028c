"""The set ``around``: counts by brute force, causal, and the same however the input is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.features.around import FEATURES, HOUR_US, MINUTE_US, NAMES, Around
from eddyline.features.sets import SETS, FlowSet, flow_set
from eddyline.flows.batch import FlowBatch


def flows(seed=0, n=60, span_s=9000):
    """Give flows among few hosts and ports, in event-time order."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, span_s, n)) * 1_000_000 + 1_600_000_000_000_000
    frame = pl.DataFrame(
        {
            "ts": ends - rng.integers(0, 3_000_000, n),
            "ts_end": ends,
            "uid": [f"f{i}" for i in range(n)],
            "src_ip": rng.choice(["10.0.0.1", "10.0.0.2", "10.0.0.3"], n),
            "dst_ip": rng.choice(["10.0.0.1", "10.0.0.9"], n),
            "src_port": rng.choice([40_000, 41_000, 22], n),
            "dst_port": rng.choice([22, 80, 50_000], n),
            "proto": "tcp",
            "ip_proto": 6,
            "payload_out": rng.choice([0, 40, 900], n),
            "payload_in": rng.choice([0, 70], n),
            "pkts_out": rng.integers(1, 9, n),
            "pkts_in": rng.integers(0, 9, n),
        }
    )
    return FlowBatch.of(frame).frame


def column(X, name):
    return X[:, NAMES.index(name)]


@pytest.mark.parametrize(("span", "short"), [(MINUTE_US, "min"), (HOUR_US, "hour")])
def test_counts_are_those_of_a_loop(span, short):
    frame = flows(n=120)
    X = Around().update(frame)
    rows = frame.to_dicts()
    for i, row in enumerate(rows):
        earlier = [r for r in rows[: i + 1] if row["ts_end"] - r["ts_end"] < span]
        pair = [r for r in earlier if {r["src_ip"], r["dst_ip"]} == {row["src_ip"], row["dst_ip"]}]
        same_src = [r for r in earlier if r["src_ip"] == row["src_ip"]]
        sent = np.mean([r["payload_out"] for r in pair])

        assert column(X, f"pair_{short}")[i] == pytest.approx(np.log(len(pair)), rel=1e-6)
        assert column(X, f"src_{short}")[i] == pytest.approx(np.log(len(same_src)), rel=1e-6)
        assert column(X, f"ports_{short}")[i] == pytest.approx(
            np.log(len({r["dst_port"] for r in pair})), rel=1e-6
        )
        assert column(X, f"sizes_{short}")[i] == pytest.approx(
            np.log(len({(r["payload_out"], r["payload_in"]) for r in pair})), rel=1e-6
        )
        assert column(X, f"mean_payload_out_{short}")[i] == pytest.approx(np.log1p(sent), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 60), max_size=4))
def test_cutting_the_input_changes_no_bit(seed, cuts):
    frame = flows(seed)
    whole = Around().update(frame)
    borders = [0, *sorted(cuts), frame.height]
    state = Around()
    parts = [state.update(frame[a:b]) for a, b in pairwise(borders)]

    assert np.array_equal(np.concatenate(parts), whole)


def test_one_flow_at_a_time_gives_the_same():
    frame = flows(3, n=40)
    state = Around()
    singly = [state.update(frame[i : i + 1]) for i in range(frame.height)]

    assert np.array_equal(np.concatenate(singly), Around().update(frame))


def test_later_flows_change_nothing():
    frame = flows(1)

    assert np.array_equal(Around().update(frame[:25]), Around().update(frame)[:25])


def test_what_is_missing_has_a_number():
    frame = flows(2).with_columns(
        pl.lit(None, pl.UInt16).alias("src_port"),
        pl.lit(None, pl.UInt16).alias("dst_port"),
        pl.lit(None, pl.UInt8).alias("ip_proto"),
        pl.lit(None, pl.UInt64).alias("payload_out"),
        pl.lit(None, pl.UInt64).alias("pkts_in"),
        pl.lit(None, pl.Float64).alias("duration_s"),
    )
    X = Around().update(frame)

    assert np.isfinite(X).all()
    assert set(column(X, "port")) == {-1.0}
    assert set(column(X, "ip_proto")) == {255.0}


def test_addresses_do_not_enter():
    frame = flows(4)
    renamed = frame.with_columns(
        pl.col("src_ip", "dst_ip")
        .cast(pl.String)
        .str.replace("10.0.0.", "2001:db8::", literal=True)
    )

    assert np.array_equal(Around().update(renamed), Around().update(frame))


def test_every_set_is_found_by_name():
    for name in SETS:
        made = flow_set(name)
        assert isinstance(made, FlowSet)
        assert made.update(flows()).shape == (60, len(made.names))
        assert len(set(made.names)) == len(made.names)
    assert len(FEATURES) == len(NAMES)
    assert Around().update(flows()[:0]).shape == (0, len(NAMES))
    with pytest.raises(UsageError, match="around"):
        flow_set("arround")
