"""The rivals of the contamination experiment: ours by their registered names, others where installed.

What belongs here: how each rival is built, fitted and asked. What does not: rows and figures
(``contamination.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

import numpy as np

from eddyline.detectors.density.scale import DensityScale
from eddyline.detectors.nearest import Boxes
from eddyline.detectors.registry import matrix_detector
from eddyline.tables import Floats

RAW_REFERENCE: Final = 10_000
"""Training rows that the neighbours without a filter keep."""

DAGMM_EPOCHS: Final = 40
"""Epochs of DAGMM, of the published 200: twice the steps of GRAnD, at the published rate."""

PEER_EPOCHS: Final = 5
"""Epochs of PyOD's autoencoder at a batch of 256: about as many steps as GRAnD takes."""


class Rival(Protocol):
    """What can be fitted and asked."""

    def fit(self, X: Floats) -> object:
        """Learn from training rows, shape ``(n, d)``."""

    def anomaly_score(self, X: Floats) -> Floats:
        """Score rows, shape ``(n, d)``; higher is stranger."""


@dataclass(frozen=True, slots=True)
class Method:
    """One row of the table.

    Parameters
    ----------
    name
        Its key in files.
    title
        Its name in tables.
    build
        Makes an unfitted rival from the seed and the preprocessing, ``log`` or ``standard``.
    needs
        The package that must be installed for it, or None.
    """

    name: str
    title: str
    build: Callable[[int, str], Rival]
    needs: str | None = None

    @property
    def absent(self) -> bool:
        """Whether the package it needs is not installed."""
        return self.needs is not None and find_spec(self.needs) is None


class RawNeighbours:
    """Mean distance to five of 10,000 training rows drawn at random: what no filter gives.

    Parameters
    ----------
    seed
        Start of the randomness.
    preprocessing
        As for the densities.
    """

    def __init__(self, seed: int, preprocessing: str) -> None:
        self.seed = seed
        self.preprocessing = preprocessing

    def fit(self, X: Floats) -> object:
        """Keep the reference.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``.
        """
        rng = np.random.default_rng(self.seed)
        chosen = rng.choice(len(X), min(RAW_REFERENCE, len(X)), replace=False)
        self.scale = DensityScale.of(X, self.preprocessing)
        rows = self.scale.apply(np.ascontiguousarray(X[chosen]))
        self.boxes = Boxes.of(rows.astype(np.float64))
        return self

    def anomaly_score(self, X: Floats) -> Floats:
        """Give the mean distance.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``.
        """
        return self.boxes.mean_distance(self.scale.apply(X).astype(np.float64), 5)


@dataclass(slots=True)
class Foreign:
    """Somebody else's detector on our scaled rows.

    Parameters
    ----------
    model
        The unfitted detector.
    ask
        Gives its scores, higher stranger, from the fitted model and scaled rows.
    preprocessing
        As for the densities.
    seed
        Start of torch's and numpy's own randomness, which such a detector draws from.
    """

    model: Any
    ask: Callable[[Any, Floats], Floats]
    preprocessing: str
    seed: int
    scale: DensityScale | None = field(init=False, default=None)

    def fit(self, X: Floats) -> object:
        """Scale and fit.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``.
        """
        self.scale = DensityScale.of(X, self.preprocessing)
        self.model.fit(self.scale.apply(X).astype(np.float64))
        return self

    def anomaly_score(self, X: Floats) -> Floats:
        """Scale and ask.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``.
        """
        scale = self.scale or DensityScale.of(X, self.preprocessing)
        return np.asarray(self.ask(self.model, scale.apply(X).astype(np.float64)), np.float64)


def ours(name: str, *, scaled: bool = True, **params: Any) -> Callable[[int, str], Rival]:
    """Give the builder of a registered detector.

    Parameters
    ----------
    name
        Its registered name.
    scaled
        Whether it takes ``preprocessing``.
    **params
        Its other arguments.
    """

    def build(seed: int, preprocessing: str) -> Rival:
        options: Mapping[str, Any] = {"preprocessing": preprocessing} if scaled else {}
        rival: Rival = matrix_detector(name)(**params, **options, seed=seed)
        return rival

    return build


