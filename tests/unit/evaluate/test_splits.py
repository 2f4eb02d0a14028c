"""Parting rows: whole groups, sizes and class shares, and what is said when they do not fit."""

from __future__ import annotations

import warnings

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.model_selection import cross_val_score

from eddyline.errors import DataError, SplitWarning, TooFewRowsError, UsageError
from eddyline.evaluate.split_keys import block_groups, day_groups, dense, network_groups
from eddyline.evaluate.splits import (
    CLASS_TOLERANCE,
    SIZE_TOLERANCE,
    _Problem,
    group_split,
    row_split,
    train_validation,
)
from eddyline.evaluate.splitters import (
    GroupSplit,
    LastDay,
    LeaveOneAttackOut,
    LeaveOneDayOut,
    RowSplit,
    TimeSplit,
)
from eddyline.evaluate.strategies import STRATEGIES, keys_of, split_flows, splitter
from eddyline.testing import traffic

GOLDEN = {"A": (40, 4), "B": (25, 5), "C": (20, 8), "D": (10, 3), "E": (5, 0)}


def golden_rows():
    """Give groups and classes of the worked example."""
    groups = [g for g, (normal, attack) in GOLDEN.items() for _ in range(normal + attack)]
    y = [c for n, a in GOLDEN.values() for c in ["Normal"] * n + ["attack"] * a]
    return np.array(groups), np.array(y)


@st.composite
def labelled_groups(draw):
    """Draw rows with groups of any size and one to four classes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_groups = draw(st.integers(2, 40))
    n = draw(st.integers(n_groups, 400))
    extra = rng.integers(0, n_groups, n - n_groups) ** 2 // n_groups
    groups = rng.permutation(np.concatenate([np.arange(n_groups), extra]))
    by_group = rng.integers(0, draw(st.integers(1, 4)), n_groups)
    y = np.where(rng.random(n) < 0.2, 0, by_group[groups])
    return groups, y


def parted(groups, y, **options):
    """Split quietly; the warnings have a test of their own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        return group_split(groups, y, **options)


def test_the_only_exact_split_is_found() -> None:
    """Of the worked example, only {B} has distance 0; others have theirs."""
    groups, y = golden_rows()
    with pytest.warns(SplitWarning, match="one group holds over 10%"):
        split = group_split(groups, y)
    counts = np.array([(a, n) for n, a in GOLDEN.values()])
    problem = _Problem(counts, 0.25)

    assert set(groups[split.validation]) == {"B"}
    assert split.distance == pytest.approx(0)
    assert split.fits
    assert float(problem.distance(counts[[2, 4]].sum(axis=0))) == pytest.approx(0.1)
    assert float(problem.distance(counts[[3, 4]].sum(axis=0))) == pytest.approx(0.2)


@settings(deadline=None)
@given(rows=labelled_groups(), seed=st.integers(0, 99))
def test_groups_stay_whole_and_the_union_is_all(rows, seed) -> None:
    """No group is on both sides, every row is on one, and outside the tolerances a warning says so."""
    groups, y = rows
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        split = group_split(groups, y, seed=seed, most_draws=20)
    both = np.concatenate([split.train, split.validation])

    assert sorted(both.tolist()) == list(range(len(y)))
    assert not set(groups[split.train]) & set(groups[split.validation])
    assert len(split.train) > 0
    assert len(split.validation) > 0
    within = abs(split.share - 0.25) <= SIZE_TOLERANCE and all(
        abs(row["share"] - 0.25) <= CLASS_TOLERANCE
        for row in split.table.iter_rows(named=True)
        if row["groups"] >= 2
    )
    assert within or any("must be 0.25" in str(w.message) for w in told)
    assert not split.fits or within


@settings(deadline=None)
@given(rows=labelled_groups())
def test_a_class_with_two_groups_is_on_both_sides_and_a_lone_one_trains(rows) -> None:
    """The guards hold whenever the groups allow it; here every group has one class besides 0."""
    groups, _ = rows
    y = groups % 3
    split = parted(groups, y, most_draws=50)
    for row in split.table.iter_rows(named=True):
        if row["groups"] == 1 and split.table.filter(pl.col("groups") > 1).height:
            assert row["validation"] == 0
        elif row["groups"] >= 2:
            assert 0 < row["validation"] < row["flows"]


