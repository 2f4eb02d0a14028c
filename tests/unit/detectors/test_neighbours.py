"""Neighbours are exact, and the reference is distinct, filtered and bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from sklearn.neighbors import NearestNeighbors

from eddyline.detectors.nearest import Boxes
from eddyline.detectors.neighbours import Neighbours
from eddyline.errors import ModelError, UsageError
from eddyline.testing.check_detector import crowd, planted
from eddyline.testing.strategies import matrices


@pytest.mark.parametrize("n", [1, 5, 128, 129, 1000])
@pytest.mark.parametrize("d", [1, 7])
def test_boxes_find_what_brute_force_finds(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    reference, asked = np.round(rng.normal(size=(n, d)), 1), rng.normal(size=(60, d)) * 3
    k = min(5, n)
    brute = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(reference).kneighbors(asked)[0]

    np.testing.assert_allclose(
        Boxes.of(reference).mean_distance(asked, k), brute.mean(axis=1), atol=1e-7
    )


@given(matrices(min_rows=6, max_rows=300))
def test_boxes_hold_every_row_once(X: np.ndarray) -> None:
    boxes = Boxes.of(X)

    assert sorted(map(tuple, boxes.columns.T)) == sorted(map(tuple, X))
    assert boxes.starts[-1] == len(X)


def test_reference_is_distinct_and_bounded() -> None:
    rows = np.repeat(crowd(n=500), 3, axis=0)
    model = Neighbours(max_reference=100).fit(rows)

    assert len(model.reference_) == 100
    assert len(np.unique(model.reference_, axis=0)) == 100


def test_kept_share_is_the_least_strange() -> None:
    """With a fifth of the rows far away, none of them becomes a reference."""
    rows = np.concatenate([crowd(n=400), planted(n=100)])
    model = Neighbours().fit(rows)

    assert len(model.reference_) == 250
    assert np.abs(model.reference_).max() < model.anomaly_score(planted()).min()


def test_fewer_rows_than_neighbours_still_score() -> None:
    scores = Neighbours().fit(crowd(n=3)).anomaly_score(crowd(1))

    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    "arguments", [{"n_neighbours": 0}, {"keep": 0.0}, {"keep": 1.5}, {"max_reference": 2}]
)
def test_senseless_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        Neighbours(**arguments).fit(crowd())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reference_", np.ones((3, 2))),
        ("scale_", np.zeros(6)),
        ("centre_", np.ones(2)),
        ("reference_", np.ones((0, 6))),
    ],
)
def test_hostile_references_are_refused(name: str, value: np.ndarray) -> None:
    model = Neighbours().fit(crowd())

    with pytest.raises(ModelError, match="learn the model again"):
        Neighbours.from_arrays({**model.to_arrays(), name: value}, model.get_params())
