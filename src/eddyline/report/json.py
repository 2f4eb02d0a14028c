"""The JSON report: the contract that scripts and other systems read, with its published schema.

What belongs here: names and shapes of the document. What does not: words for people (``words.py``),
another system's alert format.

The document is ASCII: every other character is escaped, so that text from the input cannot move a
terminal's cursor or turn its reading direction. A number that is not finite is null.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any, Final

from eddyline.errors import InputError
from eddyline.incidents.incident import Contribution, Incident
from eddyline.report.words import rfc3339
from eddyline.scan import ModelSummary, ScanResult

MOST_EVIDENCE: Final = 1000
"""Flows of evidence that one incident carries in the document, from the contract."""


def schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) that every document of ``to_json`` satisfies."""
    text = resources.files("eddyline.report").joinpath("scan.schema.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def to_json(result: ScanResult) -> dict[str, Any]:
    """Give a scan as the document of the contract: plain dicts, lists, text, finite numbers, null.

    Parameters
    ----------
    result
        What a scan found.
    """
    return {
        "eddyline": result.version,
        "input": result.input.as_dict(),
        "flows_judged": result.flows_judged,
        "model": _model(result.model, result.settings),
        "incidents": [_incident(incident) for incident in result.incidents],
    }


def write_json(result: ScanResult, path: Path | str) -> None:
    """Write a scan as JSON, indented by two, one newline at the end.

    Parameters
    ----------
    result
        What a scan found.
    path
        File to write, replaced when it exists; ``"-"`` for standard output.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    text = json.dumps(to_json(result), indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    if str(path) == "-":
        sys.stdout.write(text)
        return
    try:
        Path(path).write_text(text, "ascii")
    except OSError as error:
        message = (
            f"{path}: the JSON report must go to a file that can be written, {error.strerror}; "
        )
        raise InputError(message + "choose another path, or '-' for standard output") from error


def _model(model: ModelSummary, settings: dict[str, str]) -> dict[str, Any]:
    return {
        "kind": model.kind,
        "name": model.name,
        "trained_flows": model.trained_flows,
        "trained_from": _time(model.trained_from_us),
        "trained_to": _time(model.trained_to_us),
        "settings": dict(settings),
        "alarm_levels": _scores(model.alarm_levels.items()),
        "legs": [
            {
                "name": leg.name,
                "view": leg.view,
                "detector": leg.detector,
                "fitted_rows": leg.fitted_rows,
                "calibration_rows": leg.calibration_rows,
                "judged_rows": leg.judged_rows,
                "note": leg.note,
            }
            for leg in model.legs
        ],
    }


def _incident(incident: Incident) -> dict[str, Any]:
    p_value = _number(incident.p_value)
    note = incident.p_value_note
    if p_value is None and not note:
        note = "no reason was given" if incident.p_value is None else "it was not a finite number"
    return {
        "uid": incident.uid,
        "rank": incident.rank,
        "severity": incident.severity,
        "confidence": incident.confidence,
        "p_value": p_value,
        "p_value_note": note,
        "attack": incident.attack,
        "techniques": [
            {
                "id": technique.id,
                "name": technique.name,
                "tactic_id": technique.tactic_id,
                "tactic": technique.tactic,
            }
            for technique in incident.techniques
        ],
        "direction": incident.direction,
        "sources": list(incident.sources),
        "destinations": list(incident.destinations),
        "sources_count": incident.n_sources or len(incident.sources),
        "destinations_count": incident.n_destinations or len(incident.destinations),
        "ports": [int(port) for port in incident.ports],
        "proto": incident.proto,
        "first_seen": rfc3339(incident.first_us),
        "last_seen": rfc3339(incident.last_us),
        "flows_count": incident.flows_count,
        "reason": incident.reason,
        "what_to_do": incident.what_to_do,
        "contributions": [_contribution(part) for part in incident.contributions],
        "evidence": [
            {"uid": flow.uid, "community_id": flow.community_id}
            for flow in incident.evidence[:MOST_EVIDENCE]
        ],
        "detectors": _scores(incident.detectors.items()),
        "called": dict(incident.called),
        "degraded": list(incident.degraded),
    }


def _contribution(part: Contribution) -> dict[str, Any]:
    return {
        "feature": part.feature,
        "value": _number(part.value),
        "unit": part.unit,
        "normal_low": _number(part.normal_low),
        "normal_high": _number(part.normal_high),
        "share": _number(part.share),
        "words": part.words,
    }


def _scores(items: Iterable[tuple[str, float]]) -> dict[str, float | None]:
    return {name: _number(score) for name, score in items}


def _number(value: float | None) -> float | None:
    """Give a float that JSON can carry: None when it is absent or not finite."""
    return None if value is None or not math.isfinite(value) else float(value)


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else rfc3339(time_us)
