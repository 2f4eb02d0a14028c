"""Flows as dots: one for each group and step of time, in the colour of the class that most of its flows have.

What belongs here: which dot a flow falls on, and which class a pixel shows. What does not: pages and files
(``raster_page.py``, ``raster_png.py``) and the canvas of a scan's report (``canvas.py``).

Source of the picture: Arjona-Medina et al., A Deep Learning Approach for Network Anomaly Detection, 2021: y
is time, each group has a column, x has no meaning; sound labels form clean blocks in time, wrong ones chaos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.report.canvas import NETWORK_OF, Groups, bounds, group_codes, series_codes
from eddyline.report.png import Colour
from eddyline.tables import Integers

WIDTH: Final = 1200
"""Pixels of the picture from left to right."""

HEIGHT: Final = 800
"""Pixels from top to bottom."""

GROUND: Final[Colour] = (255, 255, 255)

UNKNOWN: Final = "not labelled"
"""Class of a flow without one."""

NORMAL: Final = frozenset({"normal", "benign", "background", "none", "right"})
"""Classes that are no attack, in lower case."""

COLOURS: Final[dict[str, Colour]] = {
    "normal": (0xBB, 0xBB, 0xBB),
    "background": (0xA9, 0xC4, 0xD6),
    "probing-port sweep": (0xF2, 0xC2, 0x00),
    "probing-ip sweep": (0x1F, 0x77, 0xB4),
    "probing-nmap": (0x2C, 0xA0, 0x2C),
    "ddos-smurf": (0xD6, 0x27, 0x28),
    "missed": (0xD6, 0x27, 0x28),
    "false alarm": (0x1F, 0x77, 0xB4),
    "wrong class": (0xF2, 0xC2, 0x00),
    UNKNOWN: (0xE2, 0xE2, 0xE2),
}
"""Colours of known classes, by their name in lower case."""

_FURTHER: Final[tuple[Colour, ...]] = (
    (0xD6, 0x27, 0x28),
    (0x1F, 0x77, 0xB4),
    (0xF2, 0xC2, 0x00),
    (0x2C, 0xA0, 0x2C),
    (0x94, 0x67, 0xBD),
    (0x17, 0xBE, 0xCF),
    (0xE3, 0x77, 0xC2),
    (0x8C, 0x56, 0x4B),
)
_REST: Final[Colour] = (0x55, 0x55, 0x55)
_SPARSE: Final = 4  # dots that cover less than this part of the picture may touch their neighbours
_MOST_CLASSES: Final = 250  # a palette has 256 colours
_UNITS_US: Final = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


@dataclass(frozen=True, slots=True)
class Raster:
    """Dots of flows.

    Parameters
    ----------
    x, row, label, flows
        Column, step of time, class and flows of each dot; as long as there are dots.
    groups
        Columns in all, in the order of their first flow.
    names
        Group of each column, told when it is asked for.
    classes
        Names of the classes, the most frequent first; ``label`` points here.
    totals
        Flows of each class in all.
    first_us, step_us
        Start of the first step of time, and length of a step, µs.
    rows
        Steps of time.
    group
        Columns of the record that make a group.
    """

    x: NDArray[np.int32]
    row: NDArray[np.int32]
    label: NDArray[np.int16]
    flows: Integers
    groups: int
    names: Groups
    order: Integers
    classes: tuple[str, ...]
    totals: tuple[int, ...]
    first_us: int
    step_us: int
    rows: int
    group: tuple[str, ...]

    def name(self, column: int) -> str:
        """Give the name of a column's group.

        Parameters
        ----------
        column
            From 0.
        """
        return self.names.name(int(self.order[column]))


def time_step(text: str) -> int:
    """Read a step of time such as ``1s``, ``500ms``, ``10m`` or ``1h``, µs.

    Parameters
    ----------
    text
        A whole number and its unit.

    Raises
    ------
    UsageError
        When it is none.
    """
    digits = text.rstrip("msh")
    unit = text[len(digits) :]
    if not digits.isdecimal() or int(digits) < 1 or unit not in _UNITS_US:
        message = f"a step of time must be like 1s, 500ms, 10m or 1h, got {text!r}; write number and unit"
        raise UsageError(message)
    return int(digits) * _UNITS_US[unit]


def flow_raster(
    frame: pl.DataFrame, group: Sequence[str], label: str = "label", time_bin: str = "1s"
) -> Raster:
    """Count flows into dots.

    Parameters
    ----------
    frame
        Flows with ``ts``, the columns of ``group`` and the one of ``label``.
    group
        1 to 3 columns whose values together name a group; ``src_net`` and ``dst_net`` are made from
        addresses.
    label
        Column of the classes; null is a class of its own.
    time_bin
        Step of time, such as ``1s``.

    Raises
    ------
    DataError
        When there is no flow, or a column is missing.
    """
    step = time_step(time_bin)
    needed = ["ts", label, *(NETWORK_OF.get(name, name) for name in group)]
    missing = [name for name in needed if name not in frame.columns]
    if frame.height == 0 or missing or not 1 <= len(group) <= 3:
        told = (
            f"no column {missing[0]!r}"
            if missing
            else f"{frame.height} flows, group {tuple(group)}"
        )
        message = (
            f"a picture must have flows, a time, 1 to 3 columns of a group and a class, got {told}; "
            f"choose other columns, of {', '.join(frame.columns)}"
        )
        raise DataError(message)
    groups = group_codes(frame, group)
    classes, labels, totals = _classes(frame[label])
    column, order = _first_seen(groups.codes, len(groups.keys))
    ts = frame["ts"].cast(pl.Int64).to_numpy()
    first, last = bounds(ts)
    first -= first % step
    rows = int((last - first) // step) + 1
    inside = (ts >= first) & (ts <= last)
    row = (ts[inside] - first) // step
    place = row * len(order) + column[groups.codes[inside]]
    dots, winners, flows = _modal(place, labels[inside], totals)
    return Raster(
        x=(dots % len(order)).astype(np.int32),
        row=(dots // len(order)).astype(np.int32),
        label=winners,
        flows=flows,
        groups=len(order),
        names=groups,
        order=order,
        classes=classes,
        totals=tuple(totals.tolist()),
        first_us=first,
        step_us=step,
        rows=rows,
        group=tuple(group),
    )


def agreement(truth: pl.Expr, told: pl.Expr) -> pl.Expr:
    """Say how a prediction agrees with the truth: right, missed, false alarm, wrong class, or null.

    Parameters
    ----------
    truth, told
        Classes as text; null where there is none.
    """
    quiet = [side.str.to_lowercase().is_in(sorted(NORMAL)) for side in (truth, told)]
    return (
        pl.when(truth.is_null() | told.is_null())
        .then(None)
        .when((truth == told) | (quiet[0] & quiet[1]))
        .then(pl.lit("right"))
        .when(quiet[1])
        .then(pl.lit("missed"))
        .when(quiet[0])
        .then(pl.lit("false alarm"))
        .otherwise(pl.lit("wrong class"))
    )


def paint(
    raster: Raster, *, width: int = WIDTH, height: int = HEIGHT, highlight: str | None = None
) -> NDArray[np.uint8]:
    """Give each pixel its index in the palette: 0 for the ground, then the classes.

    Where dots fall on one pixel, the rarest attack is seen. A dot is up to two pixels wide and high.

    Parameters
    ----------
    raster
        What to draw.
    width, height
        Size in pixels, ``>= 1``.
    highlight
        Class that is drawn over all others; None for none.
    """
    pixels = np.zeros((height, width), dtype=np.uint8)
    x = raster.x.astype(np.int64) * width // raster.groups
    y = raster.row.astype(np.int64) * height // raster.rows
    wide, high = dot_size(raster, width, height)
    for code in _painting_order(raster, highlight):
        own = raster.label == code
        for dx in range(wide):
            for dy in range(high):
                pixels[np.minimum(y[own] + dy, height - 1), np.minimum(x[own] + dx, width - 1)] = (
                    code + 1
                )
    return pixels


def dot_size(raster: Raster, width: int, height: int) -> tuple[int, int]:
    """Give the pixels of a dot: two each way, one where dots stand close; more in a finer picture.

    Parameters
    ----------
    raster
        What is drawn.
    width, height
        Size in pixels.
    """
    most = 2 * max(1, width // WIDTH)
    if _SPARSE * len(raster.x) * most * most < width * height:
        return most, most
    return (
        min(most, max(1, width // raster.groups)),
        min(most, max(1, height // raster.rows)),
    )


def palette(raster: Raster, highlight: str | None = None) -> tuple[Colour, ...]:
    """Give the ground and the colour of each class; with a highlight, all other classes are grey.

    Parameters
    ----------
    raster
        What is drawn.
    highlight
        Class that alone has a colour; None for all.
    """
    colours: list[Colour] = [GROUND]
    spare = iter(_FURTHER)
    for name in raster.classes:
        lowered = name.lower()
        if highlight is not None:
            chosen = name == highlight
            colours.append(COLOURS.get(lowered, _FURTHER[2]) if chosen else COLOURS["normal"])
        elif lowered in COLOURS:
            colours.append(COLOURS[lowered])
        else:
            colours.append(COLOURS["normal"] if lowered in NORMAL else next(spare, _REST))
    return tuple(colours)


# ------------------------------------------------------------------ counting


def _classes(column: pl.Series) -> tuple[tuple[str, ...], NDArray[np.int16], Integers]:
    """Give names, each flow's class and the flows of each class, the most frequent first."""
    filled = column.cast(pl.String).fill_null(UNKNOWN).cast(pl.Categorical())
    codes, names = series_codes(filled)
    totals = np.bincount(codes, minlength=len(names))
    order = np.argsort(-totals, kind="stable")
    place = np.empty(len(names), dtype=np.int16)
    place[order] = np.minimum(np.arange(len(names)), _MOST_CLASSES - 1)
    kept = [names[i] for i in order[:_MOST_CLASSES]]
    if len(names) > _MOST_CLASSES:
        kept[-1] = "all further classes"
    labels = place[codes]
    return tuple(kept), labels, np.bincount(labels, minlength=len(kept))


