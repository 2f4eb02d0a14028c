"""Whether p-values keep their promise on normal traffic of a later day, leg by leg.

What belongs here: realised rates with bands over blocks of time, and what they say of the promise. What does
not: p-values (``verdicts.calibrate``), and which days are normal.

Among normal rows a p-value of at most u should come with probability at most u. Rows of one stretch of time
are not independent, so whole stretches are drawn again (block bootstrap; Künsch, "The jackknife and the
bootstrap for general stationary observations", Annals of Statistics 1989). A day has few windows of an hour:
there an entity with all its hours is what is drawn.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final
from zlib import crc32

import numpy as np

from eddyline.errors import DataError
from eddyline.evaluate.intervals import LEVEL, RESAMPLES
from eddyline.pipeline import Pipeline
from eddyline.tables import Floats, Integers
from eddyline.verdicts.judged import Judged
from eddyline.verdicts.leg import LegRows
from eddyline.verdicts.rows import leg_rows

PROMISES: Final = (0.1, 0.01, 0.001)
"""Levels at which p-values are held to their promise."""

BLOCK_US: Final = 900_000_000
"""Length of a block of time; where windows are longer, an entity is a block."""

MIN_BLOCKS: Final = 8
"""Blocks below which nothing is said."""

EXPECTED: Final = 5.0
"""Rows that must be expected below a level before its rate says anything."""

FUSED: Final = "all legs of "
"""How the fused p-values of a view are named."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One leg at one level.

    Parameters
    ----------
    leg
        Its name.
    level
        The promise: at most this share of normal rows has a p-value as small.
    rows, blocks
        What the rate is over.
    rate
        The share that had.
    low, high
        Band of the rate over blocks; None when there are too few.
    verdict
        ``kept`` (the band holds the promise), ``cautious`` (it lies below), ``broken`` (it lies above), or
        ``cannot tell``.
    """

    leg: str
    level: float
    rows: int
    blocks: int
    rate: float
    low: float | None
    high: float | None
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain data."""
        return asdict(self)


def promise(
    leg: str,
    p_values: Floats,
    blocks: Integers,
    *,
    levels: Sequence[float] = PROMISES,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Kept]:
    """Hold the p-values of normal rows to their promise.

    Parameters
    ----------
    leg
        Whose they are.
    p_values
        In [0, 1], shape ``(n,)``.
    blocks
        Stretch of time of each row, shape ``(n,)``.
    levels
        Promises, each in (0, 1).
    resamples
        Draws of blocks, ``> 0``.
    seed
        Start of the randomness of the draws.

    Raises
    ------
    DataError
        When there is no row.

    Examples
    --------
    >>> p = np.linspace(0.001, 1.0, 2_000)
    >>> [one.verdict for one in promise("even", p, np.arange(2_000) % 20)]
    ['kept', 'kept', 'cannot tell']
    """
    if not len(p_values):
        message = f"{leg}: a promise must be held on rows, got none; judge more normal traffic"
        raise DataError(message)
    codes = np.unique(blocks, return_inverse=True)[1]
    sizes = np.bincount(codes).astype(np.float64)
    n_blocks, n = len(sizes), len(p_values)
    rng = np.random.default_rng(seed)
    times = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=resamples)
    below = (1 - LEVEL) / 2
    found = []
    for level in levels:
        hits = np.bincount(codes, weights=p_values <= level, minlength=n_blocks)
        rate = float(hits.sum() / n)
        if n_blocks < MIN_BLOCKS or level * n < EXPECTED:
            found.append(Kept(leg, level, n, n_blocks, rate, None, None, "cannot tell"))
            continue
        draws = (times @ hits) / (times @ sizes)
        low, high = (float(q) for q in np.quantile(draws, [below, 1 - below]))
        verdict = "broken" if low > level else "cautious" if high < level else "kept"
        found.append(Kept(leg, level, n, n_blocks, rate, low, high, verdict))
    return found


def _blocks(rows: LegRows, window_us: int) -> Integers:
    """Give what is drawn together: stretches of time, or entities where windows are long."""
    if window_us <= BLOCK_US:
        stretches: Integers = rows.windows // (BLOCK_US // window_us)
        return stretches
    names, places = np.unique(rows.entities, return_inverse=True)
    codes = np.array([crc32(str(name).encode()) for name in names], np.int64)
    return codes[places]


def promises_of(pipeline: Pipeline, judged: Iterable[Judged], *, seed: int = 0) -> list[Kept]:
    """Hold every leg of a learned baseline, and each view's fused p-values, to their promises.

    Parameters
    ----------
    pipeline
        Learned from an earlier normal day.
    judged
        What it gave for a later one.
    seed
        Start of the randomness of the draws.
    """
    found: dict[str, list[tuple[Floats, Integers]]] = {}
    for windows in judged:
        for verdict in windows.verdicts:
            rows = leg_rows(verdict.view, verdict.table)
            blocks = _blocks(rows, windows.window_us)
            for name, scores in verdict.scores.items():
                p = pipeline.fitted[name].calibrator.p_values(scores)
                found.setdefault(name, []).append((p, blocks))
            if verdict.scores:
                known = ~np.isnan(verdict.p_values)
                fused = FUSED + verdict.view.name
                found.setdefault(fused, []).append((verdict.p_values[known], blocks[known]))
    told: list[Kept] = []
    for name, parts in found.items():
        p_values, blocks = (np.concatenate(part) for part in zip(*parts, strict=True))
        if len(p_values):
            told.extend(promise(name, p_values, blocks, seed=seed))
    return told
