"""The conformance suite for detectors that learn row by row.

What belongs here: one check a promise. What does not: quality on some data set, or the rows
(``streams.py``). Use it in a test of your own::

    @pytest.mark.parametrize(
        "check", yield_stream_checks(MyStream), ids=lambda check: check.__name__
    )
    def test_stream(check):
        check(MyStream)
"""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from sklearn.exceptions import NotFittedError

from eddyline.detectors.stream import EdgeDetector, StreamDetector
from eddyline.errors import DataError, ModelError
from eddyline.testing import check_detector
from eddyline.testing.check_detector import fail
from eddyline.testing.streams import (
    SOME,
    bytes_of,
    extreme_rows,
    later,
    same_state,
    started,
    strange_rows,
    usual_rows,
)

StreamCheck = Callable[[type[StreamDetector]], None]
MANY = 20_000
"""Rows of a long stream, in which memory must not grow."""


def check_stream_detector(
    cls: type[StreamDetector], *, skip: Mapping[str, str] | None = None
) -> None:
    """Run every check on a stream detector class, built with its default arguments.

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
    for check in yield_stream_checks(cls, skip=skip):
        check(cls)


def yield_stream_checks(
    cls: type[StreamDetector], *, skip: Mapping[str, str] | None = None
) -> Iterator[StreamCheck]:
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
        When a skip has no reason or names no check, or the class is no stream detector.
    """
    given: object = cls
    if not (inspect.isclass(given) and issubclass(given, StreamDetector)):
        fail(cls, "is a subclass of StreamDetector", repr(cls))
    left_out = dict(skip or {})
    for name, reason in left_out.items():
        if name not in {check.__name__ for check in CHECKS} or len(reason.split()) < 4:
            fail(
                cls,
                "skips checks that exist, with a reason of at least four words",
                (name, reason),
            )
    yield from (check for check in CHECKS if check.__name__ not in left_out)


def check_scores_are_finite_float64(cls: type[StreamDetector]) -> None:
    """Check that scores are finite float64 of shape (n,), one row included, and 0 before the warm-up."""
    model, rows = started(cls)
    for given in (later(cls, rows), later(cls, rows)[:1], strange_rows(cls, rows)):
        scores = model.anomaly_score(given)
        sound = scores.dtype == np.float64 and scores.shape == (len(given),)
        if not (sound and np.isfinite(scores).all()):
            fail(cls, "scores are finite float64 of shape (n,)", f"{scores.dtype} {scores.shape}")
        if not np.array_equal(model.score_samples(given), -scores):
            fail(cls, "score_samples is -anomaly_score", "a difference")
    for scores in (
        model.anomaly_score(extreme_rows(cls, rows)),
        model.partial_fit(extreme_rows(cls, rows)).anomaly_score(extreme_rows(cls, rows)),
        cls().score_and_learn(np.tile(extreme_rows(cls, rows), (9, 1))),
    ):
        if not np.isfinite(scores).all():
            fail(cls, "scores of numbers of 1e300 are finite", scores[~np.isfinite(scores)][:3])
    cold = cls()
    first = usual_rows(cls, n=cold.warm_rows)
    if cold.score_and_learn(first).any():
        fail(cls, "the first warm_rows rows score 0", "another score")
    if cold.n_seen_ != cold.warm_rows:
        fail(cls, f"n_seen_ counts {cold.warm_rows} rows", cold.n_seen_)


def check_learning_a_batch_is_learning_row_by_row(cls: type[StreamDetector]) -> None:
    """Check that any cut of the stream into batches leaves the same bits behind."""
    model, rows = started(cls)
    more = later(cls, rows)
    whole = copy.deepcopy(model).partial_fit(more)
    for size in (1, 7, 64):
        cut = copy.deepcopy(model)
        for i in range(0, len(more), size):
            cut.partial_fit(more[i : i + size])
        if not same_state(cut, whole):
            fail(cls, f"batches of {size} leave the bits that one batch leaves", "others")
    cold = cls()
    for i in range(0, len(rows), 997):
        cold.partial_fit(rows[i : i + 997])
    if not same_state(cold, model):
        fail(cls, "batches of 997 from the first row leave the same bits", "others")


