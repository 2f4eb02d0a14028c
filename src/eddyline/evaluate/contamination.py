"""The contamination experiment on NSL-KDD: learn with 0 to 15 % attacks in the training, judge the test file.

What belongs here: running the rivals and keeping what was measured. What does not: which rows a run learns
from and is judged on (``contamination_tasks.py``), the rivals (``contamination_methods.py``) and the tables
of the page (``contamination_tables.py``).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sklearn.metrics import average_precision_score, roc_auc_score

from eddyline.detectors.union import Union
from eddyline.errors import UsageError
from eddyline.evaluate.contamination_methods import METHODS, SWEEPS, UNIONS, Method
from eddyline.evaluate.contamination_tasks import Task, task
from eddyline.evaluate.corpora.nsl_kdd import (
    CONTAMINATION,
    NslKdd,
)

Figures = tuple[float, float, float, float]
"""AUROC, average precision, CPU seconds of fitting and of scoring."""

DEFAULT_METHOD: Final = "union_knn_rvae"
"""The default among densities, ``learn --method union``: chosen on other data sets than NSL-KDD, by the rule
of ``benchmarks/default_density.py``, protocol ``others``."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one rival reached on one drawing.

    Parameters
    ----------
    protocol
        One of ``contamination_tasks.PROTOCOLS``.
    method
        Key of the rival.
    preprocessing
        ``log`` or ``standard``.
    share
        Attacks as a share of the training rows.
    seed
        Seed of the drawing and of the rival.
    auroc
        Area under the ROC curve on the judged rows.
    auprc
        Average precision on the judged rows.
    fit_s, score_s
        CPU seconds of fitting and of scoring the judged rows.
    """

    protocol: str
    method: str
    preprocessing: str
    share: float
    seed: int
    auroc: float
    auprc: float
    fit_s: float
    score_s: float

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What makes it the same run."""
        return (self.protocol, self.method, self.preprocessing, self.share, self.seed)


def method_named(name: str) -> Method:
    """Give the rival of that key.

    Parameters
    ----------
    name
        Its key.

    Raises
    ------
    UsageError
        When there is none.
    """
    for method in (*METHODS, *SWEEPS):
        if method.name == name:
            return method
    known = ", ".join(method.name for method in METHODS)
    message = f"a method must be one of {known}, got {name!r}; check the spelling"
    raise UsageError(message)


def measure(method: Method, rows: Task, preprocessing: str, seed: int) -> dict[str, Figures]:
    """Fit one rival, ask it, and give its figures; a union's parts after it, their names after a dot.

    Parameters
    ----------
    method
        The rival.
    rows
        What to learn from and to judge.
    preprocessing
        ``log`` or ``standard``, for rivals that take one.
    seed
        Start of the rival's randomness.
    """
    rival = method.build(seed, preprocessing)
    start = time.process_time()
    rival.fit(rows.drawn.X)
    middle = time.process_time()
    if isinstance(rival, Union):
        told = rival.components(rows.X)
        asked = {"": rival.joined(told), **{f".{name}": scores for name, scores in told.items()}}
    else:
        asked = {"": rival.anomaly_score(rows.X)}
    spent = middle - start, time.process_time() - middle
    return {
        name: (
            float(roc_auc_score(rows.is_attack, scores, sample_weight=rows.weights)),
            float(average_precision_score(rows.is_attack, scores, sample_weight=rows.weights)),
            *spent,
        )
        for name, scores in asked.items()
    }


def plan(
    methods: Iterable[Method],
    *,
    protocol: str,
    preprocessing: str,
    shares: Iterable[float] = CONTAMINATION,
    seeds: int = 5,
) -> Iterator[tuple[Method, str, str, float, int]]:
    """Give the runs of an experiment, seed by seed, so that a broken one leaves whole seeds.

    Parameters
    ----------
    methods
        Rivals.
    protocol, preprocessing
        As for ``Run``.
    shares
        Attacks as shares of the training rows.
    seeds
        How many drawings, >= 1.
    """
    kept, levels = list(methods), list(shares)
    for seed in range(seeds):
        for share in levels:
            for method in kept:
                yield method, protocol, preprocessing, share, seed


def run_all(
    corpus: NslKdd,
    planned: Iterable[tuple[Method, str, str, float, int]],
    cache: Path,
    tell: Callable[[Run], None],
) -> list[Run]:
    """Run what the cache does not hold yet, keeping each run as soon as it is done.

    Parameters
    ----------
    corpus
        Both files.
    planned
        What ``plan`` gave.
    cache
        File of one JSON object a line, made where absent; broken off, the next call goes on from it.
    tell
        Called with each run, measured or remembered.
    """
    known = read_runs(cache)
    found: list[Run] = []
    last: tuple[tuple[str, float, int], Task] | None = None
    for method, protocol, preprocessing, share, seed in planned:
        key = (protocol, method.name, preprocessing, share, seed)
        runs = [run for run in known if run.key == key or _is_part(run, key)]
        if not runs:
            if last is None or last[0] != (protocol, share, seed):
                last = (protocol, share, seed), task(corpus, protocol, share, seed)
            figures = measure(method, last[1], preprocessing, seed)
            where = (preprocessing, share, seed)
            runs = [Run(protocol, method.name + n, *where, *f) for n, f in figures.items()]
            with cache.open("a", encoding="utf-8") as lines:
                lines.writelines(json.dumps(asdict(run)) + "\n" for run in runs)
        found += runs
        for run in runs:
            tell(run)
    return found


def _is_part(run: Run, key: tuple[str, str, str, float, int]) -> bool:
    """Tell whether a run is that of a part of the union with this key."""
    whole = run.method.partition(".")[0]
    return whole in UNIONS and (run.protocol, whole, *run.key[2:]) == key


def read_runs(cache: Path) -> list[Run]:
    """Give the runs that a cache holds; none where the file is absent.

    Parameters
    ----------
    cache
        The file.

    Raises
    ------
    UsageError
        When a line is no run.
    """
    if not cache.exists():
        return []
    runs = []
    for number, line in enumerate(cache.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            runs.append(Run(**json.loads(line)))
        except (TypeError, ValueError) as error:
            message = (
                f"{cache.name}:{number}: must hold one run as JSON, it does not ({error}); remove "
                f"the line"
            )
            raise UsageError(message) from error
    return runs
