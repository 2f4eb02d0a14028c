"""When a deep classifier stops: rows set aside, and the score that is watched on them.

What belongs here: the choice of the rows and the criterion on them. What does not: the loop
(``nets.training``) and the report of a test's scores, which is evaluation.
"""

from __future__ import annotations

import math
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

Criterion = Literal["challenge", "f2", "loss"]

COST_SHARE: Final = 0.3
"""Weight of the cost in the challenge's criterion; the rest is the macro F2."""

_DRAWS: Final = 200
"""Draws of groups of which the best is taken."""

FEWEST: Final = 2
"""Rows of a class of which one may be set aside."""


def rows_aside(
    codes: Integers, groups: Integers | None, share: float, chance: np.random.Generator
) -> NDArray[np.bool_]:
    """Choose rows to judge by: a share of each class, or whole groups that come near to it.

    A class keeps at least one row to learn from; without groups the only row of a class is never set aside.

    Parameters
    ----------
    codes
        Class of each row, 0 .. k - 1, shape ``(n,)``.
    groups
        Group of each row, 0, 1, …; whole groups are set aside. None lets every row be alone.
    share
        Share of the rows to set aside, in [0, 1); 0 sets none aside.
    chance
        Generator to draw from.

    Raises
    ------
    UsageError
        When the share is out of range.
    """
    if not 0 <= share < 1:
        message = f"the share set aside must be in [0, 1), got {share}; 0.25 is the default"
        raise UsageError(message)
    if share == 0:
        return np.zeros(len(codes), dtype=np.bool_)
    if groups is None:
        return _rows_alone(codes, share, chance)
    return _whole_groups(codes, groups, share, chance)


def criterion_value(
    confusion: Integers, criterion: Criterion, cost: Floats | None = None
) -> float:
    """Give the watched score of a confusion matrix; higher is better.

    Parameters
    ----------
    confusion
        Counts, shape ``(k, k)``, rows = true, at least one row.
    criterion
        ``"f2"``, the macro F2 over all classes, or ``"challenge"``, 0.7 of it and 0.3 of the cost on a
        logarithmic scale, as in the NAD 2021 challenge.
    cost
        Cost of each mistake, shape ``(k, k)``; None takes 1 for each.
    """
    hits = np.diag(confusion).astype(np.float64)
    below = 4.0 * confusion.sum(axis=1) + confusion.sum(axis=0)
    f2 = np.divide(5.0 * hits, below, out=np.zeros(len(hits)), where=below > 0)
    if criterion == "f2":
        return float(f2.mean())
    costs = 1.0 - np.eye(len(hits)) if cost is None else cost
    spent = float((confusion * costs).sum())
    worst = float(costs.max() * confusion.sum())
    thrift = 1.0 if spent <= 1 or worst <= 1 else 1.0 - math.log(spent) / math.log(worst)
    return COST_SHARE * thrift + (1 - COST_SHARE) * float(f2.mean())


def _rows_alone(codes: Integers, share: float, chance: np.random.Generator) -> NDArray[np.bool_]:
    aside = np.zeros(len(codes), dtype=np.bool_)
    for code in np.unique(codes):
        rows = chance.permutation(np.flatnonzero(codes == code))
        if len(rows) >= FEWEST:
            aside[rows[: max(1, int(share * len(rows)))]] = True
    return aside


def _whole_groups(
    codes: Integers, groups: Integers, share: float, chance: np.random.Generator
) -> NDArray[np.bool_]:
    """Take the best of many draws by the distance of each class's share from the one wished."""
    n_groups, n_classes = int(groups.max()) + 1, int(codes.max()) + 1
    table = np.bincount(groups * n_classes + codes, minlength=n_groups * n_classes)
    table = table.reshape(n_groups, n_classes)
    totals = table.sum(axis=0)
    present = totals > 0
    best, chosen = math.inf, np.zeros(n_groups, dtype=np.bool_)
    for _ in range(_DRAWS if n_groups > 1 else 0):
        order = chance.permutation(n_groups)
        reached = np.cumsum(table[order].sum(axis=1)) / totals.sum()
        n_taken = int(np.argmin(np.abs(reached - share))) + 1
        if n_taken == n_groups:
            continue
        draw = np.zeros(n_groups, dtype=np.bool_)
        draw[order[:n_taken]] = True
        shares = table[draw].sum(axis=0)[present] / totals[present]
        distance = abs(reached[n_taken - 1] - share) + float(np.abs(shares - share).mean())
        if (shares < 1).all() and distance < best:
            best, chosen = distance, draw
    return chosen[groups]
