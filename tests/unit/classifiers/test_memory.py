"""Memory of keys: counts by class, nothing of a row's own day, nothing of how often normal was met."""

from __future__ import annotations

import numpy as np
import pytest

from eddyline.classifiers.memory import Memory, columns_of_others
from eddyline.errors import DataError, ModelError

KEYS = ["a", "b", "a", "c", "b", "a"]
CODES = [1, 0, 1, 0, 2, 2]


def test_counts_are_recalled_and_strangers_have_none():
    memory = Memory.of(KEYS, CODES, 3)

    assert memory.recall(["a", "zz", "b"]).tolist() == [[0, 2, 1], [0, 0, 0], [1, 0, 1]]
    assert memory.met(["a", "zz", "c"]).tolist() == [True, False, True]
    assert Memory.of([], np.array([], int), 2).met(["a"]).tolist() == [False]


def test_columns_tell_met_from_unmet_and_the_kinds_of_strange():
    columns = Memory.of(KEYS, CODES, 3).columns(["a", "c", "zz"], normal=0, periods=1)

    assert columns[0] == pytest.approx([1, np.log1p(3), 2 / 3, 1 / 3])
    assert columns[1].tolist() == [1, 0, 0, 0]
    assert columns[2].tolist() == [0, 0, 0, 0]


def test_a_thousand_normal_rows_weigh_no_more_than_one():
    """The first attack of a trusted pair must not drown in its past."""
    once, often = (Memory.of(["a"] * n, [0] * n, 2) for n in (1, 1000))

    assert np.array_equal(
        once.columns(["a"], normal=0, periods=1), often.columns(["a"], normal=0, periods=1)
    )


def test_a_row_remembers_every_day_but_its_own():
    keys, codes, days = ["a", "a", "b", "a"], [1, 1, 1, 2], [0, 0, 1, 1]
    columns = columns_of_others(keys, codes, days, n_classes=3, normal=0)

    assert columns[0] == pytest.approx([1, np.log1p(1), 0, 1])
    assert columns[2].tolist() == [0, 0, 0, 0]
    assert columns[3] == pytest.approx([1, np.log1p(2), 1, 0])


def test_its_own_labels_change_nothing_of_a_day():
    rng = np.random.default_rng(0)
    keys, codes, days = (
        rng.integers(0, 9, 200).astype(str),
        rng.integers(0, 3, 200),
        np.arange(200) // 50,
    )
    plain = columns_of_others(keys, codes, days, n_classes=3, normal=0)
    codes[days == 2] = rng.permutation(codes[days == 2])
    other = columns_of_others(keys, codes, days, n_classes=3, normal=0)

    assert np.array_equal(plain[days == 2], other[days == 2])
    assert not np.array_equal(plain[days != 2], other[days != 2])


def test_a_single_day_is_cut_into_parts():
    columns = columns_of_others(["a"] * 8, [1] * 8, [5] * 8, n_classes=2, normal=0)

    assert columns[:, 1] == pytest.approx(np.full(8, np.log1p(6 / 3)))


def test_the_state_comes_back_or_is_refused():
    memory = Memory.of(KEYS, CODES, 3)
    loaded = Memory.from_arrays(memory.to_arrays(), 3)

    assert np.array_equal(loaded.recall(KEYS), memory.recall(KEYS))
    for broken in (
        {"keys": memory.keys},
        {"keys": memory.keys[::-1], "counts": memory.counts},
        {"keys": memory.keys, "counts": -memory.counts},
        {"keys": memory.keys, "counts": memory.counts[:, :2]},
    ):
        with pytest.raises(ModelError, match="saved memory must hold"):
            Memory.from_arrays(broken, 3)


def test_bad_input_is_named():
    with pytest.raises(DataError, match=r"in \[0, 2\)"):
        Memory.of(["a"], [2], 2)
    with pytest.raises(DataError, match="one shape"):
        Memory.of(["a", "b"], [1], 2)
