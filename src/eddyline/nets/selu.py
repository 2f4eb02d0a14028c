"""Self-normalising layers: SELU, the weights that suit it, and its dropout.

What belongs here: what keeps activations near mean 0 and variance 1 without batch statistics, after
Klambauer, Unterthiner, Mayr and Hochreiter, "Self-Normalizing Neural Networks", 2017, arXiv:1706.02515.
What does not: how layers are joined (``shake``) and trained (``training``).
"""

from __future__ import annotations

from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from eddyline.errors import UsageError

SELU_ALPHA: Final = 1.6732632423543772848
"""Steepness below zero, from the fixed point of mean 0 and variance 1 (Klambauer et al., 2017)."""

SELU_SCALE: Final = 1.0507009873554804935
"""Slope above zero, from the same fixed point."""

SELU_FLOOR: Final = -SELU_SCALE * SELU_ALPHA
"""What SELU tends to for very negative inputs; alpha dropout sets units to it."""

_STEPS: Final = 2**16
"""A dropout rate is rounded to a multiple of 1 / 2**16, as each unit's chance is 16 random bits."""

_FAR: Final = 1e20
"""How far below any sum of a layer a dropped unit is pushed."""

_elu: Final = torch.ops.aten.elu.default
_elu_backward: Final = torch.ops.aten.elu_backward.default


def selu_linear(n_in: int, n_out: int, chance: torch.Generator) -> nn.Linear:
    """Make a linear layer with weights from N(0, 1 / n_in) and no bias, as SELU needs.

    Parameters
    ----------
    n_in
        Width of what comes in, ``>= 1``.
    n_out
        Width of what goes out, ``>= 1``.
    chance
        Generator that the weights are drawn from; torch's global one is not touched.
    """
    layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        layer.weight.normal_(0.0, n_in**-0.5, generator=chance)
        layer.bias.zero_()
    return layer


def alpha_dropout_constants(rate: float) -> tuple[float, float]:
    """Give the factor and the shift that put mean and variance back after units were dropped.

    Parameters
    ----------
    rate
        Share of units dropped, in [0, 1).

    Raises
    ------
    UsageError
        When the rate is out of range.
    """
    if not 0.0 <= rate < 1.0:
        message = f"a dropout rate must be in [0, 1), got {rate}; 0.2 is usual"
        raise UsageError(message)
    kept = 1.0 - rate
    scale = (kept * (1.0 + SELU_FLOOR**2 * rate)) ** -0.5
    return scale, -scale * rate * SELU_FLOOR


def draw_drops(like: Tensor, rate: float, chance: torch.Generator) -> Tensor:
    """Draw which units are dropped: a tensor shaped as ``like``, 0 where kept and far below 0 where dropped.

    Added to what SELU takes, it sets the dropped units to SELU's floor. Four units share one 64-bit random
    number and nothing branches on a unit, which costs a fifth of Bernoulli draws and a masked fill.

    Parameters
    ----------
    like
        Tensor whose shape is taken.
    rate
        Share of units dropped, in [0, 1), rounded to a multiple of 1 / 65,536.
    chance
        Generator to draw from.
    """
    numbers = torch.empty((like.numel() + 3) // 4, dtype=torch.int64)
    numbers.random_(-(2**63), None, generator=chance)
    threshold = round(rate * _STEPS) - _STEPS // 2
    drops = numbers.view(torch.int16)[: like.numel()].to(torch.float32).view(like.shape)
    return drops.sub_(threshold).clamp_(max=0.0).mul_(_FAR)


def alpha_dropout(x: Tensor, dropped: Tensor, rate: float) -> Tensor:
    """Set the dropped units to SELU's floor and rescale all, so that mean 0 and variance 1 stay.

    Parameters
    ----------
    x
        Activations of SELU, any shape.
    dropped
        Mask of the same shape, true where a unit is dropped.
    rate
        The rate that the mask was drawn with, in [0, 1).

    Raises
    ------
    UsageError
        When the rate is out of range.
    """
    scale, shift = alpha_dropout_constants(rate)
    return (x * scale + shift).masked_fill(dropped, scale * SELU_FLOOR + shift)


class _SeluDropout(torch.autograd.Function):
    """SELU and alpha dropout in one step that keeps one tensor for the way back.

    A dropped unit stands at SELU's floor, where SELU's own slope is nought: the slope that follows from the
    output is right for kept and dropped units, so neither mask nor input need be kept. The factor of the
    dropout is part of the scale that torch's ELU takes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, drops: Tensor, scale: float, shift: float) -> Tensor:
        ctx.scale = scale * SELU_SCALE
        out: Tensor = _elu(drops.add_(x), SELU_ALPHA, ctx.scale, 1)
        ctx.save_for_backward(out)
        return out + shift

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (out,) = ctx.saved_tensors
        slope: Tensor = _elu_backward(grads[0], SELU_ALPHA, ctx.scale, 1, True, out)
        return slope, None, None, None


def selu_dropout(x: Tensor, rate: float, chance: torch.Generator | None) -> Tensor:
    """Apply SELU, then alpha dropout where training gives a generator.

    Parameters
    ----------
    x
        Pre-activations, any shape.
    rate
        Share of units dropped, in [0, 1); rounded to a multiple of 1 / 65,536 when drawn.
    chance
        Generator of the drops; None when the net is asked and not trained.

    Raises
    ------
    UsageError
        When the rate is out of range.

    Examples
    --------
    >>> [round(float(v), 4) for v in selu_dropout(torch.tensor([-2.0, 0.5]), 0.2, None)]
    [-1.5202, 0.5254]
    """
    if chance is None or rate == 0.0:
        return torch.selu(x)
    drops = draw_drops(x, rate, chance)
    return cast("Tensor", _SeluDropout.apply(x, drops, *alpha_dropout_constants(rate)))  # type: ignore[no-untyped-call]
