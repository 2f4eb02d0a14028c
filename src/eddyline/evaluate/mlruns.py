"""The report of ``bench classical`` as MLflow keeps runs: the plain files of its file store.

What belongs here: names and files of that layout, written without MLflow. What does not: any figure
(``classical_document.py``).

One experiment a configuration, one run a method on a set, its figures the means over the seeds. The same
report gives the same run, so that a second export overwrites and doubles nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

EXPERIMENT: Final = "eddyline bench classical"

LOCAL: Final = 4
"""MLflow's number of a source that is a local program."""

FINISHED: Final = 3
"""MLflow's number of a run that is done."""


def write_mlruns(told: Mapping[str, Any], folder: Path, *, now_ms: int) -> int:
    """Write each method's figures on each set as a run; give how many.

    Parameters
    ----------
    told
        The document of ``bench classical``.
    folder
        Such as ``mlruns``; ``mlflow ui --backend-store-uri`` takes it.
    now_ms
        Time of the export, ms since the epoch: the store needs one.
    """
    name = f"{EXPERIMENT} {told['config_hash']}"
    experiment = str(int(hashlib.sha256(name.encode()).hexdigest()[:15], 16))
    place = folder / experiment
    facts = {
        "artifact_location": place.resolve().as_uri(),
        "creation_time": now_ms,
        "experiment_id": experiment,
        "last_update_time": now_ms,
        "lifecycle_stage": "active",
        "name": name,
    }
    place.mkdir(parents=True, exist_ok=True)
    _write_meta(place, facts)
    done = [one for one in told["models"] if one["state"] == "done"]
    for one in done:
        _write_run(one, told, place, experiment, now_ms)
    return len(done)


def _write_run(
    one: Mapping[str, Any], told: Mapping[str, Any], place: Path, experiment: str, now_ms: int
) -> None:
    name = f"{one['task']} {one['key']}"
    key = hashlib.sha256(json.dumps([told["config_hash"], name]).encode()).hexdigest()[:32]
    run = place / key
    for part in ("metrics", "params", "tags", "artifacts"):
        (run / part).mkdir(parents=True, exist_ok=True)
    _write_meta(
        run,
        {
            "artifact_uri": (run / "artifacts").resolve().as_uri(),
            "end_time": now_ms,
            "entry_point_name": "",
            "experiment_id": experiment,
            "lifecycle_stage": "active",
            "run_id": key,
            "run_name": name,
            "run_uuid": key,
            "source_name": told["command"],
            "source_type": LOCAL,
            "source_version": told["environment"]["eddyline"],
            "start_time": now_ms,
            "status": FINISHED,
            "tags": [],
            "user_id": "eddyline",
        },
    )
    for metric, value in _metrics(one):
        (run / "metrics" / metric).write_text(f"{now_ms} {value!r} 0\n", encoding="ascii")
    params = {
        "set": one["task"],
        "method": one["method"],
        "kind": one["kind"],
        "rows": str(one["rows"]),
        "seeds": ",".join(map(str, one["seeds"])),
    }
    for param, text in params.items():
        (run / "params" / param).write_text(text, encoding="utf-8")
    tags = {"mlflow.runName": name, "mlflow.source.name": told["command"]}
    for tag, text in tags.items():
        (run / "tags" / tag).write_text(text, encoding="utf-8")


def _metrics(one: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Give the figures that are defined; a figure that is not has no file."""
    for name in ("pr_auc", "roc_auc"):
        for part in ("mean", "low", "high"):
            if one[name][part] is not None:
                yield (name if part == "mean" else f"{name}_{part}"), float(one[name][part])
    for cut, kept in one["cuts"].items():
        for name in ("precision", "recall", "f1", "false_positive_rate"):
            if kept[name] is not None:
                yield f"{name}_at_{cut}", float(kept[name])
    for name, value in one["cost"].items():
        if value is not None:
            yield name, float(value)


def _write_meta(place: Path, facts: Mapping[str, Any]) -> None:
    """Write the facts as YAML; JSON values are YAML too."""
    lines = [f"{name}: {json.dumps(value)}" for name, value in facts.items()]
    (place / "meta.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
