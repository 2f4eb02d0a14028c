"""What a classifier is: labelled rows in, one probability a class out.

What belongs here: the contract, the checks every classifier makes on its input, and how fitted state leaves
and enters as plain arrays. What does not: any method, any correction of its probabilities (``prior.py``,
``calibration.py``, ``voting.py``), or anything that knows of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from eddyline.errors import DataError, ModelError, UsageError
from eddyline.tables import Floats, Integers

Arrays = dict[str, NDArray[Any]]
Matrix = NDArray[np.floating[Any]]
"""C-ordered rows ``(n, d)``, float32 when they came as float32, else float64; finite."""


class Classifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Give every row of a matrix the probability of each class it was taught.

    A subclass stores its arguments untouched in ``__init__``, writes ``_fit`` and ``_probabilities``, and
    names in ``_arrays`` what ``_fit`` leaves behind. Everything else is here. A row's
    probabilities ignore the rows beside it, to the bit, or within ``row_tolerance`` where matrix products
    round by the size of the batch.

    ``priors_`` are the class shares that the probabilities assume: those of the training rows with their
    weights. A subclass that weights or samples classes itself sets ``priors_`` to the shares it made.
    """

    row_tolerance: ClassVar[float] = 0.0
    """Most that other rows in the batch may move a probability; at most 1e-6, and 0 unless torch computes."""

    takes_target: ClassVar[bool] = False
    """Whether ``fit`` uses unlabelled rows of the time to be predicted, which makes it transductive."""

    _arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the fitted attributes that hold arrays: the state beside ``classes_`` and ``priors_``."""

    classes_: NDArray[Any]
    priors_: Floats
    n_features_in_: int

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        target: ArrayLike | None = None,
    ) -> Self:
        """Learn the classes of labelled rows.

        Parameters
        ----------
        X
            Training rows, shape ``(n, d)``, finite.
        y
            Label of each row, text or whole numbers, shape ``(n,)``; at least two different ones.
        sample_weight
            Weight of each row, shape ``(n,)``, ``>= 0``; None for 1.
        groups
            What belongs together, such as the day or the session of each row, shape ``(n,)``. A method that
            sets rows aside, to know when to stop, never divides a group. None lets every row be alone.
        target
            Rows without labels from the time to be predicted, shape ``(m, d)``; only for classes with
            ``takes_target``, which are then transductive.

        Raises
        ------
        DataError
            When X is not a finite matrix, y has one class or continuous values, or lengths disagree.
        UsageError
            When ``target`` is given to a class that has no use for it.
        """
        if target is not None and not self.takes_target:
            message = (
                f"{type(self).__name__} learns from labelled rows only, got target with "
                f"{np.shape(target)[0]} rows; leave target out or take a classifier with takes_target"
            )
            raise UsageError(message)
        rows, labels = self._checked_pair(X, y)
        weight = self._checked_weight(rows, sample_weight)
        members = _checked_groups(groups, len(rows))
        classes, codes = np.unique(labels, return_inverse=True)
        codes = codes.astype(np.int64)
        seen = np.unique(codes[weight > 0])
        if len(seen) < 2:
            message = (
                f"{type(self).__name__} needs rows of at least 2 classes, got {len(seen)} class "
                f"({', '.join(map(str, classes[seen]))}); label some rows of another class"
            )
            raise DataError(message)
        self.classes_ = classes.astype(np.str_) if classes.dtype == object else classes
        mass = np.bincount(codes, weights=weight, minlength=len(classes))
        self.priors_ = mass / mass.sum()
        others = None if target is None else self._checked(target)
        self._fit(rows, codes, weight, members, others)
        return self

    def predict_proba(self, X: ArrayLike) -> Floats:
        """Give the probability of each class, shape ``(n, k)`` in the order of ``classes_``; rows sum to 1.

        Parameters
        ----------
        X
            Rows to judge, shape ``(n, d)`` with the d of the fit, finite.

        Raises
        ------
        DataError
            When X is empty, not finite or of another width.
        """
        check_is_fitted(self)
        probabilities: Floats = self._probabilities(self._checked(X))
        return probabilities

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Give the most probable class of each row; of equals the first in ``classes_``.

        Parameters
        ----------
        X
            Rows to judge, shape ``(n, d)``, finite.
        """
        probabilities = self.predict_proba(X)
        labels: NDArray[Any] = self.classes_[np.argmax(probabilities, axis=1)]
        return labels

    def to_arrays(self) -> Arrays:
        """Give the fitted state as arrays of numbers and text, without code.

        Raises
        ------
        NotFittedError
            scikit-learn's, when there is nothing to give yet.
        """
        check_is_fitted(self)
        arrays: Arrays = {name: np.asarray(getattr(self, name)) for name in self._arrays}
        arrays["classes_"] = np.asarray(self.classes_)
        arrays["priors_"] = np.asarray(self.priors_, dtype=np.float64)
        arrays["n_features_in_"] = np.array(self.n_features_in_, dtype=np.int64)
        if hasattr(self, "feature_names_in_"):
            arrays["feature_names_in_"] = np.asarray(self.feature_names_in_, dtype=np.str_)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        """Build a fitted classifier from what ``to_arrays`` and ``get_params`` gave.

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
        model = cls(**params)
        for name in (*cls._arrays, "classes_", "priors_", "n_features_in_"):
            setattr(model, name, sound_array(model, arrays, name))
        if "feature_names_in_" in arrays:
            names = sound_array(model, arrays, "feature_names_in_")
            model.feature_names_in_ = names.astype(object)
        if model.classes_.ndim != 1 or len(model.classes_) < 2:
            raise refuse_model(model, "knows at least 2 classes in classes_", model.classes_)
        if not np.array_equal(np.unique(model.classes_), model.classes_):
            raise refuse_model(model, "holds sorted classes_ without doubles", model.classes_)
        priors = model.priors_
        if (
            priors.shape != model.classes_.shape
            or (priors < 0).any()
            or abs(priors.sum() - 1) > 1e-9
        ):
            raise refuse_model(model, "holds priors_, a share for each class", priors)
        if np.size(model.n_features_in_) != 1:
            raise refuse_model(model, "holds one n_features_in_", model.n_features_in_)
        model.n_features_in_ = int(model.n_features_in_)
        model._restore()
        return model

    @abstractmethod
    def _fit(
        self,
        X: Matrix,
        codes: Integers,
        weight: Floats,
        groups: Integers | None,
        target: Matrix | None,
    ) -> None:
        """Learn from checked rows; ``codes`` are places in ``classes_``, ``target`` is None or checked."""

    @abstractmethod
    def _probabilities(self, X: Matrix) -> Floats:
        """Give float64 ``(n, k)``, finite, each row summing to 1, for checked rows."""

    def _restore(self) -> None:
        """Check the arrays after loading and rebuild what is derived from them."""

    def _checked_pair(self, X: ArrayLike, y: ArrayLike) -> tuple[Matrix, NDArray[Any]]:
        """Give training rows and labels, or raise by name."""
        try:
            rows, labels = validate_data(
                self, X, y, dtype=[np.float64, np.float32], order="C", ensure_all_finite=False
            )
            check_classification_targets(labels)
        except ValueError as error:
            message = f"{error} [{type(self).__name__}: pass a finite (n, d) matrix and n labels]"
            raise DataError(message) from error
        self._refuse_infinite(rows)
        return rows, labels

    def _checked(self, X: ArrayLike) -> Matrix:
        """Give X as a C-ordered matrix of the fitted width, or raise by name."""
        try:
            rows: Matrix = validate_data(
                self,
                X,
                reset=False,
                dtype=[np.float64, np.float32],
                order="C",
                ensure_all_finite=False,
            )
        except ValueError as error:
            message = f"{error} [{type(self).__name__}: pass a finite (n, d) matrix of numbers]"
            raise DataError(message) from error
        self._refuse_infinite(rows)
        return rows

    def _refuse_infinite(self, rows: Matrix) -> None:
        finite = np.isfinite(rows)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            message = (
                f"{type(self).__name__} takes finite numbers only, but X contains NaN or infinity: "
                f"row {row}, column {column} is {rows[row, column]}; give a missing value a number "
                f"of its own"
            )
            raise DataError(message)

    def _checked_weight(self, rows: Matrix, sample_weight: ArrayLike | None) -> Floats:
        try:
            weight: Floats = _check_sample_weight(
                sample_weight, rows, dtype=np.float64, ensure_non_negative=True
            )
        except ValueError as error:
            message = f"{error} [{type(self).__name__}: pass one weight >= 0 a row]"
            raise DataError(message) from error
        if weight.sum() <= 0:
            message = (
                "sample_weight must not be zero for every row; leave it out for equal weights"
            )
            raise DataError(message)
        return weight


def _checked_groups(groups: ArrayLike | None, n: int) -> Integers | None:
    """Give groups as codes 0, 1, … in the order of their sorted names."""
    if groups is None:
        return None
    members = np.asarray(groups)
    if members.shape != (n,):
        message = f"groups must name the group of each of the {n} rows, got shape {members.shape}"
        raise DataError(message)
    return np.unique(members, return_inverse=True)[1].astype(np.int64)


def sound_array(model: object, arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    """Give one array of a saved state, refusing a missing one, objects and NaN.

    Parameters
    ----------
    model
        What is being loaded; its class is named.
    arrays
        The saved state.
    name
        Which array.

    Raises
    ------
    ModelError
        When it is missing, holds objects or NaN.
    """
    if name not in arrays:
        held = ", ".join(sorted(arrays))
        message = f"a saved {type(model).__name__} must hold {name!r}, got {held}; train it again"
        raise ModelError(message)
    array = np.asarray(arrays[name])
    if array.dtype.kind not in "biufU":
        message = f"{name!r} must hold numbers or text, got dtype {array.dtype}; train it again"
        raise ModelError(message)
    if array.dtype.kind == "f" and np.isnan(array).any():
        message = f"{name!r} must not hold NaN; the file is damaged, train the model again"
        raise ModelError(message)
    return array


def refuse_model(model: object, rule: str, value: object) -> ModelError:
    """Make the error for saved arrays that no fit could have left.

    Parameters
    ----------
    model
        What is being loaded; its class is named.
    rule
        What the arrays must satisfy.
    value
        What they hold.
    """
    return ModelError(f"a saved {type(model).__name__} {rule}, got {value}; train the model again")
