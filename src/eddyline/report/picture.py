"""The canvas as a picture: pixels, a palette for light and one for dark, axes, legend, table.

What belongs here: which colour a cell has and what its axes say. What does not: counting flows
(``canvas.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from eddyline.report.canvas import CanvasGrid
from eddyline.report.png import Colour, data_uri, png
from eddyline.report.scale import time_ticks
from eddyline.report.words import count

TRAFFIC_STEPS: Final = 5
"""Shades of a cell without an incident, by its flows."""

HUES: Final[tuple[Colour, ...]] = (
    (213, 94, 0),
    (0, 114, 178),
    (0, 158, 115),
    (204, 121, 167),
    (230, 159, 0),
    (86, 180, 233),
    (148, 103, 189),
)
"""Colours of the first incidents; told apart with colour-blind eyes (after Okabe and Ito, 2008)."""

OTHER_HUE: Final[Colour] = (120, 72, 40)
"""Colour of all further incidents."""

_LIGHT: Final[tuple[Colour, ...]] = (
    (250, 250, 248),
    (222, 226, 230),
    (198, 204, 211),
    (171, 180, 190),
    (150, 160, 171),
    (127, 139, 152),
)
_DARK: Final[tuple[Colour, ...]] = (
    (23, 27, 32),
    (45, 52, 60),
    (62, 71, 82),
    (83, 94, 107),
    (101, 113, 127),
    (122, 134, 148),
)


LONGEST_NAME: Final = 18
"""Characters of a column's name under the picture."""

_ROOM: Final = 92.0  # per cent up to which a number fits right of a cell
_LETTER: Final = (1.5, 2.1)  # per cent of the width that a letter takes, wide page and narrow


@dataclass(frozen=True, slots=True)
class Legend:
    """One entry of the legend.

    Parameters
    ----------
    slot
        Number of the colour, from 1; 0 for all further incidents.
    text
        What it stands for.
    rank
        Rank of the incident; 0 for all further ones.
    """

    slot: int
    text: str
    rank: int


@dataclass(frozen=True, slots=True)
class Tick:
    """A name under the picture.

    Parameters
    ----------
    place
        Per cent from the left.
    text
        Name of the column.
    anchor
        Part of the text that stands at the place: start, middle or end.
    kept
        True when a narrow page has room for it too.
    """

    place: float
    text: str
    anchor: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """The number of an incident, beside its first cell.

    Parameters
    ----------
    x, y
        Per cent from the left and from the top.
    anchor
        ``start`` when the number stands right of the place, else ``end``.
    rank
        The number.
    """

    x: float
    y: float
    anchor: str
    rank: int


@dataclass(frozen=True, slots=True)
class Picture:
    """Everything that the page needs to show a canvas.

    Parameters
    ----------
    light, dark
        The picture as data URIs.
    rows, columns
        Size in cells.
    x_ticks
        Names of columns.
    y_ticks
        Places in per cent and times.
    marks
        Numbers of the incidents that have a colour of their own.
    shades
        Flows from which each shade of traffic is used, rising.
    fullest
        Most flows in a cell without an incident.
    legend
        Colours in use.
    cells
        For each cell that holds flows: its number (row × columns + column), its flows, and the rank
        of its incident or 0; one flat list.
    """

    light: str
    dark: str
    rows: int
    columns: int
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[tuple[float, str], ...]
    marks: tuple[Mark, ...]
    shades: tuple[int, ...]
    fullest: int
    legend: tuple[Legend, ...]
    cells: list[int]


def picture(grid: CanvasGrid, ranks: Mapping[str, int], titles: Mapping[int, str]) -> Picture:
    """Paint a canvas that is coloured by incident.

    Parameters
    ----------
    grid
        Made with ``colour="incident"``.
    ranks
        Rank of each incident uid; a uid that is not in it is painted as traffic without an incident.
    titles
        What the legend says of each rank.
    """
    rank_of = np.array([ranks.get(uid, 0) for uid in grid.categories] + [0], dtype=np.int64)
    rank = rank_of[grid.category]  # −1 takes the last, 0
    shown = sorted(int(value) for value in np.unique(rank) if value)
    slots = {value: slot for slot, value in enumerate(shown[: len(HUES)], start=1)}
    pixels = _pixels(grid, rank, slots)
    legend = [
        Legend(slot, f"{value}. {titles.get(value, '')}", value) for value, slot in slots.items()
    ]
    if len(shown) > len(HUES):
        legend.append(Legend(0, f"{count(len(shown) - len(HUES))} further incidents", 0))
    held = np.flatnonzero(grid.counts)
    cells = np.stack([held, grid.counts.ravel()[held], rank.ravel()[held]], axis=1)
    height, width = grid.counts.shape
    return Picture(
        light=data_uri(png(pixels, (*_LIGHT, *HUES, OTHER_HUE))),
        dark=data_uri(png(pixels, (*_DARK, *HUES, OTHER_HUE))),
        rows=height,
        columns=width,
        x_ticks=_x_ticks(grid),
        y_ticks=_y_ticks(grid),
        marks=_marks(rank, tuple(slots)),
        shades=_shades(grid),
        fullest=int(grid.counts[rank == 0].max(initial=0)),
        legend=tuple(legend),
        cells=cells.ravel().tolist(),
    )


