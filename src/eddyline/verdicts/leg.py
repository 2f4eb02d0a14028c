"""A leg: one detector on one view's rows, with the scores of held-out normal that calibrate it.

What belongs here: fitting by parts so that every calibration score comes from a detector that did not see
the row, and scoring. What does not: which legs there are (``pipeline.py``) and thresholds.

Rows are dealt to five folds by entity, so that a host's near-copies never vouch for it; a leg that holds
an entity against its own past is dealt by time instead, since its past must be another time's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zlib import crc32

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, SequenceDetector
from eddyline.detectors.registry import SEQUENCE, STREAM, detector_class, stream_detector
from eddyline.detectors.stream import EdgeDetector, StreamDetector
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.features.columns import HOUR_US
from eddyline.features.profile import MIN_WINDOWS, Profile
from eddyline.features.registry import view_named
from eddyline.tables import Floats, TokenGroups
from eddyline.verdicts.calibrate import Calibrator

FOLDS: Final = 5
HOURLY_MIN_WINDOWS: Final = 2
"""Hours an entity must have been seen in before its hours are held against its own past."""

SQUARED: Final = frozenset({"tails"})
"""Detectors whose scores are squares of -log probabilities: their root has an exponential tail."""

MIN_FIT_ROWS: Final = 40
"""Rows below which a leg is not fitted: five folds of eight rows say nothing."""


@dataclass(frozen=True, slots=True)
class LegSpec:
    """Which detector looks at which view.

    Parameters
    ----------
    view
        Name of the view.
    detector
        Name of a registered detector.
    own
        True to show the detector how far a row lies beyond the entity's own past, not the row itself.
    weight
        Share of the view's error budget, relative to its other legs, ``> 0``.
    params
        Arguments of the detector.
    """

    view: str
    detector: str
    own: bool = False
    weight: float = 1.0
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name in reports: view and detector."""
        return f"{self.view}/{'own_past' if self.own else self.detector}"


@dataclass(frozen=True, slots=True)
class LegRows:
    """Rows of one view as a leg needs them.

    Parameters
    ----------
    X
        Features, shape ``(n, d)``.
    entities
        What each row stands for, as text, shape ``(n,)``.
    windows
        Number of each row's window, shape ``(n,)``.
    tokens
        Tokens of each row, or None.
    """

    X: Floats
    entities: NDArray[np.str_]
    windows: NDArray[np.int64]
    tokens: pl.Series | None = None

    def __len__(self) -> int:
        return len(self.X)

    def take(self, chosen: NDArray[Any]) -> LegRows:
        """Keep some rows.

        Parameters
        ----------
        chosen
            Mask or row numbers.
        """
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
        tokens = None if self.tokens is None else self.tokens.gather(index)
        return LegRows(self.X[index], self.entities[index], self.windows[index], tokens)


def min_windows(view: str) -> int:
    """Give the windows an entity must have been seen in before it has a past of its own.

    Parameters
    ----------
    view
        Name of the view.
    """
    return MIN_WINDOWS if view_named(view).window_us < HOUR_US else HOURLY_MIN_WINDOWS


def token_groups(tokens: pl.Series) -> TokenGroups:
    """Lay the token lists of rows end to end.

    Parameters
    ----------
    tokens
        List column of texts, none of them empty.
    """
    lengths = tokens.list.len().to_numpy().astype(np.int64)
    flat = tokens.explode().to_numpy().astype(np.str_)
    return TokenGroups(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), flat)


