"""What the rows of each view say of hand-made flows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.features.columns import derive
from eddyline.features.registry import VIEWS, view_named
from eddyline.features.segment import segment_ids
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import ADDRESS
from eddyline.testing import traffic
from eddyline.testing.strategies import flow_batches
from eddyline.testing.traffic import LOOKUP, PAGE, PING, REFUSED, SECOND_US, START_US, VAIN, flows

A, B, C, OUT = "10.0.0.1", "10.0.0.2", "10.0.0.3", "198.51.100.7"
SOME = st.sampled_from(sorted(VIEWS))


def at(*seconds: float) -> list[int]:
    """Give moments after the start."""
    return [START_US + int(second * SECOND_US) for second in seconds]


def table(name: str, *parts: FlowBatch):
    """Build a view over flows, all in one window."""
    view = view_named(name)
    frame = derive(traffic.mixed(*parts).frame)
    return view.build(frame.with_columns((pl.col("ts_end") // view.window_us).alias("window")))


def row(name: str, entity: str | tuple[str, ...], *parts: FlowBatch) -> dict[str, float]:
    """Give the features of one row by name."""
    view, built = view_named(name), table(name, *parts)
    keys = (entity,) if isinstance(entity, str) else entity
    texts = built.rows.select(pl.col(key).cast(pl.String) for key in view.keys).rows()
    return dict(zip(view.names, built.X[texts.index(keys)].tolist(), strict=True))


def chosen(found: dict[str, float], **expected: float) -> None:
    """Compare some features of a row."""
    assert {name: found[name] for name in expected} == expected


# ------------------------------------------------------------------ host


def test_a_host_is_counted_by_whom_it_contacts() -> None:
    """Hosts, ports, attempts in vain, logins, bytes; what comes in is counted apart."""
    found = row(
        "host",
        A,
        flows(A, [B, C, OUT], at(1, 2, 3), replace(PAGE, payload_out=1000), tag="web"),
        flows(A, B, at(4, 5), replace(REFUSED, port=[22, 23]), tag="refused"),
        flows(A, C, at(6), PING, tag="ping"),
        flows(A, "10.0.0.255", at(7), replace(PING, pkts_out=5, pkts_in=0), tag="smurf"),
        flows([B, C], A, at(8, 9), replace(VAIN, port=[80, 81]), tag="in"),
    )

    chosen(
        found,
        n_flows=7,
        n_hosts=3,
        hosts_unanswered=1,
        n_ports=4,
        ports_unanswered=2,
        ports_per_host=3,
        hosts_per_port=3,
        flows_per_service=1,
        logins=1,
        n_fruitless=2,
        fruitless_share=2 / 7,
        bytes_out_external=1000 + 40 * 9,
        icmp_pkts=6,
        broadcast_pkts=5,
        in_flows=2,
        in_sources=2,
        in_fruitless=2,
        in_ports=2,
    )
    assert found["pkts_out"] == 27 + 2 + 6
    assert (found["in_pkts"], found["in_bytes"]) == (2, 80)


def test_a_host_that_only_receives_has_a_row_of_its_own() -> None:
    """What it did not do is 0."""
    found = row("host", B, flows(A, B, at(1, 2)))

    chosen(found, n_flows=0, bytes_out=0, fruitless_share=0, in_flows=2, in_sources=1)


@pytest.mark.parametrize("name", ["host", "host_hour"])
def test_windows_are_rows_apart(name) -> None:
    """A host has a row for each window that it was seen in."""
    hours = np.arange(5) * 3600
    built = table(name, flows(A, B, at(*hours), replace(PAGE, duration_s=0.0)))

    assert built.rows.height == 10
    assert built.rows["window"].n_unique() == 5


# ------------------------------------------------------------------ dyad


@given(forwards=st.lists(st.booleans(), min_size=1, max_size=12))
@settings(max_examples=20, deadline=None)
def test_a_pair_is_one_row_whoever_speaks_first(forwards) -> None:
    """Renaming the two ends changes no number."""
    seconds = at(*range(len(forwards)))
    ends = [(A, B) if forward else (B, A) for forward in forwards]
    one = flows([a for a, _ in ends], [b for _, b in ends], seconds)
    other = flows([b for _, b in ends], [a for a, _ in ends], seconds)

    built, turned = table("dyad", one), table("dyad", other)

    assert built.rows.select("a", "b").cast(pl.String).rows() == [(A, B)]
    assert np.array_equal(built.X, turned.X)
    names = VIEWS["dyad"].names
    total = built.X[0, names.index("pair_bytes_out")] + built.X[0, names.index("pair_bytes_in")]
    each = one.frame.select(pl.col("bytes_out") + pl.col("bytes_in")).sum().item()
    assert total == each


def test_a_pair_is_counted_by_what_it_carries() -> None:
    """Names, pings and logins apart; the usual originator's bytes are those sent."""
    found = row(
        "dyad",
        (A, B),
        flows(A, B, at(1, 2), LOOKUP, tag="dns"),
        flows(A, B, at(3), PING, tag="ping"),
        flows(A, B, at(4, 5, 6), replace(PAGE, port=22), tag="ssh"),
        flows(B, A, at(7), replace(VAIN, port=80), tag="vain"),
    )

    chosen(
        found,
        pair_flows=7,
        pair_ports=4,
        pair_fruitless=1,
        dns_flows=2,
        dns_bytes=2 * (34 + 90 + 56),
        icmp_bytes=2 * (64 + 28),
        login_flows=3,
        service_flows=3,
        outside_bytes_out=0,
        outside_rhythm=0,
    )
    assert found["pair_bytes_out"] == 2 * (34 + 28) + 92 + 3 * (900 + 40 * 9)


