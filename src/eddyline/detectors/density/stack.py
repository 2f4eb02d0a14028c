"""Dense layers as plain arrays, run one row at a time by a compiled loop; no torch in it.

What belongs here: the frozen form of a trained stack of layers and running it. What does not: training
(``nets``) or what a score is made of (``energy.py`` and the detectors).

A matrix product rounds a row differently with the size of the batch. Here every output is summed over its
inputs in one order, whatever rows stand beside it, so that a row keeps its bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.errors import ModelError
from eddyline.tables import Integers

Singles = NDArray[np.float32]

ACTIVATIONS: Final = ("linear", "relu", "tanh")
"""What may follow a layer; the arrays hold its place in this list."""

MAX_WIDTH: Final = 100_000
"""Widest layer that a model file may ask for."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Trained layers, one after the other.

    Parameters
    ----------
    widths
        Width of the input and of each layer's output, shape ``(n_layers + 1,)``.
    activations
        What follows each layer, by its place in ``ACTIVATIONS``, shape ``(n_layers,)``.
    flat
        For each layer its weights, input by input, then its biases, end to end, float32.
    """

    widths: Integers
    activations: Integers
    flat: Singles

    @classmethod
    def of(
        cls, layers: Sequence[tuple[NDArray[Any], NDArray[Any]]], activations: Sequence[str]
    ) -> Stack:
        """Lay layers end to end.

        Parameters
        ----------
        layers
            Weights of shape ``(n_in, n_out)`` and biases of shape ``(n_out,)`` of each layer, at least one.
        activations
            What follows each layer, by name.
        """
        widths = [len(layers[0][0]), *(len(biases) for _, biases in layers)]
        flat = np.concatenate([np.concatenate([w.ravel(), b]) for w, b in layers])
        return cls(
            np.array(widths, dtype=np.int64),
            np.array([ACTIVATIONS.index(name) for name in activations], dtype=np.int64),
            np.ascontiguousarray(flat, dtype=np.float32),
        )

    @classmethod
    def restored(
        cls, widths: NDArray[Any], activations: NDArray[Any], flat: NDArray[Any]
    ) -> Stack:
        """Build a stack from saved arrays, which may come from a stranger.

        Parameters
        ----------
        widths, activations, flat
            As the attributes.

        Raises
        ------
        ModelError
            When they do not describe layers: the loop would read memory that is not theirs.
        """
        sizes = np.asarray(widths)
        sound = (
            sizes.ndim == 1
            and sizes.dtype.kind in "iu"
            and len(sizes) >= 2
            and bool(((sizes >= 1) & (sizes <= MAX_WIDTH)).all())
            and np.shape(activations) == (len(sizes) - 1,)
            and bool(np.isin(activations, range(len(ACTIVATIONS))).all())
            and np.shape(flat) == (int(((sizes[:-1] + 1) * sizes[1:]).sum()),)
            and bool(np.isfinite(flat).all())
        )
        if not sound:
            message = (
                f"saved layers must have widths >= 1, known activations and as many finite weights "
                f"as the widths ask for, got widths {sizes.tolist()} and {np.size(flat)} weights; "
                f"learn the model again"
            )
            raise ModelError(message)
        return cls(
            np.ascontiguousarray(sizes, dtype=np.int64),
            np.ascontiguousarray(activations, dtype=np.int64),
            np.ascontiguousarray(flat, dtype=np.float32),
        )

    @property
    def n_in(self) -> int:
        """Width of the input."""
        return int(self.widths[0])

    @property
    def n_out(self) -> int:
        """Width of the output."""
        return int(self.widths[-1])

    def layers(self) -> list[tuple[Singles, Singles]]:
        """Give weights of shape ``(n_in, n_out)`` and biases of each layer, as views."""
        found, start = [], 0
        for n_in, n_out in zip(self.widths[:-1], self.widths[1:], strict=True):
            middle, stop = start + n_in * n_out, start + (n_in + 1) * n_out
            found.append((self.flat[start:middle].reshape(n_in, n_out), self.flat[middle:stop]))
            start = stop
        return found

    def run(self, rows: Singles) -> Singles:
        """Give the output for rows, each with bits that its neighbours do not change.

        Parameters
        ----------
        rows
            Shape ``(n, n_in)``, float32.
        """
        out = np.empty((len(rows), self.n_out), np.float32)
        _run_rows(
            np.ascontiguousarray(rows, np.float32), self.widths, self.activations, self.flat, out
        )
        return out


@njit(cache=True, nogil=True, error_model="numpy")
def run_row(
    row: Singles,
    widths: Integers,
    activations: Integers,
    flat: Singles,
    buffers: Singles,
) -> Singles:  # pragma: no cover
    """Run one row through a stack; the answer is a view into ``buffers``.

    Parameters
    ----------
    row
        Shape ``(n_in,)``.
    widths, activations, flat
        The stack.
    buffers
        Two rows at least as wide as the widest layer, shape ``(2, width)``.
    """
    held = row
    start = 0
    for layer in range(activations.shape[0]):
        n_in, n_out = widths[layer], widths[layer + 1]
        out = buffers[layer % 2, :n_out]
        biases = flat[start + n_in * n_out : start + (n_in + 1) * n_out]
        for j in range(n_out):
            out[j] = biases[j]
        _add_inputs(held, n_in, flat[start : start + n_in * n_out], out)
        if activations[layer] == 1:
            for j in range(n_out):
                out[j] = max(out[j], np.float32(0.0))
        elif activations[layer] == 2:
            for j in range(n_out):
                out[j] = math.tanh(out[j])
        held = out
        start += (n_in + 1) * n_out
    return held


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _add_inputs(
    held: Singles, n_in: int, weights: Singles, out: Singles
) -> None:  # pragma: no cover
    """Add each input times its weights to the outputs, input by input, in that order.

    Eight inputs are taken in one pass over the outputs, which are then read and written once for all eight.
    """
    n_out = len(out)
    eights = n_in - n_in % 8
    for k in range(0, eights, 8):
        v0, v1, v2, v3 = held[k], held[k + 1], held[k + 2], held[k + 3]
        v4, v5, v6, v7 = held[k + 4], held[k + 5], held[k + 6], held[k + 7]
        w = weights[k * n_out : (k + 8) * n_out]
        w0, w1, w2, w3 = w[:n_out], w[n_out:], w[2 * n_out :], w[3 * n_out :]
        w4, w5, w6, w7 = w[4 * n_out :], w[5 * n_out :], w[6 * n_out :], w[7 * n_out :]
        for j in range(n_out):
            total = out[j] + v0 * w0[j] + v1 * w1[j] + v2 * w2[j] + v3 * w3[j]
            out[j] = total + v4 * w4[j] + v5 * w5[j] + v6 * w6[j] + v7 * w7[j]
    for k in range(eights, n_in):
        value, single = held[k], weights[k * n_out : (k + 1) * n_out]
        for j in range(n_out):
            out[j] += value * single[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _run_rows(
    rows: Singles, widths: Integers, activations: Integers, flat: Singles, out: Singles
) -> None:  # pragma: no cover
    buffers = np.empty((2, np.max(widths)), np.float32)
    for i in range(rows.shape[0]):
        out[i] = run_row(rows[i], widths, activations, flat, buffers)
