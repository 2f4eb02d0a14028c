"""Train here, test there: one method carried from each day or capture to every other one.

What belongs here: the units, one model a unit, its figures on all units. What does not: tasks with a test
part of their own (``classical_tasks.py``) and how the matrix looks (``report/classical.py``).

All units have the same columns, those of the set ``around``, computed for each by itself. A model learns from
the first 70 % of a unit; the diagonal judges the rest, every other cell a whole unit. Groups would not do
here: the counts of a third of the groups are those of a thinner network.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from eddyline.evaluate.classical_cell import rows_to_fit
from eddyline.evaluate.classical_flows import (
    TEST_SHARE,
    LabelledFlows,
    captures,
    luflow_day,
    parts_of_flows,
)
from eddyline.evaluate.classical_methods import ClassicalMethod, methods_named
from eddyline.evaluate.classical_parts import NORMAL, Drawn, Part
from eddyline.evaluate.corpora import luflow
from eddyline.evaluate.curve import Curve
from eddyline.evaluate.sequences import CAPTURES
from eddyline.tables import Floats

CARRIED: Final = ("isolation_forest", "logistic", "boosting")
"""Methods that are carried where no other is named."""

LEAST: Final = 50
"""Attacks and normal rows in the first part below which a unit is left out."""


def units_of(data: Path) -> dict[str, Callable[[], LabelledFlows]]:
    """Give the days and captures that a folder holds, by name, unread.

    Parameters
    ----------
    data
        Folder with ``luflow`` and ``zeek``.
    """
    found: dict[str, Callable[[], LabelledFlows]] = {}
    for day in luflow.days_of(luflow.TASKS):
        if (data / "luflow" / f"{day}.zip").is_file():
            found[f"luflow {day}"] = lambda day=day: luflow_day(data, day)  # type: ignore[misc]
    for name, file in CAPTURES.items():
        if (data / "zeek" / file).is_file():
            found[name] = lambda name=name: captures(data, (name,))[0]  # type: ignore[misc]
    return found


def run_cross(
    data: Path,
    cache: Path,
    *,
    names: Sequence[str] = CARRIED,
    seed: int = 0,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Carry methods between all units and give a matrix of ROC-AUC each.

    Parameters
    ----------
    data
        Folder with ``luflow`` and ``zeek``.
    cache
        Folder that keeps each row of a matrix; broken off, the next call goes on from it.
    names
        Detectors and classifiers.
    seed
        Draws the attacks among the rows of a detector and starts every method.
    tell
        Called with what is done now.
    """
    carried = [one for one in methods_named(names) if one.kind != "baseline"]
    units = {name: _kept(read()) for name, read in units_of(data).items()}
    kept = {name: flows for name, flows in units.items() if flows is not None}
    wholes = {name: parts_of_flows(flows, [_all(flows)])[0] for name, flows in kept.items()}
    rows = []
    for method in carried:
        for here, flows in kept.items():
            key = hashlib.sha256(json.dumps([method.key, here, seed, sorted(wholes), 2]).encode())
            path = cache / f"cross-{key.hexdigest()[:24]}.json"
            if not path.is_file():
                tell(f"{method.name} from {here}")
                found = _row(method, here, flows, wholes, seed)
                cache.mkdir(parents=True, exist_ok=True)
                path.with_suffix(".part").write_text(json.dumps(found), encoding="utf-8")
                path.with_suffix(".part").replace(path)
            rows.append(json.loads(path.read_text(encoding="utf-8")))
    left_out = [name for name, flows in units.items() if flows is None]
    return {
        "units": list(kept),
        "left_out": left_out,
        "figure": "roc_auc",
        "rows": rows,
        "seed": seed,
    }


def _halves(flows: LabelledFlows) -> tuple[Any, Any]:
    """Give the flows that end before the last part of the unit, and those that begin in it."""
    known = _all(flows)
    start, end = flows.frame["ts"].to_numpy(), flows.frame["ts_end"].to_numpy()
    cut = np.quantile(start[known], 1 - TEST_SHARE)
    return known & (end < cut), known & (start >= cut)


def _all(flows: LabelledFlows) -> Any:
    return ~flows.attack.is_null().to_numpy()


def _kept(flows: LabelledFlows) -> LabelledFlows | None:
    """Leave out a unit with too few rows of a kind to learn from."""
    attack = flows.attack.fill_null(value=False).to_numpy()[_halves(flows)[0]]
    return flows if min(attack.sum(), (~attack).sum()) >= LEAST else None


def _row(
    method: ClassicalMethod,
    here: str,
    flows: LabelledFlows,
    wholes: dict[str, Part],
    seed: int,
) -> dict[str, Any]:
    """Learn from one unit, judge all."""
    early, late = _halves(flows)
    fit, held = parts_of_flows(flows, [early, late])
    model = method.build(seed)
    rows = rows_to_fit(method, Drawn(fit, held, held, (), None), seed)
    if method.kind == "detector":
        model.fit(fit.X[rows])
    else:
        yes = np.where(fit.attack, "attack", NORMAL)
        model.fit(fit.X[rows], yes[rows], groups=fit.groups[rows])
    areas = {
        there: Curve.of(part.attack, _scores(method, model, part)).auc
        for there, part in {**wholes, here: held}.items()
    }
    return {"method": method.name, "kind": method.kind, "trained_on": here, "auc": areas}


def _scores(method: ClassicalMethod, model: Any, part: Part) -> Floats:
    if method.kind == "detector":
        scores: Floats = model.anomaly_score(part.X)
        return scores
    shares = model.predict_proba(part.X)
    return 1.0 - np.asarray(shares[:, model.classes_.tolist().index(NORMAL)], np.float64)
