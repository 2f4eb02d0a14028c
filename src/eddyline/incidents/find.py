"""From judged windows to stories: what patterns show, what legs point to, and what is normal here.

What belongs here: when a pattern counts, and which story explains which alarm. What does not: a pattern's
shape (``patterns/``), joining windows (``group.py``).

Three ways lead to a story. A **generic** pattern beyond the strict levels counts with no model at all;
where the entity's own past shows the same, it is normal here and is left out. A pattern beyond the lenient
levels counts where a model knows that nobody on this **network** came near it: its measure is several times
the largest that was learned. A row that a **learned** leg alarms on is looked at with the lenient levels,
which only choose the word; when no pattern fits it is told as unusual, with the features that carried it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from eddyline.features.columns import WINDOW_US
from eddyline.incidents.attach import Pointed, attach
from eddyline.incidents.claims import Claims, apart
from eddyline.incidents.patterns.floods import (
    many_source_floods,
    one_source_floods,
    reflections,
    smurfs,
)
from eddyline.incidents.patterns.levels import CONTINUED, LENIENT, STRICT, Levels, Sight
from eddyline.incidents.patterns.repeats import FEW_CALLERS, MANY_PEERS, beacons, calls, guessing
from eddyline.incidents.patterns.scans import (
    host_scans,
    host_sweeps,
    probed_hosts,
    spread_scans,
)
from eddyline.incidents.patterns.services import new_services
from eddyline.incidents.patterns.volumes import dns_tunnels, icmp_tunnels, uploads
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story
from eddyline.verdicts.alarm import Alarm
from eddyline.verdicts.judged import Judged
from eddyline.verdicts.known import Known
from eddyline.verdicts.reason import Contribution

Pattern = Callable[[pl.DataFrame, Sight], list[Story]]

PATTERNS: Final[tuple[Pattern, ...]] = (
    smurfs,
    reflections,
    host_scans,
    host_sweeps,
    many_source_floods,
    one_source_floods,
    guessing,
    calls,
    dns_tunnels,
    icmp_tunnels,
    spread_scans,
    beacons,
    uploads,
    probed_hosts,
)
"""In the order in which they claim flows: a flow belongs to the first pattern that it shows."""

PEAK_MARGIN: Final = 3.0
"""A measure this many times the largest that was learned anywhere is told without an alarm."""

LASTING_PATTERNS: Final[tuple[Pattern, ...]] = (
    calls,
    beacons,
    spread_scans,
    probed_hosts,
)
"""Patterns of what is a condition and not an event."""

OWN_MARGIN: Final = 1.5
"""A measure up to this many times the entity's own largest is normal for it."""


def look(
    flows: pl.DataFrame,
    levels: Levels,
    window_us: int,
    keep: Callable[[Story], bool] | None = None,
    owned: Mapping[str, pl.DataFrame] | None = None,
) -> list[Story]:
    """Find all stories in the flows of some windows; each flow is told at most once.

    Parameters
    ----------
    flows
        Derived, numbered flows with the column ``window``.
    levels
        Least counts.
    window_us
        Length of the window, µs.
    keep
        Which stories are wanted, asked before their flows are known; None for all.
    owned
        Flows of the windows that shorter ones told already, by the pattern that told them: only that
        pattern sees them.
    """
    found: list[Story] = []
    left = flows
    for pattern in PATTERNS:
        own = None if owned is None else owned.get(pattern.__name__)
        seen = left if own is None else pl.concat([left, own]).sort("flow")
        stories = pattern(seen, Sight(levels, window_us, keep))
        for story in stories:
            story.pattern = pattern.__name__
        if stories:
            found.extend(stories)
            told = pl.concat([story.flows.select("flow") for story in stories])
            left = left.join(told, on="flow", how="anti", maintain_order="left")
    return found


