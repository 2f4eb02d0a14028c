"""Fused p-values stay honest whatever the dependence, and survive absent legs."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import DataError
from eddyline.tables import Floats
from eddyline.verdicts.fuse import fuse_cauchy, fuse_min

Fuse = Callable[[Floats], Floats]
UPPER_TAIL = np.vectorize(lambda z: 0.5 * math.erfc(z / math.sqrt(2)), otypes=[np.float64])


def dependent_p_values(kind: str, n: int = 50_000, legs: int = 4) -> np.ndarray:
    """P-values of normal rows under several dependences of the legs."""
    rng = np.random.default_rng(0)
    if kind == "opposed":
        half = rng.random((n, legs // 2))
        return np.concatenate([half, 1 - half], axis=1)
    if kind == "discrete":
        return np.ceil(rng.random((n, 1)) * 50) / 50 * np.ones((1, legs))
    share = {"independent": 0.0, "weak": 0.3, "strong": 0.8, "equal": 1.0}[kind]
    common = rng.normal(size=(n, 1))
    values: Floats = UPPER_TAIL(
        math.sqrt(share) * common + math.sqrt(1 - share) * rng.normal(size=(n, legs))
    )
    return values


@pytest.mark.parametrize("kind", ["independent", "weak", "strong", "equal", "opposed", "discrete"])
def test_the_smallest_is_super_uniform_under_any_dependence(kind: str) -> None:
    fused = fuse_min(dependent_p_values(kind))
    for level in (0.3, 0.1, 0.01, 0.001):
        error = math.sqrt(level * (1 - level) / len(fused))

        assert (fused <= level).mean() <= level + 4 * error


@pytest.mark.parametrize("kind", ["independent", "weak", "strong", "equal"])
def test_cauchy_is_nearly_super_uniform_at_small_levels(kind: str) -> None:
    fused = fuse_cauchy(dependent_p_values(kind))

    assert (fused <= 0.01).mean() <= 1.3 * 0.01


@pytest.mark.parametrize("fuse", [fuse_min, fuse_cauchy])
def test_absent_legs_are_left_out(fuse: Fuse) -> None:
    table = np.array([[0.02, np.nan, np.nan], [np.nan] * 3, [0.02, 0.5, np.nan]])
    fused = fuse(table)

    assert fused[0] == pytest.approx(0.02)
    assert np.isnan(fused[1])
    assert fused[2] == pytest.approx(0.04, rel=0.05)


@pytest.mark.parametrize("fuse", [fuse_min, fuse_cauchy])
@given(
    rows=st.lists(
        st.lists(st.floats(1e-300, 1.0), min_size=3, max_size=3), min_size=1, max_size=20
    )
)
def test_fused_values_are_p_values_and_rise_with_their_legs(
    fuse: Fuse, rows: list[list[float]]
) -> None:
    table = np.array(rows)
    fused, lowered = fuse(table), fuse(table * np.array([0.5, 1.0, 1.0]))

    assert ((fused > 0) & (fused <= 1)).all()
    assert (lowered <= fused * (1 + 1e-9)).all()


def test_a_leg_that_finds_a_row_dull_does_not_veto() -> None:
    assert fuse_min(np.array([[1e-9, 1.0, 1.0]]))[0] == pytest.approx(3e-9)
    assert fuse_cauchy(np.array([[1e-9, 1.0, 1.0]]))[0] == pytest.approx(3e-9, rel=1e-3)


def test_a_heavier_leg_pays_less() -> None:
    table = np.array([[0.01, 0.01]])

    assert fuse_min(table, np.array([3.0, 1.0]))[0] == pytest.approx(0.01 * 4 / 3)
    assert fuse_min(table, np.array([3.0, 1.0]))[0] < fuse_min(table)[0]


@pytest.mark.parametrize(
    ("table", "weights"),
    [
        (np.array([0.5, 0.5]), None),
        (np.array([[1.5]]), None),
        (np.array([[-0.1]]), None),
        (np.array([[0.5, 0.5]]), np.array([1.0])),
        (np.array([[0.5, 0.5]]), np.array([1.0, 0.0])),
    ],
)
def test_senseless_tables_are_named(table: np.ndarray, weights: np.ndarray | None) -> None:
    with pytest.raises(DataError, match="got"):
        fuse_min(table, weights)
