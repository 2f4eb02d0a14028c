"""Dense layers in torch that can be frozen to plain arrays.

What belongs here: building a stack from a seed and taking its weights out. What does not: losses and loops,
or running frozen layers, which needs no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from eddyline.nets.determinism import torch_generator

_FUNCTIONS = {"linear": nn.Identity, "relu": nn.ReLU, "tanh": nn.Tanh}


@dataclass(frozen=True, slots=True)
class FrozenDense:
    """Trained layers as arrays.

    Parameters
    ----------
    layers
        Weights of shape ``(n_in, n_out)`` and biases of shape ``(n_out,)``, float32.
    activations
        What follows each layer: ``linear``, ``relu`` or ``tanh``.
    """

    layers: list[tuple[NDArray[np.float32], NDArray[np.float32]]]
    activations: tuple[str, ...]


class Dense(nn.Module):
    """Linear layers with activations between them.

    Parameters
    ----------
    widths
        Width of the input and of each layer's output.
    activations
        What follows each layer, ``linear``, ``relu`` or ``tanh``.
    seed
        Start of the randomness of the weights, uniform within ``1 / sqrt(inputs)``.
    purpose
        Tells this stack's randomness from that of others with the same seed.
    """

    def __init__(
        self, widths: Sequence[int], activations: Sequence[str], seed: int, purpose: str
    ) -> None:
        super().__init__()
        self.activations = tuple(activations)
        generator = torch_generator(seed, f"weights of {purpose}")
        self.linear = nn.ModuleList()
        for n_in, n_out in pairwise(widths):
            layer = nn.Linear(n_in, n_out, device="meta").to_empty(device="cpu")
            reach = 1.0 / math.sqrt(n_in)
            for parameter in (layer.weight, layer.bias):
                nn.init.uniform_(parameter, -reach, reach, generator=generator)
            self.linear.append(layer)
        self.functions = nn.ModuleList(_FUNCTIONS[kind]() for kind in self.activations)

    def forward(self, rows: Tensor) -> Tensor:
        """Give the output for rows, shape ``(n, n_out)``.

        Parameters
        ----------
        rows
            Shape ``(n, n_in)``.
        """
        for layer, function in zip(self.linear, self.functions, strict=True):
            rows = function(layer(rows))
        return rows

    def frozen(self) -> FrozenDense:
        """Give the layers as plain arrays, copied."""
        layers = []
        for layer in self.linear:
            weight, bias = (part.detach().numpy().copy() for part in layer.parameters())
            layers.append((weight.T.copy(), bias))
        return FrozenDense(layers, self.activations)
