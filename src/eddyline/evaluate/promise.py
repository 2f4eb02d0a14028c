"""Whether p-values keep their promise on normal traffic of a later day, leg by leg.

What belongs here: realised rates with bands over blocks of time, and what they say of the promise. What does
not: p-values (``verdicts.calibrate``), and which days are normal.

Among normal rows a p-value of at most u should come with probability at most u. Rows of one stretch of time
are not independent, so whole stretches are drawn again (block bootstrap; Künsch, "The jackknife and the
bootstrap for general stationary observations", Annals of Statistics 1989). A day has few windows of an hour:
there an entity with all its hours is what is drawn.

That band is of the judged day alone, as if the first one had no end, and as if a host were another one every
quarter of an hour. A conformal promise is of both days: the chance is over what is learned and what is
judged (Vovk, "Conditional validity of inductive conformal predictors", ACML 2012; Bates, Candès, Lei, Romano,
Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 2023). So a second band draws
entities and blocks of time together (Owen, "The pigeonhole bootstrap", Annals of Applied Statistics 2007), of
both days, and stands beside the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final
from zlib import crc32

import numpy as np

from eddyline.errors import DataError
from eddyline.evaluate.intervals import LEVEL, RESAMPLES
from eddyline.flows.batch import FlowBatch
from eddyline.pipeline import Pipeline
from eddyline.tables import Floats, Integers
from eddyline.verdicts.judged import Judged, ViewVerdicts
from eddyline.verdicts.leg import LegRows
from eddyline.verdicts.rows import leg_rows, numbered, windows

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
class Values:
    """P-values of one leg on one normal day.

    Parameters
    ----------
    p
        In [0, 1], shape ``(n,)``.
    blocks
        Stretch of time of each row, shape ``(n,)``.
    entities
        Number of each row's entity, shape ``(n,)``.
    strict
        What the first band draws: the stretch of time, or the entity where windows are long.
    """

    p: Floats
    blocks: Integers
    entities: Integers
    strict: Integers


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
    entities
        How many entities the rows are of; None where this was not asked.
    days_low, days_high
        Band over entities and blocks of both days; None when there are too few of either, or not asked.
    days_verdict
        The same by that band.
    """

    leg: str
    level: float
    rows: int
    blocks: int
    rate: float
    low: float | None
    high: float | None
    verdict: str
    entities: int | None = None
    days_low: float | None = None
    days_high: float | None = None
    days_verdict: str = "cannot tell"

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
        found.append(Kept(leg, level, n, n_blocks, rate, low, high, _said(low, high, level)))
    return found


