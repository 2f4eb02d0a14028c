"""A saga: the stories that are one incident, while it grows.

What belongs here: what several stories amount to together. What does not: which stories those are
(``group.py``).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import polars as pl

from eddyline.incidents.story import Story
from eddyline.verdicts.alarm import Alarm


@dataclass(slots=True, eq=False)
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
    kind
        What its stories are grouped as.
    targets
        What it goes for: hosts, or services of a sweep.
    relay
        Of a tunnel that a resolver passes on: the resolver and the far end.
    rhythm_us
        Usual pause between its flows, of the story where that is longest, µs.
    called
        Classes that a trained model called its flows by, with the number of them.
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
    kind: str = ""
    targets: set[str] = field(default_factory=set)
    rhythm_us: float = 0.0
    relay: tuple[str, str] | None = None
    called: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, story: Story) -> Saga:
        """Begin with one story.

        Parameters
        ----------
        story
            The first that was seen.
        """
        key = "\n".join((*story.key, str(story.first_us)))
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
            kind=story.kind or story.attack,
            targets=targets_of(story),
            rhythm_us=rhythm_us(story),
        )

    @property
    def key(self) -> tuple[str, ...]:
        """What its stories have in common."""
        return (self.kind, *self.anchor)

    def pause_us(self, story: Story | Saga) -> int:
        """Give the time between it and a story, µs; 0 when they overlap.

        Parameters
        ----------
        story
            Another one.
        """
        return max(0, story.first_us - self.last_us, self.first_us - story.last_us)

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
        self.targets |= targets_of(story)
        self.rhythm_us = max(self.rhythm_us, rhythm_us(story))
        self.strict |= story.strict
        if story.strength > self.strength:
            self.strength, self.measures = story.strength, dict(story.measures)
            self.attack = story.attack
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

    def swallow(self, other: Saga) -> None:
        """Take another incident whole: both are one.

        Parameters
        ----------
        other
            Of the same kind and anchor.
        """
        self.parts.extend(other.parts)
        self.first_us = min(self.first_us, other.first_us)
        self.last_us = max(self.last_us, other.last_us)
        self.targets |= other.targets
        self.strict |= other.strict
        if other.strength > self.strength:
            self.strength, self.measures, self.attack = (
                other.strength,
                other.measures,
                other.attack,
            )
            self.grain, self.feature, self.value = other.grain, other.feature, other.value
        self._take_verdict(other.p_value, other.scores, other.alarm, mostly=other.mostly)

    def flows(self) -> pl.DataFrame:
        """Give its flows, each once, in the order of the stream."""
        return pl.concat(self.parts).unique("flow", keep="first").sort("flow")

    def volume(self) -> float:
        """Give the bytes of its flows, both ways."""
        flows = self.flows()
        return float((flows["bytes_out"] + flows["bytes_in"]).sum())

    def actors(self) -> set[str]:
        """Give the addresses it is about; of a crowd, only the anchor."""
        actors = {self.entity, *self.anchor}
        for column in ("src_ip", "dst_ip"):
            distinct = pl.concat([part[column].cast(pl.String) for part in self.parts]).unique()
            if len(distinct) <= 300:
                actors.update(distinct.to_list())
        return actors


def targets_of(story: Story) -> set[str]:
    """Give what a story goes for: the services of a sweep, else the hosts that are not its actor.

    Parameters
    ----------
    story
        A story.
    """
    if story.kind == "" and story.attack == "ip_sweep":
        services = story.flows.select(pl.format("{}/{}", "proto", "port")).to_series()
        return set(services.unique().to_list())
    hosts = set(story.flows["dst_ip"].unique().cast(pl.String).to_list())
    return hosts - {story.entity} or hosts


def rhythm_us(story: Story) -> float:
    """Give the usual pause between the flows of a story, µs.

    Parameters
    ----------
    story
        A story.
    """
    pauses = story.flows["ts"].sort().diff().drop_nulls()
    return float(pauses.median() or 0.0)  # type: ignore[arg-type]
