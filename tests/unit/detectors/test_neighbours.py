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

    assert sorted(map(tuple, boxes.rows)) == sorted(map(tuple, X))
    assert boxes.starts[-1] == len(X)


@pytest.mark.parametrize("unit", [1.0, 1e9, 1e160])
def test_axes_only_decide_how_soon_a_neighbour_is_found(unit: float) -> None:
    """Rows along few directions, far from zero and of any size, have the neighbours that all pairs have."""
    rng = np.random.default_rng(4)
    X = (rng.normal(size=(700, 2)) @ rng.normal(size=(2, 9)) + 40.0) * unit
    X[:, 3] += 1e-6 * unit * rng.normal(size=700)
    asked, k = np.concatenate([X[:40], X[:40] * 1.001]), 4
    with np.errstate(over="ignore"):
        pairs = np.sqrt(((asked[:, None] - X) ** 2).sum(axis=-1))
    distances, places = Boxes.of(X).nearest(asked, k)

    np.testing.assert_allclose(distances, np.sort(pairs, axis=1)[:, :k], rtol=1e-9)
    found = np.take_along_axis(pairs, places, axis=1)
    np.testing.assert_allclose(found, distances, rtol=1e-9)


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
