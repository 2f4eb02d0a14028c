"""Every trained density keeps every promise, built with few steps and few rows: ours and scikit-learn's."""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.detectors.density.autoencoder import Autoencoder
from eddyline.detectors.density.cleaned import CleanedNeighbours
from eddyline.detectors.density.dagmm import DAGMM
from eddyline.detectors.density.flow import FlowDensity
from eddyline.detectors.density.grand import Grand
from eddyline.detectors.density.pca import PCA
from eddyline.detectors.density.rvae import RVAE
from eddyline.detectors.density.vae import VAE
from eddyline.detectors.detector import MatrixDetector
from eddyline.detectors.registry import DENSITY
from eddyline.testing.check_detector import CHECKS, MatrixCheck

pytest.importorskip("torch", reason="densities are trained with torch, the extra [deep]")

EPOCHS = {"epochs": 1, "least_steps": 12, "least_rows": 2}
QUICK: dict[str, tuple[type[MatrixDetector], dict[str, Any]]] = {
    "vae": (VAE, {**EPOCHS, "hidden": 8, "latent": 2}),
    "rvae": (RVAE, {**EPOCHS, "hidden": 8, "latent": 2}),
    "grand": (Grand, {"steps": 12, "warm_steps": 4, "period": 4, "least_rows": 2, "hidden": 8, "latent": 2}),
    "autoencoder": (Autoencoder, {**EPOCHS, "hidden": 8, "latent": 2}),
    "pca": (PCA, {}),
    "flow_density": (FlowDensity, {**EPOCHS, "hidden": 8}),
    "dagmm": (DAGMM, EPOCHS),
    "cleaned_neighbours": (CleanedNeighbours, EPOCHS),
}  # fmt: skip

SKIPPED = {
    ("dagmm", "check_planted_rows_rank_above_the_crowd"): (
        "its energy need not rise outside the mixture, one reason why it only stands for comparison"
    ),
}

HOME = ModuleType("quick_densities")
"""A module of their own for the classes, since the examples are collected from this one too."""
HOME.__dict__["np"] = np
sys.modules[HOME.__name__] = HOME

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
}


def quick(name: str) -> type[MatrixDetector]:
    """Make a class with other defaults, so that it is fitted with few steps on few rows."""
    base, defaults = QUICK[name]
    signature = inspect.signature(base.__init__)
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in signature.parameters.values()
    ]

    def init(self: Any, **given: Any) -> None:
        base.__init__(self, **{**defaults, **given})

    init.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    title = f"Quick{base.__name__}"
    made = type(
        title, (base,), {"__init__": init, "__doc__": base.__doc__, "__module__": HOME.__name__}
    )
    setattr(HOME, title, made)  # where pickle and the examples of the docstrings look
    setattr(HOME, base.__name__, base)
    return made


CLASSES = {name: quick(name) for name in QUICK}


def test_every_density_stands_here() -> None:
    assert set(QUICK) == set(DENSITY)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", QUICK)
def test_density_keeps_its_promises(name: str, check: MatrixCheck) -> None:
    reason = SKIPPED.get((name, check.__name__))
    if reason:
        pytest.skip(reason)
    check(CLASSES[name])


def sklearn_cases() -> list[Any]:
    cases = []
    for name, cls in CLASSES.items():
        for estimator, check in estimator_checks_generator(cls()):
            title = getattr(check, "func", check).__name__
            cases.append(pytest.param(estimator, check, title, id=f"{name}-{title}"))
    return cases


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
@pytest.mark.parametrize(("estimator", "check", "title"), sklearn_cases())
def test_density_is_a_scikit_learn_estimator(estimator: Any, check: Any, title: str) -> None:
    if title in SKLEARN_SKIPPED:
        pytest.skip(SKLEARN_SKIPPED[title])
    check(estimator)
