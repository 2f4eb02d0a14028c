"""Class shares of a day without labels, and probabilities that follow them.

What belongs here: expectation maximisation, black-box shift estimation, and the change from one set of class
shares to another. What does not: whether a correction helps, which only left-out days can say
(``evaluate/shift.py``).

Both methods assume that what changes from day to day is how common the classes are, not what they look like.
Where that is false they mislead: on LUFlow even the true shares gave next to nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats

RATIO_BOUNDS: Final = (0.1, 10.0)
"""Least and most factor between a day's class share and the training's; our choice."""

TOLERANCE: Final = 1e-9
"""Change of every share below which the iteration ends."""

MOST_STEPS: Final = 10_000
"""Steps after which the iteration ends whatever the change."""


def change_priors(
    probabilities: ArrayLike,
    old: ArrayLike,
    new: ArrayLike,
    *,
    bounds: tuple[float, float] | None = RATIO_BOUNDS,
) -> Floats:
    """Give the probabilities under other class shares.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``, rows summing to 1, calibrated.
    old
        Class shares that they assume, shape ``(k,)``, above 0 wherever ``new`` is.
    new
        Class shares to assume instead, shape ``(k,)``.
    bounds
        Least and most factor ``new / old``; None for none.

    Raises
    ------
    DataError
        When shapes disagree or the shares are none.
    UsageError
        When the bounds are not ``0 < low <= 1 <= high``.
    """
    given, before = _pair(probabilities, old)
    after = _shares(new, given.shape[1])
    factor = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
    if bounds is not None:
        low, high = bounds
        if not 0 < low <= 1 <= high:
            message = (
                f"bounds must be 0 < low <= 1 <= high, got {bounds}; pass factors like (0.1, 10)"
            )
            raise UsageError(message)
        factor = np.where(before > 0, factor.clip(low, high), 0.0)
    return _normalised(given * factor)


def em_priors(
    probabilities: ArrayLike,
    priors: ArrayLike,
    *,
    tolerance: float = TOLERANCE,
    most_steps: int = MOST_STEPS,
) -> Floats:
    """Give the class shares under which rows without labels are most likely.

    Parameters
    ----------
    probabilities
        Of the rows without labels, shape ``(n, k)``, calibrated.
    priors
        Class shares that they assume, shape ``(k,)``.
    tolerance
        Change of every share below which the iteration ends, ``>= 0``.
    most_steps
        Most steps, ``>= 1``.

    Raises
    ------
    DataError
        When shapes disagree or the shares are none.

    References
    ----------
    Saerens, Latinne, Decaestecker, "Adjusting the outputs of a classifier to new a priori probabilities: a
    simple procedure", Neural Computation 14, 2002, doi:10.1162/089976602753284446.
    """
    given, before = _pair(probabilities, priors)
    shares = before.copy()
    for _ in range(most_steps):
        factor = np.divide(shares, before, out=np.zeros_like(shares), where=before > 0)
        fresh = _normalised(given * factor).mean(axis=0)
        change = np.abs(fresh - shares).max()
        shares = fresh
        if change < tolerance:
            break
    return shares


def bbse_priors(
    joint: ArrayLike, predicted: ArrayLike, priors: ArrayLike
) -> tuple[Floats, Floats]:
    """Estimate how much commoner each class has become from predicted labels alone.

    Parameters
    ----------
    joint
        Share of held-out rows that were predicted i and are j, shape ``(k, k)``, summing to 1.
    predicted
        Share of the day's rows that are predicted i, shape ``(k,)``.
    priors
        Class shares of the training, shape ``(k,)``.

    Returns
    -------
    tuple
        Factor of each class, clipped at 0, and the class shares of the day, summing to 1.

    Raises
    ------
    DataError
        When shapes disagree, or two classes are confused so alike that no answer is the only one.

    References
    ----------
    Lipton, Wang, Smola, "Detecting and correcting for label shift with black box predictors", ICML 2018,
    arXiv 1802.03916.
    """
    matrix = np.asarray(joint, dtype=np.float64)
    before = _shares(priors, len(matrix) if matrix.ndim else 0)
    seen = _shares(predicted, len(before))
    if matrix.shape != (len(before), len(before)):
        message = f"joint must have shape (k, k) with k = {len(before)}, got {matrix.shape}"
        raise DataError(message)
    if np.linalg.cond(matrix) > 1e8:
        message = (
            "joint must tell the classes apart, its rows are nearly dependent "
            f"(condition {np.linalg.cond(matrix):.3g}); use em_priors"
        )
        raise DataError(message)
    factor = np.linalg.solve(matrix, seen).clip(min=0.0)
    mass = factor * before
    if mass.sum() <= 0:
        message = f"the day's shares must not all be 0, got factors {factor}; use em_priors"
        raise DataError(message)
    return factor, mass / mass.sum()


def _pair(probabilities: ArrayLike, priors: ArrayLike) -> tuple[Floats, Floats]:
    given = np.asarray(probabilities, dtype=np.float64)
    if given.ndim != 2 or not len(given):
        message = f"probabilities must have shape (n, k) with n >= 1, got {given.shape}"
        raise DataError(message)
    return given, _shares(priors, given.shape[1])


def _shares(values: ArrayLike, k: int) -> Floats:
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != (k,) or not np.isfinite(shares).all() or (shares < 0).any():
        message = f"class shares must be {k} numbers >= 0, got {shares}; give one a class"
        raise DataError(message)
    if shares.sum() <= 0:
        message = f"class shares must not all be 0, got {shares}; count the rows of each class"
        raise DataError(message)
    whole: Floats = shares / shares.sum()
    return whole


def _normalised(masses: Floats) -> Floats:
    """Make rows sum to 1; a row without any mass keeps equal shares."""
    total = masses.sum(axis=1, keepdims=True)
    even = np.full_like(masses, 1 / masses.shape[1])
    np.divide(masses, total, out=even, where=total > 0)
    return even
