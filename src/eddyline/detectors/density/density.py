"""What every trained density shares: its scale, the rows it needs, its state, and what it expected.

What belongs here: the part of the detector contract that is the same for all of them. What does not: any
one way of training.

Training needs torch, the extra ``[deep]``; scoring, saving and loading do not.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.density.energy import FreeEnergy
from eddyline.detectors.density.scale import DensityScale
from eddyline.detectors.density.stack import Singles, Stack
from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.scaling import draw_rows
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.tables import Floats, Integers

if TYPE_CHECKING:
    from eddyline.nets.density_training import Course, Trained

LEAST_ROWS: Final = 1_000
"""Rows below which a net of thousands of weights would learn them by heart."""

LEAST_STEPS: Final = 1_000
"""Fewest steps of the optimiser, however few rows there are."""

USUAL: Final = (0.005, 0.995)
"""Levels of the training values between which a column is told to be usual."""

SCALE_ARRAYS: Final = ("centre_", "spread_", "logged_", "limit_", "usual_", "losses_", "moved_")
"""State of every density: its scale, the usual range of each column, and how training went."""

ENERGY_ARRAYS: Final = (
    *(
        f"{side}_{part}_"
        for side in ("encoder", "decoder")
        for part in ("widths", "kinds", "flat")
    ),
    "push_",
    "direction_",
    "map_offset_",
)
"""State of an autoencoder beside its scale."""


@dataclass(frozen=True, slots=True)
class Surprise:
    """A value that could not be reconstructed.

    Parameters
    ----------
    column
        Number of the column.
    share
        Its part of the row's squared error, in [0, 1].
    value
        What the row holds, in the unit of the column.
    expected
        What was reconstructed, in the unit of the column.
    usual
        Smallest and largest usual value: the training's 0.5 % and 99.5 % quantiles.
    """

    column: int
    share: float
    value: float
    expected: float
    usual: tuple[float, float]


class Density(MatrixDetector):
    """Score rows by a trained model of what rows are like."""

    centre_: Floats
    spread_: Floats
    logged_: NDArray[np.bool_]
    limit_: NDArray[np.float64]
    usual_: Floats
    losses_: Floats
    moved_: NDArray[np.float64]

    preprocessing: str
    least_rows: int
    seed: int

    def _fit(self, X: Floats) -> None:
        if len(X) < max(self.least_rows, 2):
            message = (
                f"{type(self).__name__} needs at least {self.least_rows:,} rows to train a net, "
                f"got n_samples={len(X)}; learn from more traffic, or use isolation_forest or "
                f"neighbours"
            )
            raise TooFewRowsError(message)
        rows = draw_rows(X, self.seed)
        scale = DensityScale.of(rows, self.preprocessing)
        self.centre_, self.spread_ = scale.centre, scale.spread
        self.logged_, self.limit_ = scale.logged, np.array([scale.limit])
        self.usual_ = np.quantile(rows, USUAL, axis=0)
        self._learn(scale.apply(self._dithered(rows)))

    @property
    def scale(self) -> DensityScale:
        """The scale that was learned."""
        return DensityScale(self.centre_, self.spread_, self.logged_, float(self.limit_[0]))

    def _dithered(self, rows: Floats) -> Floats:
        """Give the rows to train on; a density of continuous values blurs counts here."""
        return rows

    @abstractmethod
    def _learn(self, rows: Singles) -> None:
        """Train on scaled rows and set the arrays, ``losses_`` and ``moved_`` among them."""

    def _restore(self) -> None:
        width = (self.n_features_in_,)
        shapes = (self.centre_.shape, self.spread_.shape, self.logged_.shape, self.limit_.shape)
        if shapes != (width, width, width, (1,)) or self.usual_.shape != (2, *width):
            raise refuse_model(self, f"has a scale of width {width[0]}", shapes)
        if not (np.isfinite(self.centre_).all() and (self.spread_ > 0).all()):
            raise refuse_model(self, "has finite centres and positive spreads", "others")
        if not self.limit_[0] > 0:
            raise refuse_model(self, "cuts scaled values at a positive limit", self.limit_[0])
        self.centre_ = np.ascontiguousarray(self.centre_, np.float64)
        self.spread_ = np.ascontiguousarray(self.spread_, np.float64)
        self.logged_ = np.ascontiguousarray(self.logged_, np.bool_)


class AutoencoderDensity(Density):
    """Score rows by the free energy of an autoencoder that training has frozen."""

    encoder_widths_: Integers
    encoder_kinds_: Integers
    encoder_flat_: Singles
    decoder_widths_: Integers
    decoder_kinds_: Integers
    decoder_flat_: Singles
    push_: Singles
    direction_: Singles
    map_offset_: Singles

    _arrays: ClassVar[tuple[str, ...]] = (*SCALE_ARRAYS, *ENERGY_ARRAYS)

    hidden: int
    latent: int
    batch: int

    @property
    def energy(self) -> FreeEnergy:
        """The frozen net."""
        return self._energy

    def explain(self, row: Floats, n_values: int = 3) -> list[Surprise]:
        """Name the values that could not be reconstructed, the worst first.

        Parameters
        ----------
        row
            One row as it was scored, shape ``(d,)``.
        n_values
            How many to name, >= 1.
        """
        rows = self._checked(np.asarray(row, dtype=np.float64)[None], reset=False)
        scaled = self.scale.apply(rows)
        told = self._energy.decoded(scaled)
        squares = (scaled[0].astype(np.float64) - told[0]) ** 2
        expected = self.scale.invert(told.astype(np.float64))[0]
        total = max(float(squares.sum()), 1e-12)
        return [
            Surprise(
                int(column),
                float(squares[column]) / total,
                float(rows[0, column]),
                float(expected[column]),
                (float(self.usual_[0, column]), float(self.usual_[1, column])),
            )
            for column in np.argsort(-squares, kind="stable")[:n_values]
        ]

    def _score(self, X: Floats) -> Floats:
        return self._energy.of(self.scale.apply(X))

    def _take_trained(self, trained: Trained) -> None:
        """Keep what training froze."""
        encoder = Stack.of(trained.encoder.layers, trained.encoder.activations)
        decoder = Stack.of(trained.decoder.layers, trained.decoder.activations)
        none = np.zeros((0, decoder.n_in), np.float32)
        push, direction, offset = trained.maps or (none, none, none[:, 0])
        self.losses_, self.moved_ = trained.losses, np.array([trained.moved])
        self._keep(FreeEnergy(encoder, decoder, push, direction, offset))

    def _keep(self, energy: FreeEnergy) -> None:
        """Keep a frozen net and its arrays."""
        encoder, decoder = energy.encoder, energy.decoder
        self.encoder_widths_, self.encoder_kinds_ = encoder.widths, encoder.activations
        self.decoder_widths_, self.decoder_kinds_ = decoder.widths, decoder.activations
        self.encoder_flat_, self.decoder_flat_ = encoder.flat, decoder.flat
        self.push_, self.direction_, self.map_offset_ = (
            energy.push,
            energy.direction,
            energy.offset,
        )
        self._energy = energy

    def _restore(self) -> None:
        super()._restore()
        encoder = Stack.restored(self.encoder_widths_, self.encoder_kinds_, self.encoder_flat_)
        decoder = Stack.restored(self.decoder_widths_, self.decoder_kinds_, self.decoder_flat_)
        maps = (self.push_, self.direction_, self.map_offset_)
        if not all(np.isfinite(part).all() for part in maps):
            raise refuse_model(self, "has finite planar maps", "others")
        if encoder.n_in != self.n_features_in_:
            raise refuse_model(self, f"encodes {self.n_features_in_} columns", encoder.n_in)
        push, direction, offset = (np.ascontiguousarray(part, np.float32) for part in maps)
        self._energy = FreeEnergy(encoder, decoder, push, direction, offset)


def course_of(n_rows: int, *, epochs: int, least_steps: int, batch: int) -> Course:
    """Give the course of a training by epochs.

    Parameters
    ----------
    n_rows
        Rows to learn from.
    epochs
        Times that each row is seen, >= 1.
    least_steps
        Fewest steps, >= 1.
    batch
        Rows of a step, >= 1.

    Raises
    ------
    UsageError
        When one has no meaning.
    """
    from eddyline.nets.density_training import Course

    if epochs < 1 or least_steps < 1 or batch < 1:
        message = (
            f"epochs, least_steps and batch must be >= 1, got {epochs}, {least_steps} and "
            f"{batch}; the defaults train"
        )
        raise UsageError(message)
    steps = epochs * math.ceil(n_rows / min(batch, n_rows))
    return Course(max(steps, least_steps), batch)


def check_widths(hidden: int, latent: int) -> None:
    """Refuse layers of no width.

    Parameters
    ----------
    hidden, latent
        Widths.

    Raises
    ------
    UsageError
        When one is below 1.
    """
    if hidden < 1 or latent < 1:
        message = f"hidden and latent must be >= 1, got {hidden} and {latent}; use 122 and 8"
        raise UsageError(message)
