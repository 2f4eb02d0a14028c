"""A plain meter for the lab's own checks: packets to two-way flows, labelled from the ground truth.

It exists so that the lab judges its days without the package that is judged on them. Rules: 5-tuple,
originator is the sender of the first packet, a gap of 120 s ends a flow, 1,800 s cut it.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lab.packets import Headers, parse, read

IDLE_US, ACTIVE_US = 120_000_000, 1_800_000_000
SYN, RST, ACK = 2, 4, 16


@dataclass(slots=True)
class Flow:
    """One two-way flow."""

    src: str
    dst: str
    sport: int
    dport: int
    proto: int
    start_us: int
    end_us: int
    pkts_out: int = 0
    pkts_in: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    flags_out: int = 0
    flags_in: int = 0
    attack: str = ""

    @property
    def failed(self) -> bool:
        """Say whether an attempt got no conversation: no answer, or a reset at once."""
        if self.proto == 6:
            answered = bool(self.flags_in & SYN)
            return not (answered and self.flags_out & ACK)
        return self.pkts_in == 0


def _key(h: Headers) -> tuple[str, str, int, int, int]:
    sport, dport = (0, 0) if h.proto in (1, 58) else (h.sport, h.dport)
    one, two = (h.src, sport), (h.dst, dport)
    low, high = (one, two) if one <= two else (two, one)
    return low[0], high[0], low[1], high[1], h.proto


def meter(path: Path) -> list[Flow]:
    """Give the flows of a capture in order of their first packet."""
    live: dict[tuple[str, str, int, int, int], Flow] = {}
    flows: list[Flow] = []
    for time_us, _, data in read(path):
        h = parse(data)
        if h is None:
            continue
        key = _key(h)
        flow = live.get(key)
        if flow and (time_us - flow.end_us > IDLE_US or time_us - flow.start_us > ACTIVE_US):
            flow = None
        if flow is None:
            sport, dport = (0, 0) if h.proto in (1, 58) else (h.sport, h.dport)
            flow = live[key] = Flow(h.src, h.dst, sport, dport, h.proto, time_us, time_us)
            flows.append(flow)
        flow.end_us = time_us
        if (h.src, h.sport) == (flow.src, flow.sport) or (
            h.proto in (1, 58) and h.src == flow.src
        ):
            flow.pkts_out += 1
            flow.bytes_out += h.length
            flow.flags_out |= h.flags
        else:
            flow.pkts_in += 1
            flow.bytes_in += h.length
            flow.flags_in |= h.flags
    return flows


NUMBERS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "ipv6-icmp": 58}


def label(flows: Iterable[Flow], truth: Path) -> None:
    """Mark flows by the rule of the truth file: same two ends, and the intervals touch."""
    rows: dict[tuple[str, str, int, int, int], list[tuple[int, int, str]]] = {}
    with gzip.open(truth, "rt") as file:
        for row in csv.DictReader(file):
            one = (row["src_ip"], int(row["src_port"] or 0))
            two = (row["dst_ip"], int(row["dst_port"] or 0))
            low, high = (one, two) if one <= two else (two, one)
            key = (low[0], high[0], low[1], high[1], NUMBERS[row["proto"]])
            rows.setdefault(key, []).append(
                (int(row["start_us"]), int(row["end_us"]), row["attack_id"])
            )
    for flow in flows:
        one, two = (flow.src, flow.sport), (flow.dst, flow.dport)
        low, high = (one, two) if one <= two else (two, one)
        for start, end, name in rows.get((low[0], high[0], low[1], high[1], flow.proto), ()):
            if flow.start_us <= end and flow.end_us >= start:
                flow.attack = name
                break
