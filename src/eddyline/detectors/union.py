"""Several detectors joined by how unlikely each finds a row among the training rows: the cheap ensemble.

What belongs here: calibrating the parts and joining their tails into one score. What does not: the parts
themselves, and p-values that a user sees (``verdicts`` calibrates the joint score anew).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.detectors.detector import Arrays, MatrixDetector, refuse_model
from eddyline.detectors.pareto import ParetoTail
from eddyline.detectors.registry import matrix_detector
from eddyline.detectors.scaling import draw_rows
from eddyline.errors import ModelError, UsageError
from eddyline.tables import Floats

TAIL_LEVEL: Final = 0.98
"""Quantile of the training scores from which the Pareto tail takes over."""

LEAST_PEAKS: Final = 20
"""Training scores beyond the level below which an exponential of their mean stands for the tail."""

GRID: Final = 512
"""Quantiles that hold the distribution of the training scores below the tail."""

CALIBRATION_ROWS: Final = 5_000
"""Training rows, drawn at random, that calibrate the parts."""


class Union(MatrixDetector):
    """Score rows by the joint unlikeliness of several scores among the training rows.

    Rows of shape ``(n, d)`` in, the parts' p joined to one score out: by default the sum of ``-ln p``, half
    of Fisher's statistic, which one part alone can raise; or ``-ln`` of the mean p, in the order of
    Edgington's sum of p, which asks that the parts agree. Each part's p comes from its scores of training
    rows, beyond their 98 % quantile from a Pareto tail, so that no ranks among the rows that are scored
    enter. The parts fail in different places.

    Parameters
    ----------
    parts
        Names of registered matrix detectors, comma between them; they take their default arguments.
    join
        ``"sum"`` or ``"mean"``.
    seed
        Start of the randomness, the parts' included.

    References
    ----------
    Fisher, "Statistical methods for research workers", 4th edition 1932, for the sum. Edgington, "An
    additive method for combining probability values from independent experiments", 1972, for the mean.
    The p-values are neither independent nor held out, so what joins them is a score and no probability.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).lognormal(size=(500, 3))
    >>> model = Union(seed=1).fit(crowd)
    >>> bool(model.anomaly_score([[1e6, 1e6, 1e6]])[0] > model.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = ("grid_", "tail_")

    grid_: Floats
    tail_: Floats

    def __init__(
        self,
        *,
        parts: str = "isolation_forest,tails,neighbours",
        join: str = "sum",
        seed: int = 0,
    ) -> None:
        self.parts = parts
        self.join = join
        self.seed = seed

    def components(self, X: ArrayLike) -> dict[str, Floats]:
        """Give ``-ln p`` of each part, to be told beside the score; ``joined`` makes the score of them.

        Parameters
        ----------
        X
            Rows, shape ``(n, d)``, finite.
        """
        return self._told(self._checked(X, reset=False))

    def joined(self, parts: Mapping[str, Floats]) -> Floats:
        """Give the score of rows from ``-ln p`` of each part.

        Parameters
        ----------
        parts
            As ``components`` gives them, each of shape ``(n,)``.

        Raises
        ------
        UsageError
            When there is no such way to join.
        """
        if self.join not in _JOINS:
            message = f"join must be one of {', '.join(_JOINS)}, got {self.join!r}; sum is usual"
            raise UsageError(message)
        return _JOINS[self.join](list(parts.values()))

    def to_arrays(self) -> Arrays:
        """Give the fitted state, that of each part under its name."""
        arrays = super().to_arrays()
        for name, model in self._models.items():
            arrays |= {f"{name}.{key}": value for key, value in model.to_arrays().items()}
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], params: Mapping[str, Any]) -> Self:
        """Build a fitted union from what ``to_arrays`` and ``get_params`` gave.

        Parameters
        ----------
        arrays
            The state; checked before use.
        params
            Arguments of the constructor.

        Raises
        ------
        ModelError
            When an array is missing or could not have been fitted.
        """
        union = super().from_arrays(arrays, params)
        union._models = {name: _part(name, arrays, union.seed) for name in union._named()}
        return union

    def _fit(self, X: Floats) -> None:
        self.joined({name: np.zeros(0) for name in self._named()})  # refuses a way that is none
        rows = draw_rows(X, self.seed)
        self._models = {
            name: matrix_detector(name)(seed=self.seed).fit(rows) for name in self._named()
        }
        drawn = rows
        if len(rows) > CALIBRATION_ROWS:
            rng = np.random.default_rng(self.seed)
            chosen = np.sort(rng.choice(len(rows), CALIBRATION_ROWS, replace=False))
            drawn = np.ascontiguousarray(rows[chosen])
        curves = [_curve(model.anomaly_score(drawn)) for model in self._models.values()]
        self.grid_ = np.stack([grid for grid, _ in curves])
        self.tail_ = np.array([tail for _, tail in curves])

    def _score(self, X: Floats) -> Floats:
        return self.joined(self._told(X))

    def _told(self, X: Floats) -> dict[str, Floats]:
        return {
            name: _unlikely(model.anomaly_score(X), self.grid_[place], self.tail_[place])
            for place, (name, model) in enumerate(self._models.items())
        }

    def _named(self) -> tuple[str, ...]:
        names = tuple(part.strip() for part in str(self.parts).split(","))
        if len(set(names)) != len(names) or "union" in names:
            message = (
                f"parts must be registered detectors, each once and none a union, got "
                f"{self.parts!r}; leave it out for forest, tails and neighbours"
            )
            raise UsageError(message)
        return names

    def _restore(self) -> None:
        shapes = (len(self._named()), GRID), (len(self._named()), 2)
        if (self.grid_.shape, self.tail_.shape) != shapes:
            raise refuse_model(
                self, f"has curves of shape {shapes}", (self.grid_.shape, self.tail_.shape)
            )
        if not (self.tail_[:, 1] > 0).all() or not (np.diff(self.grid_, axis=1) >= 0).all():
            raise refuse_model(self, "has rising curves and positive scales", "others")


