"""The timeline: incidents in lanes, one lane a behaviour, on one axis of time.

What belongs here: which lane and line an incident stands on and where. What does not: drawing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eddyline.incidents.incident import Incident
from eddyline.report.scale import Scale, time_ticks
from eddyline.report.words import attack_title, interval, severity_level, severity_word

MOST_LINES: Final = 6
"""Lines of one lane; incidents that find no free place share the last."""

_ROOM: Final = 5.0  # per cent that a bar and its number need on a narrow page
_LEAST_WIDTH: Final = 0.8


@dataclass(frozen=True, slots=True)
class Bar:
    """One incident on the timeline.

    Parameters
    ----------
    rank
        Its place in the list, to link to.
    x, width
        Per cent of the axis.
    line
        Line within the lane, from 0.
    level
        Severity from 1 to 5.
    title
        What a pointer or a reader of the screen is told.
    label
        Where its number stands: ``in`` the bar, ``after`` or ``before`` it, or ``""`` for nowhere.
    """

    rank: int
    x: float
    width: float
    line: int
    level: int
    title: str
    label: str


@dataclass(frozen=True, slots=True)
class Lane:
    """All incidents of one behaviour.

    Parameters
    ----------
    name
        The behaviour in words.
    bars
        By start.
    lines
        Lines that the lane needs.
    """

    name: str
    bars: tuple[Bar, ...]
    lines: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes over one axis.

    Parameters
    ----------
    lanes
        The lane with the highest-ranked incident first.
    ticks
        Places in per cent and labels.
    """

    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]


def timeline(incidents: Sequence[Incident], first_us: int, last_us: int) -> Timeline:
    """Place incidents into lanes.

    Parameters
    ----------
    incidents
        In rank order.
    first_us, last_us
        Ends of the axis, µs since the epoch; an equal pair is given a second.
    """
    last_us = max(last_us, first_us + 1_000_000)
    axis = Scale(float(first_us), float(last_us))
    by_attack: dict[str, list[Incident]] = {}
    for incident in incidents:
        by_attack.setdefault(incident.attack, []).append(incident)
    return Timeline(
        lanes=tuple(_lane(attack, members, axis) for attack, members in by_attack.items()),
        ticks=tuple((axis.at(time), text) for time, text in time_ticks(first_us, last_us)),
    )


def _lane(attack: str, members: list[Incident], axis: Scale) -> Lane:
    ends: list[float] = []
    bars: list[Bar] = []
    for incident in sorted(members, key=lambda one: (one.first_us, one.rank)):
        start = axis.at(incident.first_us)
        width = max(_LEAST_WIDTH, axis.at(incident.last_us) - start)
        start = min(start, 100 - width)
        room = min(start, 100 - _ROOM)
        line = next((i for i, end in enumerate(ends) if end <= room), len(ends))
        crowded = line == MOST_LINES
        line = min(line, MOST_LINES - 1)
        if line == len(ends):
            ends.append(0.0)
        ends[line] = max(ends[line], start + width + 0.4, room + _ROOM)
        title = (
            f"{incident.rank}. {severity_word(incident.severity)} {incident.severity}: "
            f"{interval(incident.first_us, incident.last_us)}"
        )
        bars.append(
            Bar(
                incident.rank,
                round(start, 2),
                round(width, 2),
                line,
                severity_level(incident.severity),
                title,
                _label(start, width, crowded),
            )
        )
    return Lane(attack_title(attack), tuple(bars), max(1, len(ends)))


def _label(start: float, width: float, crowded: bool) -> str:
    if crowded:
        return ""
    if width >= _ROOM:
        return "in"
    return "after" if start + _ROOM <= 100 else "before"
