"""The challenge's training days, each predicted from the others: for whoever holds the licence-bound files.

What belongs here: the rows of the experiment on December 2020. What does not: the files (``corpora/nad2021``)
and any figure in this repository. The labels of the challenge's test days are secret, so leaving a day out is
all that a holder of the files can measure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.classifier import Classifier
from eddyline.classifiers.registry import classifier_class
from eddyline.classifiers.voting import combined_vote, dynamic_vote
from eddyline.errors import DataError
from eddyline.evaluate.corpora.nad2021 import NadDay, days_in, read_day
from eddyline.evaluate.scores import NAD_CLASSES, challenge_score, confusion_matrix
from eddyline.features.nad import NadStream
from eddyline.features.nad_names import FeatureSet
from eddyline.features.nad_options import NadOptions
from eddyline.read.ingest import IngestReport
from eddyline.tables import Floats, Integers

NORMAL: Final = 0
SMURF: Final = NAD_CLASSES.index("DDOS-smurf")

ROWS: Final = ("flows", "combined", "dynamic", "dynamic, causal")
"""Flows alone, and the votes of a source's sessions; the last is what a live deployment can do."""


@dataclass(frozen=True, slots=True)
class NadRun:
    """One row on one left-out day.

    Parameters
    ----------
    day
        Left out.
    row
        One of ``ROWS``.
    seed
        Of the classifier.
    confusion
        Rows = true, in the order of ``NAD_CLASSES``.
    """

    day: str
    row: str
    seed: int
    confusion: Integers

    @property
    def score(self) -> float:
        """The challenge criterion."""
        return challenge_score(self.confusion).value


@dataclass(frozen=True, slots=True)
class _Rows:
    """Training rows: every attack, and some of the normal flows with more weight."""

    X: NDArray[np.float32]
    y: NDArray[np.int8]
    weight: Floats


def run_nad2021(
    folder: Path,
    *,
    features: FeatureSet = "nad113+",
    method: str = "boosting",
    seeds: Sequence[int] = (0,),
    every_normal: int = 10,
) -> Iterator[NadRun]:
    """Leave each labelled day out once and predict it from the others.

    Parameters
    ----------
    folder
        Where the files lie.
    features
        One of the sets of ``nad_names``, causal.
    method
        Name of a classifier.
    seeds
        One run each.
    every_normal
        Every n-th normal flow is trained on, with n times the weight; all attacks are. ``>= 1``

    Raises
    ------
    InputError
        When no file is there.
    DataError
        When there are fewer than two labelled days.
    """
    days = [day for day in days_in(folder) if day.labelled]
    if len(days) < 2:
        message = f"{folder} must hold at least 2 labelled days, got {len(days)}; add the others"
        raise DataError(message)
    rows = {day.name: _training(folder, day, features, every_normal) for day in days}
    for left_out in days:
        parts = [rows[day.name] for day in days if day is not left_out]
        for seed in seeds:
            classifier = classifier_class(method)(seed=seed)
            classifier.fit(
                np.concatenate([part.X for part in parts]),
                np.concatenate([part.y for part in parts]),
                np.concatenate([part.weight for part in parts]),
            )
            yield from _judged(folder, left_out, features, classifier, seed)


def _training(folder: Path, day: NadDay, features: FeatureSet, every_normal: int) -> _Rows:
    stream = NadStream(NadOptions(features=features))
    kept_rows, kept_y, seen = [], [], 0
    for part in read_day(folder, day, IngestReport()):
        X = stream.update(part.flows).X
        normal = part.y == NORMAL
        number = seen + np.cumsum(normal) - 1
        kept = ~normal | (number % every_normal == 0)
        seen += int(normal.sum())
        kept_rows.append(X[kept])
        kept_y.append(part.y[kept])
    y = np.concatenate(kept_y)
    weight = np.where(y == NORMAL, seen / max(int((y == NORMAL).sum()), 1), 1.0)
    return _Rows(np.concatenate(kept_rows), y, weight)


def _judged(
    folder: Path, day: NadDay, features: FeatureSet, classifier: Classifier, seed: int
) -> Iterator[NadRun]:
    stream = NadStream(NadOptions(features=features))
    shares, truth, keys, times = [], [], [], []
    for part in read_day(folder, day, IngestReport()):
        given = classifier.predict_proba(stream.update(part.flows).X)
        spread = np.zeros((len(given), len(NAD_CLASSES)))
        spread[:, classifier.classes_.astype(np.int64)] = given
        shares.append(spread)
        truth.append(part.y)
        keys.append(part.flows.src_keys())
        times.append(part.flows.t_us)
    p, who, when = np.concatenate(shares), np.concatenate(keys), np.concatenate(times)
    decided: dict[str, Any] = {
        "flows": p.argmax(axis=1),
        "combined": combined_vote(p, who, when, brief=SMURF),
        "dynamic": dynamic_vote(p, who, when, brief=SMURF),
        "dynamic, causal": dynamic_vote(p, who, when, brief=SMURF, causal=True),
    }
    names = range(len(NAD_CLASSES))
    for row in ROWS:
        yield NadRun(
            day.name, row, seed, confusion_matrix(np.concatenate(truth), decided[row], names)
        )


def nad_page(runs: Sequence[NadRun]) -> str:
    """Give the runs as a table: each left-out day, and the mean of the days.

    Parameters
    ----------
    runs
        Of one or more seeds.
    """
    days = list(dict.fromkeys(run.day for run in runs))
    lines = [
        "Score of the challenge, each labelled day left out once (not the challenge's test days):",
        "",
        f"| row | {' | '.join(days)} | mean |",
        f"| --- |{' --- |' * (len(days) + 1)}",
    ]
    for row in ROWS:
        means = [
            float(np.mean([run.score for run in runs if (run.day, run.row) == (day, row)]))
            for day in days
        ]
        cells = " | ".join(f"{value:.4f}" for value in (*means, float(np.mean(means))))
        lines.append(f"| {row} | {cells} |")
    return "\n".join(lines)
