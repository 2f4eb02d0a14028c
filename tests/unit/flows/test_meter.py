"""The meter: what becomes a flow, what it counts, and that no cut of the packets changes it."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.flows.batch import FlowBatch
from eddyline.flows.meter import layout
from eddyline.flows.meter.count import make_key
from eddyline.flows.meter.layout import make_table
from eddyline.flows.meter.packets import read_frame, read_plain
from eddyline.flows.meter.session import Meter
from eddyline.flows.record import CORE_SCHEMA, STATISTICS_SCHEMA

FIN, SYN, RST, PSH, ACK, URG = 1, 2, 4, 8, 16, 32
A, B = "10.0.0.1", "10.0.0.2"
A6, B6 = "2001:db8::1", "2001:db8::2"
SECOND = 1_000_000


def tcp(sport: int, dport: int, flags: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHIIBBHHH", sport, dport, 1, 2, 0x50, flags, 1024, 0, 0) + payload


def udp(sport: int, dport: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def ip(src: str, dst: str, proto: int, body: bytes, *, fragment: int = 0, ident: int = 7) -> bytes:
    if ":" in src:
        head = struct.pack("!IHBB", 6 << 28, len(body), proto, 64)
        return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), ident, fragment, 64, proto, 0)
    return head + ipaddress.ip_address(src).packed + ipaddress.ip_address(dst).packed + body


def ether(network: bytes, kind: int | None = None, tags: bytes = b"") -> bytes:
    if kind is None:
        kind = 0x86DD if network[0] >> 4 == 6 else 0x0800
    return bytes(12) + tags + struct.pack("!H", kind) + network


Packet = tuple[int, bytes] | tuple[int, bytes, int] | tuple[int, bytes, int, int]


def index(packets: Sequence[Packet]) -> tuple[np.ndarray, np.ndarray]:
    """Lay packets (time, frame[, link[, wire length]]) out as the meter takes them."""
    rows, at = [], 0
    for time, frame, *rest in packets:
        link = rest[0] if rest else 1
        wire = rest[1] if len(rest) > 1 else len(frame)
        rows.append((at, len(frame), wire, time, link))
        at += len(frame)
    data = np.frombuffer(b"".join(p[1] for p in packets) or b"\0", dtype=np.uint8)
    return data, np.array(rows, dtype=np.int64).reshape(-1, 5)


def meter(packets: Sequence[Packet], cuts: Sequence[int] = (), **options: Any) -> FlowBatch:
    data, rows = index(packets)
    meter = Meter("test", **options)
    batches: list[FlowBatch] = []
    for part in np.split(rows, sorted(cuts)):
        batches.extend(meter.update(data, part))
    batches.extend(meter.finish())
    return FlowBatch.concat(batches)


def only(packets: Sequence[Packet], **options: Any) -> dict[str, Any]:
    frame = meter(packets, **options).frame
    assert frame.height == 1
    return frame.row(0, named=True)


def talk(*steps: tuple[str, int] | tuple[str, int, bytes], v6: bool = False) -> list[Packet]:
    """A TCP conversation: '>' from A, '<' from B, the flags, and a payload."""
    a, b = (A6, B6) if v6 else (A, B)
    packets: list[Packet] = []
    for number, (way, flags, *payload) in enumerate(steps):
        body = payload[0] if payload else b""
        network = (
            ip(a, b, 6, tcp(40000, 80, flags, body))
            if way == ">"
            else ip(b, a, 6, tcp(80, 40000, flags, body))
        )
        packets.append((number * 1000, ether(network)))
    return packets


HANDSHAKE = ((">", SYN), ("<", SYN | ACK), (">", ACK))
BOTH_FIN = ((">", FIN | ACK), ("<", FIN | ACK), (">", ACK))


def test_both_ways_are_one_flow_of_the_first_sender() -> None:
    """The originator is who sent the first packet; out and in count from there, IP bytes."""
    row = only(talk(*HANDSHAKE, (">", PSH | ACK, b"x" * 100), ("<", ACK, b"y" * 400)))

    assert (row["src_ip"], row["src_port"], row["dst_ip"], row["dst_port"]) == (A, 40000, B, 80)
    assert (row["pkts_out"], row["pkts_in"]) == (3, 2)
    assert (row["bytes_out"], row["bytes_in"]) == (3 * 40 + 100, 2 * 40 + 400)
    assert (row["payload_out"], row["payload_in"]) == (100, 400)
    assert (row["ts"], row["ts_end"], row["duration_s"]) == (0, 4000, 0.004)
    assert (row["proto"], row["ip_proto"], row["ip_version"]) == ("tcp", 6, 4)
    assert (row["tcp_flags_out"], row["tcp_flags_in"]) == (SYN | ACK | PSH, SYN | ACK)
    assert row["history"] == "ShADd"
    assert (row["vlan"], row["quality"], row["sensor"], row["app"]) == ([], 0, "test", None)


def test_columns_are_those_of_the_record() -> None:
    """A batch has the record's columns, and the statistics only when asked for."""
    plain = meter(talk(*HANDSHAKE)).frame
    full = meter(talk(*HANDSHAKE), statistics=True).frame

    assert plain.schema == pl.Schema(CORE_SCHEMA)
    assert full.schema == pl.Schema({**CORE_SCHEMA, **STATISTICS_SCHEMA})
    assert full.null_count().select(pl.col(*STATISTICS_SCHEMA)).sum_horizontal().item() == 0


