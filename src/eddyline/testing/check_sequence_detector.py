"""The conformance suite for detectors of token sequences.

What belongs here: one check a promise. What does not: quality on some data set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping

import numpy as np
from sklearn.exceptions import NotFittedError

from eddyline.detectors.detector import SequenceDetector
from eddyline.errors import DataError, ModelError
from eddyline.tables import TokenGroups
from eddyline.testing.check_detector import fail

SequenceCheck = Callable[[type[SequenceDetector]], None]


def check_sequence_detector(
    cls: type[SequenceDetector], *, skip: Mapping[str, str] | None = None
) -> None:
    """Run every check on a sequence detector class, built with its default arguments.

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
    for check in yield_sequence_checks(cls, skip=skip):
        check(cls)


def yield_sequence_checks(
    cls: type[SequenceDetector], *, skip: Mapping[str, str] | None = None
) -> Iterator[SequenceCheck]:
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
        When a skip has no reason or names no check, or the class is no sequence detector.
    """
    given: object = cls
    if not (inspect.isclass(given) and issubclass(given, SequenceDetector)):
        fail(cls, "is a subclass of SequenceDetector", repr(cls))
    left_out = dict(skip or {})
    for name, reason in left_out.items():
        if name not in {check.__name__ for check in CHECKS} or len(reason.split()) < 4:
            fail(
                cls,
                "skips checks that exist, with a reason of at least four words",
                (name, reason),
            )
    yield from (check for check in CHECKS if check.__name__ not in left_out)


def groups_of(sequences: list[list[str]]) -> TokenGroups:
    """Put sequences end to end.

    Parameters
    ----------
    sequences
        Token texts of each group.
    """
    offsets = np.concatenate([[0], np.cumsum([len(tokens) for tokens in sequences])]).astype(
        np.int64
    )
    return TokenGroups(
        offsets, np.array([token for tokens in sequences for token in tokens], dtype=np.str_)
    )


def usual_groups(seed: int = 0, n: int = 120) -> list[list[str]]:
    """Give sequences that repeat a few habits, of length 1 to 30.

    Parameters
    ----------
    seed
        Start of the randomness.
    n
        Groups.
    """
    rng = np.random.default_rng(seed)
    habits = (["dns", "web", "web"], ["mail", "mail", "dns"], ["ntp"])
    sequences = []
    for _ in range(n):
        habit = habits[int(rng.integers(len(habits)))]
        length = int(rng.integers(1, 31))
        tokens = (habit * length)[:length]
        sequences.append([("dns" if rng.random() < 0.05 else token) for token in tokens])
    return sequences


def check_scores_are_finite_float64(cls: type[SequenceDetector]) -> None:
    """Check that scores are finite float64: one a group, one a token, whatever the tokens."""
    model = cls().fit(groups_of(usual_groups()))
    for sequences in (usual_groups(1), [["never", "seen", "ünseen"]], [["web"]]):
        groups = groups_of(sequences)
        scores, tokens = model.anomaly_score(groups), model.token_scores(groups)
        for what, array, n in (
            ("group", scores, len(groups)),
            ("token", tokens, len(groups.tokens)),
        ):
            if array.dtype != np.float64 or array.shape != (n,) or not np.isfinite(array).all():
                fail(
                    cls,
                    f"{what} scores are finite float64 of shape ({n},)",
                    f"{array.dtype} {array.shape}",
                )


def check_a_strange_token_ranks_first(cls: type[SequenceDetector]) -> None:
    """Check that a token that is new, or new in its place, makes its group strange and is named."""
    for seed in range(3):
        usual = usual_groups(seed)
        model = cls(seed=seed).fit(groups_of(usual))
        strange = [["ntp"] * 6 + ["telnet"] + ["ntp"] * 6, ["ntp"] * 6 + ["mail"] + ["ntp"] * 6]
        scores = model.anomaly_score(groups_of(strange))
        ordinary = model.anomaly_score(groups_of(usual))
        above = float((scores[:, None] > ordinary).mean())
        if above < 0.9:
            fail(
                cls,
                "strange groups rank above 90 % of the usual ones",
                f"{above:.2f} with seed {seed}",
            )
        tokens = model.token_scores(groups_of(strange))
        if int(np.argmax(tokens[:13])) not in (6, 7):
            fail(
                cls,
                "the strange token, or the one after it, scores highest",
                int(np.argmax(tokens[:13])),
            )


def check_groups_are_judged_alone(cls: type[SequenceDetector]) -> None:
    """Check that other groups in the batch change no bit of a group's scores."""
    model = cls().fit(groups_of(usual_groups()))
    sequences = usual_groups(2)
    whole, tokens = (
        model.anomaly_score(groups_of(sequences)),
        model.token_scores(groups_of(sequences)),
    )
    alone = [model.anomaly_score(groups_of([sequence]))[0] for sequence in sequences]
    if not np.array_equal(np.array(alone), whole):
        fail(cls, "a group alone scores the same", "other bits")
    ends = np.cumsum([len(sequence) for sequence in sequences])
    if not np.array_equal(model.token_scores(groups_of(sequences[:1])), tokens[: ends[0]]):
        fail(cls, "tokens of a group alone score the same", "other bits")
    backwards = model.anomaly_score(groups_of(sequences[::-1]))
    if not np.array_equal(backwards[::-1], whole):
        fail(cls, "the order of groups changes no score", "other bits")


