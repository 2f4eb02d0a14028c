"""How sure a figure is: the bootstrap over groups, paired differences, and Holm's correction.

What belongs here: intervals and comparisons of any figure of weighted rows. What does not: the figures
(``metrics.py``), and bands over seeds alone (``scores.py``). Rows of one group (a session, a pair of
addresses, a truth incident) are not independent, so whole groups are drawn with replacement; two methods are
compared on the same draws.
Sources: B. Efron, R. Tibshirani, 1993, *An Introduction to the Bootstrap* (percentile interval); S. Holm,
1979, "A simple sequentially rejective multiple test procedure".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.tables import Floats, Integers

RESAMPLES: Final = 2_000
"""Draws of groups behind an interval."""

MIN_GROUPS: Final = 20
"""Groups below which no interval is given."""

LEVEL: Final = 0.95
"""Share of draws inside an interval."""

Figure = Literal["roc_auc", "pr_auc"]
"""Figures that can be drawn again in compiled loops."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with what it may be on other groups of the same kind.

    Parameters
    ----------
    value
        The figure on the rows as they are.
    low, high
        Percentiles of the figure over the draws, both inside the interval.
    draws
        The figure of each draw, shape ``(r,)``; NaN where a draw held one class only.
    """

    value: float
    low: float
    high: float
    draws: Floats

    @property
    def excludes_zero(self) -> bool:
        """True when zero lies outside; for differences."""
        return self.low > 0 or self.high < 0

    @classmethod
    def of(cls, value: float, draws: Floats, level: float = LEVEL) -> Interval:
        """Take the percentiles of draws.

        Parameters
        ----------
        value
            The figure itself.
        draws
            The figure of each draw, shape ``(r,)``.
        level
            Share inside, in (0, 1).

        Raises
        ------
        UsageError
            When the level is outside (0, 1).
        TooFewRowsError
            When more than half of the draws hold one class only.
        """
        if not 0 < level < 1:
            message = f"level must be in (0, 1), got {level}; 0.95 is the default"
            raise UsageError(message)
        whole = draws[np.isfinite(draws)]
        if len(whole) < len(draws) / 2:
            message = (
                f"an interval needs draws that hold both classes, got {len(whole)} of {len(draws)}; "
                "give more groups of the rarer class"
            )
            raise TooFewRowsError(message)
        low, high = np.quantile(whole, [(1 - level) / 2, (1 + level) / 2])
        return cls(value, float(low), float(high), draws)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Which of two methods is better, or that the rows cannot tell.

    Parameters
    ----------
    first, second
        The methods.
    difference
        The first's figure less the second's, on the same draws.
    p_value
        Two-sided share of draws on the other side of zero, after correction for the other pairs.
    distinguishable
        True when the interval of the difference excludes zero and the corrected p-value agrees.
    """

    first: str
    second: str
    difference: Interval
    p_value: float
    distinguishable: bool

    @property
    def verdict(self) -> str:
        """The better method's name, or "not distinguishable"."""
        if not self.distinguishable:
            return "not distinguishable"
        return self.first if self.difference.value > 0 else self.second


class GroupBootstrap:
    """Draw groups with replacement once, and give every method's figure on the same draws.

    Parameters
    ----------
    attack
        True where a row is an attack, shape ``(n,)``.
    groups
        Group of each row, any values, shape ``(n,)``.
    n_resamples
        Draws, ``> 0``.
    seed
        Start of the randomness.

    Raises
    ------
    DataError
        When the lengths differ.
    TooFewRowsError
        When there are fewer than ``MIN_GROUPS`` groups.

    Examples
    --------
    >>> import numpy as np
    >>> attack = np.arange(100) % 4 == 0
    >>> drawn = GroupBootstrap(attack, np.arange(100) // 2, n_resamples=200)
    >>> drawn.interval(attack + 0.0, "roc_auc").low
    1.0
    """

    def __init__(
        self,
        attack: ArrayLike,
        groups: ArrayLike,
        *,
        n_resamples: int = RESAMPLES,
        seed: int = 0,
    ) -> None:
        self.attack = np.asarray(attack, bool)
        names, codes = np.unique(np.asarray(groups), return_inverse=True)
        if len(codes) != len(self.attack):
            message = (
                f"groups must have one value a row, got {len(codes)} for {len(self.attack)} rows; "
                "give the group key of the split"
            )
            raise DataError(message)
        if len(names) < MIN_GROUPS:
            message = (
                f"an interval needs at least {MIN_GROUPS} groups, got {len(names)}; report the "
                "figure without one"
            )
            raise TooFewRowsError(message)
        self.codes = codes.astype(np.int64)
        rng = np.random.default_rng(seed)
        self.times = rng.multinomial(
            len(names), np.full(len(names), 1 / len(names)), size=n_resamples
        ).astype(np.float64)

    def draws(self, score: ArrayLike, figure: Figure) -> tuple[float, Floats]:
        """Give a figure on the rows as they are and on each draw.

        Parameters
        ----------
        score
            Score of each row, finite, higher is stranger, shape ``(n,)``.
        figure
            ``roc_auc`` or ``pr_auc``.
        """
        values = np.asarray(score, np.float64)
        order = np.argsort(-values, kind="stable")
        ranked = values[order]
        ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1).astype(np.int64)
        measure = _roc if figure == "roc_auc" else _pr
        truth, codes = self.attack[order], self.codes[order]
        once = np.ones((1, self.times.shape[1]))
        return (
            float(measure(truth, codes, ends, once)[0]),
            measure(truth, codes, ends, self.times),
        )

    def interval(self, score: ArrayLike, figure: Figure, *, level: float = LEVEL) -> Interval:
        """Give a figure with its percentile interval.

        Parameters
        ----------
        score
            Score of each row, shape ``(n,)``.
        figure
            ``roc_auc`` or ``pr_auc``.
        level
            Share inside, in (0, 1).
        """
        value, draws = self.draws(score, figure)
        return Interval.of(value, draws, level)

    def compare(
        self,
        scores: Mapping[str, Sequence[ArrayLike]],
        figure: Figure,
        *,
        level: float = LEVEL,
        pairs: Sequence[tuple[str, str]] | None = None,
    ) -> list[Comparison]:
        """Compare methods two by two on the same draws, seeds paired with seeds.

        Parameters
        ----------
        scores
            Scores by method, one array a seed; each draw of groups takes one seed at random, the same for
            both methods, so the interval holds both kinds of chance.
        figure
            ``roc_auc`` or ``pr_auc``.
        level
            Share inside, in (0, 1).
        pairs
            Which pairs are claimed; all of them by default. Holm's correction counts these.

        Raises
        ------
        DataError
            When methods have unequal numbers of seeds.
        """
        counts = {name: len(runs) for name, runs in scores.items()}
        if len(set(counts.values())) != 1:
            message = f"methods must have equally many seeds to be paired, got {counts}"
            raise DataError(message)
        told = {name: [self.draws(run, figure) for run in runs] for name, runs in scores.items()}
        chosen = pairs if pairs is not None else list(combinations(scores, 2))
        found = [_difference(told[a], told[b], level) for a, b in chosen]
        corrected = holm([two_sided(one.draws) for one in found])
        return [
            Comparison(a, b, diff, p, diff.excludes_zero and p <= 1 - level)
            for (a, b), diff, p in zip(chosen, found, corrected, strict=True)
        ]


