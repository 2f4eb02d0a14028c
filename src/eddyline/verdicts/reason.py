"""One feature's part in a verdict, told against what is normal here.

What belongs here: the shape of a reason and the comparison in words. What does not: which features matter
(``explain.py``) and whole sentences about incidents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eddyline.features.dictionary import Feature

NORMAL_LEVELS: Final = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
"""Levels at which a contribution tells the distribution of normal."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One feature's part in a verdict: its value now against its normal range here.

    Parameters
    ----------
    feature
        Name in the feature dictionary.
    value
        Value now, in ``unit``.
    unit
        Unit of the value and the range; ``""`` for counts.
    normal_low, normal_high
        Bounds of the normal range here, both included; None when there is no normal to compare with.
    share
        Part of the score that this feature carries, in [0, 1].
    words
        The comparison as a person says it.
    normal_quantiles
        Values of normal at the levels ``NORMAL_LEVELS``; empty when there is no normal.
    """

    feature: str
    value: float
    unit: str
    normal_low: float | None
    normal_high: float | None
    share: float
    words: str
    normal_quantiles: tuple[float, ...] = ()


def amount(value: float, unit: str) -> str:
    """Say a value as a person does: ``1,902``, ``3.4 MB``, ``12 min``, ``35 %``.

    Parameters
    ----------
    value
        The value, finite.
    unit
        ``"bytes"``, ``"s"``, ``"share"``, ``"packets"``, another unit, or ``""`` for a count.
    """
    if unit == "bytes":
        return _bytes(value)
    if unit == "s":
        return _seconds(value)
    if unit == "share":
        return f"{100 * value:.0f} %"
    if unit and unit != "packets":
        return f"{value:,.1f} {unit}"
    return f"{value:,.0f}" if abs(value - round(value)) < 0.05 else f"{value:,.1f}"


def _bytes(value: float) -> str:
    for limit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:,.1f} {name}"
    return f"{value:,.0f} B"


def _seconds(value: float) -> str:
    for limit, name in ((172_800.0, "d"), (7_200.0, "h"), (120.0, "min"), (1.0, "s")):
        if value >= limit:
            size = {"d": 86_400.0, "h": 3_600.0, "min": 60.0, "s": 1.0}[name]
            return f"{value / size:,.0f} {name}"
    return f"{1000 * value:,.0f} ms"


def compare(
    feature: Feature,
    value: float,
    low: float,
    high: float,
    span: str,
    *,
    own: bool,
    unit: str | None = None,
) -> str:
    """Say one value against its normal range.

    Parameters
    ----------
    feature
        The dictionary's entry.
    value
        Value now.
    low, high
        Normal range, both included.
    span
        What the row covers, such as ``"5 min"``; ``""`` when the words say it.
    own
        True when the range is the entity's own past, False when it is the whole network's.
    unit
        Unit of the three values; None for the feature's.
    """
    unit = feature.unit if unit is None else unit
    whose = "normal for this host" if own else "normal on this network"
    now = amount(value, unit)
    if amount(low, unit) == amount(high, unit):
        usual = amount(high, unit)
    else:
        usual = f"{amount(low, unit)}–{amount(high, unit)}"
    within = f" in {span}" if span else ""
    return f"{now} {feature.words}{within}; {whose}: {usual}"