@pytest.mark.parametrize("v6", [False, True])
@pytest.mark.parametrize(
    ("state", "steps"),
    [
        ("S0", [(">", SYN), (">", SYN)]),
        ("S1", HANDSHAKE),
        ("S1", HANDSHAKE[:2]),
        ("SF", [*HANDSHAKE, *BOTH_FIN]),
        ("SF", [*HANDSHAKE, *BOTH_FIN, (">", RST)]),
        ("REJ", [(">", SYN), ("<", RST | ACK)]),
        ("S2", [*HANDSHAKE, (">", FIN | ACK), ("<", ACK)]),
        ("S3", [*HANDSHAKE, ("<", FIN | ACK), (">", ACK)]),
        ("RSTO", [*HANDSHAKE, (">", RST)]),
        ("RSTO", [*HANDSHAKE[:2], (">", RST)]),
        ("RSTR", [*HANDSHAKE, ("<", RST)]),
        ("RSTOS0", [(">", SYN), (">", RST)]),
        ("OTH", [(">", RST)]),
        ("SH", [(">", SYN), (">", FIN)]),
        ("SH", [(">", FIN)]),
        ("RSTRH", [(">", FIN), ("<", RST | ACK)]),
        ("RSTRH", [(">", ACK), ("<", RST)]),
        ("RSTRH", [(">", 0), ("<", RST | ACK)]),
        ("RSTRH", [(">", FIN | PSH | URG), ("<", RST | ACK)]),
        ("SHR", [(">", ACK), ("<", FIN | ACK)]),
        ("OTH", [(">", ACK), ("<", ACK)]),
        ("OTH", [(">", SYN | ACK), ("<", RST)]),
        ("OTH", [(">", 0)]),
    ],
)
def test_state_says_how_the_connection_went(state: str, steps: Any, v6: bool) -> None:
    """Each state of the vocabulary comes from the flags that define it, for both IP versions."""
    assert only(talk(*steps, v6=v6))["state"] == state


def test_a_reply_makes_the_state_without_tcp() -> None:
    """UDP and ICMP: S0 without an answer, SF with one."""
    ask, answer = (
        ether(ip(A, B, 17, udp(5000, 53, b"q"))),
        ether(ip(B, A, 17, udp(53, 5000, b"a"))),
    )
    echo = struct.pack("!BBHHH", 8, 0, 0, 1, 1)

    assert only([(0, ask)])["state"] == "S0"
    assert only([(0, ask), (1, answer)])["state"] == "SF"
    row = only([(0, ether(ip(A, B, 1, echo + b"payload")))])
    assert (row["state"], row["icmp_type"], row["icmp_code"]) == ("S0", 8, 0)
    assert (row["src_port"], row["dst_port"], row["tcp_flags_out"]) == (None, None, None)
    assert row["payload_out"] == 7


def test_silence_and_age_end_a_flow() -> None:
    """119.999 s of silence are the same flow, 120 s another; after 1,800 s it is cut."""
    frame = ether(ip(A, B, 17, udp(1, 2)))

    assert meter([(0, frame), (120 * SECOND - 1000, frame)]).frame.height == 1
    assert meter([(0, frame), (120 * SECOND, frame)]).frame.height == 2
    steady = [(number * 100 * SECOND, frame) for number in range(19)]
    assert meter(steady).frame["pkts_out"].to_list() == [18, 1]


