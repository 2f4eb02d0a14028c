"""Incidents for people and machines, made of what was grouped.

What belongs here: putting facts, words, ranks and evidence together. What does not: each of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from eddyline.features.columns import HOUR_US
from eddyline.features.registry import VIEWS
from eddyline.flows.keys import community_ids
from eddyline.incidents import name, rank
from eddyline.incidents.facts import facts_of
from eddyline.incidents.incident import Evidence, Incident
from eddyline.incidents.saga import Saga
from eddyline.verdicts.known import Known
from eddyline.verdicts.reason import Contribution, compare

MAX_EVIDENCE: Final = 1000
"""Flows that an incident names one by one."""

NO_NORMAL: Final = "generic level, no learned normal of this kind to compare with"


def tell(sagas: Sequence[Saga], known: Known, degraded: Sequence[str]) -> list[Incident]:
    """Give the incidents in rank order.

    Parameters
    ----------
    sagas
        What was grouped.
    known
        Knows what is normal here.
    degraded
        What the detectors could not see in this input.
    """
    told = [(rank.value(saga), saga, _incident(saga, known, degraded)) for saga in sagas]
    told.sort(key=lambda item: (-item[0], -item[2].flows_count, item[2].first_us, item[2].uid))
    incidents = []
    for place, (_, _, incident) in enumerate(told, start=1):
        incident.rank = place
        incidents.append(incident)
    return incidents


def _incident(saga: Saga, known: Known, degraded: Sequence[str]) -> Incident:
    flows = saga.flows()
    facts = facts_of(flows)
    own, unit = _own(saga, known)
    contributions = (saga.alarm.explain() if saga.alarm else []) or _measured(saga, known)
    return Incident(
        uid=saga.uid,
        attack=saga.attack,
        reason=name.sentence(saga, facts, own, unit),
        sources=facts.sources,
        destinations=facts.destinations,
        ports=facts.ports,
        proto=facts.proto,
        first_us=saga.first_us,
        last_us=saga.last_us,
        flows_count=flows.height,
        severity=rank.severity(saga),
        confidence=rank.confidence(saga),
        p_value=saga.p_value,
        p_value_note="" if saga.p_value is not None else NO_NORMAL,
        direction=_direction(flows),
        techniques=name.techniques(saga.attack),
        contributions=contributions,
        evidence=_evidence(flows),
        detectors=dict(saga.scores) or {"generic": saga.strength},
        degraded=list(degraded),
        what_to_do=name.what_to_do(saga.attack),
        n_sources=facts.n_sources,
        n_destinations=facts.n_destinations,
        called=dict(saga.called),
    )


def _entity_key(saga: Saga) -> str:
    if saga.grain != "dyad":
        return saga.entity
    first = saga.parts[0]
    return "|".join(sorted((str(first["src_ip"][0]), str(first["dst_ip"][0]))))


def _own(saga: Saga, known: Known) -> tuple[tuple[float, float] | None, str]:
    """Give the entity's own range of the measure, and its unit."""
    if not saga.feature or saga.grain not in VIEWS or known.from_itself:
        return None, ""
    unit = next((f.unit for f in VIEWS[saga.grain].features if f.name == saga.feature), "")
    return known.own_range(saga.grain, _entity_key(saga), saga.feature), unit


def _measured(saga: Saga, known: Known) -> list[Contribution]:
    """Give the measure of a generic pattern against normal, when there is one."""
    view = VIEWS.get(saga.grain)
    feature = next((f for f in view.features if f.name == saga.feature), None) if view else None
    if view is None or feature is None:
        return []
    own = None
    if not known.from_itself:
        own = known.own_range(view.name, _entity_key(saga), feature.name)
    normal = own or known.network_range(view.name, feature.name)
    span = view.span_words if view.window_us < HOUR_US else "1 h"
    if normal is None:
        words = f"{saga.value:,.0f} {feature.words} in {span}"
        return [Contribution(feature.name, saga.value, feature.unit, None, None, 1.0, words)]
    words = compare(feature, saga.value, *normal, span, own=own is not None)
    quantiles = known.normals[view.name].quantiles[:, view.names.index(feature.name)]
    return [
        Contribution(
            feature.name,
            saga.value,
            feature.unit,
            *normal,
            1.0,
            words,
            tuple(float(q) for q in quantiles),
        )
    ]


def _direction(flows: pl.DataFrame) -> str:
    return str(flows["direction"].cast(pl.String).mode().sort().first())


def _evidence(flows: pl.DataFrame) -> list[Evidence]:
    first = flows.head(MAX_EVIDENCE)
    ids = community_ids(
        first.select(
            "src_ip",
            "dst_ip",
            pl.when(pl.col("sport") >= 0).then("sport").cast(pl.UInt16).alias("src_port"),
            pl.when(pl.col("port") >= 0).then("port").cast(pl.UInt16).alias("dst_port"),
            "ip_proto",
            "icmp_type",
            "icmp_code",
        )
    )
    return [Evidence(uid, cid) for uid, cid in zip(first["uid"], ids, strict=True)]