def plainly_strange(flows: pl.DataFrame, window_us: int) -> pl.DataFrame:
    """Give the numbers of the flows that the strict levels tell a story of.

    What is answered stays, such as the round of a monitor: whether it is a habit can only be told once it
    was learned.

    Parameters
    ----------
    flows
        Derived, numbered flows with the column ``window``.
    window_us
        Length of the window, µs.
    """
    strange = [s for s in look(flows, STRICT, window_us) if not _may_be_habit(s)]
    numbers = [story.flows.select("flow") for story in strange]
    return pl.concat(numbers) if numbers else flows.select("flow").clear()


def doubtful(judged: Judged, known: Known) -> pl.DataFrame:
    """Give the numbers of the flows that make a strange row and show a pattern with a name.

    Parameters
    ----------
    judged
        Windows of an input that is its own baseline, with every row that may be doubted as an alarm.
    known
        What it taught: what is a habit is not doubtful.
    """
    pointed = Pointed(judged.flows, judged.alarms)
    parts = [pointed.flows_of(alarm) for alarm in judged.alarms]
    if not parts:
        return judged.flows.select("flow").clear()
    subset = pl.concat(parts).unique("flow", keep="first", maintain_order=True).sort("flow")
    finder = Finder(known)
    found = look(subset, LENIENT, judged.window_us)
    found = [story for story in found if finder.doubts(story)]
    attach(found, judged.alarms, pointed)
    numbers = [story.flows.select("flow") for story in found if story.p_value is not None]
    return pl.concat(numbers) if numbers else judged.flows.select("flow").clear()


def _may_be_habit(story: Story) -> bool:
    """Tell whether a story is of contacts that are mostly answered: only those can be a habit."""
    return story.measures.get("vain_share", 1.0) <= 0.5


