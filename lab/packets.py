"""Reading and writing the captures: classic pcap on Ethernet, and the few header fields needed here."""

from __future__ import annotations

import gzip
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

SNAP = 128
ENCRYPTED = frozenset({22, 443})
"""Ports whose payload is encrypted: it says nothing, does not compress, and is left out for size."""


@dataclass(frozen=True, slots=True)
class Headers:
    """Addresses, ports and sizes of one IP packet."""

    src: str
    dst: str
    proto: int
    sport: int
    dport: int
    length: int
    flags: int
    payload_at: int


def read(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """Give (time in µs, length on the wire, bytes kept) of every packet of a pcap or pcap.gz."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        magic = file.read(24)[:4]
        if magic != b"\xd4\xc3\xb2\xa1":
            raise ValueError(f"{path.name}: expected a little-endian µs pcap, got {magic.hex()}")
        while len(head := file.read(16)) == 16:
            seconds, micros, kept, length = struct.unpack("<4I", head)
            data = file.read(kept)
            if len(data) < kept:
                break
            yield seconds * 1_000_000 + micros, length, data


def write(path: Path, packets: Iterable[tuple[int, int, bytes]]) -> None:
    """Write packets as pcap.gz with a fixed gzip header, so that equal packets give equal files."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, SNAP, 1))
        for time_us, length, data in packets:
            kept = data[:SNAP]
            file.write(
                struct.pack("<4I", time_us // 1_000_000, time_us % 1_000_000, len(kept), length)
            )
            file.write(kept)


def parse(data: bytes) -> Headers | None:
    """Read the headers of an Ethernet frame; None when it does not carry IP."""
    kind = int.from_bytes(data[12:14], "big")
    if kind == 0x0800 and len(data) >= 34:
        proto, at = data[23], 14 + (data[14] & 15) * 4
        src, dst = socket.inet_ntoa(data[26:30]), socket.inet_ntoa(data[30:34])
        length = int.from_bytes(data[16:18], "big")
    elif kind == 0x86DD and len(data) >= 54:
        proto, at = data[20], 54
        src = socket.inet_ntop(socket.AF_INET6, data[22:38])
        dst = socket.inet_ntop(socket.AF_INET6, data[38:54])
        length = int.from_bytes(data[18:20], "big") + 40
        if proto == 0 and len(data) > 56:
            proto, at = data[54], 54 + 8 * (data[55] + 1)
    else:
        return None
    sport = dport = flags = 0
    if proto in (6, 17) and len(data) >= at + 8:
        sport, dport = struct.unpack(">2H", data[at : at + 4])
        payload_at = at + 8
        if proto == 6 and len(data) >= at + 14:
            flags, payload_at = data[at + 13], at + 4 * (data[at + 12] >> 4)
    else:
        payload_at = at + 8
        if proto in (1, 58) and len(data) >= at + 2:
            sport, dport = data[at], data[at + 1]
    return Headers(src, dst, proto, sport, dport, length, flags, payload_at)


def shorten(data: bytes, headers: Headers | None) -> bytes:
    """Cut a frame to what the capture keeps of it: of encrypted payload only what names a record."""
    if headers and headers.proto == 6 and ENCRYPTED & {headers.sport, headers.dport}:
        at = headers.payload_at
        head = data[at : at + 5]
        if head.startswith(b"SSH-"):
            return data[:SNAP]
        named = len(head) == 5 and 20 <= head[0] <= 23 and head[1] == 3
        return data[: min(SNAP, at + 5 if named else at)]
    return data[:SNAP]
