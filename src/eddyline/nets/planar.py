"""Planar maps on the posterior of an autoencoder: a chain of bends that keeps its volume known.

What belongs here: the maps, the constraint that keeps them invertible, their log-determinants. What does
not: the free energy they enter (``variational.py``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from eddyline.nets.determinism import torch_generator

SMALLEST_SQUARE = 1e-12
"""Least squared length of a direction, so that a zero direction divides by something."""


class PlanarFlow(nn.Module):
    """Bend codes by K maps ``f(z) = z + u tanh(w z + b)`` with ``w u > -1``.

    Parameters
    ----------
    width
        Width of the code.
    n_maps
        Maps K, >= 1.
    seed
        Start of the randomness of the maps, uniform within 0.01.

    References
    ----------
    Rezende, Mohamed, "Variational inference with normalizing flows", ICML 2015, arXiv:1505.05770;
    appendix A.1 for the constraint.
    """

    def __init__(self, width: int, n_maps: int, seed: int) -> None:
        super().__init__()
        generator = torch_generator(seed, "planar maps")

        def small(*shape: int) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape).uniform_(-0.01, 0.01, generator=generator))

        self.push, self.direction, self.offset = (
            small(n_maps, width),
            small(n_maps, width),
            small(n_maps),
        )

    def forward(self, code: Tensor) -> tuple[Tensor, Tensor]:
        """Give the bent codes and the sum of log-determinants of each row.

        Parameters
        ----------
        code
            Shape ``(n, width)``.
        """
        total = torch.zeros(len(code))
        push = invertible_push(self.push, self.direction)
        for k in range(len(push)):
            code, log_volume = planar_map(code, push[k], self.direction[k], self.offset[k])
            total = total + log_volume
        return code, total


def invertible_push(push: Tensor, direction: Tensor) -> Tensor:
    """Change ``push`` along ``direction`` so that their product exceeds -1.

    Parameters
    ----------
    push, direction
        u and w of each map, shape ``(K, width)``.
    """
    product = (push * direction).sum(dim=-1, keepdim=True)
    square = (direction * direction).sum(dim=-1, keepdim=True).clamp_min(SMALLEST_SQUARE)
    return push + (functional.softplus(product) - 1.0 - product) * direction / square


def planar_map(
    code: Tensor, push: Tensor, direction: Tensor, offset: Tensor
) -> tuple[Tensor, Tensor]:
    """Apply one map as it stands, without the constraint; give codes and log-determinants.

    Parameters
    ----------
    code
        Shape ``(n, width)``.
    push, direction
        u and w, shape ``(width,)``.
    offset
        b, a number.
    """
    bend = torch.tanh(code @ direction + offset)  # (n,)
    slope = (1.0 - bend**2) * (direction @ push)
    return code + bend[:, None] * push, torch.log(torch.abs(1.0 + slope))
