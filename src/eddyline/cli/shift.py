"""``eddyline bench shift``: a later day predicted from earlier ones.

What belongs here: the call, the files and the printed page. What does not: the experiment
(``eddyline.evaluate.shift``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eddyline.classifiers.registry import classifier_class
from eddyline.cli.outputs import check_outputs
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.corpora.luflow import TASKS
from eddyline.evaluate.shift import Run, document, run_shift, runs_of
from eddyline.evaluate.shift_page import page, plot


def run_bench_shift(
    folder: Path | None,
    *,
    tasks: str,
    seeds: int,
    method: str,
    json_out: Path | None,
    picture: Path | None,
    from_json: Sequence[Path],
    quiet: bool,
) -> int:
    """Run the experiment, or read its runs back; give the exit code.

    Parameters
    ----------
    folder
        Where the days of LUFlow lie; None when runs are read back.
    tasks
        Letters of the tasks.
    seeds
        Runs of each row, ``>= 1``; bands need 2.
    method
        Name of a classifier.
    json_out
        File of every run: what it holds is not run again, what is new is added.
    picture
        PNG to draw.
    from_json
        Files of earlier runs, to print and draw again without running.
    quiet
        True to print no progress.

    Raises
    ------
    UsageError
        When a task does not exist, or neither a folder nor files are given.
    InputError
        When a file cannot be read as runs.
    """
    check_outputs([json_out, picture])
    chosen = [task for task in TASKS if task.name in tasks.upper()]
    if not chosen or set(tasks.upper()) - {task.name for task in TASKS}:
        message = f"--tasks must be letters of {''.join(t.name for t in TASKS)}, got {tasks!r}"
        raise UsageError(message)
    if from_json:
        runs = runs_of([_read(path) for path in from_json])
    elif folder is not None:
        classifier_class(method)
        say = None if quiet else (lambda what: print(what, file=sys.stderr, flush=True))
        runs = runs_of([_read(json_out)]) if json_out is not None and json_out.exists() else []
        found = run_shift(
            folder, tasks=chosen, seeds=range(seeds), method=method, done=tuple(runs), progress=say
        )
        for run in found:
            runs.append(run)
            if json_out is not None:
                _write(runs, json_out)
    else:
        message = "bench shift needs --data FOLDER or --from-json FILE, got neither; name one"
        raise UsageError(message)
    if json_out is not None:
        _write(runs, json_out)
    if picture is not None:
        plot(runs, picture)
    print(page(runs))
    return 0


def _write(runs: Sequence[Run], path: Path) -> None:
    beside = path.with_name(f"{path.name}.part")
    beside.write_text(json.dumps(document(runs), indent=1) + "\n", encoding="utf-8")
    beside.replace(path)  # whoever is stopped here leaves the runs of before


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = f"{path} must hold runs of 'bench shift', got {error}; run it with --json"
        raise InputError(message) from error
    if not isinstance(found, dict) or found.get("corpus") != "luflow":
        message = f"{path} must hold runs of 'bench shift', holds others; run it with --json"
        raise InputError(message)
    return found