def test_a_rhythm_is_told_from_six_contacts() -> None:
    """Regular calls to one service outside: 1 for a clock, 0 for too few, less for jitter."""
    clock = row("dyad", (A, OUT), flows(A, OUT, at(*range(0, 600, 60))))
    few = row("dyad", (A, OUT), flows(A, OUT, at(*range(0, 300, 60))))
    loose = row("dyad", (A, OUT), flows(A, OUT, at(0, 1, 11, 111, 300, 600)))

    assert (clock["gap_regularity"], clock["size_regularity"]) == (1.0, 1.0)
    assert clock["outside_rhythm"] == 10.0
    assert (few["service_flows"], few["gap_regularity"], few["outside_rhythm"]) == (5, 0, 0)
    assert 0 < loose["gap_regularity"] < 0.7


def test_names_and_time_are_no_rhythm() -> None:
    """What is regular by nature is left out."""
    found = row("dyad", (A, OUT), flows(A, OUT, at(*range(0, 600, 60)), replace(LOOKUP, port=123)))

    assert found["gap_regularity"] == 1.0
    assert found["outside_rhythm"] == 0.0


def test_two_services_equally_busy_give_one_answer() -> None:
    """Which rhythm is told does not depend on the order in which flows came."""
    there = flows(A, B, at(*range(0, 600, 60)), replace(PAGE, port=80), tag="there")
    back = flows(B, A, at(1, 2, 9, 100, 101, 300, 301, 302, 500, 501), replace(PAGE, port=80))

    seen = {row("dyad", (A, B), there, back)["gap_regularity"] for _ in range(10)}
    assert len(seen) == 1


def test_words_name_protocol_service_and_size() -> None:
    """In the order of the flows; high ports are one word."""
    built = table(
        "dyad",
        flows(A, B, at(5), replace(PAGE, payload_out=0, payload_in=0), tag="late"),
        flows(B, A, at(1), replace(LOOKUP, port=40_000), tag="early"),
    )

    assert built.tokens is not None
    assert built.tokens.to_list() == [["udp/10000:7", "tcp/443:9"]]


# ------------------------------------------------------------------ segment


def test_segments_split_at_gaps() -> None:
    """Starts 1, 2, 3, 7, 8, 9, 10, 15 with a gap of 4 are [1,2,3] [7,8,9,10] [15]."""
    frame = derive(flows(A, B, at(1, 2, 3, 7, 8, 9, 10, 15)).frame)
    numbered = segment_ids(frame.with_columns(window=pl.lit(0)), gap_us=4 * SECOND_US)
    starts = (pl.col("ts") - START_US) // SECOND_US
    groups = numbered.group_by("segment", maintain_order=True).agg(starts)

    assert groups["ts"].to_list() == [[1, 2, 3], [7, 8, 9, 10], [15]]


