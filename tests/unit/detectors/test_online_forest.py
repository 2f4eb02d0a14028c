"""Online isolation forest: what a tree holds while rows come and go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.metrics import roc_auc_score

from eddyline.detectors.online_forest import OnlineForest
from eddyline.detectors.online_trees import ABSENT, LEAF, path_of
from eddyline.errors import UsageError


def test_the_depth_of_2048_rows_is_three() -> None:
    """The golden value: c(2048) = log4(2048 / 32) = 3."""
    assert path_of(2048.0, 32.0) == pytest.approx(3.0, abs=1e-15)
    assert path_of(31.0, 32.0) == 0.0


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(1, 700),
    leaf_rows=st.integers(2, 16),
    window=st.integers(40, 200),
    seed=st.integers(0, 9),
)
def test_a_tree_stays_a_tree(n: int, leaf_rows: int, window: int, seed: int) -> None:
    """The root counts the window; cut nodes have two children and rows enough, leaves have none."""
    rows = np.random.default_rng(seed).normal(size=(n, 2))
    forest = OnlineForest(n_trees=3, leaf_rows=leaf_rows, window=window, seed=seed).partial_fit(
        rows
    )

    assert (forest.count_[:, 0] == min(n, window)).all()
    for tree in range(3):
        for node, column in enumerate(forest.column_[tree]):
            depth = int(np.log2(node + 1))
            children = [c for c in (2 * node + 1, 2 * node + 2) if c < forest.column_.shape[1]]
            kinds = forest.column_[tree, children]
            if column >= 0:
                assert (kinds != ABSENT).all()
                assert len(kinds) == 2
                assert forest.count_[tree, node] >= leaf_rows * 2**depth
            elif column == LEAF:
                assert (kinds == ABSENT).all()
            else:
                assert (kinds == ABSENT).all()


def test_boxes_hold_the_rows_of_the_root_until_it_is_cut() -> None:
    rows = np.random.default_rng(0).normal(size=(31, 3))

    forest = OnlineForest(scale="none").partial_fit(rows)

    assert np.array_equal(forest.box_[0, 0, 0], rows.min(axis=0))
    assert np.array_equal(forest.box_[0, 0, 1], rows.max(axis=0))
    assert (forest.column_[:, 0] == LEAF).all()


def test_what_is_forgotten_becomes_strange_again() -> None:
    """A crowd that left the window scores like an outlier, a new one like a crowd."""
    rng = np.random.default_rng(1)
    old, new = rng.normal(0.0, 1.0, (1500, 2)), rng.normal(8.0, 1.0, (1500, 2))
    forest = OnlineForest(window=1024, scale="none").partial_fit(old)
    before = forest.anomaly_score(old[:200]).mean() - forest.anomaly_score(new[:200]).mean()

    forest.partial_fit(new)

    after = forest.anomaly_score(old[:200]).mean() - forest.anomaly_score(new[:200]).mean()
    assert before < 0 < after


def test_outliers_rank_high() -> None:
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(6000, 3))
    strange = rng.random(len(rows)) < 0.01
    rows[strange] = rng.uniform(-8, 8, (strange.sum(), 3))

    scores = OnlineForest(scale="none").score_and_learn(rows)

    assert roc_auc_score(strange[200:], scores[200:]) > 0.9


@pytest.mark.parametrize(
    ("arguments", "value"),
    [({"window": 32}, "32"), ({"n_trees": 0}, "0"), ({"scale": "unit"}, "'unit'")],
)
def test_arguments_without_meaning_are_named(arguments: dict[str, object], value: str) -> None:
    with pytest.raises(UsageError, match=value):
        OnlineForest(**arguments).partial_fit([[0.0], [1.0]])  # type: ignore[arg-type]
