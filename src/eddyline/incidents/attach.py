"""Which alarm speaks for which story: the one whose row is mostly made of the story's flows.

What belongs here: bringing verdicts of rows to stories. What does not: finding stories (``find.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import polars as pl

from eddyline.incidents.story import Story
from eddyline.verdicts.alarm import Alarm

COVERAGE: Final = 0.2
"""Share of a row's flows, or of its bytes, that a story must hold for the row's verdict to be its own."""

MOSTLY: Final = 0.5
"""Share from which a row is mostly the story: its verdict is preferred."""

CROWD: Final = 64
"""Addresses on one side of a story beyond which they are a crowd and not actors."""


class Pointed:
    """The flows that alarms point to.

    Parameters
    ----------
    flows
        Flows with the column ``window``.
    alarms
        Alarms on rows of the same windows.
    """

    def __init__(self, flows: pl.DataFrame, alarms: Sequence[Alarm]) -> None:
        wanted = sorted({alarm.window for alarm in alarms})
        near = flows.filter(pl.col("window").is_in(wanted))
        parts = near.partition_by("window", as_dict=True)
        self._of_window = {key[0]: part for key, part in parts.items()}
        self._none = flows.clear()

    def flows_of(self, alarm: Alarm) -> pl.DataFrame:
        """Give the flows of the alarm's window that its row stands for.

        Parameters
        ----------
        alarm
            One of the alarms.
        """
        flows = self._of_window.get(alarm.window, self._none)
        return flows.filter(alarm.where(pl.col("src_ip"), pl.col("dst_ip")))


def attach(stories: Sequence[Story], alarms: Sequence[Alarm], pointed: Pointed) -> list[bool]:
    """Give each alarm's verdict to the stories that make its row; tell which alarms have an actor in one.

    Parameters
    ----------
    stories
        Stories of the same windows; their p-value, alarm and scores are set here.
    alarms
        Rows that are too unlikely.
    pointed
        The flows of those rows.
    """
    of_window: dict[int, list[tuple[Story, set[str]]]] = {}
    for story in stories:
        of_window.setdefault(story.window, []).append((story, _actors(story)))
    explained = []
    for alarm in alarms:
        # Only of the alarm's own window: which others are at hand depends on the batches.
        there = of_window.get(alarm.window, ())
        near = [story for story, actors in there if actors & set(alarm.addresses)]
        explained.append(bool(near))
        if not near:
            continue
        part = pointed.flows_of(alarm)
        for story in near:
            coverage = _coverage(story, part)
            if coverage >= COVERAGE:
                _take(story, alarm, mostly=coverage >= MOSTLY)
    return explained


def _take(story: Story, alarm: Alarm, *, mostly: bool) -> None:
    """Let an alarm speak for a story: one on a row that is mostly the story, else the most unlikely."""
    better = story.alarm is None or (mostly, -alarm.p_value) > (story.mostly, -story.alarm.p_value)
    if better:
        story.alarm, story.mostly, story.p_value = alarm, mostly, alarm.p_value
    for leg, score in alarm.scores.items():
        story.scores[leg] = max(score, story.scores.get(leg, score))


def _coverage(story: Story, part: pl.DataFrame) -> float:
    """Give the share of a row's flows, or of its bytes if larger, that a story holds."""
    held = part.join(story.flows.select("flow"), on="flow", how="semi")
    if not held.height:
        return 0.0
    total = float((part["bytes_out"] + part["bytes_in"]).sum())
    volume = float((held["bytes_out"] + held["bytes_in"]).sum())
    return max(held.height / part.height, volume / total if total > 0 else 0.0)


def _actors(story: Story) -> set[str]:
    """Give the addresses that a story is about: few sources, few destinations, its anchor."""
    actors = {story.entity, *story.anchor}
    for column in ("src_ip", "dst_ip"):
        distinct = story.flows[column].unique()
        if len(distinct) <= CROWD:
            actors.update(distinct.cast(pl.String).to_list())
    return actors
