"""Columns derived from one flow alone: what every view counts with.

What belongs here: columnar arithmetic on a row of the flow record. What does not: anything that needs
a second flow (the views), and names of other tools (``read``).
"""

from __future__ import annotations

from typing import Final

import polars as pl

from eddyline.flows.addresses import network_texts, pack_all
from eddyline.flows.record import FAILED_STATES

HOUR_US: Final = 3_600_000_000
WINDOW_US: Final = 300_000_000

SERVERLESS_PORTS: Final = (67, 68, 137, 138, 546, 547, 1900, 3702, 5353, 5355)
"""Ports of announcements and discovery, where no answer is the normal case."""

LOGIN_PORTS: Final = (21, 22, 23, 25, 110, 143, 389, 445, 465, 587, 636, 993, 995, 1433, 1521,
                      2222, 2323, 3306, 3389, 5432, 5900, 5901, 6379)  # fmt: skip
"""Services where a connection is a login."""

WEB_PORTS: Final = (80, 443, 8000, 8008, 8080, 8443)
"""Services where a login looks like any page."""

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

LAST_SERVICE_PORT: Final = 32_767
"""Ports above are handed out by operating systems to clients and to data connections."""

_NO_SYN: Final = ["OTH", "SHR", "RSTRH"]

_COUNTERS: Final = ("bytes_out", "bytes_in", "pkts_out", "pkts_in")

_TCP: Final = (pl.col("ip_proto") == 6).fill_null(value=False)
_UDP: Final = (pl.col("ip_proto") == 17).fill_null(value=False)
_FAILED: Final = (
    pl.col("state").cast(pl.String).is_in(sorted(FAILED_STATES)).fill_null(value=False)
)


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
    return multicast | text.str.ends_with(".255") | text.str.contains(r"^(?i)ff[0-9a-f]{2}:")


def broadcast_address(text: pl.Expr) -> pl.Expr:
    """Tell whether an address is an IPv4 broadcast address (ends in ``.255``).

    Parameters
    ----------
    text
        Addresses as text.
    """
    return text.str.ends_with(".255")


def networks_of(addresses: pl.Series) -> pl.Series:
    """Give the network of each address: the /24 of IPv4, the /64 of IPv6; another text stands for itself.

    Parameters
    ----------
    addresses
        Distinct addresses as text.
    """
    v4 = pl.col("a").str.extract(r"^(\d{1,3}\.\d{1,3}\.\d{1,3})\.\d{1,3}$", 1) + ".0/24"
    nets = pl.DataFrame({"a": addresses}).select(pl.coalesce(v4, "a")).to_series()
    wide = addresses.str.contains(":", literal=True)
    if wide.any():
        texts = addresses.filter(wide).to_list()
        nets = nets.scatter(wide.arg_true(), pl.Series(network_texts(pack_all(texts), texts)))
    return nets


def _facts(addresses: pl.Series) -> pl.DataFrame:
    """Compute what is known of each distinct address, once."""
    distinct = addresses.unique().drop_nulls()
    text = distinct.cast(pl.String)
    return pl.DataFrame({"address": distinct, "text": text}).select(
        "address",
        group_address(pl.col("text")).alias("is_group"),
        broadcast_address(pl.col("text")).alias("is_broadcast"),
        networks_of(text).cast(pl.Categorical).alias("net"),
    )


def services(flows: pl.DataFrame) -> pl.DataFrame:
    """Keep the conversations with a service inside, and name each: ``address|proto/port``.

    Parameters
    ----------
    flows
        Derived flows.
    """
    talked = pl.col("answered") & (pl.col("payload_in") > 0) & (pl.col("payload_out") > 0)
    asked = pl.col("internal_dst") & ~pl.col("backwards") & pl.col("begun") & ~pl.col("to_group")
    port = (pl.col("port") > 0) & (pl.col("port") <= LAST_SERVICE_PORT)
    name = pl.format("{}|{}/{}", "dst_ip", "proto", "port")
    return flows.filter(talked & asked & port).with_columns(name.alias("service_name"))


