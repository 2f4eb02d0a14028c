"""Options become the settings of a scan, once.

What belongs here: reading what options name (an ignore file, legs). What does not: their effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from eddyline.errors import UsageError
from eddyline.features.registry import view_named
from eddyline.incidents.ignore import IgnoreList
from eddyline.scan import ScanSettings
from eddyline.verdicts.fitted import LegSpec, detector_of
from eddyline.verdicts.methods import legs_of


def settings_of(
    *,
    budget: float,
    error_rate: float | None = None,
    rules: bool = True,
    internal: Sequence[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    columns: Sequence[str] | None = None,
    ignore: Path | None = None,
    legs: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seed: int = 0,
    classes: Path | None = None,
    per: str | None = None,
) -> ScanSettings:
    """Gather what changes the result.

    Parameters
    ----------
    budget
        False alarms a day.
    error_rate
        Share of a window's alarms that may be false, instead of the budget.
    rules
        False to leave out the shipped generic levels.
    internal
        Networks that count as inside.
    since, until
        Keep flows with ``since <= ts_end < until``.
    columns
        Column map of an ordinary CSV, each ``OURS=THEIRS``.
    ignore
        Ignore file.
    legs
        More legs, each ``VIEW/DETECTOR``.
    methods
        Methods whose legs are added.
    seed
        Start of the randomness.
    classes
        Model whose classes name incidents.
    per
        Column whose values get a normal of their own each.

    Raises
    ------
    UsageError
        When the ignore file, a leg or a method cannot be read.
    """
    return ScanSettings(
        budget=budget,
        error_rate=error_rate,
        rules=rules,
        internal=tuple(internal) if internal else None,
        since=since,
        until=until,
        column_map=map_of(columns),
        ignore=IgnoreList.read(ignore) if ignore else IgnoreList(),
        more_legs=(*legs_of(methods or ()), *(leg_of(text) for text in legs or ())),
        seed=seed,
        classes=classes,
        per=per,
    )


def map_of(texts: Sequence[str] | None) -> dict[str, str] | None:
    """Read a column map.

    Parameters
    ----------
    texts
        Each ``OURS=THEIRS``; None for none.

    Raises
    ------
    UsageError
        When a text is of another form.
    """
    if not texts:
        return None
    pairs = [text.partition("=") for text in texts]
    for (ours, sign, theirs), text in zip(pairs, texts, strict=True):
        if not (ours and sign and theirs):
            message = f"--map must be OURS=THEIRS, got {text!r}; for example src_ip=Source"
            raise UsageError(message)
    return {ours: theirs for ours, _, theirs in pairs}


def leg_of(text: str) -> LegSpec:
    """Read one leg.

    Parameters
    ----------
    text
        ``VIEW/DETECTOR``; the detector is one of ours or a plug-in's.

    Raises
    ------
    UsageError
        When it is of another form, or names no view or no detector.
    """
    view, slash, detector = text.partition("/")
    if not slash:
        message = f"--leg must be VIEW/DETECTOR, got {text!r}; for example host/neighbours"
        raise UsageError(message)
    view_named(view)
    spec = LegSpec(view, detector)
    detector_of(spec)
    return spec
