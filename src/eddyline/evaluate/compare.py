"""Two models on the same labelled flows: which is better, or that the flows cannot tell.

What belongs here: paired figures of two judgements with bands over groups of flows. What does not: how a
model judges, and reading (``cli/compare.py``).

Both models judge the same flows, and every draw takes the same groups for both, so that what makes flows hard
is hard for both and drops out of the difference. One model file is one training: the band holds the chance
of the flows, not that of the training.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError
from eddyline.evaluate.curve import Curve
from eddyline.evaluate.intervals import (
    LEVEL,
    MIN_GROUPS,
    RESAMPLES,
    GroupBootstrap,
    Interval,
    holm,
    two_sided,
)
from eddyline.tables import Floats, Integers

Flags = NDArray[np.bool_]

RANKED: Final = ("pr_auc", "roc_auc")
"""Figures of the order that scores give."""

DECIDED: Final = ("recall", "precision", "false_positive_rate")
"""Figures of what a model itself calls an attack."""

NAMED: Final = ("macro_f1", "macro_f2")
"""Figures of the classes, where both models name some."""

LOWER_IS_BETTER: Final = frozenset({"false_positive_rate"})

MOST_GROUPS: Final = 4_000
"""Groups that are drawn; of more, several are drawn as one, which makes the bands no narrower."""

UNDECIDED: Final = "cannot tell"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one model says of flows.

    Parameters
    ----------
    name
        The model.
    score
        Higher is more likely an attack, finite, shape ``(n,)``.
    flagged
        What the model itself calls an attack, shape ``(n,)``.
    named
        Place of the class it names for each flow, shape ``(n,)``; None when it names no class.
    """

    name: str
    score: Floats
    flagged: Flags
    named: Integers | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """What the flows were.

    Parameters
    ----------
    attack
        Shape ``(n,)``.
    groups
        Flows of one number are not independent, shape ``(n,)``.
    classes
        Names of the classes; empty when there are none to compare.
    named
        Place of each flow's class, shape ``(n,)``; None when there are none.
    """

    attack: Flags
    groups: Integers
    classes: tuple[str, ...] = ()
    named: Integers | None = None


@dataclass(frozen=True, slots=True)
class Paired:
    """One figure of both models.

    Parameters
    ----------
    figure
        Its name.
    first, second
        The models' figures on the flows as they are; None when undefined (0/0).
    low, high
        Band of the difference, first less second; None when none can be given.
    p_value
        Two-sided, corrected for the figures beside it (Holm); None without a band.
    better
        Name of the better model, or "cannot tell".
    """

    figure: str
    first: float | None
    second: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    better: str = UNDECIDED

    @property
    def difference(self) -> float | None:
        """First less second; None when either is undefined."""
        return None if self.first is None or self.second is None else self.first - self.second


