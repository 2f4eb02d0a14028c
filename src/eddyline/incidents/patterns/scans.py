"""Scans: many ports of one host, one port of many hosts, many of both, many sources against one.

What belongs here: attempts that carried nothing, counted by where they went. What does not: attempts
that are many because they are fast (``floods.py``) or alike (``repeats.py``).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from eddyline.features.columns import WINDOW_US
from eddyline.incidents.patterns.levels import Sight
from eddyline.incidents.patterns.shape import SERVICE, nothing, span_s, stories
from eddyline.incidents.story import Story

_PAIR = ["window", "src_ip", "dst_ip"]

POOLS = (53, 123)
"""UDP services whose clients ask many servers of which some never answer: names and time."""

POOL_FACTOR = 5
"""How many times more of a pool's servers must be tried in vain to call it a sweep."""


def vain(flows: pl.DataFrame) -> pl.DataFrame:
    """Keep the attempts that carried nothing, with their service; answers without a question left out.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    kept = flows.filter(pl.col("fruitless") & ~pl.col("backwards"))
    return kept.with_columns(SERVICE.alias("service"))


def with_refusals(shown: pl.DataFrame, flows: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Add the ICMP messages that refuse the attempts: they belong to the same story.

    Parameters
    ----------
    shown
        The attempts.
    flows
        All flows of the windows.
    keys
        What joins them: ``window`` and ``src_ip``, and ``dst_ip`` when only that host may refuse.
    """
    refused = flows.filter(pl.col("icmp_type") == 3)
    if refused.is_empty():
        return shown
    turned = refused.with_columns(
        pl.col("dst_ip").alias("src_ip"), pl.col("src_ip").alias("dst_ip")
    )
    wanted = turned.join(shown.select(keys).unique(), on=keys, how="semi")
    return pl.concat([shown, wanted.select(shown.columns)])


