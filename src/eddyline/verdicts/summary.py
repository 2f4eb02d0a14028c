"""How a scan judged, for reports: one line a leg and the model they make.

What belongs here: the shape of that account. What does not: filling it (``scan.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class LegSummary:
    """How one leg judged: for the report's "how it was judged".

    Parameters
    ----------
    name
        Such as ``host/isolation_forest``.
    view
        Grain of its rows: flow, segment, host or dyad.
    detector
        Name of the detector, or ``"rules"`` for shipped generic thresholds.
    fitted_rows
        Rows of normal it learned from; 0 for rules.
    calibration_rows
        Rows that were held out to turn scores into p-values; 0 when there were none.
    judged_rows
        Rows it scored in this input.
    note
        What it could not do, or ``""``.
    """

    name: str
    view: str
    detector: str
    fitted_rows: int
    calibration_rows: int
    judged_rows: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """What the input was compared with.

    Parameters
    ----------
    kind
        ``"saved"`` for a model file, ``"capture"`` when the input itself was the (dirty) baseline.
    name
        File name of the model, or ``""``.
    trained_flows
        Flows of normal it learned from.
    left_out
        Flows that were not learned from because they are plain attacks.
    trained_from_us, trained_to_us
        Interval of that traffic, µs since the epoch; None when nothing was learned.
    legs
        One entry a leg.
    alarm_levels
        P-value at or below which a row of each view alarms, by the view's name; empty when there is no one
        level, as with an error rate, or nothing was learned.
    families
        Who judged what where each value of a column has a normal of its own, in words; else empty.
    """

    kind: str
    name: str
    trained_flows: int
    trained_from_us: int | None
    trained_to_us: int | None
    legs: tuple[LegSummary, ...] = ()
    left_out: int = 0
    alarm_levels: Mapping[str, float] = field(default_factory=dict)
    families: str = ""
