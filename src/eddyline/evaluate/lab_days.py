"""Labelled lab days, each predicted from the others: five classes, the challenge's score, bands over seeds.

What belongs here: the rows of the experiment. What does not: making the days (the lab), methods, the table as
text (``lab_page.py``). Networks, addresses, tools' timing and the shares of the classes differ from day to
day; no setting is chosen by what this finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.classifier import Classifier
from eddyline.classifiers.model import Recipe
from eddyline.classifiers.registry import classifier_class
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.scores import NAD_CLASSES, confusion_matrix
from eddyline.evaluate.shift import joined
from eddyline.features.rows import FlowRows, flow_rows
from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows
from eddyline.supervised import FlowModel, train_rows
from eddyline.tables import Integers

FEWEST_DAYS: Final = 3
"""One is predicted; of the others each is left out once to set the weights of decisions."""

NET: Final[dict[str, Any]] = {
    "updates": 600,
    "every": 100,
    "patience": 4,
    "batch": 256,
    "width": 128,
    "latent": 64,
}
"""The deep model of this experiment: as the default but smaller, for a few thousand flows a day."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to predict a day.

    Parameters
    ----------
    name
        As tables name it.
    kind
        ``plain`` for a classifier's most probable class, ``trained`` for ``eddyline train``, ``net`` for the
        deep model.
    feature_set
        What it looks at.
    words
        What it is, for people.
    transductive
        Whether the predicted day's unlabelled flows were used.
    method
        Name of the classifier.
    split
        What ``eddyline train`` leaves out together.
    sessions
        Whether flows of a session vote; None for what left-out training days say.
    """

    name: str
    kind: str
    feature_set: str
    words: str
    transductive: bool = False
    method: str = "boosting"
    split: str = "auto"
    sessions: bool | None = None


ROWS: Final = (
    Row("default", "trained", "around", "`eddyline train` and `classify` without options"),
    Row("default, votes", "trained", "around", "with `--sessions`", sessions=True),
    Row("default, no votes", "trained", "around", "with `--no-sessions`", sessions=False),
    Row("default, pairs apart", "trained", "around", "with `--split group`", split="group"),
    Row("default, noip+", "trained", "flow-noip+", "with `--features flow-noip+`"),
    Row("boosting, around", "plain", "around", "boosting, the most probable class"),
    Row("boosting, noip", "plain", "flow-noip", "boosting on the challenge's columns"),
    Row("boosting, noip+", "plain", "flow-noip+", "the same with zero ports and the like"),
    Row("snn, noip+", "net", "flow-noip+", "the deep model, whole pairs set aside to stop it"),
    Row("snn, noip+, CMD", "net", "flow-noip+", "with moments matched to the predicted day", True),
)
"""The rows of the table; the default is what a user gets who says nothing.

