"""P-values of normal rows are held to their promise over blocks of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.test_supervised import START, traffic

from eddyline.classifiers.periods import DAY_US
from eddyline.errors import DataError
from eddyline.evaluate.promise import (
    FUSED,
    PROMISES,
    Values,
    promise,
    promise_of_days,
    promises_of,
)
from eddyline.pipeline import Pipeline

N = 20_000


def _verdicts(p: np.ndarray, blocks: np.ndarray) -> list[str]:
    return [one.verdict for one in promise("leg", p, blocks, resamples=500)]


def test_uniform_p_values_keep_every_promise() -> None:
    """Also in blocks of unequal size."""
    rng = np.random.default_rng(0)
    blocks = np.sort(rng.integers(0, 40, N))

    assert _verdicts(rng.random(N), blocks) == ["kept", "kept", "kept"]


def test_twice_as_many_small_p_values_break_it_and_half_as_many_are_cautious() -> None:
    rng = np.random.default_rng(1)
    p, blocks = rng.random(N), rng.integers(0, 40, N)

    assert _verdicts(p / 2, blocks) == ["broken", "broken", "broken"]
    assert _verdicts(np.minimum(2 * p, 1.0), blocks)[:2] == ["cautious", "cautious"]


def test_ties_are_cautious() -> None:
    """Rows of one score all have the p-value 1: nothing is strange, which keeps the promise."""
    assert _verdicts(np.ones(N), np.arange(N) % 20) == ["cautious"] * 3


def test_a_burst_in_one_block_does_not_break_a_promise() -> None:
    """A bad quarter of an hour of forty widens the band; spread over all blocks it breaks the promise."""
    rng = np.random.default_rng(2)
    p, blocks = 0.011 + 0.989 * rng.random(N), np.arange(N) // (N // 40)
    burst, spread = p.copy(), p.copy()
    burst[blocks == 7] = 0.005
    spread[::40] = 0.005

    assert promise("leg", burst, blocks, resamples=500)[1].verdict == "kept"
    assert promise("leg", spread, blocks, resamples=500)[1].verdict == "broken"


@pytest.mark.parametrize(("n", "n_blocks"), [(300, 20), (N, 7)])
def test_little_traffic_cannot_tell(n: int, n_blocks: int) -> None:
    """Three expected rows, or seven blocks, say nothing."""
    found = promise("leg", np.full(n, 0.5), np.arange(n) % n_blocks)

    assert found[1].verdict == "cannot tell"
    assert found[1].low is None


def test_no_row_is_refused() -> None:
    with pytest.raises(DataError, match="got none"):
        promise("leg", np.zeros(0), np.zeros(0, np.int64))


def test_every_leg_of_a_baseline_is_told() -> None:
    """Each leg that judged, and the fused p-values of its view, at every level."""
    first = [traffic()]
    pipeline = Pipeline().fit(first)
    judged = pipeline.judge([traffic(1, days=1, start=START + 5 * DAY_US)])
    found = promises_of(pipeline, first, judged)

    assert {one.leg for one in found} >= set(pipeline.judged_rows) | {FUSED + "flow"}
    assert {one.level for one in found} == set(PROMISES)


def _day(
    rng: np.random.Generator, *, hosts: int = 40, hours: int = 24, habit: float = 1.0
) -> Values:
    """Draw p-values of a day on which a host keeps its oddness all day, and each hour has some of its own."""
    host = np.repeat(np.arange(hosts), hours * 4)
    block = np.tile(np.arange(hours * 4), hosts)
    noise = rng.normal(size=len(host))
    score = habit * rng.normal(size=hosts)[host] + 0.3 * rng.normal(size=hours * 4)[block] + noise
    return Values(score, block, host, block)


def _calibrated(day: Values, scores: np.ndarray) -> Values:
    ranks = (len(scores) - np.searchsorted(np.sort(scores), day.p)).astype(np.float64)
    return replace(day, p=(1.0 + ranks) / (len(scores) + 1.0))


def _days(seed: int, shift: float = 0.0) -> tuple[Values, Values]:
    rng = np.random.default_rng(seed)
    first, later = _day(rng), _day(rng)
    moved = replace(later, p=later.p + shift)
    return _calibrated(moved, first.p), _calibrated(first, first.p)


def test_a_band_of_both_days_is_right_where_hosts_keep_their_habits() -> None:
    """Of forty pairs of days alike in kind, the judged day's blocks call many broken, both days' few."""
    told = [
        promise_of_days("leg", *_days(seed), levels=[0.1], resamples=300)[0] for seed in range(40)
    ]
    strict = sum(one.verdict == "broken" for one in told)
    both = sum(one.days_verdict == "broken" for one in told)

    assert strict >= 8
    assert both <= 3


def test_a_changed_day_breaks_the_promise_by_either_band() -> None:
    """Rows that are all stranger than those learned are no chance of hosts."""
    found = promise_of_days("leg", *_days(0, shift=2.0), levels=[0.1, 0.01], resamples=300)

    assert [one.verdict for one in found] == ["broken", "broken"]
    assert [one.days_verdict for one in found] == ["broken", "broken"]


def test_few_entities_cannot_tell_of_others() -> None:
    """Rows of two hosts in many blocks have the first band only."""
    rng = np.random.default_rng(0)
    few = _day(rng, hosts=2)
    found = promise_of_days("leg", _calibrated(few, few.p), _calibrated(few, few.p), levels=[0.1])[
        0
    ]

    assert (found.entities, found.days_verdict, found.days_low) == (2, "cannot tell", None)
    assert found.verdict != "cannot tell"