def test_flags_do_not_end_a_flow() -> None:
    """What comes after FIN or RST on the same ports is the same flow, as NFStream counts."""
    assert len(meter(talk(*HANDSHAKE, *BOTH_FIN, *HANDSHAKE))) == 1


def test_vlan_tags_part_flows() -> None:
    """The same addresses in two VLANs are two flows; QinQ tags are told outermost first."""
    network = ip(A, B, 17, udp(1, 2))
    one = ether(network, tags=bytes.fromhex("81000007"))
    two = ether(network, tags=bytes.fromhex("88a80005") + bytes.fromhex("81000007"))

    flows = meter([(0, ether(network)), (1, one), (2, two), (3, one)]).frame

    assert flows["vlan"].to_list() == [[], [5, 7], [7]]


def test_later_fragments_find_their_flow() -> None:
    """A later fragment is counted where its first one was; alone it is a flow without ports."""
    body = udp(1, 2, b"x" * 40)
    first = ether(ip(A, B, 17, body[:24], fragment=0x2000))
    later = ether(ip(A, B, 17, body[24:], fragment=3))
    stranger = ether(ip(A, B, 17, body[24:], fragment=3, ident=8))

    together = only([(0, first), (1, later)])
    alone = only([(0, stranger)])

    assert (together["pkts_out"], together["src_port"], together["payload_out"]) == (2, 1, 40)
    assert (alone["src_port"], alone["dst_port"], alone["payload_out"]) == (None, None, 24)


def test_ipv6_extension_headers_are_stepped_over() -> None:
    """Hop-by-hop, destination options and a first fragment header stand before the ports."""
    options = bytes([60, 0, 0, 0, 0, 0, 0, 0])
    more = bytes([44, 0, 0, 0, 0, 0, 0, 0])
    fragment = bytes([17, 0, 0, 1, 0, 0, 0, 9])
    row = only([(0, ether(ip(A6, B6, 0, options + more + fragment + udp(5, 6, b"abc"))))])

    assert (row["proto"], row["src_port"], row["dst_port"], row["payload_out"]) == ("udp", 5, 6, 3)
    assert row["bytes_out"] == 40 + 24 + 11


INNER = ip(A, B, 17, udp(5, 6))


@pytest.mark.parametrize(
    ("link", "frame"),
    [
        (1, ether(INNER)),
        (101, INNER),
        (228, INNER),
        (0, bytes([2, 0, 0, 0]) + INNER),
        (108, bytes([0, 0, 0, 2]) + INNER),
        (113, bytes(14) + b"\x08\x00" + INNER),
        (276, b"\x08\x00" + bytes(18) + INNER),
        (9, b"\x00\x21" + INNER),
        (9, b"\xff\x03\x00\x21" + INNER),
        (50, b"\xff\x03\x00\x21" + INNER),
        (104, b"\x0f\x00\x08\x00" + INNER),
        (1, ether(b"\x00\x01\x00\x40" + b"\x00\x01\x11\x40" + INNER, 0x8847)),
        (1, ether(b"\x11\x00\x00\x01\x00\x30\x00\x21" + INNER, 0x8864)),
        (1, ether(b"\xaa\xaa\x03\x00\x00\x00\x08\x00" + INNER, 8 + len(INNER))),
        (1, ether(ip(A6, B6, 41, ip("192.0.2.1", "192.0.2.2", 4, INNER)))),
        (1, ether(ip("192.0.2.1", "192.0.2.2", 17, udp(2152, 2152, b"\x30\xff\0\0\0\0\0\1" + INNER)))),
    ],
)  # fmt: skip
def test_every_link_layer_leads_to_the_same_flow(link: int, frame: bytes) -> None:
    """Whatever carries the packet, the flow is that of the packet."""
    row = only([(0, frame, link)])

    assert (row["src_ip"], row["dst_ip"], row["src_port"], row["dst_port"]) == (A, B, 5, 6)
    assert row["bytes_out"] == 28


