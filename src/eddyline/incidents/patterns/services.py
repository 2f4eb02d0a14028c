"""New services: a port of an inside host that answers now and never did while normal was learned.

What belongs here: what counts as a service and when it is worth telling. What does not: what was learned.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from eddyline.features.columns import services
from eddyline.incidents.patterns.shape import nothing, stories
from eddyline.incidents.story import Story

MIN_FLOWS: Final = 8
"""Conversations in an hour from which a service is told: fewer may be a transfer's data port."""

SHORT_US: Final = 72_000_000_000
"""Learned time below which rarely used services are still unknown, µs: 20 hours."""

SHORT_FLOWS: Final = 40
"""Conversations in an hour from which a service is told when little time was learned."""


def new_services(flows: pl.DataFrame, known: pl.Series, learned_us: int) -> list[Story]:
    """Find inside hosts that answer on a port that was not learned.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    known
        Names of the services that were learned.
    learned_us
        Time that was learned, µs.
    """
    least = MIN_FLOWS if learned_us >= SHORT_US else SHORT_FLOWS
    keys = ["window", "service_name"]
    shown = services(flows).filter(~pl.col("service_name").is_in(known.implode()))
    found = (
        shown.group_by(keys)
        .agg(
            pl.len().alias("attempts"),
            pl.col("src_ip").n_unique().alias("clients"),
            pl.col("dst_ip").first().cast(pl.String),
            pl.col("port").first(),
        )
        .filter(pl.col("attempts") >= least)
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="new_service",
            anchor=(row["service_name"],),
            entity=row["dst_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("attempts", "clients", "port")},
            feature="",
            value=row["attempts"],
            strict=False,
            strength=row["attempts"] / least,
        )

    return stories(found, shown, keys, describe)
