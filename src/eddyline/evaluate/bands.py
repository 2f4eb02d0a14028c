"""What several seeds say together: a mean with its band, alone or of paired differences.

What belongs here: bands by Student's t over one value a seed. What does not: intervals over groups of rows
(``intervals.py``), and the values (``scores.py``, ``metrics.py``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from eddyline.errors import DataError, TooFewRowsError, UsageError


@dataclass(frozen=True, slots=True)
class Band:
    """A mean over seeds and how far it may be from the truth.

    Parameters
    ----------
    mean
        Mean of the values.
    sd
        Sample standard deviation (n − 1).
    half_width
        Half of the band's width.
    n
        Values.
    level
        Part of the bands, over many repetitions, that hold the true mean.
    """

    mean: float
    sd: float
    half_width: float
    n: int
    level: float

    @property
    def low(self) -> float:
        """Lower end."""
        return self.mean - self.half_width

    @property
    def high(self) -> float:
        """Upper end."""
        return self.mean + self.half_width

    @property
    def excludes_zero(self) -> bool:
        """True when zero lies outside; only then may a difference be claimed."""
        return self.low > 0 or self.high < 0


def band(values: ArrayLike, *, level: float = 0.8) -> Band:
    """Give the mean of one value a seed, with its band: mean ± t s / √n.

    Parameters
    ----------
    values
        One a seed, finite, at least two.
    level
        Of the band, in ``(0, 1)``.

    Raises
    ------
    DataError
        When there are fewer than two values, or one is not finite.
    UsageError
        When the level is out of its range.

    Examples
    --------
    >>> found = band([0.60, 0.63, 0.69])
    >>> round(found.mean, 4), round(found.half_width, 7)
    (0.64, 0.0498888)
    """
    if not 0 < level < 1:
        message = f"level must be in (0, 1), got {level}; 0.8 gives the 80 % band"
        raise UsageError(message)
    seen = np.asarray(values, dtype=np.float64)
    if seen.ndim != 1 or len(seen) < 2 or not np.isfinite(seen).all():
        message = (
            f"a band must have two or more finite values, got {seen.tolist()}; run more seeds"
        )
        raise TooFewRowsError(message)
    sd = float(seen.std(ddof=1))
    quantile = float(stdtrit(len(seen) - 1, 0.5 + level / 2))
    return Band(float(seen.mean()), sd, quantile * sd / math.sqrt(len(seen)), len(seen), level)


def paired_band(first: ArrayLike, second: ArrayLike, *, level: float = 0.8) -> Band:
    """Give the band of ``first − second``, paired by seed, for questions of on and off.

    Parameters
    ----------
    first, second
        Values of the same seeds in the same order, at least two.
    level
        Of the band, in ``(0, 1)``.

    Raises
    ------
    DataError
        When the two have different lengths.
    """
    one, other = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if one.shape != other.shape:
        message = (
            f"paired values must be of the same seeds, got {one.shape} and {other.shape}; "
            "run both with each seed"
        )
        raise DataError(message)
    return band(one - other, level=level)
