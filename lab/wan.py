"""The uplink: a wire with a delay between the switch inside and the switch of the far hosts.

The kernel of a small machine may lack netem, so two packet sockets and a heap do its work: each frame
waits for the far host's one-way delay (4 to 14 ms, fixed by its address, plus a little jitter) and
frames of one host keep their order. Broadcast and multicast of IPv4 stay on their side.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import sys
import time

OUTGOING = 4
"""Packet type of frames that this machine sent itself (PACKET_OUTGOING)."""


def far_delay_s(frame: bytes, *, outward: bool) -> float:
    """Give the one-way delay of the far host of a frame: its address decides, 4 ms without one."""
    kind = int.from_bytes(frame[12:14], "big")
    if kind == 0x0800:
        tail = frame[33] if outward else frame[29]
    elif kind == 0x86DD:
        tail = frame[53] if outward else frame[37]
    else:
        return 0.004
    return 0.004 + (tail * 37 % 101) / 10_000


def _local(frame: bytes) -> bool:
    return bool(frame[0] & 1) and frame[12:14] == b"\x08\x00"


def pump(inner: str, outer: str) -> None:
    """Carry frames between two devices until the process is ended."""
    rng = random.Random(1)
    ends = []
    for device in (inner, outer):
        end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        end.bind((device, 0))
        end.setblocking(False)
        ends.append(end)
    waiting: list[tuple[float, int, int, bytes]] = []
    last: dict[bytes, float] = {}
    number = 0
    while True:
        patience = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 1.0
        ready, _, _ = select.select(ends, [], [], patience)
        for end in ready:
            try:
                while True:
                    frame, where = end.recvfrom(2048)
                    if where[2] == OUTGOING or _local(frame):
                        continue
                    outward = end is ends[0]
                    due = time.monotonic() + far_delay_s(frame, outward=outward)
                    due += rng.expovariate(1 / 0.0003)
                    pair = frame[:12]
                    due = max(due, last.get(pair, 0.0))
                    last[pair] = due
                    number += 1
                    heapq.heappush(waiting, (due, number, 1 if outward else 0, frame))
            except BlockingIOError:
                pass
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, to, frame = heapq.heappop(waiting)
            ends[to].send(frame)


if __name__ == "__main__":
    pump(sys.argv[1], sys.argv[2])
