"""The segment view: a run of flows from one address to one network with gaps of less than 60 s.

What belongs here: counters of a segment. What does not: counters of an address or a pair.

Source: Bartoszewicz et al., Network Anomaly Detection Challenge 2021: flows are grouped by source and
the first three octets of the destination; within a group, flows less than one minute apart belong
together (a gap of exactly 60 s splits). Departure: a segment ends with its window of one hour, so that a
live stream can tell it; IPv6 destinations are grouped by /64.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.features.columns import HOUR_US
from eddyline.features.dictionary import Feature
from eddyline.features.view import View, ViewTable

GAP_US: Final = 60_000_000
"""Gap between the starts of two flows that splits a segment, µs."""

FEATURES: Final = (
    Feature("seg_flows", "", "flows of the segment", "connections in a row to one network"),
    Feature("seg_hosts", "", "distinct responders", "hosts of one network contacted in a row"),
    Feature("seg_src_ports", "", "distinct source ports", "source ports used"),
    Feature(
        "seg_dst_ports", "", "distinct (protocol, port)", "ports of one network tried in a row"
    ),
    Feature("seg_services", "", "distinct application names", "applications used"),
    Feature("seg_span_s", "s", "last end − first start", "of activity without a pause"),
    Feature("seg_fruitless", "", "fruitless flows", "attempts in a row without result"),
    Feature("seg_rate", "flows/s", "seg_flows / max(seg_span_s, 1)", "connections a second"),
    Feature("seg_bytes_out", "bytes", "sum of bytes_out", "sent in one go"),
    Feature("seg_bytes_in", "bytes", "sum of bytes_in", "received in one go"),
    Feature("seg_pkts_out", "packets", "sum of pkts_out", "packets sent in one go"),
)


def segment_ids(flows: pl.DataFrame, gap_us: int = GAP_US) -> pl.DataFrame:
    """Give each flow its segment number; flows come back by (window, source, network, start).

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    gap_us
        Gap between starts that splits, µs, ``> 0``.
    """
    keys = ["window", "src_ip", "dst_net"]
    ordered = flows.sort(*keys, "ts", "uid")
    starts_group = pl.any_horizontal([pl.col(k) != pl.col(k).shift(1) for k in keys])
    splits = (pl.col("ts") - pl.col("ts").shift(1)) >= gap_us
    return ordered.with_columns(
        (starts_group | splits).fill_null(value=True).cum_sum().alias("segment")
    )


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each segment of each window.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    service = pl.col("ip_proto").fill_null(255).cast(pl.Int32) * 65537 + pl.col("port") + 1
    table = (
        segment_ids(flows)
        .group_by("window", "src_ip", "dst_net", "segment")
        .agg(
            pl.col("ts").min().alias("start"),
            pl.col("ts_end").max().alias("end"),
            pl.len().alias("seg_flows"),
            pl.col("dst_ip").n_unique().alias("seg_hosts"),
            pl.col("sport").n_unique().alias("seg_src_ports"),
            service.n_unique().alias("seg_dst_ports"),
            pl.col("app").n_unique().alias("seg_services"),
            pl.col("fruitless").sum().alias("seg_fruitless"),
            pl.col("bytes_out").sum().alias("seg_bytes_out"),
            pl.col("bytes_in").sum().alias("seg_bytes_in"),
            pl.col("pkts_out").sum().alias("seg_pkts_out"),
        )
        .with_columns(((pl.col("end") - pl.col("start")) / 1e6).alias("seg_span_s"))
        .with_columns((pl.col("seg_flows") / pl.col("seg_span_s").clip(1.0)).alias("seg_rate"))
        .sort(
            "window", pl.col("src_ip").cast(pl.String), pl.col("dst_net").cast(pl.String), "start"
        )
    )
    matrix = table.select(pl.col(f.name).cast(pl.Float64).fill_null(0.0) for f in FEATURES)
    rows = table.select("window", "src_ip", "dst_net", "start", "end")
    return ViewTable(rows, np.ascontiguousarray(matrix.to_numpy()), flows)


SEGMENT: Final = View("segment", HOUR_US, ("src_ip", "dst_net"), FEATURES, build, "")
"""Runs of flows to one network."""
