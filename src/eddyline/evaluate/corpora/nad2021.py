"""NAD 2021: the days of the challenge, with classes and counters, for whoever holds the licence-bound files.

What belongs here: which files are which day, and a day as arrays. What does not: reading a file
(``read/nad.py``), and any figure: rows may not be passed on, and labels of the test days are not public.

Source: ZYELL-NCTU NetTraffic-1.0, arXiv 2103.05767; row counts after Cheng et al. and Liu et al., 2021.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError, InputError
from eddyline.evaluate.scores import NAD_CLASSES
from eddyline.features.nad_input import NadInput, nad_input
from eddyline.read.ingest import IngestReport
from eddyline.read.nad import NadRows, read_rows
from eddyline.read.source import sources

WORTH: Final = (
    "one network, December 2020 to January 2021; rows are not to be passed on, test labels secret"
)
"""What its figures may be taken for."""


@dataclass(frozen=True, slots=True)
class NadDay:
    """One published day.

    Parameters
    ----------
    name
        Month and day, as the file's name begins.
    rows
        Rows as published, or None where only the sum of several days is.
    labelled
        True for training days.
    """

    name: str
    rows: int | None
    labelled: bool

    @property
    def file(self) -> str:
        """Name of its file."""
        return f"{self.name}_firewall.csv"


TRAINING: Final = tuple(NadDay(name, None, labelled=True) for name in ("1203", "1210", "1216"))
"""December 2020, 9,241,463 rows together."""

TEST: Final = (
    NadDay("0123", 3_601_186, labelled=False),
    NadDay("0124", 2_050_710, labelled=False),
    NadDay("0125", 2_120_819, labelled=False),
    NadDay("0126", 5_517_815, labelled=False),
)
"""January 2021."""


@dataclass(frozen=True, slots=True)
class NadPart:
    """Some flows of a day, in the order of the file.

    Parameters
    ----------
    frame
        Flows with the columns of the record.
    flows
        The same as arrays, with the counters of the file, ordered by ``ts``.
    y
        Place of each flow's class in ``scores.NAD_CLASSES``; empty for a test day.
    """

    frame: pl.DataFrame
    flows: NadInput
    y: NDArray[np.int8]


def days_in(folder: Path) -> tuple[NadDay, ...]:
    """Give the days whose files lie in a folder, in order of time.

    Parameters
    ----------
    folder
        Where the files lie.

    Raises
    ------
    InputError
        When there is none.
    """
    found = tuple(day for day in (*TRAINING, *TEST) if (folder / day.file).is_file())
    if not found:
        message = (
            f"{folder} must hold days of NAD 2021 such as {TRAINING[0].file}, holds none; the data is "
            "given out by its owners under an agreement"
        )
        raise InputError(message)
    return found


def read_day(folder: Path, day: NadDay, report: IngestReport) -> Iterator[NadPart]:
    """Read a day part by part, so that 9 million rows need little memory.

    Parameters
    ----------
    folder
        Where the files lie.
    day
        One of ``TRAINING`` and ``TEST``.
    report
        Takes counts of what was lost and what was missing.

    Raises
    ------
    InputError
        When the file is absent.
    DataError
        When a training day has a flow without one of the five classes.
    """
    path = folder / day.file
    if not path.is_file():
        message = (
            f"{day.name} of NAD 2021 must lie in {folder} as {day.file}, is absent; put it there"
        )
        raise InputError(message)
    (source,) = sources(path)
    for rows in read_rows(source.open(report), name=day.file, report=report):
        yield _part(rows, day)


def class_counts(parts: Iterator[NadPart]) -> dict[str, int]:
    """Count the flows of each class.

    Parameters
    ----------
    parts
        Of labelled days.
    """
    counts = np.zeros(len(NAD_CLASSES), dtype=np.int64)
    for part in parts:
        counts += np.bincount(part.y, minlength=len(NAD_CLASSES))
    return dict(zip(NAD_CLASSES, counts.tolist(), strict=True))


def _part(rows: NadRows, day: NadDay) -> NadPart:
    """Put classes beside arrays."""
    flows = nad_input(rows.batch.frame, counters=rows.counters, time="ts")
    if not day.labelled:
        return NadPart(rows.batch.frame, flows, np.zeros(0, dtype=np.int8))
    labels = rows.batch.labels
    known = {name: code for code, name in enumerate(NAD_CLASSES)}
    codes = (
        pl.Series("label", [None] * len(rows.batch), dtype=pl.Int8)
        if labels is None
        else labels["label"].replace_strict(known, default=None, return_dtype=pl.Int8)
    )
    if codes.null_count():
        message = (
            f"each flow of {day.file} must have one of the classes {', '.join(NAD_CLASSES)}, "
            f"{codes.null_count():,} have none; is this the published training file?"
        )
        raise DataError(message)
    return NadPart(rows.batch.frame, flows, codes.to_numpy())
