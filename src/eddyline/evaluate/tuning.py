"""Parameters of a method chosen inside the training rows: folds, trials, and what the choice is worth.

What belongs here: the search over folds, its resumption, and the nested estimate. What does not: the spaces
(``tuning_space.py``), the methods, reading, and the command.

Everything is fitted inside a fold: a trial sees the training rows of a fold alone and is judged on the
others. The best trial's own score is the largest of many and so too good; ``nested`` repeats the whole search
inside the training part of each outer fold and judges its choice on rows that no trial of it saw.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from eddyline.errors import DataError, MissingExtraError, UsageError
from eddyline.evaluate.tuning_space import (
    Params,
    Space,
    grid_points,
    random_points,
    suggest,
)
from eddyline.evaluate.tuning_trials import Fold, Judge, Kept, Trial
from eddyline.tables import Integers

SEARCHES: Final = ("random", "grid", "optuna")

STARTUP: Final = 5
"""Trials of Optuna before any is broken off, and before the sampler leaves chance."""


@dataclass(frozen=True, slots=True)
class Search:
    """How points are chosen.

    Parameters
    ----------
    kind
        ``random``, ``grid`` or ``optuna``.
    budget
        Trials, ``>= 1``; the defaults are tried beside them.
    seed
        Start of the randomness.

    Raises
    ------
    UsageError
        When the kind is unknown or the budget is not positive.
    """

    kind: str = "random"
    budget: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        """Check both."""
        if self.kind not in SEARCHES or self.budget < 1:
            message = (
                f"a search must be one of {', '.join(SEARCHES)} with a budget >= 1, got {self.kind!r} "
                f"and {self.budget}"
            )
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search found.

    Parameters
    ----------
    default
        The method's own parameters, on the same folds.
    trials
        All trials, in their order.
    """

    default: Trial
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Trial:
        """The whole trial with the largest mean score, the defaults among them; the earliest of equals."""
        whole = [self.default, *(trial for trial in self.trials if not trial.pruned)]
        return max(whole, key=lambda trial: trial.score)


Told = Callable[[Trial, int, float], None]
"""Called after each trial with it, the trials of the search, and the best score so far."""


def tune(
    judge: Judge,
    space: Space,
    folds: Sequence[Fold],
    search: Search,
    *,
    kept: Kept | None = None,
    told: Told | None = None,
) -> Tuned:
    """Try points of a space on folds.

    Parameters
    ----------
    judge
        Fits and scores one fold; it is called with ``{}`` for the defaults.
    space
        Where points are taken from.
    folds
        At least one.
    search
        How points are chosen.
    kept
        Scores of an earlier, broken-off search, which are not computed again; the search itself is
        repeated, so that it goes on as it would have.
    told
        Hears of each trial.

    Raises
    ------
    DataError
        When there is no fold, or one holds one kind of flows.
    MissingExtraError
        When Optuna is asked for and not installed.
    """
    if not folds:
        message = "a search must have folds, got none; use another --split or give more flows"
        raise DataError(message)
    scores = kept or Kept(None, {})
    default = Trial(-1, {})
    for _ in _judged(default, judge, folds, scores):
        pass
    found: list[Trial] = []
    best = default.score
    asked = _optuna if search.kind == "optuna" else _listed
    for trial in asked(judge, space, folds, search, scores):
        found.append(trial)
        if not trial.pruned:
            best = max(best, trial.score)
        if told is not None:
            told(trial, search.budget, best)
    return Tuned(default, tuple(found))


@dataclass(frozen=True, slots=True)
class Outer:
    """What a whole search was worth on rows that it did not see.

    Parameters
    ----------
    name
        What was held out.
    chosen
        Parameters that the search inside the training part chose.
    score, default
        Of these and of the method's own parameters on the rows held out.
    """

    name: str
    chosen: Params
    score: float
    default: float


def tune_nested(
    judge: Judge,
    space: Space,
    outer: Sequence[Fold],
    inner_of: Callable[[Integers], Sequence[Fold]],
    search: Search,
    *,
    kept: Kept | None = None,
    told: Told | None = None,
) -> list[Outer]:
    """Repeat a search inside the training part of each outer fold, and judge its choice outside.

    Parameters
    ----------
    judge, space, search, kept, told
        As for ``tune``.
    outer
        Folds whose validation rows no trial sees.
    inner_of
        Gives the inner folds of some rows; their row numbers are of the whole table.

    Raises
    ------
    DataError
        When an inner fold holds a row of the outer validation: the estimate would be worth nothing.
    """
    scores = kept or Kept(None, {})
    found = []
    for fold in outer:
        inner = inner_of(fold.train)
        for part in inner:
            seen = np.concatenate([part.train, part.validation])
            if np.isin(seen, fold.validation).any():
                message = (
                    f"inner folds must leave the rows of {fold.name or 'the outer fold'} alone, hold "
                    "some of them; make them of the given rows"
                )
                raise DataError(message)
        best = tune(judge, space, inner, search, kept=scores, told=told).best
        chosen = scores.judge(judge, best.params, fold)
        found.append(Outer(fold.name, best.params, chosen, scores.judge(judge, {}, fold)))
    return found


def _judged(
    trial: Trial, judge: Judge, folds: Sequence[Fold], scores: Kept
) -> Iterator[tuple[int, float]]:
    """Judge fold after fold; give the number of the fold and the mean so far."""
    for number, fold in enumerate(folds):
        start = time.perf_counter()
        trial.scores.append(scores.judge(judge, trial.params, fold))
        trial.seconds += time.perf_counter() - start
        yield number, trial.score


def _listed(
    judge: Judge, space: Space, folds: Sequence[Fold], search: Search, scores: Kept
) -> Iterator[Trial]:
    """Try points that are known beforehand."""
    if search.kind == "grid":
        points, _ = grid_points(space, search.budget, search.seed)
    else:
        points = random_points(space, search.budget, search.seed)
    for number, params in enumerate(points):
        trial = Trial(number, params)
        for _ in _judged(trial, judge, folds, scores):
            pass
        yield trial


def _optuna(
    judge: Judge, space: Space, folds: Sequence[Fold], search: Search, scores: Kept
) -> Iterator[Trial]:
    """Let Optuna's tree-structured Parzen estimator choose, and its median rule break trials off."""
    try:
        import optuna
    except ModuleNotFoundError as error:
        message = (
            "the search 'optuna' needs Optuna, which is not installed; pip install 'eddyline[lab]'"
        )
        raise MissingExtraError(message) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=search.seed, n_startup_trials=STARTUP),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP),
    )
    for number in range(search.budget):
        asked = study.ask()
        trial = Trial(number, suggest(asked, space))
        for step, mean in _judged(trial, judge, folds, scores):
            asked.report(mean, step)
            if step + 1 < len(folds) and asked.should_prune():
                trial.pruned = True
                break
        if trial.pruned:
            study.tell(asked, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(asked, trial.score)
        yield trial
