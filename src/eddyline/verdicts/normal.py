"""What is normal for the rows of one view: ranges of the network, pasts of entities, the alarm level.

What belongs here: everything a view's verdicts need beside its legs. What does not: scoring.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import ModelError
from eddyline.features.profile import Profile
from eddyline.features.view import View
from eddyline.tables import Floats
from eddyline.verdicts.explain import normal_quantiles, normal_range
from eddyline.verdicts.leg import LegRows, min_windows

DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class ViewNormal:
    """Normal of one view.

    Parameters
    ----------
    low, high
        Normal range of each feature over the network, shape ``(d,)``.
    centre
        Median of each feature, shape ``(d,)``.
    quantiles
        Distribution of normal at ``NORMAL_LEVELS``, shape ``(8, d)``.
    profile
        Each entity's own past.
    rows_per_day
        Rows the view gives a day, by the traffic that was learned.
    n_rows
        Rows that were learned from.
    """

    low: Floats
    high: Floats
    centre: Floats
    quantiles: Floats
    profile: Profile
    rows_per_day: float
    n_rows: int

    @classmethod
    def fit(cls, view: View, rows: LegRows, n_rows: int, span_us: int) -> ViewNormal:
        """Learn normal from rows.

        Parameters
        ----------
        view
            Whose rows they are.
        rows
            Rows of normal, at least one.
        n_rows
            Rows there were before any were left out to save memory.
        span_us
            Time the rows cover, µs.
        """
        low, high = normal_range(rows.X)
        days = max(span_us, view.window_us) / DAY_US
        return cls(
            low=low,
            high=high,
            centre=np.median(rows.X, axis=0),
            quantiles=normal_quantiles(rows.X),
            profile=Profile.fit(rows.entities, rows.X, min_windows=min_windows(view.name)),
            rows_per_day=n_rows / days,
            n_rows=len(rows),
        )

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays of numbers and text."""
        return {
            "low": self.low,
            "high": self.high,
            "centre": self.centre,
            "quantiles": self.quantiles,
            "rows_per_day": np.array(self.rows_per_day),
            "n_rows": np.array(self.n_rows),
            **{f"past_{k}": v for k, v in profile_arrays(self.profile).items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> ViewNormal:
        """Build from what ``to_arrays`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.
        width
            Features of the view.

        Raises
        ------
        ModelError
            When a part is missing or of another shape.
        """
        past = {k.removeprefix("past_"): v for k, v in arrays.items() if k.startswith("past_")}
        profile = profile_from_arrays(past)
        shapes = {
            "low": (width,),
            "high": (width,),
            "centre": (width,),
            "quantiles": (8, width),
            "rows_per_day": (),
            "n_rows": (),
        }
        for name, shape in shapes.items():
            if name not in arrays or np.shape(arrays[name]) != shape:
                message = f"a saved normal must hold {name!r} of shape {shape}; learn it again"
                raise ModelError(message)
        return cls(
            low=np.asarray(arrays["low"], np.float64),
            high=np.asarray(arrays["high"], np.float64),
            centre=np.asarray(arrays["centre"], np.float64),
            quantiles=np.asarray(arrays["quantiles"], np.float64),
            profile=profile,
            rows_per_day=float(arrays["rows_per_day"]),
            n_rows=int(arrays["n_rows"]),
        )


_PARTS = ("low", "high", "middle", "ends_high", "stand_in")


def profile_arrays(profile: Profile) -> dict[str, NDArray[Any]]:
    """Give a profile as arrays of numbers and text.

    Parameters
    ----------
    profile
        The pasts to save.
    """
    names = {"entities": profile.entities, "ends": profile.ends}
    return {**names, **{part: getattr(profile, part) for part in _PARTS}}


def profile_from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Profile:
    """Build a profile from what ``profile_arrays`` gave.

    Parameters
    ----------
    arrays
        The state; checked before use.

    Raises
    ------
    ModelError
        When a part is missing or shapes disagree.
    """
    try:
        entities = np.asarray(arrays["entities"]).astype(np.str_)
        ends = np.asarray(arrays["ends"]).astype(np.str_)
        parts = {part: np.asarray(arrays[part], np.float64) for part in _PARTS}
    except (KeyError, ValueError) as error:
        message = f"a saved profile must hold entities, ends and their ranges, got {error}"
        raise ModelError(message) from error
    width = parts["stand_in"].shape
    own = {parts[part].shape for part in ("low", "high", "middle")}
    if own != {(len(entities), *width)} or parts["ends_high"].shape != (len(ends), *width):
        message = f"a saved profile's ranges must fit its entities, got {own}; learn it again"
        raise ModelError(message)
    return Profile(
        entities,
        parts["low"],
        parts["high"],
        parts["middle"],
        ends,
        parts["ends_high"],
        parts["stand_in"],
    )
