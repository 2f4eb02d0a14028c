"""The evidence strip: one feature's value now, drawn on the distribution of normal.

What belongs here: places on the strip, in per cent, and its labels. What does not: the drawing itself
(``page/``) and the choice of features (``verdicts``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from eddyline.incidents.incident import NORMAL_LEVELS, Contribution
from eddyline.report.scale import Scale, fit_scale
from eddyline.report.words import CHANGING_UNITS, quantity

_EDGE: Final = 22.0


@dataclass(frozen=True, slots=True)
class Band:
    """A part of the strip.

    Parameters
    ----------
    x, width
        Left end and length, per cent; at least so long that it can be seen.
    """

    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Strip:
    """Everything that the page draws for one feature.

    Parameters
    ----------
    now
        Place of the value now, per cent; None when the value is not finite.
    now_text
        The value now, with its unit.
    anchor
        Side of the mark on which its label fits: start, middle or end.
    normal_text
        The normal range in words, or that there is none.
    range
        The normal range; None without a normal.
    bands
        Whole, 5-95 % and 25-75 % of normal, outermost first; empty without a normal.
    median
        Place of the middle of normal; None without.
    ticks
        Places and texts of the marks under the strip.
    logarithmic
        True when the axis is logarithmic, which the page says.
    """

    now: float | None
    now_text: str
    anchor: str
    normal_text: str
    range: Band | None
    bands: tuple[Band, ...]
    median: float | None
    ticks: tuple[tuple[float, str], ...]
    logarithmic: bool


def strip(part: Contribution) -> Strip:
    """Place a contribution on its strip.

    Parameters
    ----------
    part
        One feature of an incident.
    """
    quantiles = tuple(value for value in part.normal_quantiles if math.isfinite(value))
    if len(quantiles) != len(NORMAL_LEVELS):
        quantiles = ()
    bounds = [b for b in (part.normal_low, part.normal_high) if b is not None and math.isfinite(b)]
    shown = [*quantiles, *bounds, *([part.value] if math.isfinite(part.value) else [])]
    scale = fit_scale(shown or [0.0, 1.0])
    now = scale.at(part.value) if math.isfinite(part.value) else None
    level = dict(zip(NORMAL_LEVELS, quantiles, strict=False))
    bands = [(0.0, 1.0), (0.05, 0.95), (0.25, 0.75)] if quantiles else []
    return Strip(
        now=now,
        now_text=quantity(part.value, part.unit),
        anchor=_anchor(now),
        normal_text=normal_words(part),
        range=_band(scale, bounds[0], bounds[1]) if len(bounds) == 2 else None,
        bands=tuple(_band(scale, level[low], level[high]) for low, high in bands),
        median=scale.at(level[0.5]) if quantiles else None,
        ticks=_ticks(scale, part.unit) if shown else (),
        logarithmic=scale.logarithmic,
    )


def normal_words(part: Contribution) -> str:
    """Say the normal range of a contribution: "normal 0–6".

    Parameters
    ----------
    part
        One feature of an incident.
    """
    if part.normal_low is None and part.normal_high is None:
        return "no normal to compare with"
    if part.normal_low is None:
        return f"normal up to {quantity(part.normal_high, part.unit)}"
    if part.normal_high is None:
        return f"normal from {quantity(part.normal_low, part.unit)}"
    low, high = quantity(part.normal_low, part.unit), quantity(part.normal_high, part.unit)
    if low == high:
        return f"normal {low}"
    number, _, unit = low.partition(" ")
    return f"normal {number if high.endswith(f' {unit}') else low} – {high}"


def _band(scale: Scale, low: float, high: float) -> Band:
    start, end = scale.at(low), scale.at(high)
    width = max(end - start, 0.6)
    return Band(round(min(start, 100 - width), 2), round(width, 2))


def _anchor(place: float | None) -> str:
    if place is None or _EDGE <= place <= 100 - _EDGE:
        return "middle"
    return "start" if place < _EDGE else "end"


def _ticks(scale: Scale, unit: str) -> tuple[tuple[float, str], ...]:
    """Give marks whose labels do not stand in each other's way."""
    placed: list[tuple[float, str]] = []
    for value in scale.ticks(4):
        place, text = scale.at(value), quantity(value, unit if unit in CHANGING_UNITS else "")
        if not placed or place - placed[-1][0] >= 4 + 1.6 * len(text):
            placed.append((place, text))
    return tuple(placed)
