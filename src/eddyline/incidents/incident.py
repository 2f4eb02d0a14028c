"""An incident: one story for a person, with the verdicts and flows that it stands for.

What belongs here: the shape of a story and its closed vocabularies. What does not: deciding that two
findings are one story (``group.py``), naming it (``name.py``), ranking it (``rank.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from eddyline.verdicts.reason import NORMAL_LEVELS, Contribution

__all__ = ["ATTACKS", "NORMAL_LEVELS", "Contribution", "Evidence", "Incident", "Technique"]

ATTACKS: Final = (
    "ip_sweep",
    "ip_sweep_external",
    "port_sweep",
    "port_sweep_external",
    "nmap_scan",
    "smurf",
    "flood",
    "reflection",
    "service_exhaustion",
    "guessing",
    "c2_beacon",
    "tunnel",
    "dga",
    "exfiltration",
    "lateral_movement",
    "iot_botnet",
    "relay",
    "new_service",
    "unusual",
)
"""Closed list of behaviours; ``unusual`` when nothing fits."""


@dataclass(frozen=True, slots=True)
class Technique:
    """An ATT&CK technique.

    Parameters
    ----------
    id
        Such as ``T1046``.
    name
        Its name in the ATT&CK release of the table.
    tactic_id, tactic
        The tactic it serves.
    """

    id: str
    name: str
    tactic_id: str
    tactic: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One flow behind an incident.

    Parameters
    ----------
    uid
        The flow's identifier.
    community_id
        Its Community ID; None where the protocol has none.
    """

    uid: str
    community_id: str | None


@dataclass(slots=True)
class Incident:
    """One story: who did what to whom, when, how sure and why.

    Parameters
    ----------
    uid
        Stable while the incident grows: made from its pattern, its entities and its start.
    attack
        One of ``ATTACKS``.
    reason
        The sentence an analyst reads first.
    sources, destinations
        Addresses or networks (CIDR) as text; a network where there are many addresses.
    ports
        Destination ports, most frequent first, at most 20.
    proto
        Transport protocol, or ``"mixed"``.
    first_us, last_us
        Interval of the flows, µs since the epoch, both included.
    flows_count
        Flows the incident stands for.
    severity
        0-100.
    confidence
        0-100.
    p_value
        Calibrated; None when there is no normal to compare with, then ``p_value_note`` says why.
    p_value_note
        Why there is no p-value, or ``""``.
    rank
        Place in the list, from 1; 0 before ranking.
    direction
        From the perimeter's view, one of the record's directions.
    techniques
        ATT&CK techniques; empty when the table has none for it.
    contributions
        What carried the verdict, largest share first.
    evidence
        The first 1,000 flows.
    detectors
        Score of each leg that judged it.
    degraded
        Detectors that were blind or degraded.
    n_sources, n_destinations
        Different addresses on each side; 0 when that is not known.
    what_to_do
        One sentence: the first thing to check.
    called
        Classes that a trained model called its flows by, with the number of them.
    """

    uid: str
    attack: str
    reason: str
    sources: list[str]
    destinations: list[str]
    ports: list[int]
    proto: str
    first_us: int
    last_us: int
    flows_count: int
    severity: int
    confidence: int
    p_value: float | None
    p_value_note: str = ""
    rank: int = 0
    direction: str = "unknown"
    techniques: list[Technique] = field(default_factory=list)
    contributions: list[Contribution] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    detectors: dict[str, float] = field(default_factory=dict)
    degraded: list[str] = field(default_factory=list)
    what_to_do: str = ""
    n_sources: int = 0
    n_destinations: int = 0
    called: dict[str, int] = field(default_factory=dict)
