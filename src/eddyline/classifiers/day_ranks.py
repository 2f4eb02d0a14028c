"""Each day ranked by itself: what a value is among those of its own day.

What belongs here: ranks within days, for days whose sensors, loads or units differ. What does not: scalings
that are learned from training rows (``deep/scaling.py``).

A row's rank depends on the other rows of its day, so what is judged by it is transductive and cannot be
judged as it comes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from eddyline.errors import DataError


def ranked_by_day(X: NDArray[Any], days: ArrayLike) -> NDArray[np.float32]:
    """Give each value's rank within its column and day, in (0, 1); ties share the middle of their ranks.

    A column that holds only 0 and 1 is a flag and keeps its values.

    Parameters
    ----------
    X
        Rows, shape ``(n, d)``, finite.
    days
        Day of each row, shape ``(n,)``.

    Raises
    ------
    DataError
        When there is not one day a row.

    Examples
    --------
    >>> ranked_by_day(np.array([[5.0], [7.0], [900.0], [700.0]]), [1, 1, 2, 2]).ravel().tolist()
    [0.25, 0.75, 0.75, 0.25]
    """
    numbers = np.asarray(days)
    if numbers.shape != (len(X),):
        message = f"days must name the day of each of {len(X)} rows, got shape {numbers.shape}"
        raise DataError(message)
    flags = ((X == 0) | (X == 1)).all(axis=0)
    out = X.astype(np.float32)
    for day in np.unique(numbers):
        own = numbers == day
        part = X[own][:, ~flags]
        ranks = (rankdata(part, axis=0) - 0.5) / len(part)
        place = np.ix_(own, ~flags)
        out[place] = ranks
    return out
