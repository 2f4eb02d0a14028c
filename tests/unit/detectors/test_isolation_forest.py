"""The forest gives scikit-learn's scores on scikit-learn's trees, and refuses trees that could not be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest as PeerForest

from eddyline.detectors.isolation_forest import IsolationForest, average_path, walk
from eddyline.errors import ModelError, UsageError
from eddyline.testing.check_detector import crowd, planted


def packed(peer: PeerForest) -> tuple[np.ndarray, ...]:
    """Put scikit-learn's trees into our arrays: children side by side, leaves pointing to themselves."""
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    path: list[float] = []
    roots: list[int] = []

    def add() -> int:
        feature.append(0)
        threshold.append(np.inf)
        left.append(len(left))
        path.append(0.0)
        return len(left) - 1

    for estimator, columns in zip(peer.estimators_, peer.estimators_features_, strict=True):
        tree = estimator.tree_
        roots.append(add())
        waiting = [(0, roots[-1], 0)]
        while waiting:
            theirs, ours, depth = waiting.pop()
            if tree.children_left[theirs] < 0:
                path[ours] = depth + average_path(int(tree.n_node_samples[theirs]))
                continue
            feature[ours], threshold[ours] = columns[tree.feature[theirs]], tree.threshold[theirs]
            left[ours] = add()
            right = add()
            waiting.append((tree.children_left[theirs], left[ours], depth + 1))
            waiting.append((tree.children_right[theirs], right, depth + 1))
    return (
        np.array(feature, np.uint32),
        np.array(threshold),
        np.array(left, np.uint32),
        np.array(path),
        np.array(roots, np.uint64),
    )


def test_scores_equal_scikit_learns_on_the_same_trees() -> None:
    X = np.random.default_rng(0).normal(size=(500, 4)).astype(np.float32).astype(np.float64)
    peer = PeerForest(n_estimators=20, max_samples=128, random_state=0).fit(X)
    total = np.zeros(len(X))

    feature, threshold, left, path, roots = packed(peer)
    walk(X, feature, threshold, left, path, roots, 7, total)
    ours = 2.0 ** (-total / (20 * average_path(128)))

    np.testing.assert_allclose(ours, -peer.score_samples(X), rtol=1e-12)


def test_own_trees_rank_like_scikit_learns() -> None:
    rows = np.concatenate([crowd(1), planted(0)])
    ours = IsolationForest().fit(crowd()).anomaly_score(rows)
    logs = np.log1p(crowd())
    theirs = -PeerForest(random_state=0).fit(logs).score_samples(np.log1p(rows))

    assert np.corrcoef(ours.argsort().argsort(), theirs.argsort().argsort())[0, 1] > 0.9


def test_average_path_is_the_papers() -> None:
    assert average_path(1) == 0.0
    assert average_path(2) == 1.0
    assert average_path(256) == pytest.approx(10.244770920116851)


@pytest.mark.parametrize("n", [1, 7, 8, 9, 127, 128, 129, 300])
def test_every_batch_size_takes_the_same_path(n: int) -> None:
    model = IsolationForest(n_trees=10).fit(crowd())
    rows = crowd(1, n=300)

    assert np.array_equal(model.anomaly_score(rows[:n]), model.anomaly_score(rows)[:n])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("left_", lambda a: np.full_like(a, 10**6)),
        ("left_", lambda a: np.full(len(a), -1, np.int64)),
        ("feature_", lambda a: np.full_like(a, 99)),
        ("feature_", lambda a: a[:-1]),
        ("roots_", lambda a: np.array([10**9], np.uint64)),
        ("roots_", lambda a: a[:0]),
        ("norm_", lambda a: np.array([1.0, 1e6])),
        ("norm_", lambda a: np.array([0.0, 8.0])),
        ("threshold_", lambda a: np.zeros_like(a)),
        ("path_", lambda a: np.full_like(a, np.inf)),
    ],
)
def test_hostile_trees_are_refused(name: str, damage: Callable[[np.ndarray], np.ndarray]) -> None:
    model = IsolationForest(n_trees=3).fit(crowd())
    arrays = model.to_arrays()
    arrays[name] = damage(arrays[name])

    with pytest.raises(ModelError, match="learn the model again"):
        IsolationForest.from_arrays(arrays, model.get_params())


@pytest.mark.parametrize("arguments", [{"n_trees": 0}, {"sample_rows": 1}, {"cell": 0.0}])
def test_senseless_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        IsolationForest(**arguments).fit(crowd())


def test_constant_rows_get_one_score() -> None:
    scores = IsolationForest().fit(np.ones((50, 3))).anomaly_score(np.ones((4, 3)))

    assert np.isfinite(scores).all()
    assert len(np.unique(scores)) == 1


@pytest.mark.parametrize("seed", range(3))
def test_a_single_column_far_out_is_seen(seed: int) -> None:
    """The margin's purpose: with cuts inside the rows only, none of these rows stands out."""
    usual = crowd(seed, n=2000)
    rows = usual[:50].copy()
    rows[:, 2] = usual[:, 2].max() * 20
    model = IsolationForest(seed=seed).fit(usual)

    assert model.anomaly_score(rows).min() > np.quantile(model.anomaly_score(usual), 0.95)


def test_huge_training_values_leave_finite_cuts() -> None:
    X = crowd()
    X[:3, 0] = [1e300, -1e300, 1e308]
    model = IsolationForest().fit(X)

    assert np.isfinite(model.anomaly_score(np.concatenate([X, np.full((1, 6), -1e308)]))).all()
