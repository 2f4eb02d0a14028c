"""The flow view: one flow as a row.

What belongs here: numbers of a flow alone. What does not: counters over several flows.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.features.columns import WINDOW_US
from eddyline.features.dictionary import Feature
from eddyline.features.view import View, ViewTable

FEATURES: Final = (
    Feature("bytes_out", "bytes", "bytes_out", "sent in one connection"),
    Feature("bytes_in", "bytes", "bytes_in", "received in one connection"),
    Feature("pkts_out", "packets", "pkts_out", "packets sent in one connection"),
    Feature("pkts_in", "packets", "pkts_in", "packets received in one connection"),
    Feature("duration_s", "s", "duration_s", "of one connection"),
    Feature("bytes_per_pkt_out", "bytes", "bytes_out / pkts_out", "a packet sent"),
    Feature("bytes_per_pkt_in", "bytes", "bytes_in / pkts_in", "a packet received"),
    Feature(
        "up_share", "share", "bytes_out / (bytes_out + bytes_in)", "of the bytes sent upwards"
    ),
    Feature("is_tcp", "", "1 when TCP", "TCP"),
    Feature("is_udp", "", "1 when UDP", "UDP"),
    Feature("is_icmp", "", "1 when ICMP or ICMPv6", "ICMP"),
    Feature("port_class", "", "0 below 1024, 1 below 32768, 2 above, 3 none", "class of port"),
    Feature("fruitless", "", "1 when fruitless", "without result"),
    Feature("to_group", "", "1 when multicast or broadcast", "to many hosts at once"),
    Feature("outbound", "", "1 when inside → outside", "leaving the network"),
    Feature("inbound", "", "1 when outside → inside", "entering the network"),
)


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each flow, in the order of the flows.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    port = pl.col("port")
    total = pl.col("bytes_out") + pl.col("bytes_in")
    matrix = flows.select(
        "bytes_out",
        "bytes_in",
        "pkts_out",
        "pkts_in",
        pl.col("duration_s"),
        (pl.col("bytes_out") / pl.col("pkts_out").clip(1.0)).alias("bytes_per_pkt_out"),
        (pl.col("bytes_in") / pl.col("pkts_in").clip(1.0)).alias("bytes_per_pkt_in"),
        (pl.col("bytes_out") / total.clip(1.0)).alias("up_share"),
        (pl.col("ip_proto") == 6).fill_null(value=False).cast(pl.Float64).alias("is_tcp"),
        (pl.col("ip_proto") == 17).fill_null(value=False).cast(pl.Float64).alias("is_udp"),
        pl.col("ip_proto").is_in([1, 58]).fill_null(value=False).cast(pl.Float64).alias("is_icmp"),
        pl.when(port < 0)
        .then(3.0)
        .when(port < 1024)
        .then(0.0)
        .when(port < 32768)
        .then(1.0)
        .otherwise(2.0)
        .alias("port_class"),
        pl.col("fruitless").cast(pl.Float64),
        pl.col("to_group").cast(pl.Float64),
        *(
            (pl.col("direction") == way).fill_null(value=False).cast(pl.Float64).alias(way)
            for way in ("outbound", "inbound")
        ),
    )
    rows = flows.select("window", "uid", "src_ip", "dst_ip")
    return ViewTable(rows, np.ascontiguousarray(matrix.to_numpy()), flows)


FLOW: Final = View("flow", WINDOW_US, ("uid",), FEATURES, build, "", owner=("src_ip",))
"""Each flow alone."""
