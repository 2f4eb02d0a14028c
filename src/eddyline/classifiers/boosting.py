"""Gradient-boosted trees: LightGBM grows them, plain arrays keep them.

What belongs here: the weights of the classes, the number of rounds, and the call of LightGBM. What does not:
walking a grown forest (``forest.py``), and corrections of its probabilities (``prior.py``, ``weights.py``).
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddyline.classifiers.classifier import Classifier, Matrix
from eddyline.classifiers.forest import Forest, forest_of_text, sound_forest
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

FEW_ROWS = 20
"""Rows of the rarest class below which a fold is not set aside to find the number of rounds."""


class Boosting(Classifier):
    """Judge rows by boosted decision trees, one forest a class.

    Rows of shape ``(n, d)`` in, probabilities ``(n, k)`` out. Class k weighs ``n_k ** -balance`` a row, since
    attacks are rare; ``priors_`` says which shares the probabilities therefore assume. With ``groups`` given
    to ``fit``, such as days, the number of rounds is found by leaving groups out and the forest is then grown
    anew on all rows; rows alone would mislead here, since neighbouring rows are near copies of each other.

    Parameters
    ----------
    rounds
        Most rounds of boosting, ``>= 1``; all of them without ``groups``.
    rate
        Step of each round, in (0, 1].
    leaves
        Most leaves a tree, ``>= 2``.
    min_leaf
        Fewest rows a leaf, ``>= 1``; lowered to 1 % of the rows when they are few.
    row_share, column_share
        Share of the rows and of the columns that each tree sees, in (0, 1].
    ridge
        Penalty on the squares of leaf values, ``>= 0``.
    balance
        Exponent of the classes' weights: 0 keeps their shares, 1 makes them equal.
    patience
        Rounds without a better loss on the left-out groups after which a search ends, ``>= 1``.
    threads
        Threads of LightGBM, ``>= 1``; the forest does not depend on them.
    seed
        Start of the randomness.

    References
    ----------
    Ke, Meng, Finley, Wang, Chen, Ma, Ye, Liu, "LightGBM: a highly efficient gradient boosting decision tree",
    NeurIPS 2017. The weight ``n_k ** -0.5`` is our choice.

    Examples
    --------
    >>> X = np.repeat([[0.0], [5.0]], 50, axis=0)
    >>> model = Boosting(rounds=5).fit(X, ["calm"] * 50 + ["scan"] * 50)
    >>> str(model.predict([[6.0]])[0])
    'scan'
    """

    _forest_arrays: ClassVar[tuple[str, ...]] = tuple(
        f"{name}_" for name in Forest.__dataclass_fields__
    )
    _arrays: ClassVar[tuple[str, ...]] = (*_forest_arrays, "rounds_")

    rounds_: Integers
    forest_: Forest

    def __init__(  # noqa: PLR0913 - each is a setting of its own
        self,
        *,
        rounds: int = 80,
        rate: float = 0.1,
        leaves: int = 15,
        min_leaf: int = 100,
        row_share: float = 0.7,
        column_share: float = 0.5,
        ridge: float = 1.0,
        balance: float = 0.5,
        patience: int = 20,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.rounds = rounds
        self.rate = rate
        self.leaves = leaves
        self.min_leaf = min_leaf
        self.row_share = row_share
        self.column_share = column_share
        self.ridge = ridge
        self.balance = balance
        self.patience = patience
        self.threads = threads
        self.seed = seed

    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,  # noqa: ARG002 - the contract's
    ) -> None:
        self._check_arguments()
        mass = np.bincount(codes, weights=weight, minlength=len(self.classes_))
        share = np.where(mass > 0, np.maximum(mass, 1e-12) ** -self.balance, 0.0)
        balanced = weight * share[codes]
        balanced *= len(balanced) / balanced.sum()
        self.priors_ = mass * share / (mass * share).sum()
        rounds = (
            self.rounds if groups is None else self._rounds_by_groups(X, codes, balanced, groups)
        )
        booster, _ = self._grow(X, codes, balanced, rounds)
        self.rounds_ = np.array(rounds, np.int64)
        self._keep(forest_of_text(booster.model_to_string()))

    def _probabilities(self, X: Matrix) -> Floats:
        return softmax(self.forest_.sums(X, len(self.classes_)))

    def _restore(self) -> None:
        held = {name: getattr(self, f"{name}_") for name in Forest.__dataclass_fields__}
        self.forest_ = sound_forest(Forest(**held), len(self.classes_), self.n_features_in_)

    def _keep(self, forest: Forest) -> None:
        self.forest_ = forest
        for name, array in forest.arrays().items():
            setattr(self, f"{name}_", array)

    def _rounds_by_groups(
        self, X: Matrix, codes: Integers, weight: Floats, groups: Integers
    ) -> int:
        """Give the mean of the best numbers of rounds, each found on left-out groups."""
        found: list[int] = []
        for outside in group_folds(groups, seed=self.seed):
            inside = ~outside
            counts = np.bincount(codes[inside], minlength=len(self.classes_))
            if counts.min() < FEW_ROWS or len(np.unique(codes[outside])) < 2:
                continue
            _, best = self._grow(
                X[inside],
                codes[inside],
                weight[inside],
                self.rounds,
                (
                    X[outside],
                    codes[outside],
                    weight[outside],
                ),
            )
            found.append(best)
        return max(1, round(float(np.mean(found)))) if found else self.rounds

    def _grow(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        rounds: int,
        outside: tuple[Matrix, Integers, Floats] | None = None,
    ) -> tuple[Any, int]:
        """Grow a forest; give it and its best number of rounds on the rows outside."""
        import lightgbm

        options = {"verbosity": -1, "feature_pre_filter": False}
        inside = lightgbm.Dataset(X, codes, weight=weight, params=options, free_raw_data=True)
        calls: list[Any] = []
        judged: list[Any] = []
        if outside is not None:
            judged = [
                lightgbm.Dataset(outside[0], outside[1], weight=outside[2], reference=inside)
            ]
            calls = [lightgbm.early_stopping(self.patience, verbose=False)]
        booster = lightgbm.train(
            self._parameters(len(X)), inside, rounds, valid_sets=judged, callbacks=calls
        )
        return booster, booster.best_iteration or rounds

    def _parameters(self, n: int) -> dict[str, Any]:
        return {
            "objective": "multiclass",
            "num_class": len(self.classes_),
            "learning_rate": self.rate,
            "num_leaves": self.leaves,
            "min_data_in_leaf": max(1, min(self.min_leaf, n // 100)),
            "bagging_fraction": self.row_share,
            "bagging_freq": 0 if self.row_share == 1 else 1,
            "feature_fraction": self.column_share,
            "lambda_l2": self.ridge,
            "boost_from_average": True,
            "deterministic": True,
            "force_row_wise": True,
            "num_threads": self.threads,
            "seed": self.seed % 2**31,
            "feature_pre_filter": False,
            "verbosity": -1,
        }

    def _check_arguments(self) -> None:
        rules = (
            ("rounds", self.rounds >= 1, ">= 1"),
            ("rate", 0 < self.rate <= 1, "in (0, 1]"),
            ("leaves", self.leaves >= 2, ">= 2"),
            ("min_leaf", self.min_leaf >= 1, ">= 1"),
            ("row_share", 0 < self.row_share <= 1, "in (0, 1]"),
            ("column_share", 0 < self.column_share <= 1, "in (0, 1]"),
            ("ridge", self.ridge >= 0, ">= 0"),
            ("patience", self.patience >= 1, ">= 1"),
            ("threads", self.threads >= 1, ">= 1"),
        )
        for name, kept, rule in rules:
            if not kept:
                message = f"{name} must be {rule}, got {getattr(self, name)}; take the default"
                raise UsageError(message)


def group_folds(groups: Integers, *, most: int = 4, seed: int = 0) -> list[NDArray[np.bool_]]:
    """Give masks of rows to leave out, whole groups each: every group once when they are few.

    Parameters
    ----------
    groups
        Group of each row, 0, 1, ….
    most
        Most folds; more groups than this are dealt into as many folds by chance.
    seed
        Start of the dealing.
    """
    n_groups = int(groups.max()) + 1
    if n_groups < 2:
        return []
    places = np.arange(n_groups)
    dealt = np.random.default_rng(seed).permutation(n_groups) % most
    fold_of = places if n_groups <= most else dealt
    member = fold_of[groups]
    return [member == fold for fold in range(min(n_groups, most))]


def softmax(margins: Floats) -> Floats:
    """Give probabilities in the ratio of ``exp(margins)``, row by row.

    Parameters
    ----------
    margins
        Shape ``(n, k)``, finite.
    """
    raised = np.exp(margins - margins.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares
