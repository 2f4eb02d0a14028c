"""The dyad view: two addresses in one hour, whoever speaks first, as numbers and as a token sequence.

What belongs here: what two hosts do with each other. What does not: what one host does with many.

Source of the unit and of the byte classes: Radford et al., Network Traffic Anomaly Detection Using
Recurrent Neural Networks, 2018 (arXiv:1803.10769): the undirected pair per hour is a sentence, a flow a
word, its bytes told by their binary logarithm. Departure: the word also names the service, because
protocol and size alone do not tell a name look-up from a beacon.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from eddyline.features.columns import HOUR_US, INFRASTRUCTURE_PORTS, LOGIN_PORTS
from eddyline.features.dictionary import Feature
from eddyline.features.tokens import exponent
from eddyline.features.view import View, ViewTable

FEATURES: Final = (
    Feature("pair_flows", "", "flows between the two", "connections between the two"),
    Feature("pair_ports", "", "distinct (protocol, port)", "ports used between the two"),
    Feature("pair_fruitless", "", "fruitless flows", "vain attempts between the two"),
    Feature("pair_bytes_out", "bytes", "bytes from the usual originator", "sent to one host"),
    Feature("pair_bytes_in", "bytes", "bytes to the usual originator", "received from one host"),
    Feature("pair_pkts", "packets", "packets both ways", "packets between the two"),
    Feature("pair_duration_s", "s", "sum of durations", "of connection time"),
    Feature("service_flows", "", "most flows on one port", "connections to one service"),
    Feature(
        "gap_regularity", "share", "1 / (1 + MAD of gaps / median gap)", "regular in its timing"
    ),
    Feature("size_regularity", "share", "1 / (1 + MAD of sizes / median size)", "alike in size"),
    Feature("icmp_bytes", "bytes", "bytes of ICMP flows both ways", "carried by ICMP"),
    Feature("dns_bytes", "bytes", "bytes to and from port 53", "carried by DNS"),
    Feature("dns_flows", "", "flows to port 53", "name look-ups"),
    Feature("login_flows", "", "flows to ports of LOGIN_PORTS", "logins to one host"),
    Feature("outside_bytes_out", "bytes", "bytes sent outside", "sent to one host outside"),
    Feature("outside_bytes_in", "bytes", "bytes from outside", "received from one host outside"),
    Feature(
        "outside_rhythm",
        "",
        "service_flows × gap_regularity² × size_regularity² when outbound, names and time left out",
        "regular calls to one service outside",
    ),
)

MIN_RHYTHM: Final = 6
"""Flows to one service from which a rhythm is told; below, regularity is 0."""


def ordered_pairs(flows: pl.DataFrame) -> pl.DataFrame:
    """Add ``a`` and ``b``: the two addresses in the order of their text.

    Parameters
    ----------
    flows
        Derived flows.
    """
    swap = pl.col("src_ip").cast(pl.String) > pl.col("dst_ip").cast(pl.String)
    distinct = (
        flows.select("src_ip", "dst_ip")
        .unique()
        .with_columns(
            pl.when(swap).then("dst_ip").otherwise("src_ip").alias("a"),
            pl.when(swap).then("src_ip").otherwise("dst_ip").alias("b"),
        )
    )
    return flows.join(distinct, on=["src_ip", "dst_ip"], how="left", maintain_order="left")


def _rhythm(flows: pl.DataFrame) -> pl.DataFrame:
    """Tell for each pair and window the busiest service and how regular it is in time and size."""
    service = pl.col("ip_proto").fill_null(255).cast(pl.Int32) * 65537 + pl.col("port") + 1
    keys = ["window", "a", "b", "service"]
    served = flows.with_columns(service.alias("service"))
    busiest = (
        served.group_by(keys)
        .agg(pl.len().alias("service_flows"))
        .sort("service_flows", "service", descending=[True, False])
        .group_by("window", "a", "b", maintain_order=True)
        .first()
    )
    told = busiest.filter(pl.col("service_flows") >= MIN_RHYTHM).select(keys)
    gaps = pl.col("ts").diff().drop_nulls()
    sizes = pl.col("bytes_out")
    rhythm = (
        served.join(told, on=keys, how="semi")
        .sort("ts", "uid")
        .group_by("window", "a", "b")
        .agg(
            (1.0 / (1.0 + _spread(gaps))).alias("gap_regularity"),
            (1.0 / (1.0 + _spread(sizes))).alias("size_regularity"),
        )
    )
    return busiest.select("window", "a", "b", "service_flows").join(
        rhythm, on=["window", "a", "b"], how="left"
    )


def _spread(values: pl.Expr) -> pl.Expr:
    """Tell how unlike values are: median absolute deviation over the median."""
    return (values - values.median()).abs().median() / values.median().clip(1.0)


def tokens() -> pl.Expr:
    """Give the word of a flow: protocol, service port and the binary logarithm of its bytes."""
    size = exponent(pl.col("bytes_out") + pl.col("bytes_in"))
    port = pl.when(pl.col("port") < 10_000).then(pl.col("port")).otherwise(10_000)
    return pl.format("{}/{}:{}", pl.col("proto"), port, size)


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each pair that exchanged flows in a window.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    """
    paired = ordered_pairs(flows)
    icmp = pl.col("ip_proto").is_in([1, 58])
    dns = pl.col("port") == 53
    both = pl.col("bytes_out") + pl.col("bytes_in")
    from_a = pl.col("src_ip") == pl.col("a")
    service = pl.col("ip_proto").fill_null(255).cast(pl.Int32) * 65537 + pl.col("port") + 1
    a_sent = pl.when(from_a).then(pl.col("bytes_out")).otherwise(pl.col("bytes_in")).sum()
    b_sent = pl.when(from_a).then(pl.col("bytes_in")).otherwise(pl.col("bytes_out")).sum()
    a_leads = from_a.mean() >= 0.5
    outbound = pl.col("direction") == "outbound"
    logins = (pl.col("ip_proto") == 6) & pl.col("port").is_in(LOGIN_PORTS)
    asked = outbound & ~pl.col("port").is_in(INFRASTRUCTURE_PORTS)
    table = (
        paired.group_by("window", "a", "b")
        .agg(
            pl.len().alias("pair_flows"),
            service.n_unique().alias("pair_ports"),
            pl.col("fruitless").sum().alias("pair_fruitless"),
            pl.when(a_leads).then(a_sent).otherwise(b_sent).alias("pair_bytes_out"),
            pl.when(a_leads).then(b_sent).otherwise(a_sent).alias("pair_bytes_in"),
            (pl.col("pkts_out") + pl.col("pkts_in")).sum().alias("pair_pkts"),
            pl.col("duration_s").sum().alias("pair_duration_s"),
            both.filter(icmp).sum().alias("icmp_bytes"),
            both.filter(dns).sum().alias("dns_bytes"),
            dns.sum().alias("dns_flows"),
            logins.sum().alias("login_flows"),
            pl.col("bytes_out").filter(outbound).sum().alias("outside_bytes_out"),
            pl.col("bytes_in").filter(outbound).sum().alias("outside_bytes_in"),
            asked.any().alias("asked_outside"),
            tokens().sort_by("ts", "uid").alias("tokens"),
        )
        .join(_rhythm(paired), on=["window", "a", "b"], how="left")
        .with_columns(
            pl.when("asked_outside")
            .then(
                pl.col("service_flows")
                * (pl.col("gap_regularity") * pl.col("size_regularity")) ** 2
            )
            .otherwise(0.0)
            .alias("outside_rhythm")
        )
        .sort("window", pl.col("a").cast(pl.String), pl.col("b").cast(pl.String))
    )
    matrix = table.select(pl.col(f.name).cast(pl.Float64).fill_null(0.0) for f in FEATURES)
    rows = table.select("window", "a", "b")
    X = np.ascontiguousarray(matrix.to_numpy())
    return ViewTable(rows, X, paired, tokens=table["tokens"])


DYAD: Final = View("dyad", HOUR_US, ("a", "b"), FEATURES, build, "1 h")
"""Two addresses in an hour."""
