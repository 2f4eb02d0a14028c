"""Thresholds keep what they promise, or refuse with the reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import DataError, TooFewRowsError, UsageError
from eddyline.verdicts.threshold import (
    ThresholdRefusedError,
    budget_threshold,
    error_rate_threshold,
    pot_threshold,
)


def test_exponential_scores_give_the_closed_form() -> None:
    """z = t - sigma ln(q n / N): for an exponential tail that is -ln q."""
    scores = -np.log(1 - (np.arange(1, 100_001) - 0.5) / 100_000)
    cut = pot_threshold(scores, 1e-4)

    assert cut.tail is not None
    assert cut.tail.shape == pytest.approx(0.0, abs=0.01)
    assert cut.value == pytest.approx(-np.log(1e-4), rel=0.02)
    assert cut.on == "score"


@pytest.mark.parametrize("kind", ["normal", "exponential"])
def test_normal_rows_exceed_it_as_often_as_promised(kind: str) -> None:
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(30):
        cut = pot_threshold(getattr(rng, "standard_" + kind)(10_000), 1e-3)
        rates.append((getattr(rng, "standard_" + kind)(100_000) > cut.value).mean())

    assert 0.7e-3 < np.mean(rates) < 1.4e-3


def test_a_short_tail_is_refused_with_the_way_out() -> None:
    with pytest.raises(
        ThresholdRefusedError, match=r"50 peaks .* got 20 .*learn from about 2,500"
    ):
        pot_threshold(np.arange(1000.0), 1e-3)
    assert issubclass(ThresholdRefusedError, TooFewRowsError)


def test_ties_at_the_level_are_no_peaks() -> None:
    with pytest.raises(ThresholdRefusedError, match="got 0"):
        pot_threshold(np.zeros(10_000), 1e-3)


@pytest.mark.parametrize("risk", [0.0, 0.03, 0.5, -1.0])
def test_a_risk_above_the_level_has_no_meaning(risk: float) -> None:
    with pytest.raises(UsageError, match="risk must be in"):
        pot_threshold(np.arange(9999.0), risk)


def test_senseless_scores_are_named() -> None:
    with pytest.raises(DataError, match="finite"):
        pot_threshold(np.array([np.nan] * 9999), 1e-3)


@given(st.floats(0.01, 1e4), st.floats(1, 1e9))
def test_the_budget_is_the_expected_number_of_alarms(per_day: float, rows_per_day: float) -> None:
    cut = budget_threshold(per_day, rows_per_day)

    assert cut.on == "p"
    assert cut.value == pytest.approx(min(1.0, per_day / rows_per_day))
    assert "alarms a day" in cut.promise


@pytest.mark.parametrize(("per_day", "rows"), [(0, 10), (3, 0), (-1, 5)])
def test_a_senseless_budget_is_named(per_day: float, rows: float) -> None:
    with pytest.raises(UsageError, match="must be > 0"):
        budget_threshold(per_day, rows)


def test_benjamini_hochberg_by_hand() -> None:
    values = np.array([0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216])

    assert error_rate_threshold(values, 0.05).value == 0.008
    assert error_rate_threshold(values, 0.25).value == 0.216
    assert error_rate_threshold(values, 0.001).value == 0.0


def test_false_alarms_stay_below_the_rate() -> None:
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(200):
        values = np.concatenate([rng.random(500), rng.random(50) * 1e-4])
        called = values <= error_rate_threshold(values, 0.1).value
        shares.append(called[:500].sum() / max(called.sum(), 1))

    assert np.mean(shares) <= 0.1 * 500 / 550 + 0.01


def test_missing_p_values_do_not_count() -> None:
    with_gaps = np.array([np.nan, 0.001, np.nan, 0.9])

    assert error_rate_threshold(with_gaps, 0.05).value == 0.001
    assert error_rate_threshold(np.array([np.nan]), 0.05).value == 0.0


@pytest.mark.parametrize("rate", [0.0, 1.0, 5.0])
def test_a_senseless_rate_is_named(rate: float) -> None:
    with pytest.raises(UsageError, match="rate must be in"):
        error_rate_threshold(np.array([0.5]), rate)
