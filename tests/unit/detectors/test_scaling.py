"""The robust scale is monotone, invertible and blind to a few large values; distinct rows are distinct."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from eddyline.detectors.scaling import (
    MOST_ROWS,
    SCALE_FLOOR,
    RobustScale,
    cell_counts,
    distinct_cells,
    distinct_rows,
    draw_rows,
)
from eddyline.testing.strategies import matrices


@given(matrices())
def test_distinct_rows_are_numpys(X: np.ndarray) -> None:
    first, counts = distinct_rows(X)
    rows, expected, numbers = np.unique(X + 0.0, axis=0, return_index=True, return_counts=True)
    order = np.argsort(expected)

    assert first.tolist() == expected[order].tolist()
    assert counts.tolist() == numbers[order].tolist()
    assert len(rows) == len(first)


def test_signed_zeros_are_one_value() -> None:
    first, counts = distinct_rows(np.array([[0.0, 1.0], [-0.0, 1.0]]))

    assert first.tolist() == [0]
    assert counts.tolist() == [2]


@given(matrices(), st.floats(-1e9, 1e9))
def test_scaling_is_monotone_and_inverts(X: np.ndarray, value: float) -> None:
    scale = RobustScale.of(X)
    row, more = (
        np.full((1, X.shape[1]), value),
        np.full((1, X.shape[1]), value + abs(value) * 0.01 + 0.01),
    )
    scaled = scale.apply(row)[0]

    assert (scale.apply(more)[0] >= scaled).all()
    back = scale.invert(scaled, np.arange(X.shape[1]))
    np.testing.assert_allclose(back, row[0], rtol=1e-6, atol=1e-6)


def test_a_few_huge_values_do_not_move_the_scale() -> None:
    X = np.random.default_rng(0).normal(size=(1000, 1))
    dirty = X.copy()
    dirty[:5] = 1e12

    clean, contaminated = RobustScale.of(X), RobustScale.of(dirty)

    np.testing.assert_allclose(contaminated.scale, clean.scale, rtol=0.1)


def test_a_constant_column_has_the_floor_for_scale() -> None:
    assert RobustScale.of(np.ones((9, 1))).scale[0] == SCALE_FLOOR


def test_near_copies_share_a_cell() -> None:
    Z = np.concatenate(
        [np.full((50, 2), 0.9) + np.random.default_rng(0).normal(0, 1e-4, (50, 2)), [[9.0, 9.0]]]
    )

    assert distinct_cells(Z, 0.5)[1].tolist() == [50, 1]
    assert cell_counts(Z, 0.5).tolist() == [50] * 50 + [1]


def test_many_rows_are_drawn_few_are_kept() -> None:
    X = np.arange(MOST_ROWS + 10.0)[:, None]
    drawn = draw_rows(X, 0)

    assert len(np.unique(drawn)) == MOST_ROWS
    assert (np.diff(drawn[:, 0]) > 0).all()
    assert np.array_equal(draw_rows(X[:5], 0), X[:5])
