"""What normal flows look like to a trained classifier that has not learned from them.

What belongs here: the evidence of a host and hour for a class, its calibration on normal flows of left-out
days, and the normal ranges that reasons are told against. What does not: the classifier (``classifiers``) and
which story the evidence tells (``incidents.classes``).

One flow called by a class proves little: of ten thousand normal ones some always are. So evidence is added up
over the flows of one **host and hour**, source or destination, and held against the same sum of hosts and
hours that were wholly normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import ModelError, TooFewRowsError
from eddyline.tables import Floats
from eddyline.verdicts.calibrate import Calibrator
from eddyline.verdicts.explain import normal_quantiles, normal_range
from eddyline.verdicts.threshold import budget_threshold

HOUR_US: Final = 3_600_000_000
HOURS_A_DAY: Final = 24

MOST_LEVEL: Final = 0.01
"""No host and hour alarms above this p-value, however few of them there are in a day."""


def evidence_of(called: pl.DataFrame) -> pl.DataFrame:
    """Give the evidence for each class of each host and hour: ``hour, host, called, evidence, is_source``.

    Evidence is the sum of the log-odds against normal of the flows that were called so, over those that the
    host has a part in. ``is_source`` is true where it began more than half of them.

    Parameters
    ----------
    called
        Flows called by a class that is not the normal one: ``src_ip, dst_ip, ts_end, called, odds``.
    """
    src, dst = pl.col("src_ip").cast(pl.String), pl.col("dst_ip").cast(pl.String)
    shared = (pl.col("ts_end") // HOUR_US).alias("hour"), pl.col("called"), pl.col("odds")
    ends = pl.concat(
        [
            called.select(*shared, src.alias("host"), pl.lit(1.0).alias("begun")),
            called.filter(src != dst).select(
                *shared, dst.alias("host"), pl.lit(0.0).alias("begun")
            ),
        ]
    )
    ordered = ends.sort("hour", "host", "called", "odds", "begun")
    each = ordered.group_by("hour", "host", "called", maintain_order=True)
    summed = each.agg(pl.col("odds").sum().alias("evidence"), pl.col("begun").mean())
    return summed.select(
        "hour", "host", "called", "evidence", (pl.col("begun") > 0.5).alias("is_source")
    )


@dataclass(frozen=True, slots=True)
class ClassNormal:
    """Normal flows of left-out days, as a trained model saw them.

    Parameters
    ----------
    calibrator
        Turns the evidence of a host and hour into a p-value.
    rows_per_day
        Hosts and hours of a day.
    low, high, centre
        Normal range and median of each feature, shape ``(d,)``.
    quantiles
        Distribution of normal at ``NORMAL_LEVELS``, shape ``(8, d)``.
    """

    calibrator: Calibrator
    rows_per_day: float
    low: Floats
    high: Floats
    centre: Floats
    quantiles: Floats

    @classmethod
    def fit(cls, normal: pl.DataFrame, X: NDArray[Any]) -> Self:
        """Learn from normal flows that models judged which had not learned from them.

        Parameters
        ----------
        normal
            One row a flow: ``src_ip, dst_ip, ts_end, called, odds``; ``called`` is null where it was taken
            for normal.
        X
            Features of normal flows, shape ``(n, d)``.

        Raises
        ------
        TooFewRowsError
            When there is no normal flow.
        """
        if not normal.height:
            message = (
                "naming incidents by class needs normal flows of left-out days, got none; train on "
                "more days, or on a longer one"
            )
            raise TooFewRowsError(message)
        text = pl.col("src_ip", "dst_ip").cast(pl.String)
        hours = normal.select((pl.col("ts_end") // HOUR_US).alias("hour"), text)
        hosts = pl.concat(
            [hours.select("hour", pl.col(end).alias("host")) for end in ("src_ip", "dst_ip")]
        ).unique()
        worst = evidence_of(normal.drop_nulls("called")).group_by("hour", "host")
        told = hosts.join(
            worst.agg(pl.col("evidence").max()), on=["hour", "host"], how="left"
        ).fill_null(0.0)
        low, high = normal_range(X)
        return cls(
            calibrator=Calibrator.fit(told["evidence"].to_numpy()),
            rows_per_day=hosts.height / hours["hour"].n_unique() * HOURS_A_DAY,
            low=low,
            high=high,
            centre=np.median(np.asarray(X, np.float64), axis=0),
            quantiles=normal_quantiles(X),
        )

    def level(self, budget: float) -> float:
        """Give the p-value at or below which a host and hour alarms.

        Where normal is too short to tell a level that low, what is beyond everything normal alarms.

        Parameters
        ----------
        budget
            False alarms a day, ``> 0``.
        """
        wanted = min(budget_threshold(budget, self.rows_per_day).value, MOST_LEVEL)
        return max(wanted, self.calibrator.floor) if self.calibrator.tail is None else wanted

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays of numbers and text."""
        return {
            "low": self.low,
            "high": self.high,
            "centre": self.centre,
            "quantiles": self.quantiles,
            "rows_per_day": np.array(self.rows_per_day),
            **{f"calibrator_{k}": v for k, v in self.calibrator.to_arrays().items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], width: int) -> Self:
        """Build from what ``to_arrays`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.
        width
            Number of features.

        Raises
        ------
        ModelError
            When a part is missing or could not have been learned.
        """
        prefix = "calibrator_"
        own = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        try:
            calibrator = Calibrator.from_arrays(own)
            low, high, centre = (
                np.asarray(arrays[name], np.float64) for name in ("low", "high", "centre")
            )
            quantiles = np.asarray(arrays["quantiles"], np.float64)
            rows_per_day = float(arrays["rows_per_day"])
        except (KeyError, TypeError, ValueError) as error:
            message = f"a saved account of normal flows must be whole, got {error!r}; train again"
            raise ModelError(message) from error
        parts = (low, high, centre, *quantiles)
        shapes = {part.shape for part in parts}
        finite = all(np.isfinite(part).all() for part in parts)
        if shapes != {(width,)} or not finite or not rows_per_day > 0:
            message = (
                f"a saved account of normal flows must tell of {width} features, got {shapes}; "
                "train again"
            )
            raise ModelError(message)
        return cls(calibrator, rows_per_day, low, high, centre, quantiles)
