"""The edge view: who called whom in a minute, and how busy both ends were.

What belongs here: rows that counters of edges read, in the order of time. What does not: the counters
(``detectors/midas.py``, ``detectors/edges.py``) and what two hosts do with each other (``dyad.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.features.dictionary import Feature
from eddyline.features.view import View, ViewTable

MINUTE_US: Final = 60_000_000

FEATURES: Final = (
    Feature(
        "edge_flows", "", "flows from the source to the destination", "connections to one host"
    ),
    Feature("edge_source_flows", "", "flows of the source", "connections made by one host"),
    Feature(
        "edge_target_flows", "", "flows to the destination", "connections to one host from all"
    ),
)


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each source and destination of each minute, by minute, source and destination.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    keys = ("window", "src_ip", "dst_ip")
    edges = flows.group_by(keys).agg(pl.len().alias("edge_flows"))
    of = {"edge_source_flows": "src_ip", "edge_target_flows": "dst_ip"}
    both = [pl.col("edge_flows").sum().over("window", end).alias(name) for name, end in of.items()]
    table = edges.with_columns(both).sort(
        "window", *(pl.col(end).cast(pl.String) for end in keys[1:])
    )
    matrix = table.select(pl.col(feature.name).cast(pl.Float64) for feature in FEATURES)
    return ViewTable(table.select(keys), np.ascontiguousarray(matrix.to_numpy()), flows)


EDGE: Final = View(
    "edge", MINUTE_US, ("src_ip", "dst_ip"), FEATURES, build, "1 min", in_order=True
)
"""A source and a destination in a minute."""