def test_segments_are_by_source_and_network() -> None:
    """Hosts of one /24 are together, another network or source is another segment."""
    parts = flows([A, A, A, B], ["10.9.0.1", "10.9.0.200", "10.9.1.1", "10.9.0.1"], at(1, 2, 3, 4))
    built = table("segment", parts)
    keys = built.rows.select(pl.col("src_ip", "dst_net").cast(pl.String)).rows()

    assert keys == [(A, "10.9.0.0/24"), (A, "10.9.1.0/24"), (B, "10.9.0.0/24")]
    assert built.X[:, VIEWS["segment"].names.index("seg_hosts")].tolist() == [2, 1, 1]


def test_a_gap_of_exactly_a_minute_splits() -> None:
    """Less than 60 s apart belongs together."""
    assert len(table("segment", flows(A, B, at(0, 59.999, 119.999)))) == 2
    assert len(table("segment", flows(A, B, at(0, 59.999, 119.998)))) == 1


def test_a_segment_is_counted() -> None:
    """Flows, hosts, ports, span and rate."""
    ports = replace(VAIN, port=[1, 2, 2, 3], src_port=[5, 5, 6, 6])
    found = row("segment", (A, "10.0.0.0/24"), flows(A, [B, C, B, C], at(0, 1, 2, 4), ports))

    chosen(
        found,
        seg_flows=4,
        seg_hosts=2,
        seg_src_ports=2,
        seg_dst_ports=3,
        seg_span_s=4,
        seg_rate=1,
        seg_fruitless=4,
        seg_bytes_out=160,
        seg_bytes_in=0,
        seg_pkts_out=4,
    )


# ------------------------------------------------------------------ flow


def test_a_flow_is_a_row() -> None:
    """In the order of the stream, with its own numbers."""
    found = row("flow", "flow.0", flows(A, OUT, at(1), PAGE))

    chosen(
        found,
        bytes_out=900 + 360,
        bytes_in=9000 + 400,
        bytes_per_pkt_out=140,
        bytes_per_pkt_in=940,
        up_share=1260 / (1260 + 9400),
        is_tcp=1,
        is_udp=0,
        port_class=0,
        fruitless=0,
        outbound=1,
        inbound=0,
    )
    assert row("flow", "flow.0", flows(A, B, at(1), PING))["port_class"] == 3


# ------------------------------------------------------------------ edges


def test_an_edge_is_counted_with_what_its_ends_do_besides() -> None:
    """Three calls to B and one to C in a minute, two more hosts at B; the next minute is another row."""
    batch = traffic.mixed(
        flows(A, [B, B, C, B, B], at(1, 2, 3, 4, 65), PAGE), flows(C, B, at(5, 6), PAGE, tag="c")
    )
    built = table("edge", batch)

    assert built.rows.select(pl.exclude("window").cast(pl.String)).rows() == [
        (A, B), (A, C), (C, B), (A, B),
    ]  # fmt: skip
    assert built.X.tolist() == [[3, 4, 5], [1, 4, 1], [2, 2, 5], [1, 1, 1]]


