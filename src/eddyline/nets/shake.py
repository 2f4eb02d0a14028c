"""Shake-Shake: two residual branches mixed by chance, differently on the way there and back.

What belongs here: the mix with its own gradient, the coefficients' draws, and the residual block made of
them, after Gastaldi, "Shake-Shake regularization", 2017, arXiv:1705.07485. What does not: the encoder that
stacks blocks, which belongs to the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

import torch
from torch import Tensor, nn

from eddyline.errors import UsageError
from eddyline.nets.selu import selu_dropout, selu_linear

Forward = Literal["even", "shake"]
Backward = Literal["even", "shake", "keep"]
Grain = Literal["sample", "batch"]

BRANCH_SCALE: Final = 1.5**-0.5
"""Puts the variance back to 1: x + F1 / 2 + F2 / 2 has 1.5 for independent terms of variance 1."""


@dataclass(frozen=True, slots=True)
class ShakeMode:
    """How the two branches are weighted while training.

    Parameters
    ----------
    forward
        ``"shake"`` draws the weight a of the first branch from U(0, 1), ``"even"`` takes 0.5.
    backward
        Weight b of the first branch's gradient: ``"shake"`` draws it anew, ``"even"`` takes 0.5, ``"keep"``
        takes a.
    grain
        ``"sample"`` draws for every row, ``"batch"`` once for all rows.

    Raises
    ------
    UsageError
        When a word is none of these.
    """

    forward: Forward = "shake"
    backward: Backward = "even"
    grain: Grain = "sample"

    def __post_init__(self) -> None:
        for name, words in (("forward", Forward), ("backward", Backward), ("grain", Grain)):
            if getattr(self, name) not in get_args(words):
                message = (
                    f"shake {name} must be one of {', '.join(get_args(words))}, got "
                    f"{getattr(self, name)!r}; 'shake', 'even', 'sample' are the defaults"
                )
                raise UsageError(message)

    @classmethod
    def parse(cls, text: str) -> ShakeMode:
        """Read a mode as it is written in papers, such as ``"shake-even"`` or ``"even-shake-batch"``.

        Parameters
        ----------
        text
            Forward, backward and, optionally, grain, joined by hyphens.

        Raises
        ------
        UsageError
            When there are not two or three words, or one is unknown.
        """
        words = text.lower().split("-")
        if len(words) not in (2, 3):
            message = (
                f"a shake mode must be forward-backward[-grain], got {text!r}; try 'shake-even'"
            )
            raise UsageError(message)
        return cls(*cast("list[Any]", words))

    def draw(self, n_rows: int, chance: torch.Generator | None) -> tuple[Tensor, Tensor]:
        """Draw the weights there and back, each of shape ``(n_rows, 1)`` or ``(1, 1)``.

        Parameters
        ----------
        n_rows
            Rows of the batch, ``>= 1``.
        chance
            Generator to draw from; None asks for the evaluation's 0.5 and 0.5.
        """
        n = n_rows if self.grain == "sample" else 1
        half = torch.full((1, 1), 0.5)
        if chance is None:
            return half, half
        there = torch.rand((n, 1), generator=chance) if self.forward == "shake" else half
        if self.backward == "keep":
            return there, there
        back = torch.rand((n, 1), generator=chance) if self.backward == "shake" else half
        return there, back


class _ShakeSum(torch.autograd.Function):
    """x + a F1 + (1 - a) F2, with the gradients g to x, b g to F1 and (1 - b) g to F2."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, first: Tensor, second: Tensor, there: Tensor, back: Tensor
    ) -> Tensor:
        ctx.save_for_backward(back)
        return torch.lerp(second, first, there).add_(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        (back,) = ctx.saved_tensors
        to_first = grads[0] * back
        return grads[0], to_first, grads[0] - to_first, None, None


def shake_sum(x: Tensor, first: Tensor, second: Tensor, there: Tensor, back: Tensor) -> Tensor:
    """Add two branches to the skip path with one weight there and another on the way back.

    Parameters
    ----------
    x
        Skip path, shape ``(n, d)``.
    first
        First branch, shape ``(n, d)``.
    second
        Second branch, shape ``(n, d)``.
    there
        Weight a of the first branch in the sum, broadcast to ``(n, d)``, in [0, 1].
    back
        Weight b of the first branch's gradient, broadcast to ``(n, d)``, in [0, 1].
    """
    return cast("Tensor", _ShakeSum.apply(x, first, second, there, back))  # type: ignore[no-untyped-call]


class ShakeBlock(nn.Module):
    """Residual block of two branches, each linear, SELU, alpha dropout, linear, mixed by Shake-Shake.

    The first layers of both branches are one matrix of twice the width, as one product of that size is
    faster than two.

    Parameters
    ----------
    width
        Columns in and out, ``>= 1``.
    chance
        Generator that the weights are drawn from.
    mode
        How the branches are weighted while training.
    dropout
        Rate of the alpha dropout inside the branches, in [0, 1).
    rescale
        Multiply the sum by ``BRANCH_SCALE``, which SELU wants.
    """

    def __init__(
        self,
        width: int,
        chance: torch.Generator,
        *,
        mode: ShakeMode,
        dropout: float = 0.2,
        rescale: bool = True,
    ) -> None:
        super().__init__()
        self.mode = mode
        self.dropout = dropout
        self.rescale = rescale
        self.inner = selu_linear(width, 2 * width, chance)
        self.first = selu_linear(width, width, chance)
        self.second = selu_linear(width, width, chance)

    def forward(self, x: Tensor, chance: torch.Generator | None = None) -> Tensor:
        """Mix the branches into the rows; by chance while training, evenly without a generator.

        Parameters
        ----------
        x
            Rows, shape ``(n, width)``.
        chance
            Generator of weights and drops; None when the net is asked.
        """
        hidden = selu_dropout(self.inner(x), self.dropout, chance)
        left, right = hidden.chunk(2, dim=1)
        there, back = self.mode.draw(len(x), chance)
        out = shake_sum(x, self.first(left), self.second(right), there, back)
        return out * BRANCH_SCALE if self.rescale else out
