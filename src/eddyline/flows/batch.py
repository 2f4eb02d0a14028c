"""A batch of flows: a frame that keeps the promises of the record, with its labels beside it.

What belongs here: making a batch, checking it, cutting and joining it. What does not: what a column
means (``record.py``) and anything that reads a file (``read/``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from eddyline.errors import DataError
from eddyline.flows.record import CORE_SCHEMA, LABEL_SCHEMA, STATISTICS_SCHEMA

BATCH_ROWS: Final = 1 << 16
"""Rows of a batch: enough that a batch's own cost is lost in them, few enough that it stays in 50 MB."""


@dataclass(frozen=True, slots=True)
class FlowBatch:
    """Flows in event-time order: by ``ts_end``, ties by ``ts``, then ``uid``.

    Parameters
    ----------
    frame
        One row a flow; the columns of ``record.CORE`` in their order, then any of
        ``record.STATISTICS``.
    labels
        As many rows as ``frame``, columns ``label`` and ``label_detail``; None when the source has
        no labels. No detector ever sees it.
    """

    frame: pl.DataFrame
    labels: pl.DataFrame | None = None

    def __len__(self) -> int:
        return self.frame.height

    @classmethod
    def of(cls, frame: pl.DataFrame, labels: pl.DataFrame | None = None) -> FlowBatch:
        """Bring a frame to the record's columns, order and types.

        Absent columns are filled with null, unknown ones are an error.

        Parameters
        ----------
        frame
            Columns of the record, in any order; missing ones become null.
        labels
            See the class.

        Raises
        ------
        DataError
            When a column is not in the record, cannot be cast to its type, or the labels have
            another height.
        """
        unknown = [
            name
            for name in frame.columns
            if name not in CORE_SCHEMA and name not in STATISTICS_SCHEMA
        ]
        if unknown:
            message = (
                f"a flow's columns must be in the flow record, got {unknown[0]!r}; "
                "rename it, or drop it before making a batch"
            )
            raise DataError(message)
        if labels is not None and labels.height != frame.height:
            message = (
                f"labels must have a row for each flow, got {labels.height} labels for "
                f"{frame.height} flows; pass one label a flow"
            )
            raise DataError(message)
        try:
            typed = pl.DataFrame(_typed(frame))
        except pl.exceptions.PolarsError as error:
            message = f"a flow's columns must have the record's types; {error}"
            raise DataError(message) from error
        if labels is not None:
            labels = labels.select(
                pl.col(name).cast(dtype) for name, dtype in LABEL_SCHEMA.items()
            )
        return cls(typed, labels)

    @classmethod
    def empty(cls) -> FlowBatch:
        """Give a batch of no flows."""
        return cls(pl.DataFrame(schema=CORE_SCHEMA))

    @classmethod
    def concat(cls, batches: Sequence[FlowBatch]) -> FlowBatch:
        """Join batches end to end; labels are kept when every batch that has rows has them.

        Parameters
        ----------
        batches
            Any number; statistics are kept only where all have them.
        """
        kept = [batch for batch in batches if len(batch)]
        if not kept:
            return cls.empty()
        shared = [
            name for name in kept[0].frame.columns if all(name in b.frame.columns for b in kept)
        ]
        frame = pl.concat([batch.frame.select(shared) for batch in kept])
        labels = [batch.labels for batch in kept if batch.labels is not None]
        return cls(frame, pl.concat(labels) if len(labels) == len(kept) else None)

    def slice(self, offset: int, length: int) -> FlowBatch:
        """Cut rows ``offset`` (included) to ``offset + length`` (excluded).

        Parameters
        ----------
        offset
            First row, ``>= 0``.
        length
            Rows at the most, ``>= 0``.
        """
        labels = None if self.labels is None else self.labels.slice(offset, length)
        return FlowBatch(self.frame.slice(offset, length), labels)

    def sort(self) -> FlowBatch:
        """Order by ``ts_end``, ties by ``ts``, then ``uid``; the order in which flows travel."""
        order = self.frame.select(pl.arg_sort_by(["ts_end", "ts", "uid"])).to_series()
        labels = None if self.labels is None else self.labels[order]
        return FlowBatch(self.frame[order], labels)


def _typed(frame: pl.DataFrame) -> list[pl.Series]:
    """Give a frame's columns in the record's order and types; one that has its type is taken as it is."""
    given = {column.name: column for column in frame.get_columns()}
    columns: list[pl.Series] = []
    for name, dtype in (*CORE_SCHEMA.items(), *STATISTICS_SCHEMA.items()):
        column = given.get(name)
        if column is None:
            if name in STATISTICS_SCHEMA:
                continue
            column = pl.Series(name, [None], dtype).new_from_index(0, frame.height)
        elif column.dtype != dtype:
            column = column.cast(dtype)
        if name == "quality" and column.has_nulls():
            column = column.fill_null(0)
        columns.append(column)
    return columns
