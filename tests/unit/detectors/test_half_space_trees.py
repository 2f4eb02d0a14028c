"""Half-space trees: masses by words of bits, the window's turn, and where they fail."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from eddyline.detectors.half_space_trees import HalfSpaceTrees, column_of
from eddyline.errors import UsageError
from eddyline.tables import Floats


def by_nodes(model: HalfSpaceTrees, window: Floats, rows: Floats) -> Floats:
    """Score as the paper tells it: nodes with ranges, cut in the middle, a counter each."""
    totals = np.zeros(len(rows))
    limit, width = np.ceil(0.1 * model.window), rows.shape[1]
    for tree in range(model.n_trees):
        low = model._work[tree, :, 0]
        high = low + 1.0 / model._work[tree, :, 1]

        def way(
            row: Floats, tree: int = tree, low: Floats = low, high: Floats = high
        ) -> list[int]:
            low, high, word, path = low.copy(), high.copy(), 1, [1]
            for _ in range(model.depth):
                base = (model.seed * 0x9E3779B97F4A7C15 + (tree << 40)) % 2**64
                key = (base + word * 0xD1B54A32D192ED03) % 2**64
                column = int(column_of(np.uint64(key), np.uint64(width)))
                middle = (low[column] + high[column]) / 2
                upper = row[column] >= middle
                (low if upper else high)[column] = middle
                word = 2 * word + int(upper)
                path.append(word)
            return path

        masses: dict[int, int] = {}
        for row in window:
            for node in way(row):
                masses[node] = masses.get(node, 0) + 1
        for i, row in enumerate(rows):
            for depth, node in enumerate(way(row)):
                mass = masses.get(node, 0)
                if mass < limit or depth == model.depth:
                    totals[i] += mass * 2.0**depth
                    break
    return 1.0 - totals / (model.n_trees * model.window * 2.0**model.depth)


@pytest.mark.parametrize(("n_trees", "depth", "window"), [(3, 6, 40), (2, 15, 100), (1, 1, 2)])
def test_words_of_bits_give_the_masses_of_nodes(n_trees: int, depth: int, window: int) -> None:
    """Keeping words in place of counters changes no score."""
    rng = np.random.default_rng(1)
    rows = rng.random((window, 4)) ** 3
    model = HalfSpaceTrees(n_trees=n_trees, depth=depth, window=window, scale="unit", seed=7)
    asked = rng.random((50, 4))

    scores = model.partial_fit(rows).anomaly_score(asked)

    np.testing.assert_allclose(scores, by_nodes(model, rows, asked), rtol=0, atol=1e-15)


def test_only_the_last_full_window_counts() -> None:
    """What came before the last full window, and what came after it, change no score."""
    rng = np.random.default_rng(2)
    old, last, new = (rng.random((250, 3)) for _ in range(3))
    asked = rng.random((20, 3))
    model = HalfSpaceTrees(scale="unit")

    model.partial_fit(old).partial_fit(last).partial_fit(new[:100])

    fresh = HalfSpaceTrees(scale="unit").partial_fit(last)
    assert np.array_equal(model.anomaly_score(asked), fresh.anomaly_score(asked))


def test_scales_of_columns_do_not_matter() -> None:
    """With the running range, bytes and megabytes rank rows alike."""
    rows = np.random.default_rng(3).random((600, 3))
    factors = np.array([1.0, 1e6, 1e-3])
    plain = HalfSpaceTrees(scale="range").partial_fit(rows)
    scaled = HalfSpaceTrees(scale="range").partial_fit(rows * factors)

    np.testing.assert_allclose(
        plain.anomaly_score(rows), scaled.anomaly_score(rows * factors), atol=1e-3
    )


def packed(share: float, seed: int) -> tuple[Floats, Floats]:
    """Give a stream like Mulcross: a crowd, and a share of rows in one tight clump beside it."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0.4, 0.1, size=(4000, 4))
    strange = rng.random(len(rows)) < share
    rows[strange] = rng.normal(0.95, 0.003, (strange.sum(), 4))
    return np.clip(rows, 0.0, 1.0), strange.astype(float)


@pytest.mark.parametrize("seed", [0, 1])
def test_packed_anomalies_turn_the_ranking_over(seed: int) -> None:
    """The documented failure: a clump of more than a tenth of a window ranks as most usual of all."""
    rows, strange = packed(0.2, seed)

    scores = HalfSpaceTrees(scale="unit", seed=seed).score_and_learn(rows)

    assert roc_auc_score(strange[500:], scores[500:]) < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_a_clump_below_a_tenth_of_the_window_is_found(seed: int) -> None:
    rows, strange = packed(0.04, seed)

    scores = HalfSpaceTrees(scale="unit", seed=seed).score_and_learn(rows)

    assert roc_auc_score(strange[500:], scores[500:]) > 0.95


def test_scattered_anomalies_are_found() -> None:
    rng = np.random.default_rng(5)
    rows = rng.normal(0.5, 0.05, size=(4000, 4))
    strange = rng.random(len(rows)) < 0.01
    rows[strange] = rng.random((strange.sum(), 4))

    scores = HalfSpaceTrees(scale="unit").score_and_learn(rows)

    assert roc_auc_score(strange[250:], scores[250:]) > 0.95


@pytest.mark.parametrize(
    ("arguments", "value"),
    [({"depth": 31}, "31"), ({"n_trees": 0}, "0"), ({"window": 1}, "1"), ({"scale": "z"}, "'z'")],
)
def test_arguments_without_meaning_are_named(arguments: dict[str, object], value: str) -> None:
    with pytest.raises(UsageError, match=value):
        HalfSpaceTrees(**arguments).partial_fit([[0.0], [1.0]])  # type: ignore[arg-type]