def test_other_protocols_are_flows_without_ports() -> None:
    """GRE, IGMP, ESP and a protocol without a name have flows; SCTP has ports."""
    flows = meter(
        [(n, ether(ip(A, B, proto, bytes(16)))) for n, proto in enumerate((47, 2, 50, 200))]
        + [(9, ether(ip(A, B, 132, struct.pack("!HHII", 7, 8, 0, 0))))]
    ).frame

    assert flows["proto"].to_list() == ["gre", "igmp", "esp", "ip-200", "sctp"]
    assert flows["src_port"].to_list() == [None, None, None, None, 7]


@pytest.mark.parametrize(
    ("cause", "packet"),
    [
        ("not an IP packet", (0, ether(bytes(28), 0x0806))),
        ("link type not supported", (0, ether(INNER), 147)),
        ("cut inside the link header", (0, b"short")),
        ("cut inside the IP header", (0, ether(INNER[:12], 0x0800))),
        ("damaged IP header", (0, ether(b"\x41" + INNER[1:], 0x0800))),
        ("damaged IP header", (0, ether(INNER[:2] + b"\x00\x08" + INNER[4:], 0x0800))),
        ("cut before the ports", (0, ether(INNER[:23], 0x0800))),
        ("impossible time", (-1, ether(INNER))),
    ],
)
def test_what_cannot_be_used_is_counted_by_cause(cause: str, packet: Packet) -> None:
    """A packet that gives no flow is counted, with its cause."""
    data, rows = index([packet])
    meter = Meter("test")

    batches = [*meter.update(data, rows), *meter.finish()]

    assert batches == []
    assert meter.skipped == {cause: 1}


def test_an_index_that_leaves_the_data_is_refused() -> None:
    """Offsets outside the bytes are counted, never followed."""
    data, rows = index([(0, ether(INNER))])
    wild = np.array([[-5, 40, 40, 0, 1], [10, 1 << 40, 9, 0, 1], [1 << 62, 60, 60, 0, 1]])
    meter = Meter("test")

    flows = [*meter.update(data, np.concatenate([wild, rows])), *meter.finish()]

    assert meter.skipped == {"outside the file": 3}
    assert sum(map(len, flows)) == 1


def test_a_clock_that_runs_back_is_held_and_told() -> None:
    """Event time never falls; a jump of more than a second marks the flow."""
    frame = ether(INNER)
    data, rows = index([(10 * SECOND, frame), (5 * SECOND, frame)])
    meter = Meter("test")

    (batch,) = [*meter.update(data, rows), *meter.finish()]

    row = batch.frame.row(0, named=True)
    assert (row["ts"], row["ts_end"], row["quality"] & 8) == (10 * SECOND, 10 * SECOND, 8)
    assert meter.notes == {"packets whose clock ran back": 1}


def test_segmentation_offload_counts_the_bytes_on_the_wire() -> None:
    """A total length of zero means that the card fills it in; the frame says how much it was."""
    network = bytearray(ip(A, B, 6, tcp(1, 2, ACK, b"x" * 3000)))
    network[2:4] = b"\0\0"

    assert only([(0, ether(bytes(network)))])["bytes_out"] == 3040


def test_a_length_that_lies_is_bounded_by_the_wire() -> None:
    """A header that claims more than was sent counts what was sent, and marks the flow."""
    network = bytearray(ip(A, B, 17, udp(1, 2)))
    network[2:4] = b"\xff\xff"
    row = only([(0, ether(bytes(network)))])

    assert (row["bytes_out"], row["quality"] & 128) == (28, 128)


def test_snapped_packets_count_their_whole_length() -> None:
    """Captured or not, the bytes on the wire are the flow's."""
    whole = ether(ip(A, B, 6, tcp(1, 2, ACK, b"x" * 1000)))

    assert only([(0, whole[:60], 1, len(whole))])["payload_out"] == 1000


def test_uid_depends_on_the_flow_alone() -> None:
    """The same flow has the same identifier in any file; another start, another identifier."""
    one = only([(5, ether(INNER))])["uid"]
    among = meter([(0, ether(ip(B, A, 6, tcp(9, 9, SYN)))), (5, ether(INNER))]).frame
    later = only([(6, ether(INNER))])["uid"]

    assert len(one) == 16
    assert one in among["uid"].to_list()
    assert one != later


