"""Which parameters of a method are worth trying, and within which bounds.

What belongs here: the spaces and how values are drawn from them. What does not: trying them (``tuning.py``).
A method that is not listed has nothing to tune.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np

from eddyline.classifiers.registry import classifier_class
from eddyline.detectors.registry import matrix_detector
from eddyline.errors import UsageError

Params = dict[str, Any]

SCALINGS: Final = ("standard", "log", "quantile")
"""Ways to scale rows that every method with ``scaling`` knows."""

GRID_POINTS: Final = 3
"""Values of a range that a grid takes."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A few values without an order.

    Parameters
    ----------
    values
        The values, at least one.
    """

    values: tuple[Any, ...]

    def draw(self, rng: np.random.Generator) -> Any:
        """Draw one value.

        Parameters
        ----------
        rng
            Source of the randomness.
        """
        return self.values[int(rng.integers(len(self.values)))]

    def grid(self) -> tuple[Any, ...]:
        """Give all values."""
        return self.values


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers between two bounds, both inside.

    Parameters
    ----------
    low, high
        Bounds, ``low < high``.
    logarithmic
        Whether equal ratios are equally likely; bounds are then ``> 0``.
    whole
        Whether only whole numbers count.
    """

    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False

    def draw(self, rng: np.random.Generator) -> float | int:
        """Draw one number.

        Parameters
        ----------
        rng
            Source of the randomness.
        """
        return self._at(float(rng.random()))

    def grid(self) -> tuple[float | int, ...]:
        """Give a few numbers, both bounds among them, without repeats."""
        found = [self._at(share) for share in np.linspace(0, 1, GRID_POINTS).tolist()]
        return tuple(dict.fromkeys(found))

    def _at(self, share: float) -> float | int:
        if self.logarithmic:
            value = self.low * (self.high / self.low) ** share
        else:
            value = self.low + (self.high - self.low) * share
        if self.whole:
            return int(min(max(round(value), self.low), self.high))
        return float(f"{value:.6g}")


Space = Mapping[str, Choice | Range]

_TREES: Final[Space] = {
    "n_trees": Range(100, 500, whole=True),
    "sample_rows": Range(128, 2048, logarithmic=True, whole=True),
}
_NEIGHBOURS: Final = Range(10, 100, logarithmic=True, whole=True)
_STRENGTH: Final = Range(1e-3, 1e3, logarithmic=True)
_NET: Final[Space] = {
    "hidden": Range(32, 256, logarithmic=True, whole=True),
    "latent": Range(2, 32, logarithmic=True, whole=True),
    "epochs": Choice((4, 8, 16)),
}

CLASSIFIER_SPACES: Final[Mapping[str, Space]] = {
    "boosting": {
        "rounds": Range(40, 400, logarithmic=True, whole=True),
        "rate": Range(0.02, 0.3, logarithmic=True),
        "leaves": Range(7, 63, logarithmic=True, whole=True),
        "min_leaf": Range(10, 300, logarithmic=True, whole=True),
        "ridge": Range(0.01, 30.0, logarithmic=True),
        "balance": Range(0.0, 1.0),
        "column_share": Range(0.3, 1.0),
    },
    "histogram_boosting": {
        "rounds": Range(50, 400, logarithmic=True, whole=True),
        "rate": Range(0.02, 0.3, logarithmic=True),
        "leaves": Range(7, 63, logarithmic=True, whole=True),
        "min_leaf": Range(5, 200, logarithmic=True, whole=True),
        "ridge": Choice((0.0, 0.1, 1.0, 10.0)),
    },
    "random_forest": {
        "n_trees": Range(100, 500, whole=True),
        "min_leaf": Range(1, 30, logarithmic=True, whole=True),
        "column_share": Choice(("sqrt", 0.3, 0.6)),
    },
    "bagging": {
        "n_trees": Range(20, 120, logarithmic=True, whole=True),
        "row_share": Range(0.2, 0.9),
        "column_share": Range(0.3, 1.0),
        "min_leaf": Range(1, 30, logarithmic=True, whole=True),
    },
    "adaboost": {
        "rounds": Range(25, 200, logarithmic=True, whole=True),
        "rate": Range(0.05, 1.0, logarithmic=True),
        "depth": Range(1, 6, whole=True),
    },
    "logistic": {"strength": _STRENGTH, "scaling": Choice(("log", "standard"))},
    "linear_svm": {"strength": _STRENGTH, "scaling": Choice(("log", "standard"))},
    "kernel_svm": {
        "strength": _STRENGTH,
        "gamma": Range(1e-4, 10.0, logarithmic=True),
        "components": Choice((200, 500)),
    },
    "knn": {"n_neighbours": Range(1, 50, logarithmic=True, whole=True)},
    "mlp": {
        "first": Range(16, 256, logarithmic=True, whole=True),
        "second": Range(8, 128, logarithmic=True, whole=True),
        "rate": Range(1e-4, 1e-2, logarithmic=True),
        "ridge": Range(1e-6, 1e-2, logarithmic=True),
    },
    "cnn": {
        "channels": Choice((8, 16, 32)),
        "kernel": Choice((3, 5, 7)),
        "rate": Range(5e-4, 8e-3, logarithmic=True),
    },
    "rnn": {
        "units": Choice((24, 48, 96)),
        "rate": Range(5e-4, 8e-3, logarithmic=True),
    },
    "snn": {
        "width": Choice((64, 128, 256)),
        "blocks": Range(1, 3, whole=True),
        "dropout": Range(0.0, 0.4),
        "rate": Range(5e-4, 1e-2, logarithmic=True),
    },
    "tabm": {
        "width": Choice((128, 256, 512)),
        "blocks": Range(1, 3, whole=True),
        "dropout": Range(0.0, 0.4),
        "rate": Range(5e-4, 8e-3, logarithmic=True),
    },
}
"""Spaces of the classifiers, by name."""

