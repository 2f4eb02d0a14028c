"""Rows made ready for a method, each step fitted on training rows alone: gaps, outliers, scale, choice.

What belongs here: steps as scikit-learn transformers, and the pipeline of them. What does not: resampling
(``imbalance.py``), and what a classifier of ours does to its own rows.

A step that is fitted before the rows are parted has seen the rows that judge. Put steps and method in one
pipeline, and give that to ``cross_validate``: each fold then fits all of it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from eddyline.errors import UsageError
from eddyline.tables import Floats

SCALES: Final = ("none", "standard", "robust", "quantile", "log1p")
"""How columns are brought to one scale."""

MISSING: Final = ("median", "most_frequent", "zero")
"""What stands in for a missing value; an indicator column always says that it was missing."""

SELECTIONS: Final = ("none", "variance", "correlation", "mutual_information", "model")
"""How columns are chosen."""

MODEL_TREES: Final = 100
"""Trees of the forest by which columns are chosen."""


class OutlierCap(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Cut values at fences learned from training rows, and count what was cut.

    Test rows are never dropped, only cut like all others; ``report`` says how many training values lay
    beyond. With ``action="keep"`` they are counted and left as they are.

    Parameters
    ----------
    reach
        Interquartile ranges beyond the quartiles where the fences stand, > 0.
    action
        ``cap`` or ``keep``.

    Examples
    --------
    >>> cap = OutlierCap().fit([[0.0], [1.0], [2.0], [3.0], [100.0]])
    >>> float(cap.transform([[100.0]])[0, 0]), int(cap.n_beyond_[0])
    (9.0, 1)
    """

    low_: Floats
    high_: Floats
    n_beyond_: NDArray[np.int64]
    n_rows_: int

    def __init__(self, *, reach: float = 3.0, action: str = "cap") -> None:
        self.reach = reach
        self.action = action

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn the fences.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``; missing values are passed over.
        y
            Not used.

        Raises
        ------
        UsageError
            When an argument has no meaning.
        """
        if self.reach <= 0 or self.action not in ("cap", "keep"):
            message = (
                f"outliers need a reach > 0 and an action of cap or keep, got {self.reach} and "
                f"{self.action!r}; 3 and cap are the defaults"
            )
            raise UsageError(message)
        rows = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        quarter, three = np.nanquantile(rows, [0.25, 0.75], axis=0)
        self.low_ = quarter - self.reach * (three - quarter)
        self.high_ = three + self.reach * (three - quarter)
        self.n_beyond_ = ((rows < self.low_) | (rows > self.high_)).sum(axis=0).astype(np.int64)
        self.n_rows_ = len(rows)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Cut values at the fences.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``.
        """
        check_is_fitted(self)
        rows = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        if self.action == "keep":
            return np.array(rows)
        cut: Floats = np.clip(rows, self.low_, self.high_)
        return cut

    def report(self) -> dict[str, Any]:
        """Give the rule and how many training values lay beyond the fences."""
        check_is_fitted(self)
        beyond = int(self.n_beyond_.sum())
        return {
            "rule": f"beyond {self.reach:g} interquartile ranges",
            "action": self.action,
            "values": beyond,
            "share": beyond / max(1, self.n_rows_ * len(self.n_beyond_)),
        }

    def __sklearn_tags__(self) -> Any:
        """Say that missing values are passed through; scikit-learn's own class has no stubs."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class CorrelationChoice(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Leave out columns that an earlier one nearly repeats.

    Parameters
    ----------
    most
        Largest absolute correlation between two columns that are kept, in (0, 1).

    Examples
    --------
    >>> CorrelationChoice().fit([[0, 0, 5], [1, 2, 1], [2, 4, 3]]).kept_.tolist()
    [0, 2]
    """

    kept_: NDArray[np.int64]

    def __init__(self, *, most: float = 0.98) -> None:
        self.most = most

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Find the columns to keep.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``, finite.
        y
            Not used.

        Raises
        ------
        UsageError
            When the bound is out of its range.
        """
        if not 0 < self.most < 1:
            message = f"most must be in (0, 1), got {self.most}; 0.98 is the default"
            raise UsageError(message)
        rows = validate_data(self, X, dtype=np.float64)
        away = rows - rows.mean(axis=0)
        length = np.sqrt((away**2).sum(axis=0))
        unit = away / np.where(length > 0, length, 1.0)
        alike = np.abs(unit.T @ unit)
        kept: list[int] = []
        for column in range(rows.shape[1]):
            if not kept or alike[column, kept].max() <= self.most:
                kept.append(column)
        self.kept_ = np.array(kept, dtype=np.int64)
        return self

    def transform(self, X: ArrayLike) -> Floats:
        """Give the columns that are kept.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``.
        """
        check_is_fitted(self)
        rows: Floats = validate_data(self, X, dtype=np.float64, reset=False)
        return rows[:, self.kept_]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What happens to rows before a method.

    Parameters
    ----------
    missing
        One of ``MISSING``.
    outliers
        ``cap``, ``keep`` (counted and left) or ``none``.
    scale
        One of ``SCALES``.
    selection
        One of ``SELECTIONS``; the last two need labels.
    n_columns
        Columns that ``mutual_information`` and ``model`` keep, >= 1.
    categorical
        Places of columns that hold codes and not quantities: each value gets a column of its own.
    seed
        Start of the randomness of the choice.

    Raises
    ------
    UsageError
        When a name is unknown.
    """

    missing: str = "median"
    outliers: str = "none"
    scale: str = "robust"
    selection: str = "none"
    n_columns: int = 20
    categorical: Sequence[int] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the names."""
        known = (
            ("missing", self.missing, MISSING),
            ("outliers", self.outliers, ("none", "cap", "keep")),
            ("scale", self.scale, SCALES),
            ("selection", self.selection, SELECTIONS),
        )
        for name, value, values in known:
            if value not in values:
                message = f"{name} must be one of {', '.join(values)}, got {value!r}"
                raise UsageError(message)
        if self.n_columns < 1:
            message = f"n_columns must be >= 1, got {self.n_columns}; 20 is the default"
            raise UsageError(message)

    def steps(self) -> list[tuple[str, Any]]:
        """Give the steps, unfitted, for a ``Pipeline`` of scikit-learn or imbalanced-learn."""
        from sklearn.compose import ColumnTransformer
        from sklearn.pipeline import Pipeline
        from sklearn.preprocessing import OneHotEncoder

        if not self.categorical:
            return [*self._numbers(), *self._choice()]
        codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        parted = ColumnTransformer(
            [("codes", codes, list(self.categorical))],
            remainder=Pipeline(self._numbers()),
            sparse_threshold=0.0,
        )
        return [("columns", parted), *self._choice()]

    def pipeline(self, method: Any) -> Any:
        """Give the steps and a method as one estimator of scikit-learn.

        Parameters
        ----------
        method
            Classifier or detector, unfitted.
        """
        from sklearn.pipeline import Pipeline

        return Pipeline([*self.steps(), ("method", method)])

    def _numbers(self) -> list[tuple[str, Any]]:
        from sklearn.impute import SimpleImputer
        from sklearn.preprocessing import (
            FunctionTransformer,
            QuantileTransformer,
            RobustScaler,
            StandardScaler,
        )

        strategy = "constant" if self.missing == "zero" else self.missing
        steps: list[tuple[str, Any]] = []
        if self.outliers != "none":
            steps.append(("outliers", OutlierCap(action=self.outliers)))
        steps.append(
            ("missing", SimpleImputer(strategy=strategy, fill_value=0.0, add_indicator=True))
        )
        scalers = {
            "standard": StandardScaler,
            "robust": RobustScaler,
            "quantile": lambda: QuantileTransformer(n_quantiles=200, random_state=self.seed),
            "log1p": lambda: FunctionTransformer(signed_log1p, feature_names_out="one-to-one"),
        }
        if self.scale != "none":
            steps.append(("scale", scalers[self.scale]()))
        return steps

    def _choice(self) -> list[tuple[str, Any]]:
        from sklearn.ensemble import RandomForestClassifier
        from sklearn.feature_selection import (
            SelectFromModel,
            SelectKBest,
            VarianceThreshold,
            mutual_info_classif,
        )

        if self.selection == "variance":
            return [("choice", VarianceThreshold())]
        if self.selection == "correlation":
            return [("choice", CorrelationChoice())]
        if self.selection == "mutual_information":
            return [("choice", SelectKBest(mutual_info_classif, k=self.n_columns))]
        if self.selection == "model":
            forest = RandomForestClassifier(MODEL_TREES, random_state=self.seed, n_jobs=1)
            chosen = SelectFromModel(
                forest, threshold=-np.inf, max_features=lambda X: min(self.n_columns, X.shape[1])
            )
            return [("choice", chosen)]
        return []


def signed_log1p(X: ArrayLike) -> Floats:
    """Give ``sign(x) log(1 + |x|)`` of every value.

    Parameters
    ----------
    X
        Numbers of any shape.
    """
    values = np.asarray(X, dtype=np.float64)
    logs: Floats = np.copysign(np.log1p(np.abs(values)), values)
    return logs
