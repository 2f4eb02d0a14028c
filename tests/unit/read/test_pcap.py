"""The pcap reader: byte orders, clocks, record headers, and files that end too soon."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from eddyline.errors import InputError
from eddyline.flows.batch import FlowBatch
from eddyline.read import packets, pcap
from eddyline.read.ingest import IngestReport
from eddyline.read.source import Source

FRAME = (
    bytes(12)
    + b"\x08\x00"
    + bytes.fromhex("4500001c000000004011000001020304050607080007000800080000")
)


def header(
    order: str, magic: int = 0xA1B2C3D4, link: int = 1, version: tuple[int, int] = (2, 4)
) -> bytes:
    return struct.pack(order + "IHHiIII", magic, *version, 0, 0, 262144, link)


def record(order: str, seconds: int, fraction: int, frame: bytes = FRAME, pad: int = 0) -> bytes:
    return (
        struct.pack(order + "IIII", seconds, fraction, len(frame), len(frame)) + bytes(pad) + frame
    )


def read(content: bytes, **options: Any) -> tuple[FlowBatch, IngestReport]:
    report = IngestReport()
    return FlowBatch.concat(
        list(pcap.read(content, name="x.pcap", report=report, **options))
    ), report


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("magic", "fraction"), [(0xA1B2C3D4, 123_456), (0xA1B23C4D, 123_456_789)])
def test_byte_orders_and_clocks_give_the_same_time(order: str, magic: int, fraction: int) -> None:
    """Microseconds and nanoseconds, either byte order: the same packet at the same µs."""
    content = header(order, magic) + record(order, 1_700_000_000, fraction)

    flows, report = read(content)

    assert pcap.sniff(content[:24])
    assert flows.frame["ts"].to_list() == [1_700_000_000_123_456]
    assert flows.frame["src_ip"].to_list() == ["1.2.3.4"]
    assert flows.frame["sensor"].to_list() == ["x.pcap"]
    assert (report.packets_read, report.truncated, dict(report.skipped)) == (1, False, {})


def test_longer_record_headers_are_known() -> None:
    """The patched format has eight more bytes in each record header."""
    content = header("<", 0xA1B2CD34) + 2 * record("<", 1, 0, pad=8)

    assert read(content)[0].frame["pkts_out"].to_list() == [2]


def test_old_files_have_their_lengths_the_other_way() -> None:
    """Before version 2.3 the length on the wire stood first."""
    swapped = struct.pack("<IIII", 1, 0, 60, len(FRAME)) + FRAME

    flows, report = read(header("<", version=(2, 2)) + swapped)

    assert (len(flows), report.truncated) == (1, False)


def test_upper_bits_of_the_link_type_are_not_the_link_type() -> None:
    """They tell of frame check sequences."""
    assert len(read(header("<", link=0x40000001) + record("<", 1, 0))[0]) == 1


@pytest.mark.parametrize("cut", [1, 15, 16, 30, 57])
def test_a_file_that_ends_too_soon_gives_what_is_whole(cut: int) -> None:
    """The last record is cut: the others are read, and the report says so."""
    content = header("<") + record("<", 1, 0) + record("<", 2, 0)[:cut]

    flows, report = read(content)

    assert flows.frame["pkts_out"].to_list() == [1]
    assert report.truncated
    assert report.notes["bytes after the last whole record"] == cut


def test_a_record_that_claims_too_much_ends_the_reading() -> None:
    """A captured length beyond any frame is damage, not a packet."""
    content = (
        header("<") + record("<", 1, 0) + struct.pack("<IIII", 1, 0, 1 << 31, 60) + bytes(500)
    )

    flows, report = read(content)

    assert len(flows) == 1
    assert sum(report.skipped.values()) == 1
    assert report.truncated


def test_an_empty_capture_has_no_flow() -> None:
    """A header alone is a capture of nothing."""
    flows, report = read(header("<"))

    assert (len(flows), report.packets_read, report.truncated) == (0, 0, False)


@pytest.mark.parametrize("content", [b"", b"\xd4\xc3\xb2\xa1", b"GET / HTTP/1.1\r\n" * 3])
def test_what_is_no_pcap_is_refused(content: bytes) -> None:
    """No header, no capture: an error that names the file."""
    with pytest.raises(InputError, match=r"x\.pcap"):
        read(content)


def test_progress_ends_at_the_end() -> None:
    """Progress rises to the size of the file."""
    told: list[int] = []
    content = header("<") + record("<", 1, 0) * 40_000

    read(content, progress=told.append)

    assert told == sorted(told)
    assert told[-1] == len(content)
    assert len(told) > 1


def read_file(path: Path, content: bytes) -> tuple[FlowBatch, IngestReport]:
    """Write a file and read it as the command line does."""
    path.write_bytes(content)
    report = IngestReport()
    data = Source("x.pcap", path, named=True).open(report)
    return FlowBatch.concat(list(pcap.read(data, name="x.pcap", report=report))), report


@pytest.mark.parametrize("piece", [200, 201, 263, 1 << 20])
@pytest.mark.parametrize("rest", [b"", b"x", bytes(15), record("<", 2, 0)[:30], b"\xff" * 40])
def test_a_file_in_pieces_gives_what_it_gives_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int, rest: bytes
) -> None:
    """Wherever a piece ends, inside a header, a packet or between, flows and account are the same."""
    monkeypatch.setattr(packets, "PIECE_BYTES", piece)
    content = header("<") + b"".join(record("<", 1 + i, i) for i in range(50)) + rest

    flows, report = read(content)
    in_pieces, told = read_file(tmp_path / "x.pcap", content)

    assert in_pieces.frame.equals(flows.frame)
    assert told == report


def test_a_file_that_is_cut_while_it_is_read_gives_what_it_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there is metered, and the report says that the file ended too soon."""
    monkeypatch.setattr(packets, "PIECE_BYTES", 200)
    path, one = tmp_path / "x.pcap", record("<", 1, 0)
    path.write_bytes(header("<") + one * 50)
    report = IngestReport()
    data = Source("x.pcap", path, named=True).open(report)
    os.truncate(path, len(header("<")) + 10 * len(one) + 20)

    flows = FlowBatch.concat(list(pcap.read(data, name="x.pcap", report=report)))

    assert flows.frame["pkts_out"].to_list() == [10]
    assert report.truncated
    assert report.notes["bytes after the last whole record"] == 40 * len(one)