def host_scans(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one source that tried many ports, or IP protocols, of one host in vain.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    attempts = vain(flows)
    ported = attempts.filter(pl.col("port") >= 0)
    counts = attempts.group_by(_PAIR).agg(
        pl.col("ip_proto").n_unique().alias("protocols"),
        pl.len().alias("attempts"),
        pl.col("internal_src").first(),
        pl.col("internal_dst").first(),
    )
    by_port = ported.group_by(_PAIR).agg(pl.col("service").n_unique().alias("tried"))
    least = at.levels.scan_ports
    protocol_scans = counts.filter(pl.col("protocols") >= least)
    whole = flows.group_by(_PAIR).agg(pl.col("fruitless").mean().alias("vain_share"))
    found = (
        counts.join(by_port, on=_PAIR, how="left")
        .with_columns(pl.max_horizontal("protocols", "tried").alias("ports"))
        .filter(pl.col("ports") >= least)
        .join(whole, on=_PAIR)
        .filter(pl.col("vain_share") >= 0.5)
    )
    # A scan of ports is made of flows with ports, one of IP protocols of all; the answered ports of a
    # version scan belong to it when nearly all that the two exchange is in vain.
    answered = flows.filter(~pl.col("fruitless") & (pl.col("port") >= 0))
    mostly = found.filter(pl.col("vain_share") >= 0.8)
    shown = pl.concat(
        [
            ported.drop("service").join(found.select(_PAIR), on=_PAIR, how="semi"),
            attempts.drop("service")
            .filter(pl.col("port") < 0)
            .join(protocol_scans.select(_PAIR), on=_PAIR, how="semi"),
            answered.join(mostly.select(_PAIR), on=_PAIR, how="semi"),
        ]
    )

    def describe(row: dict[str, Any]) -> Story:
        outside_in = row["internal_dst"] and not row["internal_src"]
        return Story(
            attack="port_sweep_external" if outside_in else "nmap_scan",
            anchor=(row["src_ip"],),
            entity=row["src_ip"],
            flows=nothing(),
            measures={"ports": row["ports"], "attempts": row["attempts"]},
            feature="ports_unanswered",
            value=row["ports"],
            strength=row["ports"] / at.levels.scan_ports,
        )

    return stories(found, with_refusals(shown, flows, _PAIR), _PAIR, describe, at)


def host_sweeps(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one source that tried one port of many hosts in vain, or pinged many hosts.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "src_ip", "service"]
    serviced = flows.with_columns(SERVICE.alias("service"))
    pings = pl.col("icmp_type").is_in([8, 13, 17, 128]) & ~pl.col("to_group")
    tried = pl.col("fruitless") & ~pl.col("backwards") & pl.col("begun")
    pool = pl.col("port").is_in(POOLS) & (pl.col("proto").cast(pl.String) == "udp")
    least = pl.when(pool).then(POOL_FACTOR).otherwise(1) * at.levels.sweep_hosts
    attempts = serviced.filter(tried | pings.fill_null(value=False))
    found = (
        attempts.group_by(keys)
        .agg(
            pl.col("dst_ip").n_unique().alias("hosts"),
            pl.len().alias("attempts"),
            pl.col("fruitless").mean().alias("vain_share"),
            pl.col("internal_src").first(),
            pl.col("internal_dst").mean().alias("inside_share"),
            pl.col("port").first(),
            pl.col("proto").first(),
        )
        .filter(pl.col("hosts") >= least)
    )

    def describe(row: dict[str, Any]) -> Story:
        outside_in = row["inside_share"] > 0.5 and not row["internal_src"]
        return Story(
            attack="ip_sweep_external" if outside_in else "ip_sweep",
            anchor=(row["src_ip"],),
            entity=row["src_ip"],
            flows=nothing(),
            measures={
                "hosts": row["hosts"],
                "attempts": row["attempts"],
                "vain_share": row["vain_share"],
            },
            feature="hosts_unanswered" if row["vain_share"] > 0.5 else "hosts_per_port",
            value=row["hosts"],
            strength=row["hosts"] / at.levels.sweep_hosts,
        )

    return stories(found, attempts, keys, describe, at)


def spread_scans(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one source that tried many ports over many hosts in vain.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    keys = ["window", "src_ip"]
    attempts = vain(flows).filter("begun")
    found = (
        attempts.group_by(keys)
        .agg(
            pl.col("dst_ip").n_unique().alias("hosts"),
            pl.col("service").n_unique().alias("ports"),
            pl.len().alias("attempts"),
            pl.col("internal_src").first(),
            pl.col("internal_dst").mean().alias("inside_share"),
        )
        .filter(
            (pl.col("hosts") >= at.levels.spread_hosts)
            & (pl.col("ports") >= at.levels.spread_ports)
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        outside_in = row["inside_share"] > 0.5 and not row["internal_src"]
        return Story(
            attack="port_sweep_external" if outside_in else "port_sweep",
            anchor=(row["src_ip"],),
            entity=row["src_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("hosts", "ports", "attempts")},
            feature="hosts_unanswered",
            value=row["hosts"],
            strength=row["hosts"] / at.levels.spread_hosts,
        )

    shown = attempts.drop("service")
    return stories(found, with_refusals(shown, flows, keys), keys, describe, at)


def probed_hosts(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find one inside host that many outside sources try in vain: an open door to the internet.

    Only told of windows longer than five minutes: it is a condition, not an event.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    if at.window_us <= WINDOW_US:
        return []
    keys = ["window", "dst_ip"]
    attempts = vain(flows).filter((pl.col("direction") == "inbound") & pl.col("begun"))
    found = (
        attempts.group_by(keys)
        .agg(
            pl.col("src_ip").n_unique().alias("sources"),
            pl.col("service").n_unique().alias("ports"),
            pl.len().alias("attempts"),
            (pl.len() / span_s()).alias("rate"),
        )
        .filter(pl.col("sources") >= at.levels.probe_sources)
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="port_sweep_external",
            anchor=("probed", row["dst_ip"]),
            entity=row["dst_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("sources", "ports", "attempts")},
            feature="in_fruitless",
            value=row["attempts"],
            strength=row["sources"] / at.levels.probe_sources,
        )

    return stories(found, attempts, keys, describe, at)
