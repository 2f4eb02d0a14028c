"""A flow with the flows before it in its session: rows that a recurrent net reads step by step.

What belongs here: the feature set ``session8`` of single flows, for classifiers. What does not: a flow's own
columns (``around.py``) and nets.

A session is what two hosts say to each other without ten minutes of silence, in either direction. A row holds
its last eight flows, the oldest first and the flow itself last, each with what it says by itself and the
silence before it; steps before the session's first flow are nought. Nothing of an address enters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.features.around import ALONE, alone, counted
from eddyline.features.columns import derive
from eddyline.features.dictionary import Feature
from eddyline.tables import Floats, Integers

STEPS: Final = 8
"""Flows of a row."""

GAP_US: Final = 600_000_000
"""Silence between two hosts that ends their session, µs."""

STEP: Final = (
    *ALONE,
    Feature("silence", "ln", "ln(1 + s since the session's flow before)", "silence", scale="ln1p"),
    Feature("present", "", "1 when the session has so many flows", "flows there are"),
)
"""The columns of one step."""


def _dictionary() -> tuple[Feature, ...]:
    found = list[Feature]()
    for back in range(STEPS - 1, 0, -1):
        found.extend(
            Feature(
                f"{one.name}_back{back}",
                one.unit,
                f"{one.name} of the session's flow {back} before",
                f"{one.words}, {back} before",
                scale=one.scale,
                plain_unit=one.plain_unit,
            )
            for one in STEP
        )
    return (*found, *STEP)


FEATURES: Final = _dictionary()
"""The features, in the order of the columns."""

NAMES: Final = tuple(feature.name for feature in FEATURES)
"""Their names."""


@dataclass(slots=True)
class SessionRows:
    """Give each flow its row, from flows in event-time order; keeps seven flows of each open session.

    Memory is bounded by the pairs of hosts that met within ten minutes. Batches of any size give the same
    rows.

    Attributes
    ----------
    names
        Names of the columns.
    dictionary
        What each column means.
    """

    names: tuple[str, ...] = NAMES
    dictionary: tuple[Feature, ...] = FEATURES
    _keys: pl.Series = field(default_factory=lambda: pl.Series("key", [], pl.String), repr=False)
    _times: Integers = field(default_factory=lambda: np.zeros(0, np.int64), repr=False)
    _steps: Floats = field(default_factory=lambda: np.zeros((0, len(STEP))), repr=False)

    def update(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Give the rows of some flows, shape ``(n, d)``, finite.

        Parameters
        ----------
        frame
            Flows with the core columns of the record, by ``ts_end``, none before those given earlier.
        """
        if frame.is_empty():
            return np.empty((0, len(NAMES)), np.float32)
        flows = counted(derive(frame))
        past = len(self._times)
        fresh = flows.select(pl.concat_str("low", pl.lit("|"), "high").alias("key")).to_series()
        keys = pl.concat([self._keys, fresh])
        times = np.concatenate([self._times, flows["ts_end"].to_numpy().astype(np.int64)])
        codes = keys.rank("dense").to_numpy()
        order = np.argsort(codes, kind="stable")
        gap = np.diff(times[order], prepend=0)
        opens = np.ones(len(order), np.bool_)
        opens[1:] = (np.diff(codes[order]) != 0) | (gap[1:] >= GAP_US)
        steps = np.concatenate([self._steps, np.zeros((len(fresh), len(STEP)))])
        single = flows.select(alone()).to_numpy()
        steps[past:, : len(ALONE)] = single
        silence = np.empty(len(order))
        silence[order] = np.where(opens, 0.0, np.log1p(gap.clip(min=0) / 1e6))
        steps[past:, -2] = silence[past:]
        steps[past:, -1] = 1.0
        rows = _rows(steps, order, opens)[past:]
        self._hold(keys, times, steps, order, opens)
        return rows.astype(np.float32)

    def _hold(
        self,
        keys: pl.Series,
        times: Integers,
        steps: Floats,
        order: Integers,
        opens: NDArray[np.bool_],
    ) -> None:
        """Keep the last flows of the sessions that another flow may still join."""
        session = np.cumsum(opens)
        last = np.append(opens[1:], True)
        ends = np.flatnonzero(last)
        to_end = ends[session - 1] - np.arange(len(order))
        is_open = times[order][ends][session - 1] > times.max() - GAP_US
        kept = np.sort(order[is_open & (to_end < STEPS - 1)])
        self._keys, self._times, self._steps = keys.gather(kept), times[kept], steps[kept]


def _rows(steps: Floats, order: Integers, opens: NDArray[np.bool_]) -> Floats:
    """Put each flow's steps side by side, the oldest first; ``order`` sorts by pair, then time."""
    n, width = steps.shape
    place = np.arange(n)
    start = np.maximum.accumulate(np.where(opens, place, 0))
    out = np.zeros((n, STEPS, width))
    for back in range(STEPS):
        there = place - back >= start
        out[order[there], STEPS - 1 - back] = steps[order[place[there] - back]]
    return out.reshape(n, STEPS * width)
