"""Views: how flows become rows, in event time, the same for a file and for a live stream.

What belongs here: the buffer that holds the flows of windows that are still open, and the contract of
a view. What does not: which features a view has (``host.py``, ``dyad.py``, ``segment.py``, ``flow.py``).

A window is ``[k·w, (k+1)·w)`` of ``ts_end`` in whole multiples of its length since the epoch, so cutting
the input into other batches cannot move a border. A window is closed when a flow of a later window
arrives, or at the end. A row therefore depends on no flow after its window.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from eddyline.features.dictionary import Feature
from eddyline.tables import Floats


@dataclass(frozen=True, slots=True)
class ViewTable:
    """The rows of one view over some closed windows.

    Parameters
    ----------
    rows
        One row each, in the order of (window, keys); columns ``window`` and the view's keys.
    X
        Shape ``(n, d)``, the features in the view's order, finite.
    flows
        The derived flows of those windows, with the column ``window``; what the rows stand for.
    tokens
        List column of token texts for each row, or None for a view without sequences.
    """

    rows: pl.DataFrame
    X: Floats
    flows: pl.DataFrame
    tokens: pl.Series | None = None

    def __len__(self) -> int:
        return self.rows.height


Build = Callable[[pl.DataFrame], ViewTable]
"""From derived flows of closed windows, with a column ``window``, to their rows."""


@dataclass(frozen=True, slots=True)
class View:
    """How flows become rows at one grain.

    Parameters
    ----------
    name
        Its name in legs and reports.
    window_us
        Length of a window, µs, ``> 0``.
    keys
        Columns of a flow or of a row that say what the row stands for.
    features
        The features, in the order of the columns of X.
    build
        From derived flows with a column ``window`` to the table.
    span_words
        The window as a person says it.
    owner
        Columns that say whose behaviour a row is; empty when they are the keys.
    begin
        Where rows depend on flows before their window: gives a builder that remembers them, one an input.
    in_order
        True when what reads the rows counts them, so that none may be left out between others.
    """

    name: str
    window_us: int
    keys: tuple[str, ...]
    features: tuple[Feature, ...]
    build: Build
    span_words: str
    owner: tuple[str, ...] = ()
    begin: Callable[[], Build] | None = None
    in_order: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of X."""
        return tuple(feature.name for feature in self.features)

    @property
    def of_flows(self) -> bool:
        """Whether a row is one flow."""
        return self.keys == ("uid",)

    def builder(self) -> Build:
        """Give what builds the rows of one input, its windows in order."""
        return self.build if self.begin is None else self.begin()


@dataclass(slots=True)
class WindowBuffer:
    """Hold derived flows until their window is closed.

    Memory is bounded by the flows of one open window.

    Parameters
    ----------
    window_us
        Length of a window, µs, ``> 0``.
    """

    window_us: int
    _open: list[pl.DataFrame] = field(default_factory=list)
    _window: int | None = None

    def update(self, flows: pl.DataFrame) -> pl.DataFrame | None:
        """Take flows in event-time order; give those of windows that are now closed, or None.

        A late flow joins the oldest window that is still open.

        Parameters
        ----------
        flows
            Derived flows, by ``ts_end``.
        """
        if flows.is_empty():
            return None
        windowed = flows.with_columns(
            (pl.col("ts_end") // self.window_us)
            .cum_max()
            .clip(self._window if self._window is not None else -(2**62))
            .alias("window")
        )
        newest = int(windowed["window"][-1])
        closed = windowed.filter(pl.col("window") < newest)
        still_open = windowed.filter(pl.col("window") == newest)
        given: list[pl.DataFrame] = []
        if self._window is not None and newest > self._window:
            given = self._open
            self._open = []
        if closed.height:
            given = [*given, closed]
        self._window = newest
        self._open.append(still_open)
        return pl.concat(given) if given else None

    def finish(self) -> pl.DataFrame | None:
        """Give the flows of the window that is still open; None when there are none."""
        given, self._open, self._window = self._open, [], None
        return pl.concat(given) if given else None
