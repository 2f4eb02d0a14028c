"""Families of flows: those with one value of a column are held against a normal of their own.

What belongs here: which columns can part flows, the value of each flow, and the account of what the shared
part judged in place of a family's own. What does not: learning and judging (``part.py``, ``pipeline.py``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from eddyline.errors import UsageError
from eddyline.flows.record import CORE

FAMILY: Final = "family"
"""Column of derived flows that holds the value by which they are parted."""

MOST_FAMILIES: Final = 64
"""Values of the column for which a model is learned; each costs as much as the shared one."""

COLUMNS: Final = tuple(
    column.name
    for column in CORE
    if column.dtype in (pl.Categorical, pl.UInt8, pl.UInt16) and column.name != "quality"
)
"""Columns of the record that can part flows: texts that repeat and small whole numbers."""


def checked_column(name: str) -> str:
    """Give the name of a column that can part flows, or raise by name.

    Parameters
    ----------
    name
        One of ``COLUMNS``.

    Raises
    ------
    UsageError
        When there is no such column, or it cannot part flows.
    """
    if name not in COLUMNS:
        message = (
            f"--per must name one of {', '.join(COLUMNS)}, got {name!r}; a column of a table of your own "
            "becomes one by --map, such as --map sensor=device_family"
        )
        raise UsageError(message)
    return name


def families_of(frame: pl.DataFrame, per: str) -> pl.Series:
    """Give each flow's value of the column as text, ``""`` where it has none.

    Parameters
    ----------
    frame
        Flows of the record.
    per
        One of ``COLUMNS``.
    """
    return frame[per].cast(pl.String).fill_null("").alias(FAMILY)


def parted(flows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Part flows by family, in the order of the families' names; one family ``""`` without the column.

    Parameters
    ----------
    flows
        Derived flows of closed windows.
    """
    if FAMILY not in flows.columns:
        return {"": flows}
    found = flows.partition_by(FAMILY, as_dict=True, maintain_order=True)
    return {str(key[0]): part for key, part in sorted(found.items())}


def refuse_many(column: str, n_values: int) -> None:
    """Raise when a column has more values than models are learned for.

    Parameters
    ----------
    column
        Its name.
    n_values
        How many it has.

    Raises
    ------
    UsageError
        When there are more than ``MOST_FAMILIES``.
    """
    if n_values > MOST_FAMILIES:
        message = (
            f"--per {column} must have at most {MOST_FAMILIES} values, has {n_values}; choose a coarser "
            "column"
        )
        raise UsageError(message)


@dataclass(slots=True)
class Account:
    """Flows that families judged, and those that the shared part judged in their place.

    Parameters
    ----------
    own
        Flows of families with a model of their own, by family.
    unseen
        Flows of values that were never learned, by value; ``""`` for flows without one.
    """

    own: Counter[str] = field(default_factory=Counter)
    unseen: Counter[str] = field(default_factory=Counter)

    def sentence(self, column: str) -> str:
        """Say who judged.

        Parameters
        ----------
        column
            The column that parts the flows.
        """
        told = f"{sum(self.own.values()):,} flows by the normal of their own {column} ({len(self.own)})"
        if not self.unseen:
            return told
        names = ", ".join(value or "none" for value, _ in self.unseen.most_common(3))
        more = ", …" if len(self.unseen) > 3 else ""
        return (
            f"{told}; {sum(self.unseen.values()):,} flows of {len(self.unseen)} that were not learned "
            f"({names}{more}) by the shared one"
        )
