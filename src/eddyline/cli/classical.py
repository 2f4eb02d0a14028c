"""What ``eddyline bench classical`` does: run, tell progress, write the report.

What belongs here: options into calls, progress, and files. What does not: the experiment
(``eddyline.evaluate.classical``) and the page (``eddyline.report.classical``).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eddyline.errors import UsageError
from eddyline.evaluate.classical import Plan, run_plan, seconds_of
from eddyline.evaluate.classical_cross import run_cross
from eddyline.evaluate.classical_lints import audited
from eddyline.evaluate.classical_methods import methods_named
from eddyline.evaluate.classical_pool import Cell
from eddyline.evaluate.classical_tasks import DEFAULT, ClassicalTask, tasks_named
from eddyline.evaluate.mlruns import write_mlruns


def run_bench_classical(
    data: Path,
    out: Path,
    *,
    detectors: str,
    sets: str,
    seeds: int,
    workers: int,
    limit_s: float,
    slow_s: float,
    kept_only: bool,
    cross: bool,
    page: Path | None,
    mlruns: Path | None,
    quiet: bool,
) -> None:
    """Run what the cache lacks and write the report.

    Parameters
    ----------
    data
        Folder of the data sets.
    out
        Folder of the report; ``cells`` inside it keeps every result.
    detectors, sets
        Names with commas between, or ``all``.
    seeds, workers, limit_s, slow_s
        As for ``run_plan``.
    kept_only
        Run nothing; tell what ``out`` keeps.
    cross
        Carry some methods between all days and captures too.
    page
        Markdown page to write too, or None.
    mlruns
        Folder of an MLflow file store to write the runs to too, or None.
    quiet
        Print no progress.
    """
    from eddyline.evaluate.classical_document import document

    tasks = _tasks(data, sets)
    plan = Plan.of(data, tasks, methods_named(_names(detectors)), range(seeds))
    out.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    try:
        results = run_plan(
            plan,
            data,
            out / "cells",
            workers=workers,
            limit_s=limit_s,
            slow_s=slow_s,
            kept_only=kept_only,
            tell=_silent if quiet else _progress(start),
        )
    except KeyboardInterrupt:
        print("\nbroken off; the same command goes on from here", file=sys.stderr)
        raise SystemExit(130) from None
    say = _silent_line if quiet else _line
    lints = {
        task.name: audited(task, data, plan.digests[task.name], out / "cells", say)
        for task in plan.tasks
    }
    told = document(
        plan,
        results,
        lints=lints,
        command=_command(detectors, sets, seeds) + (" --cross" if cross else ""),
        wall_s=time.perf_counter() - start,
    )
    if cross:
        told["matrices"] = run_cross(data, out / "cells", tell=say)
    _write(told, out, page, mlruns)


def write_report(
    json_path: Path, out: Path, page: Path | None, mlruns: Path | None = None
) -> None:
    """Make the pages anew from a report that was kept.

    Parameters
    ----------
    json_path
        A ``report.json``.
    out
        Folder of the page.
    page
        Markdown page to write too, or None.
    mlruns
        Folder of an MLflow file store to write the runs to too, or None.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write(json.loads(json_path.read_text(encoding="utf-8")), out, page, mlruns)


def _write(told: dict[str, Any], out: Path, page: Path | None, mlruns: Path | None) -> None:
    from eddyline.report.classical import briefly, html_page, markdown_page, pictures

    text = json.dumps(told, indent=1, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    (out / "report.html").write_text(html_page(told), encoding="utf-8")
    print(f"{out / 'report.html'} and report.json are written", file=sys.stderr)
    if mlruns is not None:
        n_runs = write_mlruns(told, mlruns, now_ms=time.time_ns() // 1_000_000)
        print(f"{n_runs} runs are written to {mlruns}", file=sys.stderr)
    if page is not None:
        page.write_text(markdown_page(told, page.stem), encoding="utf-8")
        kept = json.dumps(briefly(told), allow_nan=False, indent=0)
        page.with_suffix(".json").write_text(kept + "\n", encoding="utf-8")
        for name, text in pictures(told).items():
            page.with_name(f"{page.stem}-{name}.svg").write_text(text, encoding="utf-8")
    for line in told["sentences"]:
        print(line)


def _tasks(data: Path, sets: str) -> list[ClassicalTask]:
    """Give the tasks asked for; of the default ones, those whose files are there."""
    if sets != "default":
        return list(tasks_named(_names(sets)))
    found = []
    for task in tasks_named(DEFAULT):
        missing = task.missing(data)
        if missing:
            print(f"{task.name} left out: {missing[0]} is not in {data}", file=sys.stderr)
        else:
            found.append(task)
    if not found:
        message = (
            f"--data must hold one of {', '.join(DEFAULT)}, {data} holds none; pass the folder with "
            f"nsl-kdd, luflow and zeek"
        )
        raise UsageError(message)
    return found


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _command(detectors: str, sets: str, seeds: int) -> str:
    parts = ["eddyline bench classical --data DATA"]
    parts += [f"--detectors {detectors}"] if detectors != "all" else []
    parts += [f"--sets {sets}"] if sets != "default" else []
    return " ".join([*parts, f"--seeds {seeds} -o report"])


def _silent(done: int, n_cells: int, cell: Cell, result: dict[str, Any]) -> None:
    """Say nothing."""


def _silent_line(line: str) -> None:
    """Say nothing."""


def _line(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _progress(start: float) -> Callable[[int, int, Cell, dict[str, Any]], None]:
    """Tell each cell with its figure, its time, and when all will be done at this pace."""

    def tell(done: int, n_cells: int, cell: Cell, result: dict[str, Any]) -> None:
        spent = time.perf_counter() - start
        if result["state"] == "done":
            area = result["figures"]["pr_auc"]
            said = f"PR-AUC {area:.3f}, {seconds_of(result):.1f} s"
        else:
            said = f"{result['state']} {result.get('why', '')}".strip()
        print(f"[{done}/{n_cells}, {spent / 60:.1f} min] {cell.title}: {said}", file=sys.stderr)

    return tell