@dataclass(frozen=True, slots=True)
class Finder:
    """Turn judged windows into stories.

    Parameters
    ----------
    known
        Knows what is normal here.
    rules
        False to leave out what only the generic levels show.
    claims
        Flows that short windows told.
    """

    known: Known
    rules: bool = True
    claims: Claims = field(default_factory=Claims)

    def stories(self, judged: Judged) -> list[Story]:
        """Find the stories of the windows that were closed together.

        Parameters
        ----------
        judged
            Flows, rows and alarms of those windows; shorter windows before the longer ones that hold them.
        """
        flows, owned = judged.flows, dict[str, pl.DataFrame]()
        is_long = judged.window_us > WINDOW_US
        if is_long:
            flows, owned = self.claims.divide(judged.flows)
        found = self._search(judged, flows, owned)
        if is_long:
            found, strays = apart(found, owned)
            if strays:
                left = flows.join(pl.concat(strays), on="flow", how="semi", maintain_order="left")
                found.extend(self._search(judged, left, {}))
        if self.known.services and not self.known.from_itself and is_long:
            left = _untold(flows, found)
            services = pl.Series(self.known.services)
            found.extend(new_services(left, services, self.known.learned_us))
        explained = attach(found, judged.alarms, Pointed(judged.flows, judged.alarms))
        open_alarms = [a for a, told in zip(judged.alarms, explained, strict=True) if not told]
        if open_alarms:
            found.extend(self._named(judged, open_alarms, _untold(flows, found)))
        found.extend(self._continued(_untold(flows, found), judged.window_us))
        for story in found:
            story.window_us = judged.window_us
        if not is_long:
            self.claims.take(found)
        return found

    def _search(
        self, judged: Judged, flows: pl.DataFrame, owned: Mapping[str, pl.DataFrame]
    ) -> list[Story]:
        """Find what the generic levels show and what is beyond all that was learned."""
        found: list[Story] = []
        if self.rules:
            strict = look(flows, STRICT, judged.window_us, owned=owned)
            found = [story for story in strict if not self._is_own(story)]
        return [*found, *self._beyond_all(judged.window_us, flows, found, owned)]

    def _beyond_all(
        self,
        window_us: int,
        flows: pl.DataFrame,
        told: Sequence[Story],
        owned: Mapping[str, pl.DataFrame],
    ) -> list[Story]:
        """Find patterns whose measure is several times the largest that was learned anywhere."""
        if self.known.from_itself or not self.known.normals:
            return []

        def is_beyond(story: Story) -> bool:
            peak = self.known.network_peak(story.grain, story.feature)
            return peak is not None and story.value >= PEAK_MARGIN * max(peak[0], 1.0)

        left = {name: _untold(own, told) for name, own in owned.items()}
        beyond = look(_untold(flows, told), LENIENT, window_us, is_beyond, left)
        for story in beyond:
            peak = self.known.network_peak(story.grain, story.feature)
            story.strict, story.p_value = False, None if peak is None else peak[1]
        return beyond

    def _continued(self, flows: pl.DataFrame, window_us: int) -> list[Story]:
        """Find what a lasting condition would go on with, had it been told, and rare calls that add up."""
        if window_us <= WINDOW_US:
            return []
        found: list[Story] = []
        for pattern in LASTING_PATTERNS:
            found.extend(pattern(_untold(flows, found), Sight(CONTINUED, window_us)))
        for story in found:
            rare = (
                story.measures.get("callers", 0) <= FEW_CALLERS
                and story.measures.get("peers", 0) >= MANY_PEERS
            )
            story.adds_up = self.rules and rare and not self._is_own(story)
            story.strict, story.continued = False, True
        return found

    def _is_own(self, story: Story) -> bool:
        """Tell whether the entity's own past holds as much.

        A past that holds the story itself proves nothing: then only a lasting habit counts, and only of
        contacts that are answered.
        """
        entity = story.entity
        if story.grain == "dyad":
            peers = [story.flows["src_ip"][0], story.flows["dst_ip"][0]]
            entity = "|".join(sorted(str(peer) for peer in peers))
        if self.known.from_itself:
            if not _may_be_habit(story):
                return False
            habit = self.known.own_habit(story.grain, entity, story.feature)
            return habit is not None and story.value <= OWN_MARGIN * habit
        own = self.known.own_range(story.grain, entity, story.feature)
        return own is not None and story.value <= OWN_MARGIN * own[1]

    def doubts(self, story: Story) -> bool:
        """Tell whether a story is worth telling once a learned leg points to it.

        What its entity always does is not; nor are, where nothing else says what is normal, the regular
        calls that many hosts make.

        Parameters
        ----------
        story
            With a name.
        """
        common = self.known.from_itself and story.measures.get("callers", 0) > FEW_CALLERS
        return not common and not self._is_own(story)

    def _named(self, judged: Judged, alarms: list[Alarm], flows: pl.DataFrame) -> list[Story]:
        """Look at alarmed rows with lenient levels; tell as unusual what has no name."""
        pointed_at = Pointed(flows, alarms)
        parts = [pointed_at.flows_of(alarm) for alarm in alarms]
        subset = pl.concat(parts).unique("flow", keep="first", maintain_order=True)
        found = look(subset.sort("flow"), LENIENT, judged.window_us) if subset.height else []
        for story in found:
            story.strict = False
        found = [story for story in found if self.doubts(story)]
        explained = attach(found, alarms, pointed_at)
        pointed = [story for story in found if story.p_value is not None]
        for alarm, part, is_told in zip(alarms, parts, explained, strict=True):
            reasons = alarm.explain() if alarm.sure and not is_told and part.height else []
            if reasons:
                pointed.append(_unusual(alarm, part, reasons[0]))
        return pointed


def _untold(flows: pl.DataFrame, told: Sequence[Story]) -> pl.DataFrame:
    """Leave out the flows that stories already tell."""
    if not told:
        return flows
    used = pl.concat([story.flows.select("flow") for story in told])
    return flows.join(used, on="flow", how="anti", maintain_order="left")


def _unusual(alarm: Alarm, flows: pl.DataFrame, top: Contribution) -> Story:
    """Tell an alarm that no pattern explains."""
    return Story(
        attack="unusual",
        anchor=(alarm.addresses[0],),
        entity=alarm.addresses[0],
        flows=flows.select(EVIDENCE_COLUMNS),
        measures={"value": top.value},
        grain=alarm.grain,
        feature=top.feature,
        value=top.value,
        window=alarm.window,
        strict=False,
        p_value=alarm.p_value,
        scores=dict(alarm.scores),
        alarm=alarm,
    )
