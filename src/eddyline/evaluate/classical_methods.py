"""The methods of ``bench classical``: every detector of rows, every classifier, every trivial baseline.

What belongs here: which there are, their caps, and how a trivial baseline scores. What does not: rows
(``classical_tasks.py``), running and measuring (``classical_cell.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Literal

import numpy as np

from eddyline.classifiers.registry import CLASSIFIERS
from eddyline.detectors.registry import CLASSICAL, DENSITY, MATRIX
from eddyline.errors import UsageError
from eddyline.evaluate.classical_parts import Drawn, Part
from eddyline.evaluate.curve import Curve
from eddyline.tables import Floats

Kind = Literal["detector", "classifier", "baseline"]

CAPS: Final[Mapping[str, int]] = {
    "dbscan": 20_000,
    "hdbscan": 20_000,
    "one_class_svm": 20_000,
    "lof": 50_000,
}
"""Most rows that a method is fitted on, by the protocol; the others take every row there is."""

SINGLE: Final = 10_000
"""Training rows, drawn at random, on which the best single column is chosen."""


@dataclass(frozen=True, slots=True)
class Trivial:
    """A baseline, fitted on a drawing.

    Parameters
    ----------
    words
        What it is, for people.
    fit
        Takes a drawing and a seed, gives a function that scores a part.
    """

    words: str
    fit: Callable[[Drawn, int], Callable[[Part], Floats] | None]


def _column(name: str) -> Callable[[Drawn, int], Callable[[Part], Floats] | None]:
    def fit(drawn: Drawn, seed: int) -> Callable[[Part], Floats] | None:  # noqa: ARG001
        if name not in drawn.test.trivial:
            return None
        return lambda part: np.asarray(part.trivial[name], np.float64)

    return fit


def _random(drawn: Drawn, seed: int) -> Callable[[Part], Floats]:  # noqa: ARG001 - learns nothing
    return lambda part: np.random.default_rng([seed, len(part)]).random(len(part))


def _majority(drawn: Drawn, seed: int) -> Callable[[Part], Floats]:  # noqa: ARG001 - learns nothing
    return lambda part: np.zeros(len(part))


def _best_column(drawn: Drawn, seed: int) -> Callable[[Part], Floats]:
    """Choose column and direction by average precision on training rows."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(drawn.fit), min(SINGLE, len(drawn.fit)), replace=False)
    attack = drawn.fit.attack[rows]
    best = (-1.0, 0, 1.0)
    for column in range(drawn.fit.X.shape[1]):
        values = drawn.fit.X[rows, column]
        for sign in (1.0, -1.0):
            area = Curve.of(attack, sign * values).average_precision or 0.0
            best = max(best, (area, column, sign))
    _, chosen, turn = best
    return lambda part: turn * part.X[:, chosen]


SERVICE: Final = (("service=", "protocol_type="), ("port", "ip_proto"))
"""Columns that say the service: one-hot ones by how they begin, or numbers by name."""


def _frequency(drawn: Drawn, seed: int) -> Callable[[Part], Floats]:  # noqa: ARG001 - nothing is drawn
    """Score rows by how rare their service was in training: the negative logarithm of its count."""
    names = drawn.names
    columns = [i for i, name in enumerate(names) if name.startswith(SERVICE[0])]
    columns = columns or [names.index(name) for name in SERVICE[1]]
    seen, counts = np.unique(drawn.fit.X[:, columns], axis=0, return_counts=True)
    known = {row.tobytes(): int(n) for row, n in zip(seen, counts, strict=True)}

    def score(part: Part) -> Floats:
        cells = np.ascontiguousarray(part.X[:, columns])
        return np.array([-np.log1p(known.get(row.tobytes(), 0)) for row in cells])

    return score


BASELINES: Final[Mapping[str, Trivial]] = {
    "random": Trivial("uniform scores", _random),
    "majority": Trivial("always normal", _majority),
    "bytes": Trivial("bytes of the row, both ways", _column("bytes")),
    "fan_out": Trivial("distinct destinations of the source in that minute", _column("fan_out")),
    "hosts_per_minute": Trivial(
        "the source contacts 100 hosts or more in that minute", _column("hosts_per_minute")
    ),
    "best_column": Trivial("the single best column, chosen on training rows", _best_column),
    "frequency": Trivial("how rare the row's service was in training", _frequency),
}
"""The trivial baselines; all but ``best_column`` need no label."""


@dataclass(frozen=True, slots=True)
class ClassicalMethod:
    """One line of the tables.

    Parameters
    ----------
    name
        As ``--detectors`` takes it, and ``train --method`` for classifiers.
    kind
        ``detector``, ``classifier`` or ``baseline``.
    cap
        Most rows it is fitted on; 0 for all.
    """

    name: str
    kind: Kind
    cap: int = 0

    @property
    def key(self) -> str:
        """Name among all methods: ``knn`` is a detector and a classifier."""
        return f"{self.kind}/{self.name}"

    @property
    def path(self) -> str:
        """Where its class lives, ``module:class``; empty for a baseline."""
        known = CLASSIFIERS if self.kind == "classifier" else MATRIX | CLASSICAL | DENSITY
        return "" if self.kind == "baseline" else known[self.name]

    def build(self, seed: int) -> Any:
        """Make it, unfitted, with its default arguments.

        Parameters
        ----------
        seed
            Start of its randomness.
        """
        from eddyline.classifiers.registry import classifier_class
        from eddyline.detectors.registry import matrix_detector

        made = classifier_class if self.kind == "classifier" else matrix_detector
        return made(self.name)(seed=seed)


TRIVIAL_DETECTORS: Final = ("random", "single_column")
"""Registered detectors that are baselines here under their own names."""


@lru_cache(maxsize=1)
def methods() -> tuple[ClassicalMethod, ...]:
    """Give every method: baselines, detectors, classifiers."""
    rows = [name for name in (*MATRIX, *CLASSICAL, *DENSITY) if name not in TRIVIAL_DETECTORS]
    return (
        *(ClassicalMethod(name, "baseline") for name in BASELINES),
        *(ClassicalMethod(name, "detector", CAPS.get(name, 0)) for name in rows),
        *(ClassicalMethod(name, "classifier") for name in CLASSIFIERS),
    )


def methods_named(names: Sequence[str]) -> tuple[ClassicalMethod, ...]:
    """Give methods by name, the baselines always among them; a name of two kinds gives both.

    Parameters
    ----------
    names
        Names of detectors and classifiers, or ``all``.

    Raises
    ------
    UsageError
        When there is no such method.
    """
    known = methods()
    if "all" in names:
        return known
    for name in names:
        if name not in {method.name for method in known}:
            message = (
                f"a method must be one of {', '.join(m.name for m in known)}, got {name!r}; check "
                f"the spelling"
            )
            raise UsageError(message)
    return tuple(m for m in known if m.kind == "baseline" or m.name in names)
