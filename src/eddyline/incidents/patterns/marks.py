"""Marks of a port scanner of nmap's kind, told from the attempts alone.

What belongs here: what tells a tool that crafts or races its probes from somebody who merely tries ports.
What does not: how many ports make a scan (``levels.py``).

Any one mark is enough:

* **crafted probes** — the attempts leave from a few source ports, or carry TCP flags that open nothing (FIN,
  NULL, Xmas, ACK): no operating system connects like that, a raw-socket scanner does;
* **a scanner's list** — the ports are the services that are open most often on the internet, high ones among
  them, and not a range: nobody has that list by heart;
* **a scanner's pace** — several tries a second in random order: one try waits for the other where a person
  or a simple loop tries.

What shows none of them, such as plain connects one after another, is a sweep of ports and called that.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from eddyline.incidents.patterns.shape import SERVICE

FREQUENT_TCP: Final = (21, 22, 23, 25, 53, 80, 110, 111, 135, 139, 143, 443, 445, 993, 995,
                       1723, 3306, 3389, 5900, 8080)  # fmt: skip
"""The twenty TCP services most often open on the internet (Lyon, "Nmap Network Scanning", 2009, 4.1.1)."""

LIST_LEAST: Final = 10
LIST_HIGH: Final = 2
LIST_DENSITY: Final = 0.5
"""Least of the frequent ports, and of those above 1,024, in a list; share above which it is a range."""

FEW_SOURCE_PORTS: Final = 0.1
"""Distinct source ports per attempt at or below which probes are crafted: connects take a fresh one each."""

PACE_GAP_S: Final = 0.2
ORDERED: Final = 0.75
"""Median pause of a scanner's pace, s; share of rising steps from which an order is no random one."""

_OPENS: Final = (pl.col("tcp_flags_out") & 0x02) > 0


def marked(attempts: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    """Tell which groups of vain attempts bear a scanner's mark: ``keys`` and ``marked``.

    Parameters
    ----------
    attempts
        Derived flows of attempts on ports.
    keys
        Columns that make a group.
    """
    ordered = attempts.sort("ts", "uid")
    tries = ordered.with_columns(SERVICE.alias("service"))
    tcp = pl.col("ip_proto") == 6
    high = [port for port in FREQUENT_TCP if port > 1024]
    counts = tries.group_by(keys).agg(
        pl.len().alias("tries"),
        pl.col("sport").filter(pl.col("sport") > 0).n_unique().alias("from_ports"),
        (pl.col("sport") > 0).mean().alias("known_ports"),
        (tcp & ~_OPENS).fill_null(value=False).mean().alias("odd_share"),
        (pl.col("ts").diff().median() / 1e6).alias("gap_s"),
        pl.col("port").filter(tcp & pl.col("port").is_in(FREQUENT_TCP)).n_unique().alias("listed"),
        pl.col("port").filter(tcp & pl.col("port").is_in(high)).n_unique().alias("listed_high"),
        (pl.col("port").max() - pl.col("port").min() + 1).alias("range"),
    )
    fresh = tries.unique([*keys, "service"], keep="first", maintain_order=True)
    order = fresh.group_by(keys).agg(
        pl.len().alias("ports"),
        (pl.col("port").diff() > 0).mean().alias("rising"),
    )
    crafted = (
        (pl.col("from_ports") <= FEW_SOURCE_PORTS * pl.col("tries"))
        & (pl.col("known_ports") > 0.5)
    ) | (pl.col("odd_share") >= 0.5)
    listed = (
        (pl.col("listed") >= LIST_LEAST)
        & (pl.col("listed_high") >= LIST_HIGH)
        & (pl.col("ports") <= LIST_DENSITY * pl.col("range"))
    )
    paced = (pl.col("gap_s") <= PACE_GAP_S) & pl.col("rising").is_between(1 - ORDERED, ORDERED)
    judged = counts.join(order, on=keys)
    return judged.select(*keys, (crafted | listed | paced).fill_null(value=False).alias("marked"))
