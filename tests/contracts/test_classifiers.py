"""Every registered classifier keeps every promise: ours and scikit-learn's."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from eddyline.classifiers.registry import CLASSIFIERS, classifier_class
from eddyline.errors import MissingExtraError
from eddyline.testing.check_classifier import CHECKS, Check, yield_checks

SKIPPED: dict[tuple[str, str], str] = {}
"""Checks of ours a classifier need not pass, each with the reason."""

SMALL: dict[str, dict[str, Any]] = {
    "boosting": {"rounds": 30},
    "histogram_boosting": {"rounds": 20},
    "random_forest": {"n_trees": 20},
    "bagging": {"n_trees": 20},
    "adaboost": {"rounds": 10},
    "kernel_svm": {"components": 50},
}
"""Arguments with which scikit-learn's checks are quick; a deep one is built with few steps."""

SKLEARN_SKIPPED = {
    "check_array_api_input": "needs an environment variable that switches SciPy to another array library",
    "check_sample_weight_equivalence_on_dense_data": "bins and folds are made of rows, whatever they weigh",
}

DEEP = {"cnn": "test_cnn", "rnn": "test_rnn", "snn": "test_snn", "tabm": "test_tabm"}
"""Classifiers whose own tests run both suites with few steps; with the default ones that takes hours."""


def cases(names: Any = tuple(CLASSIFIERS)) -> list[Any]:
    return [pytest.param(name, id=name) for name in names if name not in DEEP]


def class_or_skip(name: str) -> Any:
    try:
        return classifier_class(name)
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", cases())
def test_classifier_keeps_its_promises(name: str, check: Check) -> None:
    reason = SKIPPED.get((name, check.__name__))
    if reason:
        pytest.skip(reason)
    check(class_or_skip(name))


def sklearn_titles() -> list[str]:
    made = classifier_class("boosting")()
    return sorted({title_of(check) for _, check in estimator_checks_generator(made)})


def title_of(check: Any) -> str:
    name: str = getattr(check, "func", check).__name__
    extra = getattr(check, "keywords", {}) if isinstance(check, partial) else {}
    return name + "".join(f"-{v}" for k, v in sorted(extra.items()) if k != "name")


@pytest.mark.parametrize("title", sklearn_titles())
@pytest.mark.parametrize("name", cases())
def test_classifier_is_a_scikit_learn_estimator(name: str, title: str) -> None:
    if title in SKLEARN_SKIPPED:
        pytest.skip(SKLEARN_SKIPPED[title])
    made = class_or_skip(name)(**SMALL.get(name, {}))
    matching = [(e, c) for e, c in estimator_checks_generator(made) if title_of(c) == title]
    if not matching:
        pytest.skip(f"scikit-learn does not ask {title} of {name}")
    for estimator, check in matching:
        check(estimator)


def test_every_skip_names_a_check_and_gives_a_reason() -> None:
    for name, check in SKIPPED:
        left = list(yield_checks(class_or_skip(name), skip={check: SKIPPED[name, check]}))

        assert len(left) == len(CHECKS) - 1


def test_what_is_left_out_here_runs_both_suites_itself() -> None:
    unit = Path(__file__).parents[1] / "unit" / "classifiers"
    for module in DEEP.values():
        text = (unit / f"{module}.py").read_text(encoding="utf-8")

        assert "yield_checks(Quick)" in text
        assert "estimator_checks_generator(Quick())" in text