def derive(frame: pl.DataFrame) -> pl.DataFrame:
    """Add what the views count with to flows of the record; drop what they do not need.

    Adds ``bytes_out``, ``bytes_in``, ``pkts_out``, ``pkts_in`` as float64 with 0 for missing, and

    * ``sport``, ``port`` — ports as int32, −1 without ports;
    * ``to_group``, ``to_broadcast`` — the responder is multicast or broadcast;
    * ``dst_net`` — /24 or /64 of the responder;
    * ``answered`` — the responder sent a packet;
    * ``fruitless`` — an attempt that carried nothing: a failed state without data in answer, TCP without
      payload, or another protocol without an answer; never true towards a group address or for announcements;
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
    facts = _facts(frame["dst_ip"]).rename({"address": "dst_ip", "net": "dst_net"})
    joined = frame.join(facts, on="dst_ip", how="left", maintain_order="left")
    direction = pl.col("direction").cast(pl.String).fill_null("unknown")
    return joined.with_columns(_counters()).select(
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
        "bytes_out",
        "bytes_in",
        "pkts_out",
        "pkts_in",
        "payload_out",
        "payload_in",
        "tcp_flags_out",
        "dst_net",
        pl.col("state").cast(pl.String),
        pl.col("duration_s").fill_null((pl.col("ts_end") - pl.col("ts")) / 1e6),
        pl.col("src_port").cast(pl.Int32).fill_null(-1).alias("sport"),
        pl.col("dst_port").cast(pl.Int32).fill_null(-1).alias("port"),
        pl.col("is_group").fill_null(value=False).alias("to_group"),
        pl.col("is_broadcast").fill_null(value=False).alias("to_broadcast"),
        *_outcome(),
        *_beginning(),
        direction.is_in(["outbound", "internal", "local"]).alias("internal_src"),
        direction.is_in(["inbound", "internal", "local"]).alias("internal_dst"),
    )


def _counters() -> list[pl.Expr]:
    """Give the counters as float64, 0 for missing; payload estimated where the source gives none."""
    numbers = {name: pl.col(name).fill_null(0).cast(pl.Float64) for name in _COUNTERS}
    header = pl.when(_TCP).then(40.0).when(_UDP).then(28.0).otherwise(20.0) + pl.when(
        pl.col("ip_version") == 6
    ).then(20.0).otherwise(0.0)
    answered = pl.when(pl.col("pkts_in").is_not_null()).then(numbers["pkts_in"] > 0)
    payload = [
        pl.coalesce(
            pl.col(f"payload_{way}").cast(pl.Float64),
            (numbers[f"bytes_{way}"] - header * numbers[f"pkts_{way}"]).clip(0.0),
        ).alias(f"payload_{way}")
        for way in ("out", "in")
    ]
    return [
        *(expression.alias(name) for name, expression in numbers.items()),
        *payload,
        answered.otherwise(~_FAILED).alias("answered"),
    ]


def _outcome() -> list[pl.Expr]:
    """Say whether a flow was answered and whether it carried anything."""
    # A failed state with data in answer is a conversation of which the capture lost a part.
    nothing_back = pl.col("payload_in") <= 0
    hollow = (
        pl.when(_TCP)
        .then(nothing_back & (_FAILED | (pl.col("payload_out") <= 0)))
        .otherwise(~pl.col("answered") | (_FAILED & nothing_back))
    )
    announces = pl.col("dst_port").is_in(SERVERLESS_PORTS).fill_null(value=False) & ~_TCP
    to_group = pl.col("is_group").fill_null(value=False)
    return [pl.col("answered"), (hollow & ~to_group & ~announces).alias("fruitless")]


def _beginning() -> list[pl.Expr]:
    """Say how a flow began: with a SYN, with an unasked answer, or before the capture."""
    syn = (pl.col("tcp_flags_out") & 0x02) > 0
    begun = pl.coalesce(syn, ~pl.col("state").cast(pl.String).is_in(_NO_SYN))
    syn_ack = _TCP & ((pl.col("tcp_flags_out") & 0x12) == 0x12) & (pl.col("pkts_out") <= 4)
    answer_ports = (pl.col("src_port") < 1024) & (pl.col("dst_port") >= 1024)
    backwards = answer_ports & pl.when(_TCP).then(~begun | syn_ack).otherwise(_UDP)
    return [
        backwards.fill_null(value=False).alias("backwards"),
        syn_ack.fill_null(value=False).alias("syn_ack"),
        (~_TCP | begun).fill_null(value=True).alias("begun"),
    ]
