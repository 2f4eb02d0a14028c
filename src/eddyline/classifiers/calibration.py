"""Probabilities that mean what they say: a temperature and a bias for each class, and averages of several.

What belongs here: the fit on held-out rows, and the average of calibrated models. What does not: which
rows are held out, and changes of the class shares (``prior.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize

from eddyline.errors import DataError, ModelError
from eddyline.tables import Floats

SMALLEST: Final = 1e-12
"""Probability below which a logarithm is not taken."""

_PULL: Final = 1e-6
"""Penalty on squared biases, so that a class that is never seen keeps a finite one."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A change of probabilities: their logarithm times ``sharpness``, plus a bias for each class.

    Parameters
    ----------
    sharpness
        One over the temperature, ``> 0``; below 1 the model was too sure.
    bias
        Shape ``(k,)``, mean 0.
    """

    sharpness: float
    bias: Floats

    def apply(self, probabilities: ArrayLike) -> Floats:
        """Give calibrated probabilities, each row by itself.

        Parameters
        ----------
        probabilities
            Shape ``(n, k)``.
        """
        logs = np.log(np.maximum(np.asarray(probabilities, np.float64), SMALLEST))
        return _softmax(self.sharpness * logs + self.bias)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays."""
        return {"sharpness": np.array(self.sharpness), "bias": self.bias}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Calibration:
        """Build a calibration from what ``to_arrays`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.

        Raises
        ------
        ModelError
            When a part is missing or is no calibration.
        """
        sharpness, bias = arrays.get("sharpness"), arrays.get("bias")
        if sharpness is None or bias is None or bias.ndim != 1 or bias.dtype.kind != "f":
            message = f"a saved calibration must hold sharpness and bias, got {sorted(arrays)}"
            raise ModelError(message)
        if (
            sharpness.shape != ()
            or not 0 < float(sharpness) < np.inf
            or not np.isfinite(bias).all()
        ):
            message = (
                f"a saved calibration must be finite and sharpness > 0, got {sharpness}, {bias}"
            )
            raise ModelError(message)
        return cls(float(sharpness), bias)


def fit_calibration(
    probabilities: ArrayLike,
    codes: ArrayLike,
    *,
    weight: ArrayLike | None = None,
    biases: bool = True,
) -> Calibration:
    """Find the temperature, and the biases, under which held-out labels are most likely.

    Parameters
    ----------
    probabilities
        Of held-out rows, shape ``(n, k)``.
    codes
        Their classes, whole numbers in [0, k).
    weight
        Weight of each row, ``>= 0``; None for 1.
    biases
        False for the temperature alone.

    Raises
    ------
    DataError
        When shapes disagree or a class is out of range.

    References
    ----------
    Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599;
    the biases: Alexandari, Kundaje, Shrikumar, "Maximum likelihood with bias-corrected calibration is
    hard-to-beat at label shift adaptation", ICML 2020, arXiv 1901.06852.
    """
    given = np.asarray(probabilities, np.float64)
    truth = np.asarray(codes)
    if given.ndim != 2 or truth.shape != given.shape[:1] or not len(truth):
        message = (
            f"probabilities (n, k) and n >= 1 codes must agree, got {given.shape}, {truth.shape}"
        )
        raise DataError(message)
    n_classes = given.shape[1]
    if truth.min() < 0 or truth.max() >= n_classes:
        message = f"codes must be in [0, {n_classes}), got {truth.min()} to {truth.max()}"
        raise DataError(message)
    share = np.ones(len(truth)) if weight is None else np.asarray(weight, np.float64)
    share = share / share.sum()
    logs = np.log(np.maximum(given, SMALLEST))
    hot = np.eye(n_classes)[truth]

    def loss(state: Floats) -> tuple[float, Floats]:
        sharpness, bias = np.exp(state[0]), state[1:]
        fitted = _softmax(sharpness * logs + bias)
        likely = np.log(np.maximum(fitted[np.arange(len(truth)), truth], SMALLEST))
        gap = (fitted - hot) * share[:, None]
        slope = np.concatenate(
            [[sharpness * (gap * logs).sum()], gap.sum(axis=0) + 2 * _PULL * bias]
        )
        if not biases:
            slope[1:] = 0.0
        return float(-(share * likely).sum() + _PULL * (bias**2).sum()), slope

    found = minimize(loss, np.zeros(1 + n_classes), jac=True, method="L-BFGS-B")
    sharpness, bias = float(np.exp(found.x[0])), found.x[1:]
    return Calibration(sharpness, bias - bias.mean())


def average(
    members: Sequence[ArrayLike],
    *,
    weights: Sequence[float] | None = None,
    geometric: bool = False,
) -> Floats:
    """Average the calibrated probabilities of several models.

    Parameters
    ----------
    members
        Each of shape ``(n, k)``; at least one.
    weights
        Weight of each member, ``>= 0``; None for equal ones.
    geometric
        True for the mean of logarithms, which lets one sure model overrule unsure ones.

    Raises
    ------
    DataError
        When there is no member, or shapes disagree.
    """
    stack = [np.asarray(member, np.float64) for member in members]
    if not stack or any(member.shape != stack[0].shape for member in stack):
        message = f"members must be of one shape (n, k), got {[member.shape for member in stack]}"
        raise DataError(message)
    shares = np.ones(len(stack)) if weights is None else np.asarray(weights, np.float64)
    if shares.shape != (len(stack),) or (shares < 0).any() or shares.sum() <= 0:
        message = f"weights must be {len(stack)} numbers >= 0, not all 0, got {shares}"
        raise DataError(message)
    shares = shares / shares.sum()
    if geometric:
        logs = [np.log(np.maximum(member, SMALLEST)) for member in stack]
        return _softmax(np.tensordot(shares, np.stack(logs), axes=1))
    mean: Floats = np.tensordot(shares, np.stack(stack), axes=1)
    shared: Floats = mean / mean.sum(axis=1, keepdims=True)
    return shared


def _softmax(margins: Floats) -> Floats:
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares
