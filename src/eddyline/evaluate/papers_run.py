"""Runs of the published experiments within a budget of time, kept in a folder and taken up again.

What belongs here: the steps, their order, what is kept where. What does not: an experiment (the modules named
after them) and what its figures stand beside (``papers.py``).

The folder holds what the single commands keep: ``contamination.jsonl`` is the cache of ``bench
contamination``, ``sequences`` that of ``bench sequences``, ``shift.json`` the JSON of ``bench shift``.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np

from eddyline.evaluate.contamination import DEFAULT_METHOD, Run, method_named, read_runs, run_all
from eddyline.evaluate.corpora.luflow import TASKS, Task
from eddyline.evaluate.corpora.nad2021 import TRAINING
from eddyline.evaluate.corpora.nsl_kdd import NslKdd, read_nsl_kdd
from eddyline.evaluate.nad2021 import NadRun, run_nad2021
from eddyline.evaluate.papers import (
    AUROC,
    CHALLENGE,
    DYAD_HOURS,
    GRAND,
    PAPERS,
    RADFORD,
    SEQUENCE_MODELS,
    SHARES,
    SHIFT,
    Found,
)
from eddyline.evaluate.sequences import CAPTURES, Corpus, read_corpus
from eddyline.evaluate.sequences_models import CONTENDERS, Contender, kept_seeds, score_flows
from eddyline.evaluate.sequences_run import run as run_sequences
from eddyline.evaluate.shift import Run as ShiftRun, document, run_shift, runs_of

Tell = Callable[[str], None]

TOKENS: Final = "proto-bytes"
"""Tokens of the published net."""

DRAWS: Final = 1_000
"""Resamplings of pairs behind a band."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to measure that is kept when it is done.

    Parameters
    ----------
    paper
        Name of its experiment.
    title
        For people.
    done
        Tells whether the folder holds it.
    run
        Measures and keeps it.
    """

    paper: str
    title: str
    done: Callable[[], bool]
    run: Callable[[], None]


class Bench:
    """The experiments that are asked for, over one folder of data and one of results.

    Parameters
    ----------
    data
        Folder of the data sets.
    kept
        Folder of what is kept.
    seeds
        Runs of what depends on a seed, ``>= 1``.
    only
        Names of ``PAPERS``.
    """

    def __init__(self, data: Path, kept: Path, *, seeds: int, only: Sequence[str]) -> None:
        self.data, self.kept, self.seeds = data, kept, seeds
        self.only = tuple(only)
        kept.mkdir(parents=True, exist_ok=True)

    @cached_property
    def _nsl_kdd(self) -> NslKdd:
        return read_nsl_kdd(self.data / "nsl-kdd")

    @cached_property
    def _captures(self) -> Corpus:
        return read_corpus(self.data / "zeek")

    def absent(self) -> dict[str, str]:
        """Give why experiments cannot run here, by name."""
        zeek = any((self.data / "zeek" / file).is_file() for file in CAPTURES.values())
        days = all(
            (self.data / "luflow" / f"{day}.zip").is_file()
            for task in TASKS
            for day in (*task.train, task.test)
        )
        labelled = [day for day in TRAINING if (self.data / "nad2021" / day.file).is_file()]
        there = {
            GRAND.name: (self.data / "nsl-kdd" / "KDDTest+.txt").is_file(),
            RADFORD.name: zeek,
            CHALLENGE.name: len(labelled) > 1,
            SHIFT.name: days,
        }
        found = {
            paper.name: f"not run: the data folder holds no {paper.needs}"
            for paper in PAPERS
            if not there[paper.name]
        }
        if GRAND.name not in found and find_spec("torch") is None:
            found[GRAND.name] = "not run: needs the extra, pip install 'eddyline[deep]'"
        return {
            name: found.get(name, "not run: not asked for")
            for name in (paper.name for paper in PAPERS)
            if name in found or name not in self.only
        }

    def steps(self) -> Iterator[Step]:
        """Give what is to be measured, seed by seed; the nets over sequences, which take longest, last."""
        absent = self.absent()
        quick = (
            (RADFORD, self._counted_steps),
            (SHIFT, self._shift_steps),
            (GRAND, self._density_steps),
            (CHALLENGE, self._challenge_steps),
        )
        for experiments in (quick, ((RADFORD, self._net_steps),)):
            for seed in range(self.seeds):
                for paper, make in experiments:
                    if paper.name not in absent:
                        yield from make(seed)

    def run(self, *, budget_s: float, tell: Tell) -> dict[str, str]:
        """Measure what the folder lacks until the budget is spent; give what is left, by experiment.

        Parameters
        ----------
        budget_s
            Seconds after which no step is begun; a step that was begun is ended.
        tell
            Called with a line for each step.
        """
        start = time.monotonic()
        left: dict[str, int] = {}
        steps = list(self.steps())
        for number, step in enumerate(steps, start=1):
            if step.done():
                continue
            spent = time.monotonic() - start
            if spent >= budget_s:
                left[step.paper] = left.get(step.paper, 0) + 1
                continue
            begun = time.monotonic()
            step.run()
            took = time.monotonic() - begun
            tell(f"[{number}/{len(steps)}, {spent / 60:.1f} min] {step.title}: {took:.1f} s")
        said = {
            name: f"{n} steps not run, the budget was spent; the same command goes on"
            for name, n in left.items()
        }
        return self.absent() | said

    # ---------------------------------------------------------------- contamination

    @property
    def _density_cache(self) -> Path:
        return self.kept / "contamination.jsonl"

    def _density_steps(self, seed: int) -> Iterator[Step]:
        known = {run.key for run in read_runs(self._density_cache)}
        rivals = [method for method, _ in AUROC.values() if method is not None]
        for share in SHARES:
            for method in ("vae", "grand", *rivals, "rvae", DEFAULT_METHOD):
                key = ("full", method, "log", share, seed)
                if key not in known:
                    known.add(key)
                    yield self._density_step(method, share, seed)

    def _density_step(self, method: str, share: float, seed: int) -> Step:
        def run() -> None:
            planned = [(method_named(method), "full", "log", share, seed)]
            run_all(self._nsl_kdd, planned, self._density_cache, lambda _: None)

        return Step(
            GRAND.name,
            f"{GRAND.name}, {method}, {share:.0%}, seed {seed}",
            lambda: False,
            run,
        )

    def densities(self) -> list[Run]:
        """Give the runs of contamination that are kept, of the seeds that are asked for."""
        runs = read_runs(self._density_cache)
        return [run for run in runs if run.seed < self.seeds]

    # ---------------------------------------------------------------- sequences

    def _contenders(self) -> list[Contender]:
        deep = find_spec("torch") is not None
        return [
            one for one in CONTENDERS if one.name in SEQUENCE_MODELS and (deep or not one.neural)
        ]

    def _counted_steps(self, seed: int) -> Iterator[Step]:
        """Give the models that count, once: no seed changes their scores."""
        for contender in self._contenders():
            for regime in DYAD_HOURS:
                if seed == 0 and not contender.neural:
                    yield self._sequence_step(contender, regime, seed)

    def _net_steps(self, seed: int) -> Iterator[Step]:
        for contender in self._contenders():
            for regime in DYAD_HOURS:
                if contender.neural:
                    yield self._sequence_step(contender, regime, seed)

    def _sequence_step(self, contender: Contender, regime: str, seed: int) -> Step:
        cache = self.kept / "sequences"

        def done() -> bool:
            return seed in kept_seeds(contender, regime, TOKENS, self._captures, seed + 1, cache)

        def run() -> None:
            score_flows(contender, regime, TOKENS, self._captures, seed, cache)

        title = f"{RADFORD.name}, {contender.name}, {regime}, seed {seed}"
        return Step(RADFORD.name, title, done, run)

    def _sequence_figures(self) -> list[Any]:
        """Give the figures of what is kept; nothing is trained here."""
        told = []
        for one in self._contenders():
            told += run_sequences(
                self._captures,
                [replace(one, tokens=(TOKENS,))],
                regimes=tuple(DYAD_HOURS),
                seeds=self.seeds,
                draws=DRAWS,
                cache=self.kept / "sequences",
                kept_only=True,
            )
        return told

    # ---------------------------------------------------------------- days

    def _shift_runs(self) -> list[ShiftRun]:
        path = self.kept / "shift.json"
        return runs_of([json.loads(path.read_text(encoding="utf-8"))]) if path.is_file() else []

    def _shift_steps(self, seed: int) -> Iterator[Step]:
        for task in TASKS:
            yield self._shift_step(task, seed)

    def _shift_step(self, task: Task, seed: int) -> Step:
        def done() -> bool:
            return any((run.task, run.seed) == (task.name, seed) for run in self._shift_runs())

        def run() -> None:
            self._run_shift(task, seed)

        return Step(SHIFT.name, f"{SHIFT.name}, task {task.name}, seed {seed}", done, run)

    def _run_shift(self, task: Task, seed: int) -> None:
        runs = list(run_shift(self.data / "luflow", tasks=[task], seeds=[seed]))
        _keep(self.kept / "shift.json", document([*self._shift_runs(), *runs]))

    def _challenge_path(self, seed: int) -> Path:
        return self.kept / f"nad2021-{seed}.json"

    def _challenge_steps(self, seed: int) -> Iterator[Step]:
        path = self._challenge_path(seed)

        def run() -> None:
            runs = run_nad2021(self.data / "nad2021", seeds=[seed])
            _keep(path, [asdict(one) | {"confusion": one.confusion.tolist()} for one in runs])

        yield Step(CHALLENGE.name, f"{CHALLENGE.name}, seed {seed}", path.is_file, run)

    def _challenge_runs(self) -> list[NadRun]:
        paths = [self._challenge_path(seed) for seed in range(self.seeds)]
        return [
            NadRun(one["day"], one["row"], one["seed"], np.array(one["confusion"], np.int64))
            for path in paths
            if path.is_file()
            for one in json.loads(path.read_text(encoding="utf-8"))
        ]

    def found(self, not_run: dict[str, str]) -> Found:
        """Give everything that is kept of the experiments that can run here.

        Parameters
        ----------
        not_run
            From ``run``.
        """
        out = self.absent()
        return Found(
            [] if GRAND.name in out else self.densities(),
            [] if RADFORD.name in out else self._sequence_figures(),
            [] if CHALLENGE.name in out else self._challenge_runs(),
            [] if SHIFT.name in out else [r for r in self._shift_runs() if r.seed < self.seeds],
            not_run,
        )


def _keep(path: Path, told: Any) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
