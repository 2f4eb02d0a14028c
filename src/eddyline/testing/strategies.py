"""Hypothesis strategies for what crosses the borders, for our tests and for plug-in authors.

What belongs here: generators of valid inputs. What does not: the checks that use them. Needs hypothesis,
which the base install does not bring.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import strategies as st

from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import STATES
from eddyline.tables import Floats, TokenGroups
from eddyline.testing.check_sequence_detector import groups_of


@st.composite
def matrices(
    draw: st.DrawFn,
    *,
    min_rows: int = 2,
    max_rows: int = 60,
    min_columns: int = 1,
    max_columns: int = 6,
) -> Floats:
    """Draw matrices as traffic makes them: repeats, constant columns, counts, heavy tails, zeros, negatives.

    Parameters
    ----------
    draw
        Given by hypothesis.
    min_rows, max_rows, min_columns, max_columns
        Bounds of the shape, both included.
    """
    n, d = draw(st.integers(min_rows, max_rows)), draw(st.integers(min_columns, max_columns))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = [_column(draw(st.sampled_from(COLUMN_KINDS)), n, rng) for _ in range(d)]
    X = np.stack(columns, axis=1)
    if draw(st.booleans()):
        X[rng.random(n) < 0.4] = X[0]
    if draw(st.booleans()):
        X[int(rng.integers(n)), int(rng.integers(d))] = draw(
            st.floats(-1e15, 1e15, allow_nan=False, allow_infinity=False)
        )
    return np.ascontiguousarray(X)


COLUMN_KINDS = ("normal", "counts", "heavy", "constant", "zeros", "share")


def _column(kind: str, n: int, rng: np.random.Generator) -> Floats:
    match kind:
        case "normal":
            return rng.normal(0.0, 3.0, n)
        case "counts":
            return rng.poisson(4.0, n).astype(np.float64)
        case "heavy":
            return np.exp(rng.normal(3.0, 3.0, n))
        case "constant":
            return np.full(n, float(rng.integers(-5, 6)))
        case "zeros":
            return np.where(rng.random(n) < 0.95, 0.0, rng.exponential(10.0, n))
        case _:
            return rng.random(n)


@st.composite
def token_groups(draw: st.DrawFn, *, max_groups: int = 12, max_length: int = 15) -> TokenGroups:
    """Draw groups of tokens, none empty; texts include any character but NUL, which numpy strips.

    Parameters
    ----------
    draw
        Given by hypothesis.
    max_groups, max_length
        Bounds, both included.
    """
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    alphabet = draw(st.lists(text, min_size=1, max_size=6, unique=True))
    group = st.lists(st.sampled_from(alphabet), min_size=1, max_size=max_length)
    return groups_of(draw(st.lists(group, min_size=1, max_size=max_groups)))


START_US = 1_750_000_000_000_000
"""First moment of drawn flows, µs since the epoch: 15 June 2025."""

PROTOCOLS = {"tcp": 6, "udp": 17, "icmp": 1, "ipv6-icmp": 58, "gre": 47}


@st.composite
def flow_batches(draw: st.DrawFn, *, min_flows: int = 0, max_flows: int = 40) -> FlowBatch:
    """Draw batches of flows in event-time order: few hosts, IPv4 and IPv6, all states, missing counters.

    Parameters
    ----------
    draw
        Given by hypothesis.
    min_flows, max_flows
        Bounds, both included.
    """
    n = draw(st.integers(min_flows, max_flows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    span_us = draw(st.sampled_from([0, 1_000_000, 3_600_000_000, 3 * 86_400_000_000]))
    rows = [_flow(number, span_us, rng) for number in range(n)]
    if not rows:
        return FlowBatch.empty()
    return FlowBatch.of(pl.DataFrame(rows, infer_schema_length=None)).sort()


def _flow(number: int, span_us: int, rng: np.random.Generator) -> dict[str, object]:
    """Make one flow that could have been seen."""
    version = 6 if rng.random() < 0.2 else 4
    prefix = "2001:db8::" if version == 6 else "10.0.0."
    proto = str(rng.choice(list(PROTOCOLS)))
    ports = proto in ("tcp", "udp")
    ts = START_US + int(rng.integers(0, span_us + 1))
    duration_us = int(rng.choice([0, 1, 999_999, int(rng.exponential(5e6))]))
    one_way = bool(rng.random() < 0.4)
    counters = {
        "pkts_out": int(rng.integers(1, 1000)),
        "pkts_in": 0 if one_way else int(rng.integers(1, 1000)),
        "bytes_out": int(rng.lognormal(7, 3)) + 28,
        "bytes_in": 0 if one_way else int(rng.lognormal(7, 3)) + 28,
    }
    return {
        "ts": ts,
        "ts_end": ts + duration_us,
        "duration_s": duration_us / 1e6,
        "uid": f"F{number:06d}",
        "src_ip": f"{prefix}{rng.integers(1, 9)}",
        "dst_ip": f"{prefix}{rng.integers(1, 99)}",
        "src_port": int(rng.integers(1024, 65536)) if ports else None,
        "dst_port": int(rng.choice([22, 53, 80, 443, 8080, int(rng.integers(0, 65536))]))
        if ports
        else None,
        "proto": proto,
        "ip_proto": PROTOCOLS[proto],
        "ip_version": version,
        "state": str(rng.choice(STATES)) if proto == "tcp" else None,
        **(counters if rng.random() < 0.9 else dict.fromkeys(counters)),
    }
