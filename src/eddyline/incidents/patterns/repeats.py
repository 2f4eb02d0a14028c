"""Repeats: the same contact again and again — guessing, calling home, beacons.

What belongs here: one source and one service, counted and compared in time and size. What does not:
volume (``volumes.py``) and rates without answers (``floods.py``).
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from eddyline.features.columns import INFRASTRUCTURE_PORTS, LOGIN_PORTS, WEB_PORTS, WINDOW_US
from eddyline.incidents.patterns.levels import Sight
from eddyline.incidents.patterns.shape import SERVICE, frequent, nothing, span_s, spread, stories
from eddyline.incidents.story import Story

LOGIN_BYTES: Final = 6_000
LOGIN_S: Final = 60.0
"""Bytes asked and seconds lasted, medians: a try is a key exchange and a few passwords, not a session."""

LOGIN_SPREAD: Final = 0.35
"""Spread of the answers' sizes: a refusal is always the same text, within what a protocol pads."""

PAGE_SPREAD: Final = 0.05
"""Spread of sizes for web logins: pages differ much more, the refusal of one form hardly at all."""

ALIKE: Final = 1.6
"""A flow within this factor of the median sizes is one of the tries; a session that worked is larger."""

ANSWERED_LEAST: Final = 0.25
"""Answered tries, as a share of the least tries, from which dropped ones are known to be tries too."""

HOUR_SCALE: Final = 1.5
"""How many times more attempts an hour takes than five minutes: people mistype, not 30 times."""

CALLS_SPAN_S: Final = 600.0
CALLS_VAIN: Final = 0.3
"""Least time and share in vain of calls: shorter is a retry, less is a service that works."""

BEACON_GAP_S: Final = 5.0
BEACON_SPAN_S: Final = 1_200.0
"""Least median pause and time of a beacon: closer together is one page, shorter one visit."""

BEACON_GAP_SPREAD: Final = 0.3
BEACON_SIZE_SPREAD: Final = 0.1
"""Spread of pauses and sizes: jitter of half the interval gives 0.25; a fixed request varies by cookies."""

FEW_CALLERS: Final = 2
MANY_PEERS: Final = 5
"""Inside hosts that call a service, up to which regular calls add up over hours, and that call anything
outside, from which that is few: what more of them call regularly is a product that many have, and of one
host alone nobody knows."""

MOST_GAP_S: Final = 30.0
"""Median pause between attempts, s, above which logins are polling and not guessing."""

_KEYS = ["window", "src_ip", "dst_ip", "service"]


def guessing(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find many answered attempts alike against one login service.

    A service under pressure drops tries right after they began: these count with the answered ones as
    soon as enough of those show what a try looks like.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    tcp = pl.col("ip_proto") == 6
    login = pl.col("port").is_in(LOGIN_PORTS)
    web = pl.col("port").is_in(WEB_PORTS)
    spoke = (pl.col("payload_in") > 0) | (pl.col("payload_out") > 0)
    asked = flows.filter(tcp & spoke & ~pl.col("backwards") & (login | web))
    asked = asked.with_columns(SERVICE.alias("service"))
    shown = frequent(asked, _KEYS, min(at.levels.logins, at.levels.web_logins))
    answered = pl.col("payload_in") > 0
    counts = shown.group_by(_KEYS).agg(
        pl.col("port").first(),
        answered.sum().alias("answered"),
        (pl.len() - answered.sum()).alias("dropped"),
        (pl.len() / span_s()).alias("rate"),
        spread("payload_in", answered).alias("in_spread"),
        spread("payload_out", answered).alias("out_spread"),
        pl.col("payload_out").filter(answered).median().alias("asked"),
        pl.col("payload_in").filter(answered).median().alias("told"),
        pl.col("duration_s").median().alias("lasted"),
        (pl.col("ts").sort().diff().median() / 1e6).alias("gap_s"),
    )
    scale = 1.0 if at.window_us <= WINDOW_US else HOUR_SCALE
    short = (pl.col("asked") <= LOGIN_BYTES) & (pl.col("lasted") <= LOGIN_S)
    alike = (pl.col("in_spread") <= LOGIN_SPREAD) & short
    pressing = pl.col("gap_s") <= MOST_GAP_S
    tells = pl.col("answered") >= ANSWERED_LEAST * at.levels.logins
    attempts = pl.when(login & tells).then(pl.col("answered") + pl.col("dropped"))
    counts = counts.with_columns(attempts.otherwise("answered").alias("attempts"))
    by_login = login & alike & pressing & (pl.col("attempts") >= at.levels.logins * scale)
    same = (pl.col("in_spread") <= PAGE_SPREAD) & (pl.col("out_spread") <= PAGE_SPREAD)
    by_web = web & same & (pl.col("attempts") >= at.levels.web_logins * scale)
    found = counts.filter(by_login | (by_web & (pl.col("rate") >= at.levels.login_rate)))

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="guessing",
            anchor=(row["src_ip"], str(row["port"])),
            entity=row["src_ip"],
            flows=nothing(),
            measures={"attempts": row["attempts"], "rate": row["rate"], "port": row["port"]},
            feature="logins" if row["port"] in LOGIN_PORTS else "flows_per_service",
            value=row["attempts"],
            strength=row["attempts"] / at.levels.logins,
        )

    return stories(found, _tries(shown, found), _KEYS, describe, at)


