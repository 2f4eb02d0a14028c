"""Where likely, uncertain and rejected rows end, by the fence of quartiles and the tail beyond it.

What belongs here: the two fences from a set of energies. What does not: the rounds that use them
(``nets/grand_training.py``) or thresholds that a user sees (``verdicts``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from eddyline.detectors.pareto import ParetoTail
from eddyline.errors import DataError, UsageError
from eddyline.tables import Floats

LEAST_PEAKS: Final = 20
"""Rows beyond the first fence below which their tail is not fitted and nothing is rejected."""

MOST_SHAPE: Final = 5.0
"""Largest shape of the tail that is searched; beyond 0.5 the alarm fence is unstable, and so told."""


@dataclass(frozen=True, slots=True)
class Levels:
    """The fences of a set of energies.

    Parameters
    ----------
    watch
        u = Q3 + alpha IQR.
    alarm
        z_q, the energy that a share ``risk`` of rows exceeds; infinite when it cannot be told.
    tail
        The tail beyond ``watch``, None when there are too few rows in it.
    n_peaks
        Rows beyond ``watch``.
    """

    watch: float
    alarm: float
    tail: ParetoTail | None
    n_peaks: int


def levels(energies: Floats, alpha: float = 1.5, risk: float = 1e-3) -> Levels:
    """Give the fences of a set of energies.

    Parameters
    ----------
    energies
        Finite, shape ``(n,)``, n >= 1.
    alpha
        Interquartile ranges beyond the third quartile at which rows become uncertain, > 0.
    risk
        q in (0, 1): share of rows that may exceed the alarm fence.

    Raises
    ------
    UsageError
        When alpha or risk has no meaning.
    DataError
        When there is no energy, or one is not finite.

    References
    ----------
    Najari, Berlemont, Lefebvre, Duffner, Garcia, "Robust variational autoencoders and normalizing flows
    for unsupervised network anomaly detection", AINA 2022, doi:10.1007/978-3-030-99587-4_24.
    """
    if alpha <= 0 or not 0 < risk < 1:
        message = (
            f"alpha must be > 0 and risk in (0, 1), got {alpha} and {risk}; use 1.5 and 0.001"
        )
        raise UsageError(message)
    if not len(energies) or not np.isfinite(energies).all():
        message = (
            f"energies must be finite, at least one, got {len(energies)} of them; scale the rows "
            f"robustly"
        )
        raise DataError(message)
    first, third = np.quantile(energies, (0.25, 0.75))
    watch = float(third + alpha * (third - first))
    peaks = energies[energies > watch] - watch
    peaks = peaks[peaks > 0]
    ratio = risk * len(energies) / max(len(peaks), 1)
    if len(peaks) < LEAST_PEAKS or ratio >= 1:
        return Levels(watch, math.inf, None, len(peaks))
    tail = ParetoTail.fit(peaks, min_peaks=LEAST_PEAKS, most_shape=MOST_SHAPE)
    return Levels(watch, watch + tail.excess_at(ratio), tail, len(peaks))
