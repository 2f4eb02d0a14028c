"""Every classical method on every task with every seed: the plan, and the run that can be taken up again.

What belongs here: which cells there are, what their results depend on, and gathering them. What does not:
a cell (``classical_cell.py``), the processes (``classical_pool.py``) and what the results say together
(``classical_tables.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from eddyline.evaluate.classical_methods import ClassicalMethod
from eddyline.evaluate.classical_pool import Cell, run_cells
from eddyline.evaluate.classical_tasks import ClassicalTask

PROTOCOL: Final = 1
"""Raised when parts, figures or thresholds change their meaning: older results are then measured again."""

LIMIT_S: Final = 100.0
"""CPU seconds after which a cell is ended; its method is listed as too slow and not tried elsewhere."""

SLOW_S: Final = 40.0
"""CPU seconds of the first seed's cell above which the other seeds are not run."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Which cells there are.

    Parameters
    ----------
    tasks, methods
        What is run on what.
    seeds
        One run each.
    digests
        SHA-256 of the files of each task, by its name.
    """

    tasks: tuple[ClassicalTask, ...]
    methods: tuple[ClassicalMethod, ...]
    seeds: tuple[int, ...]
    digests: dict[str, str]

    @classmethod
    def of(
        cls,
        data: Path,
        tasks: Sequence[ClassicalTask],
        methods: Sequence[ClassicalMethod],
        seeds: Sequence[int],
    ) -> Plan:
        """Make the plan, reading the bytes of the files once.

        Parameters
        ----------
        data
            Folder of the data sets.
        tasks, methods, seeds
            What is run.

        Raises
        ------
        InputError
            When a task's file is absent.
        """
        digests = {task.name: task.digest(data) for task in tasks}
        return cls(tuple(tasks), tuple(methods), tuple(seeds), digests)

    def cells(self) -> Iterator[Cell]:
        """Give the cells seed by seed, so that a broken run leaves whole seeds."""
        codes = {method.key: _code_of(method) for method in self.methods}
        for seed in self.seeds:
            for task in self.tasks:
                for method in self.methods:
                    parts = [
                        PROTOCOL,
                        self.digests[task.name],
                        task.name,
                        method.key,
                        method.cap,
                        seed,
                        codes[method.key],
                    ]
                    key = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
                    yield Cell(task.name, method, seed, key)


def _code_of(method: ClassicalMethod) -> str:
    """Give the SHA-256 of the module that a method lives in, read without importing it."""
    spec = find_spec(method.path.partition(":")[0] or "eddyline.evaluate.classical_methods")
    if spec is None or spec.origin is None:
        return ""
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def run_plan(
    plan: Plan,
    data: Path,
    cache: Path,
    *,
    workers: int,
    limit_s: float = LIMIT_S,
    slow_s: float = SLOW_S,
    kept_only: bool = False,
    tell: Callable[[int, int, Cell, dict[str, Any]], None],
) -> list[tuple[Cell, dict[str, Any]]]:
    """Run what the cache lacks and give every result.

    Parameters
    ----------
    plan
        Which cells.
    data
        Folder of the data sets.
    cache
        Folder of the results; broken off, the next call goes on from it.
    workers
        Processes.
    limit_s
        CPU seconds after which a cell is ended.
    slow_s
        CPU seconds of a first seed above which a method's other seeds are left out of that task.
    kept_only
        Measure nothing; give what the cache holds.
    tell
        Called with the cells done, the cells in all, the cell and its result.
    """
    cells = list(plan.cells())
    slow: set[tuple[str, str]] = set()
    ended: set[str] = set()
    found: list[tuple[Cell, dict[str, Any]]] = []

    def skip(cell: Cell) -> bool:
        return kept_only or (cell.task, cell.method.key) in slow or cell.method.key in ended

    running = run_cells(cells, data, cache, limit_s=limit_s, workers=workers, skip=skip)
    for cell, result in running:
        found.append((cell, result))
        if result["state"] == "too slow":
            ended.add(cell.method.key)
        if seconds_of(result) > slow_s:
            slow.add((cell.task, cell.method.key))
        tell(len(found), len(cells), cell, result)
    return found


def seconds_of(result: dict[str, Any]) -> float:
    """Give the CPU seconds of fitting and scoring of a result; 0 where nothing was measured.

    Parameters
    ----------
    result
        Of a cell.
    """
    cost = result.get("cost")
    return 0.0 if cost is None else float(cost["fit_cpu_s"] + cost["score_cpu_s"])
