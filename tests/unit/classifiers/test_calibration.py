"""Calibrated probabilities: the fit undoes what made them wrong, and the state is checked."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.classifiers.calibration import Calibration, average, fit_calibration
from eddyline.errors import DataError, ModelError


def drawn(n=30_000, k=3, seed=0):
    """Give exact probabilities and classes drawn by them."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(k), size=n)
    return p, (p.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(0, k - 1)


def softmax(z):
    raised = np.exp(z - z.max(axis=1, keepdims=True))
    return raised / raised.sum(axis=1, keepdims=True)


def test_a_model_that_is_too_sure_is_cooled():
    p, y = drawn()
    sure = softmax(np.log(p) * 2.5 + np.array([0.0, 0.7, -0.2]))

    found = fit_calibration(sure, y)

    assert found.sharpness == pytest.approx(0.4, abs=0.02)
    assert np.abs(found.apply(sure) - p).mean() < 0.01
    assert found.bias.mean() == pytest.approx(0)
    only = fit_calibration(sure, y, biases=False)
    assert only.bias.tolist() == [0.0, 0.0, 0.0]


def test_what_is_calibrated_stays():
    p, y = drawn()
    found = fit_calibration(p, y)

    assert found.sharpness == pytest.approx(1, abs=0.03)
    assert found.apply(p) == pytest.approx(p, abs=0.02)


def test_weights_count_rows():
    p, y = drawn(n=4_000)
    doubled = fit_calibration(np.concatenate([p, p[:1000]]), np.concatenate([y, y[:1000]]))
    weighed = fit_calibration(p, y, weight=np.where(np.arange(4_000) < 1000, 2.0, 1.0))

    assert weighed.sharpness == pytest.approx(doubled.sharpness, abs=1e-3)
    assert weighed.bias == pytest.approx(doubled.bias, abs=1e-3)


def test_the_state_comes_back_or_is_refused():
    found = Calibration(0.5, np.array([0.1, -0.1]))
    loaded = Calibration.from_arrays(found.to_arrays())

    assert loaded.apply([[0.2, 0.8]]).tolist() == found.apply([[0.2, 0.8]]).tolist()
    for broken in (
        {},
        {"sharpness": np.array(0.0), "bias": found.bias},
        {"sharpness": np.array(1.0), "bias": np.array([np.nan])},
    ):
        with pytest.raises(ModelError, match="calibration must"):
            Calibration.from_arrays(broken)


def test_averages():
    first, second = np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]])

    assert average([first, second]) == pytest.approx(np.array([[0.7, 0.3]]))
    assert average([first, second], weights=[1, 0]) == pytest.approx(first)
    assert average([first, second], geometric=True) == pytest.approx(np.array([[0.75, 0.25]]))
    with pytest.raises(DataError, match="one shape"):
        average([first, second[:, :1]])
    with pytest.raises(DataError, match="weights must be"):
        average([first], weights=[-1.0])


def test_bad_input_is_named():
    with pytest.raises(DataError, match="must agree"):
        fit_calibration([[0.5, 0.5]], [0, 1])
    with pytest.raises(DataError, match=r"in \[0, 2\)"):
        fit_calibration([[0.5, 0.5]], [2])
