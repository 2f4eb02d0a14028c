"""A later day predicted from earlier ones: per class, with bands over seeds, what each addition is worth.

What belongs here: the rows of the experiment on the days of LUFlow. What does not: the methods, the table as
text (``shift_page.py``), and any choice: nothing here looks at a predicted day before it is judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from eddyline.classifiers.model import Recipe
from eddyline.classifiers.registry import classifier_class
from eddyline.evaluate.bands import Band, band, paired_band
from eddyline.evaluate.corpora.luflow import CLASSES, TASKS, Task, days_of, read_day
from eddyline.evaluate.scores import (
    LUFLOW_COST,
    challenge_score,
    confusion_matrix,
    constant_floor,
    f_beta,
)
from eddyline.features.rows import FlowRows, flow_rows
from eddyline.features.sets import flow_set
from eddyline.supervised import FlowModel, train_rows
from eddyline.tables import Integers

ALONE: Final = 15
"""Columns of the set ``around`` that a flow gives by itself; they stand first."""

FEATURE_SET: Final = "around"


@dataclass(frozen=True, slots=True)
class Row:
    """One way to predict.

    Parameters
    ----------
    name
        As tables name it.
    transductive
        Whether the predicted day's unlabelled flows were used.
    words
        What it is, for people.
    """

    name: str
    transductive: bool
    words: str


ROWS: Final = (
    Row("flow alone", False, "boosting on what a flow says by itself, most probable class"),
    Row("surroundings", False, "boosting on the set `around`, most probable class"),
    Row("default", False, "`eddyline train`: surroundings, memory of pairs, copies count as one"),
    Row("default, votes", False, "the default with `classify --sessions`"),
    Row("default, no votes", False, "the default with `classify --no-sessions`"),
    Row("default, EM", True, "the default with `classify --prior-correction`"),
    Row("default, weights", False, "decision weights by stratum, and no votes"),
)
"""The rows of the table; the default is what a user gets who says nothing."""

JUDGED: Final[dict[str, dict[str, bool]]] = {
    "default": {},
    "default, votes": {"sessions": True},
    "default, no votes": {"sessions": False},
    "default, EM": {"prior_correction": True},
}
"""Rows that ask one model in several ways."""

BASE: Final = "flow alone"
"""The row that the others are paired with."""


@dataclass(frozen=True, slots=True)
class Run:
    """One row of one task with one seed.

    Parameters
    ----------
    task, row, seed
        Which.
    confusion
        Rows = true, columns = predicted, in the order of ``CLASSES``.
    left_out
        Mean macro F1 over the left-out training days, when there are any: what was known beforehand.
    votes
        Whether flows of a session voted because left-out training days had said so; None where that was not
        asked.
    """

    task: str
    row: str
    seed: int
    confusion: Integers
    left_out: float | None = None
    votes: bool | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What the seeds of one row say together.

    Parameters
    ----------
    task, row
        Which.
    f1
        Of each class, in the order of ``CLASSES``.
    score
        The challenge criterion with the costs of LUFlow.
    gain
        Macro F1 less that of ``BASE`` with the same seed; None for that row itself.
    """

    task: str
    row: str
    f1: tuple[Band, ...]
    score: Band
    gain: Band | None


def run_shift(
    folder: Path,
    *,
    tasks: Sequence[Task] = TASKS,
    seeds: Sequence[int] = range(5),
    method: str = "boosting",
    done: Sequence[Run] = (),
    progress: Callable[[str], None] | None = None,
) -> Iterator[Run]:
    """Run every row of every task with every seed.

    Parameters
    ----------
    folder
        Where the days of LUFlow lie.
    tasks
        Which days predict which.
    seeds
        One run each.
    method
        Name of a classifier, for all rows.
    done
        Runs of before, which are not made again.
    progress
        Called with what is done now.

    Raises
    ------
    InputError
        When a day is absent.
    """
    kept = {(run.task, run.row, run.seed) for run in done}
    days = {day: flow_rows([read_day(folder, day)], FEATURE_SET) for day in days_of(tasks)}
    for task in tasks:
        training = joined([days[day] for day in task.train])
        for seed in seeds:
            if progress is not None:
                progress(f"task {task.name}, seed {seed}")
            wanted = {row.name for row in ROWS if (task.name, row.name, seed) not in kept}
            yield from _runs(task, seed, method, training, days[task.test], wanted)


def joined(parts: Sequence[FlowRows]) -> FlowRows:
    """Put the rows of several days end to end.

    Parameters
    ----------
    parts
        Labelled days in the order of time; each day's surroundings began anew.
    """
    import polars as pl

    return FlowRows(
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.services for part in parts]),
        pl.concat([part.frame for part in parts]),
        pl.concat([part.labels for part in parts if part.labels is not None]),
    )