def holm(p_values: Sequence[float]) -> list[float]:
    """Correct p-values for how many are looked at (Holm, 1979).

    Parameters
    ----------
    p_values
        Each in [0, 1].

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    running = 0.0
    for place, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - place) * p_values[index]))
        corrected[index] = running
    return corrected


def bootstrap(
    groups: ArrayLike,
    figure: Callable[[NDArray[np.int64]], float],
    *,
    n_resamples: int = RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Give any figure of rows with its interval over groups.

    Parameters
    ----------
    groups
        Group of each row, shape ``(n,)``.
    figure
        Takes row numbers (some repeated) and gives the figure.
    n_resamples
        Draws, ``> 0``.
    level
        Share inside, in (0, 1).
    seed
        Start of the randomness.

    Raises
    ------
    TooFewRowsError
        When there are fewer than ``MIN_GROUPS`` groups.
    """
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    order = np.argsort(codes, kind="stable").astype(np.int64)
    members: list[Any] = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    if len(members) < MIN_GROUPS:
        message = (
            f"an interval needs at least {MIN_GROUPS} groups, got {len(members)}; report the figure "
            "without one"
        )
        raise TooFewRowsError(message)
    rng = np.random.default_rng(seed)
    draws = np.array(
        [
            figure(np.concatenate([members[i] for i in drawn]))
            for drawn in rng.integers(0, len(members), (n_resamples, len(members)))
        ]
    )
    return Interval.of(figure(order), draws, level)


def _difference(
    first: list[tuple[float, Floats]], second: list[tuple[float, Floats]], level: float
) -> Interval:
    """Pair draws of two methods; draw r takes seed r modulo the number of seeds."""
    n_seeds = len(first)
    a = np.array([draws for _, draws in first])  # (seeds, draws)
    b = np.array([draws for _, draws in second])
    taken = np.arange(a.shape[1])
    differences = (a - b)[taken % n_seeds, taken]
    value = float(np.mean([one for one, _ in first]) - np.mean([one for one, _ in second]))
    return Interval.of(value, differences, level)


def two_sided(draws: Floats) -> float:
    """Give twice the smaller share of draws on either side of zero, at least one draw of them.

    Parameters
    ----------
    draws
        A difference on each draw, shape ``(r,)``; those that are not finite do not count.
    """
    whole = draws[np.isfinite(draws)]
    n = len(whole)
    below, above = int((whole <= 0).sum()), int((whole >= 0).sum())
    return min(1.0, 2.0 * (min(below, above) + 1) / (n + 1))


@njit(cache=True, nogil=True)
def _roc(truth: NDArray[np.bool_], codes: Integers, ends: Integers, times: Floats) -> Floats:
    """Area under the ROC curve of each draw; rows come from the highest score down, ``ends`` close ties."""
    out = np.empty(times.shape[0])
    for draw in range(times.shape[0]):
        positives, negatives, area = 0.0, 0.0, 0.0
        row = 0
        for step in range(len(ends)):
            gained, lost = 0.0, 0.0
            while row <= ends[step]:
                weight = times[draw, codes[row]]
                if truth[row]:
                    gained += weight
                else:
                    lost += weight
                row += 1
            area += lost * (positives + gained / 2.0)
            positives += gained
            negatives += lost
        out[draw] = area / (positives * negatives) if positives * negatives > 0 else np.nan
    return out


@njit(cache=True, nogil=True)
def _pr(truth: NDArray[np.bool_], codes: Integers, ends: Integers, times: Floats) -> Floats:
    """Average precision of each draw; rows come from the highest score down, ``ends`` close ties."""
    out = np.empty(times.shape[0])
    for draw in range(times.shape[0]):
        positives, seen, area = 0.0, 0.0, 0.0
        row = 0
        for step in range(len(ends)):
            gained = 0.0
            while row <= ends[step]:
                weight = times[draw, codes[row]]
                if truth[row]:
                    gained += weight
                seen += weight
                row += 1
            positives += gained
            if seen > 0:
                area += gained * positives / seen
        out[draw] = area / positives if positives > 0 else np.nan
    return out
