"""Which columns move together: correlations summed row by row, and groups of columns.

What belongs here: the sums and the grouping. What does not: what is made of the groups (``kitnet.py``).
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from eddyline.tables import Floats

Sizes = NDArray[np.int64]


def column_groups(sums: Floats, products: Floats, largest: int) -> list[Sizes]:
    """Group columns that move together, at most ``largest`` in a group.

    Single linkage over the distance ``1 - correlation``; a branch with too many columns is divided where it
    was joined last.

    Parameters
    ----------
    sums
        Second row: sums of squared residuals, shape ``(2, d)``.
    products
        Sums of products of residuals, shape ``(d, d)``.
    largest
        Columns of a group, >= 1.
    """
    from scipy.cluster.hierarchy import linkage, to_tree  # comes with scikit-learn; slow to import

    width = len(products)
    if width == 1:
        return [np.arange(1)]
    spread = np.sqrt(sums[1])
    scale = np.outer(spread, spread)
    scale[scale == 0] = 1e-100  # a constant column lies at distance 1 from all others
    with np.errstate(invalid="ignore", over="ignore"):  # sums of numbers beyond 1e150 overflow
        distance = np.maximum(1.0 - products / scale, 0.0)
    distance[~np.isfinite(distance)] = 1.0
    waiting = [to_tree(linkage(distance[np.triu_indices(width, 1)], "single"))]
    groups = []
    while waiting:
        branch = waiting.pop()
        if branch.count <= largest:
            groups.append(np.array(branch.pre_order(), np.int64))
        else:
            waiting += [branch.get_right(), branch.get_left()]
    return groups


@njit(cache=True, nogil=True)
def correlate(rows: Floats, seen: int, sums: Floats, products: Floats) -> None:  # pragma: no cover
    """Add rows to the sums that correlations are made of.

    Residuals are taken from the mean so far, the row itself included.

    Parameters
    ----------
    rows
        Shape ``(n, d)``.
    seen
        Rows added before.
    sums
        Of columns, and of squared residuals; shape ``(2, d)``.
    products
        Of two residuals, shape ``(d, d)``.
    """
    width = rows.shape[1]
    residual = np.empty(width)
    for i in range(rows.shape[0]):
        seen += 1
        for j in range(width):
            sums[0, j] += rows[i, j]
            residual[j] = rows[i, j] - sums[0, j] / seen
            sums[1, j] += residual[j] * residual[j]
        for j in range(width):
            for k in range(width):
                products[j, k] += residual[j] * residual[k]
