"""What is normal for each entity by its own past, and how far a row lies beyond it.

What belongs here: ranges per entity learned from rows of normal. What does not: thresholds on them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddyline.tables import Floats

MIN_WINDOWS = 12
"""Windows an entity must have been seen in before it has a normal of its own."""


@dataclass(frozen=True, slots=True)
class Profile:
    """Ranges of each entity's own rows, with the whole network's range for those without one.

    Parameters
    ----------
    entities
        Entities with enough rows, sorted, shape ``(m,)``.
    low, high
        Smallest and largest value of each entity and feature, shape ``(m, d)``.
    middle
        Median of each entity and feature, shape ``(m, d)``: its habit.
    network_high
        0.99 quantile of each feature over all rows, shape ``(d,)``: the stand-in for an entity
        without a past.
    """

    entities: NDArray[np.str_]
    low: Floats
    high: Floats
    middle: Floats
    network_high: Floats

    @classmethod
    def fit(
        cls,
        entities: Sequence[str] | NDArray[np.str_],
        X: Floats,
        *,
        min_windows: int = MIN_WINDOWS,
    ) -> Profile:
        """Learn the ranges.

        Parameters
        ----------
        entities
            Whose row it is, length n.
        X
            Rows of normal, shape ``(n, d)``, finite.
        min_windows
            Rows an entity needs to have a past of its own, ``>= 1``.
        """
        names, inverse, counts = np.unique(
            np.asarray(entities, dtype=np.str_), return_inverse=True, return_counts=True
        )
        low = np.full((len(names), X.shape[1]), np.inf)
        high = np.full((len(names), X.shape[1]), -np.inf)
        np.minimum.at(low, inverse, X)
        np.maximum.at(high, inverse, X)
        known = counts >= min_windows
        middle = _medians(X, inverse, len(names))
        network = np.quantile(X, 0.99, axis=0) if len(X) else np.zeros(X.shape[1])
        return cls(names[known], low[known], high[known], middle[known], network)

    def find(self, entities: Sequence[str] | NDArray[np.str_]) -> NDArray[np.int64]:
        """Give the row of each entity in the profile, −1 for one without a past.

        Parameters
        ----------
        entities
            Names to look up, length n.
        """
        wanted = np.asarray(entities, dtype=np.str_)
        if not len(self.entities):
            return np.full(len(wanted), -1, dtype=np.int64)
        place = np.searchsorted(self.entities, wanted).clip(0, len(self.entities) - 1)
        return np.where(self.entities[place] == wanted, place, -1)

    def beyond(self, entities: Sequence[str] | NDArray[np.str_], X: Floats) -> Floats:
        """Tell how far each value lies beyond the entity's own largest, in natural log units.

        0 inside the own range; ``log((1 + x) / (1 + high))`` above it. An entity without a past is held
        against the network's 0.99 quantile.

        Parameters
        ----------
        entities
            Whose row it is, length n.
        X
            Rows, shape ``(n, d)``, ``>= 0``.
        """
        place = self.find(entities)
        high = np.where(place[:, None] >= 0, self._take(self.high, place), self.network_high)
        beyond: Floats = np.log1p(np.maximum(X, 0.0)) - np.log1p(np.maximum(high, 0.0))
        return np.maximum(beyond, 0.0)

    def _take(self, table: Floats, place: NDArray[np.int64]) -> Floats:
        if not len(table):
            return np.zeros((len(place), len(self.network_high)))
        return table[place]


def _medians(X: Floats, group: NDArray[np.int64], n_groups: int) -> Floats:
    """Give the median of each column in each group, shape ``(n_groups, d)``."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group, minlength=n_groups)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    out = np.zeros((n_groups, X.shape[1]))
    for column in range(X.shape[1]):
        by_value = order[np.argsort(X[order, column], kind="stable")]
        within = by_value[np.argsort(group[by_value], kind="stable")]
        out[:, column] = X[within[starts + (sizes - 1) // 2], column]
    return out
