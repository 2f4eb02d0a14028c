"""What needs no detector: trivial scores of flows and trivial incidents, to stand beside ours.

What belongs here: rules that anybody could write in a line. What does not: anything fitted.

Flows are scored by a random number, by their bytes, by their fan-out (distinct destinations of the source
in that minute), or all alike. Incidents are: everything of a day; each source of a day; each destination
of a day; ordered by flows, or each source ordered by fan-out, by bytes or at random.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.evaluate.incidents import DAY_US
from eddyline.tables import Floats

MINUTE_US: Final = 60_000_000
"""Window of the fan-out."""


def flow_scores(flows: pl.DataFrame, *, seed: int = 0) -> dict[str, Floats]:
    """Give the trivial scores of each flow, by name; higher is stranger.

    Parameters
    ----------
    flows
        With ``ts_end``, ``src_ip``, ``dst_ip`` and ``bytes``.
    seed
        Start of the randomness.
    """
    rng = np.random.default_rng(seed)
    return {
        "random": rng.random(flows.height),
        "bytes": flows["bytes"].cast(pl.Float64).to_numpy(),
        "fan-out": flows.select(_fan_out()).to_series().cast(pl.Float64).to_numpy(),
        "flag everything": np.ones(flows.height),
    }


def incident_members(flows: pl.DataFrame, *, seed: int = 0) -> dict[str, pl.DataFrame]:
    """Give the flows of trivial incidents, by name of the rule: ``row`` and ``place``, from 1.

    Parameters
    ----------
    flows
        With ``row``, ``ts_end``, ``src_ip``, ``dst_ip`` and ``bytes``.
    seed
        Start of the randomness.
    """
    rng = np.random.default_rng(seed)
    chance = pl.Series("chance", rng.random(flows.height))
    table = flows.select(
        "row",
        (pl.col("ts_end") // DAY_US).alias("day"),
        "src_ip",
        "dst_ip",
        "bytes",
        _fan_out().alias("fan_out"),
    ).with_columns(chance)
    count, size = pl.len(), pl.col("bytes").sum()
    source = ["day", "src_ip"]
    return {
        "flag everything": _ranked(table, ["day"], count),
        "one per source": _ranked(table, source, count),
        "one per destination": _ranked(table, ["day", "dst_ip"], count),
        "source by fan-out": _ranked(table, source, pl.col("fan_out").max()),
        "source by bytes": _ranked(table, source, size),
        "source at random": _ranked(table, source, pl.col("chance").first()),
    }


def _fan_out() -> pl.Expr:
    return pl.col("dst_ip").n_unique().over("src_ip", pl.col("ts_end") // MINUTE_US)


def _ranked(table: pl.DataFrame, keys: list[str], value: pl.Expr) -> pl.DataFrame:
    """Make one incident a group, the largest value first."""
    each = table.group_by(keys).agg(value.alias("value"), pl.col("row").min().alias("first"))
    each = each.sort("value", "first", descending=[True, False])
    each = each.with_row_index("place", offset=1)
    return table.join(each, on=keys).select("row", "place").sort("place", "row")