def _sum(each: Sequence[Floats]) -> Floats:
    """Add up ``-ln p`` of the parts."""
    total = np.zeros(len(each[0]))
    for unlikely in each:
        total += unlikely
    return total


def _mean(each: Sequence[Floats]) -> Floats:
    """Give ``-ln`` of the mean p, from ``-ln p`` of the parts: no p is too small to tell rows apart."""
    least = np.minimum.reduce(each)
    total = np.zeros(len(least))
    for unlikely in each:
        total += np.exp(least - unlikely)
    return np.asarray(least - np.log(total / len(each)))


_JOINS: Final[dict[str, Callable[[Sequence[Floats]], Floats]]] = {"sum": _sum, "mean": _mean}
"""Ways to join the parts, by name."""


def _part(name: str, arrays: Mapping[str, NDArray[Any]], seed: int) -> MatrixDetector:
    """Rebuild one part, naming what it lacks as the union's file names it."""
    cls, prefix = matrix_detector(name), f"{name}."
    for key in (*cls._arrays, "offset_", "n_features_in_"):
        found = np.asarray(arrays.get(prefix + key, np.array(None)))
        if found.dtype.kind not in "biufU":
            message = (
                f"a saved union must hold {prefix + key!r} as numbers or text, got {found.dtype}; "
                f"learn it again"
            )
            raise ModelError(message)
    held = {key.removeprefix(prefix): v for key, v in arrays.items() if key.startswith(prefix)}
    return cls.from_arrays(held, {"seed": seed})


def _curve(scores: Floats) -> tuple[Floats, tuple[float, float]]:
    """Give the quantiles of scores up to the level, and shape and scale of the tail beyond."""
    grid = np.quantile(scores, np.linspace(0.0, TAIL_LEVEL, GRID))
    peaks = scores[scores > grid[-1]] - grid[-1]
    peaks = peaks[peaks > 0]
    if len(peaks) < LEAST_PEAKS:
        spread = float(peaks.mean()) if len(peaks) else float(np.ptp(scores))
        return grid, (0.0, max(spread, 1e-9))
    tail = ParetoTail.fit(peaks, min_peaks=LEAST_PEAKS)
    return grid, (tail.shape, tail.scale)


def _unlikely(scores: Floats, grid: Floats, tail: Floats) -> Floats:
    """Give ``-ln p`` of scores, by the grid below the level and the tail above it."""
    levels = np.linspace(0.0, TAIL_LEVEL, GRID)
    below = -np.log1p(-np.interp(scores, grid, levels))
    beyond = ParetoTail(float(tail[0]), float(tail[1]), 0.0, 0, 0.0, 1.0)
    unlikely: Floats = below - beyond.log_survival(np.maximum(scores - grid[-1], 0.0))
    return unlikely
