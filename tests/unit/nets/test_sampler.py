"""Draws of rows by class, and probabilities put back afterwards."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import DataError, UsageError
from eddyline.nets.determinism import numpy_generator
from eddyline.nets.sampler import ClassSampler, sampled_shares, undo_sampling

COUNTS = np.array([8_920_477.0, 2_345, 240_524, 829, 77_289])
"""Normal, smurf, IP, Nmap, Port of the challenge's training days."""


def test_shares_have_their_golden_values() -> None:
    """Power 0.5 on the challenge's counts; 0 leaves the shares, 1 makes them equal."""
    golden = [0.7793382, 0.0126358, 0.1279709, 0.0075129, 0.0725422]

    assert sampled_shares(COUNTS, 0.5) == pytest.approx(golden, abs=1e-7)
    assert sampled_shares(COUNTS, 0.0) == pytest.approx(COUNTS / COUNTS.sum())
    assert sampled_shares(COUNTS, 1.0) == pytest.approx(np.full(5, 0.2))


def test_the_undo_has_its_golden_values() -> None:
    """Probabilities of a drawn mix, put back to the training mix."""
    given_row = np.array([[0.5, 0.2, 0.15, 0.1, 0.05]])
    golden = [0.9372221, 0.0060783, 0.0461688, 0.0018070, 0.0087238]

    back = undo_sampling(given_row, COUNTS / COUNTS.sum(), sampled_shares(COUNTS, 0.5))
    assert back[0] == pytest.approx(golden, abs=1e-7)


@given(power=st.sampled_from([0.0, 0.5, 1.0]), seed=st.integers(0, 50))
def test_classes_are_drawn_by_their_shares_and_rows_evenly(power: float, seed: int) -> None:
    """Draws follow the sampled shares, and only rows that exist."""
    codes = np.repeat([0, 1, 2], [900, 90, 10])
    sampler = ClassSampler(codes, power, numpy_generator(seed, "batches"))
    drawn = sampler.draw(20_000)

    shares = np.bincount(codes[drawn], minlength=3) / len(drawn)
    assert shares == pytest.approx(sampler.sampled, abs=0.02)
    assert set(drawn[codes[drawn] == 2]) == set(range(990, 1_000))


def test_weights_decide_within_a_class() -> None:
    """A row of weight 3 is drawn three times as often as one of 1, one of weight 0 never."""
    codes = np.array([1, 0, 0, 1, 0])
    weights = np.array([1.0, 1.0, 3.0, 2.0, 0.0])
    drawn = ClassSampler(codes, 1.0, numpy_generator(0, "batches"), weights).draw(60_000)

    shares = np.bincount(drawn, minlength=5) / len(drawn)
    assert shares == pytest.approx([1 / 6, 1 / 8, 3 / 8, 1 / 3, 0], abs=0.01)


def test_a_class_without_rows_has_no_share() -> None:
    """A code that no row has is never drawn and needs no undoing."""
    sampler = ClassSampler(np.array([0, 0, 2]), 0.5, numpy_generator(0, "batches"))

    assert sampler.sampled[1] == 0
    assert 1 not in np.array([0, 0, 2])[sampler.draw(100)]


def test_impossible_arguments_are_refused() -> None:
    """A power out of range and rows without weight say so."""
    with pytest.raises(UsageError, match="power must be in"):
        sampled_shares(COUNTS, 1.5)
    with pytest.raises(DataError, match="sum is 0"):
        ClassSampler(np.array([0, 1]), 0.5, numpy_generator(0, "b"), np.zeros(2))
