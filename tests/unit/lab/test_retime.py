"""Moving packets: the clock, the capture's format, and the truth that follows."""

from __future__ import annotations

import csv
import gzip
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from lab.clock import Clock
from lab.flows import label, meter
from lab.packets import SNAP, parse, read, shorten, write
from lab.plan import plan
from lab.retime import assert_planned, retime, write_truth
from lab.spec import load_day


def _frame(
    src: str, dst: str, sport: int, dport: int, flags: int = 2, payload: bytes = b""
) -> bytes:
    tcp = struct.pack(">2H2I2B3H", sport, dport, 1, 0, 5 << 4, flags, 1024, 0, 0) + payload
    if ":" in src:
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return (
            bytes(12) + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp
        )
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    head = struct.pack(">2B3H2BH", 0x45, 0, 20 + len(tcp), 1, 0, 64, 6, 0)
    return bytes(12) + b"\x08\x00" + head + ends + tcp


@given(
    starts=st.lists(st.integers(1, 10**9), min_size=1, max_size=8),
    offset=st.integers(0, 10**6),
)
def test_time_inside_a_session_is_real(starts: list[int], offset: int) -> None:
    """Two packets of one session keep their distance wherever the plan puts the session."""
    clock = Clock()
    for index, planned in enumerate(starts):
        real = index * 10_000_000
        clock.real.append(real)
        clock.shift.append(planned - real)
        clock.session.append(index)

    for index, planned in enumerate(starts):
        assert clock.place(index * 10_000_000 + offset) == (planned + offset, index)
    assert clock.place(-1) is None


def test_a_rest_moves_what_follows() -> None:
    """A rest of 40 s takes milliseconds and moves the later packets by 40 s."""
    clock = Clock()
    clock.begin(3, 1_000_000_000, far=False)
    before = clock.place(clock.real[-1])
    clock.rest(40)
    after = clock.place(clock.real[-1])

    assert before == (1_000_000_000, 3)
    assert after is not None
    assert 40_000_000 <= after[0] - 1_000_000_000 < 41_000_000
    assert after[1] == 3


@given(
    times=st.lists(st.integers(0, 2**40), min_size=1, max_size=20),
    payload=st.binary(max_size=40),
)
def test_captures_come_back_as_written(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], payload: bytes
) -> None:
    """What write stores, read gives back."""
    path = tmp_path_factory.mktemp("pcap") / "x.pcap.gz"
    frame = _frame("10.20.1.21", "10.20.10.10", 40000, 80, payload=payload)
    packets = [(time % (2**32 * 1_000_000), len(frame), frame) for time in times]

    write(path, packets)

    assert list(read(path)) == packets


@pytest.mark.parametrize(("src", "dst"), [("10.1.2.3", "10.3.2.1"), ("fd20::1", "2001:db8::2")])
def test_headers_are_read(src: str, dst: str) -> None:
    """Addresses, ports, flags and IP-level length of both versions."""
    frame = _frame(src, dst, 40000, 443, 18, b"hello")

    headers = parse(frame)

    assert headers is not None
    assert (headers.src, headers.dst, headers.sport, headers.dport) == (src, dst, 40000, 443)
    assert (headers.proto, headers.flags, headers.length) == (6, 18, len(frame) - 14)


def test_encrypted_payload_is_left_out() -> None:
    """Of TLS only the record's head stays; plain payload stays up to the snap length."""
    record = b"\x17\x03\x03\x01\x00" + b"secret" * 40
    tls = _frame("10.1.2.3", "10.3.2.1", 40000, 443, 24, record)
    more = _frame("10.1.2.3", "10.3.2.1", 40000, 443, 24, b"secret" * 40)
    web = _frame("10.1.2.3", "10.3.2.1", 40000, 80, 24, record)

    assert b"secret" not in shorten(tls, parse(tls))
    assert shorten(tls, parse(tls)).endswith(record[:5])
    assert shorten(more, parse(more)) == more[:54]
    assert shorten(web, parse(web)) == web[:SNAP]


def test_an_address_outside_the_plan_is_refused() -> None:
    """A packet that should not exist stops the writing."""
    day = load_day("quiet-morning")

    assert_planned(day, {"10.20.1.21", "224.0.0.251", "fd20:0:0:1::15"})
    with pytest.raises(RuntimeError, match=r"8\.8\.8\.8"):
        assert_planned(day, {"10.20.1.21", "8.8.8.8"})


def test_an_attack_is_labelled_and_the_rest_is_not(tmp_path: Path) -> None:
    """From a raw capture of two sessions, one an attack: packets move, and only its flow is labelled."""
    day = load_day("afternoon")
    sessions = plan(day)
    index = next(at for at, s in enumerate(sessions) if s.attack == "a04-syn-scan")
    clock = Clock(
        real=[1_000_000, 2_000_000],
        shift=[day.start_us, day.start_us + 500_000_000],
        session=[0 if index else 1, index],
    )
    raw = tmp_path / "raw.pcap.gz"
    scanner, target = day.network.hosts["eng04"].ip, day.network.hosts["intranet"].ip
    write(
        raw,
        [
            (1_100_000, 54, _frame("10.20.1.21", target, 40000, 80)),
            (2_100_000, 54, _frame(scanner, target, 50000, 81)),
            (2_100_100, 54, _frame(target, scanner, 81, 50000, 20)),
        ],
    )
    stories = retime(day, sessions, clock, raw, tmp_path / "day.pcap.gz")
    only = replace(day, attacks=tuple(a for a in day.attacks if a.id == "a04-syn-scan"))

    write_truth(only, stories, tmp_path / "truth.csv", tmp_path / "flows-truth.csv.gz")
    flows = meter(tmp_path / "day.pcap.gz")
    label(flows, tmp_path / "flows-truth.csv.gz")

    assert [(f.src, f.dport, f.attack) for f in flows] == [
        ("10.20.1.21", 80, ""),
        (scanner, 81, "a04-syn-scan"),
    ]
    assert flows[1].start_us == day.start_us + 502_100_000
    with gzip.open(tmp_path / "flows-truth.csv.gz", "rt") as file:
        rows = list(csv.DictReader(file))
    assert [(row["src_ip"], row["packets"]) for row in rows] == [(scanner, "2")]
