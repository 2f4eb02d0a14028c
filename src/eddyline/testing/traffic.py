"""Small made-up traffic, for tests, plug-in authors and documentation: flows by hand, and a quiet office.

What belongs here: flows that look like what they are called, cheap, seeded, the same on every machine.
What does not: attacks (``shapes.py``) and traffic that detectors are measured on; that is real (``lab/``,
public captures).

A flow carries its ``tag`` in its ``uid``, so that a test can ask which flows a story took.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from eddyline.errors import DataError
from eddyline.flows.batch import FlowBatch
from eddyline.read.direction import Perimeter

START_US: Final = 1_750_032_000_000_000
"""Monday, 16 June 2025, 00:00 UTC: a whole hour, so that windows begin with the traffic."""

SECOND_US: Final = 1_000_000

RESOLVER: Final = "10.20.10.2"
MAIL_SERVER: Final = "10.20.10.3"
FILE_SERVER: Final = "10.20.10.4"
MONITOR: Final = "10.20.10.9"

_NUMBERS: Final = {"icmp": 1, "tcp": 6, "udp": 17, "ipv6-icmp": 58}
_HEADERS: Final = {6: 20, 17: 8}


@dataclass(frozen=True, slots=True)
class Exchange:
    """What two hosts say to each other in one flow; each value one for all flows, or one a flow.

    Parameters
    ----------
    proto
        tcp, udp, icmp or ipv6-icmp.
    port
        Port of the responder; None without ports.
    state
        Connection state, Zeek's vocabulary; None for none.
    pkts_out, pkts_in
        Packets each way.
    payload_out, payload_in
        Transport payload each way, bytes.
    duration_s
        From the first packet to the last, s.
    src_port
        Port of the originator; None for a fresh one each time.
    icmp_type
        ICMP type; None when it is not ICMP.
    tcp_flags_out
        OR of the originator's TCP flags; None for none given.
    """

    proto: str = "tcp"
    port: ArrayLike | None = 443
    state: str | None = "SF"
    pkts_out: ArrayLike = 9
    pkts_in: ArrayLike = 10
    payload_out: ArrayLike = 900
    payload_in: ArrayLike = 9000
    duration_s: ArrayLike = 0.6
    src_port: ArrayLike | None = None
    icmp_type: int | None = None
    tcp_flags_out: int | None = None


PAGE: Final = Exchange()
"""A web page over TLS."""

LOOKUP: Final = Exchange("udp", 53, "SF", 1, 1, 34, 90, 0.02)
"""A name look-up."""

VAIN: Final = Exchange("tcp", 445, "S0", 1, 0, 0, 0, 0.0)
"""A SYN that nobody answers."""

REFUSED: Final = Exchange("tcp", 445, "REJ", 1, 1, 0, 0, 0.001)
"""A SYN that is answered by a reset."""

PING: Final = Exchange("icmp", None, None, 1, 1, 64, 64, 0.001, icmp_type=8)
"""An answered ping."""


def flows(
    src: str | Sequence[str],
    dst: str | Sequence[str],
    at_us: ArrayLike,
    exchange: Exchange = PAGE,
    *,
    tag: str = "flow",
) -> FlowBatch:
    """Make flows in event-time order, their direction told with the private ranges inside.

    Parameters
    ----------
    src, dst
        Originator and responder: one for all flows, or one a flow.
    at_us
        Start of each flow, µs since the epoch, shape ``(n,)``.
    exchange
        What is said.
    tag
        Beginning of each ``uid``.
    """
    start = np.asarray(at_us, dtype=np.int64)
    n = len(start)
    if n == 0:
        return FlowBatch.empty()
    number = _NUMBERS[exchange.proto]
    v6 = ":" in (src if isinstance(src, str) else src[0])
    header = (40 if v6 else 20) + _HEADERS.get(number, 8)
    ported = exchange.port is not None
    lasts = np.broadcast_to(np.asarray(exchange.duration_s, dtype=np.float64), n)
    counts = {
        name: np.broadcast_to(np.asarray(getattr(exchange, name), dtype=np.uint64), n)
        for name in ("pkts_out", "pkts_in", "payload_out", "payload_in")
    }
    sport = 49_152 + np.arange(n) % 16_000 if exchange.src_port is None else exchange.src_port
    frame = pl.DataFrame(
        {
            "ts": start,
            "ts_end": start + np.round(lasts * SECOND_US).astype(np.int64),
            "duration_s": lasts,
            "uid": [f"{tag}.{i}" for i in range(n)],
            "src_ip": [src] * n if isinstance(src, str) else list(src),
            "dst_ip": [dst] * n if isinstance(dst, str) else list(dst),
            "src_port": np.broadcast_to(np.asarray(sport), n) if ported else [None] * n,
            "dst_port": np.broadcast_to(np.asarray(exchange.port), n) if ported else [None] * n,
            "proto": [exchange.proto] * n,
            "ip_proto": np.full(n, number),
            "ip_version": np.full(n, 6 if v6 else 4),
            "bytes_out": counts["payload_out"] + np.uint64(header) * counts["pkts_out"],
            "bytes_in": counts["payload_in"] + np.uint64(header) * counts["pkts_in"],
            **counts,
            "state": [exchange.state] * n,
            "icmp_type": [exchange.icmp_type] * n,
            "tcp_flags_out": [exchange.tcp_flags_out] * n,
        }
    )
    return Perimeter().place(FlowBatch.of(frame).sort())


def mixed(*batches: FlowBatch) -> FlowBatch:
    """Lay shapes over each other in event-time order.

    Parameters
    ----------
    batches
        Flows whose ``uid`` differ.

    Raises
    ------
    DataError
        When two flows have one ``uid``.
    """
    whole = FlowBatch.concat(batches).sort()
    if whole.frame["uid"].n_unique() != len(whole):
        twice = whole.frame.filter(pl.col("uid").is_duplicated())["uid"][0]
        message = f"flows must differ in uid, got {twice!r} twice; give each shape its own tag"
        raise DataError(message)
    return whole


def cut(batch: FlowBatch, places: Sequence[int]) -> list[FlowBatch]:
    """Cut flows into batches, as a stream would bring them.

    Parameters
    ----------
    batch
        Flows in event-time order.
    places
        Rows before which to cut, in any order; repeats make empty batches.
    """
    bounds = [0, *sorted(min(max(place, 0), len(batch)) for place in places), len(batch)]
    return [batch.slice(a, b - a) for a, b in pairwise(bounds)]


def host(number: int) -> str:
    """Name a quiet host: ``10.20.1.x``.

    Parameters
    ----------
    number
        From 0 to 199.
    """
    return f"10.20.1.{20 + number}"


def quiet(
    *, n_hosts: int = 12, hours: float = 4.0, start_us: int = START_US, seed: int = 0
) -> FlowBatch:
    """Make a quiet office: browsing, names, mail, time, and a monitor that pings.

    Parameters
    ----------
    n_hosts
        Hosts that browse, ``> 0``.
    hours
        How long, ``> 0``.
    start_us
        Begin, µs since the epoch.
    seed
        Start of the randomness.
    """
    rng = np.random.default_rng(seed)
    span_us = int(hours * 3600 * SECOND_US)
    everyone = [host(number) for number in range(n_hosts)]
    parts = [
        part
        for one in everyone
        for part in (
            *_browsing(one, span_us, start_us, rng),
            _polls(one, MAIL_SERVER, 300, replace(PAGE, port=993), span_us, start_us, rng),
            _polls(one, "192.0.2.123", 1024, _TIME, span_us, start_us, rng),
        )
    ]
    parts += [
        _polls(MONITOR, one, 60, PING, span_us, start_us, rng)
        for one in (RESOLVER, MAIL_SERVER, FILE_SERVER)
    ]
    return mixed(*parts)


_TIME: Final = Exchange("udp", 123, "SF", 1, 1, 48, 48, 0.03)


def _browsing(
    one: str, span_us: int, start_us: int, rng: np.random.Generator
) -> tuple[FlowBatch, FlowBatch]:
    """Make a host's look-ups, each followed by a few pages of one of thirty sites."""
    visits = np.sort(rng.integers(0, span_us, max(1, int(span_us / SECOND_US / 240))))
    pages = rng.integers(1, 7, len(visits))
    at = np.repeat(visits, pages) + rng.integers(50_000, 4 * SECOND_US, pages.sum())
    site = np.repeat(rng.zipf(1.6, len(visits)) % 30, pages)
    size = rng.lognormal(9.0, 1.2, len(at)).astype(np.int64)
    page = replace(
        PAGE,
        payload_out=rng.integers(400, 2500, len(at)),
        payload_in=size,
        pkts_in=5 + size // 1400,
        pkts_out=5 + size // 2800,
        duration_s=rng.exponential(1.5, len(at)),
    )
    names = replace(LOOKUP, payload_out=rng.integers(25, 48, len(visits)))
    return (
        flows(one, RESOLVER, start_us + visits, names, tag=f"names-{one}"),
        flows(one, [f"198.51.100.{10 + s}" for s in site], start_us + at, page, tag=f"web-{one}"),
    )


def _polls(
    src: str,
    dst: str,
    every_s: int,
    what: Exchange,
    span_us: int,
    start_us: int,
    rng: np.random.Generator,
) -> FlowBatch:
    """Make a contact that repeats, with a tenth of jitter."""
    n = max(1, span_us // (every_s * SECOND_US))
    steps = (np.arange(n) + rng.uniform(0.0, 0.1, n)) * every_s + rng.uniform(0, every_s * 0.9)
    at = (steps * SECOND_US).astype(np.int64)
    return flows(src, dst, start_us + at[at < span_us], what, tag=f"poll-{src}-{dst}-{what.port}")
