"""``compare`` from model files and labelled flows to a verdict and an exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.unit.test_supervised import START, traffic
from typer.testing import CliRunner, Result

from eddyline.classifiers.periods import DAY_US
from eddyline.cli.main import app
from eddyline.errors import EddylineError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.write import write_flows


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def spread(batch: FlowBatch) -> FlowBatch:
    """Let the traffic come from forty networks, so that there are groups to draw."""
    number = np.arange(len(batch)) % 40
    frame = batch.frame.with_columns(
        dst_ip=pl.Series([f"10.1.{n}.1" for n in number]).cast(batch.frame["dst_ip"].dtype)
    )
    return FlowBatch(frame, batch.labels)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with a good model, one of shuffled labels, a baseline, and another day."""
    place = tmp_path_factory.mktemp("compare")
    days = spread(traffic())
    assert days.labels is not None
    mixed = FlowBatch(days.frame, days.labels.sample(fraction=1.0, shuffle=True, seed=1))
    write_flows([days], str(place / "days.parquet"))
    write_flows([mixed], str(place / "mixed.parquet"))
    write_flows(
        [spread(traffic(1, days=1, start=START + 5 * DAY_US))], str(place / "today.parquet")
    )
    for name in ("days", "mixed"):
        done = call("train", place / f"{name}.parquet", "-o", place / f"{name}.eddy", "-q")
        assert done.exit_code == 0, done.output
    done = call("learn", place / "days.parquet", "-o", place / "base.eddy", "-q")
    assert done.exit_code == 0, done.output
    return place


def test_the_better_classifier_is_named(folder: Path) -> None:
    """Shuffled labels make a worse model; the gate knows which of the two stands first."""
    good, bad, today = (folder / name for name in ("days.eddy", "mixed.eddy", "today.parquet"))
    done = call("compare", good, bad, "--on", today, "--json", folder / "c.json")

    assert done.exit_code == 0, done.output
    assert "days.eddy is better by pr_auc." in done.output
    assert "recall scan" in done.output
    told = json.loads((folder / "c.json").read_text())
    assert (told["better"], told["by"], told["kinds"]) == (
        "days.eddy",
        "pr_auc",
        ["classifier"] * 2,
    )
    assert {figure["figure"] for figure in told["figures"]} >= {"pr_auc", "macro_f1", "recall"}
    assert call("compare", good, bad, "--on", today, "-q", "--require", "better").exit_code == 0
    assert call("compare", bad, good, "--on", today, "-q", "--require", "not-worse").exit_code == 4


def test_a_model_is_no_better_than_itself(folder: Path) -> None:
    """It cannot tell, which is enough for not-worse and too little for better."""
    model, today = folder / "days.eddy", folder / "today.parquet"
    done = call("compare", model, model, "--on", today)

    assert done.exit_code == 0, done.output
    assert "cannot tell: the band of the difference in pr_auc holds zero." in done.output
    assert call("compare", model, model, "--on", today, "-q", "--require", "better").exit_code == 4
    assert (
        call("compare", model, model, "--on", today, "-q", "--require", "not-worse").exit_code == 0
    )


def test_a_baseline_and_a_classifier_share_the_figures_of_order(folder: Path) -> None:
    """A baseline names no class, so class figures are left out."""
    done = call(
        "compare", folder / "days.eddy", folder / "base.eddy", "--on", folder / "today.parquet",
        "--json", "-",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["kinds"] == ["classifier", "baseline"]
    assert [figure["figure"] for figure in told["figures"]] == [
        *("pr_auc", "roc_auc", "recall", "precision", "false_positive_rate")
    ]
    assert told["recall_by_class"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--require", "best"), "--require must be one of"),
        (("--by", "accuracy"), "a figure must be one of"),
    ],
)
def test_senseless_options_are_refused(
    folder: Path, arguments: tuple[str, ...], words: str
) -> None:
    """Accuracy is no figure that decides."""
    model, today = folder / "days.eddy", folder / "today.parquet"
    done = call("compare", model, model, "--on", today, *arguments)

    assert isinstance(done.exception, EddylineError)
    assert words in str(done.exception)


def test_flows_of_the_training_are_named(folder: Path) -> None:
    """Both commands say that figures on them are too good; flows of another day bring no warning."""
    model, days, today = (folder / name for name in ("days.eddy", "days.parquet", "today.parquet"))

    seen, new = call("classify", days, "-m", model), call("classify", today, "-m", model)
    both = call("compare", model, folder / "mixed.eddy", "--on", days, "--json", folder / "s.json")

    assert "days.eddy was trained on 100% of these flows" in seen.output
    assert "was trained on" not in new.output
    assert "mixed.eddy was trained on 100% of these flows" in both.output
    assert json.loads((folder / "s.json").read_text())["trained_on_share"] == [1.0, 1.0]