@dataclass(frozen=True, slots=True)
class Fitted:
    """One fitted detector with the past it compares with.

    Parameters
    ----------
    spec
        What it is.
    detector
        The fitted detector.
    profile
        The entities' past for ``spec.own``, else None.
    """

    spec: LegSpec
    detector: MatrixDetector | SequenceDetector | StreamDetector
    profile: Profile | None

    @classmethod
    def fit(cls, spec: LegSpec, rows: LegRows, seed: int) -> Fitted:
        """Fit one detector.

        Parameters
        ----------
        spec
            What to fit.
        rows
            Rows of normal, possibly with some attacks.
        seed
            Start of its randomness.
        """
        made = leg_class(spec.detector)(**spec.params, seed=seed)
        if isinstance(made, SequenceDetector):
            if rows.tokens is None:
                message = f"leg {spec.name} needs token sequences; its view gives none"
                raise TooFewRowsError(message)
            made.fit(token_groups(rows.tokens))
            return cls(spec, made, None)
        least = min_windows(spec.view)
        profile = Profile.fit(rows.entities, rows.X, min_windows=least) if spec.own else None
        made.fit(rows.X if profile is None else _left_out(rows, least))
        if isinstance(made, StreamDetector) and made.n_seen_ < made.warm_rows:
            message = (
                f"leg {spec.name} needs at least {made.warm_rows} rows in each part before it can score, got "
                f"{made.n_seen_}; give it more traffic"
            )
            raise TooFewRowsError(message)
        return cls(spec, made, profile)

    def score(self, rows: LegRows) -> Floats:
        """Score rows; higher is stranger.

        Parameters
        ----------
        rows
            Rows of the same view.
        """
        if not len(rows):
            return np.zeros(0)
        if isinstance(self.detector, SequenceDetector):
            if rows.tokens is None:
                message = f"leg {self.spec.name} needs token sequences; its view gives none"
                raise TooFewRowsError(message)
            return self.detector.anomaly_score(token_groups(rows.tokens))
        X = rows.X
        if self.profile is not None:
            X = self.profile.beyond(rows.entities, rows.X)
        scores = self.detector.anomaly_score(X)
        return np.sqrt(scores) if self.spec.detector in SQUARED else scores


def leg_class(
    name: str,
) -> type[MatrixDetector] | type[SequenceDetector] | type[StreamDetector]:
    """Give the class of a leg's detector.

    A stream detector learns a leg's rows in their order, oldest first, and judges by what it had learned when
    they ended: a verdict depends on no other judged row, so that no cut of a stream changes one.

    Parameters
    ----------
    name
        A registered detector of rows, sequences or streams of rows.

    Raises
    ------
    UsageError
        When nothing has that name, or it takes edges, which no view gives.
    """
    if name not in STREAM:
        return detector_class(name)
    found = stream_detector(name)
    if issubclass(found, EdgeDetector):
        message = f"a leg's detector must take rows, {name!r} takes edges; use it from Python"
        raise UsageError(message)
    return found


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


def _left_out(rows: LegRows, least: int) -> Floats:
    """Hold each row against its entity's past in the other time blocks."""
    blocks = _time_blocks(rows.windows)[1]
    out = np.zeros_like(rows.X)
    for block in range(FOLDS):
        held = blocks == block
        if held.any() and not held.all():
            past = Profile.fit(rows.entities[~held], rows.X[~held], min_windows=least)
            out[held] = past.beyond(rows.entities[held], rows.X[held])
    return out


def _time_blocks(windows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Cut the windows into ``FOLDS`` runs of equally many rows; give the cuts and each row's block."""
    cuts = np.quantile(windows, np.arange(1, FOLDS) / FOLDS, method="higher")
    return cuts, np.searchsorted(cuts, windows, side="left")


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
    """

    spec: LegSpec
    whole: Fitted
    parts: list[Fitted]
    cuts: Floats
    calibrator: Calibrator
    fitted_rows: int

    @classmethod
    def fit(cls, spec: LegSpec, rows: LegRows, seed: int = 0) -> Leg:
        """Fit the detector by parts and as a whole, and calibrate it on the held-out scores.

        Parameters
        ----------
        spec
            What to fit.
        rows
            Rows of normal, possibly with some attacks.
        seed
            Start of the randomness.

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
        _check_past(spec, rows)
        cuts, _ = _time_blocks(rows.windows)
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
        return cls(spec, whole, parts, cuts, Calibrator.fit(scores), len(rows))

    def score(self, rows: LegRows, *, held_out: bool) -> Floats:
        """Score rows.

        Parameters
        ----------
        rows
            Rows of the view.
        held_out
            True when the rows are those it learned from: each is scored by the part that did not see it.
        """
        if not held_out or not self.parts:
            return self.whole.score(rows)
        folds = _fold_of(self.spec, rows, self.cuts)
        scores = np.zeros(len(rows))
        for fold in np.unique(folds):
            held = folds == fold
            scores[held] = self.parts[fold].score(rows.take(held))
        return scores


def _fold_of(spec: LegSpec, rows: LegRows, cuts: Floats) -> NDArray[np.int64]:
    """Deal rows to folds: by time for an own past, by entity otherwise."""
    if spec.own:
        return np.searchsorted(cuts, rows.windows, side="left").astype(np.int64)
    names, inverse = np.unique(rows.entities, return_inverse=True)
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
