"""Batches of training rows, drawn with replacement: labelled rows by class, rows of the target evenly.

What belongs here: what a batch holds and the memory it stands in. What does not: how often each class is
drawn (``nets.sampler``) and what is done with a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from eddyline.nets.sampler import ClassSampler

DRAWN: Final = 64
"""Batches whose row numbers are drawn at once."""


@dataclass(slots=True)
class Batches:
    """Source rows by class and target rows, drawn with replacement into buffers that are used again.

    Parameters
    ----------
    rows
        Scaled rows of source, shape ``(n, d)``.
    codes
        Their classes, shape ``(n,)``.
    sampler
        Draws their numbers.
    target
        Scaled rows without labels, shape ``(m, d)``, or None.
    size
        Rows of each kind in a batch.
    chance
        Draws the target's rows.
    """

    rows: Tensor
    codes: Tensor
    sampler: ClassSampler
    target: Tensor | None
    size: int
    chance: np.random.Generator

    def stream(self) -> Callable[[], tuple[Tensor, Tensor]]:
        """Give a function that gives the next rows, source above target, and the source's classes."""
        n_kinds = 1 if self.target is None else 2
        buffer = torch.empty((n_kinds * self.size, self.rows.shape[1]))
        held: list[tuple[Tensor, Tensor | None]] = []

        def draw() -> tuple[Tensor, Tensor]:
            if not held:
                held.extend(self._numbers())
            places, others = held.pop()
            torch.index_select(self.rows, 0, places, out=buffer[: self.size])
            if self.target is not None and others is not None:
                torch.index_select(self.target, 0, others, out=buffer[self.size :])
            return buffer, self.codes[places]

        return draw

    def _numbers(self) -> list[tuple[Tensor, Tensor | None]]:
        source = torch.split(torch.from_numpy(self.sampler.draw(DRAWN * self.size)), self.size)
        if self.target is None:
            return [(places, None) for places in source]
        others = self.chance.integers(0, len(self.target), DRAWN * self.size)
        return list(zip(source, torch.split(torch.from_numpy(others), self.size), strict=True))
