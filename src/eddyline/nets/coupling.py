"""A normalising flow of affine couplings: an exact density of a few continuous columns.

What belongs here: the couplings, their inverse and log-determinant, and training by likelihood. What does
not: which columns enter, and scoring without torch (``detectors/density/flow.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from eddyline.nets.dense import Dense, FrozenDense
from eddyline.nets.density_training import Course, Descent, Shuffler, Singles
from eddyline.nets.determinism import deterministic, numpy_generator

REACH = 2.0
"""Largest logarithm of a coupling's factor."""


class CouplingFlow(nn.Module):
    """Map rows to standard normal ones by couplings ``y_b = x_b exp(s(x_a)) + t(x_a)``.

    Halves change places from block to block. The last layers start at zero, so a fresh flow changes nothing.

    Parameters
    ----------
    width
        Columns of a row, >= 2.
    n_blocks
        Couplings, >= 1.
    hidden
        Width of the two ReLU layers of a coupling.
    seed
        Start of the randomness of the weights.

    References
    ----------
    Dinh, Sohl-Dickstein, Bengio, "Density estimation using Real NVP", ICLR 2017, arXiv:1605.08803.
    """

    def __init__(self, width: int, n_blocks: int, hidden: int, seed: int) -> None:
        super().__init__()
        self.n_first = width // 2
        self.width = width
        self.blocks = nn.ModuleList()
        for number in range(n_blocks):
            n_given = self.n_first if number % 2 == 0 else width - self.n_first
            widths = (n_given, hidden, hidden, 2 * (width - n_given))
            block = Dense(widths, ("relu", "relu", "linear"), seed, f"coupling {number}")
            for parameter in block.linear[-1].parameters():
                nn.init.zeros_(parameter)
            self.blocks.append(block)

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give the mapped rows and each row's log-determinant.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        """
        total = torch.zeros(len(rows))
        for number, block in enumerate(self.blocks):
            given, changed = self._split(rows, number)
            log_factor, shift = self._move(block, given)
            rows = self._join(given, changed * torch.exp(log_factor) + shift, number)
            total = total + log_factor.sum(dim=1)
        return rows, total

    def inverse(self, rows: Tensor) -> Tensor:
        """Give the rows that ``forward`` maps to the given ones.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        """
        for number in reversed(range(len(self.blocks))):
            given, changed = self._split(rows, number)
            log_factor, shift = self._move(self.blocks[number], given)
            rows = self._join(given, (changed - shift) * torch.exp(-log_factor), number)
        return rows

    def energy(self, rows: Tensor) -> Tensor:
        """Give the negative log-likelihood of rows.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        """
        mapped, log_volume = self(rows)
        constant = 0.5 * self.width * math.log(2.0 * math.pi)
        energy: Tensor = 0.5 * (mapped**2).sum(dim=1) + constant - log_volume
        return energy

    def _split(self, rows: Tensor, number: int) -> tuple[Tensor, Tensor]:
        first, second = rows[:, : self.n_first], rows[:, self.n_first :]
        return (first, second) if number % 2 == 0 else (second, first)

    def _join(self, given: Tensor, changed: Tensor, number: int) -> Tensor:
        parts = (given, changed) if number % 2 == 0 else (changed, given)
        return torch.cat(parts, dim=1)

    def _move(self, block: nn.Module, given: Tensor) -> tuple[Tensor, Tensor]:
        raw, shift = block(given).chunk(2, dim=1)
        return REACH * torch.tanh(raw), shift


@dataclass(frozen=True, slots=True)
class TrainedFlow:
    """A trained flow as arrays.

    Parameters
    ----------
    blocks
        The layers of each coupling.
    losses
        Mean loss of each hundredth of the steps.
    moved
        Largest change of any weight.
    """

    blocks: list[FrozenDense]
    losses: NDArray[np.float64]
    moved: float


def train_flow(rows: Singles, net: CouplingFlow, course: Course, seed: int) -> TrainedFlow:
    """Train by maximum likelihood.

    Parameters
    ----------
    rows
        Continuous rows, shape ``(n, width)``.
    net
        Fresh net.
    course
        How long and how fast.
    seed
        Start of the randomness of the batches.

    Raises
    ------
    DataError
        When a loss was not finite.
    """
    with deterministic():
        table = torch.from_numpy(rows)
        descent = Descent(net, course)
        shuffler = Shuffler(len(rows), numpy_generator(seed, "batches"))
        batch = min(course.batch, len(rows))
        for _ in range(course.steps):
            part = table[torch.from_numpy(shuffler.take(batch))]
            descent.step(net.energy(part).mean())
        frozen = [block.frozen() for block in net.blocks]  # type: ignore[operator]
        return TrainedFlow(frozen, descent.losses(), descent.moved())