DETECTOR_SPACES: Final[Mapping[str, Space]] = {
    "isolation_forest": {**_TREES, "cell": Range(0.02, 0.5, logarithmic=True)},
    "plain_forest": _TREES,
    "extended_forest": _TREES,
    "neighbours": {
        "n_neighbours": Range(1, 50, logarithmic=True, whole=True),
        "keep": Range(0.3, 1.0),
    },
    "kmeans": {"n_clusters": Range(4, 128, logarithmic=True, whole=True)},
    "dbscan": {"epsilon_quantile": Range(0.90, 0.99), "min_points": Range(5, 50, whole=True)},
    "hdbscan": {"min_cluster": Range(5, 100, logarithmic=True, whole=True)},
    "lof": {"n_neighbours": _NEIGHBOURS},
    "knn": {"n_neighbours": Range(1, 50, logarithmic=True, whole=True)},
    "one_class_svm": {"nu": Range(0.001, 0.1, logarithmic=True)},
    "random_feature_svm": {
        "nu": Range(0.001, 0.1, logarithmic=True),
        "n_features": Choice((100, 300, 600)),
    },
    "hbos": {"n_bins": Range(5, 100, logarithmic=True, whole=True), "alpha": Range(0.01, 0.5)},
    "gaussian_mixture": {"n_components": Range(2, 32, logarithmic=True, whole=True)},
    "robust_covariance": {"support": Range(0.55, 0.95)},
    "pca": {"kept": Range(0.80, 0.99)},
    "autoencoder": _NET,
    "vae": _NET,
    "rvae": {**_NET, "kappa": Range(0.1, 1.0)},
    "cleaned_neighbours": {
        "n_neighbours": Range(1, 50, logarithmic=True, whole=True),
        "keep": Range(0.3, 1.0),
    },
}
"""Spaces of the matrix detectors, by name; bounds are those of the specification where it has some."""


def space_of(kind: str, method: str) -> Space:
    """Give the space of a method.

    Parameters
    ----------
    kind
        ``classifier`` or ``detector``.
    method
        Its name.

    Raises
    ------
    UsageError
        When it has nothing to tune.
    """
    spaces = CLASSIFIER_SPACES if kind == "classifier" else DETECTOR_SPACES
    if method not in spaces:
        message = f"a {kind} to tune must be one of {', '.join(spaces)}, got {method!r}"
        raise UsageError(message)
    return spaces[method]


def prepared_space(kind: str, method: str) -> Space:
    """Give the space of a method with the ways to scale its rows, which it learns inside each fold.

    Parameters
    ----------
    kind
        ``classifier`` or ``detector``.
    method
        Its name.

    Raises
    ------
    UsageError
        When it has nothing to tune, or does not scale its rows itself.
    """
    space = space_of(kind, method)
    made = classifier_class(method) if kind == "classifier" else matrix_detector(method)
    if "scaling" not in made().get_params():
        message = (
            f"--preparation must be with a method that scales its rows, {method} looks at them as they are; "
            f"leave it out"
        )
        raise UsageError(message)
    return {**space, "scaling": Choice(SCALINGS)}


def random_points(space: Space, budget: int, seed: int) -> list[Params]:
    """Draw points at random.

    Parameters
    ----------
    space
        Where.
    budget
        How many, ``>= 1``.
    seed
        Start of the randomness.
    """
    rng = np.random.default_rng(seed)
    return [{name: part.draw(rng) for name, part in space.items()} for _ in range(budget)]


def grid_points(space: Space, budget: int, seed: int) -> tuple[list[Params], int]:
    """Give the points of a grid, in an order drawn at random where the budget does not reach all.

    Parameters
    ----------
    space
        Where.
    budget
        Most points, ``>= 1``.
    seed
        Start of the randomness.

    Returns
    -------
    tuple
        The points, and how many the whole grid has.
    """
    grid = list(product(*(part.grid() for part in space.values())))
    order = range(len(grid))
    if len(grid) > budget:
        order = np.random.default_rng(seed).permutation(len(grid))[:budget].tolist()
    return [dict(zip(space, grid[place], strict=True)) for place in order], len(grid)


def suggest(trial: Any, space: Space) -> Params:
    """Let a trial of Optuna choose a point.

    Parameters
    ----------
    trial
        Optuna's; untyped because Optuna is an extra.
    space
        Where.
    """
    found: Params = {}
    for name, part in space.items():
        if isinstance(part, Choice):
            found[name] = trial.suggest_categorical(name, list(part.values))
        elif part.whole:
            low, high = int(part.low), int(part.high)
            found[name] = trial.suggest_int(name, low, high, log=part.logarithmic)
        else:
            found[name] = trial.suggest_float(name, part.low, part.high, log=part.logarithmic)
    return found
