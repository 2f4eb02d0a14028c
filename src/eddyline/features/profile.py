"""What is normal for each entity by its own past, and how far a row lies beyond it.

What belongs here: ranges per entity learned from rows of normal. What does not: thresholds on them.

An entity with too short a past is held against what it is made of. A pair ``a|b`` whose two ends are each
known is held against the smaller of what the two do with others; a pair with an end that was never seen
before, against what is typical of a pair. Anything else is held against the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.tables import Floats

MIN_WINDOWS = 12
"""Windows an entity must have been seen in before it has a normal of its own."""

JOINT = "|"
"""What stands between the two ends of a pair."""

Names = Sequence[str] | NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Profile:
    """Ranges of each entity's own rows, with stand-ins for entities without a past.

    Parameters
    ----------
    entities
        Entities with enough rows, sorted, shape ``(m,)``.
    low, high
        Smallest and largest value of each entity and feature, shape ``(m, d)``.
    middle
        Median of each entity and feature, shape ``(m, d)``: its habit.
    ends
        Every end of a pair that was seen, sorted, shape ``(k,)``; empty when entities are no pairs.
    ends_high
        Largest value of each end's pairs, shape ``(k, d)``.
    stand_in
        Shape ``(d,)``: for pairs the median of the entities' largest values, else the 0.99 quantile of
        all rows.
    """

    entities: NDArray[np.str_]
    low: Floats
    high: Floats
    middle: Floats
    ends: NDArray[np.str_]
    ends_high: Floats
    stand_in: Floats

    @classmethod
    def fit(cls, entities: Names, X: Floats, *, min_windows: int = MIN_WINDOWS) -> Profile:
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
        high = _largest(X, inverse, len(names))
        low = -_largest(-X, inverse, len(names))
        known = counts >= min_windows
        middle = _medians(X, inverse, len(names))
        paired = len(names) > 0 and all(JOINT in name for name in names[:1])
        if paired:
            sides = np.array([name.split(JOINT, 1) for name in names], dtype=np.str_)
            ends, place = np.unique(sides.ravel(), return_inverse=True)
            ends_high = _largest(np.repeat(high, 2, axis=0), place, len(ends))
            stand_in = np.median(high, axis=0)
        else:
            ends, ends_high = np.zeros(0, dtype=np.str_), np.zeros((0, X.shape[1]))
            stand_in = np.quantile(X, 0.99, axis=0) if len(X) else np.zeros(X.shape[1])
        return cls(names[known], low[known], high[known], middle[known], ends, ends_high, stand_in)

    def find(self, entities: Names) -> NDArray[np.int64]:
        """Give the row of each entity in the profile, −1 for one without a past.

        Parameters
        ----------
        entities
            Names to look up, length n.
        """
        return _places(self.entities, np.asarray(entities, dtype=np.str_))

    def strange(self, entities: Names) -> NDArray[np.bool_]:
        """Tell of which entities nothing was learned: no past, and for a pair nothing of either end.

        Parameters
        ----------
        entities
            Names to look up, length n.
        """
        wanted = np.asarray(entities, dtype=np.str_)
        unknown = self.find(wanted) < 0
        rest = np.flatnonzero(unknown)
        if len(self.ends) and len(rest):
            sides = pl.Series(wanted[rest]).str.split_exact(JOINT, 1).struct.unnest()
            for side in ("field_0", "field_1"):
                unknown[rest] &= _places(self.ends, sides[side].to_numpy().astype(np.str_)) < 0
        return unknown

    def usual_high(self, entities: Names) -> Floats:
        """Give the value that each row is held against, shape ``(n, d)``.

        Parameters
        ----------
        entities
            Whose row it is, length n.
        """
        wanted = np.asarray(entities, dtype=np.str_)
        place = self.find(wanted)
        high = np.broadcast_to(self.stand_in, (len(wanted), len(self.stand_in))).copy()
        own = place >= 0
        high[own] = self.high[place[own]]
        rest = np.flatnonzero(~own)
        if len(self.ends) and len(rest):
            sides = pl.Series(wanted[rest]).str.split_exact(JOINT, 1).struct.unnest()
            first = _places(self.ends, sides["field_0"].to_numpy().astype(np.str_))
            second = _places(self.ends, sides["field_1"].to_numpy().astype(np.str_))
            both = (first >= 0) & (second >= 0)
            high[rest[both]] = np.minimum(
                self.ends_high[first[both]], self.ends_high[second[both]]
            )
        return high

    def beyond(self, entities: Names, X: Floats) -> Floats:
        """Tell how far each value lies beyond what it is held against, in natural log units.

        0 inside the own range; ``log((1 + x) / (1 + high))`` above it.

        Parameters
        ----------
        entities
            Whose row it is, length n.
        X
            Rows, shape ``(n, d)``, ``>= 0``.
        """
        high = np.maximum(self.usual_high(entities), 0.0)
        beyond: Floats = np.log1p(np.maximum(X, 0.0)) - np.log1p(high)
        return np.maximum(beyond, 0.0)


def _places(names: NDArray[np.str_], wanted: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give where each wanted name stands in sorted names, −1 when it does not."""
    if not len(names):
        return np.full(len(wanted), -1, dtype=np.int64)
    place = np.searchsorted(names, wanted).clip(0, len(names) - 1)
    return np.where(names[place] == wanted, place, -1).astype(np.int64)


def _largest(X: Floats, group: NDArray[np.int64], n_groups: int) -> Floats:
    """Give the largest value of each column in each group, shape ``(n_groups, d)``."""
    out = np.full((n_groups, X.shape[1]), -np.inf)
    np.maximum.at(out, group, X)
    return out


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
