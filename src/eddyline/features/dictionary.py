"""The feature dictionary: each feature's name, unit, formula and the words that explain it.

What belongs here: one entry a feature. What does not: how it is computed (the family's file).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Scale = Literal["", "ln", "ln1p"]


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature.

    Parameters
    ----------
    name
        Unique within its view.
    unit
        Unit of a value; ``""`` for counts and shares.
    formula
        How it comes from the flows of a row.
    words
        What a value means, completing "… in 5 min", such as ``"hosts contacted"``.
    low_side
        True when an unusually small value is as telling as a large one.
    scale
        ``"ln"`` or ``"ln1p"`` when the value is that of what ``words`` say, ``""`` when it is that itself.
    plain_unit
        Unit of what ``words`` say, where there is a scale.
    """

    name: str
    unit: str
    formula: str
    words: str
    low_side: bool = False
    scale: Scale = ""
    plain_unit: str = ""

    def plain(self, value: float) -> float:
        """Give what a value stands for, off its scale.

        Parameters
        ----------
        value
            As the feature has it.
        """
        if self.scale == "":
            return value
        return math.expm1(value) if self.scale == "ln1p" else math.exp(value)
