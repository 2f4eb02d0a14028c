"""The lab's days, which nothing was tuned on: every attack is told early, and quiet days are quiet."""

from __future__ import annotations

import ipaddress
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from eddyline.incidents.incident import Incident
from eddyline.pipeline import Pipeline
from eddyline.scan import ScanResult, learn, scan

DAYS = sorted(path.parent for path in Path(__file__).parent.glob("lab-*/expect.toml"))
ATTACKED = [day for day in DAYS if "incidents" in tomllib.loads((day / "expect.toml").read_text())]

pytestmark = pytest.mark.slow


def expected(day: Path) -> dict[str, Any]:
    """Give what a scan of a day must find."""
    return tomllib.loads((day / "expect.toml").read_text(encoding="utf-8"))


@cache
def model(source: Path) -> Pipeline:
    """Learn from a capture once."""
    return learn(source)


@cache
def result(day: Path) -> ScanResult:
    """Scan a day once with the model of its quiet morning."""
    wanted = expected(day)
    return scan(day / wanted["scan"], model=model((day / wanted["learn"]).resolve()))


def overlap(ours: list[str], theirs: list[str]) -> bool:
    """Tell whether an address or network of one list shares addresses with one of the other."""
    nets = [[ipaddress.ip_network(text) for text in texts] for texts in (ours, theirs)]
    return any(a.version == b.version and a.overlaps(b) for a in nets[0] for b in nets[1])


def fits(incident: Incident, attack: dict[str, Any]) -> bool:
    """Tell whether an incident is this attack: its key or a neighbour, its source and its target."""
    return (
        incident.attack in (attack["attack"], *attack["neighbours"])
        and overlap(incident.sources, attack["sources"])
        and overlap(incident.destinations, attack["destinations"])
    )


def said(incidents: list[Incident]) -> str:
    """List incidents for a failing test."""
    return "\n".join(f"{one.rank}. {one.attack}: {one.reason}" for one in incidents)


@pytest.mark.parametrize("day", ATTACKED, ids=lambda day: day.name)
def test_every_attack_is_told_early_with_its_name_and_source(day: Path) -> None:
    """All of N attacks are within the first N + 2 incidents."""
    wanted, found = expected(day), result(day).incidents
    first = found[: wanted["first"]]
    missed = [a["id"] for a in wanted["incidents"] if not any(fits(one, a) for one in first)]

    assert not missed, said(found)
    assert wanted["first"] == len(wanted["incidents"]) + 2


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_hardly_anything_else_is_told(day: Path) -> None:
    """Incidents that are no attack of the list stay within what the day allows; a quiet day within one."""
    wanted, found = expected(day), result(day).incidents
    attacks = wanted.get("incidents", [])
    other = [one for one in found if not any(fits(one, attack) for attack in attacks)]

    assert len(other) <= wanted["max_false"], said(other)


@pytest.mark.parametrize("day", DAYS, ids=lambda day: day.name)
def test_each_incident_can_be_read(day: Path) -> None:
    """A sentence with its source, evidence, a severity, and a p-value or the reason why there is none."""
    for one in result(day).incidents:
        assert one.reason
        assert one.evidence
        assert one.flows_count >= len(one.evidence) > 0
        assert 0 <= one.severity <= 100
        assert (one.p_value is None) == bool(one.p_value_note)
        assert one.first_us <= one.last_us
