"""Which rows a batch holds: rare classes drawn more often, and how probabilities are put back afterwards.

What belongs here: draws of row numbers for training and the correction they call for. What does not: the loss
and the loop.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers


def sampled_shares(class_weights: Floats, power: float) -> Floats:
    """Give the share that each class has among rows drawn with weight ``n**-power``.

    Parameters
    ----------
    class_weights
        Rows of each class, or the sum of their weights, shape ``(k,)``, not negative, not all nought.
    power
        0 draws classes as they come, 1 equally often, 0.5 lies between; in [0, 1].

    Raises
    ------
    UsageError
        When the power is out of range.

    Examples
    --------
    >>> sampled_shares(np.array([900.0, 100.0]), 0.5)
    array([0.75, 0.25])
    """
    if not 0.0 <= power <= 1.0:
        message = f"the sampler's power must be in [0, 1], got {power}; 0.5 is the default"
        raise UsageError(message)
    present = class_weights > 0
    raised = np.where(present, np.where(present, class_weights, 1.0) ** (1.0 - power), 0.0)
    shares: Floats = raised / raised.sum()
    return shares


def undo_sampling(probabilities: Floats, trained: Floats, sampled: Floats) -> Floats:
    """Put probabilities of a model trained on drawn rows back to the shares of the training rows.

    Parameters
    ----------
    probabilities
        Rows of class probabilities, shape ``(n, k)``.
    trained
        Shares of the classes among the training rows, shape ``(k,)``.
    sampled
        Shares among the drawn rows, shape ``(k,)``, above nought wherever ``trained`` is.
    """
    ratio = np.divide(trained, sampled, out=np.zeros_like(trained), where=sampled > 0)
    weighted: Floats = probabilities * ratio
    weighted /= weighted.sum(axis=1, keepdims=True)
    return weighted


class ClassSampler:
    """Draw rows with replacement: a class by its sampled share, then a row of that class by weight.

    Parameters
    ----------
    codes
        Class of each row as 0 .. k - 1, shape ``(n,)``, at least one row.
    power
        Exponent g of the rows' weight ``n_class**-g``, in [0, 1].
    weights
        Weights of the rows, shape ``(n,)``, not negative; None weighs all equally.
    chance
        Generator to draw from.

    Raises
    ------
    DataError
        When no row has a weight.
    UsageError
        When the power is out of range.
    """

    def __init__(
        self,
        codes: Integers,
        power: float,
        chance: np.random.Generator,
        weights: Floats | None = None,
    ) -> None:
        self._chance = chance
        totals = np.bincount(codes, weights=weights).astype(np.float64)
        if not totals.sum() > 0:
            message = (
                "the rows to draw from must have weight, but their sum is 0; leave weights out"
            )
            raise DataError(message)
        self.trained: Floats = totals / totals.sum()
        self.sampled: Floats = sampled_shares(totals, power)
        self._rows = np.argsort(codes, kind="stable")
        self._starts = np.searchsorted(codes[self._rows], np.arange(len(totals) + 1))
        self._edges = np.cumsum(self.sampled)
        self._edges[-1] = 1.0
        self._heights = None if weights is None else np.cumsum(weights[self._rows])

    def draw(self, n: int) -> Integers:
        """Draw row numbers, shape ``(n,)``.

        Parameters
        ----------
        n
            How many, ``>= 1``.
        """
        drawn = np.searchsorted(self._edges, self._chance.random(n), side="right")
        inside = self._chance.random(n)
        start, stop = self._starts[drawn], self._starts[drawn + 1]
        if self._heights is None:
            place = start + (inside * (stop - start)).astype(np.int64)
            return self._rows[place]
        return self._rows[self._by_weight(self._heights, start, stop, inside)]

    @staticmethod
    def _by_weight(
        heights: Floats, start: Integers, stop: Integers, inside: Floats
    ) -> NDArray[np.intp]:
        """Find the row of each class below which the drawn share of its weight lies."""
        low = np.where(start > 0, heights[start - 1], 0.0)
        goal = low + inside * (heights[stop - 1] - low)
        place = np.searchsorted(heights, goal, side="right")
        return np.clip(place, start, stop - 1)
