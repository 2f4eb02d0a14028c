"""``train`` and ``classify`` from files to files."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest
from tests.unit.test_supervised import START, traffic
from typer.testing import CliRunner

from eddyline.classifiers.periods import DAY_US
from eddyline.cli.main import app
from eddyline.errors import EddylineError
from eddyline.flows.write import write_flows
from eddyline.supervised import FlowModel


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Give a folder with labelled days, another day, and a model."""
    place = tmp_path_factory.mktemp("site")
    write_flows([traffic()], str(place / "days.parquet"))
    write_flows([traffic(1, days=1, start=START + 5 * DAY_US)], str(place / "today.parquet"))
    done = call("train", place / "days.parquet", "-o", place / "site.eddy")
    assert done.exit_code == 0, done.output
    assert "Trained boosting on 720 flows" in done.output
    assert "normal is 'calm'" in done.output
    assert "tried on it; 3 parts: days" in done.output
    assert "next: eddyline classify" in done.output
    assert done.output.count("left out, F1: calm") == 3
    return place


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_a_day_is_labelled_into_a_table(folder, suffix):
    out = folder / f"verdicts{suffix}"
    done = call("classify", folder / "today.parquet", "-m", folder / "site.eddy", "-o", out)

    assert done.exit_code == 0, done.output
    assert "240 flows:" in done.output
    scans: dict[str, Any] = {
        ".parquet": pl.scan_parquet,
        ".csv": pl.scan_csv,
        ".jsonl": pl.scan_ndjson,
    }
    table = scans[suffix](out).collect()
    assert table.height == 240
    assert {"uid", "verdict", "familiarity", "p_calm", "p_scan", "p_flood"} <= set(table.columns)
    assert table["verdict"].n_unique() == 3


def test_json_lines_go_to_stdout_alone(folder):
    done = call("classify", folder / "today.parquet", "-m", folder / "site.eddy", "-o", "-", "-q")

    assert [json.loads(line)["verdict"] for line in done.stdout.splitlines()][:1] != []
    assert len(done.stdout.splitlines()) == 240


def test_prior_correction_is_told_to_be_transductive(folder):
    done = call(
        "classify", folder / "today.parquet", "-m", folder / "site.eddy", "--prior-correction", "--sessions"
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    assert "each verdict depends on all" in done.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ("train", "days.parquet", "-o", "x.eddy", "--method", "magic"),
            "--method must be one of",
        ),
        (("train", "days.parquet", "-o", "x.eddy", "--split", "week"), "--split must be one of"),
        (("train", "days.parquet", "-o", "x.eddy", "--normal", "benign"), "calm, flood, scan"),
        (("train", "today.parquet", "-o", "x.eddy", "--split", "day"), "at least 2 days"),
        (("train", "days.parquet", "-o", "days.parquet"), "must not replace"),
        (("classify", "today.parquet", "-m", "site.eddy", "-o", "x.xlsx"), "--out must end in"),
        (("classify", "today.parquet", "-m", "absent.eddy"), "must exist"),
    ],
)
def test_what_cannot_be_done_is_named(folder, monkeypatch, arguments, words):
    monkeypatch.chdir(folder)
    done = call(*arguments)

    assert isinstance(done.exception, EddylineError)
    assert words in str(done.exception)


def test_a_scaling_is_the_methods_or_ranks_each_day(folder):
    """Methods that scale take theirs; trees look at order only and say so."""
    out = folder / "scaled.eddy"
    one = folder / "days.parquet"
    refused = call("train", one, "-o", out, "--scaling", "log")
    assert isinstance(refused.exception, EddylineError)
    assert "must be per_day_quantile for boosting" in str(refused.exception)

    ranked = call("train", one, "-o", out, "--scaling", "per_day_quantile", "-q")
    assert ranked.exit_code == 0, ranked.output
    assert FlowModel.load(out).recipe.day_ranks

    own = call("train", one, "-o", out, "--method", "logistic", "--scaling", "log", "-q")
    assert own.exit_code == 0, own.output
    assert FlowModel.load(out).recipe.params["scaling"] == "log"
