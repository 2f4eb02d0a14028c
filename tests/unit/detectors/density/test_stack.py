"""Frozen layers give a row the same bits in any company, torch's values, and refuse hostile shapes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.detectors.density.stack import Stack
from eddyline.errors import ModelError


def stack(seed: int = 0) -> Stack:
    rng = np.random.default_rng(seed)
    widths = (5, 9, 7, 3)
    layers = [(rng.normal(size=(a, b)), rng.normal(size=b)) for a, b in pairwise(widths)]
    return Stack.of(layers, ("relu", "tanh", "linear"))


def test_run_equals_the_formula() -> None:
    net, rows = stack(), np.random.default_rng(1).normal(size=(20, 5)).astype(np.float32)
    held = rows.astype(np.float64)
    functions: list[Callable[[np.ndarray], np.ndarray]] = [
        lambda x: np.maximum(x, 0),
        np.tanh,
        lambda x: x,
    ]
    for (weights, biases), function in zip(net.layers(), functions, strict=True):
        held = function(held @ weights + biases)

    np.testing.assert_allclose(net.run(rows), held, rtol=1e-4, atol=1e-5)


@given(st.integers(1, 40), st.integers(0, 1000))
def test_a_row_keeps_its_bits_in_any_company(n: int, seed: int) -> None:
    net, rows = stack(), np.random.default_rng(seed).normal(size=(n, 5)).astype(np.float32)
    whole = net.run(rows)
    alone = np.concatenate([net.run(rows[i : i + 1]) for i in range(n)])

    assert np.array_equal(whole, alone)


@pytest.mark.parametrize(
    "change",
    [
        {"widths": np.array([5, 9, 7, 4])},
        {"widths": np.array([5, -9, 7, 3])},
        {"widths": np.array([5.0, 9.0, 7.0, 3.0])},
        {"widths": np.array([3])},
        {"activations": np.array([1, 2, 9])},
        {"activations": np.array([1, 2])},
        {"flat": np.zeros(10)},
        {"flat": np.full(148, np.nan)},
    ],
)
def test_hostile_layers_are_refused(change: dict[str, Any]) -> None:
    net = stack()
    arrays = {"widths": net.widths, "activations": net.activations, "flat": net.flat, **change}

    with pytest.raises(ModelError, match="saved layers"):
        Stack.restored(**arrays)
