"""The shift experiment: bands, pairing, the page, and one small run on days made up here."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_supervised import START, traffic
from typer.testing import CliRunner

from eddyline.classifiers.periods import DAY_US
from eddyline.cli.main import app
from eddyline.errors import InputError
from eddyline.evaluate import shift
from eddyline.evaluate.corpora import luflow
from eddyline.evaluate.shift import BASE, ROWS, Run, document, joined, runs_of, summarise
from eddyline.evaluate.shift_page import NOT_RUN, page, plot
from eddyline.features.rows import flow_rows


def runs(seeds=3):
    """Give runs of one task whose default is better by a known step."""
    made = []
    for seed in range(seeds):
        for row in ROWS:
            hits = 40 + seed + (20 if row.name == "default" else 0)
            confusion = np.array([[100, 0, 0], [0, 80, 20], [0, 100 - hits, hits]])
            made.append(Run("A", row.name, seed, confusion))
    return made


def more_seeds(found):
    """Give the same runs under another seed, for bands."""
    return [replace(run, seed=run.seed + 1) for run in found]


def test_rows_are_paired_by_seed():
    told = {one.row: one for one in summarise(runs())}

    assert told[BASE].gain is None
    assert told["default"].gain is not None
    assert told["default"].gain.mean > 0.04
    assert told["default"].gain.excludes_zero
    assert told["default, EM"].gain is not None
    assert told["default, EM"].gain.mean == 0
    assert told["default"].f1[0].mean == 1
    assert told["default"].score.n == 3


def test_runs_come_back_from_json():
    back = runs_of([json.loads(json.dumps(document(runs())))])

    assert page(back) == page(runs())
    assert document(back)["nad2021"].startswith("not run")


def test_the_page_says_what_must_stand_beside_figures():
    text = page(runs())

    assert NOT_RUN in text
    assert "2020.07.08 + 2020.07.09 → 2020.07.11 (benign 100, malicious 100, outlier 100)" in text
    assert "default, EM (transductive)" in text
    assert "not told from 0" in text
    assert "3 seeds; always" in text


def test_the_picture_is_drawn(tmp_path):
    pytest.importorskip("matplotlib")
    plot(runs(), tmp_path / "shift.png")

    assert (tmp_path / "shift.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_prints_runs_again(tmp_path):
    stored = tmp_path / "runs.json"
    stored.write_text(json.dumps(document(runs())))
    done = CliRunner().invoke(app, ["bench", "shift", "--from-json", str(stored)])

    assert done.exit_code == 0, done.output
    assert "Task A" in done.output
    stored.write_text("{}")
    bad = CliRunner().invoke(app, ["bench", "shift", "--from-json", str(stored)])
    assert isinstance(bad.exception, InputError)
    none = CliRunner().invoke(app, ["bench", "shift"])
    assert "neither" in str(none.exception)


def test_every_row_is_run(monkeypatch, tmp_path):
    """On days made up here, with their classes renamed to those of LUFlow."""
    names = {"calm": "benign", "scan": "malicious", "flood": "outlier"}

    def day(_folder, which):
        made = traffic(int(which[-1]), days=1, start=START + int(which[-1]) * DAY_US)
        labels = made.labels.with_columns(made.labels["label"].replace(names))
        return type(made)(made.frame, labels)

    monkeypatch.setattr(shift, "read_day", day)
    task = luflow.Task("A", ("d1", "d2"), "d3")
    found = list(shift.run_shift(tmp_path, tasks=[task], seeds=[0]))

    assert [run.row for run in found] == [row.name for row in ROWS]
    assert {int(run.confusion.sum()) for run in found} == {240}
    trained = {run.row for run in found if run.left_out is not None}
    assert trained == {"default", "default, weights"}
    assert np.trace(next(r for r in found if r.row == "default").confusion) > 225
    kept = [run for run in found if run.row not in ("default", "surroundings")]
    again = list(shift.run_shift(tmp_path, tasks=[task], seeds=[0], done=kept))
    assert [run.row for run in again] == ["surroundings", "default"]
    assert np.array_equal(
        again[1].confusion, next(r for r in found if r.row == "default").confusion
    )
    assert page([*kept, *again, *more_seeds(found)]) == page([*found, *more_seeds(found)])


def test_the_tasks_never_train_on_later_days():
    for task in luflow.TASKS:
        assert max(task.train) < task.test
        assert {f"{day}.zip" for day in (*task.train, task.test)} <= set(luflow.CARD.files)
    one = flow_rows([traffic(1, days=1)], "around")
    assert len(joined([one, one])) == 2 * len(one)


DATA = Path(__file__).parents[4] / "shared" / "data" / "luflow"


@pytest.mark.corpus
@pytest.mark.skipif(
    not DATA.is_dir(), reason="the days of LUFlow are not at ../shared/data/luflow"
)
def test_the_published_bytes_are_meant():
    luflow.CARD.check(DATA)
    assert len(luflow.read_day(DATA, "2020.12.28")) == 51_715
