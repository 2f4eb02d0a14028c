"""Neighbours by matrix products are those that boxes find, to the bit, on any rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.detectors import nearest, products
from eddyline.detectors.nearest import Boxes

KINDS = ("noise", "tails", "far", "ties", "flat")


def rows_of(kind: str, n: int, d: int, seed: int) -> np.ndarray:
    """Make rows: white noise, heavy tails, all far from the origin, many equal ones, columns of zeros."""
    rng = np.random.default_rng(seed)
    if kind == "tails":
        return np.exp(4.0 * rng.normal(size=(n, d)))
    if kind == "far":
        return 1e7 + rng.normal(size=(n, d))
    if kind == "ties":
        return rng.integers(0, 2, size=(n, d)).astype(np.float64)
    rows = rng.normal(size=(n, d))
    return rows if kind == "noise" else rows * (np.arange(d) % 3 == 0)


def by_definition(asked: np.ndarray, rows: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Measure every pair, column by column; of equally near rows the lower number comes first."""
    squares = np.zeros((len(asked), len(rows)))
    for column in range(rows.shape[1]):
        squares += (rows[None, :, column] - asked[:, None, column]) ** 2
    order = np.argsort(squares, axis=1, kind="stable")[:, :k]
    return np.sqrt(np.take_along_axis(squares, order, axis=1)), order


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    n=st.integers(1, 700),
    d=st.integers(1, 40),
    k=st.integers(1, 9),
    seed=st.integers(0, 999),
)
def test_both_ways_find_what_the_definition_says(kind: str, n: int, d: int, k: int, seed: int):
    """Distances and numbers, whatever the rows are like."""
    rows, asked = rows_of(kind, n, d, seed), rows_of(kind, 20, d, seed + 1)
    boxes, k = Boxes.of(rows), min(k, n)
    distances, numbers = by_definition(asked, rows, k)

    for way in (boxes._by_boxes, boxes._by_products):
        squares, places = np.empty((20, k)), np.zeros((20, k), np.int64)
        way(asked, squares, places)
        assert (np.sqrt(squares) == distances).all()
        assert (places == numbers).all()


def test_the_way_is_chosen_by_what_boxes_spare(monkeypatch: pytest.MonkeyPatch):
    """White noise of many columns goes by products, rows along a line by boxes; neither changes a bit."""
    calls: list[int] = []
    plain = products.search

    def counted(asked: np.ndarray, *rest: Any) -> None:
        calls.append(len(asked))
        plain(asked, *rest)

    monkeypatch.setattr(nearest, "search", counted)
    noise = rows_of("noise", 2_000, 30, 0)
    line = np.linspace(0.0, 1.0, 2_000)[:, None] * np.ones(30)
    Boxes.of(line).nearest(line[:400].copy(), 3)
    assert not calls
    together = Boxes.of(noise).nearest(noise[:400].copy(), 3)
    assert calls == [400 - nearest.PROBED]
    alone = [Boxes.of(noise).nearest(noise[i : i + 1].copy(), 3) for i in (0, 50, 399)]
    for i, (distances, numbers) in zip((0, 50, 399), alone, strict=True):
        assert (together[0][i] == distances[0]).all()
        assert (together[1][i] == numbers[0]).all()


def test_rows_beyond_single_precision_go_by_boxes():
    """Squares that single precision cannot hold are not tried."""
    rows = 1e30 * rows_of("noise", 600, 20, 0)
    boxes = Boxes.of(rows)
    assert not boxes._by_products(rows, np.empty((600, 2)), np.zeros((600, 2), np.int64))
    distances, numbers = boxes.nearest(rows, 2)
    assert (numbers[:, 0] == np.arange(600)).all()
    assert (distances[:, 0] == 0).all()
