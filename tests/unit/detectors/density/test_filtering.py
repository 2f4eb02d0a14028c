"""The fences stand where the formulas put them, and nothing is rejected on too few peaks."""

from __future__ import annotations

import math

import numpy as np
import pytest

from eddyline.detectors.density.filtering import levels
from eddyline.errors import DataError, UsageError


def test_watch_by_known_value() -> None:
    assert levels(np.arange(1.0, 101.0)).watch == 149.5


def test_nothing_is_rejected_below_twenty_peaks() -> None:
    energies = np.concatenate([np.arange(1000.0), 1e4 + np.arange(19.0)])
    few, enough = levels(energies, risk=1e-2), levels(np.append(energies, 2e4), risk=1e-2)

    assert (few.n_peaks, few.alarm, few.tail) == (19, math.inf, None)
    assert enough.watch < enough.alarm < math.inf


def test_a_risk_above_the_share_of_peaks_rejects_nothing() -> None:
    energies = np.random.default_rng(0).exponential(size=2000)

    assert levels(energies, risk=0.5).alarm == math.inf


def test_the_alarm_fence_keeps_its_risk() -> None:
    energies = np.random.default_rng(0).exponential(size=50_000)
    found = levels(energies, risk=1e-3)

    assert (energies > found.alarm).mean() == pytest.approx(1e-3, rel=0.3)


@pytest.mark.parametrize(("alpha", "risk"), [(0.0, 0.1), (1.5, 0.0), (1.5, 1.0)])
def test_senseless_arguments_are_named(alpha: float, risk: float) -> None:
    with pytest.raises(UsageError, match="got"):
        levels(np.arange(10.0), alpha, risk)


def test_energies_that_are_none_are_named() -> None:
    with pytest.raises(DataError, match="finite"):
        levels(np.array([1.0, np.inf]))