def _runs(
    task: Task, seed: int, method: str, training: FlowRows, test: FlowRows, wanted: set[str]
) -> Iterator[Run]:
    truth = _labels(test)

    def run(
        row: str, predicted: Any, left_out: float | None = None, votes: bool | None = None
    ) -> Run:
        counts = confusion_matrix(truth, predicted, CLASSES)
        return Run(task.name, row, seed, counts, left_out, votes)

    for row, columns in ((BASE, ALONE), ("surroundings", training.X.shape[1])):
        if row in wanted:
            classifier = classifier_class(method)(seed=seed)
            classifier.fit(training.X[:, :columns], _labels(training))
            yield run(row, classifier.predict(test.X[:, :columns]))
    recipe = Recipe(method=method, params={"seed": seed})
    if wanted & set(JUDGED):
        model = train_rows(training, recipe=recipe, feature_set=FEATURE_SET)
        for row in (row for row in JUDGED if row in wanted):
            told = _verdicts(model, test, **JUDGED[row])
            asked = (_known(model), model.votes) if row == "default" else ()
            yield run(row, told, *asked)
    if "default, weights" in wanted:
        model = train_rows(training, recipe=replace(recipe, weighed=True), feature_set=FEATURE_SET)
        yield run("default, weights", _verdicts(model, test), _known(model), model.votes)


def _known(model: FlowModel) -> float:
    """Give what left-out training days promise of the model's verdicts."""
    return float(model.card["sessions"]["mean"][model.votes])


def _verdicts(model: FlowModel, rows: FlowRows, **options: bool) -> Any:
    return model.judge(rows, **options)["verdict"].to_numpy().astype(np.str_)


def _labels(rows: FlowRows) -> Any:
    assert rows.labels is not None  # noqa: S101 - the days of LUFlow are labelled
    return rows.labels.to_numpy().astype(np.str_)


def summarise(runs: Sequence[Run]) -> list[Told]:
    """Give each row's figures with bands over its seeds, in the order of the tasks and of ``ROWS``.

    Parameters
    ----------
    runs
        Of two seeds or more.
    """
    told = []
    places = {row.name: place for place, row in enumerate(ROWS)}
    found = {(run.task, run.row) for run in runs}
    for task, row in sorted(found, key=lambda one: (one[0], places[one[1]])):
        mine = _of(runs, task, row)
        scores = np.array([f_beta(run.confusion, beta=1.0) for run in mine])
        base = np.array([f_beta(run.confusion, beta=1.0) for run in _of(runs, task, BASE)])
        told.append(
            Told(
                task,
                row,
                tuple(band(scores[:, k]) for k in range(len(CLASSES))),
                band([challenge_score(run.confusion, LUFLOW_COST).value for run in mine]),
                None if row == BASE else paired_band(scores.mean(axis=1), base.mean(axis=1)),
            )
        )
    return told


def _of(runs: Sequence[Run], task: str, row: str) -> list[Run]:
    return sorted((r for r in runs if (r.task, r.row) == (task, row)), key=lambda r: r.seed)


def document(runs: Sequence[Run]) -> dict[str, Any]:
    """Give everything that was run as plain values for JSON.

    Parameters
    ----------
    runs
        Of any seeds.
    """
    floors = {}
    for run in runs:
        best, score = constant_floor(run.confusion.sum(axis=1), LUFLOW_COST)
        floors[run.task] = {"class": CLASSES[best], "score": score}
    return {
        "corpus": "luflow",
        "classes": list(CLASSES),
        "feature_set": FEATURE_SET,
        "columns": list(flow_set(FEATURE_SET).names),
        "tasks": {t.name: {"train": list(t.train), "test": t.test} for t in TASKS},
        "floors": floors,
        "nad2021": "not run (data under signed agreement)",
        "runs": [
            {
                "task": run.task,
                "row": run.row,
                "seed": run.seed,
                "confusion": run.confusion.tolist(),
                "left_out_macro_f1": run.left_out,
                "votes": run.votes,
            }
            for run in runs
        ],
    }


def runs_of(documents: Sequence[dict[str, Any]]) -> list[Run]:
    """Read back the runs of one or more documents.

    Parameters
    ----------
    documents
        What ``document`` gave.
    """
    return [
        Run(
            run["task"],
            run["row"],
            int(run["seed"]),
            np.array(run["confusion"], np.int64),
            run["left_out_macro_f1"],
            run.get("votes"),
        )
        for one in documents
        for run in one["runs"]
    ]
