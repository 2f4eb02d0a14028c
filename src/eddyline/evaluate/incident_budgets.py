"""What incidents and trivial incidents are worth at the same number of alerts a day, and how soon.

What belongs here: figures of one input at several budgets, for our incidents and for every baseline. What
does not: matching (``match.py``), seeds and several inputs together (``incident_document.py``).

When an incident is told during the traffic depends on the loop that watches. A scan of a whole capture gives
its bounds only: not before the first flow of the attack that it names has ended, and not after the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from eddyline.evaluate import baselines
from eddyline.evaluate.evaluation import with_truth
from eddyline.evaluate.incidents import DAY_US, IncidentFigures, figures
from eddyline.evaluate.match import (
    judge_incidents,
    members_of,
    pairs_by_entity,
    pairs_by_flow,
)
from eddyline.evaluate.truth import Attack
from eddyline.incidents.incident import Incident

BUDGETS: Final = (1, 2, 5, 10, 20, 50)
"""Alerts a day that figures are told at."""

OURS: Final = "eddyline"
"""Name of our incidents among the methods."""

Listed = tuple[list[Attack], pl.DataFrame | None] | None
"""What ``truth.read_truth`` gives; None where labels beside the flows are the truth."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Incidents of one method, held against the truth."""

    method: str
    members: pl.DataFrame
    pairs: pl.DataFrame
    n_incidents: int
    unmatched: Any


def at_budgets(
    flows: pl.DataFrame,
    incidents: Sequence[Incident],
    *,
    listed: Listed = None,
    seed: int = 0,
    budgets: Sequence[int] = BUDGETS,
) -> list[dict[str, Any]]:
    """Give the figures of our incidents and, where flows are labelled, of every trivial kind.

    Parameters
    ----------
    flows
        From ``labels.with_verdicts``.
    incidents
        In rank order.
    listed
        From ``truth.read_truth``; None when the labels beside the flows are the truth.
    seed
        Start of the randomness of the random baselines.
    budgets
        Alerts a day, each ``>= 1``, rising.

    Returns
    -------
    list of dict
        For each method: ``method, n_incidents, n_attacks, n_detected, n_true, n_duplicate, n_false,
        first_true, false_per_day, precision, at, places, seconds``. ``at`` has recall, precision and false
        incidents a day at each budget; ``places`` the best rank within a day of an incident that hits each
        attack, None for none; ``seconds`` the bounds of the time to detect of each attack, None where it
        is not detected or the truth names no flow.

    Raises
    ------
    InputError
        When there is no truth.
    """
    told, attacks, kind, _ = with_truth(flows, listed)
    members = members_of(told, incidents)
    n = len(incidents)
    if kind == "attack list":
        ours = _Told(OURS, members, pairs_by_entity(incidents, attacks), n, "false")
        return [_figures(ours, told, attacks, budgets)]
    methods = [_Told(OURS, members, pairs_by_flow(members, told), n, "by label")]
    for name, trivial in baselines.incident_members(told, seed=seed).items():
        pairs = pairs_by_flow(trivial, told)
        methods.append(_Told(name, trivial, pairs, trivial["place"].n_unique(), "by label"))
    return [_figures(one, told, attacks, budgets) for one in methods]


def _figures(
    one: _Told, flows: pl.DataFrame, attacks: Sequence[Attack], budgets: Sequence[int]
) -> dict[str, Any]:
    judged = judge_incidents(
        one.members, flows, one.pairs, n_incidents=one.n_incidents, unmatched=one.unmatched
    )
    n = len(attacks)
    each = {
        top: figures(one.method, judged, one.members, one.pairs, flows, n_attacks=n, top=top)
        for top in budgets
    }
    whole = next(iter(each.values()))
    return {
        "method": one.method,
        "n_incidents": whole.n_incidents,
        "n_attacks": n,
        "n_detected": whole.n_detected,
        "n_true": whole.n_true,
        "n_duplicate": whole.n_duplicate,
        "n_false": whole.n_false,
        "first_true": whole.first_true,
        "days": whole.days,
        "false_per_day": whole.false_per_day,
        "recall": whole.recall,
        "precision": whole.precision,
        "at": [_at(top, told) for top, told in each.items()],
        "places": attack_places(flows, one.members, one.pairs, n),
        "seconds": attack_seconds(flows, one.members, n),
    }


def _at(top: int, told: IncidentFigures) -> dict[str, Any]:
    return {
        "alerts_a_day": top,
        "recall": told.recall_at_top,
        "precision": told.precision_at_top,
        "false_per_day": told.n_top_false / told.days,
        "flow_share": told.found_share,
    }


def attack_places(
    flows: pl.DataFrame, members: pl.DataFrame, pairs: pl.DataFrame, n_attacks: int
) -> list[int | None]:
    """Give the best rank within a day of an incident that hits each attack.

    Parameters
    ----------
    flows
        With ``row`` and ``ts_end``.
    members
        ``row`` and ``place``.
    pairs
        ``place`` and ``truth``.
    n_attacks
        Attacks there were.
    """
    days = flows.select("row", (pl.col("ts_end") // DAY_US).alias("day"))
    active = members.join(days, on="row").select("day", "place").unique().sort("day", "place")
    active = active.with_columns(pl.int_range(1, pl.len() + 1).over("day").alias("of_day"))
    best = active.group_by("place").agg(pl.col("of_day").min())
    hits = pairs.join(best, on="place").group_by("truth").agg(pl.col("of_day").min())
    known = dict(hits.select("truth", "of_day").iter_rows())
    return [known.get(truth) for truth in range(n_attacks)]


def attack_seconds(
    flows: pl.DataFrame, members: pl.DataFrame, n_attacks: int
) -> list[tuple[float, float] | None]:
    """Give the bounds of the time to detect of each attack, from the start of its first flow, s.

    Parameters
    ----------
    flows
        With ``row``, ``ts`` and ``ts_end``, and ``truth`` where flows are labelled.
    members
        ``row`` and ``place``.
    n_attacks
        Attacks there were.
    """
    if "truth" not in flows.columns or flows["truth"].is_null().all():
        return [None] * n_attacks
    bad = flows.select("row", "ts", "ts_end", "truth").drop_nulls("truth")
    start = bad.group_by("truth").agg(pl.col("ts").min().alias("start"))
    named = bad.join(members.select("row").unique(), on="row", how="semi")
    ends = named.group_by("truth").agg(
        pl.col("ts_end").min().alias("first"), pl.col("ts_end").max().alias("last")
    )
    known = {
        row["truth"]: ((row["first"] - row["start"]) / 1e6, (row["last"] - row["start"]) / 1e6)
        for row in ends.join(start, on="truth").iter_rows(named=True)
    }
    return [known.get(truth) for truth in range(n_attacks)]
