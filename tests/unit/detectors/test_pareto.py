"""The Pareto tail has the published values, recovers known tails, and refuses short ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import genpareto

from eddyline.detectors.pareto import ParetoTail
from eddyline.errors import DataError, TooFewRowsError

SCALE = 2.0


def tail(shape: float) -> ParetoTail:
    return ParetoTail(shape, SCALE, 0.0, 100, 0.0, 1.0)


def quantile_points(shape: float) -> np.ndarray:
    """200 points at the middle of equal shares of a tail of scale 2."""
    below = (np.arange(1, 201) - 0.5) / 200
    return (
        -SCALE * np.log(1 - below) if shape == 0 else SCALE / shape * ((1 - below) ** -shape - 1)
    )


@pytest.mark.parametrize(
    ("true_shape", "shape", "scale", "log_likelihood"),
    [
        (-0.2, -0.2125, 2.0222, -298.330),
        (0.0, -0.0105, 2.0175, -338.273),
        (0.3, 0.2917, 2.0121, -398.175),
        (0.8, 0.7930, 2.0078, -498.005),
    ],
)
def test_fit_by_known_values(
    true_shape: float, shape: float, scale: float, log_likelihood: float
) -> None:
    fitted = ParetoTail.fit(quantile_points(true_shape), most_shape=2.0)

    assert fitted.shape == pytest.approx(shape, abs=1e-3)
    assert fitted.scale == pytest.approx(scale, abs=1e-3)
    assert fitted.log_likelihood == pytest.approx(log_likelihood, abs=1e-3)


@pytest.mark.parametrize(
    ("shape", "threshold"),
    [(-0.25, 15.4702), (0.0, 19.2103), (0.2, 25.1189), (0.5, 46.0), (1.0, 208.0)],
)
def test_excess_by_known_values(shape: float, threshold: float) -> None:
    """t = 10, q = 1e-3, n = 1000, N = 100; the inverted ratio would give 406 at shape 0.5."""
    assert 10 + tail(shape).excess_at(1e-3 * 1000 / 100) == pytest.approx(threshold, abs=1e-4)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.4])
def test_fit_beats_or_equals_scipys_likelihood(shape: float) -> None:
    peaks = genpareto.rvs(shape, scale=3.0, size=400, random_state=1)
    theirs, _, scale = genpareto.fit(peaks, floc=0)

    assert (
        ParetoTail.fit(peaks).log_likelihood
        >= genpareto.logpdf(peaks, theirs, scale=scale).sum() - 1e-3
    )


@given(st.floats(-0.45, 0.5), st.floats(1e-6, 1e6), st.integers(0, 10_000))
def test_fit_follows_the_unit_of_the_score(shape: float, unit: float, seed: int) -> None:
    peaks = genpareto.rvs(shape, size=80, random_state=seed) + 1e-9
    plain, scaled = ParetoTail.fit(peaks), ParetoTail.fit(peaks * unit)

    assert scaled.shape == pytest.approx(plain.shape, abs=1e-3)
    assert scaled.scale == pytest.approx(plain.scale * unit, rel=1e-2)


@pytest.mark.parametrize("shape", [-0.4, -0.1, 0.0, 0.2])
def test_survival_is_scipys_inside_and_falls_for_ever(shape: float) -> None:
    inside = np.linspace(0, 4, 20) if shape >= 0 else np.linspace(0, -0.85 * SCALE / shape, 20)
    logs = tail(shape).log_survival(inside)
    far = tail(shape).log_survival(np.geomspace(1, 1e9, 100))

    np.testing.assert_allclose(
        logs, genpareto.logsf(inside, shape, scale=SCALE), rtol=1e-9, atol=1e-12
    )
    assert (np.diff(far) < 0).all()


def test_excess_and_survival_are_inverse() -> None:
    for shape in (-0.3, 0.0, 0.4):
        excess = tail(shape).excess_at(0.01)

        assert tail(shape).log_survival(np.array([excess]))[0] == pytest.approx(np.log(0.01))


def test_a_tail_that_is_none_has_a_small_ks_probability() -> None:
    rng = np.random.default_rng(0)
    true, lumpy = rng.exponential(size=300), rng.integers(1, 4, size=300).astype(float)

    assert ParetoTail.fit(true).ks_p > 0.05
    assert ParetoTail.fit(lumpy).ks_p < 0.001


def test_a_shape_may_be_held_at_zero_or_above() -> None:
    fitted = ParetoTail.fit(np.random.default_rng(0).uniform(0.1, 1.0, 200), least_shape=0.0)

    assert fitted.shape == 0.0


def test_too_few_peaks_are_refused() -> None:
    with pytest.raises(TooFewRowsError, match="got 49"):
        ParetoTail.fit(np.ones(49))


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_senseless_peaks_are_named(bad: float) -> None:
    with pytest.raises(DataError, match="finite and > 0"):
        ParetoTail.fit(np.append(np.ones(60), bad))


def test_equal_peaks_give_a_finite_tail() -> None:
    fitted = ParetoTail.fit(np.full(60, 2.5))

    assert np.isfinite([fitted.shape, fitted.scale]).all()
    assert fitted.scale > 0


@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.3])
def test_censored_peaks_leave_the_tail_where_it_is(shape: float) -> None:
    """Peaks cut at a level and told as censored give the whole sample's tail; left out, a shorter one."""
    peaks = genpareto.rvs(shape, scale=SCALE, size=4000, random_state=3)
    cut = float(np.quantile(peaks, 0.9))
    seen, beyond = peaks[peaks <= cut], np.full((peaks > cut).sum(), cut)
    censored, truncated = ParetoTail.fit(seen, censored=beyond), ParetoTail.fit(seen)

    assert censored.shape == pytest.approx(shape, abs=0.1)
    assert censored.scale == pytest.approx(SCALE, rel=0.1)
    assert truncated.excess_at(0.01) < censored.excess_at(0.01)
