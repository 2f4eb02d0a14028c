"""What the flows of an incident say, counted once: who, whom, how many, how long, how often.

What belongs here: counts and their short words. What does not: sentences (``name.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from eddyline.flows.services import service_name
from eddyline.incidents.places import places
from eddyline.verdicts.reason import amount

CORE_TOLD: Final = 4.0
"""The core is told beside the whole when the whole lasts this many times longer."""

CORE_LEAST_S: Final = 120.0
CORE_LEAST_FLOWS: Final = 20
"""Shorter durations, s, and fewer flows are told whole."""

SHORTEST_S: Final = 0.001
"""A shorter duration is not told as a number."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What the flows of an incident say, counted once.

    Parameters
    ----------
    sources, destinations
        Addresses or networks, the busiest first.
    n_sources, n_destinations, n_ports, n_protocols, n_flows
        Distinct counts; ports are those of each transport protocol.
    ports
        Destination ports, most frequent first, at most 20.
    proto
        Transport protocol, or ``"mixed"``.
    span_s
        From the first start to the last end.
    core_s
        Shortest time that holds nine of ten flows.
    bytes_out, bytes_in
        Sums.
    gap_s
        Median time from one flow of a pair of hosts to its next, 0 where none has a next.
    """

    sources: list[str]
    destinations: list[str]
    n_sources: int
    n_destinations: int
    n_ports: int
    n_protocols: int
    n_flows: int
    ports: list[int]
    proto: str
    span_s: float
    core_s: float
    bytes_out: float
    bytes_in: float
    gap_s: float

    @property
    def who(self) -> str:
        """The source or sources, as a person says them."""
        return people(self.sources, self.n_sources)

    @property
    def whom(self) -> str:
        """The destination or destinations, as a person says them."""
        return people(self.destinations, self.n_destinations)

    @property
    def span(self) -> str:
        """The duration, as a person says it; with the shorter one that holds nearly all of it."""
        whole = amount(self.span_s, "s") if self.span_s >= SHORTEST_S else "under 1 ms"
        few = self.n_flows < CORE_LEAST_FLOWS or self.span_s < CORE_LEAST_S
        if few or self.core_s * CORE_TOLD > self.span_s:
            return whole
        return f"{amount(max(self.core_s, 1.0), 's')} (all but a few; {whole} in all)"

    @property
    def service(self) -> str:
        """The service most used, such as ``ssh (tcp/22)``."""
        if not self.ports:
            return self.proto
        return service_name(self.proto, self.ports[0])


def facts_of(flows: pl.DataFrame) -> Facts:
    """Count what the flows of an incident say.

    Parameters
    ----------
    flows
        Columns of ``story.EVIDENCE_COLUMNS``.
    """
    attempts = flows.filter((pl.col("icmp_type") != 3).fill_null(value=True))
    flows = attempts if attempts.height else flows  # refusals are evidence, not deeds
    ported = flows.filter(pl.col("port") >= 0)
    ports = ported.group_by("port").len().sort(["len", "port"], descending=[True, False])
    protos = flows["proto"].cast(pl.String).unique().to_list()
    services = flows.select(pl.struct("ip_proto", "port").n_unique()).item()
    first, last = flows["ts"].min(), flows["ts_end"].max()
    return Facts(
        sources=places(flows["src_ip"]),
        destinations=places(flows["dst_ip"]),
        n_sources=flows["src_ip"].n_unique(),
        n_destinations=flows["dst_ip"].n_unique(),
        n_ports=int(services),
        n_protocols=flows["ip_proto"].n_unique(),
        n_flows=flows.height,
        ports=ports["port"].head(20).to_list(),
        proto=str(protos[0]) if len(protos) == 1 else "mixed",
        span_s=(int(last) - int(first)) / 1e6,  # type: ignore[arg-type]
        core_s=_core_s(flows),
        bytes_out=float(flows["bytes_out"].sum()),
        bytes_in=float(flows["bytes_in"].sum()),
        gap_s=_gap_s(flows),
    )


def _gap_s(flows: pl.DataFrame) -> float:
    """Give the median time, s, from one flow of a pair of hosts to its next; 0 where none has a next."""
    ordered = flows.sort("ts")
    gaps = ordered.select(pl.col("ts").diff().over("src_ip", "dst_ip")).to_series().drop_nulls()
    return float(gaps.median()) / 1e6 if len(gaps) else 0.0  # type: ignore[arg-type]


def _core_s(flows: pl.DataFrame) -> float:
    """Give the shortest time, s, that holds nine of ten flows."""
    starts = flows["ts"].sort().to_numpy()
    held = max(1, -(-9 * len(starts) // 10))
    return float((starts[held - 1 :] - starts[: len(starts) - held + 1]).min()) / 1e6


def people(places_: Sequence[str], count: int) -> str:
    """Say hosts or networks as a person does.

    Parameters
    ----------
    places_
        Addresses or networks, the busiest first.
    count
        How many hosts there are.
    """
    if count == 1 and len(places_) == 1:
        return places_[0]
    if count <= 3:
        return " and ".join(places_)
    nets = ", ".join(places_[:2]) if any("/" in p for p in places_) else ""
    anywhere = {"0.0.0.0/0", "::/0"} & set(places_)
    return f"{count:,} hosts" + (f" of {nets}" if nets and not anywhere else "")
