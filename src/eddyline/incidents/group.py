"""Stories of many windows become incidents: one story told once, while it grows.

What belongs here: when two stories are the same. What does not: words (``name.py``), order (``rank.py``).

Stories of equal attack and anchor belong together while the pause between them is at most ``GAP_US``;
several targets of one scanner are one story because the anchor of a scan is its source. What is merely
unusual about a host that is already in a named story at that time is part of it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from eddyline.incidents.story import Story
from eddyline.verdicts.alarm import Alarm

GAP_US: Final = 7_200_000_000
"""Longest pause inside one incident, µs: two hours."""

LASTING_GAP_US: Final = 86_400_000_000
"""Longest pause of what is a condition and not an event (calling home, an exposed host), µs: a day."""

LASTING: Final = frozenset(
    {"c2_beacon", "port_sweep_external", "ip_sweep_external", "port_sweep", "new_service"}
)


@dataclass(slots=True)
class Saga:
    """Stories that are one incident.

    Parameters
    ----------
    attack, anchor, entity
        As in its first story.
    uid
        Made from attack, anchor and first start; never changes.
    parts
        Flows of each story.
    first_us, last_us
        Interval of its flows so far.
    measures
        Of the strongest story.
    grain, feature, value
        Of the strongest story.
    strict
        True when any story passed the generic levels.
    strength
        Of the strongest story.
    p_value
        Smallest of its stories; None when no learned leg pointed to it.
    scores
        Largest score of each leg.
    alarm, mostly
        Of the story whose row speaks best for it.
    """

    attack: str
    anchor: tuple[str, ...]
    entity: str
    uid: str
    parts: list[pl.DataFrame]
    first_us: int
    last_us: int
    measures: dict[str, float]
    grain: str
    feature: str
    value: float
    strict: bool
    strength: float
    p_value: float | None
    scores: dict[str, float]
    alarm: Alarm | None
    mostly: bool

    @classmethod
    def of(cls, story: Story) -> Saga:
        """Begin with one story.

        Parameters
        ----------
        story
            The first that was seen.
        """
        key = "\n".join((story.attack, *story.anchor, str(story.first_us)))
        digest = hashlib.sha256(key.encode()).hexdigest()
        return cls(
            attack=story.attack,
            anchor=story.anchor,
            entity=story.entity,
            uid=f"inc-{digest[:16]}",
            parts=[story.flows],
            first_us=story.first_us,
            last_us=story.last_us,
            measures=dict(story.measures),
            grain=story.grain,
            feature=story.feature,
            value=story.value,
            strict=story.strict,
            strength=story.strength,
            p_value=story.p_value,
            scores=dict(story.scores),
            alarm=story.alarm,
            mostly=story.mostly,
        )

    def add(self, story: Story) -> None:
        """Go on with another story.

        Parameters
        ----------
        story
            Of the same attack and anchor.
        """
        self.parts.append(story.flows)
        self.first_us = min(self.first_us, story.first_us)
        self.last_us = max(self.last_us, story.last_us)
        self.strict |= story.strict
        if story.strength > self.strength:
            self.strength, self.measures = story.strength, dict(story.measures)
            self.grain, self.feature, self.value = story.grain, story.feature, story.value
        self._take_verdict(story.p_value, story.scores, story.alarm, mostly=story.mostly)

    def absorb(self, other: Saga) -> None:
        """Take the verdict of a story that this one explains; not its flows.

        Parameters
        ----------
        other
            What is merely unusual about an actor of this one.
        """
        self._take_verdict(other.p_value, other.scores, other.alarm, mostly=False)

    def _take_verdict(
        self,
        p_value: float | None,
        scores: dict[str, float],
        alarm: Alarm | None,
        *,
        mostly: bool,
    ) -> None:
        for leg, score in scores.items():
            self.scores[leg] = max(score, self.scores.get(leg, score))
        if p_value is None:
            return
        own = 2.0 if self.p_value is None else self.p_value
        if (mostly, -p_value) > (self.mostly, -own):
            self.p_value, self.alarm, self.mostly = p_value, alarm or self.alarm, mostly

    def flows(self) -> pl.DataFrame:
        """Give its flows, each once, in the order of the stream."""
        return pl.concat(self.parts).unique("flow", keep="first").sort("flow")

    def actors(self) -> set[str]:
        """Give the addresses it is about; of a crowd, only the anchor."""
        actors = {self.entity, *self.anchor}
        for column in ("src_ip", "dst_ip"):
            distinct = pl.concat([part[column].cast(pl.String) for part in self.parts]).unique()
            if len(distinct) <= 300:
                actors.update(distinct.to_list())
        return actors


@dataclass(slots=True)
class Grouper:
    """Join stories as they come.

    Parameters
    ----------
    sagas
        Every incident so far, in the order in which they began.
    """

    sagas: list[Saga] = field(default_factory=list)
    _open: dict[tuple[str, ...], Saga] = field(default_factory=dict)
    _waiting: list[Story] = field(default_factory=list)

    def add(self, story: Story) -> None:
        """Put a story where it belongs.

        Parameters
        ----------
        story
            The next one, in the order in which windows closed.
        """
        if story.continued:
            self._waiting.append(story)
            return
        key = (story.attack, *story.anchor)
        saga = self._open.get(key)
        gap = LASTING_GAP_US if story.attack in LASTING else GAP_US
        near = (
            saga is not None
            and story.first_us - saga.last_us <= gap
            and saga.first_us - story.last_us <= gap
        )
        if saga is not None and near:
            saga.add(story)
            return
        fresh = Saga.of(story)
        self._open[key] = fresh
        self.sagas.append(fresh)

    def _continue(self, story: Story) -> None:
        """Put a continuation into the incident that it goes on with; drop it when there is none."""
        for saga in self.sagas:
            if (saga.attack, saga.anchor) == (story.attack, story.anchor) and (
                story.first_us - saga.last_us <= LASTING_GAP_US
                and saga.first_us - story.last_us <= LASTING_GAP_US
            ):
                saga.add(story)
                return

    def finished(self) -> list[Saga]:
        """Give the incidents, each merely unusual one put into a named one that explains it."""
        for story in self._waiting:
            self._continue(story)
        self._waiting = []
        named = [saga for saga in self.sagas if saga.attack != "unusual"]
        spans = [(saga, saga.actors()) for saga in named]
        kept = list(named)
        for saga in self.sagas:
            if saga.attack != "unusual":
                continue
            host = next((s for s, actors in spans if _explains(s, actors, saga)), None)
            if host is None:
                kept.append(saga)
            else:
                host.absorb(saga)
        return kept


def _explains(named: Saga, actors: set[str], unusual: Saga) -> bool:
    """Tell whether an unusual actor is in a named story at that time, give or take an hour."""
    hour = 3_600_000_000
    overlaps = (
        named.first_us - hour <= unusual.last_us and unusual.first_us <= named.last_us + hour
    )
    return overlaps and unusual.entity in actors
