"""Token texts to small numbers and back, fast and exact.

What belongs here: the vocabulary of a sequence detector. What does not: what a token means.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.errors import DataError
from eddyline.tables import Integers

UNKNOWN = 0
"""Number of every token that the training data did not hold."""


class Vocabulary:
    """Number the tokens of the training data from 1, 0 being the unknown one.

    Texts are matched by a 64-bit hash first and then compared, so that no two texts are ever taken for one
    another.

    Parameters
    ----------
    texts
        Distinct tokens, commonest first, shape ``(v,)``.
    """

    def __init__(self, texts: NDArray[np.str_]) -> None:
        self.texts = texts
        hashes = _hash_texts(texts)
        self._order = np.argsort(hashes, kind="stable")
        self._hashes = hashes[self._order]
        if len(self._hashes) > 1 and (self._hashes[1:] == self._hashes[:-1]).any():
            message = (
                f"token texts must be distinct, got {len(texts)} with a double; learn the model "
                f"again"
            )
            raise DataError(message)

    def __len__(self) -> int:
        return len(self.texts)

    @classmethod
    def of(cls, tokens: NDArray[np.str_]) -> Vocabulary:
        """Learn the vocabulary of training tokens: by falling count, ties by text.

        Parameters
        ----------
        tokens
            Training tokens, at least one.
        """
        _, first, counts = np.unique(_hash_texts(tokens), return_index=True, return_counts=True)
        texts = tokens[first]
        return cls(texts[np.lexsort((texts, -counts))])

    def encode(self, tokens: NDArray[np.str_]) -> Integers:
        """Give the number of every token; ``UNKNOWN`` for texts that are new.

        Parameters
        ----------
        tokens
            Texts, shape ``(n,)``.
        """
        place = np.searchsorted(self._hashes, _hash_texts(tokens))
        word = self._order[np.minimum(place, len(self._order) - 1)]
        same = np.asarray(self.texts[word] == tokens)
        return np.where(same, word + 1, UNKNOWN).astype(np.int64)


def _hash_texts(texts: NDArray[np.str_]) -> NDArray[np.uint64]:
    """Hash each text's code points; the padding of fixed-width text does not count."""
    flat = np.ascontiguousarray(texts)
    width = flat.dtype.itemsize // 4
    points = (
        flat.view(np.uint32).reshape(len(flat), width)
        if width
        else np.zeros((len(flat), 0), np.uint32)
    )
    out = np.empty(len(flat), np.uint64)
    _hash_points(points, out)
    return out


@njit(cache=True, nogil=True)
def _hash_points(points: NDArray[np.uint32], out: NDArray[np.uint64]) -> None:  # pragma: no cover
    for i in range(points.shape[0]):
        state = np.uint64(0xCBF29CE484222325)
        for j in range(points.shape[1]):
            if points[i, j] == 0:
                break
            state = (state ^ np.uint64(points[i, j])) * np.uint64(0x9E3779B97F4A7C15)
            state ^= state >> np.uint64(32)
        out[i] = state
