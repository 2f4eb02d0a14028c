"""One trial of a search: the rows it fits and is judged on, its scores, and those that are kept.

What belongs here: folds, trials and the file that lets a broken-off search go on. What does not: choosing
what to try (``tuning.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError, InputError
from eddyline.evaluate.tuning_space import Params
from eddyline.tables import Integers


@dataclass(frozen=True, slots=True)
class Fold:
    """Rows that train and rows that judge, none in both.

    Parameters
    ----------
    train, validation
        Row numbers of the whole table.
    name
        What was held out.
    """

    train: Integers
    validation: Integers
    name: str = ""


class Judge(Protocol):
    """Fit with parameters on a fold's training rows, and score its other rows; higher is better."""

    def __call__(self, params: Params, fold: Fold) -> float:
        """Give the figure."""


@dataclass(slots=True)
class Trial:
    """One point of the space.

    Parameters
    ----------
    number
        Its place in the search, from 0; the defaults are ``-1``.
    params
        What was tried.
    scores
        Of each fold that was judged.
    seconds
        Time it took, when it was run.
    pruned
        True when it was broken off before the last fold.
    """

    number: int
    params: Params
    scores: list[float] = field(default_factory=list)
    seconds: float = 0.0
    pruned: bool = False

    @property
    def score(self) -> float:
        """Mean over the folds."""
        return float(np.mean(self.scores))

    def as_dict(self) -> dict[str, Any]:
        """Give the trial as plain data."""
        return {
            "number": self.number,
            "params": self.params,
            "scores": self.scores,
            "score": self.score,
            "seconds": round(self.seconds, 3),
            "pruned": self.pruned,
        }


class Kept:
    """Scores of folds that were judged before, in a file of one JSON object a line.

    Parameters
    ----------
    path
        The file; None to keep nothing. It is made when the first score is known.
    study
        What the scores hold for: data, method, features, objective.

    Raises
    ------
    InputError
        When the file holds something else.
    """

    def __init__(self, path: Path | None, study: Mapping[str, Any]) -> None:
        self.path = path
        self.study = hashlib.sha256(json.dumps(study, sort_keys=True).encode()).hexdigest()[:16]
        self.known: dict[str, float] = {}
        if path is not None and path.exists():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                self._take(line, number)

    def _take(self, line: str, number: int) -> None:
        try:
            told = json.loads(line)
            self.known[str(told["key"])] = float(told["score"])
        except (ValueError, KeyError, TypeError) as error:
            message = (
                f"{self.path}:{number}: must be a judged fold of 'eddyline tune', got {line[:60]!r}; "
                "name another file with --trials"
            )
            raise InputError(message) from error

    def judge(self, judge: Judge, params: Params, fold: Fold) -> float:
        """Give the score of a fold, judged now or before.

        Parameters
        ----------
        judge
            Who judges.
        params
            What is tried.
        fold
            Which rows.
        """
        rows = hashlib.sha256(fold.train.tobytes() + b"|" + fold.validation.tobytes())
        told = json.dumps(params, sort_keys=True)
        key = hashlib.sha256(f"{self.study}|{told}|{rows.hexdigest()}".encode()).hexdigest()
        if key not in self.known:
            score = judge(params, fold)
            if not np.isfinite(score):
                message = (
                    f"a fold must hold attacks and normal flows to be judged, {fold.name or 'one'} "
                    "does not; use another --split"
                )
                raise DataError(message)
            self.known[key] = score
            if self.path is not None:
                line = {"key": key, "params": params, "fold": fold.name, "score": score}
                with self.path.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(line) + "\n")
        return self.known[key]


def digest(*arrays: NDArray[Any]) -> str:
    """Give a short hash of arrays, to tell one data set from another.

    Parameters
    ----------
    arrays
        Of numbers or texts.
    """
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array).tobytes())
    return found.hexdigest()[:16]
