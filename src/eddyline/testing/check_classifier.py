"""The conformance suite of classifiers: what each of them, ours or yours, must do.

What belongs here: one check a promise, and the functions that yield and run them. What does not: promises
about the quality on some data set, which are the classifier's own tests.

Use it in a test of your own::

    @pytest.mark.parametrize("check", yield_checks(MyClassifier), ids=lambda check: check.__name__)
    def test_classifier(check):
        check(MyClassifier)
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError

from eddyline.classifiers.classifier import Classifier
from eddyline.errors import DataError, ModelError, UsageError
from eddyline.tables import Floats
from eddyline.testing.check_detector import check_docstring_helps, fail

Check = Callable[[type[Classifier]], None]

NAMES = ("calm", "flood", "scan")
"""Classes of the miniature, in sorted order."""


def check_classifier(cls: type[Classifier], *, skip: Mapping[str, str] | None = None) -> None:
    """Run every check on a classifier class, built with its default arguments.

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
    cls: type[Classifier], *, skip: Mapping[str, str] | None = None
) -> Iterator[Check]:
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
        When a skip has no reason or names no check, or the class is no classifier.
    """
    given: object = cls
    if not (inspect.isclass(given) and issubclass(given, Classifier)):
        fail(cls, "is a subclass of Classifier", repr(cls))
    left_out = dict(skip or {})
    for name, reason in left_out.items():
        if name not in {check.__name__ for check in CHECKS}:
            fail(cls, "skips checks that exist", name)
        if len(reason.split()) < 4:
            fail(cls, "gives a reason of at least four words for each skip", repr(reason))
    yield from (check for check in CHECKS if check.__name__ not in left_out)


def labelled(seed: int = 0, n: int = 300, d: int = 5) -> tuple[Floats, NDArray[np.str_]]:
    """Give rows of three classes in miniature, heavy-tailed and 6 : 3 : 1, with their names.

    Parameters
    ----------
    seed
        Start of the randomness.
    n, d
        Rows and columns; d at least 3.
    """
    rng = np.random.default_rng(seed)
    codes = rng.choice(3, size=n, p=(0.6, 0.3, 0.1))
    centre = np.zeros((3, d))
    centre[1, 0], centre[2, 1] = 3.0, 3.0
    rows = np.exp(centre[codes] + 0.5 * rng.normal(size=(n, d)))
    rows[:, 2] = np.round(rows[:, 2])
    return np.ascontiguousarray(rows), np.array(NAMES)[codes]


def fitted(cls: type[Classifier], seed: int = 0) -> Classifier:
    """Give the class with default arguments, fitted on the miniature of a seed.

    Parameters
    ----------
    cls
        The class.
    seed
        Seed of the classifier and of the rows.
    """
    return cls(seed=seed).fit(*labelled(seed))


def check_probabilities_are_probabilities(cls: type[Classifier]) -> None:
    """Check that probabilities are finite float64 (n, k), rows sum to 1, and predict is their arg max."""
    model = fitted(cls)
    for rows in (labelled(1)[0], labelled(1)[0][:1], np.full((2, 5), 1e12)):
        given = model.predict_proba(rows)
        if given.dtype != np.float64 or given.shape != (len(rows), 3):
            fail(cls, "gives float64 of shape (n, k)", f"{given.dtype} {given.shape}")
        if not np.isfinite(given).all() or (given < 0).any():
            fail(cls, "gives finite probabilities, none below 0", given.min())
        if np.abs(given.sum(axis=1) - 1).max() > 1e-9:
            fail(cls, "gives rows that sum to 1", given.sum(axis=1))
        if not np.array_equal(model.predict(rows), model.classes_[given.argmax(axis=1)]):
            fail(cls, "predicts the most probable class", "another")


def check_clear_classes_are_told_apart(cls: type[Classifier]) -> None:
    """Check that classes far apart are told apart on new rows, each of them."""
    for seed in range(2):
        rows, names = labelled(seed + 10)
        predicted = fitted(cls, seed).predict(rows)
        for name in NAMES:
            share = float((predicted[names == name] == name).mean())
            if share < 0.8:
                fail(cls, f"finds 80 % of {name!r}", f"{share:.2f} with seed {seed}")


def check_labels_may_be_text_or_numbers(cls: type[Classifier]) -> None:
    """Check that names and numbers of the classes give the same probabilities, and come back as given."""
    rows, names = labelled()
    new = labelled(1)[0]
    codes = np.searchsorted(NAMES, names)
    text = cls().fit(rows, names)
    for y in (names.astype(object), list(names), codes, codes * 10 - 7):
        model = cls().fit(rows, y)
        if not np.array_equal(model.predict_proba(new), text.predict_proba(new)):
            fail(cls, "the names of the classes change no probability", f"others for {y[0]!r}")
        if not set(model.predict(new).tolist()) <= set(np.asarray(y).tolist()):
            fail(cls, "predicts labels as they were given", model.predict(new)[:3])


def check_a_cut_batch_is_judged_the_same(cls: type[Classifier]) -> None:
    """Check that cutting or shuffling a batch moves no row's probability."""
    if not 0 <= cls.row_tolerance <= 1e-6:
        fail(cls, "row_tolerance is in [0, 1e-6]", cls.row_tolerance)
    model = fitted(cls)
    rows = labelled(2, n=250)[0]
    whole = model.predict_proba(rows)
    order = np.random.default_rng(0).permutation(len(rows))
    _same(
        cls, "a shuffled batch is judged the same", model.predict_proba(rows[order]), whole[order]
    )
    for size in (1, 3, 64):
        pieces = [model.predict_proba(rows[i : i + size]) for i in range(0, len(rows), size)]
        _same(cls, f"pieces of {size} are judged the same", np.concatenate(pieces), whole)
    _same(cls, "layout changes nothing", model.predict_proba(np.asfortranarray(rows)), whole)


