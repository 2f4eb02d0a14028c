"""The parts that classical methods are compared on: rows to fit, to validate and to test.

What belongs here: their shape, taking rows of them, and which training rows validate. What does not: any data
set (``classical_nsl.py``, ``classical_flows.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.evaluate.splits import group_split
from eddyline.tables import Floats, Integers

VALIDATION: Final = 0.2
"""Share of the training rows, in whole groups, that gives thresholds and is never fitted."""

NORMAL: Final = "normal"
"""The class that is no attack."""


@dataclass(frozen=True, slots=True)
class Part:
    """Rows with their truth.

    Parameters
    ----------
    X
        Features, shape ``(n, d)``.
    attack
        Truth, shape ``(n,)``.
    kind
        Class that classifiers learn, ``normal`` among them, shape ``(n,)``.
    name
        Name of the attack, for recall by attack, shape ``(n,)``.
    groups
        What belongs together, shape ``(n,)``.
    trivial
        Scores that need no learning, by name of the baseline.
    sessions
        The same rows with the flows before them in their session, for methods that read steps, shape
        ``(n, e)``; None where rows have no session.
    """

    X: Floats
    attack: NDArray[np.bool_]
    kind: NDArray[np.str_]
    name: NDArray[np.str_]
    groups: Integers
    trivial: Mapping[str, Floats]
    sessions: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.X)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One drawing of a task.

    Parameters
    ----------
    fit, validation, test
        Its parts.
    names
        Names of the columns.
    days
        Days that the test part spans; None where rows have no time.
    """

    fit: Part
    validation: Part
    test: Part
    names: tuple[str, ...]
    days: float | None


def joined(parts: Sequence[Part | None]) -> Part:
    """Put parts end to end.

    Parameters
    ----------
    parts
        In order; None for nothing.
    """
    found = [part for part in parts if part is not None]
    steps = [part.sessions for part in found if part.sessions is not None]
    return Part(
        np.concatenate([part.X for part in found]),
        np.concatenate([part.attack for part in found]),
        np.concatenate([part.kind for part in found]),
        np.concatenate([part.name for part in found]),
        np.concatenate([part.groups for part in found]),
        {key: np.concatenate([part.trivial[key] for part in found]) for key in found[0].trivial},
        np.concatenate(steps) if len(steps) == len(found) else None,
    )


def rows_of(part: Part, rows: Integers) -> Part:
    """Give some rows of a part.

    Parameters
    ----------
    part
        The part.
    rows
        Row numbers.
    """
    return Part(
        part.X[rows],
        part.attack[rows],
        part.kind[rows],
        part.name[rows],
        part.groups[rows],
        {key: score[rows] for key, score in part.trivial.items()},
        None if part.sessions is None else part.sessions[rows],
    )


def validation(groups: Integers, kinds: Any, seed: int) -> tuple[Integers, Integers]:
    """Give the numbers of the training rows that are fitted and of those that validate.

    Parameters
    ----------
    groups
        What stays together.
    kinds
        Class of each row.
    seed
        Draws the groups.
    """
    split = group_split(groups, kinds, share=VALIDATION, seed=seed, most_draws=200)
    return split.train, split.validation
