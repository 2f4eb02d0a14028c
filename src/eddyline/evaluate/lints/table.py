"""The table that lints look at: features of any kind beside one label a row.

What belongs here: which columns are features, codes of values, rows as hashes. What does not: judging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats, Integers

NORMAL_WORDS: Final = frozenset({"normal", "benign", "background", "0", "false", "no", "clean"})
"""Labels, in lower case, that mean no attack where the user names none."""

MAX_BINS: Final = 64
"""Values that a number is binned into before its share of the label is measured."""

SIGNIFICANT: Final = 4
"""Digits that near-equal rows are rounded to."""


@dataclass(frozen=True, slots=True)
class LintTable:
    """Rows with features and labels.

    Parameters
    ----------
    features
        The columns that a model would be given.
    labels
        Class of each row as text, length n.
    normal
        Labels that mean no attack, lower case.

    Raises
    ------
    DataError
        When there are no rows or no features, or a label is missing.
    """

    features: pl.DataFrame
    labels: pl.Series
    normal: frozenset[str] = NORMAL_WORDS

    def __post_init__(self) -> None:
        if not self.features.height or not self.features.width:
            message = (
                f"a table to lint must hold rows and features, got {self.features.height} rows and "
                f"{self.features.width} features; name other columns"
            )
            raise DataError(message)
        if self.labels.null_count():
            message = (
                f"every row needs a label, got {self.labels.null_count()} without; leave those "
                "rows out or label them"
            )
            raise DataError(message)

    @classmethod
    def of(
        cls,
        frame: pl.DataFrame,
        label: str,
        *,
        features: Sequence[str] | None = None,
        normal: Sequence[str] | None = None,
    ) -> LintTable:
        """Part a frame into features and labels; rows without a label are left out.

        Parameters
        ----------
        frame
            Any table.
        label
            Name of its label column.
        features
            Names of the columns that a model would be given; every other column by default.
        normal
            Labels that mean no attack; the usual words by default.

        Raises
        ------
        UsageError
            When a named column is not there.
        """
        chosen = [c for c in frame.columns if c != label] if features is None else list(features)
        missing = [name for name in (label, *chosen) if name not in frame.columns]
        if missing:
            message = (
                f"columns must be of the table, got {', '.join(missing)}; it has "
                f"{', '.join(frame.columns[:40])}"
            )
            raise UsageError(message)
        nested = [name for name in chosen if frame[name].dtype.is_nested()]
        if nested:
            message = (
                f"features must be numbers or text, got lists in {', '.join(nested)}; name others by "
                "--features"
            )
            raise UsageError(message)
        known = frame.filter(pl.col(label).is_not_null())
        words = NORMAL_WORDS if normal is None else frozenset(n.lower() for n in normal)
        classes = set(known[label].cast(pl.String).str.to_lowercase().str.strip_chars())
        if normal is not None and not words <= classes:
            message = (
                f"normal labels must be of the column {label!r}, got {', '.join(sorted(words - classes))}; "
                f"it has {', '.join(sorted(classes)[:20])}"
            )
            raise UsageError(message)
        return cls(known.select(chosen), known[label].cast(pl.String), words)

    @property
    def attack(self) -> NDArray[np.bool_]:
        """True where a row's label does not mean normal, shape ``(n,)``."""
        lowered = self.labels.str.to_lowercase().str.strip_chars()
        return ~lowered.is_in(sorted(self.normal)).to_numpy()

    @property
    def class_codes(self) -> tuple[list[str], Integers]:
        """Names of the classes, sorted, and each row's number among them."""
        names, codes = np.unique(self.labels.to_numpy().astype(np.str_), return_inverse=True)
        return [str(name) for name in names], codes.astype(np.int64)

    def take(self, rows: NDArray[Any]) -> LintTable:
        """Keep some rows.

        Parameters
        ----------
        rows
            Mask or row numbers.
        """
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return LintTable(self.features[index], self.labels.gather(index), self.normal)


def numeric(column: pl.Series) -> Floats | None:
    """Give a column of numbers, missing ones below all others; None for text.

    Parameters
    ----------
    column
        Any column.
    """
    if not (column.dtype.is_numeric() or column.dtype in (pl.Boolean, pl.Datetime, pl.Duration)):
        return None
    values = column.to_physical().cast(pl.Float64).to_numpy().copy()
    finite = np.isfinite(values)
    floor = values[finite].min() - 1.0 if finite.any() else 0.0
    values[~finite] = floor
    return values


def coded(column: pl.Series, *, max_bins: int = MAX_BINS) -> Integers:
    """Give each row a small number: its value where there are few, else its quantile bin.

    Text of many values keeps its commonest ones apart; the others share a number.

    Parameters
    ----------
    column
        Any column.
    max_bins
        Numbers given at most.
    """
    values = numeric(column)
    if values is None:
        named = column.cast(pl.String).fill_null("")
        counts = named.value_counts(sort=True)
        common = counts.head(max_bins - 1)[named.name].to_list()
        place = {name: number for number, name in enumerate(common)}
        codes = named.replace_strict(place, default=max_bins - 1, return_dtype=pl.Int64)
        return codes.to_numpy().astype(np.int64)
    distinct = np.unique(values)
    if len(distinct) > max_bins:
        distinct = np.unique(np.quantile(values, np.arange(max_bins) / max_bins, method="lower"))
        return np.searchsorted(distinct, values, side="right").astype(np.int64) - 1
    return np.searchsorted(distinct, values).astype(np.int64)


def row_hashes(features: pl.DataFrame, *, rounded: bool = False) -> NDArray[np.uint64]:
    """Give each row a number that is equal for equal rows, whatever their order.

    Parameters
    ----------
    features
        Rows.
    rounded
        True to round numbers to ``SIGNIFICANT`` digits first.
    """
    floats = [c for c, kind in features.schema.items() if kind.is_float()]
    integers = [c for c, kind in features.schema.items() if kind.is_integer()]
    near = features
    if rounded:
        near = features.with_columns(
            pl.col(*floats, *integers).cast(pl.Float64).round_sig_figs(SIGNIFICANT)
            if floats or integers
            else []
        )
    return near.hash_rows(seed=0).to_numpy().astype(np.uint64)
