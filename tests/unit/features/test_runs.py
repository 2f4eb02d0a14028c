"""Segments: golden values, a plain loop as oracle, causal against looking ahead, any cut, bounded state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import UsageError
from eddyline.features.runs import SegmentRuns

GAP = 4


def by_hand(rows):
    """Follow each group flow by flow; gives the causal values and the segment of each flow."""
    open_segments: dict[tuple[int, int], tuple[int, int, list[list[int]]]] = {}
    values, segment = [], []
    for i, (t, src, net, *touched) in enumerate(rows):
        latest, number, seen = open_segments.get((src, net), (-GAP, 0, []))
        if (src, net) not in open_segments or t - latest >= GAP:
            number, seen = i, []
        seen.append(touched)
        open_segments[src, net] = (t, number, seen)
        values.append([len(seen), *(len({s[k] for s in seen}) for k in range(4))])
        segment.append(number)
    return values, segment


def run(rows, cuts=(), **bounds):
    """Carry segments over batches cut at the places given."""
    runs = SegmentRuns(GAP, **bounds)
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    places = [0, *sorted(cuts), len(rows)]
    parts = [
        runs.update(*(column[a:b] for column in columns)) for a, b in itertools.pairwise(places)
    ]
    return parts, runs


def run_ahead(rows, cuts=()):
    """Give each flow the values of its whole segment."""
    runs = SegmentRuns(GAP)
    columns = [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]
    places = [0, *sorted(cuts), len(rows)]
    found = [
        runs.segments(*(column[a:b] for column in columns)) for a, b in itertools.pairwise(places)
    ]
    return runs.ends[np.concatenate(found)]


@st.composite
def traffic(draw):
    """Draw flows in order of time among few groups and values."""
    n = draw(st.integers(1, 80))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    times = np.cumsum(rng.choice([0, 0, 1, 1, 2, 3, 4, 9], n))
    columns = [rng.integers(0, 3, n) for _ in range(2)]
    columns += [rng.integers(0, draw(st.sampled_from([3, 40])), n) for _ in range(3)]
    apps = rng.choice([0, 1, 44, 62, 63, 64, 1 << 40, -5], n)
    return list(zip(times.tolist(), *(c.tolist() for c in columns), apps.tolist(), strict=True))


def test_the_golden_segments() -> None:
    """The published example and its values in both forms."""
    times = [1, 2, 3, 7, 8, 9, 10, 15]
    octets = [1, 2, 2, 3, 3, 4, 5, 1]
    rows = [(t, 0, 0, d, 0, 0, 0) for t, d in zip(times, octets, strict=True)]
    ((causal, segment),), _ = run(rows)
    whole = run_ahead(rows)

    assert segment.tolist() == [0, 0, 0, 1, 1, 1, 1, 2]
    assert whole[:, 0].tolist() == [3, 3, 3, 4, 4, 4, 4, 1]
    assert whole[:, 1].tolist() == [2, 2, 2, 3, 3, 3, 3, 1]
    assert causal[:, 0].tolist() == [1, 2, 3, 1, 2, 3, 4, 1]
    assert causal[:, 1].tolist() == [1, 2, 2, 1, 1, 2, 3, 1]


@settings(deadline=None)
@given(rows=traffic(), cuts=st.lists(st.integers(0, 80), max_size=9))
def test_both_forms_say_what_the_definition_says_for_any_cut(rows, cuts) -> None:
    """Causal: up to the flow itself; looking ahead: as at the segment's last flow."""
    parts, _ = run(rows, [min(cut, len(rows)) for cut in cuts])
    causal = np.concatenate([runs for runs, _ in parts])
    whole = run_ahead(rows, [min(cut, len(rows)) for cut in cuts])
    values, numbers = by_hand(rows)
    last = {number: values[i] for i, number in enumerate(numbers)}

    assert causal.tolist() == values
    assert whole.tolist() == [last[number] for number in numbers]


@settings(deadline=None)
@given(rows=traffic(), cuts=st.lists(st.integers(0, 80), max_size=9))
def test_bounds_do_not_depend_on_the_cut(rows, cuts) -> None:
    """Also when there is room for little, and what was lost is told alike."""
    bounds = {"max_groups": 2, "max_values": 5}
    whole, first = run(rows, **bounds)
    parts, second = run(rows, [min(cut, len(rows)) for cut in cuts], **bounds)

    assert np.concatenate([r for r, _ in parts]).tolist() == whole[0][0].tolist()
    assert first.lost == second.lost


def test_groups_that_paused_are_forgotten() -> None:
    """One flow a group, far more groups than are open at once; then one group with many values."""
    rows = [(i, i, 0, i, i % 60_000, 80, 3) for i in range(50_000)]
    _, runs = run(rows)

    assert len(runs._groups.rows) <= 1024
    assert int(runs._values.meta[2]) <= 3 * int(runs._groups.meta[2])
    assert runs.lost == {"groups": 0, "values": 0}

    ((causal, _),), _ = run([(i // 2, 0, 0, i, i % 60_000, 80, 3) for i in range(50_000)])
    assert causal[-1].tolist() == [50_000, 50_000, 50_000, 1, 1]


def test_what_does_not_fit_is_told() -> None:
    """A group without room is a segment of its own; a value without room is not counted."""
    rows = [(0, i, 0, 7, 0, 0, 0) for i in range(4)] + [(0, 0, 0, 8, 0, 0, 0)]
    rows += [(0, 0, 0, 9 + i, 0, 0, 0) for i in range(20)]
    ((causal, segment),), runs = run(rows, max_groups=2, max_values=4)

    assert causal[:4, 0].tolist() == [1, 1, 1, 1]
    assert segment.tolist() == [0, 1, 2, 3] + [0] * 21
    assert causal[-1, 1] == 12
    assert runs.lost["groups"] == 2
    assert runs.lost["values"] == 10


def test_a_gap_must_be_one() -> None:
    """No gap, no segments."""
    with pytest.raises(UsageError, match="must be positive"):
        SegmentRuns(0)
