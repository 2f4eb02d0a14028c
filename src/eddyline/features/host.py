"""The host view: one address in one window — whom it contacted, who contacted it, and what came of it.

What belongs here: counters of one address over a window. What does not: the pair of two addresses
(``dyad.py``) and runs of flows to one network (``segment.py``).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.features.columns import HOUR_US, LOGIN_PORTS, WINDOW_US
from eddyline.features.dictionary import Feature
from eddyline.features.view import View, ViewTable

FEATURES: Final = (
    Feature("n_flows", "", "count of flows it started", "connections started"),
    Feature("n_hosts", "", "distinct responders, group addresses left out", "hosts contacted"),
    Feature(
        "hosts_unanswered", "", "distinct responders of fruitless flows", "hosts tried in vain"
    ),
    Feature("n_ports", "", "distinct (protocol, port) contacted", "ports contacted"),
    Feature("ports_unanswered", "", "distinct ports of fruitless flows", "ports tried in vain"),
    Feature(
        "ports_per_host", "", "largest number of ports tried on one host", "ports of one host"
    ),
    Feature("hosts_per_port", "", "largest number of hosts on one port", "hosts on one port"),
    Feature(
        "flows_per_service", "", "most flows to one host and port", "connections to one service"
    ),
    Feature(
        "logins", "", "most flows to one login service (LOGIN_PORTS)", "logins to one service"
    ),
    Feature("n_fruitless", "", "fruitless flows", "attempts without result"),
    Feature("fruitless_share", "share", "n_fruitless / n_flows", "of its attempts without result"),
    Feature("bytes_out", "bytes", "sum of bytes_out", "sent"),
    Feature("bytes_in", "bytes", "sum of bytes_in", "received in answer"),
    Feature("bytes_out_external", "bytes", "sum of bytes_out of outbound flows", "sent outside"),
    Feature("pkts_out", "packets", "sum of pkts_out", "packets sent"),
    Feature("icmp_pkts", "packets", "sum of pkts_out of ICMP flows", "ICMP packets sent"),
    Feature("broadcast_pkts", "packets", "sum of pkts_out to broadcast", "packets to broadcast"),
    Feature("in_flows", "", "count of flows to it", "connections received"),
    Feature("in_sources", "", "distinct originators of flows to it", "hosts that contacted it"),
    Feature("in_fruitless", "", "fruitless flows to it", "vain attempts against it"),
    Feature("in_ports", "", "distinct ports contacted on it", "of its ports contacted"),
    Feature("in_bytes", "bytes", "sum of bytes_out of flows to it", "received from others"),
    Feature("in_pkts", "packets", "sum of pkts_out of flows to it", "packets received"),
)


def _is_icmp() -> pl.Expr:
    return pl.col("ip_proto").is_in([1, 58])


def pairs(flows: pl.DataFrame) -> pl.DataFrame:
    """Count flows per (window, originator, responder, service): the base of all other counts.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    service = pl.col("ip_proto").fill_null(255).cast(pl.Int32) * 65537 + pl.col("port") + 1
    return flows.group_by("window", "src_ip", "dst_ip", service.alias("service")).agg(
        pl.len().cast(pl.Float64).alias("flows"),
        pl.col("fruitless").sum().cast(pl.Float64),
        pl.col("bytes_out").sum(),
        pl.col("bytes_in").sum(),
        pl.col("pkts_out").sum(),
        pl.col("bytes_out")
        .filter(pl.col("direction") == "outbound")
        .sum()
        .alias("bytes_external"),
        pl.col("pkts_out").filter(_is_icmp()).sum().alias("icmp_pkts"),
        pl.col("pkts_out").filter(pl.col("to_broadcast")).sum().alias("broadcast_pkts"),
        pl.col("to_group").first(),
        (pl.col("port").is_in(LOGIN_PORTS) & (pl.col("ip_proto") == 6)).first().alias("login"),
    )


def _as_originator(base: pl.DataFrame) -> pl.DataFrame:
    """Aggregate the flows that each address started."""
    vain = pl.col("fruitless") > 0
    per_host = (
        base.filter(~pl.col("to_group"))
        .group_by("window", "src_ip", "dst_ip")
        .agg(pl.len().cast(pl.Float64).alias("ports"))
        .group_by("window", "src_ip")
        .agg(pl.col("ports").max().alias("ports_per_host"))
    )
    per_port = (
        base.filter(~pl.col("to_group"))
        .group_by("window", "src_ip", "service")
        .agg(pl.len().cast(pl.Float64).alias("hosts"))
        .group_by("window", "src_ip")
        .agg(pl.col("hosts").max().alias("hosts_per_port"))
    )
    counts = base.group_by("window", "src_ip").agg(
        pl.col("flows").sum().alias("n_flows"),
        pl.col("dst_ip").filter(~pl.col("to_group")).n_unique().alias("n_hosts"),
        pl.col("dst_ip").filter(vain).n_unique().alias("hosts_unanswered"),
        pl.col("service").n_unique().alias("n_ports"),
        pl.col("service").filter(vain).n_unique().alias("ports_unanswered"),
        pl.col("flows").max().alias("flows_per_service"),
        pl.col("flows").filter(pl.col("login").fill_null(value=False)).max().alias("logins"),
        pl.col("fruitless").sum().alias("n_fruitless"),
        (pl.col("fruitless").sum() / pl.col("flows").sum()).alias("fruitless_share"),
        pl.col("bytes_out").sum(),
        pl.col("bytes_in").sum(),
        pl.col("bytes_external").sum().alias("bytes_out_external"),
        pl.col("pkts_out").sum(),
        pl.col("icmp_pkts").sum(),
        pl.col("broadcast_pkts").sum(),
    )
    return counts.join(per_host, on=["window", "src_ip"], how="left").join(
        per_port, on=["window", "src_ip"], how="left"
    )


def _as_responder(base: pl.DataFrame) -> pl.DataFrame:
    """Aggregate the flows that reached each address."""
    return base.group_by("window", "dst_ip").agg(
        pl.col("flows").sum().alias("in_flows"),
        pl.col("src_ip").n_unique().alias("in_sources"),
        pl.col("fruitless").sum().alias("in_fruitless"),
        pl.col("service").n_unique().alias("in_ports"),
        pl.col("bytes_out").sum().alias("in_bytes"),
        pl.col("pkts_out").sum().alias("in_pkts"),
    )


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each address that started or received a flow in a window.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    base = pairs(flows)
    out = _as_originator(base).rename({"src_ip": "entity"})
    into = _as_responder(base).rename({"dst_ip": "entity"})
    table = out.join(into, on=["window", "entity"], how="full", coalesce=True)
    table = table.sort("window", pl.col("entity").cast(pl.String))
    matrix = table.select(pl.col(f.name).cast(pl.Float64).fill_null(0.0) for f in FEATURES)
    return ViewTable(
        rows=table.select("window", "entity"),
        X=np.ascontiguousarray(matrix.to_numpy()),
        flows=flows,
    )


HOST: Final = View("host", WINDOW_US, ("entity",), FEATURES, build, "5 min")
"""One address in five minutes: what is loud."""

HOST_HOUR: Final = View("host_hour", HOUR_US, ("entity",), FEATURES, build, "1 h")
"""One address in an hour: what is slow."""
