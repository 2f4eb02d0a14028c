"""What a stream detector is: rows in the order they happened, each scored first and learned after.

What belongs here: the contract, the checks of what comes in, and how the whole state leaves and enters as
plain arrays, so that a restart goes on where it stopped. What does not: any method, threshold or p-value, or
anything that knows of networks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, validate_data

from eddyline.detectors.detector import Arrays, _take, refuse_model
from eddyline.errors import DataError
from eddyline.tables import Floats

Edges = NDArray[np.int64]
"""Edges of shape ``(n, 3)``: source id, destination id, tick."""

_LARGEST_WHOLE = 2.0**53


class StreamDetector(BaseEstimator, ABC):  # type: ignore[misc]
    """Score rows as they come and learn from them, in bounded memory.

    ``anomaly_score`` judges rows by what was learned before them and changes nothing; ``partial_fit`` learns
    rows in their order and ends in the same bits however the rows are cut into batches;
    ``score_and_learn`` does both for each row in turn, which is what a live stream needs: a burst is seen
    within its own batch. The first ``warm_rows`` rows score 0: nothing is known that could be broken.

    A subclass stores its arguments untouched, names the arrays that hold its state in ``_arrays``, and
    writes ``_begin``, ``_learn``, ``_score``, ``_score_and_learn`` and ``_restore``. All arithmetic on rows
    stands in compiled loops, a row at a time, so that no cut of the stream can change a bit.
    """

    _arrays: ClassVar[tuple[str, ...]] = ()
    """Names of the attributes that hold the state; they are all of it, beside the two counts."""

    n_seen_: int
    n_features_in_: int

    @property
    @abstractmethod
    def warm_rows(self) -> int:
        """Rows that are learned before scores mean anything; until then they are 0."""

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Forget everything and learn rows in their order.

        Parameters
        ----------
        X
            Rows, oldest first, shape ``(n, d)``, finite, at least one.
        y
            Ignored; it stands here for scikit-learn's contract.

        Raises
        ------
        DataError
            When X is not what the detector takes.
        """
        rows = self._checked(X, reset=True)
        self._start(rows.shape[1])
        self._take_in(rows)
        return self

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn rows in their order, after those learned before.

        Parameters
        ----------
        X
            Rows, oldest first, shape ``(n, d)``, finite, at least one.
        y
            Ignored; it stands here for scikit-learn's contract.

        Raises
        ------
        DataError
            When X is not what the detector takes, or of another width than before.
        """
        self._take_in(self._next(X))
        return self

    def anomaly_score(self, X: ArrayLike) -> Floats:
        """Score each row by what was learned so far, as if it came next; higher is stranger.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite, at least one.

        Raises
        ------
        DataError
            When X is not what the detector takes, or of another width than before.
        """
        check_is_fitted(self)
        rows = self._checked(X, reset=False)
        if self.n_seen_ < self.warm_rows:
            return np.zeros(len(rows))
        return self._score(rows)

    def score_and_learn(self, X: ArrayLike) -> Floats:
        """Score each row and learn it before the next one; equal to doing so row by row.

        What lasts becomes usual, a flood included: on one afternoon of attacks, detectors that learned all
        the while ranked scans and floods below normal flows. To keep them strange, learn quiet traffic only
        and use ``anomaly_score`` meanwhile.

        Parameters
        ----------
        X
            Rows, oldest first, shape ``(n, d)``, finite, at least one.

        Raises
        ------
        DataError
            When X is not what the detector takes, or of another width than before.
        """
        rows = self._next(X)
        cold = min(max(self.warm_rows - self.n_seen_, 0), len(rows))
        scores = np.zeros(len(rows))
        if cold:
            self._take_in(rows[:cold])
        if cold < len(rows):
            scores[cold:] = self._score_and_learn(rows[cold:])
            self.n_seen_ += len(rows) - cold
        return scores

    def score_samples(self, X: ArrayLike) -> Floats:
        """Give the score in scikit-learn's direction: lower is stranger.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite.
        """
        return -self.anomaly_score(X)

    def to_arrays(self) -> Arrays:
        """Give a copy of the whole state as arrays of numbers, without code.

        Raises
        ------
        NotFittedError
            scikit-learn's, when there is nothing to give yet.
        """
        check_is_fitted(self)
        arrays: Arrays = {name: np.array(getattr(self, name)) for name in self._arrays}
        arrays["n_seen_"] = np.array(self.n_seen_, dtype=np.int64)
        arrays["n_features_in_"] = np.array(self.n_features_in_, dtype=np.int64)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        """Build a detector that goes on, bit for bit, where ``to_arrays`` was called.

        Parameters
        ----------
        arrays
            The state; checked before use, since a model file may come from a stranger.
        params
            Arguments of the constructor.

        Raises
        ------
        ModelError
            When an array is missing, holds objects, or describes a state that no stream could have left.
        """
        detector = cls(**params)
        _take(detector, arrays, (*cls._arrays, "n_seen_", "n_features_in_"))
        for name in ("n_seen_", "n_features_in_"):
            count = np.asarray(arrays[name])
            if count.shape != () or count.dtype.kind not in "iu" or count < 1:
                raise refuse_model(detector, f"holds {name} >= 1", count)
            setattr(detector, name, int(count))
        detector._restore()
        return detector

    @abstractmethod
    def _begin(self, width: int) -> None:
        """Check the arguments and make the state before the first row of ``width`` numbers."""

    @abstractmethod
    def _learn(self, rows: Any) -> None:
        """Learn checked rows; ``n_seen_`` still counts those before them."""

    @abstractmethod
    def _score(self, rows: Any) -> Floats:
        """Score checked rows when warm; changes nothing."""

    @abstractmethod
    def _score_and_learn(self, rows: Any) -> Floats:
        """Score and learn checked rows in turn, when warm; ``n_seen_`` still counts those before."""

    @abstractmethod
    def _restore(self) -> None:
        """Check the arrays after loading and rebuild what is derived from them."""

    def _start(self, width: int) -> None:
        self._begin(width)
        self.n_seen_ = 0

    def _next(self, X: ArrayLike) -> Any:
        """Give checked rows, beginning the state when they are the first."""
        first = not hasattr(self, "n_seen_")
        rows = self._checked(X, reset=first)
        if first:
            self._start(rows.shape[1])
        return rows

    def _take_in(self, rows: Any) -> None:
        self._learn(rows)
        self.n_seen_ += len(rows)

    def _checked(self, X: ArrayLike, *, reset: bool) -> Any:
        """Give X as a C-ordered float64 matrix, or raise by name."""
        rows = self._matrix(X, reset=reset)
        finite = np.isfinite(rows)
        if not finite.all():
            row, column = (int(place) for place in np.argwhere(~finite)[0])
            message = (
                f"{type(self).__name__} takes finite numbers only, but X contains NaN or infinity: "
                f"row {row}, column {column} is {rows[row, column]}; give a missing value a number "
                f"of its own"
            )
            raise DataError(message)
        return rows

    def _matrix(self, X: ArrayLike, *, reset: bool, dtype: Any = np.float64) -> Any:
        try:
            return validate_data(
                self, X, reset=reset, dtype=dtype, order="C", ensure_all_finite=False
            )
        except ValueError as error:
            message = f"{error} [{type(self).__name__}: pass a finite (n, d) matrix of numbers]"
            raise DataError(message) from error

    def _restored(self, name: str, dtype: Any, shape: tuple[int, ...]) -> None:
        """Hold a loaded array to its shape and kind, and keep a copy that can be written."""
        array = np.asarray(getattr(self, name))
        kinds = {"f": "f", "i": "i", "u": "u"}[np.dtype(dtype).kind]
        if array.shape != shape or array.dtype.kind not in kinds:
            found = f"{array.dtype} {array.shape}"
            raise refuse_model(self, f"holds {name} of {np.dtype(dtype)} and shape {shape}", found)
        setattr(self, name, np.array(array, dtype=dtype, order="C"))


class EdgeDetector(StreamDetector):
    """Score edges ``(source id, destination id, tick)`` of a graph that changes, and learn from them.

    Rows are whole numbers of shape ``(n, 3)``. A tick is a step of event time, such as a minute; ticks do
    not fall: an edge that comes late counts in the tick that is open. Ids may be any 64-bit numbers.
    """

    def _checked(self, X: ArrayLike, *, reset: bool) -> Edges:
        rows = self._matrix(X, reset=reset, dtype=None)
        if rows.ndim != 2 or rows.shape[1] != 3:
            message = (
                f"{type(self).__name__} takes edges of shape (n, 3), source id, destination id "
                f"and tick, got {rows.shape}; put the three in columns"
            )
            raise DataError(message)
        if rows.dtype.kind == "f":
            bad = ~((rows == np.floor(rows)) & (np.abs(rows) <= _LARGEST_WHOLE))
        elif rows.dtype.kind in "iu":
            bad = rows > np.iinfo(np.int64).max if rows.dtype.kind == "u" else np.zeros(0, bool)
        else:
            message = (
                f"{type(self).__name__} takes whole numbers, got {rows.dtype}; number the ids"
            )
            raise DataError(message)
        if bad.any():
            row, column = (int(place) for place in np.argwhere(bad)[0])
            message = (
                f"{type(self).__name__} takes whole numbers of 64 bits, but row {row}, column "
                f"{column} is {rows[row, column]}; number the ids and count the ticks"
            )
            raise DataError(message)
        edges = np.ascontiguousarray(rows, dtype=np.int64)
        far = np.abs(edges[:, 2].astype(np.float64)) > _LARGEST_WHOLE
        if far.any():
            row = int(np.argmax(far))
            message = (
                f"{type(self).__name__} takes ticks in [-2^53, 2^53], but row {row} has "
                f"{edges[row, 2]}; count ticks in seconds or minutes"
            )
            raise DataError(message)
        return edges