def test_addresses_are_written_as_rfc_5952_says() -> None:
    """Zero runs are cut once, the longest first, and single zero groups stay."""
    addresses = [
        "::", "::1", "1::", "2001:db8::1:0:0:1", "2001:0:0:1::1", "fe80::1:2:3:4", "1:0:2:0:3:0:4:0",
        "::ffff:1.2.3.4", "1:2:3:4:5:6:7:8",
    ]  # fmt: skip
    flows = meter([(n, ether(ip(a, "ff02::1", 17, udp(n, 1)))) for n, a in enumerate(addresses)])

    expected = [ipaddress.ip_address(a).compressed for a in addresses]
    # Python writes mapped addresses in dotted form from 3.13 on; we never do.
    expected[7] = "::ffff:102:304"
    assert flows.frame["src_ip"].to_list() == expected


def test_statistics_are_nfstreams() -> None:
    """Sizes of frames, gaps in whole ms, sample deviations; a hand-made flow."""
    sizes, times = (60, 100, 200, 60), (0, 10_400, 20_900, 50_000)
    packets = [
        (t, ether(ip(A, B, 17, udp(1, 2, bytes(s - 42)))))
        for s, t in zip(sizes, times, strict=True)
    ]
    row = only(packets, statistics=True)

    gaps = np.diff([0, 10, 20, 50])
    assert row["bidirectional_bytes"] == sum(sizes)
    assert row["src2dst_mean_ps"] == pytest.approx(np.mean(sizes))
    assert row["src2dst_stddev_ps"] == pytest.approx(np.std(sizes, ddof=1))
    assert row["bidirectional_mean_piat_ms"] == pytest.approx(gaps.mean())
    assert row["bidirectional_stddev_piat_ms"] == pytest.approx(np.std(gaps, ddof=1))
    assert (row["bidirectional_min_piat_ms"], row["bidirectional_max_piat_ms"]) == (10, 30)
    assert (row["dst2src_packets"], row["dst2src_first_seen_ms"]) == (0, 0)


STEPS = st.tuples(
    st.sampled_from([A, B, "10.0.0.3", A6, B6]),
    st.sampled_from([A, B, "10.0.0.3", A6, B6]),
    st.sampled_from([6, 17, 1, 132]),
    st.integers(0, 63),
    st.sampled_from([0, 0, 0, 0x2000, 3]),
    st.sampled_from([0, 1, 999, 3_000_000, 61_000_000, 119_999_999, 120_000_000, 700_000_000]),
)


def crowd(steps: Sequence[tuple[str, str, int, int, int, int]]) -> list[Packet]:
    packets: list[Packet] = []
    time = 1_600_000_000_000_000
    for src, dst, proto, flags, fragment, pause in steps:
        if (":" in src) != (":" in dst):
            continue
        time += pause
        body = {
            6: tcp(1 + flags % 3, 80, flags),
            17: udp(1, 2, b"z"),
            1: bytes([8, 0]) + bytes(6),
        }.get(proto, struct.pack("!HHII", 7, 8, 0, 0))
        packets.append((time, ether(ip(src, dst, proto, body, fragment=fragment))))
    return packets


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60), st.lists(st.integers(0, 60), max_size=8), st.integers(1, 7))
def test_no_cut_of_the_packets_changes_a_flow(steps: Any, cuts: list[int], rows: int) -> None:
    """Any number of steps and any size of batch give the same flows in the same order."""
    packets = crowd(steps)
    whole = meter(packets, statistics=True)
    parts = meter(packets, cuts, statistics=True, batch_rows=rows)

    assert parts.frame.equals(whole.frame)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=60))
def test_every_packet_is_in_one_flow_and_flows_are_in_order(steps: Any) -> None:
    """Nothing is counted twice or lost; flows come by end, start, identifier."""
    packets = crowd(steps)
    flows = meter(packets).frame

    assert sum(flows["pkts_out"].to_list() + flows["pkts_in"].to_list()) == len(packets)
    assert flows["uid"].n_unique() == flows.height
    ordered = flows.sort("ts_end", "ts", "uid")
    assert flows["uid"].to_list() == ordered["uid"].to_list()


