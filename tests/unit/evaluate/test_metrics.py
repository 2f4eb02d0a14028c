"""What scores and answers are worth against labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn import metrics as reference

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.curve import Curve, Cut, ratio
from eddyline.evaluate.metrics import (
    expected_calibration_error,
    fpr_at_recalls,
    precision_at_prevalence,
    recall_at_alerts,
    recall_by_class,
    summary,
)

ROWS = st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("prevalence", "expected"),
    [(1e-2, 0.5), (1e-3, 0.0901639344), (1e-4, 0.0098039216), (1e-5, 0.0009890307), (1e-6, 0.0000989903)],
)  # fmt: skip
def test_precision_falls_with_prevalence_as_published(prevalence, expected):
    """TPR 0.99 and FPR 0.01 give the golden table."""
    assert precision_at_prevalence(0.99, 0.01, prevalence) == pytest.approx(expected, abs=1e-10)


def test_a_share_outside_its_bounds_is_named():
    """A percentage in place of a share is an error that says which one."""
    with pytest.raises(UsageError, match="fpr must be in"):
        precision_at_prevalence(0.5, 2.0, 0.1)


@given(ROWS)
def test_areas_equal_the_library(rows):
    """ROC-AUC and average precision are scikit-learn's, ties included."""
    attack, score = (np.array(column) for column in zip(*rows, strict=True))
    curve = Curve.of(attack, score)

    if attack.any() and not attack.all():
        assert curve.auc == pytest.approx(reference.roc_auc_score(attack, score))
        assert curve.partial_auc(1.0) == pytest.approx(curve.auc)
    else:
        assert curve.auc is None
    if attack.any():
        assert curve.average_precision == pytest.approx(
            reference.average_precision_score(attack, score)
        )


@given(ROWS, st.lists(st.booleans(), min_size=60, max_size=60))
def test_ratios_equal_the_library(rows, answers):
    """Precision, recall, F1, F2, MCC and the rest are scikit-learn's where they are defined."""
    attack = np.array([row[0] for row in rows])
    yes = np.array(answers[: len(rows)])
    cut = Cut.of(attack, yes)

    assert cut.n_rows == len(rows)
    assert cut.accuracy == pytest.approx(reference.accuracy_score(attack, yes))
    if yes.any() and attack.any():
        assert cut.precision == pytest.approx(reference.precision_score(attack, yes))
        assert cut.recall == pytest.approx(reference.recall_score(attack, yes))
        assert cut.f1 == pytest.approx(reference.f1_score(attack, yes))
        assert cut.f_beta(2) == pytest.approx(reference.fbeta_score(attack, yes, beta=2))
        assert cut.false_negative_rate == pytest.approx(1 - (cut.recall or 0))
    if 0 < attack.sum() < len(attack) and 0 < yes.sum() < len(yes):
        assert cut.mcc == pytest.approx(reference.matthews_corrcoef(attack, yes))
        assert cut.balanced_accuracy == pytest.approx(
            reference.balanced_accuracy_score(attack, yes)
        )


def test_nothing_over_nothing_is_undefined():
    """No alarms have no precision; no attacks have no recall."""
    cut = Cut.of([False, False], [False, False])

    assert ratio(0, 0) is None
    assert cut.precision is None
    assert cut.recall is None
    assert cut.mcc is None
    assert cut.false_positive_rate == 0.0


@given(ROWS, st.integers(0, 70))
def test_a_budget_is_never_exceeded(rows, n_yes):
    """The cut of a budget says yes to no more rows, and the next step would be too many."""
    attack, score = (np.array(column) for column in zip(*rows, strict=True))
    cut = Curve.of(attack, score).at_most(n_yes)
    told = cut.tp + cut.fp

    assert told <= n_yes
    lower = np.sort(score)[::-1][told:]
    if len(lower):
        assert told + (lower == lower[0]).sum() > n_yes


def test_recall_a_day_counts_days():
    """Two alerts a day over three days are the six strangest rows."""
    attack = np.arange(10) < 5
    curve = Curve.of(attack, -np.arange(10.0))

    assert recall_at_alerts(curve, 3.0, (1, 2)) == {1: 0.6, 2: 1.0}
    with pytest.raises(UsageError, match="days must be > 0"):
        recall_at_alerts(curve, 0.0)


def test_the_cost_of_a_recall_is_its_false_positive_rate():
    """Half of the attacks lie above every normal row, the others above half of them."""
    attack = np.array([True, True, False, False, True, True, False, False])
    curve = Curve.of(attack, -np.arange(8.0))

    assert fpr_at_recalls(curve, (0.5, 0.75, 1.0)) == {0.5: 0.0, 0.75: 0.5, 1.0: 0.5}
    assert fpr_at_recalls(Curve.of([False], [1.0]), (0.5,)) == {0.5: None}


def test_the_partial_area_looks_at_few_false_alarms_only():
    """A score whose first thousandth of normal rows comes after all attacks has the whole of it."""
    normal = np.arange(2_000.0)
    perfect = Curve.of(np.r_[np.ones(5, bool), np.zeros(2_000, bool)], np.r_[[3e3] * 5, normal])
    late = Curve.of(np.r_[np.ones(5, bool), np.zeros(2_000, bool)], np.r_[[1_900.5] * 5, normal])

    assert perfect.partial_auc() == 1.0
    assert late.auc is not None
    assert late.auc > 0.9
    assert late.partial_auc() == 0.0


def test_recall_by_class_shows_support():
    """Each attack class has its own recall; normal rows and small classes are not ranked."""
    classes = ["scan"] * 12 + ["flood"] * 2 + ["normal"] * 3
    attack = np.array([c != "normal" for c in classes])
    yes = np.array([True] * 9 + [False] * 3 + [True] * 2 + [True] * 3)

    scan, flood = recall_by_class(classes, attack, yes)

    assert (scan.name, scan.support, scan.recall, scan.ranked) == ("scan", 12, 0.75, True)
    assert (flood.name, flood.recall, flood.ranked) == ("flood", 1.0, False)


def test_promised_probabilities_are_held_against_what_came():
    """Ten promises of 0.7 with seven attacks are kept; of 0.9 they are 0.2 off."""
    attack = np.arange(10) < 7

    assert expected_calibration_error(attack, np.full(10, 0.7)) == pytest.approx(0.0)
    assert expected_calibration_error(attack, np.full(10, 0.9)) == pytest.approx(0.2)
    with pytest.raises(DataError, match=r"in \[0, 1\]"):
        expected_calibration_error(attack, np.full(10, 70.0))


def test_a_summary_names_its_chance_level():
    """Figures come with the base rate; without a time span none is per day."""
    told = summary([True, False, False, False], [4.0, 3.0, 2.0, 1.0])

    assert told["base_rate"] == 0.25
    assert told["pr_auc"] == 1.0
    assert told["recall_at_alerts_a_day"] is None
    assert summary([True, False], [2.0, 1.0], days=1.0)["recall_at_alerts_a_day"]["1"] == 1.0


def test_bad_scores_are_named():
    """A NaN, a wrong length and no rows are errors of ours."""
    with pytest.raises(DataError, match="nan at row 1"):
        Curve.of([True, False], [1.0, np.nan])
    with pytest.raises(DataError, match="one length"):
        Curve.of([True], [1.0, 2.0])
    with pytest.raises(DataError, match="got none"):
        Curve.of([], [])