def check_scoring_and_learning_is_row_by_row(cls: type[StreamDetector]) -> None:
    """Check that score_and_learn equals anomaly_score then partial_fit for each row, to the bit."""
    model, rows = started(cls)
    more = later(cls, rows)
    whole = copy.deepcopy(model)
    scores = whole.score_and_learn(more)
    single = copy.deepcopy(model)
    for i in range(len(more)):
        row = more[i : i + 1]
        score = float(single.anomaly_score(row)[0])
        single.partial_fit(row)
        if score != scores[i]:
            fail(cls, f"row {i} scores {scores[i]} alone, as in its batch", score)
    if not same_state(single, whole):
        fail(cls, "score_and_learn leaves the bits of scoring and learning row by row", "others")
    for size in (3, 50):
        cut = copy.deepcopy(model)
        parts = [cut.score_and_learn(more[i : i + size]) for i in range(0, len(more), size)]
        if not np.array_equal(np.concatenate(parts), scores) or not same_state(cut, whole):
            fail(cls, f"batches of {size} score and learn as one batch does", "other bits")


def check_a_cold_start_is_row_by_row(cls: type[StreamDetector]) -> None:
    """Check that score_and_learn from the first row on does not depend on the cut either."""
    rows = usual_rows(cls, n=cls().warm_rows + 300)
    whole, cut = cls(), cls()
    scores = whole.score_and_learn(rows)
    size = max(1, len(rows) // 7)
    parts = [cut.score_and_learn(rows[i : i + size]) for i in range(0, len(rows), size)]
    if not np.array_equal(np.concatenate(parts), scores) or not same_state(cut, whole):
        fail(cls, "a cold start in seven batches scores as one batch does", "other bits")


def check_scoring_changes_nothing(cls: type[StreamDetector]) -> None:
    """Check that scoring changes no state and no row, and that a row's score ignores those beside it."""
    model, rows = started(cls)
    more = later(cls, rows)
    kept, before, attributes = more.copy(), model.to_arrays(), set(vars(model))
    scores = model.anomaly_score(more)
    if set(vars(model)) != attributes:
        fail(cls, "scoring sets no attribute", set(vars(model)) - attributes)
    if any(before[name].tobytes() != array.tobytes() for name, array in model.to_arrays().items()):
        fail(cls, "scoring changes no state", "other arrays")
    order = np.random.default_rng(0).permutation(len(more))
    if not np.array_equal(model.anomaly_score(more[order]), scores[order]):
        fail(cls, "a shuffled batch scores the same", "other bits")
    alone = [model.anomaly_score(more[i : i + 1])[0] for i in range(len(more))]
    if not np.array_equal(np.array(alone), scores):
        fail(cls, "a row alone scores the same", "other bits")
    model.partial_fit(more)
    model.score_and_learn(more)
    if not np.array_equal(more, kept):
        fail(cls, "the rows given stay as they were", "changed rows")


def check_memory_is_bounded(cls: type[StreamDetector]) -> None:
    """Check that the state is as large after a long stream as after a short one, whatever comes."""
    model, _ = started(cls)
    rng = np.random.default_rng(3)
    size: list[tuple[int, int]] = []
    for _ in range(3):
        more = usual_rows(cls, int(rng.integers(1000)), MANY)
        if issubclass(cls, EdgeDetector):
            more[:, :2] = rng.integers(2**62, size=(MANY, 2))
            more[:, 2] += 10_000 * (len(size) + 1)
        else:
            more = more * rng.lognormal(0.0, 3.0, size=more.shape)
        model.partial_fit(more)
        size.append((bytes_of(model), len(pickle.dumps(model)) // 1024))
    if size[1] != size[2]:
        fail(cls, f"memory stays at {size[1]} bytes and pickled kilobytes", size[2])


def check_a_restart_goes_on(cls: type[StreamDetector]) -> None:
    """Check that a state that was saved in mid-stream goes on with the same bits, as do copies."""
    model, rows = started(cls)
    arrays = model.to_arrays()
    for name, array in arrays.items():
        if np.asarray(array).dtype.kind not in "biuf":
            fail(cls, "saved state holds arrays of numbers", f"{name}: {array.dtype}")
    twins = {
        "loaded": cls.from_arrays({k: v.copy() for k, v in arrays.items()}, model.get_params()),
        "deep copy": copy.deepcopy(model),
        "pickled copy": pickle.loads(pickle.dumps(model)),  # noqa: S301 - our own bytes
    }
    more = later(cls, rows, n=3000)
    scores = model.score_and_learn(more)
    if not same_state(
        cls.from_arrays(arrays, model.get_params()),
        cls.from_arrays({k: v.copy() for k, v in arrays.items()}, model.get_params()),
    ):
        fail(cls, "learning on leaves a saved state alone", "a changed one")
    for what, twin in twins.items():
        if not np.array_equal(twin.score_and_learn(more), scores) or not same_state(twin, model):
            fail(cls, f"a {what} goes on with the same bits", "others")


def check_a_restart_while_cold_goes_on(cls: type[StreamDetector]) -> None:
    """Check that a state saved before the warm-up ended goes on with the same bits."""
    model = cls()
    rows = usual_rows(cls, n=model.warm_rows + SOME)
    first = max(1, model.warm_rows // 2)
    model.partial_fit(rows[:first])
    twin = cls.from_arrays(model.to_arrays(), model.get_params())
    scores = model.score_and_learn(rows[first:])
    if not np.array_equal(twin.score_and_learn(rows[first:]), scores):
        fail(cls, "a state saved while cold goes on with the same scores", "others")
    if not same_state(twin, model):
        fail(cls, "a state saved while cold goes on with the same bits", "others")


def check_damaged_states_are_refused(cls: type[StreamDetector]) -> None:
    """Check that a state that lacks an array, holds objects or another shape is refused by name."""
    model, _ = started(cls)
    arrays = model.to_arrays()
    for name in arrays:
        rest = {key: value for key, value in arrays.items() if key != name}
        damaged: list[dict[str, Any]] = [
            rest,
            {**rest, name: np.array([{}], dtype=object)},
            {**rest, name: np.zeros((2, 3, 1, 7))},
        ]
        for state in damaged:
            try:
                cls.from_arrays(state, model.get_params())
            except ModelError:
                continue
            fail(cls, f"a state without a sound {name} is refused with ModelError", "no error")


def check_same_seed_same_scores(cls: type[StreamDetector]) -> None:
    """Check that the same seed gives the same bits."""
    (first, rows), (second, _) = started(cls, 5), started(cls, 5)
    more = later(cls, rows)
    if not np.array_equal(first.score_and_learn(more), second.score_and_learn(more)):
        fail(cls, "the same seed gives the same scores", "others")
    if not same_state(first, second):
        fail(cls, "the same seed leaves the same bits", "others")


def check_fit_forgets(cls: type[StreamDetector]) -> None:
    """Check that fit forgets what was learned and learns rows in order, and labels change nothing."""
    used, rows = started(cls)
    labels = (np.arange(len(rows)) % 7 == 0).astype(int)
    used.partial_fit(later(cls, rows)).fit(rows, labels)
    fresh = cls().partial_fit(rows)
    if not same_state(used, fresh):
        fail(cls, "fit equals partial_fit of a new detector", "other bits")


def check_strange_rows_rank_above_usual_ones(cls: type[StreamDetector]) -> None:
    """Check that planted outliers, or a planted burst of edges, rank above usual rows, over seeds."""
    for seed in range(4):
        model, rows = started(cls, seed)
        usual = model.score_and_learn(later(cls, rows, seed)[:100])
        last = later(cls, rows, seed)[:100]
        strange = model.score_and_learn(strange_rows(cls, last, 40))[10:]
        if not issubclass(cls, EdgeDetector):
            model, rows = started(cls, seed)
            strange = model.anomaly_score(strange_rows(cls, rows))
        above = float((strange[:, None] > usual).mean())
        if above < 0.9:
            fail(cls, "strange rows rank above 90 % of usual ones", f"{above:.2f}, seed {seed}")


def check_scores_take_many_values(cls: type[StreamDetector]) -> None:
    """Check that scores of different rows take many values: a constant ranks nothing."""
    model, rows = started(cls)
    scores = model.score_and_learn(later(cls, rows))
    if len(np.unique(scores)) < 20:
        fail(cls, "scores of 220 rows take at least 20 values", len(np.unique(scores)))


def check_not_fitted_is_named(cls: type[StreamDetector]) -> None:
    """Check that scoring and saving before the first row raise scikit-learn's NotFittedError."""
    rows = usual_rows(cls)
    for act in (
        lambda: cls().anomaly_score(rows),
        lambda: cls().score_samples(rows),
        lambda: cls().to_arrays(),
    ):
        try:
            act()
        except NotFittedError:
            continue
        fail(cls, "use before the first row raises NotFittedError", "something else")


def check_bad_rows_are_named(cls: type[StreamDetector]) -> None:
    """Check that wrong width, NaN, infinity and emptiness raise DataError with the value in the text."""
    model, rows = started(cls)
    numbers = rows.astype(np.float64)
    hole, endless = numbers.copy(), numbers.copy()
    hole[7, 1], endless[3, 1] = np.nan, np.inf
    cases = [
        ("wrong width", numbers[:, :2], "2"),
        ("NaN", hole, "row 7"),
        ("infinity", endless, "row 3"),
        ("no rows", numbers[:0], "0"),
    ]
    if issubclass(cls, EdgeDetector):
        cases.append(("parts of numbers", numbers + 0.5, "row 0"))
    before = model.to_arrays()
    for what, bad, value in cases:
        for act in (model.anomaly_score, model.partial_fit, model.score_and_learn):
            try:
                act(bad)
            except DataError as error:
                if value not in str(error):
                    fail(cls, f"the error for {what} shows {value!r}", str(error))
            else:
                fail(cls, f"{what} raises DataError", f"no error from {act.__name__}")
    if any(before[name].tobytes() != array.tobytes() for name, array in model.to_arrays().items()):
        fail(cls, "rows that are refused change no state", "other arrays")


def check_arguments_are_stored_untouched(cls: type[StreamDetector]) -> None:
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
    before = copy.deepcopy(cls().get_params())
    if cls().partial_fit(usual_rows(cls)).get_params() != before:
        fail(cls, "learning leaves the arguments alone", "others")


def check_docstring_helps(cls: type[StreamDetector]) -> None:
    """Check that the docstring states a shape, a reference and a running example."""
    told: Any = cls
    check_detector.check_docstring_helps(told)


CHECKS: tuple[StreamCheck, ...] = (
    check_scores_are_finite_float64,
    check_learning_a_batch_is_learning_row_by_row,
    check_scoring_and_learning_is_row_by_row,
    check_a_cold_start_is_row_by_row,
    check_scoring_changes_nothing,
    check_memory_is_bounded,
    check_a_restart_goes_on,
    check_a_restart_while_cold_goes_on,
    check_damaged_states_are_refused,
    check_same_seed_same_scores,
    check_fit_forgets,
    check_strange_rows_rank_above_usual_ones,
    check_scores_take_many_values,
    check_not_fitted_is_named,
    check_bad_rows_are_named,
    check_arguments_are_stored_untouched,
    check_docstring_helps,
)
"""Every check of a stream detector, in the order they run."""
