"""Ways to part labelled flows, by their names.

What belongs here: which strategy parts by what. What does not: how one finds its rows (``splits.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from eddyline.errors import UsageError
from eddyline.evaluate.split_keys import block_groups, day_groups, network_groups
from eddyline.evaluate.splits import SHARE, Split
from eddyline.evaluate.splitters import (
    GroupSplit,
    LastDay,
    LeaveOneAttackOut,
    LeaveOneDayOut,
    RowSplit,
    Strategy,
    TimeSplit,
)
from eddyline.tables import Integers

STRATEGIES: Final[Mapping[str, Callable[[pl.DataFrame], Integers]]] = {
    "row": lambda frame: np.arange(frame.height),
    "group": network_groups,
    "group_block": block_groups,
    "day": day_groups,
    "lodo": day_groups,
    "attack": network_groups,
    "time": lambda frame: frame["ts"].to_numpy(),
}
"""What each strategy parts by, made from flows of the record."""


def keys_of(strategy: str, frame: pl.DataFrame) -> Integers:
    """Give what a strategy parts by, one number a flow: its ``groups``.

    Parameters
    ----------
    strategy
        One of ``STRATEGIES``.
    frame
        Flows with the columns of the record.

    Raises
    ------
    UsageError
        When there is no such strategy.
    """
    return STRATEGIES[_known(strategy)](frame)


def splitter(
    strategy: str, *, share: float = SHARE, seed: int = 0, normal: Any = "Normal"
) -> Strategy:
    """Give the splitter of a strategy.

    Parameters
    ----------
    strategy
        One of ``STRATEGIES``: ``row``, ``group``, ``group_block``, ``day`` (the last one), ``lodo`` (each
        day once), ``attack`` (each attack once), ``time`` (the last part, with an embargo of one hour).
    share
        Part of the rows that validates, where the strategy has one.
    seed
        Of the draws, where the strategy has some.
    normal
        Class that is no attack, for ``attack``.

    Raises
    ------
    UsageError
        When there is no such strategy.
    """
    made: dict[str, Callable[[], Strategy]] = {
        "row": lambda: RowSplit(1, share, seed),
        "group": lambda: GroupSplit(1, share, seed),
        "group_block": lambda: GroupSplit(1, share, seed),
        "day": LastDay,
        "lodo": LeaveOneDayOut,
        "attack": lambda: LeaveOneAttackOut(normal, share, seed),
        "time": lambda: TimeSplit(1, share),
    }
    return made[_known(strategy)]()


def split_flows(
    frame: pl.DataFrame, y: ArrayLike, strategy: str, *, share: float = SHARE, seed: int = 0
) -> list[Split]:
    """Part labelled flows by a strategy; each split with its table.

    Parameters
    ----------
    frame
        Flows with the columns of the record.
    y
        Class of each flow.
    strategy
        One of ``STRATEGIES``.
    share, seed
        See ``splitter``.
    """
    way = splitter(strategy, share=share, seed=seed)
    return list(way.splits(y, keys_of(strategy, frame)))


def _known(strategy: str) -> str:
    if strategy not in STRATEGIES:
        message = (
            f"a split must be one of {', '.join(STRATEGIES)}, got {strategy!r}; check the spelling"
        )
        raise UsageError(message)
    return strategy
