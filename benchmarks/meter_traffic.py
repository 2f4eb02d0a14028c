"""Write a synthetic capture for meters: so many packets, flows and bytes, the same for the same seed.

TCP and UDP over IPv4 in Ethernet, both ways, SYN first and FIN last; flows overlap, as on a busy link.

    python benchmarks/meter_traffic.py busy.pcap --packets 2000000 --flows 20000 --frame 500
    python benchmarks/meter_traffic.py many.pcap --packets 10000000 --flows 1000000 --frame 80
    python benchmarks/meter_traffic.py flood.pcap --packets 1000000 --flows 1000000 --frame 60
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

CHUNK = 200_000
"""Packets that are built at once."""
STEP_US = 10
"""Mean time between packets."""
ALIVE = 0.2
"""Share of the flows that are under way at once."""
HEAD = 16 + 14 + 20 + 20
FILE_HEADER = np.array([0xA1B2C3D4, 0x00040002, 0, 0, 262144, 1], dtype="<u4")


def write(path: Path, packets: int, flows: int, frame: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    src = rng.integers(0x0A000000, 0x0AFFFFFF, flows, dtype=np.uint32)
    dst = rng.integers(0xC0A80000, 0xC0A8FFFF, flows, dtype=np.uint32)
    sport = rng.integers(1024, 65535, flows, dtype=np.uint32)
    dport = rng.choice(np.array([53, 80, 123, 443, 445, 8080], dtype=np.uint32), flows)
    seen = np.zeros(flows, dtype=np.int32)
    each = packets / flows
    with path.open("wb") as file:
        file.write(FILE_HEADER.tobytes())
        for start in range(0, packets, CHUNK):
            index = np.arange(start, min(packets, start + CHUNK))
            if packets == flows:
                flow = index
            else:
                # A window of flows slides over the capture, so that each has about as many packets.
                window = max(1, int(flows * ALIVE))
                first = (index / packets * (flows - window)).astype(np.int64)
                flow = first + (rng.random(len(index)) * window).astype(np.int64)
            order = np.argsort(flow, kind="stable")
            counts = np.bincount(flow[order], minlength=flows)
            rank = np.empty(len(index), dtype=np.int64)
            starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
            rank[order] = np.arange(len(index)) - starts[flow[order]]
            rank += seen[flow]
            seen += counts.astype(np.int32)
            back = (rank > 0) & (rng.random(len(index)) < 0.5)
            size = np.full(len(index), frame)
            if frame > 100:
                size = rng.choice([66, 590, 1400], len(index), p=split(frame))
            file.write(
                build(index, flow, rank, back, size, each, (src, dst, sport, dport), rng).tobytes()
            )


def split(frame: int) -> list[float]:
    """Shares of small, middle and large frames with the wanted mean."""
    large = (frame - 0.6 * 66 - 0.4 * 590) / (1400 - 590)
    return [0.6, 0.4 - large, large]


def build(index, flow, rank, back, size, each, ends, rng):
    src, dst, sport, dport = (values[flow] for values in ends)
    a, b = np.where(back, dst, src), np.where(back, src, dst)
    pa, pb = np.where(back, dport, sport), np.where(back, sport, dport)
    udp = dport == 53
    time = 1_700_000_000_000_000 + index * STEP_US + rng.integers(0, STEP_US, len(index))
    head = np.zeros((len(index), HEAD), dtype=np.uint8)
    put(head, 0, (time // 1_000_000).astype("<u4"))
    put(head, 4, (time % 1_000_000).astype("<u4"))
    put(head, 8, size.astype("<u4"))
    put(head, 12, size.astype("<u4"))
    head[:, 16:28] = np.frombuffer(bytes.fromhex("0200000000010200000000020800"), np.uint8)[:12]
    head[:, 28] = 8
    head[:, 30] = 0x45
    put(head, 32, (size - 14).astype(">u2"))
    head[:, 38] = 64
    head[:, 39] = np.where(udp, 17, 6)
    put(head, 42, a.astype(">u4"))
    put(head, 46, b.astype(">u4"))
    put(head, 50, pa.astype(">u2"))
    put(head, 52, pb.astype(">u2"))
    put(head[udp], 54, (size[udp] - 34).astype(">u2"))
    tcp = ~udp
    head[tcp, 62] = 0x50
    flags = np.where(rank == 0, 2, np.where(rank == 1, 0x12, np.where(rank > each, 0x11, 0x18)))
    head[tcp, 63] = flags[tcp]
    offsets = np.concatenate([[0], np.cumsum(size + 16)])
    out = np.zeros(offsets[-1], dtype=np.uint8)
    kept = min(HEAD, int(size.min()) + 16)
    out[offsets[:-1, None] + np.arange(kept)] = head[:, :kept]
    return out


def put(head, at, values):
    head[:, at : at + values.dtype.itemsize] = values.view(np.uint8).reshape(len(values), -1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--packets", type=int, default=2_000_000)
    parser.add_argument("--flows", type=int, default=20_000)
    parser.add_argument("--frame", type=int, default=500, help="mean bytes of a frame")
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    write(chosen.out, chosen.packets, chosen.flows, chosen.frame, chosen.seed)


if __name__ == "__main__":
    main()
