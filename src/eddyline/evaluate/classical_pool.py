"""Two processes that measure cells, each cell within a limit of time.

What belongs here: starting processes, giving out cells, ending what takes too long, keeping results. What
does not: what a cell is (``classical_cell.py``) and which there are (``classical.py``).

A process is ended, not asked, when a cell passes its limit: compiled loops do not listen. Threads of linear
algebra are one a process, so that two processes use two cores.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from eddyline.errors import EddylineError, SplitWarning
from eddyline.evaluate.classical_cell import measure
from eddyline.evaluate.classical_methods import ClassicalMethod
from eddyline.evaluate.classical_parts import Drawn
from eddyline.evaluate.classical_tasks import tasks_named

ONE_THREAD: Final = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Cell:
    """One method on one task with one seed.

    Parameters
    ----------
    task
        Name of the task.
    method
        The method.
    seed
        The seed.
    key
        Hash of all that the result depends on: its name in the cache.
    """

    task: str
    method: ClassicalMethod
    seed: int
    key: str

    @property
    def title(self) -> str:
        """As progress names it."""
        return f"{self.task}, seed {self.seed}, {self.method.name}"


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    cell: Cell | None = None
    since: float = field(default=0.0)


def run_cells(
    cells: Sequence[Cell],
    data: Path,
    cache: Path,
    *,
    limit_s: float,
    workers: int,
    skip: Callable[[Cell], bool],
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Measure cells and keep each result as soon as it is there; what the cache holds is not measured again.

    Parameters
    ----------
    cells
        In the order in which they are given out.
    data
        Folder of the data sets.
    cache
        Folder of the results.
    limit_s
        CPU seconds after which a cell is ended.
    workers
        Processes.
    skip
        Asked right before a cell is given out: True leaves it out.
    """
    waiting = list(reversed(cells))
    crew: list[_Worker] = []
    try:
        while waiting or any(worker.cell for worker in crew):
            while waiting and sum(1 for worker in crew if worker.cell) < workers:
                cell = waiting.pop()
                kept = read_result(cache, cell)
                if kept is not None:
                    yield cell, kept
                elif not skip(cell):
                    _give(crew, cell, data)
            yield from _gather(crew, cache, limit_s)
    finally:
        for worker in crew:
            worker.process.terminate()
            worker.process.join()


def _give(crew: list[_Worker], cell: Cell, data: Path) -> None:
    """Give a cell to a process that knows its task, else to any that is free, else to a new one."""
    free = [worker for worker in crew if worker.cell is None]
    worker = free[0] if free else _started(crew, data)
    worker.cell, worker.since = cell, _seconds(worker)
    worker.pipe.send((cell.task, cell.method, cell.seed))


def _started(crew: list[_Worker], data: Path) -> _Worker:
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # libraries read it when they are loaded
    try:
        process = context.Process(target=_work, args=(theirs, data), daemon=True)
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    theirs.close()
    crew.append(_Worker(process, ours))
    return crew[-1]


def _gather(
    crew: list[_Worker], cache: Path, limit_s: float
) -> Iterator[tuple[Cell, dict[str, Any]]]:
    """Give what is done, and what has been ended for the time it took."""
    busy = [worker for worker in crew if worker.cell is not None]
    ready = wait([worker.pipe for worker in busy], timeout=0.5)
    for worker in busy:
        cell, spent = worker.cell, _seconds(worker) - worker.since
        if cell is None:
            continue
        if worker.pipe in ready:
            result = _received(worker)
        elif spent > limit_s:
            result = {"state": "too slow", "limit_s": limit_s, "spent_s": spent}
        else:
            continue
        worker.cell = None
        if result["state"] in ("too slow", "died"):
            worker.process.terminate()
            worker.process.join()
            crew.remove(worker)
        write_result(cache, cell, result)
        yield cell, result


def _seconds(worker: _Worker) -> float:
    """Give the CPU seconds of a process where the system tells, else those of the clock."""
    try:
        text = Path(f"/proc/{worker.process.pid}/stat").read_text(encoding="ascii")
    except OSError:
        return time.monotonic()
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _received(worker: _Worker) -> dict[str, Any]:
    try:
        result: dict[str, Any] = worker.pipe.recv()
    except EOFError:
        worker.process.join()
        return {"state": "died", "why": f"its process ended with {worker.process.exitcode}"}
    return result


def _work(pipe: Connection, data: Path) -> None:
    """Measure what comes through the pipe, keeping the last drawing of a task."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears Ctrl-C and ends this process
    held: tuple[tuple[str, int], Any, dict[str, Any]] | None = None
    while True:
        try:
            task, method, seed = pipe.recv()
        except EOFError:
            return
        if held is None or held[0] != (task, seed):
            held = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SplitWarning)  # the report tells each part's size
                drawn = next(tasks_named([task])).draw(data, seed)
            held = (task, seed), drawn, parts_of(drawn)
        start = time.perf_counter()
        try:
            result = measure(method, held[1], seed, curves=seed == 0)
        except EddylineError as error:
            result = {"state": "failed", "why": str(error)}
        told = {"wall_s": time.perf_counter() - start, "parts": held[2]}
        pipe.send(result | told)


def parts_of(drawn: Drawn) -> dict[str, Any]:
    """Give rows and attacks of each part, days of the test part, and its share of rows that were fitted.

    Parameters
    ----------
    drawn
        The parts of a task.
    """
    sides = {"fit": drawn.fit, "validation": drawn.validation, "test": drawn.test}
    counts = {name: [len(part), int(part.attack.sum())] for name, part in sides.items()}
    known = {row.tobytes() for row in drawn.fit.X}
    seen = sum(row.tobytes() in known for row in drawn.test.X) / len(drawn.test)
    return {**counts, "columns": len(drawn.names), "days": drawn.days, "seen_share": seen}


def read_result(cache: Path, cell: Cell) -> dict[str, Any] | None:
    """Give what the cache holds of a cell, or None.

    Parameters
    ----------
    cache
        Folder of the results.
    cell
        Which.
    """
    path = cache / f"{cell.key}.json"
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write_result(cache: Path, cell: Cell, result: dict[str, Any]) -> None:
    """Keep a result; half a file is never left behind.

    Parameters
    ----------
    cache
        Folder of the results.
    cell
        Which.
    result
        Plain values.
    """
    cache.mkdir(parents=True, exist_ok=True)
    named = {"task": cell.task, "method": cell.method.key, "seed": cell.seed}
    part = cache / f"{cell.key}.part"
    part.write_text(json.dumps(named | result, allow_nan=False), encoding="utf-8")
    part.replace(cache / f"{cell.key}.json")
