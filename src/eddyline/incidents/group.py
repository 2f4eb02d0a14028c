"""Stories of many windows become incidents: one story told once, while it grows.

What belongs here: when two stories are the same. What does not: words (``name.py``), order (``rank.py``).

Stories of equal kind and anchor belong together while the pause between them is short. How long that is
depends on what they are:

* a **condition** (calling home, an exposed host) goes on over a day's pause, a **deed** without a rhythm of
  its own (an upload, a tunnel) over two hours';
* a **run** of a tool (a scan, a sweep, a guessing, a flood) ends when nothing comes for ten minutes, or for
  ten times its own usual pause, so that a slow scan is not cut. A run that turns to other targets is
  another one sooner: after two minutes, or after as long as it lasted. An analyst would call it the next
  attack: somebody came back and chose a new victim. What only a learned leg pointed to, and repeats a run
  of the generic levels against its targets within two hours, is a part of that. Who comes back to the same
  targets six times within two hours each is at it all the time: that is one story again.

Every flow belongs to one incident: to the first that told of it, and to what is merely unusual only when
nothing with a name tells of it. What is merely unusual about a host that is already in a named story at
that time is part of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import polars as pl

from eddyline.incidents.patterns.levels import STRICT
from eddyline.incidents.saga import Saga, rhythm_us, targets_of
from eddyline.incidents.story import Story

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

HOURS_LEAST: Final = 2
"""Hours in which calls must be regular to add up."""

RELAYED: Final = 2.0
"""Factor within which a resolver passes on what it is asked."""

CAMPAIGN: Final = 6
"""Runs against the same targets that are told as one."""


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

    def _continue(self, story: Story) -> bool:
        """Put a continuation into the incident that it goes on with; tell whether there is one."""
        for saga in self._of_key.get(story.key, ()):
            if saga.pause_us(story) <= LASTING_GAP_US:
                saga.add(story)
                return True
        return False

    def _add_up(self, stories: list[Story]) -> None:
        """Tell what is regular for hours though rare in each: calls that pass the level together."""
        of_key: dict[tuple[str, ...], list[Story]] = {}
        for story in stories:
            of_key.setdefault(story.key, []).append(story)
        for some in of_key.values():
            calls = sum(story.measures["attempts"] for story in some)
            if len(some) < HOURS_LEAST or calls < STRICT.beacons:
                continue
            for story in some:
                together = {"attempts": calls}
                self.add(
                    replace(
                        story,
                        continued=False,
                        strict=True,
                        measures=story.measures | together,
                        strength=calls / STRICT.beacons,
                    )
                )

    def finished(self) -> list[Saga]:
        """Give the incidents: each flow in one, each merely unusual one in a named one that explains it."""
        alone = [story for story in self._waiting if not self._continue(story)]
        self._waiting = []
        self._add_up([story for story in alone if story.adds_up])
        for known in self._of_key.values():
            self._join_campaigns(known)
        self._join_relayed()
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

    def _join_relayed(self) -> None:
        """Make one incident of a DNS tunnel that is seen before and behind the resolver that passes it on."""
        tunnels = [saga for saga in self.sagas if saga.kind == "tunnel" and "dns" in saga.measures]
        for near in tunnels:
            behind = [far for far in tunnels if far in self.sagas and _is_relayed(near, far)]
            if near.relay or near not in self.sagas or not behind:
                continue
            far = max(behind, key=lambda saga: min(saga.last_us, near.last_us) - saga.first_us)
            near.measures = near.measures | {"bytes": near.volume()}
            near.relay = (far.entity, far.anchor[1])
            near.swallow(far)
            self.sagas.remove(far)


def _is_relayed(near: Saga, far: Saga) -> bool:
    """Tell whether a tunnel's far end sends on what another one brings: at one time, of one size."""
    if near.anchor[1] != far.entity or near.pause_us(far) > 0:
        return False
    return 1 / RELAYED <= far.volume() / max(1.0, near.volume()) <= RELAYED


def _goes_on(saga: Saga, story: Story) -> bool:
    """Tell whether a story of the same kind and anchor is the same incident: the rule is above."""
    pause = saga.pause_us(story)
    if saga.kind not in RUNS:
        return pause <= (LASTING_GAP_US if saga.kind in LASTING else GAP_US)
    rhythm = RHYTHM * max(saga.rhythm_us, rhythm_us(story))
    if pause <= min(rhythm, GAP_US):
        return True
    if saga.targets & targets_of(story):
        weaker = saga.strict and not story.strict
        return pause <= (GAP_US if weaker else PAUSE_US)
    lasted = max(saga.last_us - saga.first_us, story.last_us - story.first_us)
    return pause <= min(max(TURN_US, lasted), PAUSE_US)


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
