"""Incidents in words: who did what to whom, since when, and what is normal for them.

What belongs here: sentences, ATT&CK techniques, addresses for people. What does not: numbers' meaning
(``features``), severity (``rank.py``).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Final

from eddyline.flows.text import neutral_text
from eddyline.incidents.facts import Facts, people
from eddyline.incidents.incident import Technique
from eddyline.incidents.saga import Saga
from eddyline.verdicts.reason import amount

LEAST_GAP_S: Final = 1.0
"""Calls that follow sooner are told without a pause."""

BURSTS: Final = 2.0
"""Calls whose mean distance is this many times the usual one come in bursts."""

MANY_PROTOCOLS: Final = 10
"""IP protocols from which a scan can be one of protocols."""

CALLED_SHARE: Final = 0.1
"""Part of an incident's called flows from which a class is named in its sentence."""

CLASS: Final = "class "
"""How the kind of an incident begins that is told by a trained class alone."""


@cache
def _table() -> dict[str, tuple[Technique, ...]]:
    text = files("eddyline.incidents").joinpath("attack_v18_1.json").read_text(encoding="utf-8")
    attacks = json.loads(text)["attacks"]
    return {key: tuple(Technique(*row) for row in rows) for key, rows in attacks.items()}


def techniques(attack: str) -> list[Technique]:
    """Give the ATT&CK techniques of a behaviour; none when the table has none.

    Parameters
    ----------
    attack
        One of ``incident.ATTACKS``.
    """
    return list(_table().get(attack, ()))


Say = Callable[[Saga, Facts], str]


def _host_scan(_saga: Saga, facts: Facts) -> str:
    if facts.n_protocols >= MANY_PROTOCOLS and 2 * facts.n_protocols > facts.n_ports:
        return (
            f"{facts.who} tried {facts.n_protocols:,} IP protocols of {facts.whom} in {facts.span}"
        )
    return f"{facts.who} tried {facts.n_ports:,} ports of {facts.whom} in {facts.span}"


def _sweep(_saga: Saga, facts: Facts) -> str:
    nets = places_of_many(facts)
    if facts.proto in {"icmp", "ipv6-icmp"}:
        return f"{facts.who} pinged {facts.n_destinations:,} hosts{nets} in {facts.span}"
    return f"{facts.who} tried {facts.n_destinations:,} hosts{nets} on {facts.service} in {facts.span}"


def places_of_many(facts: Facts) -> str:
    """Say which networks a crowd of destinations is in, or nothing when they are everywhere.

    Parameters
    ----------
    facts
        Counts of the incident.
    """
    nets = [place for place in facts.destinations if "/" in place]
    if not nets or {"0.0.0.0/0", "::/0"} & set(nets):
        return ""
    others = len(nets) - 1
    more = f" and {others} more network{'s' if others > 1 else ''}" if others else ""
    return f" of {nets[0]}{more}"


def _spread(saga: Saga, facts: Facts) -> str:
    if saga.anchor[0] == "probed":
        return (
            f"{facts.n_sources:,} hosts from outside tried {facts.n_ports:,} ports of "
            f"{facts.whom} in {facts.span} and got nothing"
        )
    if facts.n_destinations == 1:
        return _host_scan(saga, facts)
    return (
        f"{facts.who} tried {facts.n_destinations:,} hosts{places_of_many(facts)} on "
        f"{facts.n_ports:,} ports in {facts.span} and got nothing"
    )


def _smurf(saga: Saga, facts: Facts) -> str:
    called = [place for place in facts.destinations if place.endswith(".255")]
    return (
        f"{saga.measures.get('pkts', facts.n_flows):,.0f} pings to the broadcast address "
        f"{(called or facts.destinations)[0]} in the name of {saga.entity} in {facts.span}: "
        "every host answers to it"
    )


def _reflection(_saga: Saga, facts: Facts) -> str:
    return (
        f"{facts.n_sources:,} hosts sent {facts.whom} {amount(facts.bytes_out, 'bytes')} of answers "
        f"to questions it never asked, in {facts.span}"
    )


def _flood(saga: Saga, facts: Facts) -> str:
    pkts = saga.measures.get("pkts", 0.0)
    what = (
        f"{facts.n_flows:,} connections that carried nothing"
        if facts.n_flows >= 0.02 * pkts
        else f"{pkts:,.0f} pings"
        if saga.measures.get("answered")
        else f"{pkts:,.0f} packets that nobody answered"
    )
    why = ", most of them answers to questions it never asked"
    unasked = why if saga.measures.get("unasked_share", 0.0) > 0.5 else ""
    return f"{facts.who} sent {facts.whom} {what} in {facts.span}{unasked}"


def _guessing(_saga: Saga, facts: Facts) -> str:
    return (
        f"{facts.who} tried to log in to {facts.whom} by {facts.service} {facts.n_flows:,} times "
        f"in {facts.span}, the tries alike in size"
    )


