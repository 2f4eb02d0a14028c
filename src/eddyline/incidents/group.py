"""Stories of many windows become incidents: one story told once, while it grows.

What belongs here: when two stories are the same. What does not: words (``name.py``), order (``rank.py``).

Stories of equal kind and anchor belong together while the pause between them is short. How long that is
depends on what they are:

* a **condition** (calling home, an exposed host) goes on over a day's pause, a **deed** without a rhythm of
  its own (an upload, a tunnel) over two hours';
* a **run** of a tool (a scan, a sweep, a guessing, a flood) ends when nothing comes for ten minutes, or for
  ten times its own usual pause, so that a slow scan is not cut. A run that turns to other targets is
  another one sooner: after two minutes, or after as long as it lasted. An analyst would call it the next
  attack: somebody came back and chose a new victim. Who comes back to the same targets six times within
  two hours each is at it all the time: that is one story again.

Every flow belongs to one incident: to the first that told of it, and to what is merely unusual only when
nothing with a name tells of it. What is merely unusual about a host that is already in a named story at
that time is part of it.
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
"""Kinds that are conditions."""

RUNS: Final = frozenset({"host_scan", "ip_sweep", "guessing", "flood", "smurf", "reflection"})
"""Kinds that are runs of a tool."""

PAUSE_US: Final = 600_000_000
"""Pause that ends a run, µs: ten minutes."""

TURN_US: Final = 120_000_000
"""Pause that ends a run which turns to other targets, µs: two minutes."""

RHYTHM: Final = 10.0
"""How many times its own usual pause a run may rest."""

CAMPAIGN: Final = 6
"""Runs against the same targets that are told as one."""


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
    kind
        What its stories are grouped as.
    targets
        What it goes for: hosts, or services of a sweep.
    rhythm_us
        Usual pause between its flows, of the story where that is longest, µs.
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
            targets=_targets(story),
            rhythm_us=_rhythm_us(story),
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
        self.targets |= _targets(story)
        self.rhythm_us = max(self.rhythm_us, _rhythm_us(story))
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
    _of_key: dict[tuple[str, ...], list[Saga]] = field(default_factory=dict)
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
        known = self._of_key.setdefault(story.key, [])
        near = [saga for saga in known if _goes_on(saga, story)]
        if near:
            nearest = min(reversed(near), key=lambda saga: saga.pause_us(story))
            nearest.add(story)
            return
        fresh = Saga.of(story)
        known.append(fresh)
        self.sagas.append(fresh)

    def _continue(self, story: Story) -> None:
        """Put a continuation into the incident that it goes on with; drop it when there is none."""
        for saga in self._of_key.get(story.key, ()):
            if saga.pause_us(story) <= LASTING_GAP_US:
                saga.add(story)
                return

    def finished(self) -> list[Saga]:
        """Give the incidents: each flow in one, each merely unusual one in a named one that explains it."""
        for story in self._waiting:
            self._continue(story)
        self._waiting = []
        for known in self._of_key.values():
            self._join_campaigns(known)
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
        return _each_flow_once(kept)

    def _join_campaigns(self, known: list[Saga]) -> None:
        """Make one incident of many runs against the same targets."""
        chains: list[list[Saga]] = []
        for saga in sorted(known, key=lambda one: one.first_us):
            if saga.kind not in RUNS:
                return
            chain = next(
                (
                    chain
                    for chain in reversed(chains)
                    if chain[-1].targets == saga.targets and chain[-1].pause_us(saga) <= GAP_US
                ),
                None,
            )
            if chain is None:
                chains.append([saga])
            else:
                chain.append(saga)
        for first, *others in chains:
            if len(others) + 1 < CAMPAIGN:
                continue
            for other in others:
                first.swallow(other)
            gone = {id(other) for other in others}
            self.sagas = [saga for saga in self.sagas if id(saga) not in gone]


def _goes_on(saga: Saga, story: Story) -> bool:
    """Tell whether a story of the same kind and anchor is the same incident: the rule is above."""
    pause = saga.pause_us(story)
    if saga.kind not in RUNS:
        return pause <= (LASTING_GAP_US if saga.kind in LASTING else GAP_US)
    rhythm = RHYTHM * max(saga.rhythm_us, _rhythm_us(story))
    if pause <= min(rhythm, GAP_US):
        return True
    if saga.targets & _targets(story):
        return pause <= PAUSE_US
    lasted = max(saga.last_us - saga.first_us, story.last_us - story.first_us)
    return pause <= min(max(TURN_US, lasted), PAUSE_US)


def _targets(story: Story) -> set[str]:
    """Give what a story goes for: the services of a sweep, else the hosts that are not its actor."""
    if story.kind == "" and story.attack == "ip_sweep":
        services = story.flows.select(pl.format("{}/{}", "proto", "port")).to_series()
        return set(services.unique().to_list())
    hosts = set(story.flows["dst_ip"].unique().cast(pl.String).to_list())
    return hosts - {story.entity} or hosts


def _rhythm_us(story: Story) -> float:
    """Give the usual pause between the flows of a story, µs."""
    pauses = story.flows["ts"].sort().diff().drop_nulls()
    return float(pauses.median() or 0.0)  # type: ignore[arg-type]


def _each_flow_once(sagas: list[Saga]) -> list[Saga]:
    """Leave each flow to the first incident that told of it, and drop what has none of its own."""
    if not sagas:
        return []
    told = [saga.flows().with_columns(pl.lit(n).alias("place")) for n, saga in enumerate(sagas)]
    owners = pl.concat([part.select("flow", "place") for part in told])
    first = owners.unique("flow", keep="first", maintain_order=True)
    counts = first.group_by("place").len()
    left = dict(counts.iter_rows())
    kept = []
    for place, (saga, flows) in enumerate(zip(sagas, told, strict=True)):
        if not left.get(place):
            continue
        if left[place] < flows.height:
            own = flows.join(first, on=["flow", "place"], how="semi", maintain_order="left")
            saga.first_us = int(own["ts"].min())  # type: ignore[arg-type]
            saga.last_us = int(own["ts_end"].max())  # type: ignore[arg-type]
            flows = own
        saga.parts = [flows.drop("place")]
        kept.append(saga)
    return kept


def _explains(named: Saga, actors: set[str], unusual: Saga) -> bool:
    """Tell whether an unusual actor is in a named story at that time, give or take an hour."""
    hour = 3_600_000_000
    overlaps = (
        named.first_us - hour <= unusual.last_us and unusual.first_us <= named.last_us + hour
    )
    return overlaps and unusual.entity in actors
