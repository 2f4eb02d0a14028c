"""``eddyline bench lab``: labelled lab days, each predicted from the others.

What belongs here: the call, the files and the printed page. What does not: the experiment
(``eddyline.evaluate.lab_days``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eddyline.cli.outputs import check_outputs
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.lab_days import LabRun, document, rows_named, run_lab, runs_of
from eddyline.evaluate.lab_page import page


def run_bench_lab(
    folder: Path | None,
    cache: Path | None,
    *,
    rows: Sequence[str],
    seeds: int,
    quiet: bool,
) -> int:
    """Run the experiment, or print what the cache holds; give the exit code.

    Parameters
    ----------
    folder
        Where the days lie; None to print only.
    cache
        JSON of every run: what it holds is not run again, what is new is added.
    rows
        Names of rows; all when empty.
    seeds
        Runs of each row, ``>= 2``.
    quiet
        True to print no progress.

    Raises
    ------
    UsageError
        When neither a folder nor a cache is given, or a row does not exist.
    InputError
        When a file cannot be read.
    """
    check_outputs([cache])
    chosen = rows_named(rows)
    runs = _kept(cache)
    if folder is None and not runs:
        message = "bench lab needs --data FOLDER or --json FILE with runs, got neither; name one"
        raise UsageError(message)
    if folder is not None:
        say = None if quiet else (lambda what: print(what, file=sys.stderr, flush=True))
        for run in run_lab(folder, rows=chosen, seeds=range(seeds), done=runs, progress=say):
            runs.append(run)
            if cache is not None:
                told = json.dumps(document(runs), separators=(",", ":")) + "\n"
                beside = cache.with_name(f"{cache.name}.part")
                beside.write_text(told, encoding="utf-8")
                beside.replace(cache)  # whoever is stopped here leaves the runs of before
    print(page(runs))
    return 0


def _kept(path: Path | None) -> list[LabRun]:
    """Give the runs of a file; none when there is no such file yet."""
    if path is None or not path.exists():
        return []
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return runs_of(found)
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path} must hold runs of 'bench lab', got {error!r}; name another file"
        raise InputError(message) from error
