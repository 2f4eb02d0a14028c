"""Columns of any size to numbers a net can learn from; flags stay as they are.

What belongs here: what is learned of a column from training rows and how rows are changed by it. What does
not: which columns there are.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.classifier import Matrix
from eddyline.errors import UsageError
from eddyline.tables import Floats

Scaling = Literal["standard", "log", "quantile"]

KNOTS: Final = 257
"""Quantiles kept of a column, evenly spaced in rank."""

REACH: Final = 1e9
"""Furthest value that a net is given; further ones would end as infinity on the way through it."""

_CHUNK: Final = 65_536
"""Rows changed at a time, so that millions of rows never stand in memory twice as float64."""


def learn_scaling(X: Matrix, scaling: Scaling) -> Floats:
    """Learn from training rows what ``scaled`` needs: ``(2, d)`` shift and factor, or ``(257, d)`` quantiles.

    A column that holds only 0 and 1 is a flag and keeps its values.

    Parameters
    ----------
    X
        Training rows, shape ``(n, d)``, finite.
    scaling
        ``"standard"`` to mean 0 and variance 1; ``"log"`` the same after ``sign(x) ln(1 + |x|)``, for counts
        with long tails; ``"quantile"`` to the rank among training rows, spread to variance 1.

    Raises
    ------
    UsageError
        When the word is unknown.
    """
    if scaling not in get_args(Scaling):
        message = (
            f"scaling must be one of {', '.join(get_args(Scaling))}, got {scaling!r}; 'standard' is "
            f"the default"
        )
        raise UsageError(message)
    learned = np.empty((KNOTS if scaling == "quantile" else 2, X.shape[1]))
    for column in range(X.shape[1]):
        values = X[:, column].astype(np.float64)
        flag = bool(((values == 0) | (values == 1)).all())
        if scaling == "quantile":
            knots = np.linspace(0, 1, KNOTS)
            learned[:, column] = knots if flag else np.quantile(values, knots)
            continue
        if scaling == "log":
            values = _logged(values)
        spread = float(values.std())
        one = np.log1p(1.0) if scaling == "log" else 1.0  # what a flag's 1 has become
        learned[:, column] = (0.0, one) if flag else (values.mean(), spread or 1.0)
    return learned


def scaled(X: Matrix, learned: Floats, scaling: Scaling) -> NDArray[np.float32]:
    """Change rows by what was learned; a row's result ignores the rows beside it.

    Parameters
    ----------
    X
        Rows, shape ``(n, d)``, finite.
    learned
        From ``learn_scaling`` with the same word.
    scaling
        The word.
    """
    out = np.empty(X.shape, dtype=np.float32)
    for start in range(0, len(X), _CHUNK):
        rows = X[start : start + _CHUNK].astype(np.float64)
        if scaling == "quantile":
            for column in range(X.shape[1]):
                rows[:, column] = _ranked(rows[:, column], learned[:, column])
        else:
            rows = _logged(rows) if scaling == "log" else rows
            rows -= learned[0]
            rows /= learned[1]
        out[start : start + _CHUNK] = np.clip(rows, -REACH, REACH)
    return out


def sound_scaling(learned: Floats, scaling: Scaling, width: int) -> bool:
    """Tell whether loaded numbers could have been learned.

    Parameters
    ----------
    learned
        What a file holds.
    scaling
        The word it was learned with.
    width
        Columns of the rows.
    """
    height = KNOTS if scaling == "quantile" else 2
    if learned.shape != (height, width) or not np.isfinite(learned).all():
        return False
    if scaling == "quantile":
        return bool((np.diff(learned, axis=0) >= 0).all())
    return bool((learned[1] > 0).all())


def _logged(values: Floats) -> Floats:
    changed: Floats = np.sign(values) * np.log1p(np.abs(values))
    return changed


def _ranked(values: Floats, knots: Floats) -> Floats:
    """Give the rank in training, a tie at the middle of its ranks, spread to mean 0 and variance 1."""
    if knots[0] == 0 and knots[-1] == 1 and np.array_equal(knots, np.linspace(0, 1, len(knots))):
        return values  # a flag
    levels = np.linspace(0, 1, len(knots))
    below = np.interp(values, knots, levels)
    above = 1 - np.interp(-values, -knots[::-1], levels)
    ranks: Floats = ((below + above) / 2 - 0.5) * np.sqrt(12.0)
    return ranks
