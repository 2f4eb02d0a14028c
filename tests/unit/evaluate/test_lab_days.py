"""Labelled lab days, each predicted from the others: what is run, kept and told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from eddyline.cli.lab_days import run_bench_lab
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.lab_days import LabRun, document, read_days, rows_named, run_lab, runs_of
from eddyline.evaluate.lab_page import by_seed, counts, page
from eddyline.evaluate.scores import NAD_CLASSES
from eddyline.flows.batch import FlowBatch
from eddyline.flows.write import write_flows

DAY_US = 86_400_000_000


def write_day(folder: Path, number: int, labels=NAD_CLASSES) -> None:
    """Write a day in which the port tells the class."""
    rng = np.random.default_rng(number)
    kind = np.repeat(np.arange(len(labels)), 60)
    n = len(kind)
    ends = np.sort(rng.integers(0, DAY_US // 8, n)) + (20_000 + number) * DAY_US
    frame = pl.DataFrame(
        {
            "ts": ends - 1000,
            "ts_end": ends,
            "duration_s": 0.001,
            "uid": [f"{number}-{i}" for i in range(n)],
            "src_ip": [f"10.{number}.0.{i}" for i in rng.integers(1, 30, n)],
            "dst_ip": [f"10.{number}.1.{i}" for i in rng.integers(1, 30, n)],
            "src_port": rng.integers(40_000, 60_000, n),
            "dst_port": 100 + 10 * kind,
            "proto": "tcp",
            "ip_proto": 6,
        }
    )
    told = pl.DataFrame(
        {"label": np.array(labels)[kind], "label_detail": [None] * n},
        schema_overrides={"label_detail": pl.String},
    )
    order = rng.permutation(n)
    told = told[order]
    frame = frame.with_columns(pl.Series("dst_port", (100 + 10 * kind)[order]))
    write_flows([FlowBatch.of(frame, told)], str(folder / f"day-{number}.parquet"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write three days."""
    where = tmp_path_factory.mktemp("days")
    for number in range(3):
        write_day(where, number)
    return where


def test_every_day_is_left_out_once_for_every_seed(folder) -> None:
    """And days that tell the classes plainly are told plainly."""
    runs = list(run_lab(folder, rows=rows_named(["boosting, around"]), seeds=(0, 1)))

    assert [(run.day, run.seed) for run in runs] == [
        (f"day-{d}", s) for d in range(3) for s in (0, 1)
    ]
    assert all(run.confusion.sum() == 300 for run in runs)
    assert (by_seed(runs, "boosting, around") > 0.9).all()


def test_what_was_run_is_not_run_again(folder) -> None:
    """Nothing is left when all is done; one run when one is missing."""
    rows = rows_named(["boosting, around"])
    runs = list(run_lab(folder, rows=rows, seeds=(0, 1)))

    assert not list(run_lab(folder, rows=rows, seeds=(0, 1), done=runs))
    again = list(run_lab(folder, rows=rows, seeds=(0, 1), done=runs[1:]))
    assert [(r.day, r.seed) for r in again] == [("day-0", 0)]
    assert np.array_equal(again[0].confusion, runs[0].confusion)


def test_the_command_keeps_runs_and_prints_them(folder, tmp_path, capsys) -> None:
    """The same page from the file alone; a row that is unknown, or nothing at all, is refused."""
    cache = tmp_path / "runs.json"
    options: dict[str, Any] = {"rows": ["boosting, around"], "seeds": 2, "quiet": True}
    assert run_bench_lab(folder, cache, **options) == 0
    first = capsys.readouterr().out
    assert run_bench_lab(None, cache, **options) == 0

    assert capsys.readouterr().out == first
    assert "NAD 2021: not run" in first
    assert len(json.loads(cache.read_text("utf-8"))["runs"]) == 6
    with pytest.raises(UsageError, match="--row must be one of default"):
        run_bench_lab(folder, cache, rows=["best"], seeds=2, quiet=True)
    with pytest.raises(UsageError, match="needs --data FOLDER or --json"):
        run_bench_lab(None, tmp_path / "none.json", rows=[], seeds=2, quiet=True)
    cache.write_text("[]", "utf-8")
    with pytest.raises(InputError, match="must hold runs"):
        run_bench_lab(None, cache, **options)


def runs(row: str, right: float) -> list[LabRun]:
    """Give two seeds of two days where a share of every class is right."""
    told = []
    for day, size in (("one", 100), ("two", 300)):
        for seed in (0, 1):
            hits = int(size * right) - seed
            confusion = np.full((5, 5), 0)
            np.fill_diagonal(confusion, hits)
            confusion[:, 0] += size - np.diag(confusion) if right < 1 else seed
            told.append(LabRun(day, row, seed, confusion))
    return told


def test_the_page_pairs_rows_with_the_default() -> None:
    """Means, the worst day and the difference; runs survive the document."""
    all_runs = [*runs("default", 0.9), *runs("boosting, around", 0.5)]
    text = page(runs_of(document(all_runs)))

    assert "| default | 0." in text
    assert "| boosting, around | 0." in text
    assert "-0." in next(
        line for line in text.splitlines() if line.startswith("| boosting, around |")
    )
    assert "| largest / smallest share | 1.0" in counts(all_runs)


def test_days_without_the_five_classes_are_refused(tmp_path) -> None:
    """So are fewer than three."""
    for number in range(2):
        write_day(tmp_path, number)
    with pytest.raises(InputError, match="at least 3 days, holds 2"):
        read_days(tmp_path)
    write_day(tmp_path, 2, ("benign", "malicious"))
    with pytest.raises(InputError, match="one of the labels Normal"):
        read_days(tmp_path)
