"""Runs as MLflow's file store keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eddyline.evaluate.mlruns import write_mlruns

AREA = {"mean": 0.9, "low": 0.8, "high": None}
CUT = {"precision": 0.5, "recall": None, "f1": 0.25, "false_positive_rate": 0.01}


def document() -> dict[str, Any]:
    """Give a report with one method that is done and one that was too slow."""
    facts = {"task": "nsl-kdd", "method": "ecod", "kind": "detector", "key": "detector/ecod"}
    done = {**facts, "state": "done", "rows": 9, "seeds": [0, 1], "pr_auc": AREA, "roc_auc": AREA}
    done |= {"cuts": {"f1": CUT}, "cost": {"fit_cpu_s": 1.5, "peak_mb": None}}
    slow = {**facts, "key": "detector/slow", "state": "too slow"}
    versions = {"eddyline": "0.1.0"}
    return {"config_hash": "ab", "command": "c", "environment": versions, "models": [done, slow]}


def test_a_run_is_a_folder_of_plain_files(tmp_path: Path) -> None:
    """What is defined has a file; what is not, or was not run, has none."""
    assert write_mlruns(document(), tmp_path, now_ms=7) == 1

    (experiment,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert f'experiment_id: "{experiment.name}"' in (experiment / "meta.yaml").read_text()
    (run,) = [path for path in experiment.iterdir() if path.is_dir()]
    assert 'run_name: "nsl-kdd detector/ecod"' in (run / "meta.yaml").read_text()
    metrics = {path.name: path.read_text() for path in (run / "metrics").iterdir()}
    assert metrics["pr_auc"] == "7 0.9 0\n"
    assert "pr_auc_high" not in metrics
    assert "recall_at_f1" not in metrics
    assert (run / "params" / "seeds").read_text() == "0,1"


def test_a_second_export_doubles_nothing(tmp_path: Path) -> None:
    """The same report gives the same run."""
    write_mlruns(document(), tmp_path, now_ms=7)
    files = sorted(tmp_path.rglob("*"))

    write_mlruns(document(), tmp_path, now_ms=8)

    assert sorted(tmp_path.rglob("*")) == files
