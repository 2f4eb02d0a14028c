"""Windows of event time: the same however the flows come in."""

from __future__ import annotations

import itertools

import polars as pl
from hypothesis import given, strategies as st

from eddyline.features.view import WindowBuffer

LENGTH = 10
TIMES = st.lists(st.integers(-30, 60), max_size=40)
PLACES = st.lists(st.integers(0, 40), max_size=8)


def flows_at(times, first=0):
    """Make flows that end at these moments, numbered as they come."""
    return pl.DataFrame(
        {"ts_end": times, "flow": range(first, first + len(times))},
        schema={"ts_end": pl.Int64, "flow": pl.Int64},
    )


def windows_of(parts):
    """Send flows through a buffer; give (flow, window) in the order in which they came out."""
    buffer = WindowBuffer(LENGTH)
    given_out = [closed for part in parts if (closed := buffer.update(part)) is not None]
    if (rest := buffer.finish()) is not None:
        given_out.append(rest)
    return [row for part in given_out for row in part.select("flow", "window").rows()]


def cut(times, places):
    """Cut flows into parts."""
    bounds = [0, *sorted(min(p, len(times)) for p in places), len(times)]
    return [flows_at(times[a:b], first=a) for a, b in itertools.pairwise(bounds)]


@given(times=TIMES, places=PLACES)
def test_any_cut_gives_each_flow_the_same_window(times, places) -> None:
    """In order or late, alone or in crowds: every flow comes out once, in order, in one window."""
    whole = windows_of([flows_at(times)])

    assert windows_of(cut(times, places)) == whole
    assert windows_of(cut(times, range(len(times)))) == whole
    assert [flow for flow, _ in whole] == list(range(len(times)))


@given(times=TIMES)
def test_a_window_is_its_end_in_whole_lengths_and_late_flows_join_the_open_one(times) -> None:
    """``[k·w, (k+1)·w)`` of ``ts_end``; a late flow counts in the oldest window that is still open."""
    newest = None
    for (_, window), end in zip(windows_of([flows_at(times)]), times, strict=True):
        newest = end // LENGTH if newest is None else max(newest, end // LENGTH)

        assert window == newest


def test_a_window_is_given_out_once_a_later_one_begins() -> None:
    """Nothing waits longer than it must, nothing goes before its window is over."""
    buffer = WindowBuffer(LENGTH)

    assert buffer.update(flows_at([1, 9])) is None
    assert buffer.update(flows_at([])) is None
    closed = buffer.update(flows_at([10], first=2))
    assert closed is not None
    assert closed["flow"].to_list() == [0, 1]
    rest = buffer.finish()
    assert rest is not None
    assert rest["flow"].to_list() == [2]
    assert buffer.finish() is None
