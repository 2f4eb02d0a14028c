"""The free energy of a frozen autoencoder, row by row in a compiled loop; no torch in it.

What belongs here: running encoder, planar maps and decoder on a row at its mean code, and what came of each
column. What does not: training them (``nets``) and the detectors that score by it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numba import njit

from eddyline.detectors.density.stack import Singles, Stack, run_row
from eddyline.errors import ModelError
from eddyline.tables import Floats, Integers


@dataclass(frozen=True, slots=True)
class FreeEnergy:
    """A frozen variational autoencoder.

    Parameters
    ----------
    encoder
        Rows to means and log-variances, ``2 latent`` outputs; or to the code alone.
    decoder
        Codes to rows.
    push, direction
        Planar maps, shape ``(K, latent)``; K is 0 without any.
    offset
        Shape ``(K,)``.
    """

    encoder: Stack
    decoder: Stack
    push: Singles
    direction: Singles
    offset: Singles

    def __post_init__(self) -> None:
        latent = self.decoder.n_in
        shapes = (self.push.shape, self.direction.shape, self.offset.shape)
        n_maps = len(self.offset)
        if (
            self.encoder.n_out not in (latent, 2 * latent)
            or self.encoder.n_in != self.decoder.n_out
            or shapes != ((n_maps, latent), (n_maps, latent), (n_maps,))
        ):
            message = (
                f"a saved autoencoder must encode and decode the same widths, got encoder "
                f"{self.encoder.widths.tolist()}, decoder {self.decoder.widths.tolist()} and maps "
                f"{shapes}; learn the model again"
            )
            raise ModelError(message)

    def of(self, rows: Singles) -> Floats:
        """Give each row's energy ``1/2 ||x - xhat||^2 + KL`` at the mean code, shape ``(n,)``.

        Parameters
        ----------
        rows
            Scaled rows, shape ``(n, d)``, float32.
        """
        out = np.empty(len(rows))
        decoded = np.empty((0, rows.shape[1]), np.float32)
        self._run(rows, out, decoded)
        return out

    def decoded(self, rows: Singles) -> Singles:
        """Give what each row is decoded to, shape ``(n, d)``.

        Parameters
        ----------
        rows
            Scaled rows, shape ``(n, d)``, float32.
        """
        decoded = np.empty(rows.shape, np.float32)
        self._run(rows, np.empty(len(rows)), decoded)
        return decoded

    def _run(self, rows: Singles, energies: Floats, decoded: Singles) -> None:
        encoder, decoder = self.encoder, self.decoder
        _energies(
            rows,
            encoder.widths,
            encoder.activations,
            encoder.flat,
            decoder.widths,
            decoder.activations,
            decoder.flat,
            self.push,
            self.direction,
            self.offset,
            energies,
            decoded,
        )


@njit(cache=True, nogil=True, error_model="numpy")
def _energies(  # noqa: PLR0913 - a compiled loop takes plain arrays
    rows: Singles,
    in_widths: Integers,
    in_activations: Integers,
    in_flat: Singles,
    out_widths: Integers,
    out_activations: Integers,
    out_flat: Singles,
    push: Singles,
    direction: Singles,
    offset: Singles,
    energies: Floats,
    decoded: Singles,
) -> None:  # pragma: no cover
    buffers = np.empty((2, max(np.max(in_widths), np.max(out_widths))), np.float32)
    latent = out_widths[0]
    code = np.empty(latent, np.float32)
    variational = in_widths[-1] == 2 * latent
    for i in range(rows.shape[0]):
        encoded = run_row(rows[i], in_widths, in_activations, in_flat, buffers)
        divergence = 0.0
        for j in range(latent):
            code[j] = encoded[j]
            if variational:
                log_variance = min(max(np.float64(encoded[latent + j]), -8.0), 8.0)
                divergence -= 0.5 * log_variance
                if offset.shape[0] == 0:
                    square = np.float64(code[j]) * code[j]
                    divergence += 0.5 * (square + math.exp(log_variance) - 1.0)
        if offset.shape[0] > 0:
            divergence -= _bend(code, push, direction, offset)
            for j in range(latent):
                divergence += 0.5 * np.float64(code[j]) * code[j]
        told = run_row(code, out_widths, out_activations, out_flat, buffers)
        square = 0.0
        for j in range(rows.shape[1]):
            error = np.float64(rows[i, j]) - told[j]
            square += error * error
        energies[i] = 0.5 * square + divergence
        if decoded.shape[0] > 0:
            decoded[i] = told


@njit(cache=True, nogil=True, error_model="numpy")
def _bend(
    code: Singles, push: Singles, direction: Singles, offset: Singles
) -> float:  # pragma: no cover
    """Apply the planar maps to a code in place; give the sum of their log-determinants."""
    total = 0.0
    for k in range(offset.shape[0]):
        reach = np.float64(offset[k])
        along = 0.0
        for j in range(code.shape[0]):
            reach += np.float64(code[j]) * direction[k, j]
            along += np.float64(direction[k, j]) * push[k, j]
        bend = math.tanh(reach)
        for j in range(code.shape[0]):
            code[j] += bend * push[k, j]
        total += math.log(abs(1.0 + (1.0 - bend * bend) * along))
    return total
