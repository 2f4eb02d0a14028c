"""An explanation names what makes a row strange, and setting it back makes the row usual."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.detectors.registry import matrix_detector
from eddyline.errors import DataError
from eddyline.tables import Floats
from eddyline.testing.check_detector import crowd
from eddyline.verdicts.explain import (
    QUANTILE_LEVELS,
    counterfactual,
    explain,
    explain_rows,
    normal_quantiles,
    normal_range,
)

LEGS = ("isolation_forest", "neighbours", "tails", "single_column")
WIDTH = 8


def planted_rows(usual: Floats, n: int = 400) -> tuple[Floats, list[set[int]]]:
    """Usual rows of which one to three columns lie 3 to 100 times beyond the largest seen."""
    rng = np.random.default_rng(5)
    rows = usual[rng.integers(0, len(usual), n)].copy()
    columns = [
        set(rng.choice(WIDTH, size=int(rng.integers(1, 4)), replace=False).tolist())
        for _ in range(n)
    ]
    for row, chosen in zip(rows, columns, strict=True):
        for column in chosen:
            row[column] = usual[:, column].max() * rng.uniform(3, 100)
    return rows, columns


def bounds(usual: Floats) -> tuple[Floats, Floats, Floats]:
    low, high = normal_range(usual)
    return low, high, normal_quantiles(usual)[3]


@pytest.mark.parametrize("name", LEGS)
def test_three_named_columns_set_back_bring_the_row_under_the_threshold(name: str) -> None:
    usual = crowd(0, n=3000, d=WIDTH)
    model = matrix_detector(name)().fit(usual[:2000])
    threshold = np.quantile(model.anomaly_score(usual[2000:]), 0.99)
    rows, _ = planted_rows(usual)
    alarmed = rows[model.anomaly_score(rows) > threshold]
    _, scores = counterfactual(model.anomaly_score, alarmed, *bounds(usual[:2000]))

    assert len(alarmed) > 20
    assert (scores <= threshold).mean() >= 0.9


@pytest.mark.parametrize("name", ["neighbours", "tails"])
def test_the_first_column_named_is_a_planted_one(name: str) -> None:
    usual = crowd(0, n=3000, d=WIDTH)
    model = matrix_detector(name)().fit(usual)
    rows, columns = planted_rows(usual)
    parts = explain_rows(model.anomaly_score, rows, *bounds(usual))
    hits = [row[0].columns[0] in chosen for row, chosen in zip(parts, columns, strict=True)]

    assert np.mean(hits) > 0.95


@pytest.mark.parametrize("name", [*LEGS, "random"])
def test_shares_are_shares(name: str) -> None:
    usual = crowd(0, n=1000, d=WIDTH)
    model = matrix_detector(name)().fit(usual)
    for parts in explain_rows(model.anomaly_score, planted_rows(usual, 40)[0], *bounds(usual)):
        assert all(0 <= part.share <= 1 for part in parts)
        assert sum(part.share for part in parts) <= 1 + 1e-9
        assert len({part.columns for part in parts}) == len(parts) <= 5


def test_a_sum_is_explained_by_its_terms() -> None:
    """For a sum of squares the shares are the squares, in falling order."""
    low, high, centre = np.full(4, -1.0), np.full(4, 1.0), np.zeros(4)
    parts = explain(
        lambda X: (X**2).sum(axis=1), np.array([2.0, 6.0, 0.0, 3.0]), low, high, centre
    )

    assert [part.columns for part in parts] == [(1,), (3,), (0,)]
    assert [part.share for part in parts] == pytest.approx([36 / 49, 9 / 49, 4 / 49])
    assert parts[-1].score_after == 0.0
    assert (parts[0].value, parts[0].normal_low, parts[0].normal_high) == (6.0, -1.0, 1.0)


def test_a_group_is_set_back_together() -> None:
    """A minimum of two columns falls only when both are set back; alone neither would be named first."""

    def score(X: Floats) -> Floats:
        return np.maximum(X[:, 0], X[:, 1]) + 0.1 * X[:, 2]

    low, high, centre = np.zeros(3), np.ones(3), np.full(3, 0.5)
    grouped = explain(score, np.array([9.0, 8.0, 5.0]), low, high, centre, [[1, 0], [2]])

    assert grouped[0].columns == (0, 1)
    assert grouped[0].value == 9.0
    assert grouped[0].share > 0.9


def test_a_plateau_is_crossed_by_columns_outside_their_range() -> None:
    """A score that falls only when two columns are back: neither step alone lowers it."""

    def score(X: Floats) -> Floats:
        return np.maximum(np.minimum(X[:, 0], 5.0), np.minimum(X[:, 1], 5.0))

    bound = np.zeros(2), np.ones(2), np.full(2, 0.5)
    rows, scores = counterfactual(score, np.array([[9.0, 7.0]]), *bound)

    assert scores[0] <= 1.0
    assert (rows <= 1.0).all()


def test_a_usual_row_has_nothing_to_explain() -> None:
    bound = np.zeros(3), np.ones(3), np.full(3, 0.5)

    assert explain(lambda X: np.zeros(len(X)), np.full(3, 0.5), *bound) == []


def test_rows_are_explained_alike_alone_and_together() -> None:
    usual = crowd(0, n=1000, d=WIDTH)
    model = matrix_detector("isolation_forest")().fit(usual)
    rows, _ = planted_rows(usual, 10)
    together = explain_rows(model.anomaly_score, rows, *bounds(usual))

    assert together == [explain(model.anomaly_score, row, *bounds(usual)) for row in rows]


def test_one_call_scores_all_candidates_of_a_step() -> None:
    calls = []

    def score(X: Floats) -> Floats:
        calls.append(len(X))
        total: Floats = X.sum(axis=1)
        return total

    counterfactual(score, np.full((7, 5), 9.0), np.zeros(5), np.ones(5), np.full(5, 0.5))

    assert calls == [7, 1, 70, 70, 70]


def test_quantiles_are_values_of_rows() -> None:
    usual = crowd(n=301)
    table = normal_quantiles(usual)

    assert table.shape == (len(QUANTILE_LEVELS), usual.shape[1])
    assert all(
        np.isin(table[:, column], usual[:, column]).all() for column in range(usual.shape[1])
    )
    assert np.array_equal(table[0], usual.min(axis=0))
    assert np.array_equal(table[-1], usual.max(axis=0))


def test_senseless_shapes_are_named() -> None:
    def score(X: Floats) -> Floats:
        total: Floats = X.sum(axis=1)
        return total

    with pytest.raises(DataError, match="each of 3 columns once"):
        explain(score, np.ones(3), np.zeros(3), np.ones(3), np.ones(3), [[0, 1]])
    with pytest.raises(DataError, match="a value for each of 3 columns"):
        explain(score, np.ones(3), np.zeros(2), np.ones(3), np.ones(3))
    with pytest.raises(DataError, match="got 0"):
        explain(score, np.ones(3), np.zeros(3), np.ones(3), np.ones(3), top=0)
    with pytest.raises(DataError, match="at least one row"):
        normal_range(np.empty((0, 3)))