@settings(deadline=None, max_examples=25)
@given(rows=labelled_groups(), seed=st.integers(0, 9))
def test_the_same_seed_gives_the_same_split(rows, seed) -> None:
    """And names of groups do not matter, only which rows share one."""
    groups, y = rows
    first = parted(groups, y, seed=seed)
    named = parted(np.array([f"g{g:03d}" for g in groups]), y, seed=seed)

    assert (first.train == named.train).all()


def test_what_does_not_fit_is_told_with_the_table() -> None:
    """One group of most flows: no split of a quarter exists."""
    groups = np.array([0] * 80 + [1] * 15 + [2] * 5)
    y = np.array(["Normal"] * 80 + ["attack"] * 19 + ["rare"])
    with pytest.warns(SplitWarning, match="must be 0.25") as told:
        split = group_split(groups, y)

    text = str(told[0].message)
    assert "Normal: 80 flows, 1 groups" in text
    assert "in training alone" in text
    assert not split.fits


def test_moves_reach_what_draws_miss() -> None:
    """With one draw alone, single-group moves come within the tolerances."""
    rng = np.random.default_rng(3)
    sizes = (rng.pareto(1.2, 300) * 5 + 1).astype(int)
    groups = np.repeat(np.arange(300), sizes)
    y = np.where(rng.random(len(groups)) < 0.1, "attack", "Normal")
    split = parted(groups, y, most_draws=1)

    assert split.fits


def test_a_row_split_has_the_share_asked_for() -> None:
    """At random, so that groups stand on both sides."""
    split = row_split(np.arange(1000) % 2, share=0.2, seed=1)

    assert len(split.validation) == 200
    assert not set(split.train.tolist()) & set(split.validation.tolist())
    with pytest.raises(TooFewRowsError, match="two rows"):
        row_split([1])


def test_arrays_and_frames_are_cut_alike() -> None:
    """Training and validation of each, in the order given."""
    groups, y = golden_rows()
    split = parted(groups, y)
    a, b, c, d = train_validation(split, y, pl.DataFrame({"g": groups}))

    assert (len(a), len(b)) == (90, 30)
    assert (c.height, set(d["g"])) == (90, {"B"})


def test_a_million_rows_take_a_moment() -> None:
    """The search counts groups, not rows."""
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 20_000, 1_000_000)
    y = rng.choice(5, 1_000_000, p=[0.965, 0.026, 0.008, 0.0007, 0.0003])
    split = group_split(groups, y)

    assert split.fits


def test_days_are_held_out_whole() -> None:
    """The last one, or each once; scikit-learn can use both."""
    days, y = np.repeat([3, 5, 9], 20), np.tile([0, 1], 30)
    (last,) = LastDay().splits(y, days)
    each = list(LeaveOneDayOut().splits(y, days))

    assert (days[last.validation] == 9).all()
    assert [split.name for split in each] == ["day 3", "day 5", "day 9"]
    assert sorted(np.concatenate([s.validation for s in each])) == list(range(60))
    assert LeaveOneDayOut().get_n_splits(groups=days) == 3
    model = DummyClassifier(strategy="most_frequent")
    X = np.zeros((60, 1))
    assert len(cross_val_score(model, X, y, groups=days, cv=LeaveOneDayOut())) == 3
    assert len(cross_val_score(model, X, y, groups=np.arange(60), cv=GroupSplit(4))) == 4
    assert len(cross_val_score(model, X, y, cv=RowSplit(2))) == 2
    assert len(cross_val_score(model, X, y, groups=days, cv=LastDay())) == 1


