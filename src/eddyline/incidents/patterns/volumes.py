"""Volumes: data where none belongs — tunnels in DNS and ICMP, bulk sent outside.

What belongs here: bytes and packets of one pair. What does not: counts of contacts.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from eddyline.incidents.patterns.floods import flood_of_pings
from eddyline.incidents.patterns.levels import Sight
from eddyline.incidents.patterns.shape import nothing, stories
from eddyline.incidents.story import Story

HEADERS, V6_MORE = 28.0, 20.0
"""Bytes of an ICMP packet before its payload over IPv4, and how many more over IPv6."""

NAME_SHARE: Final = 2 / 3
"""Part of the level of a tunnel's questions below which a question is a name like any other and stays out."""

_PAIR = ["window", "src_ip", "dst_ip"]


def dns_tunnels(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find a pair whose DNS questions are too large for names, or whose conversation never ends.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    shown = flows.filter((pl.col("port") == 53) & ~pl.col("to_group"))
    each = pl.col("payload_out") / pl.col("pkts_out").clip(1.0)
    large = (each >= NAME_SHARE * at.levels.dns_payload) | (
        pl.col("pkts_out") >= at.levels.dns_long
    )
    asked = pl.col("payload_out").sum() / pl.col("pkts_out").sum().clip(1.0)
    long = pl.col("payload_out").filter(large).sum() / pl.col("pkts_out").filter(large).sum().clip(
        1.0
    )
    found = (
        shown.group_by(_PAIR)
        .agg(
            pl.col("pkts_out").sum().alias("pkts"),
            asked.alias("question"),
            long.alias("name"),
            (pl.col("bytes_out") + pl.col("bytes_in")).filter(large).sum().alias("bytes"),
            pl.col("pkts_out").max().alias("longest"),
            (pl.col("ip_proto") == 17).mean().alias("udp_share"),
        )
        .filter(
            (
                (pl.col("pkts") >= at.levels.dns_pkts)
                & (pl.col("question") >= at.levels.dns_payload)
            )
            | ((pl.col("longest") >= at.levels.dns_long) & (pl.col("udp_share") > 0.5))
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="tunnel",
            anchor=(row["src_ip"], row["dst_ip"]),
            entity=row["src_ip"],
            flows=nothing(),
            measures={
                "dns": 1.0,
                "pkts": row["pkts"],
                "payload": row["name"] or row["question"],
                "bytes": row["bytes"],
            },
            grain="dyad",
            feature="dns_bytes",
            value=row["bytes"],
            strength=max(1.0, row["pkts"] / at.levels.dns_pkts),
        )

    return stories(found, shown.filter(large), _PAIR, describe, at)


def icmp_tunnels(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find a pair that exchanges ICMP packets much larger than a ping.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    icmp = pl.col("ip_proto").is_in([1, 58]) & ~pl.col("to_group")
    shown = _asker_first(flows.filter(icmp & ~flood_of_pings(at.levels.packet_rate)))
    pkts = (pl.col("pkts_out") + pl.col("pkts_in")).sum()
    total = (pl.col("bytes_out") + pl.col("bytes_in")).sum()
    found = (
        shown.group_by(_PAIR)
        .agg(
            pkts.alias("pkts"),
            total.alias("bytes"),
            pl.col("pkts_in").sum(),
            (pl.col("ip_proto") == 58).mean().alias("v6"),
        )
        .with_columns(
            (
                pl.col("bytes") / pl.col("pkts").clip(1.0)
                - HEADERS
                - V6_MORE * pl.col("v6").round()
            ).alias("payload")
        )
        .filter(
            (pl.col("pkts") >= at.levels.icmp_pkts)
            & (pl.col("payload") >= at.levels.icmp_payload)
            & (pl.col("pkts_in") >= 0.1 * pl.col("pkts"))
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        first, second = sorted((row["src_ip"], row["dst_ip"]))
        return Story(
            attack="tunnel",
            anchor=(first, second),
            entity=row["src_ip"],
            flows=nothing(),
            measures={
                "icmp": 1.0,
                "pkts": row["pkts"],
                "payload": row["payload"],
                "bytes": row["bytes"],
            },
            grain="dyad",
            feature="icmp_bytes",
            value=row["bytes"],
            strength=row["pkts"] / at.levels.icmp_pkts,
        )

    return stories(found, shown, _PAIR, describe, at)


def _asker_first(flows: pl.DataFrame) -> pl.DataFrame:
    """Turn conversations round that begin with an answer: their question was not seen."""
    answer = pl.col("icmp_type").is_in([0, 14, 129]).fill_null(value=False)
    turned = []
    for one, other in (("src_ip", "dst_ip"), ("bytes_out", "bytes_in"), ("pkts_out", "pkts_in")):
        turned.append(pl.when(answer).then(other).otherwise(one).alias(one))
        turned.append(pl.when(answer).then(one).otherwise(other).alias(other))
    return flows.with_columns(turned)


def uploads(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find an inside host that sends one outside host far more than it receives.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    shown = flows.filter((pl.col("direction") == "outbound") & ~pl.col("to_group"))
    found = (
        shown.group_by(_PAIR)
        .agg(
            pl.col("bytes_out").sum().alias("bytes"),
            pl.col("bytes_in").sum().alias("back"),
            pl.len().alias("attempts"),
            pl.col("port").mode().first().alias("port"),
            pl.col("fruitless").mean().alias("vain_share"),
        )
        .filter(
            (pl.col("bytes") >= at.levels.upload_bytes)
            & (pl.col("back") <= 0.25 * pl.col("bytes"))
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="exfiltration",
            anchor=(row["src_ip"], row["dst_ip"]),
            entity=row["src_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("bytes", "back", "attempts", "port", "vain_share")},
            grain="dyad",
            feature="outside_bytes_out",
            value=row["bytes"],
            strength=row["bytes"] / at.levels.upload_bytes,
        )

    return stories(found, shown, _PAIR, describe, at)
