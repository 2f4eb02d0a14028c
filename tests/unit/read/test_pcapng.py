"""The pcapng reader: sections, interfaces, clocks, the three packet blocks, and damage."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from eddyline.errors import InputError
from eddyline.flows.batch import FlowBatch
from eddyline.read import pcapng
from eddyline.read.ingest import IngestReport

NETWORK = bytes.fromhex("4500001c000000004011000001020304050607080007000800080000")
FRAME = bytes(12) + b"\x08\x00" + NETWORK


def block(order: str, kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    size = struct.pack(order + "I", len(body) + 12)
    return struct.pack(order + "I", kind) + size + body + size


def section(order: str) -> bytes:
    return block(order, 0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))


def option(order: str, code: int, value: bytes) -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def interface(
    order: str, link: int = 1, resolution: int | None = None, offset_s: int | None = None
) -> bytes:
    body = struct.pack(order + "HHI", link, 0, 0)
    if resolution is not None:
        body += option(order, 9, bytes([resolution]))
    if offset_s is not None:
        body += option(order, 14, struct.pack(order + "q", offset_s))
    return block(order, 1, body + option(order, 0, b""))


def enhanced(order: str, ticks: int, which: int = 0, frame: bytes = FRAME) -> bytes:
    head = struct.pack(
        order + "IIIII", which, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame)
    )
    return block(order, 6, head + frame)


def read(content: bytes, **options: Any) -> tuple[FlowBatch, IngestReport]:
    report = IngestReport()
    return FlowBatch.concat(
        list(pcapng.read(content, name="x.pcapng", report=report, **options))
    ), report


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("resolution", "ticks"),
    [
        (None, 1_700_000_000_123_456),
        (6, 1_700_000_000_123_456),
        (9, 1_700_000_000_123_456_789),
        (3, 1_700_000_000_123),
        (0, 1_700_000_000),
        (0x80 | 10, (1_700_000_000 << 10) + 126),
        (0x80 | 30, (1_700_000_000 << 30) + 132_560_719),
    ],
)
def test_any_resolution_gives_the_time(order: str, resolution: int | None, ticks: int) -> None:
    """Powers of ten and of two; rounded down to what the clock can tell."""
    content = section(order) + interface(order, resolution=resolution) + enhanced(order, ticks)

    flows, _ = read(content)

    step = {None: 1, 6: 1, 9: 1, 3: 1_000, 0: 1_000_000, 0x8A: 977, 0x9E: 1}[resolution]
    assert pcapng.sniff(content[:32])
    assert abs(int(flows.frame["ts"][0]) - 1_700_000_000_123_456) <= step


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("offset_s", [1_600_000_000, -86_400])
def test_the_offset_of_the_clock_is_added(order: str, offset_s: int) -> None:
    """if_tsoffset is in seconds and may be negative."""
    content = (
        section(order) + interface(order, offset_s=offset_s) + enhanced(order, 200_000_000_000)
    )

    assert read(content)[0].frame["ts"].to_list() == [(200_000 + offset_s) * 1_000_000]


def test_interfaces_have_their_own_link_and_clock() -> None:
    """Two interfaces: Ethernet in µs and raw IP in ns; one flow."""
    content = (
        section("<") + interface("<") + interface("<", link=101, resolution=9)
        + enhanced("<", 5_000_000) + enhanced("<", 6_000_000_000, 1, NETWORK)
    )  # fmt: skip
    flows, _ = read(content)

    assert flows.frame.select("ts", "ts_end", "pkts_out").rows() == [(5_000_000, 6_000_000, 2)]


def test_a_section_begins_anew() -> None:
    """The second section has the other byte order, and interfaces of its own."""
    content = (
        section("<") + interface("<", link=101) + enhanced("<", 1_000_000, 0, NETWORK)
        + section(">") + interface(">") + enhanced(">", 2_000_000)
    )  # fmt: skip
    assert read(content)[0].frame["pkts_out"].to_list() == [2]


def test_old_and_simple_packet_blocks_are_read() -> None:
    """A simple block has no time: it takes that of the packet before it."""
    old = block("<", 2, struct.pack("<HHIIII", 0, 0, 0, 7_000_000, len(FRAME), len(FRAME)) + FRAME)
    simple = block("<", 3, struct.pack("<I", len(FRAME)) + FRAME)
    unknown = block("<", 0x40000BAD, b"something else")

    flows, report = read(section("<") + interface("<") + old + unknown + simple)

    assert flows.frame.select("ts", "ts_end", "pkts_out").rows() == [(7_000_000, 7_000_000, 2)]
    assert dict(report.skipped) == {}


def test_a_packet_of_an_interface_nobody_described_is_counted() -> None:
    """Its link type is not known."""
    flows, report = read(section("<") + interface("<") + enhanced("<", 1, 3))

    assert len(flows) == 0
    assert dict(report.skipped) == {"link type not supported": 1}


@pytest.mark.parametrize("cut", [1, 11, 12, 40])
def test_a_file_that_ends_too_soon_gives_what_is_whole(cut: int) -> None:
    """The last block is cut: the others are read, and the report says so."""
    flows, report = read(section("<") + interface("<") + enhanced("<", 1) + enhanced("<", 2)[:cut])

    assert flows.frame["pkts_out"].to_list() == [1]
    assert report.truncated


@pytest.mark.parametrize("size", [0, 4, 8, 13])
def test_a_block_of_an_impossible_size_ends_the_reading(size: int) -> None:
    """A size that cannot be one is damage; there is no next block to find."""
    flows, report = read(
        section("<") + interface("<") + enhanced("<", 1) + struct.pack("<II", 6, size) * 9
    )

    assert len(flows) == 1
    assert sum(report.skipped.values()) == 1
    assert report.truncated


def test_a_packet_larger_than_its_block_ends_the_reading() -> None:
    """A captured length that leads out of the block is damage."""
    lying = bytearray(enhanced("<", 2))
    struct.pack_into("<I", lying, 20, 5_000)
    flows, report = read(section("<") + interface("<") + enhanced("<", 1) + bytes(lying))

    assert flows.frame["pkts_out"].to_list() == [1]
    assert report.truncated


@pytest.mark.parametrize(
    "content", [b"", b"\x0a\x0d\x0d\x0a" + bytes(40), b"\xd4\xc3\xb2\xa1" * 9]
)
def test_what_is_no_pcapng_is_refused(content: bytes) -> None:
    """No section header, no capture: an error that names the file."""
    with pytest.raises(InputError, match=r"x\.pcapng"):
        read(content)
