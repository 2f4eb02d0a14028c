"""An office of routines in which one thing changes and no volume does: for tests of sequence models.

What belongs here: routines of hosts with their servers, changes that leave an hour's flows and bytes as
they were, and how often a model and volumes find them. What does not: any model.

The changes: a host starts a connection that repeats with a beat, in place of as many flows with as many
bytes; or the services of one routine are called in another order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.detectors.aggregate import distinct_windows
from eddyline.detectors.language import LanguageModel
from eddyline.detectors.vocabulary import Vocabulary
from eddyline.errors import UsageError
from eddyline.features.sentences import sentences
from eddyline.tables import Floats, TokenGroups

HOUR_S: Final = 3600

START_US: Final = 1_750_032_000_000_000
"""Monday, 16 June 2025, 00:00 UTC."""

N_BEATS: Final = 12
"""Calls of the new connection in its hour."""


@dataclass(frozen=True, slots=True)
class Found:
    """How often a change was found over several draws of everything.

    Parameters
    ----------
    model
        Share of draws in which the model scored a changed dyad-hour above its level.
    volumes
        The same of each volume: flows, bytes and bytes a flow, too many or too few.
    repetition
        The same of a small share of distinct tokens, which is no volume but needs no model either.
    false
        Share of unchanged dyad-hours above the model's level.
    flows, bytes
        Largest relative change of the host's flows and bytes in its hour.
    """

    model: float
    volumes: dict[str, float]
    repetition: float
    false: float
    flows: float
    bytes: float


@dataclass(frozen=True, slots=True)
class Routine:
    """What a host does with one server, visit by visit.

    Parameters
    ----------
    server
        Address of the server, or None for one of the sites outside.
    calls
        Protocol, port and binary logarithm of the usual bytes of each flow of a visit, in order.
    visits
        Mean visits an hour.
    pause_s
        Mean time between two flows of a visit.
    """

    server: str | None
    calls: tuple[tuple[str, int, float], ...]
    visits: float
    pause_s: float


ROUTINES: Final = (
    Routine("10.20.10.5", (("udp", 88, 10.5), ("tcp", 389, 12.0), ("tcp", 445, 14.0)), 6.0, 2.0),
    Routine("10.20.10.3", (("tcp", 993, 12.0), ("tcp", 993, 13.0), ("tcp", 587, 14.0)), 4.0, 5.0),
    Routine(
        "10.20.10.7",
        (("tcp", 8443, 12.0), ("tcp", 5432, 11.0), ("tcp", 8443, 13.5), ("tcp", 6379, 9.0)),
        5.0,
        1.0,
    ),
    Routine("10.20.10.2", (("udp", 53, 7.5), ("udp", 53, 7.5)), 8.0, 0.5),
    Routine("10.20.10.4", (("udp", 123, 7.4),), 3.5, 1.0),
    Routine(None, (("tcp", 443, 13.0), ("tcp", 443, 15.0), ("tcp", 443, 14.0)), 10.0, 20.0),
)
"""The routines of every host; the last is browsing."""

SLIP: Final = 0.04
"""Share of flows left out of a visit, so that habits are no clockwork."""

LEVEL: Final = 0.995
"""Quantile of another quiet day's scores that a dyad-hour must exceed to be found."""

Change = Literal["beat", "beat on a usual port", "order", "none"]


def office_day(
    n_hosts: int, hours: int, seed: int, *, first_hour: int = 0, sites: int = 25
) -> pl.DataFrame:
    """Make the flows of hosts that follow their routines.

    Parameters
    ----------
    n_hosts
        Hosts, 1 to 200.
    hours
        How long.
    seed
        Start of the randomness.
    first_hour
        Hour it begins in.
    sites
        Sites outside that are browsed.
    """
    rng = np.random.default_rng([seed, first_hour])
    parts = [
        _visits(host, number, routine, hours, first_hour, sites, rng)
        for host in range(n_hosts)
        for number, routine in enumerate(ROUTINES)
    ]
    return pl.concat(parts).sort("ts")


