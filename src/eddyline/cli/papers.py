"""What ``eddyline bench papers`` does: run what is missing within the budget, write the report.

What belongs here: options into calls, progress, files. What does not: the experiments
(``eddyline.evaluate.papers_run``) and the page (``eddyline.report.papers``).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from eddyline.errors import UsageError
from eddyline.evaluate.classical_document import environment, hardware
from eddyline.evaluate.papers import PAPERS, cells, sentences
from eddyline.evaluate.papers_run import Bench

SCHEMA_VERSION: Final = 1


def run_bench_papers(
    data: Path, out: Path, *, only: str, seeds: int, budget_min: float, quiet: bool
) -> None:
    """Run what the folder lacks and write the report.

    Parameters
    ----------
    data
        Folder of the data sets.
    out
        Folder of the report and of what is kept.
    only
        Names of experiments with commas between, or ``all``.
    seeds
        Runs of what depends on a seed.
    budget_min
        Minutes after which nothing more is begun.
    quiet
        Print no progress.

    Raises
    ------
    UsageError
        When an experiment does not exist, or the folder of the data does not.
    """
    chosen = _chosen(only)
    if not data.is_dir():
        message = f"--data must be a folder with data sets, {data} is none; check the path"
        raise UsageError(message)
    start = time.perf_counter()
    bench = Bench(data, out, seeds=seeds, only=chosen)
    try:
        not_run = bench.run(budget_s=budget_min * 60, tell=_silent if quiet else _line)
    except KeyboardInterrupt:
        print("\nbroken off; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    found = cells(bench.found(not_run))
    told: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "command": f"eddyline bench papers --data DATA --only {only} --seeds {seeds} -o report",
        "seeds": seeds,
        "papers": [
            {
                "name": paper.name,
                "cite": paper.cite,
                "asks": paper.asks,
                "data": paper.data,
                "beside": paper.beside,
                "command": paper.command,
                "not_run": not_run.get(paper.name),
                "cells": [one for one in found if one["paper"] == paper.name],
            }
            for paper in PAPERS
        ],
        "sentences": sentences(found),
        "hardware": hardware(),
        "environment": environment(),
        "wall_s": time.perf_counter() - start,
    }
    _write(told, out)


def _chosen(only: str) -> list[str]:
    names = [paper.name for paper in PAPERS]
    asked = names if only == "all" else [name.strip() for name in only.split(",") if name.strip()]
    unknown = [name for name in asked if name not in names]
    if unknown or not asked:
        said = repr(unknown[0]) if unknown else "nothing"
        message = f"--only must be of {', '.join(names)}, got {said}; check the spelling"
        raise UsageError(message)
    return asked


def _write(told: dict[str, Any], out: Path) -> None:
    from eddyline.report.papers import page

    found = page(told)
    text = json.dumps(told, indent=1, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(found.html(), encoding="utf-8")
    (out / "report.md").write_text(found.markdown(), encoding="utf-8")
    print(f"{out / 'report.html'}, report.json and report.md are written", file=sys.stderr)
    for line in told["sentences"]:
        print(line)
    for paper in told["papers"]:
        if paper["not_run"]:
            print(f"{paper['name']}: {paper['not_run']}")


def _line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _silent(line: str) -> None:
    """Say nothing."""