def test_an_attack_that_is_left_out_never_trains() -> None:
    """Nor does any flow of a group that carries it."""
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 60, 3000)
    kind = np.where(np.arange(60) < 50, 0, np.where(np.arange(60) < 55, 1, 2))
    y = np.array(["Normal", "scan", "flood"])[np.where(rng.random(3000) < 0.5, kind[groups], 0)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        found = list(LeaveOneAttackOut().splits(y, groups))

    assert [split.name for split in found] == ["flood", "scan"]
    for split in found:
        assert split.name not in y[split.train]
        assert (y[split.validation] == "Normal").any()
        assert not set(groups[split.train]) & set(groups[split.validation])
    assert LeaveOneAttackOut().get_n_splits(y=y) == 2
    with pytest.raises(DataError, match="in every group"):
        list(LeaveOneAttackOut().splits(["Normal", "scan"], [1, 1]))


@given(
    times=st.lists(st.integers(0, 1000), min_size=20, max_size=200, unique=True),
    embargo=st.integers(0, 50),
    n_splits=st.integers(1, 3),
)
def test_time_goes_forward_with_a_gap(times, embargo, n_splits) -> None:
    """What trains ended more than the embargo before what validates began."""
    stamps = np.array(times)
    way = TimeSplit(n_splits, 0.2, embargo)
    try:
        found = list(way.splits(np.zeros(len(times), dtype=int), stamps))
    except TooFewRowsError:
        assert np.sort(stamps)[round(len(times) * (1 - n_splits * 0.2))] - embargo <= stamps.min()
        return

    assert len(found) == way.get_n_splits() == n_splits
    for split in found:
        assert stamps[split.train].max() < stamps[split.validation].min() - embargo
    assert stamps[found[-1].validation].max() == stamps.max()


def test_keys_come_from_the_columns_of_the_record() -> None:
    """Networks of both versions, names that are no addresses, blocks of ten minutes, UTC days."""
    frame = pl.DataFrame(
        {
            "ts": [0, 599_999_999, 600_000_000, 86_400_000_000, 1, 2],
            "src_ip": ["a", "a", "a", "a", "b", "b"],
            "dst_ip": ["10.0.0.1", "10.0.0.200", "10.0.0.1", "10.0.1.1", "2001:db8::1", "AS 17"],
        }
    )
    six = pl.Series(["2001:db8::1", "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"])
    wide = pl.DataFrame({"src_ip": ["a"] * 3, "dst_ip": six})

    assert dense(network_groups(frame)).tolist() == [0, 0, 0, 1, *network_groups(frame)[4:]]
    assert len(set(network_groups(frame).tolist())) == 4
    assert len(set(network_groups(wide).tolist())) == 2
    assert len(set(block_groups(frame).tolist())) == 5
    assert day_groups(frame).tolist() == [0, 0, 0, 1, 0, 0]


@pytest.mark.parametrize("strategy", [*STRATEGIES])
def test_each_strategy_parts_flows_by_its_name(strategy) -> None:
    """From a batch of the record to splits, in one call."""
    batch = traffic.quiet(n_hosts=4, hours=26.0)
    y = np.where(np.arange(len(batch)) % 7 == 0, "scan", "Normal")
    if strategy == "attack":
        y = np.where(network_groups(batch.frame) % 9 == 0, "scan", "Normal")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        found = split_flows(batch.frame, y, strategy)

    assert len(found) == {"lodo": 2}.get(strategy, 1)
    assert len(keys_of(strategy, batch.frame)) == len(batch)
    assert all(len(split.train) and len(split.validation) for split in found)


def test_a_wrong_call_says_what_is_wrong() -> None:
    """Share, strategy, lengths, no rows, one group, no groups."""
    with pytest.raises(UsageError, match="share must be"):
        group_split([0, 1], [0, 1], share=25)
    with pytest.raises(UsageError, match="most_draws"):
        group_split([0, 1], [0, 1], most_draws=0)
    with pytest.raises(UsageError, match="one of row, group"):
        splitter("groups")
    with pytest.raises(DataError, match="one value a row"):
        group_split([0, 1], [0])
    with pytest.raises(TooFewRowsError, match="two groups"):
        group_split([0, 0], [0, 1])
    with pytest.raises(TooFewRowsError, match="rows, got none"):
        group_split([], [])
    with pytest.raises(UsageError, match="must have y and groups"):
        next(GroupSplit().split([0], [0]))
    with pytest.raises(UsageError, match="to count days"):
        LeaveOneDayOut().get_n_splits()
    with pytest.raises(UsageError, match="to count attacks"):
        LeaveOneAttackOut().get_n_splits()
    with pytest.raises(UsageError, match="blocks smaller"):
        TimeSplit(5, 0.25)
    with pytest.raises(DataError, match="whole numbers"):
        next(LastDay().splits([0, 1], [0.5, 1.5]))