def _beacon(saga: Saga, facts: Facts) -> str:
    every = ""
    if facts.gap_s >= LEAST_GAP_S:
        usual = amount(facts.gap_s, "s")
        steady = facts.span_s <= BURSTS * facts.gap_s * facts.n_flows
        every = f" every {usual}" if steady else f" mostly {usual} apart"
    vain = saga.measures.get("vain")
    tail = (
        ", mostly without an answer"
        if vain is not None and vain >= 0.5 * saga.measures.get("attempts", 1)
        else ", at even intervals and alike in size"
        if vain is None
        else ""
    )
    return (
        f"{facts.who} called {facts.whom} by {facts.service} {facts.n_flows:,} times in "
        f"{facts.span},{every or ' again and again'}{tail}"
    )


def _tunnel(saga: Saga, facts: Facts) -> str:
    payload = saga.measures.get("payload", 0.0)
    if saga.relay:
        resolver, far = saga.relay
        total = amount(saga.measures["bytes"], "bytes")
        return (
            f"{saga.entity} moved {total} inside DNS to {far} by way of {resolver} in {facts.span}, "
            f"about {payload:,.0f} B in each question"
        )
    total = amount(facts.bytes_out + facts.bytes_in, "bytes")
    kind = "DNS" if "dns" in saga.measures else "ICMP"
    return (
        f"{facts.who} and {facts.whom} moved {total} inside {kind} in {facts.span}, "
        f"about {payload:,.0f} B in each {'question' if kind == 'DNS' else 'packet'}"
    )


def _exfiltration(_saga: Saga, facts: Facts) -> str:
    return (
        f"{facts.who} sent {amount(facts.bytes_out, 'bytes')} to {facts.whom} outside by "
        f"{facts.service} in {facts.span} and received {amount(facts.bytes_in, 'bytes')}"
    )


def _new_service(saga: Saga, facts: Facts) -> str:
    return (
        f"{saga.entity} answers on {facts.service}, which it never did while normal was learned: "
        f"{facts.n_flows:,} conversations with {people(facts.sources, facts.n_sources)} in "
        f"{facts.span}"
    )


def _called(saga: Saga, facts: Facts) -> str:
    chance = 100 * saga.measures.get("share", 0.0)
    return (
        f"{facts.who} and {facts.whom}: called {_labels(saga)} in {facts.span}, "
        f"median probability {chance:.0f} %"
    )


def _labels(saga: Saga) -> str:
    """Name the classes of an incident, but for those of few of its flows; a label may hold anything."""
    least = CALLED_SHARE * sum(saga.called.values())
    return ", ".join(
        f"{neutral_text(label, longest=60)!r} ({n:,} flow{'s' if n != 1 else ''})"
        for label, n in sorted(saga.called.items(), key=lambda one: -one[1])
        if n >= least
    )


def _unusual(saga: Saga, facts: Facts) -> str:
    reasons = saga.alarm.explain() if saga.alarm else []
    if reasons:
        return f"{saga.entity}: {reasons[0].words}"
    return f"{saga.entity} did something unusual in {facts.span}"


SENTENCES: Final[dict[str, Say]] = {
    "nmap_scan": _host_scan,
    "ip_sweep": _sweep,
    "ip_sweep_external": _sweep,
    "port_sweep": _spread,
    "port_sweep_external": _spread,
    "smurf": _smurf,
    "reflection": _reflection,
    "flood": _flood,
    "guessing": _guessing,
    "c2_beacon": _beacon,
    "tunnel": _tunnel,
    "exfiltration": _exfiltration,
    "new_service": _new_service,
    "unusual": _unusual,
}
"""How each behaviour is told."""


@cache
def _advice() -> dict[str, str]:
    text = files("eddyline.incidents").joinpath("advice.json").read_text(encoding="utf-8")
    advice: dict[str, str] = json.loads(text)
    return advice


def what_to_do(attack: str) -> str:
    """Give the first thing to do about a behaviour.

    Parameters
    ----------
    attack
        One of ``incident.ATTACKS``.
    """
    return _advice().get(attack, "")


def sentence(saga: Saga, facts: Facts, normal: tuple[float, float] | None, unit: str) -> str:
    """Say an incident in one sentence, with what is normal for its entity when that is known.

    Parameters
    ----------
    saga
        The incident.
    facts
        Counts of its flows.
    normal
        The entity's own range of the measure, or None.
    unit
        Unit of the measure.
    """
    if saga.kind.startswith(CLASS):
        return _called(saga, facts)
    said = SENTENCES[saga.attack](saga, facts)
    if saga.called:
        said = f"{said}; called {_labels(saga)}"
    if saga.p_value is None and saga.strict and normal is None:
        return f"{said} (generic level: nothing learned to compare with)"
    if normal is None or saga.attack == "unusual":
        return said
    low, high = amount(normal[0], unit), amount(normal[1], unit)
    usual = high if low == high else f"{low}–{high}"
    return f"{said}; normal for this host: {usual}"
