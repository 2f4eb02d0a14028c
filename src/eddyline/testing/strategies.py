"""Hypothesis strategies for what crosses the borders, for our tests and for plug-in authors.

What belongs here: generators of valid inputs. What does not: the checks that use them. Needs hypothesis,
which the base install does not bring.
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from eddyline.tables import Floats, TokenGroups
from eddyline.testing.check_sequence_detector import groups_of


@st.composite
def matrices(
    draw: st.DrawFn,
    *,
    min_rows: int = 2,
    max_rows: int = 60,
    min_columns: int = 1,
    max_columns: int = 6,
) -> Floats:
    """Draw matrices as traffic makes them: repeats, constant columns, counts, heavy tails, zeros, negatives.

    Parameters
    ----------
    draw
        Given by hypothesis.
    min_rows, max_rows, min_columns, max_columns
        Bounds of the shape, both included.
    """
    n, d = draw(st.integers(min_rows, max_rows)), draw(st.integers(min_columns, max_columns))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    columns = [_column(draw(st.sampled_from(COLUMN_KINDS)), n, rng) for _ in range(d)]
    X = np.stack(columns, axis=1)
    if draw(st.booleans()):
        X[rng.random(n) < 0.4] = X[0]
    if draw(st.booleans()):
        X[int(rng.integers(n)), int(rng.integers(d))] = draw(
            st.floats(-1e15, 1e15, allow_nan=False, allow_infinity=False)
        )
    return np.ascontiguousarray(X)


COLUMN_KINDS = ("normal", "counts", "heavy", "constant", "zeros", "share")


def _column(kind: str, n: int, rng: np.random.Generator) -> Floats:
    match kind:
        case "normal":
            return rng.normal(0.0, 3.0, n)
        case "counts":
            return rng.poisson(4.0, n).astype(np.float64)
        case "heavy":
            return np.exp(rng.normal(3.0, 3.0, n))
        case "constant":
            return np.full(n, float(rng.integers(-5, 6)))
        case "zeros":
            return np.where(rng.random(n) < 0.95, 0.0, rng.exponential(10.0, n))
        case _:
            return rng.random(n)


@st.composite
def token_groups(draw: st.DrawFn, *, max_groups: int = 12, max_length: int = 15) -> TokenGroups:
    """Draw groups of tokens, none empty; texts include any character but NUL, which numpy strips.

    Parameters
    ----------
    draw
        Given by hypothesis.
    max_groups, max_length
        Bounds, both included.
    """
    text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    alphabet = draw(st.lists(text, min_size=1, max_size=6, unique=True))
    group = st.lists(st.sampled_from(alphabet), min_size=1, max_size=max_length)
    return groups_of(draw(st.lists(group, min_size=1, max_size=max_groups)))
