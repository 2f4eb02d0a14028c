"""Published figures beside ours, and the budget of the runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from eddyline.cli.main import app
from eddyline.evaluate.contamination import Run
from eddyline.evaluate.nad2021 import ROWS, NadRun
from eddyline.evaluate.papers import AUROC, PAPERS, Found, cells, sentences
from eddyline.evaluate.papers_run import Bench, Step


def density(method: str, share: float, seed: int, auroc: float) -> Run:
    """Give a run of the full protocol."""
    return Run("full", method, "log", share, seed, auroc, 0.9, 1.0, 0.1)


def test_every_published_figure_stands_even_where_nothing_was_run():
    """Ours is None then, never 0."""
    found = cells(Found())

    published = [one for one in found if one["published"] is not None]
    assert len(published) == 4 * len(AUROC) + 2 + 5
    assert all(one["ours"] is None for one in found)
    assert sentences(found) == []


def test_seeds_become_a_mean_with_a_band():
    """One seed has no band; another protocol does not count."""
    runs = [density("grand", 0.05, seed, 0.95 + 0.01 * seed) for seed in range(3)]
    runs += [density("vae", 0.05, 0, 0.93), Run("small", "vae", "log", 0.05, 1, 0.1, 0.1, 1, 1)]

    by = {(one["row"], one["setting"]): one for one in cells(Found(runs))}

    ours = by["GRAnD on a VAE", "5% attacks learned"]["ours"]
    assert ours["mean"] == pytest.approx(0.96)
    assert ours["low"] < 0.96 < ours["high"] <= 1.0
    assert by["VAE", "5% attacks learned"]["ours"] == {
        "mean": 0.93, "low": None, "high": None, "seeds": 1
    }  # fmt: skip
    (said,) = sentences(list(by.values()))
    assert "GRAnD stays above the plain VAE" in said
    assert "reaches its published AUROC at 1 of 1" in said


def test_the_challenge_of_whoever_holds_the_files_stands_apart_from_the_official_scores():
    """A left-out day is another setting than the test days."""
    runs = [NadRun("1203", row, 0, np.eye(5, dtype=np.int64)) for row in ROWS]

    found = [one for one in cells(Found(challenge=runs)) if one["paper"] == "nad2021"]

    ours = [one for one in found if one["ours"] is not None]
    assert len(ours) == len(ROWS)
    assert all(one["published"] is None for one in ours)
    assert ours[0]["ours"]["mean"] == pytest.approx(1.0)


class Counted(Bench):
    """Three steps of an experiment that needs nothing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, folder, seeds=1, only=["shift"])
        self.ran: list[int] = []

    def steps(self) -> Iterator[Step]:
        """Give three steps."""
        for number in range(3):
            yield Step(
                "shift",
                str(number),
                lambda number=number: number in self.ran,  # type: ignore[misc]
                lambda number=number: self.ran.append(number),  # type: ignore[misc]
            )


def test_what_is_done_is_not_run_again_and_a_spent_budget_is_told(tmp_path: Path):
    """The second call goes on where the first ended."""
    bench = Counted(tmp_path)
    told: list[str] = []

    left = bench.run(budget_s=0, tell=told.append)
    assert left["shift"].startswith("3 steps not run")
    assert (bench.ran, told) == ([], [])

    bench.ran.append(1)
    bench.run(budget_s=60, tell=told.append)
    assert bench.ran == [1, 0, 2]
    assert len(told) == 2


def test_a_folder_without_data_gives_a_report_that_says_so(tmp_path: Path):
    """Nothing is run, everything published is there, in three files."""
    data, out = tmp_path / "data", tmp_path / "report"
    data.mkdir()

    done = CliRunner().invoke(app, ["bench", "papers", "--data", str(data), "-o", str(out)])

    assert done.exit_code == 0, done.output
    told = json.loads((out / "report.json").read_text())
    assert [paper["name"] for paper in told["papers"]] == [paper.name for paper in PAPERS]
    assert all(paper["not_run"].startswith("not run") for paper in told["papers"])
    for name in ("report.html", "report.md"):
        text = (out / name).read_text()
        assert "0.937 / –" in text
        assert "Najari" in text


def test_an_unknown_experiment_is_named(tmp_path: Path):
    """With those that there are."""
    done = CliRunner().invoke(app, ["bench", "papers", "--data", str(tmp_path), "--only", "kdd"])

    assert done.exit_code != 0
    assert "contamination, sequences, nad2021, shift" in str(done.exception or done.output)