def promise_of_days(
    leg: str,
    judged: Values,
    learned: Values,
    *,
    levels: Sequence[float] = PROMISES,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> list[Kept]:
    """Hold a later day to the promise by both bands.

    The second one is that of the judged day's rate, drawn again over its entities and blocks, less what the
    learned day's own rate moves when drawn in the same way: had other hosts and hours been learned from, the
    same p-values would have come to so much more or less.

    Parameters
    ----------
    leg
        Whose they are.
    judged
        Of the later day.
    learned
        Of the day that was learned from, each row judged by a part that did not see it.
    levels
        Promises, each in (0, 1).
    resamples
        Draws, ``> 0``.
    seed
        Start of the randomness of the draws.

    Raises
    ------
    DataError
        When there is no row.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = np.arange(6_000)
    >>> days = [Values(rng.random(6_000), rows // 300, rows % 50, rows // 300) for _ in range(2)]
    >>> [one.days_verdict for one in promise_of_days("even", *days)]
    ['kept', 'kept', 'kept']
    """
    options = {"levels": levels, "resamples": resamples, "seed": seed}
    found = promise(leg, judged.p, judged.strict, **options)  # type: ignore[arg-type]
    later = _Drawn.of(judged, resamples, seed)
    first = _Drawn.of(learned, resamples, seed + 1)
    few = min(*later.sizes, *first.sizes) < MIN_BLOCKS
    below = (1 - LEVEL) / 2
    told = []
    for one in found:
        if few or one.level * one.rows < EXPECTED:
            told.append(replace(one, entities=later.sizes[0]))
            continue
        moved = first.rates(one.level)
        draws = later.rates(one.level) - (moved - float((learned.p <= one.level).mean()))
        low, high = (max(float(q), 0.0) for q in np.quantile(draws, [below, 1 - below]))
        said = _said(low, high, one.level)
        told.append(
            replace(one, entities=later.sizes[0], days_low=low, days_high=high, days_verdict=said)
        )
    return told


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Entities and blocks of one day, drawn again: a row counts as often as both of its own were drawn."""

    p: Floats
    cells: Integers
    counts: Floats
    sizes: tuple[int, int]
    times: tuple[Floats, Floats]

    @classmethod
    def of(cls, values: Values, resamples: int, seed: int) -> _Drawn:
        entities = np.unique(values.entities, return_inverse=True)[1]
        blocks = np.unique(values.blocks, return_inverse=True)[1]
        n_entities, n_blocks = int(entities.max()) + 1, int(blocks.max()) + 1
        cells = entities * n_blocks + blocks
        counts = np.bincount(cells, minlength=n_entities * n_blocks).astype(np.float64)
        rng = np.random.default_rng(seed)
        first, second = (
            rng.multinomial(k, np.full(k, 1 / k), size=resamples).astype(np.float64)
            for k in (n_entities, n_blocks)
        )
        return cls(values.p, cells, counts, (n_entities, n_blocks), (first, second))

    def rates(self, level: float) -> Floats:
        """Give each draw's share of rows at or below the level; draws without a row say nothing."""
        hits = np.bincount(self.cells[self.p <= level], minlength=len(self.counts)).astype(float)
        return self._sum(hits) / np.maximum(self._sum(self.counts), 1.0)

    def _sum(self, cells: Floats) -> Floats:
        entities, blocks = self.times
        total: Floats = ((entities @ cells.reshape(self.sizes)) * blocks).sum(axis=1)
        return total


def _said(low: float, high: float, level: float) -> str:
    return "broken" if low > level else "cautious" if high < level else "kept"


def _values(p: Floats, rows: LegRows, window_us: int) -> Values:
    """Give p-values with what is drawn together: stretches of time, or entities where windows are long."""
    names, places = np.unique(rows.entities, return_inverse=True)
    entities = np.array([crc32(str(name).encode()) for name in names], np.int64)[places]
    blocks = rows.windows // max(1, BLOCK_US // window_us)
    known = ~np.isnan(p)
    strict = blocks if window_us <= BLOCK_US else entities
    return Values(p[known], blocks[known], entities[known], strict[known])


def promises_of(
    pipeline: Pipeline, learned: Iterable[FlowBatch], judged: Iterable[Judged], *, seed: int = 0
) -> list[Kept]:
    """Hold every leg of a learned baseline, and each view's fused p-values, to their promises.

    Parameters
    ----------
    pipeline
        Learned from an earlier normal day, without families.
    learned
        The flows of that day, in event-time order.
    judged
        What it gave for a later one.
    seed
        Start of the randomness of the draws.
    """
    part = pipeline.shared.begun(held_out=True)
    first = (
        (part.verdicts(view, table, held_out=True), view.window_us)
        for closed in windows(pipeline.views, numbered(learned))
        for view, table in closed.tables[""]
    )
    later = ((verdict, one.window_us) for one in judged for verdict in one.verdicts)
    before, after = _gathered(first), _gathered(later)
    told: list[Kept] = []
    for name, values in after.items():
        if len(values.p):
            told.extend(promise_of_days(name, values, before[name], seed=seed))
    return told


def _gathered(verdicts: Iterable[tuple[ViewVerdicts, int]]) -> dict[str, Values]:
    """Gather one day's p-values by leg, and fused by view."""
    found: dict[str, list[Values]] = {}
    for verdict, window_us in verdicts:
        rows = leg_rows(verdict.view, verdict.table)
        each = dict(verdict.each)
        if each:
            each[FUSED + verdict.view.name] = verdict.p_values
        for name, p in each.items():
            found.setdefault(name, []).append(_values(p, rows, window_us))
    names = ("p", "blocks", "entities", "strict")
    return {
        leg: Values(*(np.concatenate([getattr(one, name) for one in parts]) for name in names))
        for leg, parts in found.items()
    }
