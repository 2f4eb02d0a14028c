"""Hostile packets and files: nothing crashes, hangs or reads out of bounds, and everything is counted."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from eddyline.errors import InputError
from eddyline.flows.meter.session import Meter
from eddyline.read import pcap, pcapng
from eddyline.read.ingest import IngestReport

WIDTH = 160
LINKS = np.array([1, 1, 1, 1, 0, 9, 50, 101, 104, 108, 113, 127, 228, 229, 276, 147, -1])

V4 = (
    bytes.fromhex("45000080000000004006000001020304050607080050c000")
    + bytes(8)
    + b"\x50\x18"
    + bytes(100)
)
V6 = (
    bytes.fromhex("6000000000500040")
    + bytes(range(32))
    + bytes.fromhex("2c000000000000003c00000100000007")
)
NETWORKS = [
    V4,
    V4[:9]
    + b"\x11"
    + V4[10:20]
    + bytes.fromhex("08680868006c0000")
    + b"\x34\xff\0\0\0\0\0\1"
    + V4[:60],
    V4[:9]
    + b"\x11"
    + V4[10:20]
    + bytes.fromhex("90909090006c0000")
    + b"\1\0\0\1\0\1"
    + bytes(12)
    + V4[:60],
    V4[:9]
    + b"\x11"
    + V4[10:20]
    + bytes.fromhex("147f147f006c0000")
    + b"\0\x10"
    + bytes(40)
    + V4[:60],
    V4[:9] + b"\x04" + V4[10:20] + V4[:80],
    V4[:6] + b"\x20\x00" + V4[8:],
    V4[:6] + b"\x00\x03" + V4[8:],
    V6 + bytes([6, 0, 0, 0, 0, 0, 0, 0]) + V4[20:60],
    V6[:6] + b"\x29" + V6[7:40] + V4[:80],
    V6[:6] + b"\x3a" + V6[7:40] + b"\x80\x00" + bytes(60),
]
LINK_HEADERS = [
    bytes(12) + b"\x08\x00",
    bytes(12) + b"\x86\xdd",
    bytes(12) + b"\x81\x00\x00\x07\x08\x00",
    bytes(12) + b"\x88\xa8\x00\x05\x81\x00\x00\x07\x08\x00",
    bytes(12) + b"\x88\x47\x00\x01\x00\x40\x00\x01\x11\x40",
    bytes(12) + b"\x88\x64\x11\x00\x00\x01\x00\x30\x00\x21",
    bytes(12) + b"\x00\x80\xaa\xaa\x03\x00\x00\x00\x08\x00",
    b"\x02\x00\x00\x00",
    b"\xff\x03\x00\x21",
    b"\x0f\x00\x08\x00",
    bytes(14) + b"\x08\x00",
    b"\x08\x00" + bytes(18),
    b"\x00\x00\x08\x00\x00\x00\x00\x00\x88\x01" + bytes(24) + b"\xaa\xaa\x03\x00\x00\x00\x08\x00",
    b"",
]


def templates() -> np.ndarray:
    frames = [
        (head + network).ljust(WIDTH, b"\x5a")[:WIDTH]
        for head in LINK_HEADERS
        for network in NETWORKS
    ]
    return np.frombuffer(b"".join(frames), dtype=np.uint8).reshape(-1, WIDTH)


def mutated(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames with flipped bytes, wrong link types, cut lengths, lying lengths and wild clocks."""
    known = templates()
    frames = known[rng.integers(0, len(known), count)].copy()
    for _ in range(4):
        rows = np.flatnonzero(rng.random(count) < 0.7)
        spread = rng.choice([12, 40, 80, WIDTH])
        frames[rows, rng.integers(0, spread, len(rows))] = rng.choice(
            np.array(
                [0, 1, 4, 6, 0x45, 0x60, 0x7F, 0x80, 0xFF, rng.integers(256)], dtype=np.uint8
            ),
            len(rows),
        )
    captured = np.where(rng.random(count) < 0.5, WIDTH, rng.integers(0, WIDTH + 1, count))
    wire = np.where(rng.random(count) < 0.8, WIDTH, rng.integers(0, 1 << 32, count))
    time = 1_600_000_000_000_000 + np.arange(count) * rng.integers(1, 40_000)
    wild = rng.random(count) < 0.01
    time[wild] = rng.integers(-(1 << 62), 1 << 62, int(wild.sum()))
    offset = np.arange(count) * WIDTH
    lost = rng.random(count) < 0.01
    offset[lost] = rng.integers(-(1 << 62), 1 << 62, int(lost.sum()))
    packets = np.stack([offset, captured, wire, time, rng.choice(LINKS, count)], axis=1)
    return frames.reshape(-1), packets


