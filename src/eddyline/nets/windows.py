"""Windows over token sequences: the tokens before each token, equal ones counted once.

What belongs here: cutting and counting. What does not: what a net makes of them.

Without torch, for scoring needs windows too. Most flows repeat what many did before: on labelled captures
15 % of the windows over protocol and bytes are distinct.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from eddyline.tables import Floats, Integers

PAD = 0
BEGIN = 2


@dataclass(frozen=True, slots=True)
class Windows:
    """Distinct (context, token) pairs of a corpus with how often each occurs.

    Parameters
    ----------
    contexts
        Tokens before, ``BEGIN`` first, right-padded, shape ``(m, 11)``.
    lengths
        Tokens of each context, ``BEGIN`` included.
    targets
        The token that followed.
    counts
        How often.
    place
        The pair of every token of the corpus, shape ``(n,)``; -1 for tokens that were left out.
    """

    contexts: Integers
    lengths: Integers
    targets: Integers
    counts: Floats
    place: Integers


def cut_windows(
    words: Integers, offsets: Integers, context: int = 10, *, score_first: bool = True
) -> Windows:
    """Cut groups into windows of the tokens before each token, and count equal ones once.

    Parameters
    ----------
    words, offsets
        Token numbers of the groups, and where each starts.
    context
        Tokens before at the most.
    score_first
        False to leave out each group's first token, as the follow-up paper does; its place is -1.
    """
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    at = np.arange(len(words)) - starts
    lengths = np.minimum(at, context)
    rows = np.full((len(words), context + 2), PAD, dtype=np.int32)
    rows[:, 0] = BEGIN
    for step in range(context):
        here = step < lengths
        rows[here, step + 1] = words[(np.arange(len(words)) - lengths + step)[here]]
    rows[:, -1] = words
    kept = np.ones(len(words), dtype=bool) if score_first else at > 0
    distinct, of_kept, counts = _distinct_rows(rows[kept])
    place = np.full(len(words), -1, np.int64)
    place[kept] = of_kept
    n = (distinct[:, :-1] != PAD).sum(axis=1)
    body = distinct.astype(np.int64)
    return Windows(body[:, :-1], n, body[:, -1], counts.astype(np.float64), place)


def _distinct_rows(
    rows: NDArray[np.int32],
) -> tuple[NDArray[np.int32], Integers, NDArray[np.int64]]:
    """Give distinct rows, the place of each row among them, and how often each occurs."""
    packed = np.ascontiguousarray(rows).view(
        np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))
    )
    _, first, place, counts = np.unique(
        packed.ravel(), return_index=True, return_inverse=True, return_counts=True
    )
    return rows[first], place.astype(np.int64), counts
