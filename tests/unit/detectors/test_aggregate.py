"""Groups get the scores that are written down, and long ones are not strange for their length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import kstest, spearmanr

from eddyline.detectors.aggregate import (
    AGGREGATIONS,
    LengthCalibration,
    aggregate,
    binned,
    distinct_windows,
    from_parts,
    length_bin,
    most_surprising,
    parts,
)
from eddyline.errors import TooFewRowsError, UsageError


def lengths_and_offsets(n_groups: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.exp2(np.random.default_rng(seed).uniform(0, 9, n_groups)).astype(np.int64)
    return lengths, np.concatenate([[0], np.cumsum(lengths)])


def test_the_simple_scores_are_what_they_are_called() -> None:
    surprises = np.array([4.0, 1.0, 2.0, 8.0, 3.0, 7.0])
    offsets = np.array([0, 1, 6])
    got = {how: aggregate(surprises, offsets, how).tolist() for how in AGGREGATIONS[:-1]}

    assert got["max"] == [4.0, 8.0]
    assert got["mean"] == [4.0, pytest.approx(4.2)]
    assert got["q90"] == [4.0, pytest.approx(np.quantile(surprises[1:], 0.9))]
    assert got["top3_mean"] == [4.0, pytest.approx(6.0)]
    assert got["sum"] == [4.0, 21.0]
    assert most_surprising(surprises, offsets).tolist() == [0, 3]


@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=30), min_size=1, max_size=5))
def test_distinct_windows_are_counted(groups: list[list[int]]) -> None:
    offsets = np.concatenate([[0], np.cumsum([len(group) for group in groups])])
    expected = [
        len({tuple(group[max(0, i - 2) : i + 1]) for i in range(len(group))}) for group in groups
    ]

    assert distinct_windows(np.concatenate(groups), offsets, 2).tolist() == expected


def test_calibrated_scores_of_ordinary_groups_are_uniform() -> None:
    """The p-value of independent tokens is uniform whatever the length; the maximum grows with it."""
    rng = np.random.default_rng(1)
    reference = LengthCalibration.fit(rng.random(200_000))
    lengths, offsets = lengths_and_offsets(2000)
    surprises = rng.random(offsets[-1])
    largest = aggregate(surprises, offsets, "max")
    p_values = 10.0 ** -reference.score(largest, lengths.astype(np.float64))

    assert kstest(p_values, "uniform").pvalue > 0.01
    assert spearmanr(largest, lengths).statistic > 0.5
    assert abs(spearmanr(p_values, lengths).statistic) < 0.1


def test_binned_scores_of_ordinary_groups_are_uniform_where_peers_are_many() -> None:
    rng = np.random.default_rng(2)
    lengths, offsets = lengths_and_offsets(6000)
    largest = aggregate(rng.random(offsets[-1]), offsets, "max")
    half = 3000
    scores = binned(largest[:half], lengths[:half], largest[half:], lengths[half:])
    rare = binned(largest[:1], np.array([2**20]), largest[half:], lengths[half:])

    assert kstest(10.0 ** -scores[~np.isnan(scores)], "uniform").pvalue > 0.01
    assert np.isnan(rare).all()


@pytest.mark.parametrize("tail", [True, False])
def test_survival_falls_without_end(tail: bool) -> None:
    rng = np.random.default_rng(3)
    reference = LengthCalibration.fit(rng.exponential(2.0, 20_000), tail=tail)
    asked = np.linspace(0.0, 200.0, 4001)
    logs = reference.log_survival(asked)

    assert np.isfinite(logs).all()
    assert (np.diff(logs) <= 1e-9).all()
    assert logs[0] == pytest.approx(0.0, abs=1e-3)
    assert logs[200] == pytest.approx(-5.0, abs=0.3)


def test_a_calibration_survives_its_arrays() -> None:
    reference = LengthCalibration.fit(np.random.default_rng(4).exponential(1.0, 5000))
    asked = np.linspace(0, 30, 50)

    assert np.array_equal(
        from_parts(*parts(reference)).log_survival(asked), reference.log_survival(asked)
    )


def test_senseless_input_is_refused() -> None:
    with pytest.raises(UsageError, match="got 'median'"):
        aggregate(np.ones(2), np.array([0, 2]), "median")
    with pytest.raises(TooFewRowsError):
        LengthCalibration.fit(np.zeros(0))
    with pytest.raises(UsageError, match="learn the model again"):
        from_parts(np.ones((3, 2)), np.ones(4))


def test_length_bins_are_exact() -> None:
    assert length_bin(np.array([1, 2, 3, 4, 1023, 1024])).tolist() == [0, 1, 1, 2, 9, 10]
