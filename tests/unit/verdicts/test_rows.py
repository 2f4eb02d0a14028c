"""From flows to the rows that legs learn from and judge."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from eddyline.features.registry import VIEWS
from eddyline.testing import traffic
from eddyline.verdicts.leg import LegRows
from eddyline.verdicts.rows import closed_flows, joined, leg_rows, numbered, thin, windows


@given(n=st.integers(1, 60), most=st.integers(1, 60))
@settings(max_examples=30)
def test_thinning_keeps_the_order_and_the_ends(n, most) -> None:
    """At most so many rows, evenly, each at most once."""
    rows = LegRows(np.arange(n, dtype=float).reshape(-1, 1), np.full(n, "a"), np.arange(n))
    kept = thin(rows, most).windows

    assert len(kept) == min(n, most)
    assert (np.diff(kept) > 0).all()
    assert kept[0] == 0
    assert most == 1 or kept[-1] == n - 1


def test_flows_are_numbered_over_the_whole_stream() -> None:
    """Through batches, empty ones too; views of one length share their windows."""
    day = traffic.quiet(n_hosts=2, hours=0.5)
    frames = list(numbered(traffic.cut(day, [0, 10, 10, 40])))
    lengths = [closed.window_us for closed in windows(list(VIEWS.values()), frames)]

    assert [n for frame in frames for n in frame["flow"]] == list(range(len(day)))
    assert set(lengths) == {view.window_us for view in VIEWS.values()}


def test_closed_flows_of_each_length_are_all_flows() -> None:
    """Each flow is given once for each length of window, the oldest first."""
    day = traffic.quiet(n_hosts=2, hours=1.5)
    given_out: dict[int, list[int]] = {}
    for length, closed in closed_flows(
        list(VIEWS.values()), numbered(traffic.cut(day, [70, 200]))
    ):
        given_out.setdefault(length, []).extend(closed["flow"])

    assert given_out.keys() == {view.window_us for view in VIEWS.values()}
    assert all(flows == list(range(len(day))) for flows in given_out.values())


def test_an_entity_is_its_keys_and_rows_are_laid_end_to_end() -> None:
    """Joined by a bar; a view with words keeps them, one without has none."""
    day = traffic.flows("10.0.0.2", ["10.0.0.1", "10.0.1.9"], [traffic.START_US] * 2)
    names = {}
    for closed in windows(list(VIEWS.values()), numbered([day])):
        for view, table in closed.tables[""]:
            rows = leg_rows(view, table)
            twice = joined([rows, rows])
            names[view.name] = rows.entities.tolist()

            assert len(twice) == 2 * len(rows)
            assert (twice.tokens is not None) == (view.name == "dyad")

    assert names["dyad"] == ["10.0.0.1|10.0.0.2", "10.0.0.2|10.0.1.9"]
    assert names["segment"] == ["10.0.0.2|10.0.0.0/24", "10.0.0.2|10.0.1.0/24"]
    assert names["host"] == ["10.0.0.1", "10.0.0.2", "10.0.1.9"]
    assert names["flow"] == ["10.0.0.2", "10.0.0.2"]  # its source, whose habits it shows
