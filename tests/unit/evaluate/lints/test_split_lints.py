"""Lints of a split and the audit of fits: each planted leak is named, clean runs pass."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler

from eddyline.errors import UsageError
from eddyline.evaluate.lints.audit import (
    Audit,
    check_deterministic,
    check_fitted,
    check_grace,
    check_independent,
    check_meter,
    check_metrics,
)
from eddyline.evaluate.lints.split import (
    duplicate_rows,
    group_leaks,
    seen_rows,
    time_leaks,
    unlike_rows,
    window_spans,
)

TRAIN, TEST = np.arange(80), np.arange(80, 100)


def _rows(seed: int = 0, n: int = 100, d: int = 4) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def _frame(X: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame({f"x{i}": X[:, i] for i in range(X.shape[1])})


def test_copies_across_the_split_are_named_and_graded():
    """One copy in two hundred warns, one in twenty is refused, none passes."""
    X = _rows(n=400)
    train, test = np.arange(200), np.arange(200, 400)
    assert not list(duplicate_rows(_frame(X), train, test))
    X[200] = X[0]

    (one,) = duplicate_rows(_frame(X), train, test)
    X[200:210] = X[:10]
    (ten,) = duplicate_rows(_frame(X), train, test)

    assert (one.lint, one.level, one.value) == ("duplicate-rows-across-splits", "warn", 0.005)
    assert (ten.level, ten.value) == ("refuse", 0.05)


def test_seen_rows_are_counted_exactly_and_nearly():
    """A row that differs in the seventh digit is seen, and not unlike."""
    X = _rows()
    X[80], X[81] = X[0], X[1] * (1 + 1e-7)

    (seen,) = seen_rows(_frame(X), TRAIN, TEST)

    assert seen.value == 0.1
    assert "5.00%" in seen.sentence
    assert unlike_rows(_frame(X), TRAIN, TEST).sum() == 18


@given(st.integers(0, 1_000))
def test_groups_on_both_sides_are_refused_where_promised(seed):
    """The share of test rows in leaking groups is told; whole groups pass."""
    groups = np.random.default_rng(seed).integers(0, 200, 100)
    leaking = np.isin(groups[TEST], groups[TRAIN])

    found = list(group_leaks(groups, TRAIN, TEST))

    assert bool(found) == leaking.any()
    if found:
        assert found[0].value == pytest.approx(leaking.mean())
        assert found[0].level == "refuse"
        assert next(group_leaks(groups, TRAIN, TEST, by_group=False)).level == "warn"


def test_travel_in_time_is_named():
    """Training rows later than a test row are counted; an embargo must be kept as well."""
    times = np.arange(100.0)

    assert not list(time_leaks(times, TRAIN, TEST))
    assert next(time_leaks(times, TEST, TRAIN)).lint == "time-leak"
    assert next(time_leaks(times, TRAIN, TEST, embargo=5.0)).value == pytest.approx(4 / 80)
    assert next(time_leaks(times, TEST, TRAIN, by_time=False)).level == "warn"


@given(st.integers(0, 1_000), st.integers(1, 20))
def test_windows_across_the_cut_are_those_that_overlap(seed, length):
    """A test row is named exactly when its window overlaps some training row's window."""
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, 400, 100).astype(float)
    ends = starts + length
    across = [((starts[TRAIN] < ends[t]) & (ends[TRAIN] > starts[t])).any() for t in TEST]

    found = list(window_spans(starts, ends, TRAIN, TEST))

    assert (found[0].value if found else 0.0) == pytest.approx(np.mean(across))


@pytest.mark.parametrize(
    ("kind", "lint"),
    [
        ("fit", "fit-outside-train"),
        ("threshold", "threshold-saw-test"),
        ("pot", "pot-saw-test"),
        ("calibration", "calibration-saw-test"),
        ("resample", "resample-before-split"),
    ],
)
def test_each_step_that_saw_the_test_part_is_named(kind, lint):
    """A step over all rows has its own lint; over its own part it passes."""
    audit = Audit(TRAIN[:60], TEST, calibration=TRAIN[60:])

    finding = audit.learned("step", kind, np.arange(100)).finding
    assert finding is not None
    assert finding.lint == lint
    assert audit.learned("step", kind, TRAIN[:60]).passed
    assert audit.learned("step", kind, TRAIN).passed == (kind not in ("fit", "resample"))
    assert {f.lint for f in audit.findings} <= {lint, "fit-outside-train", "resample-before-split"}


def test_a_second_read_of_the_test_part_is_told():
    """One read is silent, two are on the title page."""
    audit = Audit(TRAIN, TEST)
    assert (audit.read_test() == TEST).all()
    assert audit.findings == []
    audit.read_test()

    assert [f.lint for f in audit.findings] == ["test-read-twice"]
    assert audit.reads == 2


def test_parts_that_share_rows_cannot_be_audited():
    """A row on both sides is an error before anything is fitted."""
    with pytest.raises(UsageError, match="row 79 first"):
        Audit(TRAIN, np.arange(79, 100))


@pytest.mark.parametrize(
    "step",
    [
        StandardScaler(),
        RobustScaler(),
        PCA(2),
        SelectKBest(k=2),
        make_pipeline(StandardScaler(), PCA(2)),
    ],
)
def test_an_object_fitted_on_all_rows_is_caught(step):
    """A scaler, a projection, a selection, a chain of them: guilty on all rows, innocent on training rows."""
    X, y = _rows(3), np.arange(100) % 2
    name = type(step).__name__

    guilty = check_fitted(name, step.fit(X, y), X, TRAIN, y)
    innocent = check_fitted(name, step.fit(X[TRAIN], y[TRAIN]), X, TRAIN, y)

    assert guilty is not None
    assert guilty.lint == "fit-outside-train"
    assert name in guilty.sentence
    assert innocent is None


def test_a_score_by_its_batch_is_caught():
    """A score by rank within the batch changes with the batch; a score by a row's length does not."""
    X = _rows()

    caught = check_independent("rank", lambda rows: rows[:, 0].argsort().argsort() / len(rows), X)
    assert caught is not None
    assert caught.lint == "row-dependent-score"
    assert check_independent("norm", lambda rows: (rows**2).sum(axis=1), X) is None


def test_chance_without_a_seed_is_caught():
    """Two runs that differ are named; two equal ones are not."""
    free, fixed = np.random.default_rng(0), 7

    assert check_deterministic("free", lambda: free.random(5)) is not None
    assert check_deterministic("fixed", lambda: np.random.default_rng(fixed).random(5)) is None


def test_accuracy_alone_is_refused():
    """It may stand beside the base rate and balanced accuracy, not without them."""
    assert check_metrics(["accuracy"]) is not None
    assert check_metrics(["accuracy", "base_rate"]) is not None
    assert check_metrics(["accuracy", "base-rate", "balanced_accuracy"]) is None
    assert check_metrics(["pr_auc"]) is None


def test_a_learning_period_longer_than_the_data_is_refused():
    """A detector that would never leave its learning period scores nothing."""
    assert check_grace("kitnet", 55_000, 50_000, "flows") is None
    found = check_grace("kitnet", 40_000, 50_000, "flows")

    assert found is not None
    assert found.level == "refuse"


def test_columns_of_another_meter_are_named():
    """Equal names with other values are told, equal values are not."""
    ours = {"bytes": np.arange(100.0), "pkts": np.arange(100.0)}
    theirs = {"bytes": np.arange(100.0) + 14, "pkts": np.arange(100.0), "other": np.zeros(100)}

    assert [f.subject for f in check_meter(ours, theirs)] == ["bytes"]
