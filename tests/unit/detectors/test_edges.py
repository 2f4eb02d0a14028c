"""AnoEdge: golden densities, the greedy block, and fading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.detectors.edges import AnoEdge, block_density
from eddyline.errors import UsageError
from eddyline.tables import Floats

GOLDEN = np.array([[4.0, 4.0, 0.0], [4.0, 4.0, 0.0], [0.0, 0.0, 1.0]])


@pytest.mark.parametrize(
    ("row", "column", "density"), [(0, 0, 8.0), (2, 2, 5.666667), (0, 2, 6.531973)]
)
def test_golden_densities(row: int, column: int, density: float) -> None:
    assert block_density(GOLDEN, row, column) == pytest.approx(density, abs=5e-7)


def plainly(matrix: Floats, row: int, column: int) -> float:
    """Grow the block with sums made anew at each step."""
    rows, columns = [row], [column]
    best = matrix[row, column]
    while len(rows) + len(columns) < sum(matrix.shape):
        row_sums = {i: matrix[i, columns].sum() for i in range(len(matrix)) if i not in rows}
        column_sums = {j: matrix[rows, j].sum() for j in range(len(matrix)) if j not in columns}
        i = max(row_sums, key=lambda k: (row_sums[k], k), default=-1)
        j = max(column_sums, key=lambda k: (column_sums[k], k), default=-1)
        if j < 0 or (i >= 0 and row_sums[i] >= column_sums[j]):
            rows.append(i)
        else:
            columns.append(j)
        block = matrix[np.ix_(rows, columns)].sum()
        best = max(best, block / np.sqrt(len(rows) * len(columns)))
    return float(best)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7))
def test_running_sums_grow_the_same_block(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = rng.integers(0, 6, (size, size)).astype(float)
    row, column = (int(x) for x in rng.integers(size, size=2))

    assert block_density(matrix, row, column) == pytest.approx(plainly(matrix, row, column))


def test_cells_fade_by_the_ticks_between() -> None:
    model = AnoEdge(decay=0.5).partial_fit([[1, 2, 0]] * 8).partial_fit([[1, 2, 3]])

    assert model.cells_.sum(axis=(1, 2)) == pytest.approx([2.0, 2.0])


def test_a_block_of_new_pairs_is_strange_though_each_is_rare() -> None:
    """Ten machines that all call each other stand out over one that calls its ten servers as always."""
    usual = [[client, 100 + client % 5, tick] for tick in range(50) for client in range(10)]
    worm = [[300 + a, 400 + b, 50] for a in range(10) for b in range(10)]
    model = AnoEdge().partial_fit(usual)
    before = model.anomaly_score([[3, 103, 50]])[0]

    assert model.score_and_learn(worm)[-1] > 0
    assert AnoEdge(decay=0.1).partial_fit(usual).score_and_learn(worm)[-1] > before / 10


def test_arguments_without_meaning_are_named() -> None:
    with pytest.raises(UsageError, match=r"1\.5"):
        AnoEdge(decay=1.5).partial_fit([[1, 2, 3]])