def check_judging_changes_nothing(cls: type[Classifier]) -> None:
    """Check that judging changes no state, and neither fitting nor judging the rows given."""
    rows, names = labelled()
    kept = rows.copy()
    model = cls().fit(rows, names)
    before = {name: value.copy() for name, value in model.to_arrays().items()}
    attributes = set(vars(model))
    first = model.predict_proba(rows)
    if set(vars(model)) != attributes:
        fail(cls, "judging sets no attribute", set(vars(model)) - attributes)
    if any(not np.array_equal(before[k], v) for k, v in model.to_arrays().items()):
        fail(cls, "judging changes no state", "other arrays")
    if not np.array_equal(first, model.predict_proba(rows)):
        fail(cls, "judging twice gives the same", "others")
    if not np.array_equal(rows, kept):
        fail(cls, "the rows given stay as they were", "changed rows")


def check_same_seed_same_probabilities(cls: type[Classifier]) -> None:
    """Check that the same seed gives the same bits, and that a second fit forgets the first."""
    new = labelled(1)[0]
    once = fitted(cls, 3).predict_proba(new)
    if not np.array_equal(once, fitted(cls, 3).predict_proba(new)):
        fail(cls, "the same seed gives the same probabilities", "others")
    again = cls(seed=3).fit(*labelled(8, n=80)).fit(*labelled(3)).predict_proba(new)
    if not np.array_equal(once, again):
        fail(cls, "fitting again equals fitting once", "others")


def check_weights_are_used(cls: type[Classifier]) -> None:
    """Check that a class whose rows weigh little is predicted less, and that ``priors_`` follow."""
    rows, names = labelled()
    rows = rows / np.exp(1.5 * np.random.default_rng(5).normal(size=rows.shape))
    light = np.where(names == "flood", 0.01, 1.0)
    plain, weighted = cls().fit(rows, names), cls().fit(rows, names, sample_weight=light)
    place = NAMES.index("flood")
    shares = [m.predict_proba(labelled(1)[0])[:, place].mean() for m in (plain, weighted)]
    if not shares[1] < shares[0]:
        fail(cls, "a class of light rows is predicted less", f"{shares[0]:.3f} -> {shares[1]:.3f}")
    if not weighted.priors_[place] < plain.priors_[place]:
        fail(cls, "priors_ are shares of weight", weighted.priors_)


def check_arrays_round_trip(cls: type[Classifier]) -> None:
    """Check that the state leaves as arrays of numbers and text and comes back equal, or is refused."""
    model = fitted(cls)
    arrays = model.to_arrays()
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biufU":
            fail(cls, "saved state holds numbers and text", f"{name}: {array.dtype}")
    loaded = cls.from_arrays({k: v.copy() for k, v in arrays.items()}, model.get_params())
    new = labelled(4)[0]
    if not np.array_equal(loaded.predict_proba(new), model.predict_proba(new)):
        fail(cls, "a loaded classifier gives the same probabilities", "others")
    if not np.array_equal(loaded.predict(new), model.predict(new)):
        fail(cls, "a loaded classifier predicts the same", "others")
    for name in arrays:
        if name != "feature_names_in_":
            _refused(cls, {k: v for k, v in arrays.items() if k != name}, model, name)
            _refused(cls, {**arrays, name: np.array([{}], dtype=object)}, model, name)
    _refused(cls, {**arrays, "classes_": arrays["classes_"][::-1]}, model, "classes_")
    _refused(cls, {**arrays, "priors_": arrays["priors_"] * 2}, model, "priors_")


def check_not_fitted_is_named(cls: type[Classifier]) -> None:
    """Check that judging and saving before the fit raise scikit-learn's NotFittedError."""
    rows = labelled()[0]
    for act in (
        lambda: cls().predict_proba(rows),
        lambda: cls().predict(rows),
        lambda: cls().to_arrays(),
    ):
        try:
            act()
        except NotFittedError:
            continue
        fail(cls, "raises NotFittedError before fit", "something else")


