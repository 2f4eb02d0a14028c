"""Attacks in small: one function a shape, to plant into the quiet traffic of ``traffic.py``.

What belongs here: shapes as plain as a definition, seeded where chance has a part. What does not: quiet
traffic (``traffic.py``) and real tools (``lab/``).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from eddyline.flows.batch import FlowBatch
from eddyline.testing.traffic import (
    FILE_SERVER,
    LOOKUP,
    REFUSED,
    RESOLVER,
    SECOND_US,
    START_US,
    VAIN,
    Exchange,
    flows,
)


def _evenly(start_us: int, span_s: float, n: int) -> NDArray[np.int64]:
    return start_us + (np.arange(n) * (span_s * SECOND_US / max(n, 1))).astype(np.int64)


def sweep(
    src: str = "10.20.1.99",
    *,
    n_hosts: int = 60,
    port: int = 445,
    span_s: float = 60.0,
    start_us: int = START_US,
    tag: str = "sweep",
) -> FlowBatch:
    """Plant one host that tries one port of many hosts of 10.30.0.0/16, none of which answers.

    Parameters
    ----------
    src
        The scanner.
    n_hosts
        Hosts tried, 1 to 60,000.
    port
        Port tried.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    hosts = [f"10.30.{i // 250}.{1 + i % 250}" for i in range(n_hosts)]
    return flows(src, hosts, _evenly(start_us, span_s, n_hosts), replace(VAIN, port=port), tag=tag)


def host_scan(
    src: str = "10.20.1.99",
    dst: str = FILE_SERVER,
    *,
    n_ports: int = 100,
    span_s: float = 20.0,
    start_us: int = START_US,
    tag: str = "host_scan",
) -> FlowBatch:
    """Plant one host that tries many ports of another, all refused, from one source port as nmap does.

    Parameters
    ----------
    src, dst
        The scanner and its target.
    n_ports
        Ports tried, from 1 upwards.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    tried = replace(REFUSED, port=1 + np.arange(n_ports), src_port=61_000)
    return flows(src, dst, _evenly(start_us, span_s, n_ports), tried, tag=tag)


def flood(
    dst: str = FILE_SERVER,
    *,
    n_flows: int = 2000,
    n_sources: int = 300,
    port: int = 80,
    span_s: float = 30.0,
    start_us: int = START_US,
    tag: str = "flood",
) -> FlowBatch:
    """Plant very many SYNs from many outside addresses to one service.

    Parameters
    ----------
    dst
        The target.
    n_flows, n_sources
        SYNs, and addresses they come from (up to 60,000).
    port
        The service.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    sources = [
        f"203.{i // 250 % 250}.{i // 62_500}.{1 + i % 250}"
        for i in (np.arange(n_flows) % n_sources).tolist()
    ]
    return flows(
        sources, dst, _evenly(start_us, span_s, n_flows), replace(VAIN, port=port), tag=tag
    )


def guessing(
    src: str = "10.20.1.98",
    dst: str = FILE_SERVER,
    *,
    n_tries: int = 60,
    port: int = 22,
    span_s: float = 60.0,
    start_us: int = START_US,
    tag: str = "guessing",
) -> FlowBatch:
    """Plant one host that logs in again and again, each try like the other.

    Parameters
    ----------
    src, dst
        The guesser and the server.
    n_tries
        Connections.
    port
        The login service.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    tried = Exchange("tcp", port, "SF", 14, 14, 2100, 2300, 1.9)
    return flows(src, dst, _evenly(start_us, span_s, n_tries), tried, tag=tag)


def beacon(
    src: str = "10.20.1.97",
    dst: str = "203.0.113.66",
    *,
    n_calls: int = 50,
    gap_s: float = 60.0,
    jitter: float = 0.1,
    start_us: int = START_US,
    seed: int = 0,
    tag: str = "beacon",
) -> FlowBatch:
    """Plant an inside host that calls one outside service in a rhythm, always with the same words.

    Parameters
    ----------
    src, dst
        The host and whom it calls.
    n_calls
        Calls.
    gap_s
        Time between two calls, s.
    jitter
        Part of the gap by which each call may come late, in [0, 1).
    start_us
        Begin, µs since the epoch.
    seed
        Start of the randomness.
    tag
        Beginning of each ``uid``.
    """
    late = np.random.default_rng(seed).uniform(0.0, jitter, n_calls)
    at = start_us + ((np.arange(n_calls) + late) * gap_s * SECOND_US).astype(np.int64)
    called = Exchange("tcp", 8081, "SF", 6, 5, 310, 420, 0.2)
    return flows(src, dst, at, called, tag=tag)


def tunnel(
    src: str = "10.20.1.96",
    dst: str = RESOLVER,
    *,
    n_questions: int = 400,
    question_bytes: int = 130,
    span_s: float = 200.0,
    start_us: int = START_US,
    tag: str = "tunnel",
) -> FlowBatch:
    """Plant DNS questions that are too long for names.

    Parameters
    ----------
    src, dst
        The host and its resolver.
    n_questions
        Questions.
    question_bytes
        Payload of each, bytes.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    asked = replace(LOOKUP, payload_out=question_bytes, payload_in=question_bytes + 90)
    return flows(src, dst, _evenly(start_us, span_s, n_questions), asked, tag=tag)


def upload(
    src: str = "10.20.1.95",
    dst: str = "203.0.113.77",
    *,
    n_bytes: int = 400_000_000,
    n_flows: int = 4,
    span_s: float = 200.0,
    start_us: int = START_US,
    tag: str = "upload",
) -> FlowBatch:
    """Plant an inside host that sends much to one outside host and receives little.

    Parameters
    ----------
    src, dst
        The host and where the data goes.
    n_bytes
        Payload sent in all, bytes.
    n_flows
        Connections that share it.
    span_s
        How long, s.
    start_us
        Begin, µs since the epoch.
    tag
        Beginning of each ``uid``.
    """
    each = n_bytes // n_flows
    sent = Exchange("tcp", 443, "SF", each // 1400, each // 5600, each, 6000, span_s / n_flows / 2)
    return flows(src, dst, _evenly(start_us, span_s, n_flows), sent, tag=tag)
