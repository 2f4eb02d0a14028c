"""Incident-level figures: recall and precision at a budget, false incidents a day, what the top holds.

What belongs here: ratios over matched incidents, each with the counts it is made of. What does not:
matching (``match.py``) and words or tables for people.

A ratio of nothing to nothing is None: undefined, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

import polars as pl

from eddyline.evaluate.curve import ratio
from eddyline.evaluate.match import main_incidents

DAY_US: Final = 86_400_000_000

PURE: Final = 0.9
"""Least purity of an incident whose flows count as found."""


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One UTC day.

    Parameters
    ----------
    day
        The date.
    n_incidents
        Incidents with a flow on that day.
    n_false
        False incidents that began on that day.
    n_attack
        Attack flows of that day.
    n_found
        Those of them inside the day's first incidents of purity >= ``PURE``.
    """

    day: date
    n_incidents: int
    n_false: int
    n_attack: int
    n_found: int

    @property
    def share(self) -> float | None:
        """Share of the day's attack flows that were found; None on a day without any."""
        return ratio(self.n_found, self.n_attack)


@dataclass(frozen=True, slots=True)
class IncidentFigures:
    """What incidents are worth.

    Parameters
    ----------
    method
        Who made the incidents: ``"eddyline"`` or a baseline.
    top
        Incidents a day that count.
    days
        Length of the input in days, at least 1.
    n_incidents, n_true, n_duplicate, n_false, n_unlabelled
        Incidents by kind.
    n_merges
        True or duplicate incidents that hit several attacks.
    n_impure
        True or duplicate incidents of purity < ``PURE``.
    n_attacks, n_detected
        Attacks there were, and those that any incident hits.
    n_top_true, n_top_false, n_top_detected
        The same, counting the first ``top`` incidents of each day.
    first_true
        Rank of the first incident that hits an attack; None when there is none.
    n_attack_flows, n_found
        Attack flows, and those inside the first ``top`` incidents of their day of purity >= ``PURE``.
    per_day
        One entry a UTC day with flows.
    """

    method: str
    top: int
    days: float
    n_incidents: int
    n_true: int
    n_duplicate: int
    n_false: int
    n_unlabelled: int
    n_merges: int
    n_impure: int
    n_attacks: int
    n_detected: int
    n_top_true: int
    n_top_false: int
    n_top_detected: int
    first_true: int | None
    n_attack_flows: int
    n_found: int
    per_day: tuple[DayFigures, ...]

    @property
    def recall(self) -> float | None:
        """Share of attacks that any incident hits."""
        return ratio(self.n_detected, self.n_attacks)

    @property
    def precision(self) -> float | None:
        """Share of true incidents among true and false ones."""
        return ratio(self.n_true, self.n_true + self.n_false)

    @property
    def recall_at_top(self) -> float | None:
        """Share of attacks that the first incidents of a day hit."""
        return ratio(self.n_top_detected, self.n_attacks)

    @property
    def precision_at_top(self) -> float | None:
        """Share of true incidents among true and false ones of the first of each day."""
        return ratio(self.n_top_true, self.n_top_true + self.n_top_false)

    @property
    def false_per_day(self) -> float:
        """False incidents a day; an input shorter than a day counts as one."""
        return self.n_false / self.days

    @property
    def found_share(self) -> float | None:
        """Share of attack flows inside the first pure incidents of their day."""
        return ratio(self.n_found, self.n_attack_flows)


def figures(
    method: str,
    judged: pl.DataFrame,
    members: pl.DataFrame,
    pairs: pl.DataFrame,
    flows: pl.DataFrame,
    *,
    n_attacks: int,
    top: int,
) -> IncidentFigures:
    """Count what incidents are worth.

    Parameters
    ----------
    method
        Who made them.
    judged
        From ``match.judge_incidents``.
    members
        ``row`` and ``place``.
    pairs
        ``place``, ``truth`` and ``hits``.
    flows
        With ``row``, ``ts_end`` and ``attack``.
    n_attacks
        Attacks there were.
    top
        Incidents a day that count, ``>= 1``.
    """
    by_day = flows.select("row", "attack", (pl.col("ts_end") // DAY_US).alias("day"))
    active = members.join(by_day, on="row").select("day", "place").unique()
    active = active.sort("day", "place").with_columns(
        pl.int_range(1, pl.len() + 1).over("day").alias("place_of_day")
    )
    first = active.filter(pl.col("place_of_day") <= top)
    shown = judged.join(first.select("place").unique(), on="place", how="semi")
    span_us = flows.select(pl.col("ts_end").max() - pl.col("ts_end").min()).item()
    of_kind = dict(judged.group_by("kind").len().iter_rows())
    hitting = judged.filter(pl.col("n_truths") > 0)
    hits_at_top = pairs.join(shown, on="place", how="semi")
    per_day = _per_day(judged, members, first, active, by_day)
    true_places = judged.filter(pl.col("n_truths") > 0)["place"]
    return IncidentFigures(
        method=method,
        top=top,
        days=max(1.0, span_us / DAY_US),
        n_incidents=judged.height,
        n_true=of_kind.get("true", 0),
        n_duplicate=of_kind.get("duplicate", 0),
        n_false=of_kind.get("false", 0),
        n_unlabelled=of_kind.get("unlabelled", 0),
        n_merges=hitting.filter(pl.col("n_truths") > 1).height,
        n_impure=hitting.filter(pl.col("purity") < PURE).height,
        n_attacks=n_attacks,
        n_detected=pairs["truth"].n_unique(),
        n_top_true=main_incidents(hits_at_top)["place"].n_unique(),
        n_top_false=shown.filter(pl.col("kind") == "false").height,
        n_top_detected=hits_at_top["truth"].n_unique(),
        first_true=None if true_places.is_empty() else int(true_places[0]),
        n_attack_flows=sum(day.n_attack for day in per_day),
        n_found=sum(day.n_found for day in per_day),
        per_day=per_day,
    )


def _per_day(
    judged: pl.DataFrame,
    members: pl.DataFrame,
    first: pl.DataFrame,
    active: pl.DataFrame,
    by_day: pl.DataFrame,
) -> tuple[DayFigures, ...]:
    """Count each UTC day; a flow in two incidents counts once."""
    pure = judged.filter(pl.col("purity") >= PURE).select("place")
    counting = first.join(pure, on="place", how="semi").select("day", "place")
    bad = by_day.filter(pl.col("attack").fill_null(value=False))
    found = members.join(bad, on="row").join(counting, on=["day", "place"], how="semi")
    tables = [
        by_day.group_by("day").agg(pl.col("attack").sum().alias("n_attack")),
        found.unique("row").group_by("day").agg(pl.len().alias("n_found")),
        active.group_by("day").agg(pl.len().alias("n_incidents")),
        judged.filter(pl.col("kind") == "false")
        .group_by((pl.col("first_end_us") // DAY_US).alias("day"))
        .agg(pl.len().alias("n_false")),
    ]
    table = tables[0].sort("day")
    for part in tables[1:]:
        table = table.join(part, on="day", how="left", maintain_order="left")
    return tuple(
        DayFigures(
            datetime.fromtimestamp(row["day"] * 86_400, UTC).date(),
            row["n_incidents"],
            row["n_false"],
            row["n_attack"],
            row["n_found"],
        )
        for row in table.with_columns(pl.col("^n_.*$").fill_null(0)).iter_rows(named=True)
    )
