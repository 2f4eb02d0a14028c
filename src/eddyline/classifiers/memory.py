"""What earlier days said of a key: a pair of hosts that was labelled once is likely to get that label again.

What belongs here: counting labels by key and class, and the columns made of them. What does not: which key,
which the caller knows, and whether the memory helps, which left-out days say.

Of the normal class only that a key was met is remembered, not how often: a memory of normal would call the
first attack of a trusted pair normal, whatever it looks like.

A training row must not remember its own day, or the classifier would learn to trust a memory that no later
day has: ``columns_of_others`` leaves each period's own labels out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, ModelError
from eddyline.tables import Floats, Integers

PARTS: Final = 4
"""Parts of a single period that stand in for days, so that its rows can remember other parts of it."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Labels met by key.

    Parameters
    ----------
    keys
        Keys as text, sorted, without doubles, shape ``(m,)``.
    counts
        Rows of each class with that key, shape ``(m, k)``, ``>= 0``.
    """

    keys: NDArray[np.str_]
    counts: Floats

    @classmethod
    def of(cls, keys: ArrayLike, codes: ArrayLike, n_classes: int) -> Memory:
        """Count labelled rows.

        Parameters
        ----------
        keys
            Key of each row, text, shape ``(n,)``.
        codes
            Class of each row, whole numbers in ``[0, n_classes)``.
        n_classes
            Number of classes.

        Raises
        ------
        DataError
            When shapes disagree or a class is out of range.
        """
        names, classes = np.asarray(keys, np.str_), np.asarray(codes)
        if names.ndim != 1 or names.shape != classes.shape:
            message = (
                f"keys and codes must have one shape (n,), got {names.shape}, {classes.shape}"
            )
            raise DataError(message)
        if len(classes) and (classes.min() < 0 or classes.max() >= n_classes):
            message = f"codes must be in [0, {n_classes}), got {classes.min()} to {classes.max()}"
            raise DataError(message)
        distinct, place = np.unique(names, return_inverse=True)
        counts = np.zeros((len(distinct), n_classes))
        np.add.at(counts, (place, classes), 1.0)
        return cls(distinct, counts)

    def recall(self, keys: ArrayLike) -> Floats:
        """Give the counts of each row's key, shape ``(n, k)``; zeros for a key that was never met.

        Parameters
        ----------
        keys
            Key of each row, text, shape ``(n,)``.
        """
        names = np.asarray(keys, np.str_)
        found = np.zeros((len(names), self.counts.shape[1]))
        if len(self.keys):
            place = np.searchsorted(self.keys, names).clip(max=len(self.keys) - 1)
            met = self.keys[place] == names
            found[met] = self.counts[place[met]]
        return found

    def met(self, keys: ArrayLike) -> NDArray[np.bool_]:
        """Tell whether each key was met at all, shape ``(n,)``.

        Parameters
        ----------
        keys
            Key of each row, text, shape ``(n,)``.
        """
        return np.asarray(self.recall(keys).sum(axis=1) > 0)

    def columns(self, keys: ArrayLike, *, normal: int, periods: int) -> Floats:
        """Give what a classifier may know of each row's key, shape ``(n, 2 + k - 1)``.

        Whether it was met, ``ln(1 + rows a period that were not normal)``, and how those divide among the
        classes beside the normal one.

        Parameters
        ----------
        keys
            Key of each row, text, shape ``(n,)``.
        normal
            Class that is not remembered, in [0, k).
        periods
            Days that were counted, ``>= 1``.
        """
        counts = self.recall(keys)
        others = np.delete(counts, normal, axis=1) / periods
        strange = others.sum(axis=1, keepdims=True)
        shares = np.divide(others, strange, out=np.zeros_like(others), where=strange > 0)
        met = counts.sum(axis=1, keepdims=True) > 0
        return np.concatenate([met, np.log1p(strange), shares], axis=1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Give the state as arrays."""
        return {"keys": self.keys, "counts": self.counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_classes: int) -> Memory:
        """Build a memory from what ``to_arrays`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.
        n_classes
            Classes that the model knows.

        Raises
        ------
        ModelError
            When a part is missing or is no memory.
        """
        keys, counts = arrays.get("keys"), arrays.get("counts")
        if keys is None or counts is None:
            message = (
                f"a saved memory must hold keys and counts, got {sorted(arrays)}; train it again"
            )
            raise ModelError(message)
        sorted_text = (
            keys.ndim == 1 and keys.dtype.kind == "U" and bool((keys[1:] > keys[:-1]).all())
        )
        if not sorted_text or counts.shape != (len(keys), n_classes) or counts.dtype.kind != "f":
            message = f"a saved memory must hold sorted keys and their counts, got {counts.shape}"
            raise ModelError(message)
        if not np.isfinite(counts).all() or (counts < 0).any():
            message = "a saved memory must hold counts >= 0, got others; train the model again"
            raise ModelError(message)
        return cls(keys, counts)


def columns_of_others(
    keys: ArrayLike, codes: ArrayLike, periods: ArrayLike, *, n_classes: int, normal: int
) -> Floats:
    """Give the columns of training rows: each remembers every period but its own.

    Parameters
    ----------
    keys
        Key of each row, text, shape ``(n,)``, in the order of time.
    codes
        Class of each row, in ``[0, n_classes)``.
    periods
        Day of each row, whole numbers; a single one is cut into four parts of equally many rows.
    n_classes
        Number of classes.
    normal
        Class that is not remembered.
    """
    names, classes = np.asarray(keys, np.str_), np.asarray(codes, np.int64)
    parts = np.unique(np.asarray(periods), return_inverse=True)[1].astype(np.int64)
    if parts.max(initial=0) == 0:
        parts = np.arange(len(names)) * PARTS // max(len(names), 1)
    n_parts = int(parts.max(initial=0)) + 1
    out = np.zeros((len(names), 1 + n_classes))
    everything = Memory.of(names, classes, n_classes)
    place = np.searchsorted(everything.keys, names)
    for part in range(n_parts):
        own = parts == part
        counts = everything.counts - _counts(place[own], classes[own], everything.counts.shape)
        others = Memory(everything.keys, counts)
        out[own] = others.columns(names[own], normal=normal, periods=max(n_parts - 1, 1))
    return out


def _counts(place: Integers, classes: Integers, shape: tuple[int, ...]) -> Floats:
    flat = np.bincount(place * shape[1] + classes, minlength=shape[0] * shape[1])
    return flat.reshape(shape).astype(np.float64)