def run_packets(total: int, batch: int, seed: int) -> tuple[int, int]:
    """Send mutated packets through the meter; gives how many became flows and how many did not."""
    rng = np.random.default_rng(seed)
    used = lost = 0
    for _ in range(total // batch):
        data, packets = mutated(rng, batch)
        meter = Meter("hostile", statistics=True)
        flows = [*meter.update(data, packets), *meter.finish()]
        counted = sum(
            int(f.frame["pkts_out"].sum()) + int(f.frame["pkts_in"].sum()) for f in flows
        )
        if counted != meter.packets:
            message = (
                f"flows must hold every packet, got {counted} of {meter.packets}; seed {seed}"
            )
            raise AssertionError(message)
        used += meter.packets
        lost += sum(meter.skipped.values())
    return used, lost


def pcap_file() -> bytes:
    records = [struct.pack("<IIII", 1_600_000_000 + n, n, WIDTH, WIDTH) + frame.tobytes()
               for n, frame in enumerate(templates()[::19])]  # fmt: skip
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1) + b"".join(records)


def pcapng_file() -> bytes:
    def block(kind: int, body: bytes) -> bytes:
        size = struct.pack("<I", len(body) + 12)
        return struct.pack("<I", kind) + size + body + size

    section = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    interface = block(1, struct.pack("<HHI", 1, 0, 0) + struct.pack("<HHI", 9, 1, 9) + bytes(4))
    packets = [block(6, struct.pack("<IIIII", 0, 0x17000000, n, WIDTH, WIDTH) + frame.tobytes())
               for n, frame in enumerate(templates()[::23])]  # fmt: skip
    simple = block(3, struct.pack("<I", WIDTH) + templates()[0].tobytes())
    return section + interface + b"".join(packets) + simple + section + interface + packets[0]


def mutate_file(rng: np.random.Generator, whole: bytes) -> bytes:
    """Flip bytes, most of them in headers; cut the end; take a piece out or double it."""
    content = bytearray(whole)
    for _ in range(int(rng.integers(1, 9))):
        content[int(rng.integers(4, len(content)))] = int(rng.integers(256))
    kind = rng.integers(6)
    a, b = sorted(int(x) for x in rng.integers(24, len(content), 2))
    if kind == 0:
        del content[a:]
    elif kind == 1:
        del content[a:b]
    elif kind == 2:
        content[a:a] = content[a:b][:400]
    elif kind == 3:
        at = int(rng.integers(0, len(content) // 4)) * 4
        content[at : at + 4] = struct.pack(
            "<I", int(rng.choice([0, 1, 12, 1 << 18, 1 << 31, (1 << 32) - 1]))
        )
    return bytes(content)


def run_files(reader: Any, whole: bytes, count: int, seed: int) -> int:
    """Read mutated files; gives how many packets became flows."""
    rng = np.random.default_rng(seed)
    used = 0
    for _ in range(count):
        report = IngestReport()
        try:
            for _batch in reader.read(mutate_file(rng, whole), name="hostile", report=report):
                pass
        except InputError:
            continue
        used += report.packets_read
    return used


def test_mutated_packets_are_used_or_counted() -> None:
    """Every packet becomes a flow or has a cause; a short run."""
    used, lost = run_packets(20_000, 10_000, seed=1)

    assert used + lost == 20_000
    assert min(used, lost) > 2_000


@pytest.mark.parametrize(("reader", "whole"), [(pcap, pcap_file()), (pcapng, pcapng_file())])
def test_mutated_files_are_read_or_refused(reader: Any, whole: bytes) -> None:
    """No mutation raises anything but our own error; a short run."""
    assert run_files(reader, whole, 100, seed=2) > 300


@pytest.mark.slow
def test_a_million_mutated_packets() -> None:
    """A million and more, in batches; none crashes the kernel, none is lost from the account."""
    used, lost = run_packets(1_200_000, 100_000, seed=3)

    assert used + lost == 1_200_000


@pytest.mark.slow
@pytest.mark.parametrize(("reader", "whole"), [(pcap, pcap_file()), (pcapng, pcapng_file())])
def test_twenty_thousand_mutated_files(reader: Any, whole: bytes) -> None:
    """Each reader survives 20,000 damaged files."""
    assert run_files(reader, whole, 20_000, seed=4) > 40_000


CHECKED = """
import sys, importlib.util
spec = importlib.util.spec_from_file_location("hostile", sys.argv[1])
hostile = importlib.util.module_from_spec(spec)
spec.loader.exec_module(hostile)
packets, files = int(sys.argv[2]), int(sys.argv[3])
used, lost = hostile.run_packets(packets, packets, seed=5)
assert used + lost == packets
hostile.run_files(hostile.pcap, hostile.pcap_file(), files, seed=6)
hostile.run_files(hostile.pcapng, hostile.pcapng_file(), files, seed=7)
print("checked", used)
"""


def checked(tmp_path: Path, packets: int, files: int, **settings: str) -> str:
    """Run the hostile packets in another process with other settings of the compiler."""
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", "-c", CHECKED, __file__, str(packets), str(files)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path), **settings},
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2_000:]
    return done.stdout


@pytest.mark.slow
def test_no_read_is_out_of_bounds(tmp_path: Path) -> None:
    """With the compiler's bounds checks on, no mutated packet or file leads outside an array."""
    assert "checked" in checked(tmp_path, 200_000, 300, NUMBA_BOUNDSCHECK="1")


@pytest.mark.slow
def test_the_kernel_runs_without_the_compiler(tmp_path: Path) -> None:
    """As plain Python, for coverage and for a debugger; the flows are the same arithmetic."""
    assert "checked" in checked(tmp_path, 200, 1, NUMBA_DISABLE_JIT="1")
