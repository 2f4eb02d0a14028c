"""What one flow alone says."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from hypothesis import given, settings

from eddyline.features.columns import derive
from eddyline.flows.batch import FlowBatch
from eddyline.testing import traffic
from eddyline.testing.strategies import flow_batches
from eddyline.testing.traffic import LOOKUP, PAGE, PING, REFUSED, VAIN, Exchange, flows

A, B = "10.0.0.1", "10.0.0.2"
SYN, SYN_ACK, RST_ACK, PSH_ACK = 0x02, 0x12, 0x14, 0x18
ONE = [traffic.START_US]


def told(exchange: Exchange, src: str = A, dst: str = B) -> dict[str, object]:
    """Derive one flow."""
    return derive(flows(src, dst, ONE, exchange).frame).row(0, named=True)


def test_counters_that_are_missing_are_numbers() -> None:
    """Missing is 0 to count with, and a missing port is -1."""
    bare = {"ts": 0, "ts_end": 5_000_000, "uid": "x", "src_ip": A, "dst_ip": B, "proto": "gre"}
    row = derive(FlowBatch.of(pl.DataFrame([bare])).frame).row(0, named=True)

    counts = ("bytes_out", "bytes_in", "pkts_out", "pkts_in", "payload_out", "payload_in")
    assert [row[name] for name in counts] == [0.0] * 6
    assert (row["sport"], row["port"], row["duration_s"]) == (-1, -1, 5.0)


@given(batch=flow_batches(min_flows=1))
@settings(max_examples=25, deadline=None)
def test_nothing_that_is_counted_is_ever_missing(batch) -> None:
    """Every flag and number has a value, whatever the source left out; order and number of flows stay."""
    out = derive(batch.frame)
    given_by_the_source = {"icmp_type", "icmp_code", "app", "state", "direction", "tcp_flags_out"}

    assert out["uid"].to_list() == batch.frame["uid"].to_list()
    for name in set(out.columns) - given_by_the_source - {"ip_proto"}:
        assert out[name].null_count() == 0, name


@pytest.mark.parametrize(
    ("exchange", "expected"),
    [
        (VAIN, True),
        (REFUSED, True),
        (PAGE, False),
        (LOOKUP, False),
        (replace(LOOKUP, pkts_in=0, payload_in=0, state="S0"), True),
        (replace(LOOKUP, pkts_in=0, payload_in=0, state=None), True),
        (replace(PAGE, payload_out=0, payload_in=0), True),
        (replace(PAGE, state=None), False),
        (replace(PAGE, state="RSTO"), False),
        (PING, False),
        (replace(PING, pkts_in=0, payload_in=0), True),
        (Exchange("udp", 5353, "S0", 3, 0, 120, 0, 1.0), False),
        (Exchange("udp", 1900, None, 3, 0, 120, 0, 1.0), False),
        (Exchange("tcp", 1900, "S0", 1, 0, 0, 0, 0.0), True),
    ],
)
def test_an_attempt_is_fruitless_when_it_carried_nothing(exchange, expected) -> None:
    """By state, by payload, by answer; announcements are none."""
    assert told(exchange)["fruitless"] is expected


@pytest.mark.parametrize("group", ["10.0.0.255", "255.255.255.255", "224.0.0.251", "239.1.2.3"])
def test_nothing_is_fruitless_towards_a_group(group) -> None:
    """Nobody answers a group, and that is normal."""
    row = told(replace(VAIN, proto="udp"), dst=group)

    assert (row["to_group"], row["fruitless"]) == (True, False)
    assert row["to_broadcast"] is group.endswith(".255")


@pytest.mark.parametrize("group", ["ff02::fb", "FF05::1:3", "ff02::1"])
def test_ipv6_has_groups_too(group) -> None:
    """Multicast of IPv6 begins with ff."""
    row = told(replace(LOOKUP, port=9999), src="fe80::1", dst=group)

    assert (row["to_group"], row["to_broadcast"], row["fruitless"]) == (True, False, False)


@pytest.mark.parametrize(
    "one", ["223.255.255.1", "240.0.0.1", "10.0.0.25", "2001:db8::ff", "ff::1", "ffoo.example"]
)
def test_a_lone_host_is_no_group(one) -> None:
    """Only whole multicast ranges are groups; a name that begins with ff is no address."""
    assert told(PAGE, dst=one)["to_group"] is False


@pytest.mark.parametrize(
    ("address", "net"),
    [
        ("10.1.2.3", "10.1.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8::5", "2001:db8::/64"),
        ("2001:db8::1:5", "2001:db8::/64"),
        ("2001:DB8:0::9", "2001:db8::/64"),
        ("fe80::1", "fe80::/64"),
        ("::1", "::/64"),
        ("printer-3", "printer-3"),
    ],
)
def test_hosts_of_one_network_share_its_name(address, net) -> None:
    """/24 and /64, however the address is written."""
    assert str(told(PAGE, dst=address)["dst_net"]) == net


@pytest.mark.parametrize(
    ("src_port", "dst_port", "flags", "state", "pkts_out", "expected"),
    [
        (443, 50_000, PSH_ACK, "OTH", 9, True),
        (443, 50_000, SYN_ACK, "SHR", 1, True),
        (443, 50_000, SYN, "SF", 9, False),
        (50_000, 443, PSH_ACK, "OTH", 9, False),
        (443, 50_000, None, "OTH", 9, True),
        (443, 50_000, None, "SF", 9, False),
        (443, 50_000, None, None, 9, False),
        (20, 50_000, SYN, "SF", 9, False),
    ],
)
def test_a_flow_is_backwards_when_its_question_was_not_seen(
    src_port, dst_port, flags, state, pkts_out, expected
) -> None:
    """From a known service to a high port without a SYN of its own."""
    exchange = replace(
        PAGE, port=dst_port, src_port=src_port, tcp_flags_out=flags, state=state, pkts_out=pkts_out
    )

    assert told(exchange)["backwards"] is expected


@pytest.mark.parametrize(
    ("proto", "flags", "state", "expected"),
    [
        ("tcp", SYN, None, True),
        ("tcp", RST_ACK, None, False),
        ("tcp", None, "OTH", False),
        ("tcp", None, "SF", True),
        ("tcp", None, None, True),
        ("udp", None, None, True),
    ],
)
def test_a_flow_has_begun_when_its_syn_was_seen(proto, flags, state, expected) -> None:
    """What has no flags and no state is given the benefit of the doubt."""
    assert told(replace(PAGE, proto=proto, tcp_flags_out=flags, state=state))["begun"] is expected


def test_payload_is_estimated_where_the_source_has_none() -> None:
    """Bytes less the headers, never below zero."""
    whole = flows(A, B, ONE, PAGE).frame
    without = whole.with_columns(
        pl.lit(None, pl.UInt64).alias("payload_out"), pl.lit(None, pl.UInt64).alias("payload_in")
    )

    assert derive(without)["payload_in"].item() == derive(whole)["payload_in"].item()
    tiny = without.with_columns(pl.lit(3, pl.UInt64).alias("bytes_out"))
    assert derive(tiny)["payload_out"].item() == 0.0


def test_payload_of_ipv6_is_estimated_alike() -> None:
    """A longer header is no payload: a refused connection stays hollow."""
    refused = flows("2001:db8::1", "2001:db8::2", ONE, replace(REFUSED, state=None)).frame
    without = refused.with_columns(
        pl.lit(None, pl.UInt64).alias("payload_out"), pl.lit(None, pl.UInt64).alias("payload_in")
    )

    assert derive(without)["fruitless"].item() is True


@pytest.mark.parametrize(
    ("direction", "src", "dst"),
    [
        ("outbound", True, False),
        ("inbound", False, True),
        ("internal", True, True),
        ("external", False, False),
        (None, False, False),
    ],
)
def test_the_ends_are_inside_by_direction(direction, src, dst) -> None:
    """Without a perimeter nothing counts as inside."""
    frame = flows(A, B, ONE).frame.with_columns(
        pl.lit(direction, pl.String).cast(pl.Categorical).alias("direction")
    )
    row = derive(frame).row(0, named=True)

    assert (row["internal_src"], row["internal_dst"]) == (src, dst)
