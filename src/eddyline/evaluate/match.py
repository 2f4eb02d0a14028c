"""Matching: flows to a list of true conversations, incidents to the attacks that they stand for.

What belongs here: the keys, in their order, and what is a hit, a duplicate, a merge or a miss. What does
not: ratios made of them (``incidents.py``).

Keys are tried in this order: flow uid; Community ID and overlapping time, 1 s of tolerance; 5-tuple, in
either direction, and overlapping time. An address and a time alone match no flow; only an attack list
without flows is held against incidents by entity and time, and is told as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

import polars as pl

from eddyline.evaluate.truth import TUPLE, Attack
from eddyline.incidents.incident import Incident
from eddyline.incidents.trace import TOLERANCE_US, network_named, with_community_ids

WIDEST: Final = {4: 8, 6: 16}
"""Shortest prefix that still names somebody, by IP version: ``0.0.0.0/0`` is nobody."""

_END_A: Final = pl.concat_str("src_ip", pl.lit(" "), pl.col("src_port").fill_null(0))
_END_B: Final = pl.concat_str("dst_ip", pl.lit(" "), pl.col("dst_port").fill_null(0))


def match_flows(flows: pl.DataFrame, listed: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, int]]:
    """Find the attack of each flow in a flow list.

    Parameters
    ----------
    flows
        With ``row``, ``uid``, times, 5-tuple and protocol columns.
    listed
        A flow list: ``truth``, ``start_us``, ``end_us`` and the columns of at least one key.

    Returns
    -------
    polars.DataFrame
        ``row`` and ``truth`` of the flows that match; of several attacks, the one that began first.
    dict
        Flows that each key matched, by its name.
    """
    found: list[pl.DataFrame] = []
    counts: dict[str, int] = {}
    left = flows
    for name in ("uid", "community_id", "5-tuple"):
        hits = _hits(left, listed, name)
        if hits is None:
            continue
        hits = hits.sort("start_us", "truth").unique("row", keep="first").select("row", "truth")
        counts[name] = hits.height
        found.append(hits)
        left = left.join(hits, on="row", how="anti", maintain_order="left")
    return pl.concat(found).sort("row"), counts


def _hits(flows: pl.DataFrame, listed: pl.DataFrame, name: str) -> pl.DataFrame | None:
    """Match by one key; None when the list does not have it."""
    if name == "uid":
        if "uid" not in listed.columns:
            return None
        return flows.select("row", "uid").join(listed.drop_nulls("uid"), on="uid")
    if name == "community_id":
        if name not in listed.columns:
            return None
        given = with_community_ids(flows)
        keyed = listed.rename({name: "key_text"})
        return _overlapping(given.rename({name: "key_text"}), keyed)
    if not set(TUPLE) <= set(listed.columns):
        return None
    return _overlapping(_tupled(flows), _tupled(listed))


def _tupled(table: pl.DataFrame) -> pl.DataFrame:
    """Add the 5-tuple as one text, the same for both directions."""
    low, high = pl.min_horizontal(_END_A, _END_B), pl.max_horizontal(_END_A, _END_B)
    proto = pl.col("proto").str.to_lowercase()
    return table.with_columns(
        pl.concat_str(low, high, proto, separator=" ").alias("key_text")
    ).drop_nulls("key_text")


def _overlapping(flows: pl.DataFrame, listed: pl.DataFrame) -> pl.DataFrame:
    """Join by key where the intervals touch."""
    spans = listed.select("key_text", "truth", "start_us", "end_us")
    joined = flows.select("row", "key_text", "ts", "ts_end").join(spans, on="key_text")
    return joined.filter(
        (pl.col("ts") <= pl.col("end_us") + TOLERANCE_US)
        & (pl.col("ts_end") >= pl.col("start_us") - TOLERANCE_US)
    )


def members_of(flows: pl.DataFrame, incidents: Sequence[Incident]) -> pl.DataFrame:
    """Give the flows of each incident: ``row`` and ``place``, the incident's rank from 1.

    A flow's verdict names one incident; what an incident names as evidence is added, so a flow that two
    incidents share counts for both.

    Parameters
    ----------
    flows
        With ``row``, ``uid`` and ``incident``.
    incidents
        In rank order.
    """
    schema = {"place": pl.UInt32(), "incident": pl.String(), "uid": pl.String()}
    places = {one.uid: place for place, one in enumerate(incidents, start=1)}
    ranks = pl.DataFrame(
        {"place": list(places.values()), "incident": list(places)},
        schema={"place": pl.UInt32(), "incident": pl.String()},
    )
    named = [(places[one.uid], one.uid, flow.uid) for one in incidents for flow in one.evidence]
    evidence = pl.DataFrame(named, schema=schema, orient="row")
    by_verdict = flows.select("row", "incident").drop_nulls().join(ranks, on="incident")
    by_uid = flows.select("row", "uid").join(evidence, on="uid")
    both = [part.select("row", "place") for part in (by_verdict, by_uid)]
    return pl.concat(both).unique().sort("place", "row")


def pairs_by_flow(members: pl.DataFrame, flows: pl.DataFrame) -> pl.DataFrame:
    """Give which incident hits which attack, by flows: ``place``, ``truth`` and ``hits``, the flows.

    Parameters
    ----------
    members
        ``row`` and ``place``.
    flows
        With ``row`` and ``truth``.
    """
    truths = flows.select("row", "truth").drop_nulls()
    joined = members.join(truths, on="row")
    return joined.group_by("place", "truth").agg(pl.len().alias("hits")).sort("place", "truth")


def pairs_by_entity(incidents: Sequence[Incident], attacks: Sequence[Attack]) -> pl.DataFrame:
    """Give which incident hits which attack, by source, destination and time: for lists without flows.

    Parameters
    ----------
    incidents
        In rank order.
    attacks
        With addresses; an attack without sources or destinations is met by any.
    """
    rows = [
        (place, truth, 0)
        for place, one in enumerate(incidents, start=1)
        for truth, attack in enumerate(attacks)
        if one.first_us <= attack.end_us + TOLERANCE_US
        and one.last_us >= attack.start_us - TOLERANCE_US
        and names_any(one.sources, attack.sources)
        and names_any(one.destinations, attack.destinations)
    ]
    schema = {"place": pl.UInt32(), "truth": pl.UInt32(), "hits": pl.UInt32()}
    return pl.DataFrame(rows, schema=schema, orient="row")


def names_any(told: Sequence[str], true: Sequence[str]) -> bool:
    """Tell whether an incident's addresses name one of the true ones.

    A network that was told counts when it holds a true address or lies in a true network, and is not
    wider than /8 (IPv6: /16). No true address at all is met by anything.

    Parameters
    ----------
    told
        Addresses or networks of an incident.
    true
        Addresses or networks of an attack.
    """
    if not true:
        return True
    nets = [net for text in true if (net := network_named(text)) is not None]
    for text in told:
        net = network_named(text)
        if net is None or net.prefixlen < WIDEST[net.version]:
            continue
        if any(net.version == other.version and net.overlaps(other) for other in nets):
            return True
    return False


def main_incidents(pairs: pl.DataFrame) -> pl.DataFrame:
    """Give the one incident that each attack counts for: most of its flows, then the better rank.

    Parameters
    ----------
    pairs
        ``place``, ``truth`` and ``hits``.
    """
    ranked = pairs.sort("truth", "hits", "place", descending=[False, True, False])
    return ranked.unique("truth", keep="first", maintain_order=True).select("truth", "place")


def judge_incidents(
    members: pl.DataFrame,
    flows: pl.DataFrame,
    pairs: pl.DataFrame,
    *,
    n_incidents: int,
    unmatched: Literal["by label", "false"] = "by label",
) -> pl.DataFrame:
    """Say of each incident what it is: true, duplicate, false or unlabelled.

    An attack counts once: for the incident that holds most of its flows (the first of several). An
    incident that an attack counts for is **true**; one that only hits attacks which count for others is a
    **duplicate**, neither right nor wrong; one that hits none is **false** when it has flows labelled
    normal, else **unlabelled**.

    Parameters
    ----------
    members
        ``row`` and ``place``, from 1.
    flows
        With ``row``, ``attack`` and ``ts_end``.
    pairs
        ``place``, ``truth`` and ``hits``.
    n_incidents
        How many incidents there are.
    unmatched
        ``"false"`` when the truth names every attack but no flow, so a miss is wrong.

    Returns
    -------
    polars.DataFrame
        ``place, n_flows, n_attack, n_normal, n_unknown, purity, n_truths, n_own, kind,
        first_end_us``; purity is the share of attack flows among labelled ones, null without any.
    """
    places = pl.DataFrame({"place": pl.Series(range(1, n_incidents + 1), dtype=pl.UInt32)})
    labelled = members.join(flows.select("row", "attack", "ts_end"), on="row", how="left")
    each = labelled.group_by("place").agg(
        pl.len().alias("n_flows"),
        pl.col("attack").sum().alias("n_attack"),
        (~pl.col("attack")).sum().alias("n_normal"),
        pl.col("attack").is_null().sum().alias("n_unknown"),
        pl.col("ts_end").min().alias("first_end_us"),
    )
    counts_for = main_incidents(pairs).group_by("place").agg(pl.len().alias("n_own"))
    hit = pairs.group_by("place").agg(pl.col("truth").n_unique().alias("n_truths"))
    table = places
    for part in (each, hit, counts_for):
        table = table.join(part, on="place", how="left", maintain_order="left")
    table = table.with_columns(pl.col("^n_.*$").fill_null(0))
    refuted = pl.lit(value=True) if unmatched == "false" else pl.col("n_normal") > 0
    kind = (
        pl.when(pl.col("n_own") > 0)
        .then(pl.lit("true"))
        .when(pl.col("n_truths") > 0)
        .then(pl.lit("duplicate"))
        .when(refuted)
        .then(pl.lit("false"))
        .otherwise(pl.lit("unlabelled"))
    )
    known = pl.col("n_attack") + pl.col("n_normal")
    purity = pl.when(known > 0).then(pl.col("n_attack") / known)
    return table.with_columns(kind.alias("kind"), purity.alias("purity"))
