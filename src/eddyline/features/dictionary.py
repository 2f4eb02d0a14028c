"""The feature dictionary: each feature's name, unit, formula and the words that explain it.

What belongs here: one entry a feature. What does not: how it is computed (the family's file).
"""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    name: str
    unit: str
    formula: str
    words: str
    low_side: bool = False
