"""The damped view: each flow against what its source, its pair and its service did just before.

What belongs here: the damped statistics as a view. What does not: their kernel (``damped.py``).

The statistics begin anew with each input and carry over from window to window; the slowest of them
halves in a hundred seconds, so that a minute after the start nothing tells it.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from eddyline.features.columns import WINDOW_US
from eddyline.features.damped import FEATURES, DampedStatistics
from eddyline.features.view import Build, View, ViewTable


def begin() -> Build:
    """Give a builder of rows that remembers the flows it was given."""
    kernel = DampedStatistics()

    def remembering(flows: pl.DataFrame) -> ViewTable:
        rows = flows.select("window", "uid", "src_ip", "dst_ip")
        return ViewTable(rows, kernel.update(flows), flows)

    return remembering


def build(flows: pl.DataFrame) -> ViewTable:
    """Build one row for each flow, in the order of the flows, as if none had been before.

    Parameters
    ----------
    flows
        Derived flows with the column ``window``, by ``ts_end``.
    """
    return begin()(flows)


DAMPED: Final = View(
    "damped", WINDOW_US, ("uid",), FEATURES, build, "", owner=("src_ip",), begin=begin
)
"""Each flow among those just before it."""
