"""Axes: where a value stands on a line, in per cent of its width, and which values to mark.

What belongs here: linear, logarithmic and time axes. What does not: what is drawn on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from eddyline.report.words import moment

LOG_SPAN: Final = 50.0
"""Largest over smallest positive value from which an axis is logarithmic."""

_DAY_S: Final = 86_400
_LARGEST: Final = 1e300  # leaves room for differences of two values
_TIME_STEPS_S: Final = tuple(
    seconds * unit
    for unit, steps in (
        (1, (1, 2, 5, 10, 15, 30)),
        (60, (1, 2, 5, 10, 15, 30)),
        (3600, (1, 2, 3, 6, 12)),
        (86_400, (1, 2, 7, 14, 28, 91, 365, 1461, 14_610)),
    )
    for seconds in steps
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A line with two ends; logarithmic ones keep a place of their own for zero, left of the rest.

    Parameters
    ----------
    low, high
        Values at the ends; ``low < high``, and ``0 < low`` when logarithmic.
    logarithmic
        True when equal ratios are equally long.
    zero
        True when zero has the first tenth of a logarithmic axis.
    """

    low: float
    high: float
    logarithmic: bool = False
    zero: bool = False

    def at(self, value: float) -> float:
        """Give a value's place in per cent, kept within [0, 100].

        Parameters
        ----------
        value
            Finite; outside the ends it is put at the end.
        """
        if not self.logarithmic:
            place = (value - self.low) / (self.high - self.low)
            return round(100 * min(1.0, max(0.0, place)), 2)
        start = 0.1 if self.zero else 0.0
        if value <= 0:
            return 0.0
        place = math.log(value / self.low) / math.log(self.high / self.low)
        return round(100 * (start + (1 - start) * min(1.0, max(0.0, place))), 2)

    def ticks(self, most: int = 5) -> list[float]:
        """Give round values to mark, rising.

        Parameters
        ----------
        most
            How many at the most, about; ``>= 2``.
        """
        if not self.logarithmic:
            return _linear_ticks(self.low, self.high, most)
        first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
        step = max(1, math.ceil((last - first + 1) / most))
        marks = [10.0**power for power in range(first, last + 1, step)]
        return [0.0, *marks] if self.zero else marks


def fit_scale(values: Iterable[float]) -> Scale:
    """Choose the axis on which all values can be seen: logarithmic when they span ``LOG_SPAN``.

    Values that all lie within [0, 1] are shares, and theirs is linear.

    Parameters
    ----------
    values
        Finite, at least one.
    """
    known = sorted(min(max(value, -_LARGEST), _LARGEST) for value in values)
    low, high = known[0], known[-1]
    positive = [value for value in known if value > 0]
    if low >= 0 and high > 1 and high / positive[0] >= LOG_SPAN:
        return Scale(positive[0] / 1.25, high * 1.25, logarithmic=True, zero=low == 0)
    margin = 0.04 * (high - low) or max(abs(high) * 0.5, 1.0)
    start = 0.0 if 0 <= low <= 0.5 * high else low - margin
    return Scale(start, high + margin)


def time_ticks(first_us: int, last_us: int, most: int = 8) -> list[tuple[int, str]]:
    """Give round times between two times with their labels, UTC.

    Parameters
    ----------
    first_us, last_us
        µs since the epoch, ``first_us < last_us``.
    most
        How many at the most, about.
    """
    span_s = (last_us - first_us) / 1e6
    step_s = next((step for step in _TIME_STEPS_S if span_s / step <= most), _TIME_STEPS_S[-1])
    step_us = step_s * 1_000_000
    start = -(-first_us // step_us) * step_us
    times = range(start, last_us + 1, step_us)[: 4 * most]
    return [(time, _time_label(time, step_s, span_s)) for time in times]


def _time_label(time_us: int, step_s: int, span_s: float) -> str:
    """Write a time as short as its neighbours allow: the day only where it begins."""
    time = moment(time_us)
    if step_s >= _DAY_S:
        return time.strftime("%m-%d" if span_s < 180 * _DAY_S else "%Y-%m")
    if span_s > _DAY_S and time.hour == time.minute == time.second == 0:
        return time.strftime("%m-%d")
    return time.strftime("%H:%M:%S" if step_s < 60 else "%H:%M")


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]