def test_a_recent_flow_is_told_by_those_before_it_also_in_another_window() -> None:
    """The kernel goes on from window to window of one input, and begins anew with the next."""
    view = view_named("damped")
    frame = derive(flows(A, B, at(298, 299, 301), PAGE).frame)
    frame = frame.with_columns((pl.col("ts_end") // view.window_us).alias("window"))
    build = view.builder()
    slowest = [name.startswith("source_weight_0.01") for name in view.names].index(True)
    told = [build(part).X[-1, slowest] for part in frame.partition_by("window")]

    assert len(told) == 2
    assert told[0] == pytest.approx(1.993, abs=1e-3)
    assert told[1] == pytest.approx(1 + told[0] * 2**-0.02, abs=1e-3)
    assert view.builder()(frame[-1:]).X[0, slowest] == 1.0


# ------------------------------------------------------------------ all


@given(batch=flow_batches(min_flows=1), name=SOME)
@settings(max_examples=40, deadline=None)
def test_features_are_finite_whatever_is_missing(batch, name) -> None:
    """No counters, ports, states, directions or protocol numbers: still numbers, only covariances < 0."""
    built = table(name, batch)
    signed = ["covariance" in n or "correlation" in n for n in VIEWS[name].names]

    assert np.isfinite(built.X).all()
    assert (built.X[:, ~np.array(signed)] >= 0).all()
    assert built.X.shape == (built.rows.height, len(VIEWS[name].names))
    keys = ["window", *VIEWS[name].keys]
    assert built.rows.select(keys).null_count().sum_horizontal().item() == 0
    if name != "segment":
        assert built.rows.select(keys).is_duplicated().sum() == 0


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_a_record_of_nothing_but_names_is_enough(name) -> None:
    """A flow with no protocol number, port, counter, state or direction has finite features."""
    bare = {"ts": START_US, "ts_end": START_US, "src_ip": A, "dst_ip": B, "proto": "mystery"}
    batch = FlowBatch.of(
        pl.DataFrame([bare | {"uid": "x"}, bare | {"uid": "y", "dst_port": 5353}])
    )

    assert np.isfinite(table(name, batch).X).all()


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_ipv6_has_everything_that_ipv4_has(name) -> None:
    """The same traffic between other addresses gives the same numbers, but for longer headers."""
    day = traffic.mixed(
        flows(A, [B, C, "10.0.1.9", B], at(1, 2, 30, 3000), replace(PAGE, port=[22, 22, 80, 443])),
        flows(B, [C, A], at(3, 100), replace(REFUSED, port=445), tag="b"),
        flows(C, [f"10.0.2.{i}" for i in range(1, 30)], at(*range(29)), VAIN, tag="c"),
        flows(A, "224.0.0.251", at(5, 6), replace(LOOKUP, pkts_in=0, payload_in=0), tag="d"),
    ).frame

    def renamed(address: str) -> str:
        if address == "224.0.0.251":
            return "ff02::fb"
        _, _, net, one = address.split(".")
        return f"2001:db8:0:{net}::{int(one):x}"

    def moved(column: str) -> pl.Expr:
        texts = pl.col(column).cast(pl.String).map_elements(renamed, pl.String)
        return texts.cast(ADDRESS)

    six = FlowBatch(day.with_columns(moved("src_ip"), moved("dst_ip")))

    four = table(name, FlowBatch(day)).X
    assert np.array_equal(np.sort(four, axis=0), np.sort(table(name, six).X, axis=0))


@given(places=st.lists(st.integers(0, 3000), max_size=4), name=SOME)
@settings(max_examples=12, deadline=None)
def test_rows_of_a_crowd_do_not_depend_on_what_is_built_with_them(places, name) -> None:
    """Sums of fractions too: a window gives the same bits alone, after those before it, and among others."""
    view = VIEWS[name]
    rng = np.random.default_rng(1)
    starts = np.sort(rng.integers(0, 3 * view.window_us, 3000))
    odd = replace(PAGE, duration_s=0.0, port=rng.choice([80, 443], 3000))
    batch = flows(A, rng.choice([B, C], 3000).tolist(), START_US + starts, odd)
    lasts = pl.Series("duration_s", rng.exponential(1.0, 3000))
    frame = derive(batch.frame.with_columns(lasts))
    frame = frame.with_columns((pl.col("ts_end") // view.window_us).alias("window"))

    whole, build = view.build(frame).X, view.builder()
    parts = [build(part).X for part in frame.partition_by("window")]

    assert np.array_equal(whole, np.concatenate(parts))


@pytest.mark.parametrize("name", sorted(VIEWS))
def test_each_feature_says_what_it_is(name) -> None:
    """A name of its own, a formula and words."""
    view = VIEWS[name]

    assert len(set(view.names)) == len(view.names)
    assert all(feature.formula and feature.words for feature in view.features)


def test_an_unknown_view_is_an_error_that_names_the_known_ones() -> None:
    """Check the spelling."""
    with pytest.raises(UsageError, match="host_hour"):
        view_named("hots")
