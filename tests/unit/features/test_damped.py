"""Damped statistics: golden values, any cut the same bits, bounded tables, and a plain reference."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from eddyline.errors import DataError, ModelError, UsageError
from eddyline.features.damped import FEATURES, DampedStatistics
from eddyline.features.damping import SPEEDS, WIDTH, one_way
from eddyline.features.registry import KERNELS
from eddyline.tables import Floats


@pytest.mark.parametrize(
    ("speed", "weight", "mean", "variance"),
    [(0.1, 2.682803, 113.812068, 3986.0172), (1.0, 1.375, 81.818182, 3305.7851)],
)
def test_golden_values(speed: float, weight: float, mean: float, variance: float) -> None:
    """The spec's stream: 100, 200 and 50 at 0, 1 and 3 seconds."""
    record, out = np.zeros(3), np.zeros(3)

    for gap, x in ((-1.0, 100.0), (1.0, 200.0), (2.0, 50.0)):
        one_way(record, speed, gap, x, out)

    assert out == pytest.approx([weight, mean, variance], rel=1e-6)


def flows(rows: list[tuple[float, str, str, int, int, int]]) -> pl.DataFrame:
    """Make derived flows of (seconds, source, destination, port, bytes out, bytes in)."""
    names = ("s", "src_ip", "dst_ip", "port", "bytes_out", "bytes_in")
    frame = pl.DataFrame(rows, schema=list(names), orient="row")
    return frame.with_columns(
        (pl.col("s") * 1e6).cast(pl.Int64).alias("ts_end"),
        pl.lit(6).alias("ip_proto"),
        pl.col("port").cast(pl.Int32),
        pl.col("bytes_out", "bytes_in").cast(pl.Float64),
    ).drop("s")


def random_flows(n: int, seed: int = 0, hosts: int = 6) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    times = np.cumsum(rng.exponential(0.7, n)).round(6)
    return flows(
        [
            (
                float(time),
                f"10.0.0.{rng.integers(hosts)}",
                f"10.0.1.{rng.integers(hosts)}"
                if rng.random() < 0.7
                else f"10.0.0.{rng.integers(hosts)}",
                int(rng.choice([22, 80, 443])),
                int(rng.lognormal(6, 2)),
                int(rng.lognormal(7, 2)),
            )
            for time in times
        ]
    )


def column(rows: Floats, name: str) -> Floats:
    return rows[:, [feature.name for feature in FEATURES].index(name)]


def test_a_hundred_features_have_names_of_their_own() -> None:
    kernel = DampedStatistics()

    rows = kernel.update(random_flows(5))

    assert rows.shape == (5, 100)
    assert len(set(kernel.names)) == WIDTH == 100
    assert KERNELS["damped"].endswith(":DampedStatistics")


def test_rows_are_those_of_whole_histories() -> None:
    """Each statistic equals one made anew from all earlier flows of its stream."""
    table = random_flows(120)
    rows = DampedStatistics().update(table)
    out, back = (np.log2(1.0 + table[name].to_numpy()) for name in ("bytes_out", "bytes_in"))
    seconds = table["ts_end"].to_numpy() / 1e6
    source, peer = table["src_ip"].to_numpy(), table["dst_ip"].to_numpy()
    port = table["port"].to_numpy()

    for speed in SPEEDS:
        for i in range(0, len(table), 7):
            past = np.arange(i + 1)
            fade = 2.0 ** (-speed * (seconds[i] - seconds[past]))
            own = past[source[past] == source[i]]
            check(rows[i], "source", speed, fade[own], out[own])
            there = past[(source[past] == source[i]) & (peer[past] == peer[i])]
            same = there[port[there] == port[i]]
            check(rows[i], "service", speed, fade[same], out[same])
            here = past[(source[past] == peer[i]) & (peer[past] == source[i])]
            both = np.concatenate([out[there], back[here]])
            if source[i] != peer[i]:
                check(rows[i], "pair", speed, np.concatenate([fade[there], fade[here]]), both)


def check(row: Floats, family: str, speed: float, weights: Floats, values: Floats) -> None:
    total = weights.sum()
    mean = float((weights * values).sum() / total)
    variance = float((weights * values**2).sum() / total - mean**2)
    names = [feature.name for feature in FEATURES]
    found = [row[names.index(f"{family}_{s}_{speed:g}")] for s in ("weight", "mean", "variance")]
    np.testing.assert_allclose(found, [total, mean, abs(variance)], rtol=1e-9, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 1000), cuts=st.lists(st.integers(0, 80), max_size=5))
