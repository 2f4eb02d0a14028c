"""Each published method gives the published values; where we differ, how is said here."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from sklearn import cluster, covariance, ensemble, mixture, neighbors, svm

from eddyline.detectors.classical.density_clusters import DBSCANDistance, HDBSCANDistance
from eddyline.detectors.classical.ecdf import COPOD, ECOD
from eddyline.detectors.classical.forests import ExtendedIsolationForest, PlainIsolationForest
from eddyline.detectors.classical.gaussians import RIDGE, GaussianMixtureDensity, RobustCovariance
from eddyline.detectors.classical.hbos import HBOS
from eddyline.detectors.classical.kmeans import KMeansDistance
from eddyline.detectors.classical.knn import PlainNeighbours
from eddyline.detectors.classical.lof import LocalOutlierFactor
from eddyline.detectors.classical.one_class_svm import OneClassSVM, RandomFeatureSVM
from eddyline.detectors.detector import MatrixDetector
from eddyline.errors import ModelError, UsageError
from eddyline.tables import Floats


def _rows(n: int = 300, d: int = 4, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, d))


TRAIN, NEW = _rows(), _rows(100, seed=1)


def test_the_plain_forest_scores_as_scikit_learn():
    """Same trees, same scores, to the last bits."""
    reference = ensemble.IsolationForest(n_estimators=50, max_samples=128, random_state=3)

    ours = PlainIsolationForest(n_trees=50, sample_rows=128, seed=3).fit(TRAIN).anomaly_score(NEW)

    assert ours == pytest.approx(-reference.fit(TRAIN).score_samples(NEW), rel=1e-12)


def test_the_factor_is_scikit_learns():
    """On distinct rows the novelty scores agree, for few and many neighbours."""
    for k in (1, 5, 40):
        reference = neighbors.LocalOutlierFactor(k, novelty=True).fit(TRAIN)
        ours = LocalOutlierFactor(n_neighbours=k, scaling="none").fit(TRAIN)

        assert ours.anomaly_score(NEW) == pytest.approx(-reference.score_samples(NEW), rel=1e-9)


def test_neighbours_are_those_of_scikit_learn():
    """The k-th and the mean distance agree, copies and all."""
    train = np.concatenate([TRAIN, TRAIN[:50]])
    distances = neighbors.NearestNeighbors(n_neighbors=7).fit(train).kneighbors(NEW)[0]
    largest = PlainNeighbours(n_neighbours=7, scaling="none").fit(train)
    mean = PlainNeighbours(n_neighbours=7, method="mean", scaling="none").fit(train)

    assert largest.anomaly_score(NEW) == pytest.approx(distances[:, -1], rel=1e-9)
    assert mean.anomaly_score(NEW) == pytest.approx(distances.mean(axis=1), rel=1e-9)


def test_the_machine_is_scikit_learns():
    """The exact one-class machine has the same margins."""
    reference = svm.OneClassSVM(nu=0.1, gamma=0.2).fit(TRAIN)
    ours = OneClassSVM(nu=0.1, gamma=0.2, scaling="none").fit(TRAIN)

    expected = pytest.approx(-reference.decision_function(NEW), rel=1e-7, abs=1e-9)
    assert ours.anomaly_score(NEW) == expected


def test_random_features_come_near_the_kernel():
    """With many cosines the machine orders rows much as the exact one does."""
    exact = OneClassSVM(nu=0.1, gamma=0.2, scaling="none").fit(TRAIN).anomaly_score(NEW)
    near = RandomFeatureSVM(n_features=2_000, nu=0.1, gamma=0.2, scaling="none").fit(TRAIN)

    assert np.corrcoef(exact, near.anomaly_score(NEW))[0, 1] > 0.9


def test_the_mixture_is_scikit_learns():
    """The same components give the same densities."""
    reference = mixture.GaussianMixture(3, reg_covar=1e-3, init_params="k-means++", random_state=0)
    ours = GaussianMixtureDensity(n_components=3, scaling="none").fit(TRAIN)

    reference.fit(TRAIN)
    assert ours.anomaly_score(NEW) == pytest.approx(-reference.score_samples(NEW), rel=1e-7)


def test_the_robust_covariance_is_scikit_learns_but_for_the_ridge():
    """Where the rows suffice, distances are those of the minimum determinant; else the fit is shrunk."""
    reference = covariance.MinCovDet(support_fraction=0.75, random_state=0).fit(TRAIN)
    ours = RobustCovariance(scaling="none").fit(TRAIN)

    away = NEW - reference.location_
    inverse = np.linalg.inv(reference.covariance_ + RIDGE * np.eye(4))
    expected = np.einsum("ij,jk,ik->i", away, inverse, away)

    assert ours.anomaly_score(NEW) == pytest.approx(expected, rel=1e-9)
    assert ours.shrunk_[0] == 0.0
    assert RobustCovariance(scaling="none").fit(_rows(12)).shrunk_[0] == 1.0
    assert RobustCovariance().fit(np.c_[TRAIN, np.ones(len(TRAIN))]).shrunk_[0] == 1.0


def test_outliers_do_not_shape_the_robust_covariance():
    """A tenth of far rows leaves the distance of a usual row as it was, and stays far itself."""
    far = np.full((30, 4), 50.0) + _rows(30, seed=2)
    dirty = RobustCovariance(scaling="none").fit(np.concatenate([TRAIN, far]))

    assert np.median(dirty.anomaly_score(far)) > 20 * np.quantile(dirty.anomaly_score(NEW), 0.99)


def test_noise_is_noise_by_the_published_rule():
    """A training row scores above 1 exactly when scikit-learn calls it noise at that epsilon."""
    ours = DBSCANDistance(min_points=8, epsilon_quantile=0.8, scaling="none").fit(TRAIN)
    labels = cluster.DBSCAN(eps=ours.reach_[0], min_samples=8).fit_predict(TRAIN)

    noise = ours.anomaly_score(TRAIN) > 1 + 1e-12

    assert (noise == (labels == -1)).all()
    assert 0 < noise.sum() < len(noise)


def test_a_row_between_two_clusters_is_far_from_both():
    """Clusters of other densities: what lies between scores above every member."""
    rng = np.random.default_rng(0)
    tight, loose = rng.normal(0, 0.1, (150, 2)), rng.normal(8, 1.0, (150, 2))
    for model in (
        HDBSCANDistance(scaling="none"),
        DBSCANDistance(scaling="none"),
        KMeansDistance(n_clusters=2, scaling="none"),
    ):
        fitted = model.fit(np.concatenate([tight, loose]))
        between = fitted.anomaly_score([[3.0, 3.0]])[0]

        assert between > np.quantile(fitted.anomaly_score(tight), 0.99), type(model)
        assert between > np.quantile(fitted.anomaly_score(loose), 0.9), type(model)


def test_a_cluster_is_measured_by_its_own_spread():
    """One unit is far from a tight cluster and near for a loose one; a usual row scores about 1."""
    rng = np.random.default_rng(0)
    tight, loose = rng.normal(0, 0.1, (300, 2)), rng.normal(30, 3.0, (300, 2))
    model = KMeansDistance(n_clusters=2, scaling="none").fit(np.concatenate([tight, loose]))

    assert model.anomaly_score([[1.0, 0.0]])[0] > 3 * model.anomaly_score([[33.0, 30.0]])[0]
    assert np.median(model.anomaly_score(loose)) == pytest.approx(1.0, abs=0.1)


def _tails(train: Floats, row: Floats) -> tuple[Floats, Floats]:
    """-log of both empirical tails, an empty one half a row beyond the rarest."""
    n = len(train)
    left, right = (train <= row).sum(axis=0), (train >= row).sum(axis=0)
    return tuple(-np.log(np.where(k, k / n, 1 / (n + 1))) for k in (left, right))  # type: ignore[return-value]


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 3))
def test_tail_sums_follow_their_papers(seed, decimals):
    """ECOD and COPOD equal the formulas of their papers over the training rows, inside and beyond them."""
    rng = np.random.default_rng(seed)
    train = np.round(rng.lognormal(0, 1, (40, 3)) * [1, -1, 1], decimals)
    train[:, 2] = np.round(rng.normal(size=40), decimals)
    new = np.round(rng.normal(0, 3, (10, 3)), decimals)
    skew = ECOD().fit(train).skew_
    for row in (*train[:5], *new):
        left, right = _tails(train, row)
        aside = np.where(skew < 0, left, np.where(skew > 0, right, left + right))
        ecod = np.maximum(np.maximum(left, right), aside).sum()
        copod = np.maximum((left + right) / 2, aside).sum()

        assert ECOD().fit(train).anomaly_score(row[None])[0] == pytest.approx(ecod)
        assert COPOD().fit(train).anomaly_score(row[None])[0] == pytest.approx(copod)


def test_bins_are_scored_by_their_height():
    """A column of 1, 1, 1 and 9 has two filled bins; beyond the range far is stranger than near."""
    model = HBOS(n_bins=4, alpha=0.1, logarithm=False).fit([[1.0], [1.0], [1.0], [9.0]])
    common, rare, hole, near, far = model.anomaly_score([[1.0], [9.0], [5.0], [10.0], [100.0]])

    assert common == pytest.approx(-np.log2(1.1))
    assert rare == pytest.approx(-np.log2(1 / 3 + 0.1))
    assert hole == pytest.approx(-np.log2(0.1))
    assert hole < near < far


def test_slanted_cuts_leave_no_bands():
    """Between two clusters on a diagonal the corners are as strange as the middle of nowhere."""
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(0, 1, (300, 2)), rng.normal(10, 1, (300, 2))])
    corners = [[0.0, 10.0], [10.0, 0.0]]
    plain = PlainIsolationForest(n_trees=200).fit(X)
    extended = ExtendedIsolationForest(n_trees=200, scaling="none").fit(X)

    gap = [m.anomaly_score(corners).mean() - m.anomaly_score(X).mean() for m in (plain, extended)]

    assert gap[1] > gap[0]


@pytest.mark.parametrize(
    "model",
    [
        KMeansDistance(n_clusters=0),
        DBSCANDistance(min_points=1),
        HDBSCANDistance(min_cluster=1),
        PlainIsolationForest(n_trees=0),
        ExtendedIsolationForest(sample_rows=1),
        LocalOutlierFactor(n_neighbours=0),
        PlainNeighbours(method="median"),
        OneClassSVM(nu=0.0),
        RandomFeatureSVM(gamma=-1.0),
        HBOS(n_bins=1),
        GaussianMixtureDensity(n_components=0),
        RobustCovariance(support=0.2),
        KMeansDistance(scaling="minmax"),
    ],
    ids=lambda model: type(model).__name__,
)
def test_arguments_out_of_range_are_named(model: MatrixDetector):
    """The error says which argument, what it must be, what it was and what is usual."""
    with pytest.raises(UsageError, match=r"must be .* got .*(default|usual)"):
        model.fit(TRAIN)


@pytest.mark.parametrize(
    ("model", "name", "value"),
    [
        (KMeansDistance(), "centroids_", np.zeros((3, 2))),
        (DBSCANDistance(), "reach_", np.zeros(1)),
        (LocalOutlierFactor(), "density_", np.zeros(300)),
        (OneClassSVM(), "gamma_", -np.ones(1)),
        (RobustCovariance(), "whitening_", np.full((4, 4), np.nan)),
        (GaussianMixtureDensity(), "weights_", -np.ones(8)),
        (ECOD(), "starts_", np.zeros(5, np.int64)),
        (HBOS(), "bits_", np.zeros((4, 3))),
        (PlainIsolationForest(), "left_", np.zeros(1, np.uint32)),
        (ExtendedIsolationForest(), "offsets_", np.zeros((1, 1))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, MatrixDetector) else "",
)
def test_a_model_that_cannot_have_been_fitted_is_refused(
    model: MatrixDetector, name: str, value: Any
):
    """A stranger's arrays are checked before a kernel walks them."""
    arrays = model.fit(TRAIN).to_arrays()

    with pytest.raises(ModelError):
        type(model).from_arrays(arrays | {name: value}, model.get_params())


def test_a_tree_that_leads_in_circles_is_refused():
    """A child before its parent would never end."""
    model = PlainIsolationForest(n_trees=3).fit(TRAIN)
    arrays = model.to_arrays()
    left = arrays["left_"].copy()
    left[np.flatnonzero(left > np.arange(len(left)))[-1]] = 0

    with pytest.raises(ModelError, match="lead downward"):
        PlainIsolationForest.from_arrays(arrays | {"left_": left}, model.get_params())
