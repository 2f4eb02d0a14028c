"""The flow record: the one dictionary of columns that every room takes names, units and meanings from.

What belongs here: a column's name, type, unit, meaning and what a missing value says. What does not:
other tools' names for the same thing (``read/<format>.py``) and anything computed from several flows.

Names and units follow the interchange conventions of the project. Missing is null, never 0. Times are
microseconds since the epoch, UTC. ``src`` is the originator; ``_out`` counts what goes from it, ``_in``
what goes to it. Byte counters are IP-level (header and payload, without link layer) unless said.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

SCHEMA_VERSION: Final = 1
"""Version of the record; raised when a column changes its name, type, unit or meaning."""

ADDRESS: Final = pl.Categorical()
"""Addresses and other texts that repeat are dictionary-encoded."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the flow record.

    Parameters
    ----------
    name
        Its name, everywhere.
    dtype
        Polars type of its values.
    unit
        Unit of a value, or ``""`` for a name or an identifier.
    meaning
        What a value says, and where it misleads.
    missing
        What null says; ``""`` when the column is never null.
    """

    name: str
    dtype: pl.DataType
    unit: str
    meaning: str
    missing: str


CORE: Final[tuple[Column, ...]] = (
    Column("ts", pl.Int64(), "µs", "first packet, since the epoch, UTC", ""),
    Column("ts_end", pl.Int64(), "µs", "last packet; flows travel in this order", ""),
    Column("duration_s", pl.Float64(), "s", "ts_end − ts; not a latency", "the source gives none"),
    Column("uid", pl.String(), "", "identifier of the source, or made by the meter", ""),
    Column(
        "community_id",
        pl.String(),
        "",
        "Community ID v1, the same for both directions",
        "not computed yet, or the protocol has none",
    ),
    Column("src_ip", ADDRESS, "", "originator: sender of the first packet", ""),
    Column("dst_ip", ADDRESS, "", "responder", ""),
    Column("src_port", pl.UInt16(), "", "port of the originator", "the protocol has no ports"),
    Column("dst_port", pl.UInt16(), "", "port of the responder", "the protocol has no ports"),
    Column(
        "proto", ADDRESS, "", "transport protocol, lower case: tcp, udp, icmp, ipv6-icmp …", ""
    ),
    Column("ip_proto", pl.UInt8(), "", "IANA protocol number", "the source names an unknown one"),
    Column("ip_version", pl.UInt8(), "", "4 or 6", "the addresses are not IP addresses"),
    Column("app", ADDRESS, "", "application protocol as the source names it", "not recognised"),
    Column("bytes_out", pl.UInt64(), "bytes", "IP-level bytes src → dst", "not counted"),
    Column("bytes_in", pl.UInt64(), "bytes", "IP-level bytes dst → src", "not counted"),
    Column("payload_out", pl.UInt64(), "bytes", "transport payload src → dst", "not counted"),
    Column("payload_in", pl.UInt64(), "bytes", "transport payload dst → src", "not counted"),
    Column("pkts_out", pl.UInt64(), "packets", "packets src → dst", "not counted"),
    Column("pkts_in", pl.UInt64(), "packets", "packets dst → src", "not counted"),
    Column(
        "state", ADDRESS, "", "connection state, Zeek's vocabulary (S0, SF, REJ …)", "none given"
    ),
    Column("history", pl.String(), "", "Zeek-style flag history", "none given"),
    Column(
        "tcp_flags_out", pl.UInt8(), "", "OR of the TCP flags src → dst", "not TCP, or none given"
    ),
    Column(
        "tcp_flags_in", pl.UInt8(), "", "OR of the TCP flags dst → src", "not TCP, or none given"
    ),
    Column("missed_bytes", pl.UInt64(), "bytes", "payload known to be lost", "not counted"),
    Column(
        "direction", ADDRESS, "", "inbound, outbound, internal, local, external", "no perimeter"
    ),
    Column(
        "vlan", pl.List(pl.UInt16()), "", "VLAN tags, outermost first; empty without", "not given"
    ),
    Column("icmp_type", pl.UInt8(), "", "ICMP type of the first packet", "not ICMP"),
    Column("icmp_code", pl.UInt8(), "", "ICMP code of the first packet", "not ICMP"),
    Column("sensor", ADDRESS, "", "who observed it: file or sensor name", "not given"),
    Column("tunnel", pl.List(pl.String()), "", "identifiers of the parents", "not given"),
    Column("sampling_rate", pl.UInt32(), "", "N of 1:N; 1 when unsampled", "unknown"),
    Column("quality", pl.UInt16(), "", "bit set of the flags in QUALITY", ""),
)
"""The columns that every batch has, in this order."""

QUALITY: Final[dict[str, int]] = {
    "sampled": 1,
    "midstream": 2,
    "unidirectional": 4,
    "clock_suspect": 8,
    "double_export": 16,
    "nat_suspect": 32,
    "client_unknown": 64,
    "truncated": 128,
}
"""Bits of the column ``quality``."""

STATES: Final = (
    "S0 S1 SF REJ S2 S3 RSTO RSTR RSTOS0 RSTRH SH SHR OTH".split()  # noqa: SIM905
)
"""Zeek's connection states."""

