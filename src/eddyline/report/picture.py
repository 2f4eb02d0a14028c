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
"""Shades of a cell without an incident, by the power of ten of its flows."""

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
    (143, 154, 166),
    (113, 125, 139),
)
_DARK: Final[tuple[Colour, ...]] = (
    (23, 27, 32),
    (45, 52, 60),
    (62, 71, 82),
    (83, 94, 107),
    (107, 119, 133),
    (136, 148, 162),
)


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
class Picture:
    """Everything that the page needs to show a canvas.

    Parameters
    ----------
    light, dark
        The picture as data URIs.
    rows, columns
        Size in cells.
    x_ticks, y_ticks
        Places in per cent and labels; a third value of ``x_ticks`` is true for those that a narrow
        page keeps.
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
    x_ticks: tuple[tuple[float, str, bool], ...]
    y_ticks: tuple[tuple[float, str], ...]
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
        legend=tuple(legend),
        cells=cells.ravel().tolist(),
    )


def _pixels(
    grid: CanvasGrid, rank: NDArray[np.int64], slots: Mapping[int, int]
) -> NDArray[np.uint8]:
    """Give each cell its index in the palette: background, shades of traffic, incidents, the others."""
    shade = 1 + np.floor(np.log10(np.maximum(grid.counts, 1))).astype(np.int64)
    pixels = np.where(grid.counts > 0, np.minimum(shade, TRAFFIC_STEPS), 0)
    hue = np.full(int(rank.max(initial=0)) + 1, 1 + TRAFFIC_STEPS + len(HUES), dtype=np.int64)
    for value, slot in slots.items():
        hue[value] = TRAFFIC_STEPS + slot
    painted: NDArray[np.uint8] = np.where(rank > 0, hue[rank], pixels).astype(np.uint8)
    return painted


def _x_ticks(grid: CanvasGrid, most: int = 14) -> tuple[tuple[float, str, bool], ...]:
    """Name the busiest columns, as many as do not stand in each other's way."""
    columns = grid.counts.shape[1]
    busy = np.argsort(-grid.counts[:, : grid.own].sum(axis=0), kind="stable")
    taken: list[tuple[float, str, bool]] = []
    for column in busy.tolist():
        text = grid.names[column]
        if len(text) > 18:
            text = text[:17] + "…"
        place = round(100 * (column + 0.5) / columns, 2)
        width = 1.2 + 0.85 * len(text)
        near = [abs(place - other) - (width + 0.85 * len(name)) / 2 for other, name, _ in taken]
        if len(taken) < most and all(gap > 0 for gap in near):
            narrow = [abs(place - other) for other, _, kept in taken if kept]
            kept = all(gap > 4 + 3 * len(text) for gap in narrow)
            taken.append((place, text, kept))
    return tuple(sorted(taken))


def _y_ticks(grid: CanvasGrid) -> tuple[tuple[float, str], ...]:
    first, last = int(grid.edges_us[0]), int(grid.edges_us[-1])
    span = max(1, last - first)
    return tuple(
        (round(100 * (time - first) / span, 2), text) for time, text in time_ticks(first, last)
    )
