"""DAGMM's two nets: an autoencoder to one number, and a net that deals its rows to a mixture.

What belongs here: the nets, the mixture's energy, their training. What does not: scoring without torch
(``detectors/density/dagmm.py``).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from eddyline.nets.dense import Dense, FrozenDense
from eddyline.nets.density_training import Course, Descent, Shuffler, Singles, chunks
from eddyline.nets.determinism import deterministic, numpy_generator, torch_generator

LAYERS = (60, 30, 10, 1)
"""Widths of the encoder in the KDD setting of the paper; the decoder mirrors them."""

MEMBERS_HIDDEN = 10
N_FEATURES = 3
"""The code, the relative distance and the cosine of row and reconstruction."""

RIDGE = 1e-6
"""Added to the diagonal of each covariance."""

DROPPED = 0.5
"""Share of the hidden units that are left out of a training step of the membership net."""


class Dagmm(nn.Module):
    """Compress rows and deal them to Gaussian components.

    Parameters
    ----------
    width
        Columns of a row.
    n_components
        Components of the mixture.
    seed
        Start of the randomness of the weights and of what is dropped.

    References
    ----------
    Zong and others, "Deep autoencoding Gaussian mixture model for unsupervised anomaly detection",
    ICLR 2018, the setting of its KDD experiment.
    """

    def __init__(self, width: int, n_components: int, seed: int) -> None:
        super().__init__()
        kinds = (*["tanh"] * (len(LAYERS) - 1), "linear")
        self.encoder = Dense((width, *LAYERS), kinds, seed, "encoder")
        self.decoder = Dense((*LAYERS[::-1], width), kinds, seed, "decoder")
        self.first = Dense((N_FEATURES, MEMBERS_HIDDEN), ("tanh",), seed, "members")
        self.second = Dense((MEMBERS_HIDDEN, n_components), ("linear",), seed, "components")
        self.chance = torch_generator(seed, "dropout")

    def features(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Give the three numbers of each row and its squared error.

        Parameters
        ----------
        rows
            Shape ``(n, width)``.
        """
        code = self.encoder(rows)
        told = self.decoder(code)
        square = ((rows - told) ** 2).sum(dim=1)
        distance = torch.sqrt(square + 1e-12) / rows.norm(dim=1).clamp_min(1e-6)
        cosine = functional.cosine_similarity(rows, told, dim=1)
        return torch.cat([code, distance[:, None], cosine[:, None]], dim=1), square

    def members(self, features: Tensor, *, training: bool) -> Tensor:
        """Give each row's share in the components.

        Parameters
        ----------
        features
            Shape ``(n, 3)``.
        training
            Whether to leave hidden units out at random.
        """
        hidden = self.first(features)
        if training:
            kept = torch.rand(hidden.shape, generator=self.chance) >= DROPPED
            hidden = hidden * kept / (1.0 - DROPPED)
        return torch.softmax(self.second(hidden), dim=1)


@dataclass(frozen=True, slots=True)
class Mixture:
    """A Gaussian mixture.

    Parameters
    ----------
    log_share
        Logarithm of each component's share, shape ``(k,)``.
    mean
        Shape ``(k, f)``.
    root
        Lower Cholesky factors of the covariances, shape ``(k, f, f)``.
    """

    log_share: Tensor
    mean: Tensor
    root: Tensor

    @classmethod
    def of(cls, features: Tensor, shares: Tensor) -> Mixture:
        """Give the mixture of rows dealt to components.

        Parameters
        ----------
        features
            Shape ``(n, f)``.
        shares
            Share of each row in each component, shape ``(n, k)``.
        """
        weight = shares.sum(dim=0).clamp_min(1e-6)
        mean = (shares.T @ features) / weight[:, None]
        centred = features[:, None, :] - mean[None]  # (n, k, f)
        covariance = torch.einsum("nk,nkf,nkg->kfg", shares, centred, centred)
        ridge = RIDGE * torch.eye(features.shape[1], dtype=features.dtype)
        covariance = covariance / weight[:, None, None] + ridge
        return cls(torch.log(weight / len(features)), mean, torch.linalg.cholesky(covariance))

    def energy(self, features: Tensor) -> Tensor:
        """Give ``-ln sum_k phi_k N(z; mu_k, Sigma_k)`` with the paper's ``|2 pi Sigma|``.

        Parameters
        ----------
        features
            Shape ``(n, f)``.
        """
        centred = (features[:, None, :] - self.mean[None])[..., None]  # (n, k, f, 1)
        solved = torch.linalg.solve_triangular(self.root[None], centred, upper=False)
        half = 0.5 * (solved**2).sum(dim=(2, 3))
        width = features.shape[1]
        log_root = torch.diagonal(self.root, dim1=1, dim2=2).log().sum(dim=1)
        constant = 0.5 * width * float(np.log(2.0 * np.pi))
        return -torch.logsumexp(self.log_share - half - log_root - constant, dim=1)

    def thinness(self) -> Tensor:
        """Give the sum of ``1 / Sigma_jj``, which is large where a component collapses."""
        return (1.0 / (self.root**2).sum(dim=2)).sum()


@dataclass(frozen=True, slots=True)
class TrainedMixture:
    """A trained model as arrays.

    Parameters
    ----------
    encoder, decoder
        Their layers.
    log_share, mean, root
        The mixture of all training rows, float64.
    losses
        Mean loss of each hundredth of the steps.
    moved
        Largest change of any weight.
    """

    encoder: FrozenDense
    decoder: FrozenDense
    log_share: NDArray[np.float64]
    mean: NDArray[np.float64]
    root: NDArray[np.float64]
    losses: NDArray[np.float64]
    moved: float


def train_dagmm(
    rows: Singles,
    net: Dagmm,
    course: Course,
    seed: int,
    *,
    energy_weight: float = 0.1,
    thin_weight: float = 0.005,
) -> TrainedMixture:
    """Train error, energy and thinness together; then deal all rows to the mixture.

    Parameters
    ----------
    rows
        Scaled rows, shape ``(n, width)``.
    net
        Fresh net.
    course
        How long and how fast.
    seed
        Start of the randomness of the batches.
    energy_weight, thin_weight
        The paper's lambda 1 and 2.

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
            features, square = net.features(table[torch.from_numpy(shuffler.take(batch))])
            mixture = Mixture.of(features, net.members(features, training=True))
            energy = mixture.energy(features).mean()
            thin = mixture.thinness()
            descent.step(square.mean() + energy_weight * energy + thin_weight * thin)
        losses = descent.losses()
        with torch.no_grad():
            features = torch.cat([net.features(part)[0] for part in chunks(table)])
            shares = net.members(features, training=False)
            mixture = Mixture.of(features.double(), shares.double())
        return TrainedMixture(
            net.encoder.frozen(),
            net.decoder.frozen(),
            mixture.log_share.numpy().copy(),
            mixture.mean.numpy().copy(),
            mixture.root.numpy().copy(),
            losses,
            descent.moved(),
        )