def _scikit_forest(seed: int, preprocessing: str) -> Rival:
    from sklearn.ensemble import IsolationForest

    model = IsolationForest(n_estimators=100, max_samples=256, random_state=seed)
    return Foreign(model, lambda m, rows: -m.score_samples(rows), preprocessing, seed)


def _pyod_vae(seed: int, preprocessing: str) -> Rival:
    made = import_module("pyod.models.vae").VAE(
        epoch_num=PEER_EPOCHS,
        batch_size=256,
        encoder_neuron_list=[122],
        decoder_neuron_list=[122],
        latent_dim=8,
        batch_norm=False,
        dropout_rate=0.0,
        random_state=seed,
        verbose=0,
    )
    return Foreign(made, lambda m, rows: m.decision_function(rows), preprocessing, seed)


def _pyod_ecod(seed: int, preprocessing: str) -> Rival:
    made = import_module("pyod.models.ecod").ECOD()
    return Foreign(made, lambda m, rows: m.decision_function(rows), preprocessing, seed)


METHODS: Final = (
    Method("grand", "GRAnD", ours("grand")),
    Method("vae", "VAE", ours("vae")),
    Method("rvae", "RVAE, Welsch", ours("rvae")),
    Method("union", "union: forest, tails, kNN", ours("union", scaled=False)),
    Method(
        "union_cleaned",
        "union: forest, tails, kNN on RVAE's half",
        ours("union", scaled=False, parts="isolation_forest,tails,cleaned_neighbours"),
    ),
    Method(
        "union_rvae",
        "union: forest, tails, RVAE",
        ours("union", scaled=False, parts="isolation_forest,tails,rvae"),
    ),
    Method(
        "union_knn_rvae",
        "union: kNN and RVAE, mean of p",
        ours("union", scaled=False, parts="neighbours,rvae", join="mean"),
    ),
    Method("rvae_kappa1", "RVAE, Welsch, kappa 1", ours("rvae", kappa=1.0)),
    Method(
        "rvae_beta",
        "RVAE, as published",
        ours("rvae", normalisation="beta", beta=0.006, sigma=0.2),
    ),
    Method("grand_flow", "GRAnD, planar", ours("grand", n_maps=3)),
    Method("raw_neighbours", "kNN, no filter", RawNeighbours),
    Method("pca", "PCA", ours("pca")),
    Method("autoencoder", "autoencoder", ours("autoencoder")),
    Method("dagmm", "DAGMM, 40 epochs", ours("dagmm", epochs=DAGMM_EPOCHS)),
    Method("scikit_forest", "scikit-learn's isolation forest", _scikit_forest),
    Method("pyod_vae", "PyOD's VAE", _pyod_vae, needs="pyod"),
    Method("pyod_ecod", "PyOD's ECOD", _pyod_ecod, needs="pyod"),
)
"""Every rival, those of the bars first."""

UNIONS: Final = ("union", "union_cleaned", "union_rvae", "union_knn_rvae")
"""Rivals whose parts are told too, so that none is fitted twice."""

PARTS: Final = {
    "union.isolation_forest": "isolation forest",
    "union.tails": "tails of every column",
    "union.neighbours": "kNN on the forest's half",
    "union_cleaned.cleaned_neighbours": "kNN on RVAE's half",
}
"""Titles of the parts that are shown; the forest and the tails of both unions are the same."""


def _sweep(kind: str, setting: str, values: tuple[float, ...]) -> list[Method]:
    options: list[dict[str, Any]] = [{setting: value} for value in values]
    return [
        Method(
            f"{kind}.{setting}={value:g}",
            f"{kind.upper()}, {setting} {value:g}",
            ours(kind, **changed),
        )
        for value, changed in zip(values, options, strict=True)
    ]


SWEEPS: Final = (
    *_sweep("grand", "risk", (1e-4, 1e-3, 1e-2, 1e-1)),
    *_sweep("grand", "alpha", (1.0, 1.5, 2.0)),
    *_sweep("grand", "bound_over_watch", (2.0, 5.0, 10.0)),
    *_sweep("grand", "warm_steps", (25, 75, 300, 900)),
    *_sweep("rvae", "kappa", (0.125, 0.25, 0.5, 1.0, 2.0)),
    *_sweep("rvae", "beta", (0.001, 0.01, 0.03, 0.1, 1.0)),
)
"""GRAnD and RVAE with one setting changed at a time."""