FAILED_STATES: Final = frozenset({"S0", "REJ", "RSTOS0", "RSTRH", "SH"})
"""States of an attempt that never became a conversation."""

DIRECTIONS: Final = ("inbound", "outbound", "internal", "local", "external", "unknown")
"""Values of the column ``direction``."""


def _statistics() -> tuple[Column, ...]:
    """Build NFStream-named statistics: packet size, inter-arrival time and flag counts per way."""
    ways = (("bidirectional", "both ways"), ("src2dst", "src → dst"), ("dst2src", "dst → src"))
    kinds = (
        ("min", "smallest", pl.UInt64()),
        ("mean", "mean", pl.Float64()),
        ("stddev", "sample standard deviation of", pl.Float64()),
        ("max", "largest", pl.UInt64()),
    )
    columns: list[Column] = []
    for way, words in ways:
        columns.extend(
            (
                Column(f"{way}_first_seen_ms", pl.UInt64(), "ms", f"first packet, {words}", ""),
                Column(f"{way}_last_seen_ms", pl.UInt64(), "ms", f"last packet, {words}", ""),
                Column(f"{way}_duration_ms", pl.UInt64(), "ms", f"last − first, {words}", ""),
                Column(f"{way}_packets", pl.UInt64(), "packets", f"packets, {words}", ""),
                Column(f"{way}_bytes", pl.UInt64(), "bytes", f"link-layer bytes, {words}", ""),
            )
        )
    for way, words in ways:
        columns.extend(
            Column(f"{way}_{kind}_ps", dtype, "bytes", f"{text} packet size, {words}", "")
            for kind, text, dtype in kinds
        )
    for way, words in ways:
        columns.extend(
            Column(
                f"{way}_{kind}_piat_ms", dtype, "ms", f"{text} gap between packets, {words}", ""
            )
            for kind, text, dtype in kinds
        )
    for way, words in ways:
        columns.extend(
            Column(
                f"{way}_{flag}_packets",
                pl.UInt64(),
                "packets",
                f"packets with {flag.upper()}, {words}",
                "",
            )
            for flag in ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")
        )
    return tuple(columns)


STATISTICS: Final[tuple[Column, ...]] = _statistics()
"""Optional columns beside the record, named and counted as NFStream does (ms, its byte accounting)."""

BY_NAME: Final[dict[str, Column]] = {column.name: column for column in CORE + STATISTICS}
"""Every column by its name."""

CORE_SCHEMA: Final[dict[str, pl.DataType]] = {column.name: column.dtype for column in CORE}
"""Polars schema of the columns that every batch has."""

STATISTICS_SCHEMA: Final[dict[str, pl.DataType]] = {
    column.name: column.dtype for column in STATISTICS
}
"""Polars schema of the optional statistics."""

LABEL_SCHEMA: Final[dict[str, pl.DataType]] = {"label": pl.String(), "label_detail": pl.String()}
"""Schema of the labels that travel beside a batch, never in it."""
