"""The 61 NFStream-style features of a flow that the density papers use, as a named set.

What belongs here: their names, in order, and taking them from the record. What does not: metering them, which
``flows`` does, and logarithms or scales, which belong to each model.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError

DIRECTIONS: Final = ("bidirectional", "src2dst", "dst2src")
SUMMARIES: Final = ("min", "mean", "stddev", "max")
FLAGS: Final = ("syn", "cwr", "ece", "urg", "ack", "psh", "rst", "fin")

IDENTITY: Final = ("src_port", "dst_port", "ip_proto", "ip_version")
"""Columns of the core record; the source port as a number is noise, so the default set drops it."""

STATISTICS61: Final = (
    *(f"{way}_{what}" for way in DIRECTIONS for what in ("duration_ms", "packets", "bytes")),
    *(f"{way}_{kind}_ps" for way in DIRECTIONS for kind in SUMMARIES),
    *(f"{way}_{kind}_piat_ms" for way in DIRECTIONS for kind in SUMMARIES),
    *(f"{way}_{flag}_packets" for way in DIRECTIONS for flag in FLAGS),
)
"""Columns that flows have when they are metered with statistics."""

MISSING: Final = -1.0
"""What a value that the source of the flow does not tell becomes; no true value is negative."""


class NfStream61:
    """The 61 columns as published, the source port among them.

    References
    ----------
    Najari, Berlemont, Lefebvre, Duffner, Garcia, AINA 2022, doi:10.1007/978-3-030-99587-4_24, on MedBIoT;
    the names are NFStream's, but for ``ip_proto``.
    """

    names: tuple[str, ...] = (*IDENTITY, *STATISTICS61)

    def update(self, frame: pl.DataFrame) -> NDArray[Any]:
        """Give the rows of some flows; each is of its own flow alone.

        Parameters
        ----------
        frame
            Flows with the core columns and the statistics of the record.

        Raises
        ------
        DataError
            When the flows have no statistics.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            message = (
                f"this feature set needs flows with statistics, {absent[0]!r} and "
                f"{len(absent) - 1} more are absent; meter a capture with statistics, as "
                f"'eddyline flows --statistics' does"
            )
            raise DataError(message)
        columns = [pl.col(name).cast(pl.Float64).fill_null(MISSING) for name in self.names]
        rows: NDArray[Any] = frame.select(columns).to_numpy()
        return np.ascontiguousarray(rows)


class NfStream60(NfStream61):
    """The same without the source port."""

    names = tuple(name for name in NfStream61.names if name != "src_port")
