"""Event-time order over batches that come in any order, in bounded memory.

What belongs here: sorting and merging by ``ts_end``, ``ts``, ``uid``. What does not: reading.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import polars as pl

from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.record import LABEL_SCHEMA
from eddyline.read.ingest import IngestReport

FITS_ROWS: Final = 5_000_000
"""Flows that are held and sorted at once; a larger input goes through a buffer of this many."""


def ordered(
    batches: Iterable[FlowBatch],
    report: IngestReport,
    *,
    batch_rows: int = BATCH_ROWS,
    fits: int = FITS_ROWS,
) -> Iterator[FlowBatch]:
    """Give flows in event-time order.

    Up to ``fits`` flows are sorted as a whole. Of more, ``fits`` are held; when they are full, the
    earlier half is given out and its last ``ts_end`` is the watermark: flows that come before it
    afterwards are late, counted in ``report.late_rows``, and given out with the next half, first.

    Parameters
    ----------
    batches
        In any order.
    report
        Takes the count of late rows.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    fits
        Flows that are held, ``>= 2``.
    """
    held: list[FlowBatch] = []
    rows = 0
    watermark: int | None = None
    for batch in batches:
        if not len(batch):
            continue
        if watermark is not None:
            report.late_rows += int((batch.frame["ts_end"] < watermark).sum())
        held.append(batch)
        rows += len(batch)
        if rows <= fits:
            continue
        joined = joined_in_order(held)
        half = rows // 2
        yield from cut(joined.slice(0, half), batch_rows)
        last = joined.frame["ts_end"][half - 1]
        watermark = last if watermark is None else max(watermark, last)
        held = [joined.slice(half, rows - half)]
        rows -= half
    if held:
        yield from cut(joined_in_order(held), batch_rows)


def watched(batches: Iterable[FlowBatch], report: IngestReport) -> Iterator[FlowBatch]:
    """Pass on flows that come in event-time order, and count those that do not as late.

    Parameters
    ----------
    batches
        In event-time order, as far as their reader can promise.
    report
        Takes the count of late rows.
    """
    latest: int | None = None
    for batch in batches:
        if not len(batch):
            continue
        end = batch.frame["ts_end"]
        before = end.cum_max().shift(1)
        if latest is not None:
            before = before.fill_null(latest).clip(lower_bound=latest)
        report.late_rows += int((end < before).sum())
        latest = int(before.tail(1).append(end.tail(1)).max())  # type: ignore[arg-type]
        yield batch


def joined_in_order(batches: Sequence[FlowBatch]) -> FlowBatch:
    """Join batches and sort them; where only some have labels, the others get empty ones.

    Parameters
    ----------
    batches
        At least one.
    """
    if any(batch.labels is not None for batch in batches):
        batches = [
            batch
            if batch.labels is not None
            else FlowBatch(batch.frame, pl.DataFrame(_no_labels(len(batch))))
            for batch in batches
        ]
    joined = FlowBatch.concat(batches)
    return joined if is_ordered(joined.frame) else joined.sort()


def _no_labels(rows: int) -> dict[str, pl.Series]:
    """Give empty labels."""
    return {
        name: pl.repeat(None, rows, dtype=kind, eager=True) for name, kind in LABEL_SCHEMA.items()
    }


def cut(batch: FlowBatch, batch_rows: int) -> Iterator[FlowBatch]:
    """Cut a batch into smaller ones.

    Parameters
    ----------
    batch
        Any number of flows.
    batch_rows
        Rows of a piece at the most, ``>= 1``.
    """
    for offset in range(0, len(batch), batch_rows):
        yield batch.slice(offset, batch_rows)


def is_ordered(frame: pl.DataFrame) -> bool:
    """Tell whether flows already stand in event-time order.

    Parameters
    ----------
    frame
        Columns ``ts_end``, ``ts`` and ``uid``.
    """
    if frame.height < 2:
        return True
    if not frame["ts_end"].is_sorted():
        return False
    ts, uid = pl.col("ts"), pl.col("uid")
    same_end = pl.col("ts_end") == pl.col("ts_end").shift(1)
    wrong = same_end & (
        (ts < ts.shift(1)) | ((ts == ts.shift(1)) & (uid < uid.shift(1)).fill_null(value=False))
    )
    return not frame.select(wrong.fill_null(value=False).any()).item()
