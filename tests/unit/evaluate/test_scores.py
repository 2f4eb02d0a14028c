"""The challenge criterion to ten digits, and bands over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.dummy import DummyClassifier
from sklearn.metrics import fbeta_score
from sklearn.model_selection import cross_val_score

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.evaluate.bands import band, paired_band
from eddyline.evaluate.scores import (
    LUFLOW_COST,
    NAD_CLASSES,
    challenge_metric,
    challenge_score,
    challenge_scorer,
    confusion_matrix,
    constant_floor,
    f_beta,
)

ONE_WRONG = np.diag([9, 10, 10, 10, 10]) + np.eye(5, k=2, dtype=int) * [0, 0, 1, 0, 0]
SMALL = [[85, 1, 2, 1, 1], [2, 8, 0, 0, 0], [3, 0, 17, 0, 0], [0, 0, 1, 4, 0], [1, 0, 1, 0, 8]]
PUBLISHED = [
    [3161023, 3068, 0, 0, 285],
    [931, 102, 0, 0, 0],
    [11001, 2, 48537, 117, 242],
    [0, 0, 0, 95, 14],
    [0, 1, 130, 0, 8513],
]
TRAINING = np.array([8_920_477, 2_345, 240_524, 829, 77_289])
ALWAYS_NORMAL = np.outer(TRAINING, [1, 0, 0, 0, 0])

MATRICES = st.lists(st.lists(st.integers(0, 40), min_size=5, max_size=5), min_size=5, max_size=5)


@pytest.mark.parametrize(
    ("confusion", "n", "cost", "macro", "value"),
    [
        (np.diag([10] * 5), 50, 0, 1.0, 1.0),
        (ONE_WRONG, 50, 1, 0.9797519008, 0.9858263305),
        (SMALL, 135, 16, 0.8433175104, 0.7417488517),
        (PUBLISHED, 3_234_061, 19_793, 0.7237433111, 0.6173683044),
        (ALWAYS_NORMAL, 9_241_464, 323_332, 0.1985709577, 0.2115403685),
        ([[0] * 5, [100, 0, 0, 0, 0], [0] * 5, [0] * 5, [0] * 5], 100, 200, 0.0, 0.0),
    ],
)
def test_the_criterion_agrees_to_ten_digits(confusion, n, cost, macro, value) -> None:
    """Worked values of the challenge, one of them from a published confusion matrix."""
    score = challenge_score(confusion)

    assert (score.n, score.cost) == (n, cost)
    assert score.macro_f == pytest.approx(macro, abs=5e-11)
    assert score.value == pytest.approx(value, abs=5e-11)


def test_the_transposed_cost_and_other_classes_have_their_own_values() -> None:
    """The other reading of the matrix differs in the sixth digit; three classes work alike."""
    turned = challenge_score(PUBLISHED, transpose_cost=True)
    three = challenge_score([[90, 5, 5], [10, 80, 10], [5, 15, 30]], LUFLOW_COST)

    assert turned.cost == 19_790
    assert turned.value == pytest.approx(0.6173712041, abs=5e-11)
    assert (three.n, three.cost) == (250, 65)
    assert three.macro_f == pytest.approx(0.7677780023, abs=5e-11)
    assert three.value == pytest.approx(0.6359329115, abs=5e-11)


def test_f2_of_each_class_agrees() -> None:
    """The class values behind the third row."""
    expected = [0.9423503, 0.8163265, 0.8415842, 0.8, 0.8163265]

    assert f_beta(SMALL) == pytest.approx(expected, abs=5e-8)


@given(matrix=MATRICES)
def test_f_is_that_of_scikit_learn(matrix) -> None:
    """Row by row, for any counts."""
    counts = np.array(matrix)
    truth = np.repeat(np.repeat(np.arange(5), 5), counts.ravel())
    told = np.repeat(np.tile(np.arange(5), 5), counts.ravel())
    if not len(truth):
        return
    expected = fbeta_score(truth, told, beta=2, labels=range(5), average=None, zero_division=0)

    assert f_beta(counts) == pytest.approx(expected)
    assert (confusion_matrix(truth, told, range(5)) == counts).all()


@given(matrix=MATRICES, row=st.integers(0, 4), column=st.integers(0, 4))
def test_the_criterion_lies_in_its_range_and_a_right_answer_never_hurts(
    matrix, row, column
) -> None:
    """Turning a mistake into a hit raises the score or leaves it."""
    counts = np.array(matrix)
    counts[row, column] += 1
    before = challenge_score(counts).value
    counts[row, column] -= 1
    counts[row, row] += 1

    assert 0 <= before <= 1
    assert challenge_score(counts).value >= before - 1e-12


def test_the_floor_is_the_best_constant_answer() -> None:
    """On the training mix it is Normal."""
    best, value = constant_floor(TRAINING)

    assert best == 0
    assert value == pytest.approx(0.2115403685, abs=5e-11)


def test_as_a_scorer_it_keeps_its_classes_over_folds() -> None:
    """A fold without a rare class still averages over all five."""
    y = np.array(["Normal"] * 18 + ["Probing-Nmap"] * 2)
    scores = cross_val_score(
        DummyClassifier(strategy="most_frequent"),
        np.zeros((20, 1)),
        y,
        cv=2,
        scoring=challenge_scorer(),
    )
    fold = ["Normal"] * 9 + ["Probing-Nmap"]

    assert scores == pytest.approx([challenge_metric(fold, ["Normal"] * 10)] * 2)
    assert challenge_metric(["a", "b"], ["a", "b"], classes="ab", cost=[[0, 1], [1, 0]]) == 1.0


def test_nothing_to_judge_is_an_error() -> None:
    """No flow, a strange class, a matrix of shares, another size, a negative cost, a wrong weight."""
    with pytest.raises(TooFewRowsError, match="must have flows to judge"):
        challenge_score(np.zeros((5, 5)))
    with pytest.raises(DataError, match="'Portscan'"):
        challenge_metric(["Normal"], ["Portscan"])
    with pytest.raises(DataError, match="a class for each of 2 flows, got 1"):
        confusion_matrix([0, 1], [0], [0, 1])
    with pytest.raises(DataError, match="counts >= 0"):
        challenge_score(np.array([[0.5, 0.5], [0, 1]]), [[0, 1], [1, 0]])
    with pytest.raises(DataError, match="must be square"):
        f_beta([1, 2])
    with pytest.raises(DataError, match=r"shape \(2, 2\)"):
        challenge_score([[1, 0], [0, 1]])
    with pytest.raises(DataError, match="zeros on the diagonal"):
        challenge_score([[1, 0], [0, 1]], [[1, 1], [1, 0]])
    with pytest.raises(UsageError, match="alpha must be"):
        challenge_score(SMALL, alpha=1.5)


def test_a_single_flow_has_the_whole_scale_or_nothing() -> None:
    """Where the largest cost is 1 there is no logarithm to divide by."""
    cost = [[0, 1], [1, 0]]

    assert challenge_score([[1, 0], [0, 0]], cost).value == pytest.approx(0.3 + 0.7 / 2)
    assert challenge_score([[0, 1], [0, 0]], cost).value == 0.0


def test_the_band_agrees_with_its_table() -> None:
    """t is 1.886, 1.533 and 1.383 for three, five and ten seeds."""
    found = band([0.60, 0.63, 0.69])

    assert found.mean == pytest.approx(0.64)
    assert found.sd == pytest.approx(0.0458258, abs=5e-8)
    assert found.half_width == pytest.approx(0.0498888, abs=5e-8)
    for n, t in ((3, 1.886), (5, 1.533), (10, 1.383)):
        values = np.arange(n, dtype=float)
        expected = t * values.std(ddof=1) / np.sqrt(n)
        assert band(values).half_width == pytest.approx(expected, rel=5e-4)


def test_a_difference_counts_when_its_band_excludes_zero() -> None:
    """Pairs take out what the seeds share."""
    first, second = [0.50, 0.60, 0.70], [0.48, 0.57, 0.69]
    difference = paired_band(first, second)

    assert difference.mean == pytest.approx(0.02)
    assert difference.excludes_zero
    assert difference.low > 0
    assert difference.high == pytest.approx(0.04 - difference.low)
    assert not paired_band([0.5, 0.6], [0.6, 0.5]).excludes_zero
    with pytest.raises(DataError, match="of the same seeds"):
        paired_band([1, 2], [1, 2, 3])
    with pytest.raises(TooFewRowsError, match="two or more"):
        band([0.5])
    with pytest.raises(UsageError, match="level must be"):
        band([0.5, 0.6], level=80)


def test_the_classes_are_five() -> None:
    """In the order of the challenge."""
    assert NAD_CLASSES[0] == "Normal"
    assert len(NAD_CLASSES) == 5
