"""Read, judge, tell: what the command line, the Python API and the service call.

What belongs here: the order of the steps and the result they give. What does not: how any step works.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import polars as pl

from eddyline.incidents.incident import Incident
from eddyline.read.ingest import IngestReport


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
    trained_from_us, trained_to_us
        Interval of that traffic, µs since the epoch; None when nothing was learned.
    legs
        One entry a leg.
    """

    kind: str
    name: str
    trained_flows: int
    trained_from_us: int | None
    trained_to_us: int | None
    legs: tuple[LegSummary, ...] = ()


@dataclass(slots=True)
class ScanResult:
    """What a scan found.

    Parameters
    ----------
    version
        Version of Eddyline.
    input
        Account of the reading.
    flows_judged
        Flows that were given a verdict.
    model
        What they were compared with.
    incidents
        In rank order.
    settings
        The settings that change results, by name, as text.
    flow_verdicts
        One row a flow: ``uid, ts, ts_end, src_ip, dst_ip, dst_port, proto, app, bytes, score,
        p_value, incident`` (uid of the incident or null); None when it was not asked for.
    """

    version: str
    input: IngestReport
    flows_judged: int
    model: ModelSummary
    incidents: list[Incident]
    settings: dict[str, str] = field(default_factory=dict)
    flow_verdicts: pl.DataFrame | None = None
