"""Scans: many ports of one host, one port of many hosts, many of both, many sources against one.

What belongs here: attempts that carried nothing, counted by where they went. What does not: attempts
that are many because they are fast (``floods.py``) or alike (``repeats.py``).
"""

from __future__ import annotations

from typing import Any

import polars as pl

from eddyline.features.columns import LOGIN_PORTS, WEB_PORTS, WINDOW_US
from eddyline.incidents.patterns.levels import LENIENT, Sight
from eddyline.incidents.patterns.marks import marked
from eddyline.incidents.patterns.shape import SERVICE, nothing, span_s, stories
from eddyline.incidents.story import Story

_PAIR = ["window", "src_ip", "dst_ip"]

POOLS = (53, 123)
"""UDP services whose clients ask many servers of which some never answer: names and time."""

BEFORE_US, AFTER_US = 10_000_000, 60_000_000
"""Answered contacts this long before the first and after the last vain try may be a scan's own, µs: its
look whether the host is there, and its questions about versions."""

TALKS_A_PORT = 4
"""Conversations with one service beyond this many times the tries of the usual port are no part of a scan."""

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
        pl.col("ts").min().alias("first"),
        pl.col("ts_end").max().alias("last"),
    )
    by_port = ported.group_by(_PAIR).agg(pl.col("service").n_unique().alias("tried"))
    least = at.levels.scan_ports
    found = (
        counts.join(by_port, on=_PAIR, how="left")
        .with_columns(pl.max_horizontal("protocols", "tried").alias("ports"))
        .filter(pl.col("ports") >= least)
    )
    if found.is_empty():
        return []
    there = flows.join(found.select(_PAIR), on=_PAIR, how="semi", maintain_order="left")
    there = _without_repeats(there.with_columns(SERVICE.alias("service")))
    whole = there.group_by(_PAIR).agg(pl.col("fruitless").mean().alias("vain_share"))
    found = found.join(whole, on=_PAIR).filter(pl.col("vain_share") >= 0.5)
    shown = _of_scan(there, found, least)
    marks = marked(shown.filter(pl.col("fruitless") & (pl.col("port") >= 0)), _PAIR)
    found = found.join(marks, on=_PAIR, how="left")

    def describe(row: dict[str, Any]) -> Story:
        outside_in = row["internal_dst"] and not row["internal_src"]
        a_tool = row["marked"] or row["protocols"] >= least
        story = Story(
            attack="nmap_scan" if a_tool else "port_sweep",
            anchor=(row["src_ip"],),
            entity=row["src_ip"],
            flows=nothing(),
            measures={"ports": row["ports"], "attempts": row["attempts"]},
            feature="ports_unanswered",
            value=row["ports"],
            strength=row["ports"] / at.levels.scan_ports,
            kind="host_scan",
        )
        if outside_in:
            story.attack, story.kind = "port_sweep_external", ""
        return story

    return stories(found, with_refusals(shown, flows, _PAIR), _PAIR, describe, at)


def _without_repeats(flows: pl.DataFrame) -> pl.DataFrame:
    """Leave out conversations with a login or web service that are many more than a scan has with a port.

    Bare probes stay, however often: a scanner knocks again where it heard nothing.

    Parameters
    ----------
    flows
        Flows of pairs with a scan, with ``service``.
    """
    keys = [*_PAIR, "service"]
    spoke = (pl.col("payload_out") > 0) | (pl.col("payload_in") > 0)
    tries = flows.group_by(keys).agg(
        pl.len().alias("tries"), spoke.sum().alias("talks"), pl.col("port").first()
    )
    usual = tries.group_by(_PAIR).agg(pl.col("tries").median().alias("usual"))
    login = pl.col("port").is_in(LOGIN_PORTS) & (pl.col("talks") >= LENIENT.logins)
    web = pl.col("port").is_in(WEB_PORTS) & (pl.col("talks") >= LENIENT.web_logins)
    repeated = (
        tries.join(usual, on=_PAIR)
        .filter((login | web) & (pl.col("talks") > TALKS_A_PORT * pl.col("usual")))
        .select(keys)
    )
    talks = flows.filter(spoke).join(repeated, on=keys, how="semi").select("flow")
    return flows.join(talks, on="flow", how="anti", maintain_order="left")


def _of_scan(there: pl.DataFrame, found: pl.DataFrame, least: int) -> pl.DataFrame:
    """Give the flows that belong to scans: what was tried in vain, and what answered meanwhile.

    A scan of ports is made of flows with ports, one of IP protocols of all. The answered ports of a version
    scan belong to it when nearly all that the two exchange is in vain, and while it goes on.
    """
    tried = pl.col("fruitless") & ~pl.col("backwards")
    of_protocols = pl.col("protocols") >= least
    meanwhile = (pl.col("ts") >= pl.col("first") - BEFORE_US) & (
        pl.col("ts") <= pl.col("last") + AFTER_US
    )
    answered = ~pl.col("fruitless") & (pl.col("vain_share") >= 0.8) & meanwhile
    ported = pl.col("port") >= 0
    facts = found.select(*_PAIR, "protocols", "first", "last", "vain_share")
    kept = there.join(facts, on=_PAIR, maintain_order="left")
    kept = kept.filter((tried & (ported | of_protocols)) | (answered & ported))
    return kept.select(there.drop("service").columns)


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
    # Of ICMP only questions are tries: neighbours and routers are looked for all the time.
    tries = pl.col("fruitless") & ~pl.col("backwards") & pl.col("begun")
    tried = tries & ~pl.col("ip_proto").is_in([1, 58])
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
