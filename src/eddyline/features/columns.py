"""Columns derived from one flow alone: what every view counts with.

What belongs here: columnar arithmetic on a row of the flow record. What does not: anything that needs
a second flow (the views), and names of other tools (``read``).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from eddyline.flows.record import FAILED_STATES

HOUR_US: Final = 3_600_000_000
WINDOW_US: Final = 300_000_000

SERVERLESS_PORTS: Final = (67, 68, 137, 138, 546, 547, 1900, 3702, 5353, 5355)
"""Ports of announcements and discovery, where no answer is the normal case."""

LOGIN_PORTS: Final = (21, 22, 23, 25, 110, 143, 389, 445, 465, 587, 636, 993, 995, 1433, 1521,
                      2222, 2323, 3306, 3389, 5432, 5900, 5901, 6379)  # fmt: skip
"""Services where a connection is a login."""

INFRASTRUCTURE_PORTS: Final = (
    53,
    67,
    68,
    123,
    137,
    138,
    161,
    514,
    546,
    547,
    853,
    1900,
    5353,
    5355,
)
"""Services that are regular by nature: names, time, addresses, management."""

_NO_SYN: Final = ["OTH", "SHR", "RSTRH"]

_OUT: Final = pl.col("bytes_out").fill_null(0).cast(pl.Float64)
_IN: Final = pl.col("bytes_in").fill_null(0).cast(pl.Float64)
_PKTS_OUT: Final = pl.col("pkts_out").fill_null(0).cast(pl.Float64)
_PKTS_IN: Final = pl.col("pkts_in").fill_null(0).cast(pl.Float64)


def group_address(text: pl.Expr) -> pl.Expr:
    """Tell whether an address stands for many hosts: multicast, or a broadcast address.

    A directed broadcast is taken to be an IPv4 address ending in ``.255``: the mask of a network is
    not in a flow, and /24 is by far the commonest size.

    Parameters
    ----------
    text
        Addresses as text.
    """
    first = text.str.extract(r"^(\d{1,3})\.", 1).cast(pl.Int32, strict=False)
    multicast = ((first >= 224) & (first <= 239)).fill_null(value=False)
    return multicast | text.str.ends_with(".255") | text.str.to_lowercase().str.starts_with("ff")


def broadcast_address(text: pl.Expr) -> pl.Expr:
    """Tell whether an address is an IPv4 broadcast address (ends in ``.255``).

    Parameters
    ----------
    text
        Addresses as text.
    """
    return text.str.ends_with(".255")


def network_of(text: pl.Expr) -> pl.Expr:
    """Give the network of an address: its /24, or the first four groups of an IPv6 address.

    Parameters
    ----------
    text
        Addresses as text.
    """
    v4 = text.str.extract(r"^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$", 1) + ".0/24"
    v6 = text.str.extract(r"^((?:[0-9a-fA-F]*:){1,4})", 1) + ":/64"
    return pl.coalesce(v4, v6, text)


def _facts(addresses: pl.Series) -> pl.DataFrame:
    """Compute what is known of each distinct address, once."""
    text = pl.col("address").cast(pl.String)
    return (
        pl.DataFrame({"address": addresses.unique()})
        .drop_nulls()
        .select(
            pl.col("address"),
            group_address(text).alias("is_group"),
            broadcast_address(text).alias("is_broadcast"),
            network_of(text).cast(pl.Categorical).alias("net"),
        )
    )


def derive(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what the views count with to flows of the record; drop what they do not need.

    Adds ``bytes_out``, ``bytes_in``, ``pkts_out``, ``pkts_in`` as float64 with 0 for missing, and

    * ``sport``, ``port`` — ports as int32, −1 without ports;
    * ``to_group``, ``to_broadcast`` — the responder is multicast or broadcast;
    * ``dst_net`` — /24 or /64 of the responder;
    * ``answered`` — the responder sent a packet;
    * ``fruitless`` — an attempt that carried nothing: a failed state, TCP without payload, or another
      protocol without an answer; never true towards a group address or for announcements;
    * ``payload_out``, ``payload_in`` — transport payload, or an estimate from packets and bytes;
    * ``backwards`` — probably the answer of a service whose question was not seen: from a well-known
      port to a high one, without a SYN of its own;
    * ``begun`` — not TCP, or its SYN was seen: not the rest of an older connection;
    * ``internal_src``, ``internal_dst`` — which end is inside, from ``direction``.

    Parameters
    ----------
    frame
        Flows with the core columns of the record.
    """
    both = pl.concat([frame["src_ip"], frame["dst_ip"]])
    facts = _facts(both)
    joined = frame.join(
        facts.rename({"address": "dst_ip", "net": "dst_net"}).rename(
            {"is_group": "to_group", "is_broadcast": "to_broadcast"}
        ),
        on="dst_ip",
        how="left",
        maintain_order="left",
    )
    tcp = pl.col("ip_proto") == 6
    udp = pl.col("ip_proto") == 17
    header = pl.when(tcp).then(40.0).when(udp).then(28.0).otherwise(20.0)
    guess_out = (_OUT - header * _PKTS_OUT).clip(0.0)
    guess_in = (_IN - header * _PKTS_IN).clip(0.0)
    payload_out = pl.coalesce(pl.col("payload_out").cast(pl.Float64), guess_out)
    payload_in = pl.coalesce(pl.col("payload_in").cast(pl.Float64), guess_in)
    failed = pl.col("state").cast(pl.String).is_in(list(FAILED_STATES)).fill_null(value=False)
    counted = pl.col("pkts_in").is_not_null()
    answered = pl.when(counted).then(_PKTS_IN > 0).otherwise(~failed)
    hollow = pl.when(tcp).then((payload_out + payload_in) <= 0).otherwise(~answered)
    announces = pl.col("dst_port").is_in(SERVERLESS_PORTS).fill_null(value=False) & ~tcp
    direction = pl.col("direction").cast(pl.String).fill_null("unknown")
    syn_only = (pl.col("tcp_flags_out") & 0x02) > 0
    begun = pl.coalesce(syn_only, ~pl.col("state").cast(pl.String).is_in(_NO_SYN))
    answer_ports = (pl.col("src_port") < 1024) & (pl.col("dst_port") >= 1024)
    syn_ack = tcp & ((pl.col("tcp_flags_out") & 0x12) == 0x12) & (pl.col("pkts_out") <= 4)
    backwards = answer_ports & pl.when(tcp).then(~begun | syn_ack).otherwise(udp)
    return joined.select(
        "ts",
        "ts_end",
        "uid",
        "src_ip",
        "dst_ip",
        "proto",
        "ip_proto",
        "app",
        "icmp_type",
        "icmp_code",
        "direction",
        pl.col("state").cast(pl.String),
        pl.col("duration_s").fill_null((pl.col("ts_end") - pl.col("ts")) / 1e6),
        _OUT.alias("bytes_out"),
        _IN.alias("bytes_in"),
        _PKTS_OUT.alias("pkts_out"),
        _PKTS_IN.alias("pkts_in"),
        payload_out.alias("payload_out"),
        payload_in.alias("payload_in"),
        pl.col("tcp_flags_out"),
        pl.col("src_port").cast(pl.Int32).fill_null(-1).alias("sport"),
        pl.col("dst_port").cast(pl.Int32).fill_null(-1).alias("port"),
        pl.col("to_group").fill_null(value=False),
        pl.col("to_broadcast").fill_null(value=False),
        "dst_net",
        answered.alias("answered"),
        ((failed | hollow) & ~pl.col("to_group").fill_null(value=False) & ~announces).alias(
            "fruitless"
        ),
        backwards.fill_null(value=False).alias("backwards"),
        syn_ack.fill_null(value=False).alias("syn_ack"),
        (~tcp | begun).fill_null(value=True).alias("begun"),
        direction.is_in(["outbound", "internal", "local"]).alias("internal_src"),
        direction.is_in(["inbound", "internal", "local"]).alias("internal_dst"),
    )
