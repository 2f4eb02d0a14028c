"""From flows to the rows that legs learn from and judge: numbered, windowed, joined, thinned.

What belongs here: the way from batches to rows of closed windows. What does not: a view's features and
what a leg does with rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np
import polars as pl

from eddyline.features.columns import derive, services
from eddyline.features.view import Build, View, ViewTable, WindowBuffer
from eddyline.flows.batch import FlowBatch
from eddyline.tables import FeatureTable
from eddyline.verdicts.families import families_of, parted
from eddyline.verdicts.leg import LegRows

LeaveOut = Callable[[pl.DataFrame, int], pl.DataFrame]
"""From the flows of closed windows and their length to a frame of flow numbers (column ``flow``)."""

MAX_FIT_ROWS: Final = 60_000
"""Rows of one view that a fit keeps; more are thinned evenly by entity and time."""


def leg_rows(view: View, table: ViewTable) -> LegRows:
    """Give a view's rows as its legs need them.

    Parameters
    ----------
    view
        The view.
    table
        Its rows.

    Raises
    ------
    DataError
        When the view broke its promise: another width, or a value that is not finite.
    """
    keys = [pl.col(key).cast(pl.String) for key in view.owner or view.keys]
    entities = table.rows.select(pl.concat_str(keys, separator="|")).to_series()
    rows = {
        "entity": entities.to_numpy().astype(np.str_),
        "window": table.rows["window"].to_numpy().astype(np.int64),
    }
    checked = FeatureTable(table.X, view.names, rows)
    return LegRows(checked.X, checked.rows["entity"], checked.rows["window"], table.tokens)


def and_these(leave_out: LeaveOut | None, doubted: pl.DataFrame) -> LeaveOut:
    """Leave out some flows beside those that were left out anyway.

    Parameters
    ----------
    leave_out
        What was left out so far; None for nothing.
    doubted
        Numbers of more flows, column ``flow``.
    """

    def both(flows: pl.DataFrame, window_us: int) -> pl.DataFrame:
        these = flows.join(doubted, on="flow", how="semi").select("flow")
        if leave_out is None:
            return these
        return pl.concat([these, leave_out(flows, window_us).select("flow")])

    return both


def numbered(batches: Iterable[FlowBatch], per: str | None = None) -> Iterator[pl.DataFrame]:
    """Derive the columns of each batch and number its flows over the whole input.

    Parameters
    ----------
    batches
        Flows in event-time order.
    per
        Column of the record that parts flows into families; None for one normal for all.
    """
    start = 0
    for batch in batches:
        flows = derive(batch.frame)
        if per is not None:
            flows = flows.with_columns(families_of(batch.frame, per))
        yield flows.with_columns(pl.int_range(start, start + flows.height).alias("flow"))
        start += flows.height


@dataclass(frozen=True, slots=True)
class Closed:
    """Windows of one length that were closed together, as the rows of each family.

    Parameters
    ----------
    window_us
        Length of the windows, µs.
    flows
        Their flows, derived and numbered, with the column ``window``.
    tables
        View and rows, by family.
    """

    window_us: int
    flows: pl.DataFrame
    tables: dict[str, list[tuple[View, ViewTable]]]


def windows(
    views: Sequence[View], frames: Iterable[pl.DataFrame], leave_out: LeaveOut | None = None
) -> Iterator[Closed]:
    """Give the views' rows each time windows are closed.

    Parameters
    ----------
    views
        Which views; those of one window length share a buffer.
    frames
        Derived, numbered flows in event-time order; with a column ``family``, no row holds flows of two.
    leave_out
        Gives the numbers of flows in closed windows that no row is made of; None to use all.
    """
    begun: dict[tuple[str, str], Build] = {}
    for length, closed in closed_flows(views, frames):
        kept = closed
        if leave_out is not None:
            kept = closed.join(
                leave_out(closed, length), on="flow", how="anti", maintain_order="left"
            )
        if not kept.height:
            continue
        mine = [view for view in views if view.window_us == length]
        tables = {
            family: [
                (view, begun.setdefault((family, view.name), view.builder())(flows))
                for view in mine
            ]
            for family, flows in parted(kept).items()
        }
        yield Closed(length, kept, tables)


def closed_flows(
    views: Sequence[View], frames: Iterable[pl.DataFrame]
) -> Iterator[tuple[int, pl.DataFrame]]:
    """Give the flows of windows that are closed, by the length of the windows.

    Parameters
    ----------
    views
        Which views.
    frames
        Derived, numbered flows in event-time order.
    """
    buffers = {length: WindowBuffer(length) for length in sorted({v.window_us for v in views})}
    for frame in chain(frames, [None]):
        for length, buffer in buffers.items():
            closed = buffer.finish() if frame is None else buffer.update(frame)
            if closed is not None and closed.height:
                yield length, closed


def joined(parts: Sequence[LegRows]) -> LegRows:
    """Lay rows of one view end to end.

    Parameters
    ----------
    parts
        At least one.
    """
    tokens = [part.tokens for part in parts if part.tokens is not None]
    return LegRows(
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.entities for part in parts]),
        np.concatenate([part.windows for part in parts]),
        pl.concat(tokens) if tokens else None,
    )


def thin(rows: LegRows, most: int = MAX_FIT_ROWS) -> LegRows:
    """Keep at most so many rows, evenly over the order they came in.

    Parameters
    ----------
    rows
        Rows of one view.
    most
        How many to keep, ``> 0``.
    """
    if len(rows) <= most:
        return rows
    return rows.take(np.linspace(0, len(rows) - 1, most).astype(np.int64))


def kept_for_fit(view: View, rows: LegRows, most: int = MAX_FIT_ROWS) -> LegRows:
    """Keep at most so many rows of a view: evenly, or the last where they are counted in their order.

    Parameters
    ----------
    view
        The view.
    rows
        Its rows.
    most
        How many to keep, ``> 0``.
    """
    if not view.in_order or len(rows) <= most:
        return thin(rows, most)
    return rows.take(np.arange(len(rows) - most, len(rows)))


@dataclass(slots=True)
class Learned:
    """What passes by while rows are made of it, each flow counted once.

    Parameters
    ----------
    n_seen, n_flows
        Flows that came in, and that are learned from.
    first_us, last_us
        First and last end of those, µs since the epoch.
    services
        What answers in them.
    """

    n_seen: int = 0
    n_flows: int = 0
    first_us: int = 2**62
    last_us: int = 0
    services: set[str] = field(default_factory=set)

    def seen(self, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Count the flows that come in.

        Parameters
        ----------
        frames
            Derived flows.
        """
        for frame in frames:
            self.n_seen += frame.height
            yield frame

    def take(self, flows: pl.DataFrame) -> None:
        """Count flows that are learned from and note the services that answer in them.

        Parameters
        ----------
        flows
            Derived flows of closed windows.
        """
        ends = flows["ts_end"]
        self.n_flows += flows.height
        self.first_us = min(self.first_us, int(ends.min()))  # type: ignore[arg-type]
        self.last_us = max(self.last_us, int(ends.max()))  # type: ignore[arg-type]
        self.services.update(services(flows)["service_name"].unique().to_list())
