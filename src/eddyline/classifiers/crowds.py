"""Near copies of a row count together: a thousand tries of one source are not a thousand witnesses.

What belongs here: the weight of a row among those of its key and period. What does not: weights of classes
(``boosting.py``) and of decisions (``weights.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


def crowd_weights(keys: Sequence[ArrayLike], periods: Integers, crowding: float) -> Floats:
    """Give each row's weight, ``n ** -crowding`` of n rows of its finest key and period, shape ``(n,)``.

    Parameters
    ----------
    keys
        Keys of each row, from the coarse to the fine, one array a kind; may be empty when crowding is 0.
    periods
        Day of each row, from 0.
    crowding
        In [0, 1]: 0 lets every row count in full, 1 lets the rows of one key and day count as one.

    Raises
    ------
    UsageError
        When crowding is outside its range.

    Examples
    --------
    >>> crowd_weights([["a", "a", "b", "a"]], np.array([0, 0, 0, 1]), 1.0).tolist()
    [0.5, 0.5, 1.0, 1.0]
    """
    if not 0 <= crowding <= 1:
        message = f"crowding must be in [0, 1], got {crowding}; 0 lets every row count in full"
        raise UsageError(message)
    if not crowding:
        return np.ones(len(periods))
    place = np.unique(np.asarray(keys[-1], np.str_), return_inverse=True)[1].astype(np.int64)
    crowd = np.unique(place * (int(periods.max()) + 1) + periods, return_inverse=True)[1]
    return np.asarray(np.bincount(crowd)[crowd].astype(np.float64) ** -crowding)
