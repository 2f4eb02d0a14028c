"""One evaluation: incidents and scores of one input against one truth, beside trivial baselines.

What belongs here: the order of the steps and the result they give, also as plain data. What does not:
scanning (the caller scans) and tables for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import polars as pl

from eddyline.errors import InputError
from eddyline.evaluate import baselines
from eddyline.evaluate.flows import FlowFigures, FlowLevel, NamedCut, flow_level
from eddyline.evaluate.incidents import IncidentFigures, figures
from eddyline.evaluate.keys import Graded, grade
from eddyline.evaluate.match import (
    judge_incidents,
    match_flows,
    members_of,
    pairs_by_entity,
    pairs_by_flow,
)
from eddyline.evaluate.truth import Attack, from_labels
from eddyline.incidents.incident import Incident

Matched = Literal["labels", "flow list", "attack list"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a scan is worth on an input whose truth is known.

    Parameters
    ----------
    truth
        Where the truth is from: labels beside the flows, a flow list, or an attack list alone (entity and
        time: a weaker match, and no flow-level figures).
    matches
        Attack flows that each key matched.
    attacks
        What really happened.
    incidents
        What was told, with ``place, n_flows, n_attack, n_normal, n_unknown, purity, n_truths, n_own, kind``.
    pairs
        Which incident hits which attack: ``place, truth, hits``.
    incident_level
        Figures of the incidents, then of each baseline.
    flow_level
        Figures of the flows; None when no flow is labelled.
    graded
        Points of each attack whose key is known; empty for labels.
    """

    truth: Matched
    matches: dict[str, int]
    attacks: list[Attack]
    incidents: pl.DataFrame
    pairs: pl.DataFrame
    incident_level: list[IncidentFigures]
    flow_level: FlowLevel | None
    graded: list[Graded]

    def as_dict(self) -> dict[str, Any]:
        """Give every figure as plain dicts, lists, numbers and None."""
        level = self.flow_level
        return {
            "truth": self.truth,
            "attacks": len(self.attacks),
            "matches": dict(self.matches),
            "incident_level": [_incident_dict(one) for one in self.incident_level],
            "incidents": self.incidents.drop("first_end_us").to_dicts(),
            "flow_level": None if level is None else _flow_dict(level),
            "graded": [_graded_dict(one) for one in self.graded],
        }


def evaluate(
    flows: pl.DataFrame,
    incidents: Sequence[Incident],
    *,
    listed: tuple[list[Attack], pl.DataFrame | None] | None = None,
    top: int = 10,
    seed: int = 0,
) -> Evaluation:
    """Hold incidents and flow scores against the truth.

    Parameters
    ----------
    flows
        From ``labels.with_verdicts``.
    incidents
        In rank order.
    listed
        From ``truth.read_truth``; None when the labels beside the flows are the truth.
    top
        Incidents a day that count, ``>= 1``.
    seed
        Start of the randomness of the random baselines.

    Raises
    ------
    InputError
        When there is no truth: no list, and no label that says attack or normal.
    """
    told, attacks, kind, matches = with_truth(flows, listed)
    members = members_of(told, incidents)
    by_entity = kind == "attack list"
    if by_entity:
        pairs = pairs_by_entity(incidents, attacks)
        matches = {"entity and time": pairs["truth"].n_unique()}
    else:
        pairs = pairs_by_flow(members, told)
    judged = judge_incidents(
        members,
        told,
        pairs,
        n_incidents=len(incidents),
        unmatched="false" if by_entity else "by label",
    )
    n = len(attacks)
    level = [figures("eddyline", judged, members, pairs, told, n_attacks=n, top=top)]
    if not by_entity:
        level.extend(_baselines(told, n_attacks=n, top=top, seed=seed))
    return Evaluation(
        truth=kind,
        matches=matches,
        attacks=attacks,
        incidents=judged,
        pairs=pairs,
        incident_level=level,
        flow_level=None if by_entity else flow_level(told, members, seed=seed),
        graded=grade(attacks, incidents, pairs),
    )


def with_truth(
    flows: pl.DataFrame, listed: tuple[list[Attack], pl.DataFrame | None] | None
) -> tuple[pl.DataFrame, list[Attack], Matched, dict[str, int]]:
    """Mark each flow with its attack; the list, when there is one, is the truth.

    Parameters
    ----------
    flows
        From ``labels.with_verdicts``.
    listed
        From ``truth.read_truth``; None when the labels beside the flows are the truth.

    Returns
    -------
    tuple
        The flows with ``truth``, the attacks, where the truth is from, attack flows by matching key.

    Raises
    ------
    InputError
        When there is no list, and no label that says attack or normal.
    """
    if listed is None:
        if flows["attack"].is_null().all():
            message = (
                "the input must have labels that say Malicious or Benign, has none; "
                "pass the attacks with --truth FILE.csv"
            )
            raise InputError(message)
        told, attacks = from_labels(flows)
        return told, attacks, "labels", {"label of the flow": told["truth"].count()}
    attacks, flow_list = listed
    if flow_list is None:
        nothing = pl.lit(None, dtype=pl.Boolean).alias("attack")
        return (
            flows.with_columns(nothing, pl.lit(None, dtype=pl.UInt32).alias("truth")),
            attacks,
            "attack list",
            {},
        )
    hits, matches = match_flows(flows, flow_list)
    told = flows.join(hits, on="row", how="left", maintain_order="left")
    told = told.with_columns(pl.col("truth").is_not_null().alias("attack"))
    return told, attacks, "flow list", matches


def _baselines(
    flows: pl.DataFrame, *, n_attacks: int, top: int, seed: int
) -> list[IncidentFigures]:
    """Give the figures of trivial incidents."""
    told = []
    for name, members in baselines.incident_members(flows, seed=seed).items():
        pairs = pairs_by_flow(members, flows)
        n_incidents = members["place"].n_unique()
        judged = judge_incidents(members, flows, pairs, n_incidents=n_incidents)
        told.append(figures(name, judged, members, pairs, flows, n_attacks=n_attacks, top=top))
    return told


def _incident_dict(one: IncidentFigures) -> dict[str, Any]:
    told = asdict(one)
    told["per_day"] = [
        {**asdict(day), "day": day.day.isoformat(), "share": day.share} for day in one.per_day
    ]
    names = ("recall", "precision", "recall_at_top", "precision_at_top")
    ratios = {name: getattr(one, name) for name in names}
    return told | ratios | {"false_per_day": one.false_per_day, "found_share": one.found_share}


def _flow_dict(level: FlowLevel) -> dict[str, Any]:
    def cut(one: NamedCut) -> dict[str, Any]:
        names = ("precision", "recall", "f1", "false_positive_rate")
        figures = {name: getattr(one.cut, name) for name in names}
        return {"method": one.method} | asdict(one.cut) | figures

    def score(one: FlowFigures) -> dict[str, Any]:
        return asdict(one)

    told = {
        name: getattr(level, name) for name in ("n_flows", "n_attack", "n_normal", "n_unknown")
    }
    return {
        **told,
        "n_unscored": level.n_unscored,
        "base_rate": level.base_rate,
        "scores": [score(one) for one in level.scores],
        "cuts": [cut(one) for one in level.cuts],
    }


def _graded_dict(one: Graded) -> dict[str, Any]:
    return {
        "attack": one.attack.name,
        "key": one.attack.key,
        "rank": one.rank,
        "said": one.said,
        "points": one.points,
        "source_right": one.source_right,
        "destination_right": one.destination_right,
    }
