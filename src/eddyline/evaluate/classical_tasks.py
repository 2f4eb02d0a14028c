"""The tasks that classical methods are compared on, by name.

What belongs here: their list, their files, their words. What does not: how one is made
(``classical_nsl.py``, ``classical_flows.py``).

Every task parts its rows into a training and a test part; a fifth of the training, in whole groups drawn by
the seed, is left out of every fit and gives the thresholds.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from eddyline.errors import InputError, UsageError
from eddyline.evaluate.classical_flows import luflow_parts, zeek_group, zeek_rows, zeek_time
from eddyline.evaluate.classical_nsl import nsl_kdd_parts
from eddyline.evaluate.classical_parts import Drawn
from eddyline.evaluate.corpora import luflow
from eddyline.evaluate.sequences import CAPTURES


@dataclass(frozen=True, slots=True)
class ClassicalTask:
    """One line of the report's tables.

    Parameters
    ----------
    name
        As ``--sets`` takes it.
    words
        What it is, for people.
    files
        Files inside the folder of the data that it reads.
    draw
        Makes the parts from the folder and a seed.
    stamp
        What must stand beside every figure; such a task ranks nobody.
    """

    name: str
    words: str
    files: tuple[str, ...]
    draw: Callable[[Path, int], Drawn]
    stamp: str = ""

    def missing(self, data: Path) -> list[str]:
        """Give the files that a folder lacks.

        Parameters
        ----------
        data
            The folder of the data.
        """
        return [name for name in self.files if not (data / name).is_file()]

    def digest(self, data: Path) -> str:
        """Give the SHA-256 of all its files together.

        Parameters
        ----------
        data
            The folder of the data.

        Raises
        ------
        InputError
            When a file is absent.
        """
        whole = hashlib.sha256()
        for name in self.files:
            if not (data / name).is_file():
                message = f"{data / name} must be there for {self.name!r}, is absent; pass --sets"
                raise InputError(message)
            with (data / name).open("rb") as stream:
                whole.update(hashlib.file_digest(stream, "sha256").digest())
        return whole.hexdigest()


def _luflow_files(task: luflow.Task) -> tuple[str, ...]:
    return tuple(f"luflow/{day}.zip" for day in (*task.train, task.test))


_ZEEK_FILES = tuple(f"zeek/{file}" for file in CAPTURES.values())

TASKS: Final = (
    ClassicalTask(
        "nsl-kdd",
        "NSL-KDD: the published training file, judged on the published test file",
        ("nsl-kdd/KDDTrain+.txt.gz", "nsl-kdd/KDDTest+.txt"),
        nsl_kdd_parts,
    ),
    *(
        ClassicalTask(
            f"luflow-{task.name.lower()}",
            f"LUFlow: learn on {', '.join(task.train)}, judge {task.test}; outliers count as attacks, which "
            f"are easy to tell from benign flows and hard to tell from one another",
            _luflow_files(task),
            luflow_parts(task),
        )
        for task in luflow.TASKS
    ),
    ClassicalTask(
        "zeek-group",
        "six labelled Zeek captures, judged on other pairs of source and destination network",
        _ZEEK_FILES,
        zeek_group,
    ),
    ClassicalTask(
        "zeek-time",
        "the same captures, judged on the last 30 % of each, an hour after what was learned",
        _ZEEK_FILES,
        zeek_time,
    ),
    ClassicalTask(
        "zeek-rows",
        "the same captures, single rows dealt at random",
        _ZEEK_FILES,
        zeek_rows,
        "optimistic: sessions are shared between train and test",
    ),
)
"""Every task; ``DEFAULT`` are those that run where nothing else is asked."""

DEFAULT: Final = ("zeek-time", "zeek-group", "zeek-rows", "luflow-c", "nsl-kdd")


def tasks_named(names: Sequence[str]) -> Iterator[ClassicalTask]:
    """Give tasks by name.

    Parameters
    ----------
    names
        Names of ``TASKS``.

    Raises
    ------
    UsageError
        When there is no such task.
    """
    known = {task.name: task for task in TASKS}
    for name in names:
        if name not in known:
            message = f"a set must be one of {', '.join(known)}, got {name!r}; check the spelling"
            raise UsageError(message)
        yield known[name]
