"""What crosses the borders between rooms: feature tables and token groups; plain arrays.

What belongs here: shapes and promises that any matrix or token sequence has. What does not: anything
that knows of addresses, ports or packets.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DataError

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Rows of numbers with their names and what each row stands for.

    Parameters
    ----------
    X
        Shape ``(n, d)``, float64, finite.
    names
        One name a column, length d.
    rows
        Arrays of length n that say what each row stands for, such as ``entity``, ``start``, ``end``.

    Raises
    ------
    DataError
        When shapes disagree or a value is not finite.
    """

    X: Floats
    names: tuple[str, ...]
    rows: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.X.ndim != 2 or self.X.shape[1] != len(self.names):
            message = (
                f"X must have a column for each of the {len(self.names)} names, got shape "
                f"{self.X.shape}; build both from the same feature family"
            )
            raise DataError(message)
        if not np.isfinite(self.X).all():
            bad = self.names[int(np.nonzero(~np.isfinite(self.X))[1][0])]
            message = f"features must be finite, {bad!r} is not; a missing value needs a number of its own"
            raise DataError(message)
        for name, values in self.rows.items():
            if len(values) != len(self.X):
                message = f"rows[{name!r}] must have length {len(self.X)}, got {len(values)}"
                raise DataError(message)

    def __len__(self) -> int:
        return len(self.X)


@dataclass(frozen=True, slots=True)
class TokenGroups:
    """Sequences of tokens, one group a row, such as the flows of a pair of hosts in an hour.

    Parameters
    ----------
    offsets
        Shape ``(n + 1,)``; group i owns ``tokens[offsets[i]:offsets[i + 1]]``.
    tokens
        Token texts in event order, all groups end to end.
    rows
        Arrays of length n that say what each group stands for.
    members
        The flow behind each token: as long as ``tokens``.
    """

    offsets: Integers
    tokens: NDArray[np.str_]
    rows: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    members: Integers | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1
