"""The loop that trains a density: batches without replacement, Adam, a bound on the gradient.

What belongs here: drawing batches, taking steps, and the plain and robust losses over all rows. What does
not: setting rows aside while training (``grand_training.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eddyline.errors import DataError, UsageError
from eddyline.nets.dense import FrozenDense
from eddyline.nets.determinism import deterministic, numpy_generator, torch_generator
from eddyline.nets.planar import invertible_push
from eddyline.nets.variational import Autoencoder, Variational, beta_loss, welsch_loss

CHUNK_ROWS = 8_192
"""Rows that are asked at once when no gradient is needed."""

MEDIAN_ROWS = 8_000
"""Rows, evenly spaced, whose median error sets the scale of the robust loss."""

Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast to train.

    Parameters
    ----------
    steps
        Steps of the optimiser, >= 1.
    batch
        Rows of a step, >= 1.
    rate
        Learning rate of Adam, > 0.
    clip
        Largest norm of the gradient, > 0.
    """

    steps: int
    batch: int = 256
    rate: float = 1e-3
    clip: float = 5.0

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1 or self.rate <= 0 or self.clip <= 0:
            message = (
                f"steps and batch must be >= 1, rate and clip > 0, got {self.steps}, "
                f"{self.batch}, {self.rate} and {self.clip}; the defaults train"
            )
            raise UsageError(message)


@dataclass(frozen=True, slots=True)
class Trained:
    """A trained autoencoder as arrays.

    Parameters
    ----------
    encoder, decoder
        Their layers.
    maps
        Planar maps ``push``, ``direction``, each of shape ``(K, latent)``, and ``offset``, ``(K,)``; the
        push already obeys the constraint. None without maps.
    losses
        Mean loss of each hundredth of the steps, first to last.
    moved
        Largest change of any weight.
    """

    encoder: FrozenDense
    decoder: FrozenDense
    maps: tuple[Singles, Singles, Singles] | None
    losses: NDArray[np.float64]
    moved: float


@dataclass(slots=True)
class Shuffler:
    """Deal row numbers in batches, every row once before any comes again.

    Parameters
    ----------
    n_rows
        How many rows there are.
    rng
        The randomness of the order.
    """

    n_rows: int
    rng: np.random.Generator
    _order: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def ahead(self, n: int) -> NDArray[np.int64]:
        """Give the next n row numbers without dealing them.

        Parameters
        ----------
        n
            How many, >= 1.
        """
        while len(self._order) < n:
            self._order = np.concatenate([self._order, self.rng.permutation(self.n_rows)])
        return self._order[:n]

    def take(self, n: int) -> NDArray[np.int64]:
        """Deal the next n row numbers.

        Parameters
        ----------
        n
            How many, >= 1.
        """
        dealt = self.ahead(n)
        self._order = self._order[n:]
        return dealt


class Descent:
    """Steps of Adam on one net, with the losses it met.

    Parameters
    ----------
    net
        What is trained.
    course
        How long and how fast.
    """

    def __init__(self, net: nn.Module, course: Course) -> None:
        self.parameters = list(net.parameters())
        self.course = course
        self.start = [parameter.detach().clone() for parameter in self.parameters]
        self.adam = torch.optim.Adam(self.parameters, lr=course.rate, fused=True)
        self.met: list[Tensor] = []

    def step(self, loss: Tensor, shown: Tensor | None = None) -> None:
        """Take one step down.

        Parameters
        ----------
        loss
            What to lower.
        shown
            What to keep for the history, where that is not the loss.
        """
        self.adam.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, self.course.clip)
        self.adam.step()
        self.met.append((loss if shown is None else shown).detach())

    def losses(self) -> NDArray[np.float64]:
        """Give the mean loss of each hundredth of the steps.

        Raises
        ------
        DataError
            When a loss was not finite: nothing was learned.
        """
        met = torch.stack(self.met).double().numpy()
        if not np.isfinite(met).all():
            step = int(np.flatnonzero(~np.isfinite(met))[0])
            message = (
                f"the loss must stay finite while training, got {met[step]} at step {step}; lower "
                f"the learning rate or scale the rows robustly"
            )
            raise DataError(message)
        return np.array([part.mean() for part in np.array_split(met, min(100, len(met)))])

    def moved(self) -> float:
        """Give the largest change of any weight since the start."""
        pairs = zip(self.parameters, self.start, strict=True)
        return max(float((now.detach() - then).abs().max()) for now, then in pairs)


Net = Variational | Autoencoder
"""What the loop trains."""

Loss = Callable[[Tensor, Tensor], Tensor]
"""Squared errors and divergences of a batch to the loss of its rows."""


