"""What a detector is: rows or token sequences in, one score each out, higher is stranger.

What belongs here: the two contracts, the checks every detector makes on its input, and how fitted state
leaves and enters as plain arrays. What does not: any method, threshold or p-value (``verdicts`` owns those),
or anything that knows of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from eddyline.errors import DataError, ModelError, TooFewRowsError
from eddyline.tables import Floats, TokenGroups

Arrays = dict[str, NDArray[Any]]

OFFSET_LEVEL = 0.9
"""Quantile of the training scores at which ``predict`` cuts; for scikit-learn only, no verdict uses it."""

OFFSET_ROWS = 5_000
"""Training rows, evenly spaced, that are scored to find ``offset_``: scoring millions would double a fit."""


class MatrixDetector(OutlierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Give every row of a matrix a score of its own that rises with strangeness.

    A subclass stores its arguments untouched in ``__init__``, writes ``_fit`` and ``_score``, and names the
    arrays that ``_fit`` leaves behind in ``_arrays``. Everything else, from input checks to saving, is here.
    ``_score`` must give a row the same bits whatever rows stand beside it, so it computes in compiled loops
    and not by matrix products, whose rounding changes with the batch size.
    """

    min_rows: ClassVar[int] = 2
    """Fewest rows that ``fit`` accepts."""

    _arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the fitted attributes that hold arrays; they are the whole state beside ``offset_``."""

    offset_: float
    n_features_in_: int

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn what is usual from rows that may hold some attacks.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``, finite, at least ``min_rows`` of them.
        y
            Ignored; it stands here for scikit-learn's contract, and a test shows that it changes nothing.

        Raises
        ------
        DataError
            When X is not a finite matrix of numbers.
        TooFewRowsError
            When there are fewer rows than the method needs.
        """
        rows = self._checked(X, reset=True)
        if len(rows) < self.min_rows:
            message = (
                f"{type(self).__name__} needs at least {self.min_rows} rows to fit, got "
                f"n_samples={len(rows)}; give it more traffic or judge with a saved model"
            )
            raise TooFewRowsError(message)
        self._fit(rows)
        step = max(1, len(rows) // OFFSET_ROWS)
        sample = np.ascontiguousarray(rows[::step])
        self.offset_ = -float(np.quantile(self._score(sample), OFFSET_LEVEL))
        return self

    def anomaly_score(self, X: ArrayLike) -> Floats:
        """Score rows by what was learned; higher is stranger.

        Parameters
        ----------
        X
            Rows to score, shape ``(n, d)`` with the d of the fit, finite.

        Raises
        ------
        DataError
            When X is empty, not finite or of another width.
        """
        check_is_fitted(self)
        scores: Floats = self._score(self._checked(X, reset=False))
        return scores

    def score_samples(self, X: ArrayLike) -> Floats:
        """Give the score in scikit-learn's direction: lower is stranger.

        Parameters
        ----------
        X
            Rows to score, shape ``(n, d)``, finite.
        """
        return -self.anomaly_score(X)

    def decision_function(self, X: ArrayLike) -> Floats:
        """Give ``score_samples`` shifted so that negative means outlier.

        Parameters
        ----------
        X
            Rows to score, shape ``(n, d)``, finite.
        """
        shifted: Floats = self.score_samples(X) - self.offset_
        return shifted

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:
        """Say 1 for rows like the training's lowest 90 % of scores, -1 for the others.

        Parameters
        ----------
        X
            Rows to judge, shape ``(n, d)``, finite.
        """
        return np.where(self.decision_function(X) < 0, -1, 1).astype(np.int64)

    def to_arrays(self) -> Arrays:
        """Give the fitted state as arrays of numbers and text, without code.

        Raises
        ------
        NotFittedError
            scikit-learn's, when there is nothing to give yet.
        """
        check_is_fitted(self)
        arrays: Arrays = {name: np.asarray(getattr(self, name)) for name in self._arrays}
        arrays["offset_"] = np.array(self.offset_, dtype=np.float64)
        arrays["n_features_in_"] = np.array(self.n_features_in_, dtype=np.int64)
        if hasattr(self, "feature_names_in_"):
            arrays["feature_names_in_"] = np.asarray(self.feature_names_in_, dtype=np.str_)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        """Build a fitted detector from what ``to_arrays`` and ``get_params`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use, since a model file may come from a stranger.
        params
            Arguments of the constructor.

        Raises
        ------
        ModelError
            When an array is missing, holds objects, or describes a model that could not have been fitted.
        """
        detector = cls(**params)
        _take(detector, arrays, (*cls._arrays, "offset_", "n_features_in_"))
        if "feature_names_in_" in arrays:
            detector.feature_names_in_ = np.asarray(arrays["feature_names_in_"]).astype(object)
        detector.offset_ = float(arrays["offset_"])
        detector.n_features_in_ = int(arrays["n_features_in_"])
        detector._restore()
        return detector

    @abstractmethod
    def _fit(self, X: Floats) -> None:
        """Learn from checked rows, C-ordered float64 ``(n, d)``."""

    @abstractmethod
    def _score(self, X: Floats) -> Floats:
        """Score checked rows, C-ordered float64 ``(n, d)``; finite float64 ``(n,)``."""

    def _restore(self) -> None:
        """Check the arrays after loading and rebuild what is derived from them."""

    def _checked(self, X: ArrayLike, *, reset: bool) -> Floats:
        """Give X as a C-ordered float64 matrix, or raise by name."""
        try:
            rows: Floats = validate_data(
                self, X, reset=reset, dtype=np.float64, order="C", ensure_all_finite=False
            )
        except ValueError as error:
            message = f"{error} [{type(self).__name__}: pass a finite (n, d) matrix of numbers]"
            raise DataError(message) from error
        finite = np.isfinite(rows)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            message = (
                f"{type(self).__name__} takes finite numbers only, but X contains NaN or "
                f"infinity: "
                f"row {row}, column {column} is {rows[row, column]}; give a missing value a "
                f"number of its own"
            )
            raise DataError(message)
        return rows


class SequenceDetector(BaseEstimator, ABC):  # type: ignore[misc]
    """Give every group of tokens a score, and every token in it, that rises with strangeness.

    A group's score depends on its own tokens only, a token's on the tokens before it in its group.
    """

    _arrays: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def fit(self, groups: TokenGroups) -> Self:
        """Learn the usual sequences.

        Parameters
        ----------
        groups
            Token groups that may hold some attacks; at least one token.
        """

    @abstractmethod
    def anomaly_score(self, groups: TokenGroups) -> Floats:
        """Score groups, shape ``(n,)``, finite; higher is stranger.

        Parameters
        ----------
        groups
            Groups to score; none of them empty.
        """

    @abstractmethod
    def token_scores(self, groups: TokenGroups) -> Floats:
        """Score every token, as long as ``groups.tokens``, finite; higher is stranger.

        Parameters
        ----------
        groups
            Groups to score; none of them empty.
        """

    def to_arrays(self) -> Arrays:
        """Give the fitted state as arrays of numbers and text, without code."""
        check_is_fitted(self)
        return {name: np.asarray(getattr(self, name)) for name in self._arrays}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        """Build a fitted detector from what ``to_arrays`` and ``get_params`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.
        params
            Arguments of the constructor.

        Raises
        ------
        ModelError
            When an array is missing, holds objects, or describes a model that could not have been fitted.
        """
        detector = cls(**params)
        _take(detector, arrays, cls._arrays)
        detector._restore()
        return detector

    def _restore(self) -> None:
        """Check the arrays after loading and rebuild what is derived from them."""


def _take(detector: object, arrays: Mapping[str, NDArray[Any]], names: tuple[str, ...]) -> None:
    """Set the named arrays as attributes, refusing missing ones and arrays of objects."""
    for name in names:
        if name not in arrays:
            held = ", ".join(sorted(arrays))
            message = (
                f"a saved {type(detector).__name__} must hold {name!r}, got {held}; learn it again"
            )
            raise ModelError(message)
        array = np.asarray(arrays[name])
        if array.dtype.kind not in "biufU":
            message = (
                f"{name!r} must hold numbers or text, got dtype {array.dtype}; learn the model "
                f"again"
            )
            raise ModelError(message)
        if array.dtype.kind == "f" and np.isnan(array).any():
            message = f"{name!r} must not hold NaN; the file is damaged, learn the model again"
            raise ModelError(message)
        setattr(detector, name, array)


def refuse_model(detector: object, rule: str, value: object) -> ModelError:
    """Make the error for saved arrays that no fit could have left.

    Parameters
    ----------
    detector
        The detector being loaded; its class is named.
    rule
        What the arrays must satisfy.
    value
        What they hold.
    """
    return ModelError(
        f"a saved {type(detector).__name__} {rule}, got {value}; learn the model again"
    )
