"""P-values are honest for normal rows, fall with the score, and end where the evidence ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import DataError, ModelError, TooFewRowsError
from eddyline.verdicts.calibrate import Calibrator

DRAWS = {
    "normal": lambda rng, n: rng.normal(size=n),
    "heavy": lambda rng, n: np.exp(rng.normal(size=n)),
    "bounded": lambda rng, n: rng.beta(2, 5, size=n),
    "counts": lambda rng, n: rng.poisson(3.0, size=n).astype(float),
    "exponential": lambda rng, n: rng.exponential(size=n),
}


def test_conformal_value_by_hand() -> None:
    calibrator = Calibrator.fit(np.array([1.0, 2.0, 2.0, 5.0]))

    assert calibrator.p_values(np.array([0.0, 2.0, 3.0, 5.0, 9.0])).tolist() == [
        1.0,
        0.8,
        0.4,
        0.4,
        0.2,
    ]
    assert calibrator.tail is None
    assert "too few for a tail" in calibrator.note
    assert calibrator.floor == 0.2


@pytest.mark.parametrize("kind", DRAWS)
@pytest.mark.parametrize("n", [20, 200, 3000])
def test_normal_rows_are_called_strange_as_often_as_promised(kind: str, n: int) -> None:
    """Over many calibrations, P(p <= u) <= u for u at or above the floor, within four standard errors."""
    rng = np.random.default_rng(n)
    rounds, asked = (400, 50) if n < 3000 else (60, 400)
    values = np.concatenate(
        [
            Calibrator.fit(DRAWS[kind](rng, n)).p_values(DRAWS[kind](rng, asked))
            for _ in range(rounds)
        ]
    )
    for level in (0.5, 0.1, 0.05, 2.0 / (n + 1)):
        if level < 1.0 / (n + 1):
            continue
        error = np.sqrt(
            level * (1 - level) / rounds
        )  # rows of one calibration depend on each other

        assert (values <= level).mean() <= level + 4 * error


@pytest.mark.parametrize(
    ("kind", "most"), [("normal", 1.5), ("bounded", 1.5), ("exponential", 1.5), ("heavy", 4.0)]
)
def test_the_tail_below_the_floor_is_about_right(kind: str, most: float) -> None:
    """Below what 4,000 rows can show, a fitted tail calls at most a few times the promised share strange."""
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(20):
        calibrator = Calibrator.fit(DRAWS[kind](rng, 4000))
        shares.append((calibrator.p_values(DRAWS[kind](rng, 100_000)) <= 5e-5).mean())

    assert np.mean(shares) <= most * 5e-5


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=300),
    st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40),
)
def test_higher_scores_never_have_higher_p_values(known: list[float], asked: list[float]) -> None:
    values = Calibrator.fit(np.array(known)).p_values(np.sort(asked))

    assert (np.diff(values) <= 0).all()
    assert ((values > 0) & (values <= 1)).all()


@pytest.mark.parametrize("kind", DRAWS)
def test_p_values_fall_over_the_whole_tail(kind: str) -> None:
    known = DRAWS[kind](np.random.default_rng(0), 6000)
    grid = np.linspace(known.min(), known.max() * 3 + 1, 5000)
    values = Calibrator.fit(known).p_values(grid)

    assert (np.diff(values) <= 0).all()


def test_a_tail_goes_below_the_floor_and_shows_its_fit() -> None:
    calibrator = Calibrator.fit(np.random.default_rng(0).exponential(size=5000))

    assert calibrator.tail is not None
    assert calibrator.tail.n_peaks >= 50
    assert calibrator.tail.ks_p > 0.01
    assert calibrator.note == ""
    assert 1e-9 < calibrator.p_values(np.array([20.0]))[0] < 1e-5


def test_a_short_tail_ends_at_the_floor_and_says_so() -> None:
    calibrator = Calibrator.fit(np.random.default_rng(0).exponential(size=300))

    assert calibrator.p_values(np.array([1e9]))[0] == pytest.approx(1 / 301)
    assert "too few for a tail" in calibrator.note


def test_a_tail_of_few_values_ends_at_the_floor_and_says_so() -> None:
    """Many rows of one behaviour are one observation of a tail."""
    scores = np.concatenate([np.random.default_rng(0).random(9000), np.repeat([50.0, 51.0], 300)])
    calibrator = Calibrator.fit(scores)

    assert "too few for a tail" in calibrator.note
    assert calibrator.p_values(np.array([1e9]))[0] == pytest.approx(calibrator.floor)


def test_a_poor_fit_is_told_and_stays_careful() -> None:
    """Two heaps of large scores: no Pareto tail fits, and nothing seen is called less likely than it was."""
    rng = np.random.default_rng(0)
    scores = np.concatenate([rng.random(9400), rng.uniform(50, 51, 300), rng.uniform(90, 91, 300)])
    calibrator = Calibrator.fit(scores)
    just_beyond = calibrator.p_values(np.array([92.0]))[0]

    assert "not generalised Pareto" in calibrator.note
    assert just_beyond > calibrator.floor / 3


@pytest.mark.parametrize("n", [10, 5000])
def test_state_leaves_and_returns_as_arrays(n: int) -> None:
    calibrator = Calibrator.fit(np.random.default_rng(0).exponential(size=n))
    arrays = calibrator.to_arrays()
    loaded = Calibrator.from_arrays(arrays)
    asked = np.linspace(-1, 40, 200)

    assert all(array.dtype.kind in "fiU" for array in arrays.values())
    assert np.array_equal(loaded.p_values(asked), calibrator.p_values(asked))
    assert loaded.note == calibrator.note


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("scores", np.array([2.0, 1.0])),
        ("scores", np.array([])),
        ("scores", np.array([np.nan])),
        ("tail", np.array([0.1, -1.0, 0.0, 0.0, 0.0])),
        ("tail", np.array([0.1])),
    ],
)
def test_hostile_state_is_refused(name: str, value: np.ndarray) -> None:
    arrays = Calibrator.fit(np.arange(9.0)).to_arrays()

    with pytest.raises(ModelError):
        Calibrator.from_arrays({**arrays, name: value})
    with pytest.raises(ModelError, match=name):
        Calibrator.from_arrays({key: array for key, array in arrays.items() if key != name})


def test_senseless_scores_are_named() -> None:
    with pytest.raises(TooFewRowsError, match="got 0"):
        Calibrator.fit(np.array([]))
    with pytest.raises(DataError, match="inf"):
        Calibrator.fit(np.array([1.0, np.inf]))
