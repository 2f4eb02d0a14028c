"""Flows become the words and sentences that the published methods read, without their mistakes."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import UsageError
from eddyline.features.sentences import distinct_flows, sentences
from eddyline.features.tokens import (
    exponent,
    paper_exponent,
    proto_bytes,
    service_port,
    token_set,
)
from eddyline.flows.batch import FlowBatch
from eddyline.testing.strategies import flow_batches

NOON_US = 1_750_075_200_000_000
A, B, X, Y = "10.0.0.1", "10.0.0.2", "203.0.113.5", "198.51.100.7"


def flow(src: str, dst: str, at_us: int = NOON_US, **more: Any) -> dict[str, Any]:
    usual = {
        "src_port": 50_000,
        "dst_port": 443,
        "proto": "tcp",
        "bytes_out": 500,
        "bytes_in": 500,
    }
    return {"ts": at_us, "ts_end": at_us, "src_ip": src, "dst_ip": dst, **usual, **more}


def frame(*flows: dict[str, Any]) -> pl.DataFrame:
    return FlowBatch.of(pl.DataFrame(list(flows))).frame


def sizes(group_by: str, *flows: dict[str, Any]) -> dict[str, int]:
    groups = sentences(frame(*flows), group_by=group_by)
    names = [f"{a} {b}".strip() for a, b in zip(groups.rows["a"], groups.rows["b"], strict=True)]
    return dict(zip(names, np.diff(groups.offsets).tolist(), strict=True))


@pytest.mark.parametrize(
    ("total", "expected", "printed"),
    [
        (0, 0, 0),
        (1, 1, 0),
        (2, 1, 1),
        (3, 2, 1),
        (60, 5, 5),
        (1023, 10, 9),
        (1024, 10, 10),
        (1500, 10, 10),
        (65535, 16, 15),
        (2**52 - 1, 52, 51),
        (2**60 - 1, 60, 59),
    ],
)
def test_exponents_are_exact(total: int, expected: int, printed: int) -> None:
    """The two forms differ at powers of two only; floating point would err at the largest."""
    table = pl.DataFrame({"n": pl.Series([total], dtype=pl.UInt64)})
    got = table.select(exponent(pl.col("n")).alias("code"), paper_exponent(pl.col("n"))).row(0)

    assert got == (expected, printed)


@given(st.integers(0, 2**63))
def test_an_exponent_is_the_bit_length_less_one(total: int) -> None:
    table = pl.DataFrame({"n": pl.Series([total], dtype=pl.UInt64)})

    assert table.select(exponent(pl.col("n"))).item() == (total + 1).bit_length() - 1


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ((443, 51515), 443),
        ((12000, 34567), 10000),
        ((443, 1234), 443),
        ((9999, 60000), 9999),
        ((10000, 10001), 10000),
        ((None, None), 0),
    ],
)
def test_the_service_is_the_lower_port(
    ports: tuple[int | None, int | None], expected: int
) -> None:
    """Ports are compared as numbers: as text, 443 would come after 1234."""
    flows = frame(flow(A, X, src_port=ports[0], dst_port=ports[1]))

    assert flows.select(service_port()).item() == expected


def test_tokens_are_texts_of_whole_names() -> None:
    flows = frame(
        flow(A, X),
        flow(A, X, proto="icmp", src_port=None, dst_port=None, bytes_out=None, bytes_in=None),
        flow(A, X, proto="igmp", bytes_out=63, bytes_in=0),
    )
    shown = flows.select(
        proto_bytes().alias("whole"), proto_bytes(first_letter=True).alias("first")
    )

    assert shown["whole"].to_list() == ["TCP:9", "ICMP:0", "IGMP:6"]
    assert shown["first"].to_list() == ["T:9", "I:0", "I:6"]
    assert flows.select(proto_bytes(paper_form=True)).to_series().to_list()[2] == "IGMP:5"
    assert flows.select(token_set("service-port")).to_series().to_list()[:2] == [
        "port:443",
        "port:0",
    ]


def test_a_dyad_hour_is_undirected_and_ends_with_the_hour() -> None:
    late, next_hour = NOON_US + 3_599_000_000, NOON_US + 3_600_000_000
    groups = sentences(
        frame(
            flow("10.0.0.2", "10.0.0.1", late),
            flow("10.0.0.1", "10.0.0.2", late),
            flow(A, B, next_hour),
        )
    )

    assert np.diff(groups.offsets).tolist() == [2, 1]
    assert groups.rows["a"].tolist() == ["10.0.0.1"] * 2


@pytest.mark.parametrize(
    ("low", "high"),
    [("9.0.0.1", "10.0.0.1"), ("fe80::9", "fe80::10"), ("2001:db8::1", "2001:db9::")],
)
def test_addresses_are_in_the_order_of_their_bytes(low: str, high: str) -> None:
    groups = sentences(frame(flow(high, low), flow(low, high)))

    assert (groups.rows["a"].tolist(), groups.rows["b"].tolist()) == ([low], [high])


def test_the_five_rules_and_their_groups() -> None:
    """The example of the specification: A and B inside, X and Y outside, one hour."""
    flows = [flow(A, B), flow(B, A), flow(A, X), flow(X, A), flow(X, Y)]

    assert sizes("source_hour", *flows) == {A: 2, B: 1, X: 2}
    assert sizes("destination_hour", *flows) == {A: 2, B: 1, X: 1, Y: 1}
    assert len(sizes("dyad_directed_hour", *flows)) == 5
    assert sizes("internal_hour", *flows) == {A: 4, B: 2}
    assert sizes("external_hour", *flows) == {X: 2}


def test_the_same_rules_hold_for_ipv6() -> None:
    a, b, x = "fd00::1", "fd00::2", "2001:4860::8888"
    flows = [flow(a, b), flow(b, a), flow(a, x), flow(x, a)]

    assert sizes("internal_hour", *flows) == {a: 4, b: 2}
    assert sizes("external_hour", *flows) == {x: 2}
    assert sizes("dyad_hour", *flows) == {f"{a} {b}": 2, f"{x} {a}": 2}


def test_a_session_ends_with_silence_or_at_its_length() -> None:
    second = 1_000_000
    close = [flow(A, X, NOON_US + i * second) for i in range(30)]
    later = [flow(X, A, NOON_US + 29 * second + 8 * second), flow(A, X, NOON_US + 46 * second)]
    groups = sentences(frame(*close, *later), group_by="gap_session")

    assert np.diff(groups.offsets).tolist() == [25, 6, 1]
    assert len({(a, w) for a, w in zip(groups.rows["a"], groups.rows["window"], strict=True)}) == 3


def test_direction_and_gaps_are_sets_of_their_own() -> None:
    flows = frame(flow(A, X), flow(X, A, NOON_US + 60_000_000), flow(A, X, NOON_US + 120_000_000))
    ways = sentences(flows, "state-size").tokens.tolist()
    gaps = sentences(flows, "service-gap").tokens.tolist()

    assert ways == ["tcp/443>:9", "tcp/443<:9", "tcp/443>:9"]
    assert gaps == ["tcp/443~^", "tcp/443~29", "tcp/443~29"]


@given(flow_batches(min_flows=1))
def test_every_flow_is_in_one_dyad_in_order(batch: FlowBatch) -> None:
    groups = sentences(batch.frame)
    members = groups.members
    assert members is not None
    starts = batch.frame["ts"].to_numpy()[members]
    inner = np.ones(len(starts), dtype=bool)
    inner[groups.offsets[:-1]] = False

    assert sorted(members.tolist()) == list(range(len(batch)))
    assert (np.diff(starts)[inner[1:]] >= 0).all()


def test_flows_equal_in_every_field_count_once() -> None:
    twice = frame(flow(A, X, uid="1"), flow(A, X, uid="2"), flow(A, X, uid="3", bytes_out=1))

    assert distinct_flows(twice)["member"].to_list() == [0, 2]


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UsageError, match="got 'week'"):
        sentences(frame(flow(A, X)), group_by="week")
    with pytest.raises(UsageError, match="got 'letters'"):
        token_set("letters")
