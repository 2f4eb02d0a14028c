"""The conformance suite: what every detector, ours or yours, must do.

What belongs here: one check a promise, and the functions that yield and run them. What does not: promises
about the quality on some data set, which are the detector's own tests.

Use it in a test of your own::

    @pytest.mark.parametrize("check", yield_checks(MyDetector), ids=lambda check: check.__name__)
    def test_detector(check):
        check(MyDetector)
"""

from __future__ import annotations

import copy
import doctest
import inspect
import pickle
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from eddyline.detectors.detector import MatrixDetector
from eddyline.errors import DataError
from eddyline.tables import Floats

MatrixCheck = Callable[[type[MatrixDetector]], None]


class ConformanceError(AssertionError):
    """Raised when a detector breaks a promise; says which one and what was seen."""


def check_detector(cls: type[MatrixDetector], *, skip: Mapping[str, str] | None = None) -> None:
    """Run every check on a matrix detector class, built with its default arguments.

    Parameters
    ----------
    cls
        The class; all its arguments have defaults.
    skip
        Names of checks to leave out, each with the reason in words.

    Raises
    ------
    ConformanceError
        When a promise is broken.
    """
    for check in yield_checks(cls, skip=skip):
        check(cls)


def yield_checks(
    cls: type[MatrixDetector], *, skip: Mapping[str, str] | None = None
) -> Iterator[MatrixCheck]:
    """Give the checks that apply to a class, to run one by one.

    Parameters
    ----------
    cls
        The class to be checked.
    skip
        Names of checks to leave out, each with the reason in words.

    Raises
    ------
    ConformanceError
        When a skip has no reason or names no check, or the class is no matrix detector.
    """
    given: object = cls
    if not (inspect.isclass(given) and issubclass(given, MatrixDetector)):
        fail(cls, "is a subclass of MatrixDetector", repr(cls))
    left_out = dict(skip or {})
    for name, reason in left_out.items():
        if name not in {check.__name__ for check in CHECKS}:
            fail(cls, "skips checks that exist", name)
        if len(reason.split()) < 4:
            fail(cls, "gives a reason of at least four words for each skip", repr(reason))
    yield from (check for check in CHECKS if check.__name__ not in left_out)


def fail(cls: type, promise: str, seen: object) -> None:
    """Raise for a broken promise.

    Parameters
    ----------
    cls
        The class that broke it.
    promise
        What it must do, as a verb phrase.
    seen
        What it did.

    Raises
    ------
    ConformanceError
        Always.
    """
    message = f"{cls.__name__} must pass: {promise}; got {seen}"
    raise ConformanceError(message)


def crowd(seed: int = 0, n: int = 400, d: int = 6) -> Floats:
    """Give rows of usual traffic in miniature: correlated, heavy-tailed, some columns of counts.

    Parameters
    ----------
    seed
        Start of the randomness.
    n, d
        Rows and columns.
    """
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(2, d))
    rows = np.exp(0.4 * rng.normal(size=(n, 2)) @ mixing + 0.2 * rng.normal(size=(n, d)) + 2.0)
    rows[:, ::3] = np.round(rows[:, ::3])
    return np.ascontiguousarray(rows)


def planted(seed: int = 0, n: int = 20, d: int = 6) -> Floats:
    """Give rows far outside the crowd of the same seed in every column.

    Parameters
    ----------
    seed
        Seed of the crowd.
    n, d
        Rows and columns.
    """
    usual = crowd(seed, d=d)
    factor = np.random.default_rng(seed + 1).uniform(5.0, 50.0, size=(n, d))
    return np.ascontiguousarray(usual.max(axis=0) * factor)


def check_scores_are_finite_float64(cls: type[MatrixDetector]) -> None:
    """Check that scores are finite float64 of shape (n,), one row included; the derived methods agree."""
    model = cls().fit(crowd())
    for rows in (crowd(1), crowd(1)[:1], planted(), np.full((2, 6), 1e12)):
        scores = model.anomaly_score(rows)
        if (
            scores.dtype != np.float64
            or scores.shape != (len(rows),)
            or not np.isfinite(scores).all()
        ):
            fail(cls, "scores are finite float64 of shape (n,)", f"{scores.dtype} {scores.shape}")
        if not np.array_equal(model.score_samples(rows), -scores):
            fail(cls, "score_samples is -anomaly_score", "a difference")
        if not np.array_equal(model.decision_function(rows), -scores - model.offset_):
            fail(cls, "decision_function is score_samples - offset_", "a difference")
        if set(np.unique(model.predict(rows))) - {-1, 1}:
            fail(cls, "predict gives 1 and -1", np.unique(model.predict(rows)))


