"""Rows set aside and the score that is watched on them."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.classifiers.deep.stopping import criterion_value, rows_aside
from eddyline.errors import UsageError
from eddyline.evaluate.scores import LUFLOW_COST, NAD_COST, challenge_score


@given(
    seed=st.integers(0, 1_000),
    luflow=st.booleans(),
)
def test_the_criterion_is_that_of_the_challenge(seed: int, luflow: bool) -> None:
    """The watched value equals the published criterion on any confusion matrix."""
    cost = np.array(LUFLOW_COST if luflow else NAD_COST, dtype=np.float64)
    counts = np.random.default_rng(seed).integers(0, 40, cost.shape)
    counts[0, 0] += 2

    published = challenge_score(counts, cost)
    assert criterion_value(counts, "challenge", cost) == pytest.approx(published.value)
    assert criterion_value(counts, "f2") == pytest.approx(published.macro_f)


def test_rows_alone_are_set_aside_by_class() -> None:
    """A quarter of each class goes aside, one of two rows too, but never a class's only row."""
    codes = np.repeat([0, 1, 2, 3], [400, 40, 2, 1])
    aside = rows_aside(codes, None, 0.25, np.random.default_rng(0))

    assert np.bincount(codes[aside], minlength=4).tolist() == [100, 10, 1, 0]


@settings(max_examples=25)
@given(seed=st.integers(0, 1_000), n_groups=st.integers(2, 40))
def test_groups_are_never_divided(seed: int, n_groups: int) -> None:
    """A group lies on one side, and every class stays in training."""
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(n_groups), rng.integers(0, n_groups, 400)])
    codes = rng.integers(0, 3, len(groups))
    aside = rows_aside(codes, groups, 0.25, rng)

    sides = np.bincount(groups, weights=aside) / np.bincount(groups)
    assert set(sides.tolist()) <= {0.0, 1.0}
    assert set(codes[~aside].tolist()) == set(codes.tolist())


def test_many_groups_come_near_the_share_wished() -> None:
    """With many groups, each class's share aside is near a quarter."""
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 300, 9_000)
    codes = (groups + rng.integers(0, 2, 9_000)) % 3
    aside = rows_aside(codes, groups, 0.25, rng)

    shares = np.bincount(codes[aside]) / np.bincount(codes)
    assert shares == pytest.approx(np.full(3, 0.25), abs=0.05)


def test_one_group_or_no_share_sets_nothing_aside() -> None:
    """There is nothing to judge by, and training says so by having no judgements."""
    codes, rng = np.array([0, 1] * 10), np.random.default_rng(0)

    assert not rows_aside(codes, np.zeros(20, dtype=np.int64), 0.25, rng).any()
    assert not rows_aside(codes, None, 0.0, rng).any()
    with pytest.raises(UsageError, match="in \\[0, 1\\)"):
        rows_aside(codes, None, 1.0, rng)