def train_plain(rows: Singles, net: Net, course: Course, seed: int) -> Trained:
    """Train on the free energy of all rows: the plain autoencoders.

    Parameters
    ----------
    rows
        Scaled rows, shape ``(n, width)``.
    net
        Fresh net.
    course
        How long and how fast.
    seed
        Start of the randomness of batches and noise.
    """
    return _train(rows, net, course, seed, lambda _: lambda square, kl: 0.5 * square + kl)


def train_welsch(
    rows: Singles, net: Variational, course: Course, seed: int, kappa: float
) -> Trained:
    """Train on the Welsch loss, its scale set anew each epoch from the median error.

    Parameters
    ----------
    rows, net, course, seed
        As for ``train_plain``.
    kappa
        b times the median squared error, > 0; smaller is closer to the plain autoencoder.
    """

    def loss_for(median: float) -> Loss:
        beta = kappa / max(median, 1e-9)
        return lambda square, kl: welsch_loss(square, beta) + kl

    return _train(rows, net, course, seed, loss_for)


def train_fixed_welsch(
    rows: Singles, net: Variational, course: Course, seed: int, beta: float
) -> Trained:
    """Train on the Welsch loss with a fixed b.

    Parameters
    ----------
    rows, net, course, seed
        As for ``train_plain``.
    beta
        b, > 0, in units of 1 / ``||e||^2``.
    """
    return _train(
        rows, net, course, seed, lambda _: lambda square, kl: welsch_loss(square, beta) + kl
    )


def train_beta(
    rows: Singles, net: Variational, course: Course, seed: int, *, beta: float, sigma: float
) -> Trained:
    """Train on the beta-divergence with its published constant.

    Parameters
    ----------
    rows, net, course, seed
        As for ``train_plain``.
    beta
        b, > 0.
    sigma
        Standard deviation of the decoder, > 0.
    """
    width = rows.shape[1]
    return _train(
        rows, net, course, seed, lambda _: lambda s, kl: beta_loss(s, beta, sigma, width) + kl
    )


def _train(
    rows: Singles, net: Net, course: Course, seed: int, loss_for: Callable[[float], Loss]
) -> Trained:
    """Train with a loss that may be made anew each epoch from the median squared error."""
    with deterministic():
        table = torch.from_numpy(rows)
        descent = Descent(net, course)
        shuffler = Shuffler(len(rows), numpy_generator(seed, "batches"))
        noise = torch_generator(seed, "noise")
        batch = min(course.batch, len(rows))
        per_epoch = math.ceil(len(rows) / batch)
        sample = table[:: max(1, len(rows) // MEDIAN_ROWS)]
        loss_of: Loss = loss_for(0.0)
        for step in range(course.steps):
            if step % per_epoch == 0:
                loss_of = loss_for(float(squared_errors(net, sample).median()))
            part = table[torch.from_numpy(shuffler.take(batch))]
            square, kl = net.parts(part, torch.randn(batch, net.latent, generator=noise))
            descent.step(loss_of(square, kl).mean())
        return freeze(net, descent)


def squared_errors(net: Net, table: Tensor) -> Tensor:
    """Give the squared error of rows at the mean code, without gradients.

    Parameters
    ----------
    net
        The net.
    table
        Rows.
    """
    with torch.no_grad():
        return torch.cat([net.parts(part, None)[0] for part in chunks(table)])


def free_energies(net: Variational, table: Tensor) -> Tensor:
    """Give the free energy of rows at the mean code, without gradients.

    Parameters
    ----------
    net
        The net.
    table
        Rows.
    """
    with torch.no_grad():
        return torch.cat([net.free_energy(part) for part in chunks(table)])


def freeze(net: Net, descent: Descent) -> Trained:
    """Take a trained net's weights out as arrays.

    Parameters
    ----------
    net
        The net.
    descent
        The steps that trained it.

    Raises
    ------
    DataError
        When a loss was not finite.
    """
    losses = descent.losses()
    maps = None
    if net.maps is not None:
        push = invertible_push(net.maps.push, net.maps.direction)
        held = (push, net.maps.direction, net.maps.offset)
        maps = tuple(part.detach().numpy().copy() for part in held)
    return Trained(
        net.encoder.frozen(),
        net.decoder.frozen(),
        maps,  # type: ignore[arg-type]
        losses,
        descent.moved(),
    )


def chunks(table: Tensor) -> Iterator[Tensor]:
    """Give rows in chunks that are asked at once when no gradient is needed.

    Parameters
    ----------
    table
        Rows.
    """
    for start in range(0, len(table), CHUNK_ROWS):
        yield table[start : start + CHUNK_ROWS]
