"""One flow, one story: what shorter windows told stays theirs when longer ones are looked at.

What belongs here: who told of a flow, and cutting a long window's story at the pauses of a run. What does
not: which stories are one incident (``group.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from eddyline.incidents.group import PAUSE_US, RHYTHM, RUNS
from eddyline.incidents.story import Story


@dataclass(slots=True)
class Claims:
    """The flows that stories of short windows told, until the long window that holds them is closed.

    A long window sees a claimed flow only through the pattern that claimed it: so a slow scan whose
    bursts were told is counted whole, and a guessing is no part of a scan that the hour holds too.
    """

    _told: list[pl.DataFrame] = field(default_factory=list)

    def take(self, stories: Sequence[Story]) -> None:
        """Note the flows of stories with a name; what is merely unusual claims nothing.

        Parameters
        ----------
        stories
            Of short windows.
        """
        for story in stories:
            if story.pattern:
                by = pl.lit(story.pattern).alias("pattern")
                self._told.append(story.flows.select("flow", by))

    def divide(self, flows: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, pl.DataFrame]]:
        """Give the free flows of long windows and the claimed ones by pattern, whose claims end here.

        Parameters
        ----------
        flows
            Derived, numbered flows of closed long windows.
        """
        if not self._told:
            return flows, {}
        claims = pl.concat(self._told).unique("flow", keep="first", maintain_order=True)
        self._told = [claims.join(flows, on="flow", how="anti")]
        claimed = flows.join(claims, on="flow", how="inner", maintain_order="left")
        free = flows.join(claims, on="flow", how="anti", maintain_order="left")
        parts = claimed.partition_by("pattern", as_dict=True, include_key=False)
        return free, {str(key[0]): part for key, part in parts.items()}


def runs(flows: pl.DataFrame) -> list[pl.DataFrame]:
    """Cut flows where nothing comes for longer than a run may rest.

    Parameters
    ----------
    flows
        With ``ts`` and ``ts_end``.
    """
    ordered = flows.sort("ts", "flow")
    usual = float(ordered["ts"].diff().drop_nulls().median() or 0.0)  # type: ignore[arg-type]
    rest = pl.col("ts") - pl.col("ts_end").cum_max().shift(1)
    number = (rest > max(PAUSE_US, RHYTHM * usual)).fill_null(value=False).cum_sum()
    return ordered.with_columns(number.alias("run")).partition_by("run", include_key=False)


def apart(
    found: Sequence[Story], owned: Mapping[str, pl.DataFrame]
) -> tuple[list[Story], list[pl.DataFrame]]:
    """Cut the runs of long windows of which short ones told some, and give what is left of each by itself.

    Parameters
    ----------
    found
        Stories of long windows.
    owned
        The claimed flows of those windows, by pattern.

    Returns
    -------
    list of Story
        Stories that hold a claimed flow each, or were not cut.
    list of polars.DataFrame
        Flows of runs that no short window told: whether they are a story is open.
    """
    kept: list[Story] = []
    strays: list[pl.DataFrame] = []
    for story in found:
        own = owned.get(story.pattern)
        pieces = [story.flows]
        if own is not None and story.key[0] in RUNS:
            pieces = runs(story.flows)
        if len(pieces) == 1 or own is None:
            kept.append(story)
            continue
        is_told = [piece.join(own, on="flow", how="semi").height > 0 for piece in pieces]
        if not any(is_told):
            kept.append(story)
            continue
        strength = story.strength if sum(is_told) == 1 else 1.0
        for piece, told in zip(pieces, is_told, strict=True):
            if told:
                kept.append(replace(story, flows=piece, strength=strength))
            else:
                strays.append(piece.select("flow"))
    return kept, strays
