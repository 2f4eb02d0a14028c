"""KitNET: the same scores as a plain loop over arrays, the map, and what training must have done."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.detectors.correlation import column_groups, correlate
from eddyline.detectors.kitnet import KitNet
from eddyline.errors import UsageError
from eddyline.tables import Floats


def traffic(n: int = 900, d: int = 12, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return np.exp(
        0.5 * rng.normal(size=(n, 3)) @ rng.normal(size=(3, d)) + 0.2 * rng.normal(size=(n, d))
    )


class PlainAutoencoder:
    """The published autoencoder in array arithmetic, told in its own order."""

    def __init__(self, W: Floats) -> None:
        self.W = W.copy()
        self.hidden_bias, self.visible_bias = np.zeros(W.shape[1]), np.zeros(W.shape[0])
        self.low, self.high = np.full(len(W), np.inf), np.full(len(W), -np.inf)

    def error(self, x: Floats, *, train: bool) -> float:
        if train:
            self.low, self.high = np.minimum(self.low, x), np.maximum(self.high, x)
        x = (x - self.low) / (self.high - self.low + 1e-16)
        y = 1 / (1 + np.exp(-(x @ self.W + self.hidden_bias)))
        miss = x - 1 / (1 + np.exp(-(self.W @ y + self.visible_bias)))
        if train:
            back = (miss @ self.W) * y * (1 - y)
            self.W += 0.1 * (np.outer(x, back) + np.outer(miss, y))
            self.hidden_bias += 0.1 * back.mean()
            self.visible_bias += 0.1 * miss.mean()
        return float(np.sqrt((miss**2).mean()))


def test_scores_are_those_of_the_published_loop() -> None:
    """Given the same first weights, scores agree within 1e-9 after hundreds of steps."""
    rows = traffic()
    net = KitNet(map_rows=200, train_rows=500, largest=5)
    net.partial_fit(rows[:200])
    groups = np.split(net.order_, np.cumsum(net.sizes_[:-1])[:-1])
    band, place = [], 0
    for n, hidden in zip(net.sizes_, net._hidden(), strict=True):
        band.append(PlainAutoencoder(net.weights_[place : place + n * hidden].reshape(n, hidden)))
        place += n * hidden
    expected = []
    for i, row in enumerate(rows[200:]):
        train = i < 500
        errors = [
            part.error(row[group], train=train) for part, group in zip(band, groups, strict=False)
        ]
        expected.append(band[-1].error(np.array(errors), train=train))

    scores = net.score_and_learn(rows[200:])

    assert not scores[:500].any()
    np.testing.assert_allclose(scores[500:], expected[500:], rtol=1e-9)


def test_the_map_holds_together_what_moves_together() -> None:
    rng = np.random.default_rng(1)
    causes = rng.normal(size=(500, 3))
    rows = causes[:, [0, 1, 2, 0, 1, 2, 0]] + 0.05 * rng.normal(size=(500, 7))
    sums, products = np.zeros((2, 7)), np.zeros((7, 7))
    correlate(rows, 0, sums, products)

    groups = column_groups(sums, products, 3)

    assert sorted(sorted(group.tolist()) for group in groups) == [[0, 3, 6], [1, 4], [2, 5]]
    assert max(len(group) for group in column_groups(sums, products, 2)) == 2


def test_training_moves_every_weight_and_lowers_the_error() -> None:
    rows = traffic(3000)
    first = KitNet(map_rows=200, train_rows=1).partial_fit(rows[:201])
    trained = KitNet(map_rows=200, train_rows=2000).partial_fit(rows[:2200])

    assert (first.weights_ != trained.weights_).all()
    assert first.sizes_.tolist() == trained.sizes_.tolist()
    rest = rows[2200:]
    first.ranges_[:, : rows.shape[1]] = trained.ranges_[:, : rows.shape[1]]
    band_first, band_trained = (_band_error(net, rest) for net in (first, trained))
    assert band_trained < 0.8 * band_first


def _band_error(net: KitNet, rows: Floats) -> float:
    """Give the mean error of the band's first autoencoder with more than one column."""
    sizes, hidden = net.sizes_, net._hidden()
    part = int(np.argmax(sizes[:-1]))
    first, weight = int(sizes[:part].sum()), int((sizes * hidden)[:part].sum())
    bias = int((sizes + hidden)[:part].sum())
    n, h = int(sizes[part]), int(hidden[part])
    W = net.weights_[weight : weight + n * h].reshape(n, h)
    low, high = net.ranges_[:, first : first + n]
    x = (rows[:, net.order_[first : first + n]] - low) / (high - low + 1e-16)
    y = 1 / (1 + np.exp(-(x @ W + net.biases_[bias : bias + h])))
    z = 1 / (1 + np.exp(-(y @ W.T + net.biases_[bias + h : bias + h + n])))
    return float(np.sqrt(((x - z) ** 2).mean(axis=1)).mean())


def test_it_stands_still_after_training_unless_told_to_go_on() -> None:
    rows = traffic(1500)
    still = KitNet(map_rows=100, train_rows=400).partial_fit(rows[:500])
    going = KitNet(map_rows=100, train_rows=400, keep_learning=True).partial_fit(rows[:500])
    before = still.weights_.copy()

    still.partial_fit(rows[500:])
    going.partial_fit(rows[500:])

    assert np.array_equal(still.weights_, before)
    assert not np.array_equal(going.weights_, before)
    assert still.n_seen_ == 1500


def test_constant_columns_do_no_harm() -> None:
    rows = traffic()
    rows[:, 4:7] = 3.0

    scores = KitNet(map_rows=200, train_rows=500).score_and_learn(rows)

    assert np.isfinite(scores).all()
    assert len(np.unique(scores[700:])) > 100


@pytest.mark.parametrize(
    ("arguments", "value"),
    [({"map_rows": 1}, "1"), ({"hidden_share": 1.5}, "1.5"), ({"rate": 0}, "0")],
)
def test_arguments_without_meaning_are_named(arguments: dict[str, object], value: str) -> None:
    with pytest.raises(UsageError, match=value):
        KitNet(**arguments).partial_fit([[0.0], [1.0]])  # type: ignore[arg-type]