def _tries(shown: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """Give the tries of guessers: what is alike, and what a login service dropped."""
    usual = found.select(
        *_KEYS, "asked", "told", "attempts", pl.col("answered").alias("n_answered")
    )
    near = [
        pl.col(size).is_between(pl.col(median) / ALIKE, pl.col(median) * ALIKE)
        for size, median in (("payload_out", "asked"), ("payload_in", "told"))
    ]
    counted = pl.col("attempts") > pl.col("n_answered")
    dropped = counted & (pl.col("payload_in") <= 0)
    return shown.join(usual, on=_KEYS, how="inner").filter((near[0] & near[1]) | dropped)


def calls(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find an inside host that keeps calling one outside service which hardly answers.

    Only told of windows longer than five minutes.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    if at.window_us <= WINDOW_US:
        return []
    outside = pl.col("direction").is_in(["outbound", "unknown"]) & ~pl.col("to_group")
    tcp = pl.col("ip_proto") == 6
    wanted = outside & tcp & ~pl.col("backwards") & ~pl.col("port").is_in(INFRASTRUCTURE_PORTS)
    called = flows.filter(wanted).with_columns(SERVICE.alias("service"))
    shown = frequent(called, _KEYS, at.levels.calls)
    found = (
        shown.group_by(_KEYS)
        .agg(
            pl.col("port").first(),
            pl.len().alias("attempts"),
            pl.col("fruitless").sum().alias("vain"),
            span_s().alias("span_s"),
            (pl.col("ts").sort().diff().median() / 1e6).alias("gap_s"),
        )
        .filter(
            (pl.col("vain") >= at.levels.calls)
            & (pl.col("vain") >= CALLS_VAIN * pl.col("attempts"))
            & (pl.col("span_s") >= CALLS_SPAN_S)
        )
    )

    def describe(row: dict[str, Any]) -> Story:
        return Story(
            attack="c2_beacon",
            anchor=(row["src_ip"], row["dst_ip"], str(row["port"])),
            entity=row["src_ip"],
            flows=nothing(),
            measures={k: row[k] for k in ("attempts", "vain", "gap_s", "port", "span_s")},
            grain="dyad",
            feature="service_flows",
            value=row["attempts"],
            strength=row["vain"] / at.levels.calls,
        )

    return stories(found, shown, _KEYS, describe, at)


def _callers(called: pl.DataFrame) -> pl.DataFrame:
    """Count the sources that call each service of a window."""
    sources = pl.col("src_ip").n_unique().alias("callers")
    return called.group_by("window", "dst_ip", "service").agg(sources)


def _peers(called: pl.DataFrame) -> pl.DataFrame:
    """Count the sources that call anything outside in each window."""
    return called.group_by("window").agg(pl.col("src_ip").n_unique().alias("peers"))


def beacons(flows: pl.DataFrame, at: Sight) -> list[Story]:
    """Find contacts with one outside service that are regular in time and alike in size.

    Only told of windows longer than five minutes; infrastructure is left out.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``.
    at
        The levels and the length of the window.
    """
    if at.window_us <= WINDOW_US:
        return []
    outside = pl.col("direction").is_in(["outbound", "unknown"]) & ~pl.col("to_group")
    wanted = outside & ~pl.col("backwards") & ~pl.col("port").is_in(INFRASTRUCTURE_PORTS)
    talks = pl.col("ip_proto").is_in([6, 17]) & pl.col("answered")
    called = flows.filter(wanted & talks).with_columns(SERVICE.alias("service"))
    shown = (
        frequent(called, _KEYS, at.levels.beacons)
        .sort("ts", "uid")
        .with_columns((pl.col("ts").diff().over(_KEYS) / 1e6).alias("gap_s"))
    )
    found = (
        shown.group_by(_KEYS)
        .agg(
            pl.col("port").first(),
            pl.len().alias("attempts"),
            pl.col("gap_s").median(),
            spread("gap_s").alias("gap_spread"),
            spread("payload_out").alias("size_spread"),
            span_s().alias("span_s"),
        )
        .filter(
            (pl.col("attempts") >= at.levels.beacons)
            & (pl.col("gap_s") >= BEACON_GAP_S)
            & (pl.col("gap_spread") <= BEACON_GAP_SPREAD)
            & (pl.col("size_spread") <= BEACON_SIZE_SPREAD)
            & (pl.col("span_s") >= BEACON_SPAN_S)
        )
        .join(_callers(called), on=["window", "dst_ip", "service"])
        .join(_peers(called), on="window")
    )

    told = ("attempts", "gap_s", "gap_spread", "port", "span_s", "callers", "peers")

    def describe(row: dict[str, Any]) -> Story:
        steady = 1.0 / ((1.0 + row["gap_spread"]) * (1.0 + row["size_spread"]))
        return Story(
            attack="c2_beacon",
            anchor=(row["src_ip"], row["dst_ip"], str(row["port"])),
            entity=row["src_ip"],
            flows=nothing(),
            measures={k: row[k] for k in told},
            grain="dyad",
            feature="outside_rhythm",
            value=row["attempts"] * steady**2,
            strength=row["attempts"] / at.levels.beacons,
        )

    return stories(found, shown, _KEYS, describe, at)
