"""Questions about what was learned: an entity's own past, the network's range and peak.

What belongs here: looking up one feature of one view. What does not: learning it (``normal.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from eddyline.features.registry import VIEWS
from eddyline.verdicts.normal import ViewNormal

MIN_PEAK_ROWS: Final = 200
"""Rows below which the largest of them says nothing about what a network does."""


@dataclass(frozen=True, slots=True)
class Known:
    """What was learned, by view.

    Parameters
    ----------
    normals
        Normal of each view, by name; empty when nothing was learned.
    services
        Names of the services inside that answered, ``address|proto/port``.
    learned_us
        Time that was learned, µs.
    from_itself
        True when the learned traffic is the judged one: then a past proves little.
    """

    normals: Mapping[str, ViewNormal]
    services: Sequence[str] = ()
    learned_us: int = 0
    from_itself: bool = False

    def own_range(self, grain: str, entity: str, feature: str) -> tuple[float, float] | None:
        """Give the smallest and largest value of an entity's own past; None when it has none.

        Parameters
        ----------
        grain
            Name of a view.
        entity
            The row's keys, joined by ``|``.
        feature
            Name of a feature of that view.
        """
        found = self._of(grain, feature)
        if found is None:
            return None
        normal, column = found
        profile = normal.profile
        place = int(profile.find([entity])[0])
        if place < 0:
            return None
        return float(profile.low[place, column]), float(profile.high[place, column])

    def own_habit(self, grain: str, entity: str, feature: str) -> float | None:
        """Give the median of an entity's own past; None when it has none.

        Parameters
        ----------
        grain
            Name of a view.
        entity
            The row's keys, joined by ``|``.
        feature
            Name of a feature of that view.
        """
        found = self._of(grain, feature)
        if found is None:
            return None
        normal, column = found
        place = int(normal.profile.find([entity])[0])
        return float(normal.profile.middle[place, column]) if place >= 0 else None

    def network_peak(self, grain: str, feature: str) -> tuple[float, float] | None:
        """Give the largest value of a feature anywhere in what was learned, and its p-value.

        None when too little was learned, or when the learned traffic was the judged one.

        Parameters
        ----------
        grain
            Name of a view.
        feature
            Name of a feature of that view.
        """
        found = self._of(grain, feature)
        if found is None or self.from_itself or found[0].n_rows < MIN_PEAK_ROWS:
            return None
        normal, column = found
        return float(normal.quantiles[-1, column]), 1.0 / (normal.n_rows + 1.0)

    def network_range(self, grain: str, feature: str) -> tuple[float, float] | None:
        """Give the network's normal range of a feature; None when nothing was learned.

        Parameters
        ----------
        grain
            Name of a view.
        feature
            Name of a feature of that view.
        """
        found = self._of(grain, feature)
        if found is None:
            return None
        normal, column = found
        return float(normal.low[column]), float(normal.high[column])

    def _of(self, grain: str, feature: str) -> tuple[ViewNormal, int] | None:
        """Give the normal of a view and the column of a feature; None when either is not known."""
        normal = self.normals.get(grain)
        if normal is None or feature not in VIEWS[grain].names:
            return None
        return normal, VIEWS[grain].names.index(feature)
