"""Rare attacks among much normal traffic: weights, resampling, synthetic anomalies, thresholds by cost.

What belongs here: what may be done to the training rows of a fold, and what puts its probabilities right
again. What does not: the steps before (``preparation.py``) and the methods.

Resampling belongs inside a fold: rows made before the rows are parted put near copies of the judging rows
into the training. ``resampled_pipeline`` gives an estimator that resamples in ``fit`` alone.
"""

from __future__ import annotations

from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from eddyline.errors import DataError, MissingExtraError, UsageError
from eddyline.evaluate.preparation import Preparation
from eddyline.tables import Floats, Integers

RESAMPLINGS: Final = ("none", "under", "over", "smote", "synthetic")
"""What may be done to the training rows."""


def balanced_weights(y: ArrayLike, *, power: float = 1.0) -> Floats:
    """Give weights by which rare classes count more; their mean is 1.

    Parameters
    ----------
    y
        Class of each row, shape ``(n,)``.
    power
        0 for no weights, 1 for classes of equal sum; in [0, 1].

    Raises
    ------
    UsageError
        When the power is out of its range.

    Examples
    --------
    >>> balanced_weights([0, 0, 0, 1]).round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if not 0 <= power <= 1:
        message = f"power must be in [0, 1], got {power}; 1 balances the classes"
        raise UsageError(message)
    _, places, counts = np.unique(np.asarray(y), return_inverse=True, return_counts=True)
    raw = (1.0 / counts[places]) ** power
    weights: Floats = raw / raw.mean()
    return weights


class SyntheticAnomalies(BaseEstimator):  # type: ignore[misc]
    """Add anomalies to the training rows: normal rows some of whose values come from elsewhere.

    Each new row is a normal one in which a share of the columns is drawn, column by column, from the whole
    range between the fences of the training rows, stretched. It is labelled with the given class. A
    resampler of imbalanced-learn: it acts in ``fit`` only.

    Parameters
    ----------
    normal
        Label of the normal class.
    label
        Label of the new rows; None for ``"synthetic"``, or 1 where labels are numbers.
    share
        New rows for each normal one, > 0.
    columns
        Share of the columns that are replaced, in (0, 1].
    stretch
        Times the range of a column that values are drawn from, >= 1.
    seed
        Start of the randomness.
    """

    _estimator_type = "sampler"

    def __init__(
        self,
        *,
        normal: Any = "Normal",
        label: Any = None,
        share: float = 0.1,
        columns: float = 0.3,
        stretch: float = 1.5,
        seed: int = 0,
    ) -> None:
        self.normal = normal
        self.label = label
        self.share = share
        self.columns = columns
        self.stretch = stretch
        self.seed = seed

    def fit(self, X: ArrayLike, y: ArrayLike) -> Self:  # noqa: ARG002
        """Do nothing; it stands here for the contract.

        Parameters
        ----------
        X, y
            Not used.
        """
        return self

    def fit_resample(self, X: ArrayLike, y: ArrayLike) -> tuple[Floats, NDArray[Any]]:
        """Give the rows with new ones behind them.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``.
        y
            Class of each.

        Raises
        ------
        UsageError
            When an argument has no meaning.
        DataError
            When no row is normal.
        """
        if self.share <= 0 or not 0 < self.columns <= 1 or self.stretch < 1:
            message = (
                f"synthetic anomalies need share > 0, columns in (0, 1] and stretch >= 1, got "
                f"{self.share}, {self.columns} and {self.stretch}"
            )
            raise UsageError(message)
        rows, labels = np.asarray(X, dtype=np.float64), np.asarray(y)
        usual = np.flatnonzero(labels == self.normal)
        if not len(usual):
            message = (
                f"rows must hold the normal class {self.normal!r} to make anomalies of, hold none"
            )
            raise DataError(message)
        rng = np.random.default_rng(self.seed)
        n_new = max(1, round(self.share * len(usual)))
        made = rows[rng.choice(usual, n_new)]
        low, high = rows[usual].min(axis=0), rows[usual].max(axis=0)
        middle, half = (low + high) / 2, (high - low) / 2 * self.stretch
        drawn = middle + half * rng.uniform(-1.0, 1.0, made.shape)
        replaced = rng.random(made.shape) < self.columns
        replaced[np.arange(n_new), rng.integers(0, made.shape[1], n_new)] = True
        made = np.where(replaced, drawn, made)
        name = self.label
        if name is None:
            name = 1 if labels.dtype.kind in "iufb" else "synthetic"
        told = np.concatenate([labels, np.full(n_new, name)])
        return np.concatenate([rows, made]), told


def resampler(kind: str, *, normal: Any = "Normal", seed: int = 0) -> Any:
    """Give a resampler, or None for none.

    Parameters
    ----------
    kind
        One of ``RESAMPLINGS``: random under-sampling of the common classes, random over-sampling of the rare
        ones, SMOTE (Chawla, Bowyer, Hall, Kegelmeyer, "SMOTE: synthetic minority over-sampling technique",
        JAIR 2002), or synthetic anomalies.
    normal
        Label of the normal class, for synthetic anomalies.
    seed
        Start of the randomness.

    Raises
    ------
    UsageError
        When the kind is unknown.
    MissingExtraError
        When imbalanced-learn is needed and not installed.
    """
    if kind not in RESAMPLINGS:
        message = f"a resampling must be one of {', '.join(RESAMPLINGS)}, got {kind!r}"
        raise UsageError(message)
    if kind == "none":
        return None
    if kind == "synthetic":
        return SyntheticAnomalies(normal=normal, seed=seed)
    try:
        from imblearn import over_sampling, under_sampling
    except ModuleNotFoundError as error:
        message = (
            f"resampling by {kind!r} needs imbalanced-learn, which is not installed; "
            "pip install 'eddyline[lab]'"
        )
        raise MissingExtraError(message) from error
    if kind == "under":
        return under_sampling.RandomUnderSampler(random_state=seed)
    if kind == "over":
        return over_sampling.RandomOverSampler(random_state=seed)
    return over_sampling.SMOTE(random_state=seed, k_neighbors=3)


def resampled_pipeline(
    preparation: Preparation, kind: str, method: Any, *, normal: Any = "Normal", seed: int = 0
) -> Any:
    """Give preparation, resampling and a classifier as one estimator that resamples in ``fit`` alone.

    Parameters
    ----------
    preparation
        What comes before.
    kind
        One of ``RESAMPLINGS``.
    method
        Classifier, unfitted.
    normal
        Label of the normal class.
    seed
        Start of the randomness.

    Raises
    ------
    MissingExtraError
        When imbalanced-learn is not installed.
    """
    made = resampler(kind, normal=normal, seed=seed)
    if made is None:
        return preparation.pipeline(method)
    try:
        from imblearn.pipeline import Pipeline
    except ModuleNotFoundError as error:
        message = (
            "resampling inside folds needs imbalanced-learn, which is not installed; "
            "pip install 'eddyline[lab]'"
        )
        raise MissingExtraError(message) from error
    return Pipeline([*preparation.steps(), ("resampling", made), ("method", method)])


def restored_priors(probabilities: ArrayLike, trained: ArrayLike, original: ArrayLike) -> Floats:
    """Give probabilities under the original class shares instead of those that were trained on.

    Parameters
    ----------
    probabilities
        Of each class, shape ``(n, k)``.
    trained
        Class shares of the resampled training rows, shape ``(k,)``, > 0.
    original
        Class shares before resampling, shape ``(k,)``.

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI 2001; Saerens, Latinne, Decaestecker,
    "Adjusting the outputs of a classifier to new a priori probabilities", Neural Computation 2002.

    Examples
    --------
    >>> restored_priors([[0.5, 0.5]], [0.5, 0.5], [0.99, 0.01]).round(3).tolist()
    [[0.99, 0.01]]
    """
    ratio = np.asarray(original, np.float64) / np.asarray(trained, np.float64)
    weighed = np.asarray(probabilities, np.float64) * ratio
    total = weighed.sum(axis=1, keepdims=True)
    shares: Floats = weighed / np.where(total > 0, total, 1.0)
    return shares


def cheapest_classes(probabilities: ArrayLike, cost: ArrayLike) -> Integers:
    """Give the class of least expected cost for each row.

    Parameters
    ----------
    probabilities
        Of each class, shape ``(n, k)``.
    cost
        Rows = true, columns = decided, shape ``(k, k)``, >= 0.

    Raises
    ------
    UsageError
        When the costs do not fit the classes or are negative.

    Examples
    --------
    >>> cheapest_classes([[0.8, 0.2]], [[0, 1], [10, 0]]).tolist()
    [1]
    """
    shares, costs = np.asarray(probabilities, np.float64), np.asarray(cost, np.float64)
    if costs.shape != (shares.shape[1],) * 2 or not (costs >= 0).all():
        message = (
            f"costs must be >= 0 for each of {shares.shape[1]} classes by each, got shape "
            f"{costs.shape}; rows are true classes, columns decided ones"
        )
        raise UsageError(message)
    decided: Integers = (shares @ costs).argmin(axis=1).astype(np.int64)
    return decided


def cost_threshold(attack: ArrayLike, score: ArrayLike, *, miss: float, alarm: float) -> float:
    """Give the score from which an alarm is cheapest on calibration rows.

    Parameters
    ----------
    attack
        True where a calibration row is an attack, shape ``(n,)``.
    score
        Higher is stranger, shape ``(n,)``.
    miss, alarm
        Cost of an attack that is missed and of a false alarm, > 0.

    Returns
    -------
    float
        Alarm at this score or above; infinity where no alarm is cheapest.

    Raises
    ------
    UsageError
        When a cost is not positive.
    """
    if miss <= 0 or alarm <= 0:
        message = f"costs must be > 0, got miss {miss} and alarm {alarm}; their ratio matters"
        raise UsageError(message)
    truth, values = np.asarray(attack, bool), np.asarray(score, np.float64)
    order = np.argsort(-values, kind="stable")
    ranked = values[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    caught = np.cumsum(truth[order])[ends]
    wrong = np.cumsum(~truth[order])[ends]
    costs = np.concatenate([[miss * truth.sum()], miss * (truth.sum() - caught) + alarm * wrong])
    best = int(costs.argmin())
    return float("inf") if best == 0 else float(ranked[ends[best - 1]])
