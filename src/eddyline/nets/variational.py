"""A variational autoencoder whose free energy is a score: what cannot be told in few numbers is strange.

What belongs here: the net, its free energy in training and at rest, and the losses made of the error. What
does not: which rows are learned from and how long (``density_training.py``, ``grand_training.py``).
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor, nn

from eddyline.nets.dense import Dense
from eddyline.nets.planar import PlanarFlow

LOG_VARIANCE: Final = 8.0
"""Log-variances are held within this of 0, so that no exponential runs away."""


class Variational(nn.Module):
    """Encode rows to a normal distribution over few numbers and decode a draw from it.

    Parameters
    ----------
    width
        Columns of a row.
    hidden
        Width of the one ReLU layer on either side.
    latent
        Width of the code.
    n_maps
        Planar maps on the posterior; 0 for none.
    seed
        Start of the randomness of the weights.
    """

    def __init__(self, width: int, hidden: int, latent: int, n_maps: int, seed: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = Dense((width, hidden, 2 * latent), ("relu", "linear"), seed, "encoder")
        self.decoder = Dense((latent, hidden, width), ("relu", "linear"), seed, "decoder")
        self.maps = PlanarFlow(latent, n_maps, seed) if n_maps else None

    def parts(self, rows: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:
        """Give each row's squared error ``||x - xhat||^2`` and its divergence from the prior.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        noise
            Standard normal draws of shape ``(n, latent)``; None to decode the mean, as every score does.
        """
        mean, log_variance = self.encoder(rows).split(self.latent, dim=1)
        log_variance = log_variance.clamp(-LOG_VARIANCE, LOG_VARIANCE)
        code = mean if noise is None else mean + torch.exp(0.5 * log_variance) * noise
        if self.maps is None:
            divergence = normal_divergence(mean, log_variance)
        else:
            draw = torch.zeros_like(mean) if noise is None else noise
            start = -0.5 * (log_variance + draw**2).sum(dim=1)
            code, log_volume = self.maps(code)
            divergence = start + 0.5 * (code**2).sum(dim=1) - log_volume
        error = rows - self.decoder(code)
        return (error * error).sum(dim=1), divergence

    def free_energy(self, rows: Tensor, noise: Tensor | None = None) -> Tensor:
        """Give ``1/2 ||x - xhat||^2 + KL``, an upper bound of the negative log-likelihood up to a constant.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        noise
            As for ``parts``.
        """
        square, divergence = self.parts(rows, noise)
        return 0.5 * square + divergence


class Autoencoder(nn.Module):
    """Encode rows to few numbers and decode them, without chance and without a prior.

    Parameters
    ----------
    width
        Columns of a row.
    hidden
        Width of the one ReLU layer on either side.
    latent
        Width of the code.
    seed
        Start of the randomness of the weights.
    """

    maps: None = None

    def __init__(self, width: int, hidden: int, latent: int, seed: int) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = Dense((width, hidden, latent), ("relu", "linear"), seed, "encoder")
        self.decoder = Dense((latent, hidden, width), ("relu", "linear"), seed, "decoder")

    def parts(self, rows: Tensor, noise: Tensor | None) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        """Give each row's squared error and, for the interface of ``Variational``, zeros.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        noise
            Not used.
        """
        error = rows - self.decoder(self.encoder(rows))
        return (error * error).sum(dim=1), torch.zeros(len(rows))


def normal_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Give the divergence of each row's normal distribution from the standard one.

    Parameters
    ----------
    mean, log_variance
        Shape ``(n, latent)``.
    """
    return 0.5 * (mean**2 + torch.exp(log_variance) - 1.0 - log_variance).sum(dim=1)


def welsch_loss(square: Tensor, beta: float) -> Tensor:
    """Give ``(b + 1)/b (1 - exp(-b ||e||^2 / 2))``: an error that large ones no longer push.

    Parameters
    ----------
    square
        Squared errors ``||e||^2``, shape ``(n,)``.
    beta
        b > 0, in units of 1 / ``||e||^2``.

    References
    ----------
    Akrami, Joshi, Li, Aydore, Leahy, "A robust variational autoencoder using beta divergence",
    Knowledge-Based Systems 2022, doi:10.1016/j.knosys.2021.107886, without its constant, which makes it the
    loss of Dennis and Welsch 1978, doi:10.1080/03610917808812083.
    """
    return (beta + 1.0) / beta * -torch.expm1(-0.5 * beta * square)


def beta_loss(square: Tensor, beta: float, sigma: float, width: int) -> Tensor:
    """Give the beta-divergence loss with its constant, as published; it vanishes for small constants.

    Parameters
    ----------
    square
        Squared errors ``||e||^2``, shape ``(n,)``.
    beta
        b > 0.
    sigma
        Standard deviation of the decoder, > 0.
    width
        Columns D, which the constant depends on.
    """
    constant = beta_constant(width, sigma, beta)
    fall = torch.exp(-beta * square / (2.0 * sigma**2))
    return -((beta + 1.0) / beta) * (constant * fall - 1.0)


def beta_constant(width: int, sigma: float, beta: float) -> float:
    """Give ``(2 pi s^2)^(-b D / 2)``, the factor of the published beta-divergence.

    Parameters
    ----------
    width
        Columns D.
    sigma
        Standard deviation s of the decoder, > 0.
    beta
        b > 0.
    """
    return math.exp(-0.5 * beta * width * math.log(2.0 * math.pi * sigma**2))
