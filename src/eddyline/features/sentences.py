"""Sentences: which flows belong together, in which order, as token groups.

What belongs here: the groupings of flows and the de-duplication before them. What does not: the words
themselves (``tokens.py``) and what is unusual about a sentence (``detectors``).

Hours are those of a flow's start, UTC. Flows of one start keep the order they came in. Sources: the
undirected pair per hour is Radford et al., 2018 (arXiv:1803.10769); the five groupings are Radford,
Richardson, Davis, Sequence Aggregation Rules for Anomaly Detection in Computer Network Traffic, 2018
(arXiv:1805.03735); sessions by gaps are Clausen, Grov, Aspinall, 2021 (doi:10.3390/computers10060079).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from eddyline.errors import UsageError
from eddyline.features.columns import HOUR_US
from eddyline.features.tokens import token_set
from eddyline.flows.addresses import AddressFacts, pack_all
from eddyline.tables import TokenGroups

GROUPINGS: Final = (
    "dyad_hour",
    "source_hour",
    "destination_hour",
    "dyad_directed_hour",
    "internal_hour",
    "external_hour",
    "gap_session",
)
"""What a sentence can be: see ``sentences``."""

SESSION_GAP_US: Final = 8_000_000
"""A session of a host ends when it is silent for longer than this, µs (Clausen et al., 2021)."""

SESSION_FLOWS: Final = 25
"""A session has at most so many flows (Clausen et al., 2021)."""

_NEEDED: Final = (
    "ts",
    "src_ip",
    "dst_ip",
    "src_port",
    "dst_port",
    "proto",
    "bytes_out",
    "bytes_in",
)


def distinct_flows(frame: pl.DataFrame) -> pl.DataFrame:
    """Drop rows equal in every field, the identifier aside; the first stays, with its place in ``member``.

    Parameters
    ----------
    frame
        Flows with the columns of the record.
    """
    numbered = frame.with_row_index("member")
    fields = [
        name for name, kind in frame.schema.items() if name != "uid" and not kind.is_nested()
    ]
    return numbered.unique(subset=fields, keep="first", maintain_order=True)


def sentences(
    frame: pl.DataFrame,
    tokens: str | pl.Expr = "proto-bytes",
    *,
    group_by: str = "dyad_hour",
    internal: Sequence[str] | None = None,
) -> TokenGroups:
    """Give the token groups of flows, each in the order of the flows' starts.

    A flow between two hosts inside stands in the groups of both for ``internal_hour`` and ``gap_session``,
    and each copy is scored; ``internal_hour`` and ``external_hour`` leave out flows between hosts outside.
    ``rows`` say what a group is: ``a`` and ``b`` (empty for one host), ``window`` (the hour, or the number of
    the session), ``start`` and ``end`` in µs; ``members`` are places in ``frame``.

    Parameters
    ----------
    frame
        Flows with the columns of the record; it need not be in order.
    tokens
        Name of a token set, or an expression that gives a text for each flow.
    group_by
        One of ``GROUPINGS``.
    internal
        Networks that count as inside; None for the private ranges.

    Raises
    ------
    UsageError
        When there is no such grouping or token set.
    """
    if group_by not in GROUPINGS:
        message = f"group_by must be one of {', '.join(GROUPINGS)}, got {group_by!r}; choose one"
        raise UsageError(message)
    words = token_set(tokens) if isinstance(tokens, str) else tokens
    flows = frame if "member" in frame.columns else frame.with_row_index("member")
    keyed = _keyed(_placed(flows, internal), group_by).sort("ts", maintain_order=True)
    if group_by == "gap_session":
        keyed = _sessions(keyed)
    keys = ["window", "a", "b"]
    said = keyed.with_columns(pl.col("ts").diff().over(keys).alias("gap_us")).with_columns(
        words.alias("token")
    )
    grouped = said.group_by(keys, maintain_order=True).agg(
        "token", "member", pl.col("ts").min().alias("start"), pl.col("ts").max().alias("end")
    )
    lengths = grouped["token"].list.len().to_numpy().astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = {name: grouped[name].to_numpy() for name in ("window", "start", "end")}
    texts = {name: grouped[name].cast(pl.String).to_numpy().astype(np.str_) for name in ("a", "b")}
    flat = grouped["token"].explode(empty_as_null=False)
    members = grouped["member"].explode(empty_as_null=False)
    return TokenGroups(
        offsets,
        flat.to_numpy().astype(np.str_),
        {**texts, **rows},
        members.to_numpy().astype(np.int64),
    )


def _placed(flows: pl.DataFrame, internal: Sequence[str] | None) -> pl.DataFrame:
    """Add what is known of the addresses: their rank by bytes, and whether they are inside."""
    text = pl.col("src_ip", "dst_ip").cast(pl.String)
    kept = flows.select("member", pl.col(_NEEDED)).with_columns(text)
    distinct = pl.concat([kept["src_ip"], kept["dst_ip"].alias("src_ip")]).unique().drop_nulls()
    texts = distinct.to_list()
    packed = pack_all(texts)
    order = np.lexsort(
        (np.array(texts, dtype=np.str_), packed.low, packed.high, packed.v4, packed.version)
    )
    rank = np.empty(len(texts), np.int64)
    rank[order] = np.arange(len(texts))
    facts = pl.DataFrame(
        {
            "ip": pl.Series(texts, dtype=pl.String),
            "rank": rank,
            "inside": AddressFacts(internal).is_internal(texts),
        }
    )
    for end in ("src", "dst"):
        named = facts.rename({"ip": f"{end}_ip", "rank": f"{end}_rank", "inside": f"{end}_inside"})
        kept = kept.join(named, on=f"{end}_ip", how="left", maintain_order="left")
    return kept.with_columns(
        (pl.col("src_rank") <= pl.col("dst_rank")).alias("forward"),
        (pl.col("ts") // HOUR_US).alias("window"),
    )


def _keyed(flows: pl.DataFrame, group_by: str) -> pl.DataFrame:
    """Name each flow's group by ``a`` and ``b``; a flow of two groups stands twice."""
    nobody = pl.lit("").alias("b")
    if group_by == "dyad_hour":
        first = pl.when("forward").then("src_ip").otherwise("dst_ip")
        second = pl.when("forward").then("dst_ip").otherwise("src_ip")
        return flows.with_columns(first.alias("a"), second.alias("b"))
    if group_by in ("source_hour", "destination_hour"):
        end = "src_ip" if group_by == "source_hour" else "dst_ip"
        return flows.with_columns(pl.col(end).alias("a"), nobody)
    if group_by == "dyad_directed_hour":
        return flows.with_columns(pl.col("src_ip").alias("a"), pl.col("dst_ip").alias("b"))
    if group_by == "external_hour":
        mixed = flows.filter(pl.col("src_inside") != pl.col("dst_inside"))
        outside = pl.when("src_inside").then("dst_ip").otherwise("src_ip")
        return mixed.with_columns(outside.alias("a"), nobody)
    ends = [
        flows.filter(f"{end}_inside").with_columns(
            pl.col(f"{end}_ip").alias("a"), nobody, pl.lit(end == "src").alias("forward")
        )
        for end in ("src", "dst")
    ]
    both = pl.concat([ends[0], ends[1].filter(pl.col("src_ip") != pl.col("dst_ip"))])
    return both.sort("member", maintain_order=True)


def _sessions(flows: pl.DataFrame) -> pl.DataFrame:
    """Give each host's sessions a number: a new one after a gap, and after ``SESSION_FLOWS`` flows."""
    begins = (pl.col("ts").diff() > SESSION_GAP_US).fill_null(value=False)
    spoken = flows.with_columns(begins.cum_sum().over("a").alias("burst"))
    part = pl.int_range(pl.len()).over("a", "burst") // SESSION_FLOWS
    numbered = spoken.with_columns(part.alias("part"))
    fresh = (pl.col("burst").diff().fill_null(0) != 0) | (pl.col("part").diff().fill_null(0) != 0)
    return numbered.with_columns(fresh.cum_sum().over("a").cast(pl.Int64).alias("window"))