@dataclass(frozen=True, slots=True)
class ClassPair:
    """Recall of one class by both models.

    Parameters
    ----------
    label
        The class.
    support
        Its flows.
    first, second
        Share of them that each model names so.
    """

    label: str
    support: int
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models beside each other.

    Parameters
    ----------
    names
        Of the first and the second.
    n_flows, n_attack, n_groups
        Labelled flows, attacks among them, groups that were drawn.
    level
        Share of the draws inside a band.
    resamples
        Draws.
    figures
        Every figure, those of the order first.
    by_class
        Recall of each class; empty when a model names none.
    note
        Why there is no band; empty when there is one.
    """

    names: tuple[str, str]
    n_flows: int
    n_attack: int
    n_groups: int
    level: float
    resamples: int
    figures: tuple[Paired, ...]
    by_class: tuple[ClassPair, ...]
    note: str = ""

    def figure(self, name: str) -> Paired:
        """Give one figure.

        Parameters
        ----------
        name
            Of ``RANKED``, ``DECIDED`` or ``NAMED``.

        Raises
        ------
        DataError
            When it was not measured.
        """
        for one in self.figures:
            if one.figure == name:
                return one
        known = ", ".join(one.figure for one in self.figures)
        message = (
            f"a figure must be one of {known}, got {name!r}; class figures need two classifiers"
        )
        raise DataError(message)


def compare_judgements(
    first: Judgement,
    second: Judgement,
    truth: Truth,
    *,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Compared:
    """Hold two models' judgements of the same flows against the truth and against each other.

    Parameters
    ----------
    first, second
        The models, of the same flows in the same order.
    truth
        What the flows were.
    level
        Share of the draws inside a band, in (0, 1).
    resamples
        Draws of groups, ``> 0``.
    seed
        Start of the randomness of the draws.

    Raises
    ------
    DataError
        When the lengths differ, or there is no attack or no normal flow.
    """
    n, n_attack = len(truth.attack), int(truth.attack.sum())
    for one in (first, second):
        if len(one.score) != n or len(one.flagged) != n:
            message = (
                f"{one.name} must judge the {n} flows of the truth, judged {len(one.score)}; "
                "compare models on one input"
            )
            raise DataError(message)
    if not 0 < n_attack < n:
        message = (
            f"flows must hold attacks and normal ones to compare models, got {n_attack} attacks among "
            f"{n}; name the normal label, or give other flows"
        )
        raise DataError(message)
    groups = np.unique(truth.groups, return_inverse=True)[1] % MOST_GROUPS
    n_groups = len(np.unique(groups))
    bands, note = {}, ""
    if n_groups >= MIN_GROUPS:
        drawn = GroupBootstrap(truth.attack, groups, n_resamples=resamples, seed=seed)
        bands = _bands(first, second, truth, drawn)
    else:
        note = f"{n_groups} groups of flows are fewer than {MIN_GROUPS}: no band, no verdict"
    values = [_values(one, truth) for one in (first, second)]
    return Compared(
        (first.name, second.name),
        n,
        n_attack,
        n_groups,
        level,
        resamples,
        tuple(_judged(values[0], values[1], bands, (first.name, second.name), level)),
        tuple(_by_class(first, second, truth)),
        note,
    )


def _values(one: Judgement, truth: Truth) -> dict[str, float | None]:
    """Give each figure of one model on the flows as they are."""
    curve = Curve.of(truth.attack, one.score)
    hits = _confusion(truth.attack.astype(np.int64), one.flagged.astype(np.int64), 2)
    told: dict[str, float | None] = {"pr_auc": curve.average_precision, "roc_auc": curve.auc}
    drawn = _decided(hits[None])
    if one.named is not None and truth.named is not None:
        drawn |= _named(_confusion(truth.named, one.named, len(truth.classes))[None])
    return told | {
        name: None if np.isnan(found[0]) else float(found[0]) for name, found in drawn.items()
    }


def _bands(
    first: Judgement, second: Judgement, truth: Truth, drawn: GroupBootstrap
) -> dict[str, Floats]:
    """Give the difference of each figure on each draw."""
    told: list[dict[str, Floats]] = []
    for one in (first, second):
        figures = {
            "pr_auc": drawn.draws(one.score, "pr_auc")[1],
            "roc_auc": drawn.draws(one.score, "roc_auc")[1],
        }
        truths, flags = truth.attack.astype(np.int64), one.flagged.astype(np.int64)
        figures |= _decided(_drawn(truths, flags, 2, drawn))
        if one.named is not None and truth.named is not None:
            figures |= _named(_drawn(truth.named, one.named, len(truth.classes), drawn))
        told.append(figures)
    return {name: told[0][name] - told[1][name] for name in told[0] if name in told[1]}


def _judged(
    first: Mapping[str, float | None],
    second: Mapping[str, float | None],
    bands: Mapping[str, Floats],
    names: tuple[str, str],
    level: float,
) -> list[Paired]:
    shared = [name for name in first if name in second]
    sure = {
        name: draws
        for name, draws in bands.items()
        if np.isfinite(draws).mean() >= 0.5 and None not in (first[name], second[name])
    }
    corrected = dict(zip(sure, holm([two_sided(draws) for draws in sure.values()]), strict=True))
    found = []
    for name in shared:
        one, other = first[name], second[name]
        if name not in sure or one is None or other is None:
            found.append(Paired(name, one, other))
            continue
        interval = Interval.of(one - other, sure[name], level)
        better = UNDECIDED
        if interval.excludes_zero and corrected[name] <= 1 - level:
            ahead = (interval.value > 0) != (name in LOWER_IS_BETTER)
            better = names[0] if ahead else names[1]
        found.append(
            Paired(name, one, other, interval.low, interval.high, corrected[name], better)
        )
    return found


def _by_class(first: Judgement, second: Judgement, truth: Truth) -> list[ClassPair]:
    if truth.named is None or first.named is None or second.named is None:
        return []
    found = []
    for place, name in enumerate(truth.classes):
        own = truth.named == place
        if own.any():
            shares = [float(np.mean(said[own] == place)) for said in (first.named, second.named)]
            found.append(ClassPair(name, int(own.sum()), shares[0], shares[1]))
    return found


def _confusion(truth: Integers, said: Integers, size: int) -> Floats:
    table = np.zeros((size, size))
    np.add.at(table, (truth, said), 1.0)
    return table


def _drawn(truth: Integers, said: Integers, size: int, drawn: GroupBootstrap) -> Floats:
    """Give the confusion of each draw, shape ``(r, k, k)``: counts of each group, as often as it is drawn."""
    n_groups = drawn.times.shape[1]
    cells = (drawn.codes * size + truth) * size + said
    counts = np.bincount(cells, minlength=n_groups * size * size).reshape(n_groups, -1)
    return (drawn.times @ counts).reshape(-1, size, size)


def _decided(tables: Floats) -> dict[str, Floats]:
    """Give the figures of a yes or no from confusions of shape ``(r, 2, 2)``; NaN for 0/0."""
    negatives, positives = tables[:, 0], tables[:, 1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "recall": positives[:, 1] / positives.sum(axis=1),
            "precision": positives[:, 1] / (positives[:, 1] + negatives[:, 1]),
            "false_positive_rate": negatives[:, 1] / negatives.sum(axis=1),
        }


def _named(tables: Floats) -> dict[str, Floats]:
    """Give mean F1 and F2 over the classes that occur, from confusions of shape ``(r, k, k)``."""
    hits = np.diagonal(tables, axis1=1, axis2=2)
    truths, said = tables.sum(axis=2), tables.sum(axis=1)
    occurs = truths > 0
    found = {}
    for name, beta in (("macro_f1", 1.0), ("macro_f2", 2.0)):
        each = (1 + beta**2) * hits / np.maximum(beta**2 * truths + said, 1.0)
        found[name] = (each * occurs).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
    return found


def as_dict(told: Compared) -> dict[str, Any]:
    """Give a comparison as plain data.

    Parameters
    ----------
    told
        What ``compare_judgements`` gave.
    """
    return {
        "first": told.names[0],
        "second": told.names[1],
        "flows": told.n_flows,
        "attacks": told.n_attack,
        "base_rate": told.n_attack / told.n_flows,
        "groups": told.n_groups,
        "level": told.level,
        "resamples": told.resamples,
        "note": told.note,
        "figures": [{**asdict(one), "difference": one.difference} for one in told.figures],
        "recall_by_class": [asdict(one) for one in told.by_class],
    }
