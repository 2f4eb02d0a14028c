"""The twelve counters: golden rows, a plain loop as oracle, any cut of the input, and bounded state."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.features.window import COUNTERS, WindowCounters, WindowSettings

GOLDEN = [
    (0, "A", "X", 1000, 22, [0, 0, 0, 0], [0, 0, 0, 0]),
    (1, "A", "Y", 1000, 22, [1, 0, 1, 0], [1, 0, 1, 0]),
    (1, "A", "X", 1001, 80, [2, 1, 0, 0], [2, 1, 0, 0]),
    (3, "B", "X", 1000, 22, [0, 1, 0, 1], [0, 1, 0, 1]),
    (6, "A", "Z", 1000, 22, [0, 0, 0, 0], [2, 0, 1, 0]),
    (6, "B", "X", 1000, 22, [1, 1, 1, 1], [1, 2, 1, 1]),
    (7, "A", "X", 1002, 22, [1, 1, 1, 0], [2, 1, 1, 0]),
]


def by_hand(rows, fast, slow, n_conn, *, kind="sliding", inside=None):
    """Count as the definition says, flow by flow over all earlier flows."""
    out = []
    for i, (t, src, dst, spt, dpt) in enumerate(rows):
        line = []
        for width in (fast, slow):
            first = t - t % width if kind == "tumbling" else t - width + 1
            line += counted([r for r in rows[:i] if r[0] >= first], rows[i], inside)
        from_src = [r for r in rows[:i] if r[1] == src][-n_conn:]
        to_dst = [r for r in rows[:i] if r[2] == dst][-n_conn:]
        line += [
            partners({r[2] for r in from_src}, inside),
            partners({r[1] for r in to_dst}, inside),
            sum(r[4] == dpt for r in from_src),
            sum(r[3] == spt for r in to_dst),
        ]
        out.append(line)
    return np.array(out, dtype=np.int32).reshape(-1, 12)


def counted(window, flow, inside):
    """Count the four counters over a window."""
    _, src, dst, spt, dpt = flow
    return [
        partners({r[2] for r in window if r[1] == src}, inside),
        partners({r[1] for r in window if r[2] == dst}, inside),
        sum(r[1] == src and r[4] == dpt for r in window),
        sum(r[2] == dst and r[3] == spt for r in window),
    ]


def partners(addresses, inside):
    """Count the addresses that count."""
    return len(addresses if inside is None else addresses & inside)


def run(rows, window, cuts=(), inside=None):
    """Count with the kernel, cut at the places given."""
    counters = WindowCounters(window)
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    masks: dict[str, Any] = {}
    if inside is not None:
        members = np.array(sorted(inside))
        masks = {
            "inside_src": np.isin(columns[1], members),
            "inside_dst": np.isin(columns[2], members),
        }
    bounds = [0, *sorted(cuts), len(rows)]
    parts = [
        counters.update(
            *(column[a:b] for column in columns), **{k: m[a:b] for k, m in masks.items()}
        )
        for a, b in itertools.pairwise(bounds)
    ]
    return np.concatenate(parts), counters


@st.composite
def traffic(draw, most=60):
    """Draw flows in order of time among few addresses and ports, so that values meet again."""
    n = draw(st.integers(1, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = rng.choice([0, 0, 0, 1, 1, 2, 5, 30], n)
    return list(
        zip(
            np.cumsum(steps).tolist(),
            rng.integers(0, 5, n).tolist(),
            rng.integers(3, 9, n).tolist(),
            rng.integers(0, 4, n).tolist(),
            rng.integers(0, 4, n).tolist(),
            strict=True,
        )
    )


def test_the_golden_rows() -> None:
    """Worked by hand: T = 5 s, two flows in a connection window."""
    number = {name: i for i, name in enumerate("ABXYZ")}
    rows = [(t, number[s], number[d], p, q) for t, s, d, p, q, _, _ in GOLDEN]
    found, _ = run(rows, WindowSettings(5, 60, 2))

    assert found[:, :4].tolist() == [row[5] for row in GOLDEN]
    assert found[:, 8:].tolist() == [row[6] for row in GOLDEN]


@settings(deadline=None)
@given(
    rows=traffic(),
    fast=st.integers(1, 6),
    more=st.integers(1, 5),
    n_conn=st.integers(1, 14),
    kind=st.sampled_from(["sliding", "tumbling"]),
    inside=st.sampled_from([None, {3, 4}, set()]),
)
def test_the_kernel_counts_what_the_definition_says(
    rows, fast, more, n_conn, kind, inside
) -> None:
    """Both kinds of windows, any widths, any set of inner addresses."""
    found, _ = run(rows, WindowSettings(fast, fast * more, n_conn, kind), inside=inside)

    expected = by_hand(rows, fast, fast * more, n_conn, kind=kind, inside=inside)
    assert found.tolist() == expected.tolist()


@settings(deadline=None)
@given(
    rows=traffic(120),
    cuts=st.lists(st.integers(0, 120), max_size=9),
    tight=st.booleans(),
    n_conn=st.sampled_from([3, 8, 11]),
)
def test_any_cut_gives_the_same_values(rows, cuts, tight, n_conn) -> None:
    """Also when the state is so small that it must forget."""
    window = WindowSettings(4, 9, n_conn)
    if tight:
        window = replace(window, max_flows=5, max_addresses=4, max_rings=2)
    whole, first = run(rows, window)
    parts, second = run(rows, window, [min(cut, len(rows)) for cut in cuts])

    assert (whole == parts).all()
    assert first.lost == second.lost


def test_state_stays_within_its_bounds_and_says_what_it_lost() -> None:
    """Addresses that come once each, more than fit; the flows within reach still count right."""
    n = 20_000
    rows = [(i // 50, i, 1_000_000 + i % 7, 0, 80) for i in range(n)]
    window = WindowSettings(1, 2, 30, max_flows=200, max_addresses=64, max_rings=32)
    found, counters = run(rows, window)

    assert counters.lost["addresses"] > n // 2
    assert len(counters._addresses.rows) <= 64
    assert len(counters._rings.rows) <= 32
    assert len(counters._log) <= 1024
    assert int(counters._pairs.meta[2]) <= 200 + 30 * 32 + 16 * 64
    assert found[:, 8].max() == 0
    assert found[-1, 9] == 30
    assert found[-1, 11] == 30


def test_a_flood_of_one_moment_loses_the_oldest_flows() -> None:
    """The slow window holds so many flows and no more."""
    rows = [(0, 1, 2, 0, 80)] * 500
    found, counters = run(rows, WindowSettings(5, 60, 100, max_flows=64))

    assert found[-1, 2] == 63
    assert counters.lost["flows"] == 500 - 64


def test_a_late_flow_counts_as_now_and_is_told() -> None:
    """Time never goes back."""
    rows = [(10, 1, 2, 0, 80), (3, 1, 2, 0, 80), (10, 1, 2, 0, 80)]
    found, counters = run(rows, WindowSettings(1, 2, 5))

    assert found[:, 2].tolist() == [0, 1, 2]
    assert counters.lost["late"] == 1


def test_growth_loses_nothing() -> None:
    """More of everything than the first arrays hold."""
    rng = np.random.default_rng(0)
    n = 30_000
    rows = list(
        zip(
            np.sort(rng.integers(0, 100, n)).tolist(),
            rng.integers(0, 4000, n).tolist(),
            rng.integers(4000, 9000, n).tolist(),
            rng.integers(0, 3, n).tolist(),
            rng.integers(0, 9, n).tolist(),
            strict=True,
        )
    )
    found, counters = run(rows, WindowSettings(50, 50, 10))
    last = rows[-1]
    window = [r for r in rows[:-1] if r[0] > last[0] - 50]

    assert found[-1, 4:8].tolist() == counted(window, last, None)
    assert counters.lost == {"flows": 0, "addresses": 0, "late": 0}


def test_names_and_settings() -> None:
    """Twelve names in the order of the files; widths that make no sense are refused."""
    assert len(COUNTERS) == 12
    assert COUNTERS[4:6] == ("cnt_dst_slow", "cnt_src_slow")
    for wrong in ({"fast_us": 0}, {"slow_us": 1}, {"n_conn": 0}, {"max_addresses": 1}):
        with pytest.raises(UsageError, match="window settings must be"):
            replace(WindowSettings(), **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="a multiple of it"):
        WindowSettings(5, 12, 3, "tumbling")