def check_bad_input_is_named(cls: type[Classifier]) -> None:
    """Check that bad rows, labels, weights and targets raise with the value in the text."""
    rows, names = labelled()
    model = cls().fit(rows, names)
    hole, endless = rows.copy(), rows.copy()
    hole[7, 2], endless[3, 1] = np.nan, np.inf
    cases: list[tuple[str, Callable[[], Any], str]] = [
        ("another width", lambda: model.predict_proba(rows[:, :4]), "4"),
        ("NaN", lambda: model.predict_proba(hole), "row 7"),
        ("NaN in fit", lambda: cls().fit(hole, names), "row 7"),
        ("infinity", lambda: cls().fit(endless, names), "row 3"),
        ("no rows", lambda: model.predict_proba(rows[:0]), "0"),
        ("one class", lambda: cls().fit(rows, np.full(len(rows), "calm")), "calm"),
        ("too few labels", lambda: cls().fit(rows, names[:-1]), "299"),
        ("continuous labels", lambda: cls().fit(rows, rows[:, 0]), "continuous"),
        ("negative weights", lambda: cls().fit(rows, names, -np.ones(len(rows))), "egative"),
        ("groups too short", lambda: cls().fit(rows, names, groups=[1, 2]), "300"),
    ]
    for what, act, value in cases:
        try:
            act()
        except DataError as error:
            if value not in str(error):
                fail(cls, f"the error for {what} shows {value!r}", str(error))
        else:
            fail(cls, f"{what} raises DataError", "no error")


def check_target_is_used_or_refused(cls: type[Classifier]) -> None:
    """Check that unlabelled rows of the predicted time are refused unless the class says it takes them."""
    rows, names = labelled()
    if cls.takes_target:
        model = cls().fit(rows, names, target=labelled(9)[0])
        if not np.isfinite(model.predict_proba(rows)).all():
            fail(cls, "learns with a target", "probabilities that are not finite")
        return
    try:
        cls().fit(rows, names, target=rows)
    except UsageError as error:
        if "300" not in str(error):
            fail(cls, "the refusal of target shows its rows", str(error))
    else:
        fail(cls, "refuses target with UsageError", "no error")


def check_arguments_are_stored_untouched(cls: type[Classifier]) -> None:
    """Check that the constructor stores its arguments as they are, with fixed defaults and a seed."""
    parameters = dict(inspect.signature(cls).parameters)
    if "seed" not in parameters or parameters["seed"].default != 0:
        fail(cls, "takes seed with the default 0", list(parameters))
    for name, parameter in parameters.items():
        if isinstance(parameter.default, (list, dict, set, np.ndarray)):
            fail(cls, "no default can be changed", f"{name}={parameter.default!r}")
        marker: Any = object()
        if getattr(cls(**{name: marker}), name, None) is not marker:
            fail(cls, f"the argument {name} is stored untouched", "another value")
    model = cls()
    before = copy.deepcopy(model.get_params())
    if model.fit(*labelled()).get_params() != before:
        fail(cls, "fit leaves the arguments alone", model.get_params())


def check_memory_copies_judge_the_same(cls: type[Classifier]) -> None:
    """Check that a deep copy and a pickled copy, as worker processes make them, judge the same."""
    model = fitted(cls)
    new = labelled(1)[0]
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 - our own bytes
        if not np.array_equal(twin.predict_proba(new), model.predict_proba(new)):
            fail(cls, "a copy judges the same", "others")


def _same(cls: type[Classifier], promise: str, given: Floats, expected: Floats) -> None:
    gap = float(np.abs(given - expected).max())
    if gap > cls.row_tolerance:
        fail(cls, promise, f"a difference of {gap:.3g}")


def _refused(
    cls: type[Classifier], arrays: dict[str, NDArray[Any]], model: Classifier, name: str
) -> None:
    try:
        cls.from_arrays(arrays, model.get_params())
    except ModelError as error:
        if name not in str(error):
            fail(cls, f"the refusal names {name}", str(error))
    else:
        fail(cls, f"a state without a sound {name} is refused with ModelError", "no error")


CHECKS: tuple[Check, ...] = (
    check_probabilities_are_probabilities,
    check_clear_classes_are_told_apart,
    check_labels_may_be_text_or_numbers,
    check_a_cut_batch_is_judged_the_same,
    check_judging_changes_nothing,
    check_same_seed_same_probabilities,
    check_weights_are_used,
    check_arrays_round_trip,
    check_not_fitted_is_named,
    check_bad_input_is_named,
    check_target_is_used_or_refused,
    check_arguments_are_stored_untouched,
    check_memory_copies_judge_the_same,
    check_docstring_helps,
)
"""Every check of a classifier, in the order they run."""
