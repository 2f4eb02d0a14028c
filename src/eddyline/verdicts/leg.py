"""A leg: one detector on one view's rows, with the scores of held-out normal that calibrate it.

What belongs here: fitting by parts so that every calibration score comes from a detector that did not see
the row, and scoring. What does not: which legs there are (``pipeline.py``) and thresholds.

Rows are dealt to five folds by entity, so that a host's near-copies never vouch for it; a leg that holds
an entity against its own past is dealt by time instead, since its past must be another time's.

Such a leg has a second calibration. Held-out time leaves nearly every entity its past, so those scores say
nothing of an entity of which nothing was learned, nor of its ends, and which is held against a stand-in:
where the hosts had got other addresses, nine of ten normal rows had p <= 0.1. Such a row's p-value is also
taken from fits that left whole entities out, and the larger of the two counts (Vovk, Gammerman, Shafer,
"Algorithmic Learning in a Random World", 2005, on categories of rows with a calibration each; Dunn,
Wasserman, Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", JASA 2022, on
leaving out groups).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.registry import SEQUENCE
from eddyline.detectors.stream import EdgeDetector
from eddyline.errors import TooFewRowsError
from eddyline.features.profile import JOINT
from eddyline.tables import Floats
from eddyline.verdicts.calibrate import Calibrator
from eddyline.verdicts.edges import follow
from eddyline.verdicts.fitted import (
    FOLDS,
    Fitted,
    LegRows,
    LegSpec,
    detector_of,
    min_windows,
    time_blocks,
    token_groups,
)

__all__ = ["FOLDS", "Fitted", "Leg", "LegRows", "LegSpec", "min_windows", "token_groups"]

FIRST: Final = 0.25
"""Share of the time in which a detector of edges only learns: to it everything is new."""

MIN_FIT_ROWS: Final = 40
"""Rows below which a leg is not fitted: five folds of eight rows say nothing."""


def _check_past(spec: LegSpec, rows: LegRows) -> None:
    """Refuse a past so short that, with a block of time held out twice, nobody has one left.

    The parts would be fitted on rows that are all as expected and score in another unit than the whole: on
    days learned from three hours, half of the normal pairs had p <= 0.1.
    """
    n_windows, least = len(np.unique(rows.windows)), min_windows(spec.view) + 2
    if spec.own and n_windows < least:
        message = (
            f"leg {spec.name} needs at least {least} windows to hold rows against their own past, got "
            f"{n_windows}; give it a longer time"
        )
        raise TooFewRowsError(message)


@dataclass(slots=True)
class Leg:
    """A fitted leg with its calibration.

    Parameters
    ----------
    spec
        What it is.
    whole
        Fitted on all rows: judges other traffic.
    parts
        Fitted on all but one fold each: judge the traffic they were fitted on; empty after loading.
    cuts
        Window numbers that bound the time blocks of ``spec.own``.
    calibrator
        Turns scores into p-values.
    fitted_rows
        Rows that were learned from.
    running
        Of a detector of edges: the one that learns while it judges an input, None before ``begun``.
    strangers
        Of an own past: p-values of rows of whose entity nothing was learned, or None.
    """

    spec: LegSpec
    whole: Fitted
    parts: list[Fitted]
    cuts: Floats
    calibrator: Calibrator
    fitted_rows: int
    running: EdgeDetector | None = None
    strangers: Calibrator | None = None

    @classmethod
    def fit(cls, spec: LegSpec, rows: LegRows, seed: int = 0, *, later: bool = True) -> Leg:
        """Fit the detector by parts and as a whole, and calibrate it on the held-out scores.

        Parameters
        ----------
        spec
            What to fit.
        rows
            Rows of normal, possibly with some attacks.
        seed
            Start of the randomness.
        later
            False when only these very rows will be judged, so that none has an entity never learned.

        Raises
        ------
        TooFewRowsError
            When there are fewer than ``MIN_FIT_ROWS`` rows, or too few entities or windows to hold any out.
        """
        if len(rows) < MIN_FIT_ROWS:
            message = (
                f"leg {spec.name} needs at least {MIN_FIT_ROWS} rows to learn from, got "
                f"{len(rows)}; give it more traffic"
            )
            raise TooFewRowsError(message)
        if issubclass(detector_of(spec), EdgeDetector):
            return cls._follow(spec, rows, seed)
        _check_past(spec, rows)
        cuts, _ = time_blocks(rows.windows)
        folds = _fold_of(spec, rows, cuts)
        present = np.unique(folds)
        if len(present) < 2:
            message = (
                f"leg {spec.name} needs traffic of more than one entity and window to hold some "
                f"out, got {len(np.unique(rows.entities))} entities; give it more traffic"
            )
            raise TooFewRowsError(message)
        whole = Fitted.fit(spec, rows, seed)
        parts = [whole] * FOLDS
        scores = np.zeros(len(rows))
        for fold in present:
            held = folds == fold
            parts[fold] = Fitted.fit(spec, rows.take(~held), seed)
            scores[held] = parts[fold].score(rows.take(held))
        leg = cls(spec, whole, parts, cuts, Calibrator.fit(scores), len(rows))
        if spec.own and later:
            leg.strangers = _strangers(spec, rows, seed)
        return leg

    @classmethod
    def _follow(cls, spec: LegSpec, rows: LegRows, seed: int) -> Leg:
        """Count edges in their order, each row scored before those after it are counted.

        No row is held out: none was learned before it was scored. The first of them, when everything is new,
        calibrate nothing.
        """
        made: Any = detector_of(spec)(**spec.params, seed=seed)
        scores = follow(made, rows.entities, rows.windows, rows.X[:, 0])
        later = scores[rows.windows > rows.windows[0] + FIRST * np.ptp(rows.windows)]
        if len(later) < MIN_FIT_ROWS:
            message = (
                f"leg {spec.name} needs at least {MIN_FIT_ROWS} rows after the first {FIRST:.0%} of the "
                f"time, got {len(later)}; give it more traffic"
            )
            raise TooFewRowsError(message)
        whole = Fitted(spec, made, None)
        return cls(spec, whole, [], np.zeros(0), Calibrator.fit(later), len(rows))

    def begun(self, *, held_out: bool) -> Leg:
        """Give the leg for judging one input from its beginning: a detector of edges learns in a copy.

        Parameters
        ----------
        held_out
            True when the rows are those it learned from: such a copy begins with nothing, as it did then.
        """
        detector = self.whole.detector
        if not isinstance(detector, EdgeDetector):
            return self
        params = detector.get_params()
        blank = type(detector)(**params)
        running = blank if held_out else type(detector).from_arrays(detector.to_arrays(), params)
        return replace(self, running=running)

    def score(self, rows: LegRows, *, held_out: bool) -> Floats:
        """Score rows; those of edges by what came before them since ``begun``, which is learned.

        Parameters
        ----------
        rows
            Rows of the view.
        held_out
            True when the rows are those it learned from: each is scored by the part that did not see it.
        """
        if self.running is not None and len(rows):
            return follow(self.running, rows.entities, rows.windows, rows.X[:, 0])
        if not held_out or not self.parts:
            return self.whole.score(rows)
        folds = _fold_of(self.spec, rows, self.cuts)
        scores = np.zeros(len(rows))
        for fold in np.unique(folds):
            held = folds == fold
            scores[held] = self.parts[fold].score(rows.take(held))
        return scores

    def p_values(self, rows: LegRows, scores: Floats, *, held_out: bool) -> Floats:
        """Give the p-value of each row, in (0, 1].

        Parameters
        ----------
        rows
            Rows of the view.
        scores
            What ``score`` gave for them.
        held_out
            As ``score`` had it: rows that were learned from are as those that calibrate.
        """
        p = self.calibrator.p_values(scores)
        past = self.whole.profile
        if held_out or past is None or self.strangers is None:
            return p
        asked = np.flatnonzero(p < 1.0)
        asked = asked[past.strange(rows.entities[asked])]
        p[asked] = np.maximum(p[asked], self.strangers.p_values(scores[asked]))
        return p


def _strangers(spec: LegSpec, rows: LegRows, seed: int) -> Calibrator | None:
    """Calibrate an own past for entities that were never learned: five times, a fifth of them is left out.

    None where too few rows can be held out so.
    """
    folds = _dealt(rows.entities)
    scores = np.full(len(rows), np.nan)
    names = np.full(
        len(rows), JOINT
    )  # ends that nobody has: a left-out pair's may be known otherwise
    for fold in np.unique(folds):
        held = folds == fold
        if np.count_nonzero(~held) >= MIN_FIT_ROWS:
            part = Fitted.fit(spec, rows.take(~held), seed)
            scores[held] = part.score(replace(rows.take(held), entities=names[held]))
    told = scores[~np.isnan(scores)]
    return Calibrator.fit(told) if len(told) >= MIN_FIT_ROWS else None


def _fold_of(spec: LegSpec, rows: LegRows, cuts: Floats) -> NDArray[np.int64]:
    """Deal rows to folds: by time for an own past, by entity otherwise."""
    if spec.own:
        return np.searchsorted(cuts, rows.windows, side="left").astype(np.int64)
    return _dealt(rows.entities)


def _dealt(entities: NDArray[np.str_]) -> NDArray[np.int64]:
    """Deal entities to folds."""
    names, inverse = np.unique(entities, return_inverse=True)
    dealt = np.array([crc32(str(name).encode()) % FOLDS for name in names], dtype=np.int64)
    return dealt[inverse]


def is_sequence(spec: LegSpec) -> bool:
    """Tell whether a leg reads tokens rather than numbers.

    Parameters
    ----------
    spec
        The leg.
    """
    return spec.detector in SEQUENCE