def _first_seen(codes: NDArray[np.int32], n_groups: int) -> tuple[Integers, Integers]:
    """Give each group its column, in the order of first flows, and the group of each column."""
    first = np.zeros(n_groups, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write, the earliest flow, stays
    order = np.argsort(first)
    column = np.empty(n_groups, dtype=np.int64)
    column[order] = np.arange(n_groups)
    return column, order


def _modal(
    place: Integers, labels: NDArray[np.int16], totals: Integers
) -> tuple[Integers, NDArray[np.int16], Integers]:
    """Give each dot its most frequent class, of equals the one that is rarer in the whole, and its flows."""
    width = len(totals)
    keys, counts = np.unique(place * width + labels, return_counts=True)
    dot, label = np.divmod(keys, width)
    ranked = np.lexsort((totals[label], -counts, dot))
    dots, firsts = np.unique(dot[ranked], return_index=True)
    flows = np.bincount(np.searchsorted(dots, dot), weights=counts).astype(np.int64)
    return dots, label[ranked][firsts].astype(np.int16), flows


def _painting_order(raster: Raster, highlight: str | None) -> list[int]:
    """Order classes from those that may be covered to those that may not."""
    names = [name.lower() for name in raster.classes]

    def weight(code: int) -> tuple[bool, bool, bool, int]:
        name = names[code]
        chosen = raster.classes[code] == highlight
        return chosen, name != UNKNOWN, name not in NORMAL, -raster.totals[code]

    return sorted(range(len(names)), key=weight)