def check_planted_rows_rank_above_the_crowd(cls: type[MatrixDetector]) -> None:
    """Check that planted outliers rank above the crowd, over several seeds."""
    for seed in range(4):
        model = cls(seed=seed).fit(crowd(seed))
        usual, strange = model.anomaly_score(crowd(seed)), model.anomaly_score(planted(seed))
        above = float((strange[:, None] > usual).mean())
        if above < 0.95:
            fail(cls, "planted rows rank above 95 % of the crowd", f"{above:.2f} with seed {seed}")


def check_a_cut_batch_scores_the_same(cls: type[MatrixDetector]) -> None:
    """Check that cutting, shuffling or repeating a batch changes no bit of any row's score."""
    model = cls().fit(crowd())
    rows = np.concatenate([crowd(2, n=300), planted()])
    whole = model.anomaly_score(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    if not np.array_equal(model.anomaly_score(rows[order]), whole[order]):
        fail(cls, "a shuffled batch scores the same", "other bits")
    for size in (1, 3, 64):
        pieces = [model.anomaly_score(rows[i : i + size]) for i in range(0, len(rows), size)]
        if not np.array_equal(np.concatenate(pieces), whole):
            fail(cls, f"a batch cut into pieces of {size} scores the same", "other bits")
    for layout in (np.asfortranarray(rows), np.repeat(rows, 2, axis=0)[::2], rows.tolist()):
        if not np.array_equal(model.anomaly_score(layout), whole):
            fail(cls, "the memory layout changes no score", "other bits")


def check_scoring_changes_nothing(cls: type[MatrixDetector]) -> None:
    """Check that scoring changes no state, and neither scoring nor fitting the rows it is given."""
    rows = crowd()
    kept = rows.copy()
    model = cls().fit(rows)
    before = {name: value.copy() for name, value in model.to_arrays().items()}
    attributes = set(vars(model))
    strange = planted()
    kept_strange = strange.copy()
    first = model.anomaly_score(strange)
    model.predict(strange)
    if set(vars(model)) != attributes:
        fail(cls, "scoring sets no attribute", set(vars(model)) - attributes)
    after = model.to_arrays()
    if any(not np.array_equal(before[name], after[name]) for name in before):
        fail(cls, "scoring changes no state", "other arrays")
    if not np.array_equal(first, model.anomaly_score(strange)):
        fail(cls, "scoring twice gives the same scores", "others")
    if not np.array_equal(rows, kept) or not np.array_equal(strange, kept_strange):
        fail(cls, "the rows given stay as they were", "changed rows")


def check_scores_take_many_values(cls: type[MatrixDetector]) -> None:
    """Check that scores of different rows take many values: a constant ranks nothing."""
    scores = cls().fit(crowd()).anomaly_score(np.concatenate([crowd(3), planted()]))
    if len(np.unique(scores)) < 20:
        fail(cls, "scores of 420 different rows take at least 20 values", len(np.unique(scores)))


def check_same_seed_same_scores(cls: type[MatrixDetector]) -> None:
    """Check that the same seed gives the same bits."""
    first, second = (cls(seed=3).fit(crowd()).anomaly_score(crowd(1)) for _ in range(2))
    if not np.array_equal(first, second):
        fail(cls, "the same seed gives the same scores", "others")


def check_fit_twice_equals_once(cls: type[MatrixDetector]) -> None:
    """Check that a second fit forgets the first."""
    fresh = cls().fit(crowd())
    used = cls().fit(planted(5, n=60)).fit(crowd())
    if not np.array_equal(fresh.anomaly_score(crowd(1)), used.anomaly_score(crowd(1))):
        fail(cls, "fitting again equals fitting once", "other scores")


def check_arrays_round_trip(cls: type[MatrixDetector]) -> None:
    """Check that the state leaves as arrays of numbers and text, and comes back with equal scores."""
    model = cls().fit(crowd())
    arrays = model.to_arrays()
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biufU":
            fail(
                cls,
                "saved state holds arrays of numbers and text",
                f"{name}: {array.dtype}",
            )
    loaded = cls.from_arrays(
        {name: array.copy() for name, array in arrays.items()}, model.get_params()
    )
    rows = np.concatenate([crowd(4), planted()])
    if not np.array_equal(loaded.anomaly_score(rows), model.anomaly_score(rows)):
        fail(cls, "a loaded detector scores the same", "others")
    if not np.array_equal(loaded.predict(rows), model.predict(rows)):
        fail(cls, "a loaded detector predicts the same", "others")


def check_missing_arrays_are_refused(cls: type[MatrixDetector]) -> None:
    """Check that a saved state that lacks an array, or holds objects, is refused by name."""
    from eddyline.errors import ModelError

    model = cls().fit(crowd())
    arrays = model.to_arrays()
    for name in arrays:
        if name == "feature_names_in_":
            continue
        damaged = {key: value for key, value in arrays.items() if key != name}
        for state in (damaged, {**damaged, name: np.array([{}], dtype=object)}):
            try:
                cls.from_arrays(state, model.get_params())
            except ModelError as error:
                if name not in str(error):
                    fail(cls, f"the refusal names {name}", str(error))
            else:
                fail(cls, f"a state without a sound {name} is refused with ModelError", "no error")


def check_not_fitted_is_named(cls: type[MatrixDetector]) -> None:
    """Check that scoring and saving before the fit raise scikit-learn's NotFittedError."""
    for method in ("anomaly_score", "score_samples", "decision_function", "predict"):
        try:
            getattr(cls(), method)(crowd())
        except NotFittedError:
            continue
        fail(cls, f"{method} before fit raises NotFittedError", "something else")
    try:
        cls().to_arrays()
    except NotFittedError:
        return
    fail(cls, "to_arrays before fit raises NotFittedError", "something else")


def check_bad_rows_are_named(cls: type[MatrixDetector]) -> None:
    """Check that wrong width, NaN, infinity and emptiness raise DataError with the value in the text."""
    rows = crowd()
    model = cls().fit(rows)
    hole, endless = rows.copy(), rows.copy()
    hole[7, 2], endless[3, 1] = np.nan, np.inf
    cases = (
        ("wrong width", rows[:, :4], "4"),
        ("NaN", hole, "row 7"),
        ("infinity", endless, "row 3"),
        ("no rows", rows[:0], "0"),
    )
    for what, bad, value in cases:
        for act in (model.anomaly_score, model.predict) + (
            () if what == "wrong width" else (cls().fit,)
        ):
            try:
                act(bad)
            except DataError as error:
                if value not in str(error):
                    fail(cls, f"the error for {what} shows {value!r}", str(error))
            else:
                fail(cls, f"{what} raises DataError", f"no error from {act.__name__}")


def check_labels_change_nothing(cls: type[MatrixDetector]) -> None:
    """Check that labels given to fit change no score."""
    labels = (np.arange(400) % 7 == 0).astype(int)
    plain, labelled = cls().fit(crowd()), cls().fit(crowd(), labels)
    if not np.array_equal(plain.anomaly_score(crowd(1)), labelled.anomaly_score(crowd(1))):
        fail(cls, "y changes no score", "other scores")


def check_arguments_are_stored_untouched(cls: type[MatrixDetector]) -> None:
    """Check that the constructor stores its arguments as they are, with fixed defaults and a seed."""
    parameters = dict(inspect.signature(cls).parameters)
    if "seed" not in parameters or parameters["seed"].default != 0:
        fail(cls, "takes seed with the default 0", list(parameters))
    for name, parameter in parameters.items():
        if isinstance(parameter.default, (list, dict, set, np.ndarray)):
            fail(cls, "no default can be changed", f"{name}={parameter.default!r}")
        marker: Any = object()
        stored = getattr(cls(**{name: marker}), name, None)
        if stored is not marker:
            fail(cls, f"the argument {name} is stored untouched", stored)
    model = cls()
    before = copy.deepcopy(model.get_params())
    if model.fit(crowd()).get_params() != before:
        fail(cls, "fit leaves the arguments alone", model.get_params())


def check_docstring_helps(cls: type[MatrixDetector]) -> None:
    """Check that the docstring states a shape, a reference and a running example."""
    text = inspect.getdoc(cls) or ""
    for what, pattern in (
        ("a shape", r"\(n, d\)|\(n,\)"),
        ("References", r"^References\n-+"),
        ("Examples", r">>> "),
    ):
        if not re.search(pattern, text, flags=re.MULTILINE):
            fail(cls, f"the docstring has {what}", "none")
    names = dict(vars(sys.modules[cls.__module__]))
    test = doctest.DocTestParser().get_doctest(text, names, cls.__name__, None, None)
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    if runner.run(test, out=report.append).failed:
        fail(cls, "the example of the docstring runs", "".join(report))


def check_memory_copies_score_the_same(cls: type[MatrixDetector]) -> None:
    """Check that a deep copy and a pickled copy, as worker processes make them, score the same."""
    model = cls().fit(crowd())
    whole = model.anomaly_score(crowd(1))
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own bytes
        if not np.array_equal(twin.anomaly_score(crowd(1)), whole):
            fail(cls, "a copy scores the same", "others")


CHECKS: tuple[MatrixCheck, ...] = (
    check_scores_are_finite_float64,
    check_planted_rows_rank_above_the_crowd,
    check_a_cut_batch_scores_the_same,
    check_scoring_changes_nothing,
    check_scores_take_many_values,
    check_same_seed_same_scores,
    check_fit_twice_equals_once,
    check_arrays_round_trip,
    check_missing_arrays_are_refused,
    check_not_fitted_is_named,
    check_bad_rows_are_named,
    check_labels_change_nothing,
    check_arguments_are_stored_untouched,
    check_docstring_helps,
    check_memory_copies_score_the_same,
)
"""Every check of a matrix detector, in the order they run."""
