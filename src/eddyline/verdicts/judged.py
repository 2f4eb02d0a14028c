"""Windows that were judged: their flows, every row's verdict, and the rows that alarm.

What belongs here: the shape of what a pipeline gives. What does not: judging (``pipeline.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.features.view import View, ViewTable
from eddyline.tables import Floats
from eddyline.verdicts.alarm import Alarm
from eddyline.verdicts.known import Known


@dataclass(frozen=True, slots=True)
class ViewVerdicts:
    """The rows of one view with their verdicts.

    Parameters
    ----------
    view
        The view.
    table
        Its rows.
    entities
        What each row stands for, as text.
    p_values
        Fused over the view's legs, shape ``(n,)``; NaN where no leg could judge.
    scores
        Score of each leg, by name.
    each
        P-value by each leg, by name.
    """

    view: View
    table: ViewTable
    entities: NDArray[np.str_]
    p_values: Floats
    scores: dict[str, Floats]
    each: dict[str, Floats]


@dataclass(frozen=True, slots=True)
class Judged:
    """The windows of one length that were closed together.

    Parameters
    ----------
    window_us
        Length of the windows, µs.
    flows
        Their flows, derived and numbered, with the column ``window``.
    verdicts, alarms
        One entry a view of that length; rows below the alarm level, most unlikely first.
    """

    window_us: int
    flows: pl.DataFrame
    verdicts: list[ViewVerdicts]
    alarms: list[Alarm]


Doubt = Callable[[Judged, Known], pl.DataFrame]
"""From windows judged by what they taught, and what that is, to the numbers of doubtful flows."""
