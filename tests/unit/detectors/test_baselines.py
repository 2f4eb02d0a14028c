"""Chance is even and obeys the seed; a single column is that column."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.detectors.baselines import RandomScore, SingleColumn
from eddyline.errors import DataError, ModelError
from eddyline.testing.check_detector import crowd


def test_chance_is_even() -> None:
    scores = (
        RandomScore()
        .fit(crowd())
        .anomaly_score(np.random.default_rng(0).normal(size=(20_000, 2 * 3)))
    )
    counts = np.bincount((scores * 10).astype(int), minlength=10)

    assert counts.min() > 1850
    assert counts.max() < 2150


def test_another_seed_gives_other_chances() -> None:
    first, second = (
        RandomScore(seed=seed).fit(crowd()).anomaly_score(crowd(1)) for seed in (0, 1)
    )

    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_single_column_is_the_column() -> None:
    scores = SingleColumn(column=3).fit(crowd()).anomaly_score(crowd(1))

    assert np.array_equal(scores, crowd(1)[:, 3])


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(DataError, match="got 6"):
        SingleColumn(column=6).fit(crowd())


def test_a_saved_column_out_of_range_is_refused() -> None:
    model = SingleColumn().fit(crowd())

    with pytest.raises(ModelError, match="in \\[0, 6\\)"):
        SingleColumn.from_arrays(
            {**model.to_arrays(), "column_": np.array([77])}, model.get_params()
        )
