"""A story: what a pattern saw in one window, before stories of many windows become one incident.

What belongs here: the shape of a story and how its flows are kept. What does not: finding one
(``patterns/``), joining several (``group.py``), saying it in words (``name.py``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import polars as pl

from eddyline.verdicts.alarm import Alarm

EVIDENCE_COLUMNS = (
    "flow",
    "uid",
    "ts",
    "ts_end",
    "src_ip",
    "dst_ip",
    "sport",
    "port",
    "proto",
    "ip_proto",
    "icmp_type",
    "icmp_code",
    "direction",
    "bytes_out",
    "bytes_in",
)
"""What is kept of each flow behind a story."""


@dataclass(slots=True)
class Story:
    """One pattern in one window.

    Parameters
    ----------
    attack
        Key of the behaviour, see ``incident.ATTACKS``.
    anchor
        What stays the same while the story goes on, such as the source of a scan; stories of equal
        attack and anchor that follow each other are one incident.
    entity
        The address whose behaviour it is: held against its own past.
    flows
        The flows it stands for, with ``EVIDENCE_COLUMNS``.
    measures
        What was counted, by name: what the sentence says.
    grain
        ``"host"`` when ``feature`` is one of an address, ``"dyad"`` when it is one of a pair.
    feature
        The feature of the row that tells the measure, ``""`` when none does.
    value
        The measure that ``feature`` tells.
    window, window_us
        Number and length of the window it was seen in.
    strict
        True when it passed the shipped generic thresholds; False when a learned leg pointed to it.
    continued
        True when it only counts as the continuation of a story that was told.
    adds_up
        True when it is told with others of its key that together pass the level, though not alone.
    strength
        How far beyond the threshold, ``>= 1``; ranks stories of equal kind.
    p_value
        Of the row that pointed to it; None when no learned leg judged it.
    scores
        Score of each leg on that row.
    alarm
        The row that speaks for it.
    mostly
        True when that row is mostly made of the story's flows.
    kind
        What it is grouped as, where that is not its attack: one scanner's stories are one whether its
        probes bear a tool's mark in each window or not.
    pattern
        Name of the pattern that found it; the flows of a shorter window stay with their pattern.
    """

    attack: str
    anchor: tuple[str, ...]
    entity: str
    flows: pl.DataFrame
    measures: dict[str, float]
    grain: str = "host"
    feature: str = ""
    value: float = 0.0
    window: int = 0
    window_us: int = 0
    strict: bool = True
    continued: bool = False
    adds_up: bool = False
    strength: float = 1.0
    p_value: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    alarm: Alarm | None = None
    mostly: bool = False
    kind: str = ""
    pattern: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What stories of one incident have in common."""
        return (self.kind or self.attack, *self.anchor)

    @property
    def first_us(self) -> int:
        """Start of the earliest flow, µs since the epoch."""
        return int(self.flows["ts"].min())  # type: ignore[arg-type]

    @property
    def last_us(self) -> int:
        """End of the latest flow, µs since the epoch."""
        return int(self.flows["ts_end"].max())  # type: ignore[arg-type]


def in_order(stories: Iterable[Story]) -> list[Story]:
    """Give stories in the order in which their windows close, whatever batches they came in.

    Parameters
    ----------
    stories
        In any order.
    """
    return sorted(
        stories,
        key=lambda story: (
            (story.window + 1) * story.window_us,
            story.window_us,
            story.attack,
            story.anchor,
            story.first_us,
        ),
    )
