"""Exact nearest neighbours where no box can be skipped: matrix products in single precision rule rows out.

What belongs here: the bound of what single precision can hide, and the search over blocks of products. What
does not: when it pays (``nearest.py``).

``|x − y|² = |x|² + |y|² − 2xy``: one matrix product gives it for a block of pairs, rounded. A pair whose
rounded distance is beyond the k-th so far by more than the bound is left out; the others are measured column
by column in double precision, as everywhere, so what is found does not depend on the products.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats, Integers

ASKED_ROWS: Final = 512
"""Rows asked for at once."""

BLOCK_ROWS: Final = 2_048
"""Reference rows of a block: its products stay in the processor's cache until they are looked through."""

LANE: Final = 64
"""Products that are looked through without a branch."""

LONGEST: Final = 1e18
"""Length of a row from the centre up to which its square fits single precision with room to spare."""

_UNIT: Final = 2.0**-24


def rounding(n_columns: int) -> float:
    """Give the share of ``|x|² + |y|²`` by which a distance from a product may be wrong.

    Rounding to single precision changes a value by at most ``u = 2**-24`` of itself, and a sum of n products
    by at most ``n u / (1 − n u)`` of the sum of their sizes in any order (Higham, Accuracy and Stability of
    Numerical Algorithms, 2002, section 3.1); ``2 |x| |y| <= |x|² + |y|²``. Some room is added.

    Parameters
    ----------
    n_columns
        Columns of a row.
    """
    return 1.1 * (2 * n_columns + 16) * _UNIT


def squares_of(rows: Floats, centre: Floats) -> Floats | None:
    """Give the squared lengths of rows from the centre; None when one is too long for single precision.

    Parameters
    ----------
    rows
        Shape ``(n, d)``.
    centre
        Shape ``(d,)``.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        away = rows - centre
        squares: Floats = np.einsum("ij,ij->i", away, away)
    return squares if (squares <= LONGEST**2).all() else None


def search(
    asked: Floats,
    rows: Floats,
    order: Integers,
    centre: Floats,
    lengths: tuple[Floats, Floats],
    squares: Floats,
    places: Integers,
) -> None:
    """Fill in the nearest reference rows of each row, nearest first.

    Parameters
    ----------
    asked
        Rows to ask for, shape ``(m, d)``, C-ordered, finite.
    rows, order
        Reference rows, shape ``(n, d)``, and the number of each; of equally near rows the lower is taken.
    centre
        What both are measured from, shape ``(d,)``.
    lengths
        Squared lengths from the centre of the rows asked for and of the reference, from ``squares_of``.
    squares, places
        Filled with squared distances and numbers, shape ``(m, k)``, k in [1, n].
    """
    share = rounding(rows.shape[1])
    squares[:] = np.inf
    places[:] = np.iinfo(np.int64).max
    reference = np.empty((len(rows), rows.shape[1] + 1), dtype=np.float32)
    reference[:, :-1] = rows - centre
    reference[:, -1] = (1.0 - share) * lengths[1]
    products = np.empty((ASKED_ROWS, BLOCK_ROWS), dtype=np.float32)
    for start in range(0, len(asked), ASKED_ROWS):
        few = slice(start, min(start + ASKED_ROWS, len(asked)))
        query = np.ones((few.stop - start, reference.shape[1]), dtype=np.float32)
        query[:, :-1] = -2.0 * (asked[few] - centre)
        own = (1.0 - share) * lengths[0][few]
        for first in range(0, len(rows), BLOCK_ROWS):
            block = reference[first : first + BLOCK_ROWS]
            made = products[: len(query), : len(block)]
            np.matmul(query, block.T, out=made)
            block_of = (first, len(block))
            _take(asked[few], rows, order, block_of, products, own, squares[few], places[few])


@njit(cache=True, nogil=True)
def _take(
    asked: Floats,
    rows: Floats,
    order: Integers,
    block: tuple[int, int],
    products: NDArray[np.float32],
    own: Floats,
    squares: Floats,
    places: Integers,
) -> None:  # pragma: no cover
    """Measure the pairs of a block, its first row and its size, that the products do not rule out.

    ``products`` is whole and each part a slice, so that the compiler counts many hits at once.
    """
    first, width = block
    for i in range(asked.shape[0]):
        row, line, best, which = asked[i], products[i], squares[i], places[i]
        limit = _limit(best[-1], own[i])
        for base in range(0, width, LANE):
            part = line[base : min(base + LANE, width)]
            hits = np.int32(0)
            for j in range(len(part)):
                hits += np.int32(part[j] <= limit)
            if hits == 0:
                continue
            for j in range(len(part)):
                if part[j] <= limit:
                    number = first + base + j
                    insert(measure(row, rows[number]), order[number], best, which)
                    limit = _limit(best[-1], own[i])


@njit(cache=True, nogil=True)
def _limit(best: float, own: float) -> Any:  # pragma: no cover
    """Give the product above which a pair cannot be nearer, rounded up."""
    bound = best * (1.0 + 1e-12) - own
    return np.float32(bound + abs(bound) * 2.0**-23 + 1e-37)


@njit(cache=True, nogil=True)
def measure(row: Floats, other: Floats) -> float:  # pragma: no cover
    """Give the squared distance of two rows, summed over the columns in order.

    Parameters
    ----------
    row, other
        Shape ``(d,)``.
    """
    square = 0.0
    for j in range(len(row)):
        difference = other[j] - row[j]
        square += difference * difference
    return square


@njit(cache=True, nogil=True)
def insert(square: float, number: int, best: Floats, which: Integers) -> None:  # pragma: no cover
    """Put a row into the rising list of the nearest where it belongs; of equally near ones the lower number.

    Parameters
    ----------
    square, number
        Squared distance and number of the row.
    best, which
        The list, shape ``(k,)``.
    """
    place = len(best) - 1
    if square > best[place] or (square == best[place] and number > which[place]):
        return
    while place > 0 and (
        best[place - 1] > square or (best[place - 1] == square and which[place - 1] > number)
    ):
        best[place], which[place] = best[place - 1], which[place - 1]
        place -= 1
    best[place], which[place] = square, number
