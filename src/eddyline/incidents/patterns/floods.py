"""Floods: more than anybody could want, from one, from many, by way of others, by broadcast.

What belongs here: traffic that is strange for its rate and its lack of answers. What does not: scans.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from eddyline.incidents.patterns.levels import Sight
from eddyline.incidents.patterns.shape import SERVICE, nothing, span_s, stories
from eddyline.incidents.story import Story

REFLECTORS: Final = (7, 17, 19, 53, 69, 111, 123, 137, 161, 389, 427, 500, 520, 623, 1434, 1900,
                     3283, 3389, 3478, 3702, 5093, 5353, 10001, 11211, 27960, 37810)  # fmt: skip
"""UDP ports of services that answer with more than they were asked (US-CERT alert TA14-017A and later)."""


ECHO_ALIKE: Final = 0.02
"""Part by which the answers to pings may differ from them in size: a tunnel's do, for they carry its own."""


def smurfs(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find ICMP echo to a broadcast address: the asker is the (spoofed) victim.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "src_ip"]
    echo = pl.col("ip_proto") == 1
    called = flows.filter(echo & pl.col("to_broadcast"))
    found = (
        called.group_by(keys)
        .agg(
            pl.col("pkts_out").sum().alias("pkts"),
            pl.col("dst_ip").first(),
            pl.col("bytes_out").sum().alias("bytes"),
        )
        .filter(pl.col("pkts") >= at.levels.broadcast_pkts)
    )
    answers = flows.filter(echo & (pl.col("icmp_type") == 0)).join(
        found.select("window", pl.col("src_ip").alias("victim")),
        left_on=["window", "dst_ip"],
        right_on=["window", "victim"],
        how="inner",
    )
    # The answers of the amplifiers go to the victim: they belong to the same story.
    answers = answers.with_columns(pl.col("dst_ip").alias("asker"))
    shown = pl.concat([called.with_columns(pl.col("src_ip").alias("asker")), answers])

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="smurf",
            anchor=(row["asker"],),
            entity=row["asker"],
            flows=nothing(),
            measures={"pkts": row["pkts"], "bytes": row["bytes"]},
            feature="broadcast_pkts",
            value=row["pkts"],
            strength=row["pkts"] / at.levels.broadcast_pkts,
        )

    renamed = found.rename({"src_ip": "asker"})
    return stories(renamed, shown, ["window", "asker"], describe, at)


def reflections(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find many UDP services that answer a host which never asked, with more than a question's bytes.

    Unasked SYN-ACKs are no larger than the SYN that caused them: those are told as a flood.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "dst_ip"]
    udp = (pl.col("ip_proto") == 17) & pl.col("sport").is_in(REFLECTORS)
    shown = flows.filter(udp & ~pl.col("answered") & ~pl.col("to_group"))
    found = (
        shown.group_by(keys)
        .agg(
            pl.col("src_ip").n_unique().alias("sources"),
            pl.col("pkts_out").sum().alias("pkts"),
            pl.col("bytes_out").sum().alias("bytes"),
            pl.col("sport").mode().first().alias("service_port"),
        )
        .filter(pl.col("sources") >= at.levels.reflection_sources)
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="reflection",
            anchor=(row["dst_ip"],),
            entity=row["dst_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("sources", "pkts", "bytes", "service_port")},
            feature="in_sources",
            value=row["sources"],
            strength=row["sources"] / at.levels.reflection_sources,
        )

    return stories(found, shown, keys, describe, at)


def many_source_floods(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one host that very many sources send vain flows to.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "dst_ip"]
    shown = flows.filter(pl.col("fruitless"))
    found = (
        shown.group_by(keys)
        .agg(
            pl.col("src_ip").n_unique().alias("sources"),
            pl.len().alias("attempts"),
            pl.col("pkts_out").sum().alias("pkts"),
            (pl.len() / span_s()).alias("rate"),
            pl.col("syn_ack").mean().alias("unasked_share"),
        )
        .filter(
            (pl.col("attempts") >= at.levels.flood_flows)
            & (pl.col("sources") >= at.levels.flood_sources)
            & (pl.col("rate") >= at.levels.flood_rate)
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="flood",
            anchor=(row["dst_ip"],),
            entity=row["dst_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("sources", "attempts", "pkts", "rate", "unasked_share")},
            feature="in_sources",
            value=row["sources"],
            strength=row["attempts"] / at.levels.flood_flows,
        )

    return stories(found, shown, keys, describe, at)


def flood_of_pings(least_rate: float) -> pl.Expr:
    """Tell which flows are pings at a great rate whose answers only echo them.

    Parameters
    ----------
    least_rate
        Packets a second.
    """
    rate = pl.col("pkts_out") / pl.col("duration_s").clip(0.1)
    echoed = (pl.col("bytes_in") - pl.col("bytes_out")).abs() <= ECHO_ALIKE * pl.col("bytes_out")
    asks = pl.col("icmp_type").is_in([8, 128])
    return (asks & echoed & (rate >= least_rate)).fill_null(value=False)


def one_source_floods(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one source that sends one host vain flows, unanswered packets or pings at a great rate.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "src_ip", "dst_ip"]
    rate = pl.col("pkts_out") / pl.col("duration_s").clip(0.1)
    packets = (pl.col("pkts_out") >= at.levels.packet_flood) & (rate >= at.levels.packet_rate)
    one_way = packets & (pl.col("pkts_in") < 0.1 * pl.col("pkts_out")) & ~pl.col("to_group")
    pings = (pl.col("pkts_out") >= at.levels.ping_flood) & ~pl.col("to_group")
    answered = pings & flood_of_pings(at.levels.packet_rate)
    shown = flows.filter((pl.col("fruitless") & ~pl.col("backwards")) | one_way | answered)
    found = (
        shown.group_by(keys)
        .agg(
            pl.len().alias("attempts"),
            SERVICE.n_unique().alias("ports"),
            pl.col("pkts_out").sum().alias("pkts"),
            (pl.len() / span_s()).alias("rate"),
            (one_way | answered).any().alias("packet_flood"),
            answered.any().alias("answered_flood"),
        )
        .filter(
            (
                (pl.col("attempts") >= at.levels.flood_flows / 2)
                & (pl.col("rate") >= at.levels.flood_rate)
                & (pl.col("attempts") >= 20 * pl.col("ports"))
            )
            | pl.col("packet_flood")
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="flood",
            anchor=(row["dst_ip"],),
            entity=row["src_ip"],
            flows=nothing(),
            measures={
                "sources": 1,
                "answered": float(row["answered_flood"]),
                "attempts": row["attempts"],
                "pkts": row["pkts"],
                "rate": row["rate"],
            },
            feature="flows_per_service" if not row["packet_flood"] else "pkts_out",
            value=row["attempts"] if not row["packet_flood"] else row["pkts"],
            strength=max(1.0, row["attempts"] / at.levels.flood_flows),
        )

    return stories(found, shown, keys, describe, at)
