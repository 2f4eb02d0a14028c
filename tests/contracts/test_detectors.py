"""Every registered detector keeps every promise: ours and scikit-learn's."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.detectors.registry import (
    CLASSICAL,
    MATRIX,
    SEQUENCE,
    matrix_detector,
    sequence_detector,
)
from eddyline.testing.check_detector import CHECKS, MatrixCheck, yield_checks
from eddyline.testing.check_sequence_detector import CHECKS as SEQUENCE_CHECKS, SequenceCheck

SKIPPED = {
    (
        "random",
        "check_planted_rows_rank_above_the_crowd",
    ): "chance ranks nothing above anything, which is its use",
}
"""Checks a detector need not pass, each with the reason."""

NETS = {"causal", "radford", "session"}
"""Sequence detectors on nets: their own tests run the suite on them, trained for fewer steps."""

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [*MATRIX, *CLASSICAL])
def test_matrix_detector_keeps_its_promises(name: str, check: MatrixCheck) -> None:
    reason = SKIPPED.get((name, check.__name__))
    if reason:
        pytest.skip(reason)
    check(matrix_detector(name))


def sklearn_cases() -> list[Any]:
    cases = []
    for name in (*MATRIX, *CLASSICAL):
        for estimator, check in estimator_checks_generator(matrix_detector(name)()):
            title = getattr(check, "func", check).__name__
            marks = [pytest.mark.slow] if name in CLASSICAL else []
            case = pytest.param(estimator, check, title, id=f"{name}-{title}", marks=marks)
            cases.append(case)
    return cases


@pytest.mark.parametrize(("estimator", "check", "title"), sklearn_cases())
def test_matrix_detector_is_a_scikit_learn_estimator(
    estimator: Any, check: Any, title: str
) -> None:
    if title in SKLEARN_SKIPPED:
        pytest.skip(SKLEARN_SKIPPED[title])
    check(estimator)


@pytest.mark.parametrize("check", SEQUENCE_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", [name for name in SEQUENCE if name not in NETS])
def test_sequence_detector_keeps_its_promises(name: str, check: SequenceCheck) -> None:
    check(sequence_detector(name))


def test_every_skip_names_a_check_and_gives_a_reason() -> None:
    for name, check in SKIPPED:
        left = list(yield_checks(matrix_detector(name), skip={check: SKIPPED[name, check]}))

        assert len(left) == len(CHECKS) - 1
