"""Right behaviour, right addresses: what an incident says about the attack that it hits.

What belongs here: the table of neighbouring keys and the points for each attack of a list. What does not:
whether an incident hits an attack (``match.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from eddyline.evaluate.match import names_any
from eddyline.evaluate.truth import Attack
from eddyline.incidents.incident import ATTACKS, Incident

FAMILIES: Final = (
    frozenset({"ip_sweep", "ip_sweep_external"}),
    frozenset({"port_sweep", "nmap_scan", "port_sweep_external"}),
    frozenset({"ip_sweep", "port_sweep"}),
    frozenset({"ip_sweep_external", "port_sweep_external"}),
    frozenset({"smurf", "flood", "reflection", "service_exhaustion"}),
    frozenset({"c2_beacon", "tunnel", "dga"}),
    frozenset({"tunnel", "exfiltration"}),
)
"""Keys of one row, or of adjoining rows, of the ATT&CK table: all of a family are neighbours."""

NEIGHBOUR_POINTS: Final = 0.5
"""What a neighbouring key is worth."""


@dataclass(frozen=True, slots=True)
class Graded:
    """How well one attack was told.

    Parameters
    ----------
    attack
        The attack.
    rank
        Rank of the incident that tells it best; None when no incident hits it.
    said
        Key of that incident, ``""`` without one.
    points
        1 for the right key, also with ``_external`` where the truth allows it; 0.5 for a neighbouring key;
        0 for any other or none, and when the source is wrong.
    source_right, destination_right
        Whether that incident names the attack's source and destination.
    """

    attack: Attack
    rank: int | None
    said: str
    points: float
    source_right: bool
    destination_right: bool


def neighbours_of(attack: Attack) -> frozenset[str]:
    """Give the keys that describe an attack nearly as well as its own.

    Parameters
    ----------
    attack
        Its own neighbours count beside those of its family.
    """
    near = {*attack.neighbours}
    for family in FAMILIES:
        if attack.key in family:
            near |= family
    return frozenset(near - {attack.key})


def grade(
    attacks: Sequence[Attack],
    incidents: Sequence[Incident],
    pairs: pl.DataFrame,
    *,
    within: int | None = None,
) -> list[Graded]:
    """Give the points of each attack whose key is one of ``incident.ATTACKS``.

    Of the incidents that hit an attack the one with most points counts, and of these the first.

    Parameters
    ----------
    attacks
        In the order that ``pairs`` numbers them.
    incidents
        In rank order.
    pairs
        ``place`` and ``truth``.
    within
        Lowest rank that counts; None for all.
    """
    hits: dict[int, list[int]] = {}
    for place, truth in pairs.select("place", "truth").iter_rows():
        if within is None or place <= within:
            hits.setdefault(truth, []).append(place)
    graded = []
    for number, attack in enumerate(attacks):
        if attack.key not in ATTACKS:
            continue
        told = [
            _told(attack, incidents[place - 1], place) for place in sorted(hits.get(number, []))
        ]
        nothing = Graded(attack, None, "", 0.0, source_right=False, destination_right=False)
        best = max(
            told, key=lambda one: (one.points, one.source_right, -(one.rank or 0)), default=nothing
        )
        graded.append(best)
    return graded


def _told(attack: Attack, incident: Incident, place: int) -> Graded:
    source = names_any(incident.sources, attack.sources)
    points = 0.0
    right = {attack.key, *(key for key in attack.neighbours if key.endswith("_external"))}
    if source and incident.attack in right:
        points = 1.0
    elif source and incident.attack in neighbours_of(attack):
        points = NEIGHBOUR_POINTS
    destination = names_any(incident.destinations, attack.destinations)
    return Graded(attack, place, incident.attack, points, source, destination)