Some flows are IPv6, so the challenge's columns are those that need no IPv4 address.
"""


@dataclass(frozen=True, slots=True)
class LabRun:
    """One row on one left-out day with one seed.

    Parameters
    ----------
    day
        Predicted; labels are from all others.
    row, seed
        Which.
    confusion
        Rows = true, columns = predicted, in the order of ``NAD_CLASSES``.
    """

    day: str
    row: str
    seed: int
    confusion: Integers


def read_days(folder: Path) -> dict[str, FlowBatch]:
    """Read labelled flow tables, one a day, by the name of the file.

    Parameters
    ----------
    folder
        Holds ``*.parquet`` with a class of ``NAD_CLASSES`` for each flow.

    Raises
    ------
    InputError
        When there are fewer than three tables, or one has a flow without one of the five classes.
    """
    paths = sorted(folder.glob("*.parquet"))
    if len(paths) < FEWEST_DAYS:
        message = (
            f"{folder} must hold a labelled flow table (*.parquet) for each of at least "
            f"{FEWEST_DAYS} days, holds {len(paths)}; take examples/five-classes"
        )
        raise InputError(message)
    days = {}
    for path in paths:
        batch = FlowBatch.concat(list(read_flows([str(path)])))
        if batch.labels is None or not batch.labels["label"].is_in(list(NAD_CLASSES)).all():
            message = (
                f"{path} must give every flow one of the labels {', '.join(NAD_CLASSES)}, does not; "
                "see lab/label_flows"
            )
            raise InputError(message)
        days[path.stem] = batch
    return days


def rows_named(names: Sequence[str]) -> tuple[Row, ...]:
    """Give rows by name; all when none is named.

    Parameters
    ----------
    names
        Of ``ROWS``.

    Raises
    ------
    UsageError
        When there is no such row.
    """
    known = {row.name: row for row in ROWS}
    for name in names:
        if name not in known:
            message = f"--row must be one of {'; '.join(known)}, got {name!r}; check the spelling"
            raise UsageError(message)
    return tuple(known[name] for name in names) or ROWS


def run_lab(
    folder: Path,
    *,
    rows: Sequence[Row] = ROWS,
    seeds: Sequence[int] = range(5),
    done: Sequence[LabRun] = (),
    progress: Callable[[str], None] | None = None,
) -> Iterator[LabRun]:
    """Leave each day out once, for every row and seed.

    Parameters
    ----------
    folder
        Where the days lie.
    rows
        Which ways to predict.
    seeds
        One run each.
    done
        Runs of before, which are not made again.
    progress
        Called with what is done now.

    Raises
    ------
    InputError
        When the days cannot be read.
    """
    for row in rows:  # a missing extra is told before anything is run
        classifier_class(row.method if row.kind != "net" else "snn")
    days = read_days(folder)
    kept = {(run.day, run.row, run.seed) for run in done}
    made = {
        name: {day: flow_rows([batch], name) for day, batch in days.items()}
        for name in {row.feature_set for row in rows}
    }
    for day, seed in product(days, seeds):
        models: dict[tuple[str, ...], FlowModel] = {}
        for row in rows:
            if (day, row.name, seed) in kept:
                continue
            if progress is not None:
                progress(f"{row.name}, {day} left out, seed {seed}")
            told = _predicted(row, made[row.feature_set], day, seed, models)
            truth = _labels(made[row.feature_set][day])
            yield LabRun(day, row.name, seed, confusion_matrix(truth, told, NAD_CLASSES))


def _predicted(
    row: Row,
    made: Mapping[str, FlowRows],
    day: str,
    seed: int,
    models: dict[tuple[str, ...], FlowModel],
) -> NDArray[np.str_]:
    """Give what a row says of a day; ``models`` keeps what was trained, for rows that judge by the same."""
    training = joined([part for name, part in made.items() if name != day])
    test = made[day]
    if row.kind == "trained":
        key = (row.feature_set, row.method, row.split)
        if key not in models:
            models[key] = train_rows(
                training,
                recipe=Recipe(method=row.method, params={"seed": seed}),
                feature_set=row.feature_set,
                split="group" if row.split == "group" else "auto",
            )
        told = models[key].judge(test, sessions=row.sessions)["verdict"].to_numpy()
    elif row.kind == "plain":
        classifier: Classifier = classifier_class(row.method)(seed=seed)
        told = classifier.fit(training.X, _labels(training)).predict(test.X)
    else:
        alignment = "cmd" if row.transductive else "none"
        net: Classifier = classifier_class("snn")(seed=seed, alignment=alignment, **NET)
        target = test.X if row.transductive else None
        net.fit(training.X, _labels(training), groups=training.pairs, target=target)
        told = net.predict(test.X)
    return told.astype(np.str_)


def _labels(rows: FlowRows) -> NDArray[np.str_]:
    assert rows.labels is not None  # noqa: S101 - ``read_days`` has checked it
    return rows.labels.to_numpy().astype(np.str_)


def document(runs: Sequence[LabRun]) -> dict[str, Any]:
    """Give everything that was run as plain values for JSON.

    Parameters
    ----------
    runs
        Of any rows, days and seeds.
    """
    return {
        "corpus": "lab days in five classes",
        "classes": list(NAD_CLASSES),
        "net": dict(NET),
        "nad2021": "not run (data under signed agreement)",
        "runs": [
            {"day": r.day, "row": r.row, "seed": r.seed, "confusion": r.confusion.tolist()}
            for r in runs
        ],
    }


def runs_of(told: Mapping[str, Any]) -> list[LabRun]:
    """Read back the runs of a document.

    Parameters
    ----------
    told
        What ``document`` gave.
    """
    return [
        LabRun(r["day"], r["row"], int(r["seed"]), np.array(r["confusion"], np.int64))
        for r in told["runs"]
    ]