def with_change(day: pl.DataFrame, change: Change, hour: int, seed: int) -> pl.DataFrame:
    """Change one host's hour; its flows stay as many, its bytes within a rounding.

    The changed flows have ``changed`` set. ``none`` changes nothing and names as many
    flows: the silent control.

    Parameters
    ----------
    day
        From ``office_day``.
    change
        What changes.
    hour
        The hour, counted from the first of all.
    seed
        Start of the randomness.

    Raises
    ------
    UsageError
        When the hour has too few flows to change.
    """
    rng = np.random.default_rng([seed, hour, 7])
    inside = (day["ts"].to_numpy() - START_US) // (HOUR_S * 1_000_000) == hour
    hosts = day["src_ip"].to_numpy()
    browsing = day["routine"].to_numpy() == len(ROUTINES) - 1
    routine = 2 if change == "order" else len(ROUTINES) - 1
    chosen_routine = day["routine"].to_numpy() == routine
    busy = [
        host
        for host in np.unique(hosts[inside])
        if (inside & chosen_routine & (hosts == host)).sum() >= N_BEATS
    ]
    if not busy:
        message = (
            f"hour {hour} must have a host with {N_BEATS} flows to change, has none; take more"
        )
        raise UsageError(message)
    host = busy[int(rng.integers(len(busy)))]
    if change == "order":
        return _reordered(day, np.flatnonzero(inside & chosen_routine & (hosts == host)))
    mine = np.flatnonzero(inside & browsing & (hosts == host))
    taken = np.sort(rng.choice(mine, N_BEATS, replace=False))
    if change == "none":
        changed = np.zeros(day.height, dtype=bool)
        changed[taken] = True
        return day.with_columns(pl.Series("changed", changed))
    return _with_beat(day, taken, hour, 443 if change == "beat on a usual port" else 8444, rng)


def find_change(change: Change, model: LanguageModel, tokens: str, draws: int = 20) -> Found:
    """Learn a quiet day, take the level from another, and look for a change in a third; several times.

    Parameters
    ----------
    change
        What is planted; ``none`` plants a silent control.
    model
        Learned anew in each draw.
    tokens
        Token set that it reads.
    draws
        Draws of everything, ``>= 1``.
    """
    hits: list[dict[str, bool]] = []
    false, moved = [], []
    for draw in range(draws):
        learned = office_day(20, 24, draw)
        level_day = office_day(20, 24, draw, first_hour=24)
        quiet = office_day(20, 6, draw, first_hour=48)
        planted = with_change(quiet, change, 48 + draw % 6, draw)
        groups = [sentences(day, tokens) for day in (learned, level_day, planted)]
        changed = planted["changed"].to_numpy().astype(np.float64)
        truth = np.add.reduceat(changed[groups[2].members], groups[2].offsets[:-1]) > 0
        model.fit(groups[0]).calibrate(groups[1])
        scores = [model.anomaly_score(day) for day in groups[1:]]
        above = scores[1] > np.quantile(scores[0], LEVEL)
        false.append(float(above[~truth].mean()))
        told = {"model": bool(above[truth].any())}
        volumes = [
            _volumes(day, day_groups)
            for day, day_groups in zip((level_day, planted), groups[1:], strict=True)
        ]
        for name, level_scores in volumes[0].items():
            level = np.quantile(level_scores, LEVEL)
            told[name] = bool((volumes[1][name][truth] > level).any())
        hits.append(told)
        moved.append(_moved(quiet, planted))
    rates = {name: float(np.mean([one[name] for one in hits])) for name in hits[0]}
    flows, size = np.max(moved, axis=0)
    model_rate, repetition = rates.pop("model"), rates.pop("few distinct tokens")
    return Found(model_rate, rates, repetition, float(np.mean(false)), float(flows), float(size))


def _volumes(day: pl.DataFrame, groups: TokenGroups) -> dict[str, Floats]:
    """Give the volumes of dyad-hours in both directions, and how few distinct tokens they have."""
    total = (day["bytes_out"] + day["bytes_in"]).to_numpy().astype(np.float64)
    size = np.add.reduceat(total[groups.members], groups.offsets[:-1])
    flows = np.diff(groups.offsets).astype(np.float64)
    told = {"flows": flows, "bytes": size, "bytes a flow": size / flows}
    words = Vocabulary.of(groups.tokens).encode(groups.tokens)
    kinds = distinct_windows(words, groups.offsets, 0)
    repeated = np.where(flows >= N_BEATS, -kinds / flows, -1.0)
    return {"few distinct tokens": repeated} | {
        f"{side} {name}": values if side == "many" else -values
        for name, values in told.items()
        for side in ("many", "few")
    }


