"""MIDAS: golden values, exact counts, ticks, and what a burst leaves behind."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.detectors.midas import Midas, MidasF, MidasR
from eddyline.detectors.sketches import burst, filtered_burst
from eddyline.errors import DataError, UsageError


def test_golden_statistics() -> None:
    assert burst(9.0, 15.0, 5.0) == pytest.approx(15.0, abs=1e-12)
    assert filtered_burst(9.0, 6.0, 5.0) == pytest.approx(37.5, abs=1e-12)
    assert burst(9.0, 0.0, 5.0) == burst(9.0, 15.0, 1.0) == 0.0


edge = st.tuples(st.integers(-3, 3), st.integers(0, 3))
stream = st.lists(st.tuples(edge, st.integers(0, 2)), min_size=2, max_size=60)


@settings(max_examples=60, deadline=None)
@given(stream, st.integers(-(10**6), 10**12))
def test_scores_are_those_of_exact_counts(
    steps: list[tuple[tuple[int, int], int]], start: int
) -> None:
    """Few edges and many cells: the sketch counts exactly; the first tick is 1, whatever its number."""
    ticks = start + np.cumsum([gap for _, gap in steps])
    rows = np.array([[*pair, tick] for (pair, _), tick in zip(steps, ticks, strict=True)])
    current: Counter[tuple[int, int]] = Counter()
    total: Counter[tuple[int, int]] = Counter()
    expected = []
    for i, (a, b, tick) in enumerate(rows.tolist()):
        if i and tick != rows[i - 1, 2]:
            current.clear()
        current[a, b] += 1
        total[a, b] += 1
        t = tick - int(rows[0, 2]) + 1
        expected.append(burst(float(current[a, b]), float(total[a, b]), float(t)) if i else 0.0)

    scores = Midas(n_cells=2**16).score_and_learn(rows)

    np.testing.assert_allclose(scores, expected, rtol=1e-12)


def test_relations_decay_by_the_ticks_between() -> None:
    """Eight edges, then one two ticks later: a quarter of eight and one are there."""
    model = MidasR(n_cells=2**16).partial_fit([[1, 2, 0]] * 8)

    score = model.anomaly_score([[1, 2, 2]])[0]

    assert score == pytest.approx(burst(8 / 4 + 1, 9.0, 3.0), rel=1e-12)


def test_a_memory_keeps_the_mean_and_the_worth_of_what_is_new() -> None:
    """Once it is full, new edges score alike at any age, and so does a burst on a steady one."""

    def asked(model: MidasR, tick: int) -> tuple[float, float]:
        bursting = MidasR.from_arrays(model.to_arrays(), model.get_params())
        bursting.partial_fit([[1, 2, tick]] * 19)
        new = model.anomaly_score([[7, 8, tick]])[0]
        return float(new), float(bursting.anomaly_score([[1, 2, tick]])[0])

    model = MidasR(n_cells=2**16, decay=0.0, memory=60)
    published = MidasR(n_cells=2**16, decay=0.0)
    found = []
    for hour in range(1, 9):
        steady = [[1, 2, 60 * hour + minute] for minute in range(60) for _ in range(2)]
        model.partial_fit(steady)
        published.partial_fit(steady)
        found.append(asked(model, 60 * hour + 60))

    assert found[-1] == pytest.approx((burst(1.0, 1.0, 60.0), burst(20.0, 138.0, 60.0)), rel=1e-6)
    np.testing.assert_allclose(found[1:], found[-1:] * 7, rtol=1e-6)
    assert asked(published, 540)[0] == pytest.approx(burst(1.0, 1.0, 481.0))
    with pytest.raises(UsageError, match="memory must be 0 or >= 2"):
        MidasR(memory=1).partial_fit([[1, 2, 0]])


@given(st.lists(st.integers(1, 4), min_size=1, max_size=12))
@settings(max_examples=25, deadline=None)
def test_a_memory_knows_no_cut(gaps: list[int]) -> None:
    rng = np.random.default_rng(len(gaps))
    ticks = np.repeat(np.cumsum(gaps), 5)
    rows = np.column_stack([rng.integers(0, 4, (len(ticks), 2)), ticks])
    whole = MidasR(n_cells=8, memory=5)
    parts = MidasR(n_cells=8, memory=5)
    told = [parts.score_and_learn(row[None]) for row in rows]

    np.testing.assert_array_equal(whole.score_and_learn(rows), np.concatenate(told))
    for name, array in whole.to_arrays().items():
        np.testing.assert_array_equal(array, parts.to_arrays()[name])


def test_a_scan_is_a_burst_of_its_source() -> None:
    usual = [[client, 100 + client % 3, tick] for tick in range(30) for client in range(10)]
    scan = [[5, 1000 + door, 30] for door in range(50)]
    alone, related = Midas().partial_fit(usual), MidasR().partial_fit(usual)

    assert related.score_and_learn(scan)[-1] > 10 * alone.score_and_learn(scan)[-1]


def test_a_filtered_burst_does_not_become_usual() -> None:
    """After ten ticks of flood the filter still calls it one, and plain counting does so less."""
    usual = [[1, 2, tick] for tick in range(100)]
    flood = [[1, 2, 100 + tick] for tick in range(10) for _ in range(200)]
    more = [[1, 2, 110]] * 200
    keeps, forgets = MidasF(threshold=50.0), MidasF(threshold=1e18)
    for model in (keeps, forgets):
        model.partial_fit(usual).partial_fit(flood)

    assert keeps.score_and_learn(more)[-1] > 10 * forgets.score_and_learn(more)[-1]


def test_late_edges_count_in_the_open_tick() -> None:
    rows = np.array([[1, 2, 0], [1, 2, 5]])
    late, on_time = Midas().partial_fit(rows), Midas().partial_fit(rows)

    late.partial_fit([[1, 2, 3]])
    on_time.partial_fit([[1, 2, 5]])

    assert np.array_equal(late.current_, on_time.current_)


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([[1, 2]], r"\(1, 2\)"),
        ([[1, 2, 0.5]], "0.5"),
        ([["a", "b", "c"]], "<U1"),
        ([[1, 2, 2**60]], str(2**60)),
        (np.array([[2**63, 0, 0]], dtype=np.uint64), str(2**63)),
    ],
)
def test_rows_that_are_no_edges_are_named(rows: object, value: str) -> None:
    with pytest.raises(DataError, match=value):
        Midas().partial_fit(rows)  # type: ignore[arg-type]


def test_arguments_without_meaning_are_named() -> None:
    with pytest.raises(UsageError, match=r"2\.0"):
        MidasR(decay=2.0).partial_fit([[1, 2, 3]])
    with pytest.raises(UsageError, match="-1"):
        MidasF(threshold=-1.0).partial_fit([[1, 2, 3]])
