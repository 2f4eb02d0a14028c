"""Many trees that vote: a random forest, bagged trees, and AdaBoost for comparison.

What belongs here: how each of the three grows its trees with scikit-learn. What does not: walking grown trees
(``ballots.py``), and trees that correct one another by gradients (``boosting.py``, ``histogram.py``).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from eddyline.classifiers.ballots import Ballots, ballots_of, single, sound_ballots
from eddyline.classifiers.boosting import softmax
from eddyline.classifiers.classifier import Classifier, Matrix, refuse_model
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers


class VotingTrees(Classifier):
    """What the three share: the trees as arrays, their walk, and rows without weight left out.

    Parameters
    ----------
    seed
        Start of the randomness.
    """

    _tables: ClassVar[tuple[str, ...]] = tuple(f"{name}_" for name in Ballots.__dataclass_fields__)
    _arrays: ClassVar[tuple[str, ...]] = _tables

    ballots_: Ballots
    seed: int

    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,  # noqa: ARG002 - the contract's
    ) -> None:
        self._check_arguments()
        kept = weight > 0
        members = None if groups is None else groups[kept]
        self._keep(self._grow(single(X[kept]), codes[kept], weight[kept], members))

    def _keep(self, ballots: Ballots) -> None:
        self.ballots_ = ballots
        for name, array in ballots.arrays().items():
            setattr(self, f"{name}_", array)

    def _restore(self) -> None:
        held = {name: getattr(self, f"{name}_") for name in Ballots.__dataclass_fields__}
        self._keep(sound_ballots(Ballots(**held), len(self.classes_), self.n_features_in_))

    def _probabilities(self, X: Matrix) -> Floats:
        votes = self.ballots_.sums(X)
        shares: Floats = votes / votes.sum(axis=1, keepdims=True)
        return shares

    def _spread(self, values: Floats, present: Integers) -> Floats:
        """Give votes for all classes from those of the classes that a tree saw."""
        votes = np.zeros((len(values), len(self.classes_)))
        votes[:, present] = values
        return votes

    @abstractmethod
    def _grow(self, X: Any, codes: Integers, weight: Floats, groups: Integers | None) -> Ballots:
        """Grow the trees on rows with weight."""

    @abstractmethod
    def _check_arguments(self) -> None:
        """Refuse arguments out of range by name."""


class RandomForest(VotingTrees):
    """Judge rows by the mean of trees grown on resampled rows and drawn columns.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out. scikit-learn grows the trees, our kernel walks
    them; the probabilities are scikit-learn's. A tree's rows are drawn so that each class is drawn as
    often as the others, hence ``priors_`` are equal shares unless rows have weights of their own.

    Parameters
    ----------
    n_trees
        Trees, ``>= 1``.
    min_leaf
        Fewest rows a leaf, ``>= 1``.
    column_share
        Columns tried at a cut: ``"sqrt"``, ``"log2"`` or a share in (0, 1].
    seed
        Start of the randomness.

    References
    ----------
    Breiman, "Random forests", Machine Learning 45, 2001, doi:10.1023/A:1010933404324.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = RandomForest(n_trees=10).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    def __init__(
        self,
        *,
        n_trees: int = 300,
        min_leaf: int = 1,
        column_share: str | float = "sqrt",
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.min_leaf = min_leaf
        self.column_share = column_share
        self.seed = seed

    def _grow(
        self,
        X: Any,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,  # noqa: ARG002 - scikit-learn resamples rows
    ) -> Ballots:
        from sklearn.ensemble import RandomForestClassifier

        counts = np.bincount(codes, minlength=len(self.classes_))
        mass = np.bincount(codes, weights=weight, minlength=len(self.classes_))
        mean = np.divide(mass, counts, out=np.zeros_like(mass), where=counts > 0)
        self.priors_ = mean / mean.sum()
        model = RandomForestClassifier(
            n_estimators=self.n_trees,
            min_samples_leaf=self.min_leaf,
            max_features=self.column_share,
            random_state=self.seed % 2**31,
            n_jobs=1,
        ).fit(X, codes, sample_weight=weight / counts[codes])
        present = model.classes_
        trees = [grown.tree_ for grown in model.estimators_]
        every = np.arange(X.shape[1])
        votes = [self._spread(tree.value[:, 0, :], present) for tree in trees]
        return ballots_of(trees, [every] * len(trees), votes)

    def _check_arguments(self) -> None:
        _rule("n_trees", self.n_trees, self.n_trees >= 1, ">= 1")
        _rule("min_leaf", self.min_leaf, self.min_leaf >= 1, ">= 1")
        share = self.column_share
        sound = share in ("sqrt", "log2") if isinstance(share, str) else 0 < share <= 1
        _rule("column_share", share, sound, "'sqrt', 'log2' or in (0, 1]")


class Bagging(VotingTrees):
    """Judge rows by the mean of full trees, each grown on half of the groups and most of the columns.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out. With ``groups`` given to ``fit`` the samples
    are drawn by group, since half of the rows of a session tell nearly what all of them tell.

    Parameters
    ----------
    n_trees
        Trees, ``>= 1``.
    row_share
        Share of the groups, or of the rows where none are given, that a tree sees, in (0, 1].
    column_share
        Share of the columns that a tree sees, in (0, 1].
    min_leaf
        Fewest rows a leaf, ``>= 1``.
    seed
        Start of the randomness.

    References
    ----------
    Breiman, "Bagging predictors", Machine Learning 24, 1996, doi:10.1007/BF00058655; with shares of rows and
    columns, Louppe, Geurts, "Ensembles on random patches", ECML PKDD 2012.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = Bagging(n_trees=10).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    def __init__(
        self,
        *,
        n_trees: int = 50,
        row_share: float = 0.5,
        column_share: float = 0.7,
        min_leaf: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.row_share = row_share
        self.column_share = column_share
        self.min_leaf = min_leaf
        self.seed = seed

    def _grow(self, X: Any, codes: Integers, weight: Floats, groups: Integers | None) -> Ballots:
        from sklearn.tree import DecisionTreeClassifier

        rng = np.random.default_rng(self.seed)
        members = (
            np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1]
        )
        n_groups = int(members.max()) + 1
        width = max(1, round(self.column_share * X.shape[1]))
        trees, columns, votes = [], [], []
        for _ in range(self.n_trees):
            chosen = np.zeros(n_groups, np.bool_)
            size = max(1, round(self.row_share * n_groups))
            chosen[rng.choice(n_groups, size, replace=False)] = True
            rows = np.flatnonzero(chosen[members])
            own = np.sort(rng.choice(X.shape[1], width, replace=False))
            grown = DecisionTreeClassifier(
                min_samples_leaf=self.min_leaf, random_state=int(rng.integers(2**31))
            ).fit(X[np.ix_(rows, own)], codes[rows], sample_weight=weight[rows])
            trees.append(grown.tree_)
            columns.append(own)
            votes.append(self._spread(grown.tree_.value[:, 0, :], grown.classes_))
        return ballots_of(trees, columns, votes)

    def _check_arguments(self) -> None:
        _rule("n_trees", self.n_trees, self.n_trees >= 1, ">= 1")
        _rule("row_share", self.row_share, 0 < self.row_share <= 1, "in (0, 1]")
        _rule("column_share", self.column_share, 0 < self.column_share <= 1, "in (0, 1]")
        _rule("min_leaf", self.min_leaf, self.min_leaf >= 1, ">= 1")


class AdaBoost(VotingTrees):
    """Judge rows by small trees that each look harder at the rows which those before them got wrong.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out, which are scikit-learn's. Here for comparison:
    gradient boosting is better on nearly every table.

    Parameters
    ----------
    rounds
        Most trees, ``>= 1``.
    depth
        Depth of each, ``>= 1``; deep enough to tell several classes apart.
    rate
        Step of each, ``> 0``.
    seed
        Start of the randomness.

    References
    ----------
    Freund, Schapire, "A decision-theoretic generalization of on-line learning", JCSS 55, 1997; for several
    classes, Zhu, Zou, Rosset, Hastie, "Multi-class AdaBoost", Statistics and Its Interface 2, 2009.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = AdaBoost(rounds=5).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _arrays: ClassVar[tuple[str, ...]] = (*VotingTrees._tables, "seen_")

    seen_: Integers

    def __init__(
        self, *, rounds: int = 50, depth: int = 3, rate: float = 0.5, seed: int = 0
    ) -> None:
        self.rounds = rounds
        self.depth = depth
        self.rate = rate
        self.seed = seed

    def _grow(
        self,
        X: Any,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,  # noqa: ARG002 - no row is set aside
    ) -> Ballots:
        from sklearn.ensemble import AdaBoostClassifier
        from sklearn.tree import DecisionTreeClassifier

        model = AdaBoostClassifier(
            DecisionTreeClassifier(max_depth=self.depth),
            n_estimators=self.rounds,
            learning_rate=self.rate,
            random_state=self.seed % 2**31,
        ).fit(X, codes, sample_weight=weight)
        present, k = model.classes_, len(model.classes_)
        each = model.estimator_weights_[: len(model.estimators_)]
        trees = [grown.tree_ for grown in model.estimators_]
        votes = []
        for tree, value in zip(trees, each / each.sum(), strict=True):
            told = np.full((tree.node_count, k), -value / (k - 1))
            told[np.arange(tree.node_count), tree.value[:, 0, :].argmax(axis=1)] = value
            votes.append(self._spread(told, present))
        self.seen_ = present.astype(np.int64)
        return ballots_of(trees, [np.arange(X.shape[1])] * len(trees), votes)

    def _probabilities(self, X: Matrix) -> Floats:
        k = len(self.seen_)
        shares = np.zeros((len(X), len(self.classes_)))
        shares[:, self.seen_] = softmax(self.ballots_.sums(X)[:, self.seen_] / (k - 1))
        return shares

    def _restore(self) -> None:
        super()._restore()
        seen, k = self.seen_, len(self.classes_)
        known = seen.dtype.kind == "i" and 2 <= seen.size <= k and set(seen) <= set(range(k))
        if not known:
            raise refuse_model(self, f"has seen_, two or more of {k} classes", seen)

    def _check_arguments(self) -> None:
        _rule("rounds", self.rounds, self.rounds >= 1, ">= 1")
        _rule("depth", self.depth, self.depth >= 1, ">= 1")
        _rule("rate", self.rate, self.rate > 0, "> 0")


def _rule(name: str, value: object, kept: object, rule: str) -> None:
    if not kept:
        message = f"{name} must be {rule}, got {value}; take the default"
        raise UsageError(message)
