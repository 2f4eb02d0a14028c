"""``tune`` from labelled flows to a file that ``train`` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.unit.test_supervised import traffic
from typer.testing import CliRunner, Result

from eddyline.cli.main import app
from eddyline.errors import EddylineError
from eddyline.flows.write import write_flows


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def flows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("tune")
    write_flows([traffic()], str(place / "days.parquet"))
    return place / "days.parquet"


def test_what_was_found_trains_a_model(flows: Path) -> None:
    """The JSON holds every trial, the seeds and the budget; ``train --params`` takes its best."""
    best = flows.with_name("best.json")
    done = call(
        "tune", flows, "-o", best, "--budget", 3, "--split", "day", "--objective", "macro_f2",
        "--normal", "calm", "--nested",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "at most 54 fits" in done.output
    assert "nested, on rows that no trial saw" in done.output
    told = json.loads(best.read_text())
    assert told["search"] == {"kind": "random", "budget": 3, "seed": 0}
    assert len(told["trials"]) == 3
    assert len(told["folds"]) == len(told["nested"]) == 3
    assert told["classes"].keys() == {"calm", "scan", "flood"}
    model = flows.with_name("tuned.eddy")
    done = call("train", flows, "-o", model, "--params", best, "-q")
    assert done.exit_code == 0, done.output


def test_a_second_call_goes_on(flows: Path) -> None:
    """Folds judged before are taken from the file beside the result."""
    best = flows.with_name("again.json")
    arguments = ("tune", flows, "-o", best, "--split", "time", "--budget", 2)
    first, second = call(*arguments), call(*arguments)

    assert "0 judged folds are kept" in first.output
    assert "9 judged folds are kept" in second.output
    told = json.loads(best.read_text())
    assert told["best"]["seconds"] < 0.5


def test_accuracy_is_refused_by_a_rule(flows: Path) -> None:
    """Exit code 3, and the name of the rule."""
    done = call("tune", flows, "-o", flows.with_name("x.json"), "--objective", "accuracy")

    assert done.exit_code == 3
    assert "bare-accuracy" in done.output


def test_a_detector_can_be_tuned_but_not_trained(flows: Path) -> None:
    """Its file says what it is for, and ``train`` says why not."""
    best = flows.with_name("lof.json")
    done = call(
        "tune", flows, "-o", best, "--method", "lof", "--budget", 2, "--split", "day", "-q"
    )
    assert done.exit_code == 0, done.output
    refused = call("train", flows, "-o", flows.with_name("y.eddy"), "--params", best)

    assert json.loads(best.read_text())["study"]["method"] == "detector:lof"
    assert isinstance(refused.exception, EddylineError)
    assert "must hold parameters of a classifier" in str(refused.exception)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--split", "row"), "--split must be one of"),
        (("--method", "ecod"), "to tune must be one of"),
        (("--normal", "quiet"), "the normal class must be one of"),
    ],
)
def test_senseless_options_are_refused(
    flows: Path, arguments: tuple[str, ...], words: str
) -> None:
    done = call("tune", flows, "-o", flows.with_name("z.json"), *arguments)

    assert isinstance(done.exception, EddylineError)
    assert words in str(done.exception)


def test_how_rows_are_scaled_can_be_chosen_too(flows: Path) -> None:
    """The scaling is fitted inside each fold, and the model that is trained takes the best one."""
    best, model = flows.with_name("scaled.json"), flows.with_name("scaled.eddy")
    done = call(
        "tune", flows, "-o", best, "--method", "logistic", "--preparation", "--search", "grid",
        "--budget", 9, "--normal", "calm", "--split", "time", "-q",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    tried = {trial["params"]["scaling"] for trial in json.loads(best.read_text())["trials"]}
    assert tried == {"standard", "log", "quantile"}
    done = call("train", flows, "-o", model, "--params", best, "-q")
    assert done.exit_code == 0, done.output


def test_trees_have_no_scaling_to_choose(flows: Path) -> None:
    """Said by name, before anything is read."""
    done = call("tune", flows, "-o", flows.with_name("no.json"), "--preparation")

    assert isinstance(done.exception, EddylineError)
    assert "boosting looks at them as they are" in str(done.exception)
