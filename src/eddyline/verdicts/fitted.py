"""One detector fitted on one view's rows: which it is, the rows it takes, how it scores.

What belongs here: rows as detectors need them, and fitting and scoring with one detector. What does not: the
parts that hold rows out, and calibration (``leg.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, SequenceDetector
from eddyline.detectors.registry import STREAM, detector_class, stream_detector
from eddyline.detectors.stream import EdgeDetector, StreamDetector
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.features.columns import HOUR_US
from eddyline.features.edge import EDGE
from eddyline.features.profile import MIN_WINDOWS, Profile
from eddyline.features.registry import view_named
from eddyline.tables import Floats, TokenGroups
from eddyline.verdicts.edges import each_next

FOLDS: Final = 5
HOURLY_MIN_WINDOWS: Final = 2
"""Hours an entity must have been seen in before its hours are held against its own past."""

SQUARED: Final = frozenset({"tails"})
"""Detectors whose scores are squares of -log probabilities: their root has an exponential tail."""


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
        Share of the view's error budget, relative to its other legs, ``> 0``; a view whose legs together
        weigh less than 1 gets so much less of the whole.
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
        made = detector_of(spec)(**spec.params, seed=seed)
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
        if isinstance(self.detector, EdgeDetector):
            return each_next(self.detector, rows.entities, rows.windows, rows.X[:, 0])
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

    A stream detector of rows learns a leg's rows in their order, oldest first, and judges by what it had
    learned when they ended: a verdict depends on no other judged row, so that no cut of a stream changes
    one. One of edges goes on learning in the order of the rows, which no cut changes either.

    Parameters
    ----------
    name
        A registered detector of rows, sequences or streams.

    Raises
    ------
    UsageError
        When nothing has that name.
    """
    return stream_detector(name) if name in STREAM else detector_class(name)


def detector_of(
    spec: LegSpec,
) -> type[MatrixDetector] | type[SequenceDetector] | type[StreamDetector]:
    """Give the class of a leg's detector, which its view must have rows for.

    Parameters
    ----------
    spec
        The leg.

    Raises
    ------
    UsageError
        When nothing has that name, or it takes edges and the view has none.
    """
    found = leg_class(spec.detector)
    if issubclass(found, EdgeDetector) and view_named(spec.view).keys != EDGE.keys:
        message = (
            f"a leg's detector must take its view's rows, {spec.detector!r} takes edges, got the view "
            f"{spec.view!r}; use {EDGE.name}/{spec.detector}"
        )
        raise UsageError(message)
    return found


def _left_out(rows: LegRows, least: int) -> Floats:
    """Hold each row against its entity's past in the other time blocks."""
    blocks = time_blocks(rows.windows)[1]
    out = np.zeros_like(rows.X)
    for block in range(FOLDS):
        held = blocks == block
        if held.any() and not held.all():
            past = Profile.fit(rows.entities[~held], rows.X[~held], min_windows=least)
            out[held] = past.beyond(rows.entities[held], rows.X[held])
    return out


def time_blocks(windows: NDArray[np.int64]) -> tuple[Floats, NDArray[np.int64]]:
    """Cut the windows into ``FOLDS`` runs of equally many rows; give the cuts and each row's block.

    Parameters
    ----------
    windows
        Number of each row's window, shape ``(n,)``.
    """
    cuts = np.quantile(windows, np.arange(1, FOLDS) / FOLDS, method="higher")
    return cuts, np.searchsorted(cuts, windows, side="left")
