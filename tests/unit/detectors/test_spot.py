"""SPOT keeps its promise, learns row by row, and does not learn from a flood of alarms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.detectors.spot import Spot
from eddyline.errors import DataError, ModelError, TooFewRowsError, UsageError


def draws(n: int = 3_000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).exponential(size=n)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("alarms", "least", "most"),
    [("censor", 0.7e-3, 1.8e-3), ("include", 0.7e-3, 1.8e-3), ("exclude", 1.8e-3, 1.0)],
)
def test_alarm_rate_is_the_risk_unless_alarms_are_left_out(
    alarms: Any, least: float, most: float
) -> None:
    """50,000 exponential draws, the first 10,000 for calibration, risk 1e-3."""
    scores = draws(50_000, seed=1)
    spot = Spot(risk=1e-3, alarms=alarms).calibrate(scores[:10_000])
    rate = spot.update(scores[10_000:]).alarm.mean()

    assert least < rate < most


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=8), st.sampled_from([0, 30]))
def test_cutting_the_stream_changes_nothing(sizes: list[int], window: int) -> None:
    scores = draws()
    stream = scores[2_700 : 2_700 + sum(sizes)]
    whole = Spot(risk=5e-3, window=window).calibrate(scores[:2_700])
    parts = Spot(risk=5e-3, window=window).calibrate(scores[:2_700])
    expected = whole.update(stream)
    found = [parts.update(part) for part in np.split(stream, np.cumsum(sizes)[:-1])]

    assert np.array_equal(np.concatenate([part.alarm for part in found]), expected.alarm)
    assert np.array_equal(np.concatenate([part.threshold for part in found]), expected.threshold)
    assert whole.threshold == parts.threshold


def test_a_restart_goes_on_where_it_stopped() -> None:
    scores = draws()
    spot = Spot(risk=5e-3, window=20).calibrate(scores[:2_500])
    spot.update(scores[2_500:2_700])
    again = Spot.from_arrays(spot.to_arrays(), risk=5e-3, window=20)

    assert np.array_equal(
        again.update(scores[2_700:]).threshold, spot.update(scores[2_700:]).threshold
    )


def test_dspot_follows_a_level_that_drifts() -> None:
    scores = draws(6_000) + np.linspace(0.0, 60.0, 6_000)
    fixed = Spot(risk=1e-3).calibrate(scores[:3_000]).update(scores[3_000:])
    moving = Spot(risk=1e-3, window=50).calibrate(scores[:3_000]).update(scores[3_000:])

    assert moving.alarm.mean() < 0.01
    assert fixed.alarm.mean() > 0.1


def test_a_flood_of_alarms_teaches_nothing() -> None:
    spot = Spot(risk=1e-3, alarms="include").calibrate(draws())
    flood = spot.update(np.full(200, 40.0))
    level = spot.threshold
    spot.update(np.full(200, 40.0))

    assert flood.frozen.sum() > 190
    assert spot.threshold == level


def test_a_censored_alarm_does_not_stretch_the_tail() -> None:
    first, second = (Spot(risk=1e-3).calibrate(draws()) for _ in range(2))
    first.update([20.0])
    second.update([2e6])

    assert first.threshold == second.threshold


def test_a_score_at_the_threshold_is_no_alarm() -> None:
    spot = Spot(risk=1e-3).calibrate(draws())

    assert not spot.update([spot.threshold]).alarm[0]
    assert spot.update([spot.threshold * 1.01 + 1.0]).alarm[0]


def test_too_few_scores_are_refused() -> None:
    with pytest.raises(TooFewRowsError, match="got 10 of 500"):
        Spot().calibrate(np.arange(500.0))
    with pytest.raises(TooFewRowsError, match="got 30"):
        Spot(window=50).calibrate(np.arange(30.0))


@pytest.mark.parametrize(
    "arguments",
    [{"risk": 0.5}, {"level": 1.0}, {"alarms": "none"}, {"window": -1}, {"most_peaks": 3}],
)
def test_senseless_arguments_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        Spot(**arguments)


def test_judging_before_calibrating_and_holes_are_named() -> None:
    with pytest.raises(DataError, match="calibrate"):
        Spot().update([1.0])
    with pytest.raises(DataError, match="finite"):
        Spot().calibrate([np.nan])


def test_damaged_states_are_refused() -> None:
    state = Spot().calibrate(draws()).to_arrays()
    for damage in ({"peaks": np.zeros(2)}, {"level": np.array([np.nan, 1.0])}):
        with pytest.raises(ModelError, match="calibrate again"):
            Spot.from_arrays({**state, **damage})
    with pytest.raises(ModelError, match="usual"):
        Spot.from_arrays({name: array for name, array in state.items() if name != "usual"})
