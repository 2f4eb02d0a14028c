"""Losses that pull two batches' activations together: central moments, covariances, a fooled judge.

What belongs here: the discrepancy of Zellinger, Grubinger, Lughofer, Natschläger and Saminger-Platz, "Central
Moment Discrepancy (CMD) for Domain-Invariant Representation Learning", 2017, arXiv:1702.08811, and the two
it is compared with. What does not: which batches are compared and how much it weighs, which is the
classifier's.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

import torch
from torch import Tensor

from eddyline.errors import UsageError

_NORM_FLOOR: Final = 1e-12
"""Added under the root, for the norm's gradient at nought is not defined."""


def cmd_terms(
    source: Tensor,
    target: Tensor,
    *,
    moments: int = 5,
    span: float = 2.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Give the discrepancy's terms, one for the means and one for each higher central moment.

    Parameters
    ----------
    source
        Activations, shape ``(n, d)``, bounded within an interval of length ``span``.
    target
        Activations to compare with, shape ``(m, d)``, bounded likewise.
    moments
        How many moments, K ``>= 1``; the authors take 5.
    span
        Length ``b - a`` of the interval, ``> 0``: 2 for tanh, 1 for the authors' sigmoid.
    weights
        Weight of each source row, shape ``(n,)``, ``>= 0``, such as to make another mix of classes of them;
        None weighs all equally.

    Raises
    ------
    UsageError
        When ``moments`` or ``span`` are out of range.
    """
    if moments < 1 or span <= 0:
        message = (
            f"CMD needs moments >= 1 and span > 0, got {moments} and {span}; 5 and 2 suit tanh"
        )
        raise UsageError(message)
    share = None if weights is None else weights / weights.sum()
    mean_s, mean_t = _mean(source, share), target.mean(0)
    terms = [_norm(mean_s - mean_t) / span]
    if moments > 1:
        centred_s, centred_t = source - mean_s, target - mean_t
        power_s, power_t = centred_s, centred_t
        for k in range(2, moments + 1):
            power_s, power_t = power_s * centred_s, power_t * centred_t
            terms.append(_norm(_mean(power_s, share) - power_t.mean(0)) / span**k)
    return torch.stack(terms)


def cmd(
    source: Tensor,
    target: Tensor,
    *,
    moments: int = 5,
    span: float = 2.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Give the central moment discrepancy of two batches of bounded activations.

    Parameters
    ----------
    source
        Activations, shape ``(n, d)``, bounded within an interval of length ``span``.
    target
        Activations to compare with, shape ``(m, d)``, bounded likewise.
    moments
        How many moments, ``>= 1``.
    span
        Length of the interval, ``> 0``.
    weights
        Weight of each source row, shape ``(n,)``, ``>= 0``, such as to make another mix of classes of them;
        None weighs all equally.

    Raises
    ------
    UsageError
        When ``moments`` or ``span`` are out of range.

    Examples
    --------
    >>> rows = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    >>> float(cmd(rows, rows)) < 1e-5
    True
    """
    return cmd_terms(source, target, moments=moments, span=span, weights=weights).sum()


def deep_coral(source: Tensor, target: Tensor) -> Tensor:
    """Give the squared distance of the covariances over ``4 d**2``.

    Sun and Saenko, "Deep CORAL: Correlation Alignment for Deep Domain Adaptation", 2016, arXiv:1607.01719.

    Parameters
    ----------
    source
        Activations, shape ``(n, d)``, at least two rows.
    target
        Activations to compare with, shape ``(m, d)``, at least two rows.
    """
    difference = _covariance(source) - _covariance(target)
    return difference.square().sum() / (4 * source.shape[1] ** 2)


class _ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: float) -> Tensor:
        ctx.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0] * -ctx.weight, None


def reverse_gradient(x: Tensor, weight: float) -> Tensor:
    """Pass the rows on unchanged and turn their gradient round, so that the layers before fool a judge.

    Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016, arXiv:1505.07818.

    Parameters
    ----------
    x
        Activations, any shape.
    weight
        Factor of the reversed gradient, ``>= 0``; ``reversal_weight`` gives the authors' rise.
    """
    return cast("Tensor", _ReverseGradient.apply(x, weight))  # type: ignore[no-untyped-call]


def reversal_weight(progress: float) -> float:
    """Give the weight of the reversed gradient, from 0 at the start towards 1 at the end.

    Parameters
    ----------
    progress
        Share of the updates done, in [0, 1].
    """
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


def _mean(rows: Tensor, share: Tensor | None) -> Tensor:
    return rows.mean(0) if share is None else share @ rows


def _norm(vector: Tensor) -> Tensor:
    return (vector.square().sum() + _NORM_FLOOR).sqrt()


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0)
    return centred.T @ centred / (len(rows) - 1)
