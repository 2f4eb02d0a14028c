"""P-values of normal rows are held to their promise over blocks of time."""

from __future__ import annotations

import numpy as np
import pytest
from tests.unit.test_supervised import START, traffic

from eddyline.classifiers.periods import DAY_US
from eddyline.errors import DataError
from eddyline.evaluate.promise import FUSED, PROMISES, promise, promises_of
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