def _pixels(
    grid: CanvasGrid, rank: NDArray[np.int64], slots: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Give each cell its index in the palette: background, shades of traffic, incidents, the others."""
    pixels = np.searchsorted(np.array(_shades(grid)), grid.counts, side="right")
    hue = np.full(int(rank.max(initial=0)) + 1, 1 + TRAFFIC_STEPS + len(HUES), dtype=np.int64)
    for value, slot in slots.items():
        hue[value] = TRAFFIC_STEPS + slot
    painted: NDArray[np.uint8] = np.where(rank > 0, hue[rank], pixels).astype(np.uint8)
    return painted


def _shades(grid: CanvasGrid) -> tuple[int, ...]:
    """Give the least flows of each shade: equal ratios from 1 to the fullest cell without an incident."""
    most = max(2, int(grid.counts[grid.category < 0].max(initial=0)))
    steps = [round(most ** (step / TRAFFIC_STEPS)) for step in range(TRAFFIC_STEPS)]
    return tuple(sorted({max(1, step) for step in steps}))


def _marks(rank: NDArray[np.int64], shown: tuple[int, ...]) -> tuple[Mark, ...]:
    """Put each number beside the first cell of its incident: right, left, or in it, where room is."""
    height, width = rank.shape
    marks = []
    for value in shown:
        row, column = np.argwhere(rank == value)[0].tolist()
        left, right = 100 * column / width, 100 * (column + 1) / width
        place, anchor = (left, "start")
        if right <= _ROOM:
            place = right
        elif left >= 100 - _ROOM:
            anchor = "end"
        y = max(3.5, 100 * (row + 0.5) / height)
        marks.append(Mark(round(place, 2), round(y, 2), anchor, value))
    return tuple(marks)


def _x_ticks(grid: CanvasGrid, most: int = 12) -> tuple[Tick, ...]:
    """Name the busiest columns, as many as do not stand in each other's way."""
    columns = grid.counts.shape[1]
    busy = np.argsort(-grid.counts[:, : grid.own].sum(axis=0), kind="stable")
    taken: list[Tick] = []
    ends: list[tuple[float, float]] = []
    narrow_ends: list[tuple[float, float]] = []
    for column in busy.tolist():
        text = grid.names[column]
        if len(text) > LONGEST_NAME:
            text = text[: LONGEST_NAME - 1] + "…"
        place = round(100 * (column + 0.5) / columns, 2)
        wide, narrow = (1.6 + each * len(text) for each in _LETTER)
        anchor = "start" if place < narrow / 2 else "end" if place > 100 - narrow / 2 else "middle"
        if len(taken) < most and _free(_extent(place, wide, anchor), ends):
            ends.append(_extent(place, wide, anchor))
            kept = _free(_extent(place, narrow, anchor), narrow_ends)
            if kept:
                narrow_ends.append(_extent(place, narrow, anchor))
            taken.append(Tick(place, text, anchor, kept))
    return tuple(sorted(taken, key=lambda tick: tick.place))


def _extent(place: float, width: float, anchor: str) -> tuple[float, float]:
    start = place - {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor] * width
    return start, start + width


def _free(extent: tuple[float, float], taken: list[tuple[float, float]]) -> bool:
    return all(extent[1] <= start or end <= extent[0] for start, end in taken)


def _y_ticks(grid: CanvasGrid) -> tuple[tuple[float, str], ...]:
    first, last = int(grid.edges_us[0]), int(grid.edges_us[-1])
    span = max(1, last - first)
    return tuple(
        (round(100 * (time - first) / span, 2), text) for time, text in time_ticks(first, last)
    )