def test_any_cut_gives_the_same_bits(seed: int, cuts: list[int]) -> None:
    table = random_flows(80, seed)
    whole = DampedStatistics(n_keys=8).update(table)
    kernel = DampedStatistics(n_keys=8)
    edges = [0, *sorted(cuts), table.height]

    parts = [kernel.update(table[a:b]) for a, b in pairwise(edges)]

    assert np.concatenate(parts).tobytes() == whole.tobytes()
    assert kernel.n_flows == 80


def test_answers_that_follow_questions_correlate() -> None:
    """Sizes both ways that rise and fall together correlate; such that do not, do not."""
    rng = np.random.default_rng(0)
    asked = rng.integers(2, 14, 400)
    other = rng.integers(2, 14, 400)
    for answers, low, high in ((asked, 0.3, 1.01), (other, -0.2, 0.2)):
        table = flows(
            [
                (i * 0.1, "a", "b", 80, 2 ** int(q), 2 ** int(a))
                for i, (q, a) in enumerate(zip(asked, answers, strict=True))
            ]
        )
        found = column(DampedStatistics().update(table), "service_correlation_0.01")[-1]

        assert low < found < high


def test_a_beacon_has_pauses_without_variance() -> None:
    beacon = flows([(60.0 * i, "a", "b", 443, 300, 900) for i in range(30)])
    person = flows(
        [
            (float(t), "a", "b", 443, 300, 900)
            for t in np.cumsum(np.random.default_rng(1).exponential(60, 30))
        ]
    )

    regular = column(DampedStatistics().update(beacon), "gap_variance_0.01")[-1]
    irregular = column(DampedStatistics().update(person), "gap_variance_0.01")[-1]

    assert regular < 1e-9 < irregular


def test_tables_do_not_grow_and_say_what_they_forgot() -> None:
    kernel = DampedStatistics(n_keys=8)
    scan = flows([(i * 0.01, "a", f"10.0.{i // 250}.{i % 250}", 445, 60, 0) for i in range(2000)])

    rows = kernel.update(scan)

    assert kernel.n_forgotten >= 2 * (2000 - 8)
    assert sum(values.nbytes for values in kernel.values_) < 20_000
    assert column(rows, "source_weight_0.01")[-1] > 1000


def test_a_restart_goes_on_with_the_same_bits() -> None:
    table = random_flows(300, 5, hosts=40)
    kernel = DampedStatistics(n_keys=64)
    kernel.update(table[:200])
    twin = DampedStatistics.from_arrays({k: v.copy() for k, v in kernel.to_arrays().items()})

    assert twin.update(table[200:]).tobytes() == kernel.update(table[200:]).tobytes()
    assert twin.n_forgotten == kernel.n_forgotten


@pytest.mark.parametrize(
    "damage",
    [
        {"places_0": np.array([99])},
        {"values_1": np.zeros((1, 3))},
        {"counts": np.array([np.nan, 0.0])},
        {"n_keys": np.array(7)},
    ],
)
def test_damaged_states_are_refused(damage: dict[str, NDArray[Any]]) -> None:
    kernel = DampedStatistics(n_keys=8)
    kernel.update(random_flows(10))
    arrays = kernel.to_arrays()

    with pytest.raises(ModelError):
        DampedStatistics.from_arrays({**arrays, **damage})
    with pytest.raises(ModelError, match="keys_2"):
        DampedStatistics.from_arrays({k: v for k, v in arrays.items() if k != "keys_2"})


def test_late_flows_fade_nothing() -> None:
    late = flows([(100.0, "a", "b", 80, 10, 10), (40.0, "a", "b", 80, 10, 10)])

    assert column(DampedStatistics().update(late), "source_weight_5")[-1] == 2.0


def test_what_is_asked_wrongly_is_named() -> None:
    with pytest.raises(UsageError, match="12"):
        DampedStatistics(n_keys=12)
    with pytest.raises(DataError, match="port"):
        DampedStatistics().update(random_flows(3).drop("port"))
    assert DampedStatistics().update(random_flows(3)[:0]).shape == (0, 100)
