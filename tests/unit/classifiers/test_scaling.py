"""Columns made fit for a net: flags stay, others get mean 0 and variance 1, ranks keep order."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.classifiers.deep.scaling import Scaling, learn_scaling, scaled, sound_scaling
from eddyline.errors import UsageError

WORDS = get_args(Scaling)


def columns() -> np.ndarray:
    """A flag, a normal column, one with a long tail, one that is constant."""
    rng = np.random.default_rng(0)
    normal = rng.normal(5, 3, 4_000)
    return np.column_stack(
        [rng.integers(0, 2, 4_000), normal, np.exp(2 * normal).round(), np.full(4_000, 7.0)]
    )


@pytest.mark.parametrize("word", WORDS)
def test_flags_stay_and_other_columns_are_standardised(word: Scaling) -> None:
    """0 and 1 keep their values; a normal column has mean 0 and variance 1."""
    X = columns()
    given_rows = scaled(X, learn_scaling(X, word), word)

    assert np.array_equal(given_rows[:, 0], X[:, 0])
    assert given_rows[:, 1].mean() == pytest.approx(0, abs=0.05)
    assert given_rows[:, 1].std() == pytest.approx(1, abs=0.15)
    assert np.isfinite(given_rows).all()
    assert np.ptp(given_rows[:, 3]) == 0


@pytest.mark.parametrize("word", WORDS)
def test_order_is_kept(word: Scaling) -> None:
    """A larger value never becomes a smaller one, also beyond what training saw."""
    X = columns()
    learned = learn_scaling(X, word)
    ladder = np.repeat(np.sort(np.concatenate([X[:, 2], [-1e6, 1e30]]))[:, None], 4, axis=1)

    assert (np.diff(scaled(ladder, learned, word)[:, 2]) >= 0).all()


@pytest.mark.parametrize("word", WORDS)
@given(place=st.integers(0, 3_999))
def test_a_row_ignores_the_rows_beside_it(word: Scaling, place: int) -> None:
    """One row alone is changed as among all."""
    X = columns()
    learned = learn_scaling(X, word)

    alone = scaled(X[place : place + 1], learned, word)
    assert np.array_equal(alone[0], scaled(X, learned, word)[place])


@pytest.mark.parametrize("word", WORDS)
def test_damaged_numbers_are_seen(word: Scaling) -> None:
    """What was learned is sound; turned round, cut or endless it is not."""
    learned = learn_scaling(columns(), word)

    assert sound_scaling(learned, word, 4)
    assert not sound_scaling(learned, word, 5)
    assert not sound_scaling(-learned, word, 4)
    assert not sound_scaling(np.where(learned == learned.max(), np.inf, learned), word, 4)


def test_an_unknown_word_is_refused() -> None:
    """The error names the three words."""
    with pytest.raises(UsageError, match="standard, log, quantile"):
        learn_scaling(columns(), "cubic")  # type: ignore[arg-type]