def test_many_flows_grow_the_table_and_come_in_batches() -> None:
    """Far more flows than fit at first; none is lost and every batch but the last is full."""
    count = 20_000
    packets = [(n, ether(ip(A, B, 17, udp(n % 60_000, 2 + n // 60_000)))) for n in range(count)]
    data, rows = index(packets)
    meter = Meter("test", batch_rows=3_000)

    batches = [*meter.update(data, rows), *meter.finish()]

    assert [len(batch) for batch in batches] == [3_000] * 6 + [2_000]
    assert FlowBatch.concat(batches).frame["src_port"].n_unique() == count


def test_memory_is_bounded_by_the_flows_alive() -> None:
    """Flows that have ended give their rows back: a long trickle does not grow the table."""
    meter = Meter("test", batch_rows=100)
    given_out = 0
    for start in range(0, 60_000, 2_000):
        packets = [
            (n * SECOND, ether(ip(A, B, 17, udp(n % 50_000, 1))))
            for n in range(start, start + 2_000)
        ]
        given_out += sum(map(len, meter.update(*index(packets))))

    assert given_out > 59_000
    assert len(meter._table.core) == 4_096


def test_packets_read_in_few_steps_are_read_the_same() -> None:
    """What most packets are read by gives the registers and the key of the reader of any packet."""
    rng = np.random.default_rng(11)
    table = make_table(64, statistics=True, seed=3)
    networks = [
        ip(A, B, 6, tcp(5, 80, PSH | ACK, b"x" * 9)),
        ip(B, A, 17, udp(53, 7, b"answer of some bytes")),
        ip(A, A, 17, udp(9, 8, bytes(20))),
    ]
    few = 0
    for _ in range(600):
        frame = bytearray(ether(networks[rng.integers(3)]))
        for at in rng.integers(12, len(frame), rng.integers(0, 3)):
            frame[at] = rng.choice([0, 5, 6, 17, 0x45, 0x40, 0x20, 255])
        captured = len(frame) - int(rng.integers(0, 8))
        wire = len(frame) + int(rng.integers(-4, 9))
        packet = np.array([0, captured, wire, 1_000_000, 1], dtype=np.int64)
        data = np.frombuffer(bytes(frame), dtype=np.uint8)
        plain, other = table.registers[0], table.registers[1]
        key, expected = table.scratch[0], table.scratch[1]
        with np.errstate(over="ignore"):
            if not read_plain(data, packet, plain, key, table.meta):
                continue
            few += 1
            assert read_frame(data, packet, other, table.saved) == layout.OK
            make_key(other, expected, table.meta)
        assert key[: layout.Q_OUTCOME].tolist() == expected[: layout.Q_OUTCOME].tolist()
        for column in (
            layout.R_END, layout.R_WIRE, layout.R_PEER, layout.R_PROTO, layout.R_FLAGS, layout.R_IP_BYTES,
            layout.R_PAYLOAD, layout.R_ICMP, layout.R_QUALITY, layout.R_TUNNEL, layout.R_FRAGMENT,
        ):  # fmt: skip
            assert plain[column] == other[column]

    assert few > 200


def test_flags_are_counted_beyond_what_a_byte_holds() -> None:
    """Small counters are moved to wide ones before they are full."""
    row = only(talk(*[(">", ACK), ("<", PSH | ACK), ("<", ACK)] * 500), statistics=True)

    assert row["src2dst_ack_packets"] == 500
    assert (row["dst2src_ack_packets"], row["dst2src_psh_packets"]) == (1000, 500)
    assert (row["bidirectional_ack_packets"], row["bidirectional_psh_packets"]) == (1500, 500)
    assert row["bidirectional_syn_packets"] == 0


def test_statistics_leave_out_what_nfstream_leaves_out() -> None:
    """Later fragments are the record's, not NFStream's: first, between and last in a flow."""
    body = udp(1, 2, b"x" * 40)
    later = ether(ip(A, B, 17, body[24:], fragment=3))
    first = ether(ip(A, B, 17, body[:24], fragment=0x2000))
    back = ether(ip(B, A, 17, udp(2, 1)))
    row = only(
        [(0, first), (7000, later), (9000, back), (20_000, first), (50_000, later)],
        statistics=True,
    )

    assert (row["pkts_out"], row["pkts_in"], row["duration_s"]) == (4, 1, 0.05)
    assert (row["src2dst_packets"], row["dst2src_packets"]) == (2, 1)
    assert (row["bidirectional_last_seen_ms"], row["bidirectional_duration_ms"]) == (20, 20)
    assert (row["bidirectional_min_piat_ms"], row["bidirectional_max_piat_ms"]) == (9, 11)
    assert (row["src2dst_mean_piat_ms"], row["dst2src_first_seen_ms"]) == (20.0, 9)
    assert row["src2dst_bytes"] == 2 * len(first)


def test_a_flow_of_nothing_that_nfstream_counts_has_zeros() -> None:
    """The record counts the packets; the statistics are all zero."""
    body = udp(1, 2, b"x" * 40)
    later = ether(ip(A, B, 17, body[24:], fragment=3))
    for packets in ([(5000, later)], [(5000, later), (6000, later)]):
        row = only(packets, statistics=True)

        assert row["pkts_out"] == len(packets)
        assert not any(row[name] for name in STATISTICS_SCHEMA)


def test_a_flow_that_is_cut_keeps_its_statistics() -> None:
    """What is cut by age is counted whole, and what follows begins anew."""
    frame = ether(ip(A, B, 6, tcp(1, 2, ACK)))
    flows = meter([(n * 100 * SECOND, frame) for n in range(19)], statistics=True).frame

    assert flows["bidirectional_packets"].to_list() == [18, 1]
    assert flows["src2dst_ack_packets"].to_list() == [18, 1]
    assert flows["src2dst_mean_piat_ms"].to_list() == [100_000.0, 0.0]


def test_the_end_comes_although_a_flow_that_was_cut_waits_for_others() -> None:
    """What was cut a moment before the end is later than flows that are still alive then."""
    long = [(n * 100 * SECOND, ether(ip(A, B, 6, tcp(1, 2, ACK)))) for n in range(19)]
    other = (1_790 * SECOND, ether(ip(A, B, 17, udp(5, 6))))
    flows = meter(sorted([*long, other]), batch_rows=1).frame

    assert flows["pkts_out"].to_list() == [18, 1, 1]
    assert flows["ts_end"].is_sorted()


def test_addresses_that_are_driven_out_are_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far more addresses than are remembered, again and again; each has its own text."""
    monkeypatch.setattr("eddyline.flows.meter.text.CARDS", 8)
    packets = [
        (n, ether(ip(f"10.0.{n % 50}.1", f"10.1.{n % 7}.2", 17, udp(n, 1)))) for n in range(300)
    ]
    flows = meter(packets, batch_rows=64).frame

    assert flows["src_ip"].to_list() == [f"10.0.{n % 50}.1" for n in range(300)]
    assert flows["dst_ip"].to_list() == [f"10.1.{n % 7}.2" for n in range(300)]


def test_an_interrupt_between_two_batches_gives_no_flow_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was given out before Ctrl-C is not given again when the meter is told to finish."""
    packets = [(n, ether(ip(A, B, 17, udp(n, 2)))) for n in range(1, 13)]
    data, rows = index(packets)
    meter = Meter("test", batch_rows=4)
    given: list[FlowBatch] = []
    list(meter.update(data, rows))
    batch, calls = Meter._batch, []

    def interrupted(self: Meter, chosen: Any) -> FlowBatch:
        calls.append(len(chosen))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return batch(self, chosen)

    monkeypatch.setattr(Meter, "_batch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        given.extend(meter.finish())
    given.extend(meter.finish())

    flows = FlowBatch.concat(given).frame
    assert flows["uid"].n_unique() == flows.height == 12


def test_statistics_are_made_ready_where_flows_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Flows of one packet have none, whatever came before them; memory for the rest is asked for ahead."""
    asked: list[int] = []

    def noted(array: np.ndarray, start: int, stop: int) -> bool:
        asked.append(array.shape[1])
        return True

    monkeypatch.setattr("eddyline.flows.meter.session.prepare", noted)
    once: list[Packet] = [
        (n, ether(ip(A, B, 17, udp(n % 60_000, 2 + n // 60_000)))) for n in range(40_000)
    ]
    busy: list[Packet] = [(0, ether(ip(A, B, 17, udp(1, 1))))] * 200_000

    def columns(packets: list[Packet]) -> list[int]:
        asked.clear()
        meter(packets, cuts=range(4_000, len(packets), 4_000), statistics=True)
        return asked.copy()

    core, stats = layout.CORE_WORDS, layout.STATISTICS_WORDS
    assert stats not in columns(once)
    assert columns(busy + once).count(stats) <= 1
    several = columns([packet for packet in once for _ in range(4)])
    assert several.count(stats) == several.count(core) > 0
