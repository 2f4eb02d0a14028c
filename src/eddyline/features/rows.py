"""Flows as a classifier takes them: a matrix, the keys that are remembered, and which flow a row is.

What belongs here: features of a named set beside keys, times and labels of the same rows. What does not: the
features (``around.py`` and others) and what is learned from them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError
from eddyline.features.sets import FlowSet, flow_set
from eddyline.flows.batch import FlowBatch

SHOWN: Final = ("uid", "ts", "ts_end", "src_ip", "src_port", "dst_ip", "dst_port", "proto")
"""Columns that say which flow a row is."""


@dataclass(frozen=True, slots=True)
class FlowRows:
    """Flows as a classifier takes them.

    Parameters
    ----------
    X
        Features, shape ``(n, d)``.
    pairs, services
        Unordered pair of hosts of each row, and the pair with protocol and service.
    frame
        Columns that say which flow a row is.
    labels
        Label of each row; None when the flows have none.
    """

    X: NDArray[Any]
    pairs: NDArray[np.str_]
    services: NDArray[np.str_]
    frame: pl.DataFrame
    labels: pl.Series | None = None

    @property
    def keys(self) -> tuple[NDArray[np.str_], NDArray[np.str_]]:
        """The keys that are remembered, from the coarse to the fine."""
        return self.pairs, self.services

    def __len__(self) -> int:
        return len(self.X)


def flow_rows(batches: Iterable[FlowBatch], feature_set: str) -> FlowRows:
    """Turn flows into rows, in their order.

    Parameters
    ----------
    batches
        Flows in event-time order.
    feature_set
        Name of a set of ``features.sets``.

    Raises
    ------
    DataError
        When there is no flow.
    """
    made = flow_set(feature_set)
    parts = [rows_of(batch, made) for batch in batches if len(batch)]
    if not parts:
        message = "flows must be given, got none; name inputs that hold flows"
        raise DataError(message)
    label = pl.concat([_labels(part) for part in parts])
    return FlowRows(
        np.concatenate([part.X for part in parts]),
        np.concatenate([part.pairs for part in parts]),
        np.concatenate([part.services for part in parts]),
        pl.concat([part.frame for part in parts]),
        None if label.null_count() == len(label) else label,
    )


def rows_of(batch: FlowBatch, made: FlowSet) -> FlowRows:
    """Turn the next flows of a stream into rows.

    Parameters
    ----------
    batch
        One flow or more, none before those that the set was given earlier.
    made
        A feature set that has seen the stream so far.
    """
    frame = batch.frame.select(*SHOWN, *_keys())
    return FlowRows(
        made.update(batch.frame),
        frame["pair"].to_numpy().astype(np.str_),
        frame["pair_service"].to_numpy().astype(np.str_),
        frame.drop("pair", "pair_service"),
        None if batch.labels is None else batch.labels["label"],
    )


def _labels(part: FlowRows) -> pl.Series:
    if part.labels is None:
        return pl.Series("label", [None] * len(part), pl.String)
    return part.labels


def _keys() -> list[pl.Expr]:
    src, dst = pl.col("src_ip").cast(pl.String), pl.col("dst_ip").cast(pl.String)
    pair = pl.concat_str(pl.min_horizontal(src, dst), pl.lit("|"), pl.max_horizontal(src, dst))
    port = pl.min_horizontal("src_port", "dst_port").cast(pl.Int32).fill_null(-1)
    service = pl.concat_str(pair, pl.lit("|"), pl.col("proto").cast(pl.String), pl.lit("/"), port)
    return [pair.alias("pair"), service.alias("pair_service")]
