"""Gradient boosting on histograms: scikit-learn grows the trees, plain arrays keep them.

What belongs here: the call of scikit-learn, the group that it stops by, and the way from its trees to ours.
What does not: walking a grown forest (``forest.py``) and LightGBM's boosting (``boosting.py``).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from eddyline.classifiers.boosting import FEW_ROWS, group_folds, softmax
from eddyline.classifiers.classifier import Classifier, Matrix, refuse_model
from eddyline.classifiers.forest import Forest, sound_forest
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


class HistogramBoosting(Classifier):
    """Judge rows by boosted trees grown on binned columns, one forest a class, one for two classes.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out, which are scikit-learn's. With ``groups`` given
    to ``fit``, such as days, rounds stop when a left-out part of the groups no longer gains; without, all
    rounds are grown, since neighbouring rows are near copies of each other and would never say stop.

    Parameters
    ----------
    rounds
        Most rounds of boosting, ``>= 1``.
    rate
        Step of each round, in (0, 1].
    leaves
        Most leaves a tree, ``>= 2``.
    min_leaf
        Fewest rows a leaf, ``>= 1``.
    ridge
        Penalty on the squares of leaf values, ``>= 0``.
    patience
        Rounds without a gain on the left-out groups after which growing ends, ``>= 1``.
    seed
        Start of the randomness.

    References
    ----------
    Friedman, "Greedy function approximation: a gradient boosting machine", Annals of Statistics 29, 2001,
    doi:10.1214/aos/1013203451; the histograms are LightGBM's (see ``boosting``), as scikit-learn builds them.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = HistogramBoosting(rounds=5).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _forest: ClassVar[tuple[str, ...]] = tuple(Forest.__dataclass_fields__)
    _arrays: ClassVar[tuple[str, ...]] = (*(f"{name}_" for name in _forest), "start_", "seen_")

    forest_: Forest
    start_: Floats
    seen_: Integers

    def __init__(
        self,
        *,
        rounds: int = 200,
        rate: float = 0.1,
        leaves: int = 31,
        min_leaf: int = 20,
        ridge: float = 0.0,
        patience: int = 20,
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.leaves = leaves
        self.min_leaf = min_leaf
        self.ridge = ridge
        self.patience = patience
        self.seed = seed

    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,  # noqa: ARG002 - the contract's
    ) -> None:
        from sklearn.ensemble import HistGradientBoostingClassifier

        self._check_arguments()
        kept = weight > 0
        X, codes, weight = X[kept], codes[kept], weight[kept]
        outside = self._outside(codes, None if groups is None else groups[kept])
        model = HistGradientBoostingClassifier(
            learning_rate=self.rate,
            max_iter=self.rounds,
            max_leaf_nodes=self.leaves,
            min_samples_leaf=max(1, min(self.min_leaf, len(X) // 20)),
            l2_regularization=self.ridge,
            early_stopping=bool(outside.any()),
            n_iter_no_change=self.patience,
            random_state=self.seed % 2**31,
        )
        held = {}
        if outside.any():
            held = {
                "X_val": X[outside],
                "y_val": codes[outside],
                "sample_weight_val": weight[outside],
            }
        model.fit(X[~outside], codes[~outside], sample_weight=weight[~outside], **held)
        self.seen_ = model.classes_.astype(np.int64)
        self.start_ = np.asarray(model._baseline_prediction, np.float64).ravel()
        grown = [tree.nodes for round_ in model._predictors for tree in round_]
        self._keep(_forest_of(grown, len(self.start_)))

    def _outside(self, codes: Integers, groups: Integers | None) -> Any:
        """Choose groups to stop by: the first part whose absence leaves enough of every class."""
        none = np.zeros(len(codes), np.bool_)
        if groups is None:
            return none
        n_classes = int(codes.max()) + 1
        members = np.unique(groups, return_inverse=True)[1].astype(np.int64)
        for outside in group_folds(members, seed=self.seed):
            left = np.bincount(codes[~outside], minlength=n_classes)
            if left[np.unique(codes)].min() >= FEW_ROWS and len(np.unique(codes[outside])) >= 2:
                return outside
        return none

    def _probabilities(self, X: Matrix) -> Floats:
        margins = self.forest_.sums(X, len(self.start_)) + self.start_
        if len(self.start_) == 1:
            margins = np.hstack([np.zeros_like(margins), margins])
        shares = np.zeros((len(X), len(self.classes_)))
        shares[:, self.seen_] = softmax(margins)
        return shares

    def _keep(self, forest: Forest) -> None:
        self.forest_ = forest
        for name, array in forest.arrays().items():
            setattr(self, f"{name}_", array)

    def _restore(self) -> None:
        seen, k = self.seen_, len(self.classes_)
        if seen.dtype.kind != "i" or not 2 <= seen.size <= k or not set(seen) <= set(range(k)):
            raise refuse_model(self, f"has seen_, two or more of {k} classes", seen)
        if self.start_.shape != (1 if len(seen) == 2 else len(seen),):
            raise refuse_model(self, "has start_, a margin for each forest", self.start_)
        held = {name: getattr(self, f"{name}_") for name in self._forest}
        self._keep(sound_forest(Forest(**held), len(self.start_), self.n_features_in_))

    def _check_arguments(self) -> None:
        rules = (
            ("rounds", self.rounds >= 1, ">= 1"),
            ("rate", 0 < self.rate <= 1, "in (0, 1]"),
            ("leaves", self.leaves >= 2, ">= 2"),
            ("min_leaf", self.min_leaf >= 1, ">= 1"),
            ("ridge", self.ridge >= 0, ">= 0"),
            ("patience", self.patience >= 1, ">= 1"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)}; take the default"
                raise UsageError(message)


def _forest_of(grown: list[Any], n_forests: int) -> Forest:
    """Make a forest whose inner nodes and leaves are numbered apart; trees of the forests take turns."""
    feature, threshold, left, right, leaf = [], [], [], [], []
    for nodes in grown:
        inner = nodes["is_leaf"] == 0
        place = np.where(inner, np.cumsum(inner) - 1, -np.cumsum(~inner))  # leaf l is -1 - l
        feature.append(nodes["feature_idx"][inner].astype(np.int32))
        threshold.append(nodes["num_threshold"][inner].astype(np.float64))
        left.append(place[nodes["left"][inner]].astype(np.int32))
        right.append(place[nodes["right"][inner]].astype(np.int32))
        leaf.append(nodes["value"][~inner].astype(np.float64))
    if not grown:  # nothing to gain in the first round: one empty tree a forest
        empty: Any = np.zeros(0)
        feature = left = right = [empty.astype(np.int32)] * n_forests
        threshold, leaf = [empty] * n_forests, [np.zeros(1)] * n_forests
    return Forest(
        np.concatenate(feature),
        np.concatenate(threshold),
        np.concatenate(left),
        np.concatenate(right),
        np.cumsum([0, *(len(part) for part in feature)], dtype=np.int32),
        np.cumsum([0, *(len(part) for part in leaf)], dtype=np.int32),
        np.concatenate(leaf),
    )