def _moved(before: pl.DataFrame, after: pl.DataFrame) -> tuple[float, float]:
    """Give the largest relative change of flows and of bytes of any host's hour."""
    hour = pl.col("ts") // (HOUR_S * 1_000_000)
    size = (pl.col("bytes_out") + pl.col("bytes_in")).sum().alias("size")
    keys = ["src_ip", "hour"]
    sums = [
        day.with_columns(hour.alias("hour")).group_by(keys).agg(pl.len().alias("n"), size)
        for day in (before, after)
    ]
    both = sums[0].join(sums[1], on=keys, how="full", suffix="_after")
    ratios = both.select(
        ((pl.col("n_after") - pl.col("n").cast(pl.Int64)).abs() / pl.col("n")).max(),
        ((pl.col("size_after") - pl.col("size")).abs() / pl.col("size")).max().alias("s"),
    )
    return float(ratios["n_after"][0]), float(ratios["s"][0])


def _visits(
    host: int,
    number: int,
    routine: Routine,
    hours: int,
    first_hour: int,
    sites: int,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Make one host's visits by one routine."""
    n = int(rng.poisson(routine.visits * hours))
    begin = np.sort(rng.uniform(0, hours * HOUR_S, n))
    steps = len(routine.calls)
    pauses = rng.exponential(routine.pause_s, (n, steps))
    pauses[:, 0] = 0
    at = (begin[:, None] + np.cumsum(pauses, axis=1)).ravel()
    kept = rng.random(n * steps) >= SLIP
    proto, port, size = (np.array(column) for column in zip(*routine.calls, strict=True))
    total = np.exp2(np.tile(size, n) + rng.normal(0, 0.5, n * steps)).astype(np.int64)
    servers = (
        np.array([f"198.51.100.{10 + s}" for s in rng.zipf(1.4, n) % sites])
        if routine.server is None
        else np.full(n, routine.server)
    )
    frame = pl.DataFrame(
        {
            "ts": START_US + ((first_hour * HOUR_S + at) * 1e6).astype(np.int64),
            "src_ip": np.full(n * steps, f"10.20.1.{20 + host}"),
            "dst_ip": np.repeat(servers, steps),
            "src_port": rng.integers(49_152, 65_535, n * steps),
            "dst_port": np.tile(port, n),
            "proto": np.tile(proto, n),
            "bytes_out": total // 4,
            "bytes_in": total - total // 4,
            "routine": np.full(n * steps, number),
            "visit": np.repeat(np.arange(n), steps),
        }
    )
    last = START_US + (first_hour + hours) * HOUR_S * 1_000_000
    return frame.filter(pl.Series(kept)).filter(pl.col("ts") < last)


def _reordered(day: pl.DataFrame, mine: NDArray[np.int64]) -> pl.DataFrame:
    """Let the calls of each visit come in the opposite order, at the times the visit had."""
    part = day[mine].with_row_index("at")
    turned = part.with_columns(pl.col("at").reverse().over("visit", "dst_ip"))["at"].to_numpy()
    told = np.arange(day.height)
    told[mine] = mine[turned]
    columns = ["dst_port", "proto", "bytes_out", "bytes_in"]
    changed = np.zeros(day.height, dtype=bool)
    changed[mine] = True
    return day.with_columns(*(day[name][told].alias(name) for name in columns)).with_columns(
        pl.Series("changed", changed)
    )


def _with_beat(
    day: pl.DataFrame, taken: NDArray[np.int64], hour: int, port: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Put calls to a new server, evenly in the hour and alike in size, in the place of others."""
    first = START_US + hour * HOUR_S * 1_000_000
    period = HOUR_S * 1_000_000 // N_BEATS
    jitter = rng.uniform(-0.01, 0.01, N_BEATS) * period
    starts = day["ts"].to_numpy().copy()
    starts[taken] = first + period // 2 + np.arange(N_BEATS) * period + jitter.astype(np.int64)
    columns = {"bytes_out": day["bytes_out"].to_numpy().copy()}
    columns["bytes_in"] = day["bytes_in"].to_numpy().copy()
    for values in columns.values():
        values[taken] = values[taken].sum() // N_BEATS
    port_of = day["dst_port"].to_numpy().copy()
    port_of[taken] = port
    server = day["dst_ip"].to_numpy().astype(object)
    server[taken] = f"203.0.113.{int(rng.integers(1, 250))}"
    changed = np.zeros(day.height, dtype=bool)
    changed[taken] = True
    return day.with_columns(
        pl.Series("ts", starts),
        pl.Series("dst_port", port_of),
        pl.Series("dst_ip", server.tolist()),
        *(pl.Series(name, values) for name, values in columns.items()),
        pl.Series("changed", changed),
    ).sort("ts")
