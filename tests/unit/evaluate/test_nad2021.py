"""The experiment on the challenge's days runs on rows made here; no figure of it means anything."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from eddyline.cli.main import app
from eddyline.errors import DataError, InputError, UsageError
from eddyline.evaluate.nad2021 import ROWS, run_nad2021
from eddyline.testing.nad import nad_csv


@pytest.fixture
def days(tmp_path):
    """Give a folder with three labelled days and a test day in the schema of the files."""
    for place, name in enumerate(("1203", "1210", "1216")):
        text = "".join(nad_csv(600, seed=place, day=place))
        (tmp_path / f"{name}_firewall.csv").write_text(text)
    unlabelled = "".join(nad_csv(50, seed=9, day=50, labels=False))
    (tmp_path / "0123_firewall.csv").write_text(unlabelled)
    return tmp_path


def test_each_labelled_day_is_left_out_once(days):
    runs = list(run_nad2021(days, every_normal=3))

    assert [run.day for run in runs] == [day for day in ("1203", "1210", "1216") for _ in ROWS]
    assert {int(run.confusion.sum()) for run in runs} == {600}
    assert all(0 <= run.score <= 1 for run in runs)
    again = list(run_nad2021(days, every_normal=3))
    assert all(np.array_equal(a.confusion, b.confusion) for a, b in zip(runs, again, strict=True))


def test_the_command_prints_a_table_and_writes_runs(days):
    out = days / "runs.json"
    done = CliRunner().invoke(app, ["bench", "nad2021", "--data", str(days), "--json", str(out)])

    assert done.exit_code == 0, done.output
    assert "| row | 1203 | 1210 | 1216 | mean |" in done.output
    assert "not the challenge's test days" in done.output
    assert len(json.loads(out.read_text())) == 3 * len(ROWS)


def test_what_is_missing_is_named(days, tmp_path):
    for name in ("1210", "1216"):
        (days / f"{name}_firewall.csv").unlink()
    with pytest.raises(DataError, match="at least 2 labelled days"):
        list(run_nad2021(days))
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="must hold days"):
        list(run_nad2021(empty))
    done = CliRunner().invoke(app, ["bench", "nad2021", "--data", str(days), "--features", "x"])
    assert isinstance(done.exception, UsageError)