def check_later_tokens_change_nothing(cls: type[SequenceDetector]) -> None:
    """Check that a token's score ignores the tokens after it, so that a stream can score as it goes."""
    model = cls().fit(groups_of(usual_groups()))
    sequence = ["dns", "web", "web", "telnet", "web", "dns", "ntp"]
    whole = model.token_scores(groups_of([sequence]))
    for length in range(1, len(sequence)):
        if not np.array_equal(model.token_scores(groups_of([sequence[:length]])), whole[:length]):
            fail(
                cls,
                "scores of a prefix are the prefix of the scores",
                f"others at length {length}",
            )


def check_scoring_changes_nothing(cls: type[SequenceDetector]) -> None:
    """Check that scoring changes no state, and the same seed gives the same bits."""
    model, twin = (cls(seed=2).fit(groups_of(usual_groups())) for _ in range(2))
    before = {name: array.copy() for name, array in model.to_arrays().items()}
    groups = groups_of(usual_groups(3))
    first = model.anomaly_score(groups)
    if not np.array_equal(first, model.anomaly_score(groups)):
        fail(cls, "scoring twice gives the same", "others")
    if any(not np.array_equal(array, model.to_arrays()[name]) for name, array in before.items()):
        fail(cls, "scoring changes no state", "other arrays")
    if not np.array_equal(first, twin.anomaly_score(groups)):
        fail(cls, "the same seed gives the same scores", "others")


def check_arrays_round_trip(cls: type[SequenceDetector]) -> None:
    """Check that the state leaves as arrays of numbers and text, comes back, and is refused when cut."""
    model = cls().fit(groups_of(usual_groups()))
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
    groups = groups_of([*usual_groups(4), ["never"]])
    if not np.array_equal(loaded.anomaly_score(groups), model.anomaly_score(groups)):
        fail(cls, "a loaded detector scores the same", "others")
    for name in arrays:
        try:
            cls.from_arrays(
                {key: value for key, value in arrays.items() if key != name}, model.get_params()
            )
        except ModelError:
            continue
        fail(cls, f"a state without {name} is refused with ModelError", "no error")


def check_bad_groups_are_named(cls: type[SequenceDetector]) -> None:
    """Check that empty groups, numbers for tokens and offsets that do not fit raise DataError."""
    model = cls().fit(groups_of(usual_groups()))
    text = np.array(["web", "dns"])
    cases = {
        "an empty group": TokenGroups(np.array([0, 1, 1, 2]), text),
        "no groups": TokenGroups(np.array([0]), text[:0]),
        "numbers for tokens": TokenGroups(np.array([0, 2]), np.array([1, 2])),
        "offsets beyond the tokens": TokenGroups(np.array([0, 9]), text),
        "offsets that fall": TokenGroups(np.array([0, 5, 2]), text),
    }
    for what, groups in cases.items():
        for act in (model.anomaly_score, model.token_scores, cls().fit):
            try:
                act(groups)
            except DataError:
                continue
            fail(cls, f"{what} raise DataError", f"no error from {act.__name__}")


def check_not_fitted_is_named(cls: type[SequenceDetector]) -> None:
    """Check that scoring and saving before the fit raise scikit-learn's NotFittedError."""
    groups = groups_of(usual_groups(n=3))
    for act in (
        lambda: cls().anomaly_score(groups),
        lambda: cls().token_scores(groups),
        lambda: cls().to_arrays(),
    ):
        try:
            act()
        except NotFittedError:
            continue
        fail(cls, "use before fit raises NotFittedError", "something else")


def check_training_worked(cls: type[SequenceDetector]) -> None:
    """Check that a net learned: every weight moved, the loss fell, and scores are not all one.

    For detectors on nets, which leave ``losses_``, the loss of each pass, and ``moved_``, the largest change
    of each array of weights; not one of ``CHECKS``, which hold for counting too.

    Parameters
    ----------
    cls
        The class; all its arguments have defaults.

    Raises
    ------
    ConformanceError
        When a promise is broken.
    """
    model = cls().fit(groups_of(usual_groups()))
    losses, moved = (
        np.asarray(getattr(model, "losses_", [])),
        np.asarray(getattr(model, "moved_", [])),
    )
    if not len(moved) or not (moved > 0).all():
        fail(cls, "moves every weight in training", moved)
    if len(losses) < 2 or not losses[-1] < 0.9 * losses[0]:
        fail(cls, "lowers its loss by a tenth at the least", losses)
    scores = model.anomaly_score(groups_of(usual_groups(1)))
    if len(np.unique(scores)) < len(scores) // 10:
        fail(cls, "gives different groups different scores", np.unique(scores))


CHECKS: tuple[SequenceCheck, ...] = (
    check_scores_are_finite_float64,
    check_a_strange_token_ranks_first,
    check_groups_are_judged_alone,
    check_later_tokens_change_nothing,
    check_scoring_changes_nothing,
    check_arrays_round_trip,
    check_bad_groups_are_named,
    check_not_fitted_is_named,
)
"""Every check of a sequence detector, in the order they run."""
