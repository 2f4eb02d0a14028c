"""Places on axes, strips and the timeline stay on the paper and in order."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings, strategies as st

from eddyline.incidents.incident import Contribution
from eddyline.report.scale import fit_scale, time_ticks
from eddyline.report.strip import normal_words, strip
from eddyline.report.timeline import MOST_LINES, timeline

FINITE = st.floats(-1e15, 1e15)
ORDERED = st.lists(FINITE, min_size=8, max_size=8).map(sorted).map(tuple)


@given(st.lists(FINITE, min_size=1, max_size=12))
def test_every_value_has_its_place_and_order_is_kept(values):
    """All values lie within the axis; a larger value never lies left of a smaller one."""
    scale = fit_scale(values)
    places = [scale.at(value) for value in sorted(values)]

    assert all(0 <= place <= 100 for place in places)
    assert places == sorted(places)
    assert scale.ticks() == sorted(scale.ticks())


def test_decades_get_a_logarithmic_axis_with_a_place_for_zero():
    """0, 6 and 1,902 can all be told apart; a share stays linear."""
    scale = fit_scale([0.0, 1.0, 6.0, 1902.0])

    assert scale.logarithmic
    assert scale.at(0) < scale.at(1) < scale.at(6) - 10 < scale.at(1902) - 50
    assert not fit_scale([0.001, 0.97]).logarithmic


@given(
    st.floats(allow_nan=True, allow_infinity=True),
    ORDERED,
    st.booleans(),
    st.sampled_from(["", "s", "bytes"]),
)
def test_a_strip_can_be_drawn_of_any_contribution(value, quantiles, known, unit):
    """Bands nest, nothing leaves the strip, and there is no band without a normal."""
    part = Contribution(
        "f",
        value,
        unit,
        quantiles[1] if known else None,
        quantiles[5] if known else None,
        1.0,
        "w",
        quantiles if known else (),
    )

    drawn = strip(part)

    assert (drawn.now is not None) == math.isfinite(value)
    assert len(drawn.bands) == (3 if known else 0)
    for band in (*drawn.bands, *([drawn.range] if drawn.range else [])):
        assert band.x >= 0
        assert band.x + band.width <= 100.01
    if known:
        whole, _, middle = drawn.bands
        assert whole.x <= middle.x + 0.61
        assert drawn.median is not None
    else:
        assert drawn.normal_text == "no normal to compare with"


def test_now_stands_right_of_normal_when_it_is_larger():
    """What the sentence says is what the picture shows."""
    part = Contribution("n", 1902, "", 0, 6, 1.0, "w", (0, 0, 1, 2, 3, 6, 11, 24))

    drawn = strip(part)

    assert drawn.now is not None
    assert drawn.range is not None
    assert drawn.now > drawn.bands[0].x + drawn.bands[0].width > drawn.range.x + drawn.range.width
    assert drawn.anchor == "end"
    assert drawn.normal_text == "normal 0 – 6"


@pytest.mark.parametrize(
    ("low", "high", "unit", "said"),
    [
        (0, 1, "packets", "normal 0 – 1 packets"),
        (2_000, 31e6, "bytes", "normal 2 kB – 31 MB"),
        (0.9, 64, "s", "normal 900 ms – 64 s"),
        (0, 0.08, "share", "normal 0 – 8 %"),
        (3, 3, "", "normal 3"),
        (None, 3, "", "normal up to 3"),
        (3, None, "s", "normal from 3 s"),
        (None, None, "", "no normal to compare with"),
    ],
)
def test_normal_range_is_said_with_its_unit_once(low, high, unit, said):
    """A unit that both ends share stands once."""
    assert normal_words(Contribution("f", 1.0, unit, low, high, 1.0, "w")) == said


@given(st.integers(0, 2**52), st.integers(1, 2**52))
def test_time_marks_lie_within_and_are_few(first, length):
    """From a second to a century, an axis of time has a handful of marks."""
    marks = time_ticks(first, first + length)

    assert all(first <= time <= first + length for time, _ in marks)
    assert len(marks) <= 32


def test_a_new_day_is_named_where_it_begins():
    """Over two days, times stand alone and midnight says the date."""
    start = 1_762_768_800_000_000  # 2025-11-10 10:00

    labels = [text for _, text in time_ticks(start, start + 48 * 3_600_000_000)]

    assert labels == ["12:00", "18:00", "11-11", "06:00", "12:00", "18:00", "11-12", "06:00"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(0, 10**9)), min_size=1, max_size=40))
def test_bars_of_one_line_do_not_overlap_unless_the_lane_is_full(results, spans):
    """Each incident stands once; numbered bars on a line keep apart."""
    incidents = [
        results.incident(rank, first_us=start, last_us=start + length)
        for rank, (start, length) in enumerate(spans, start=1)
    ]

    drawn = timeline(incidents, 0, 11 * 10**9)

    bars = [bar for lane in drawn.lanes for bar in lane.bars]
    assert sorted(bar.rank for bar in bars) == list(range(1, len(spans) + 1))
    assert all(bar.x >= 0 and bar.x + bar.width <= 100.01 for bar in bars)
    assert all(lane.lines <= MOST_LINES for lane in drawn.lanes)
    for line in range(MOST_LINES - 1):
        row = sorted((bar.x, bar.x + bar.width) for bar in bars if bar.line == line)
        assert all(left[1] <= right[0] + 0.02 for left, right in itertools.pairwise(row))


def test_a_lane_for_each_behaviour_in_rank_order(results):
    """The lane of the first incident stands on top."""
    drawn = timeline(results.scan_result().incidents, results.START_US, results.START_US + 10**10)

    assert [lane.name for lane in drawn.lanes][:2] == ["address sweep", "data leaving"]
    assert len(drawn.lanes) == 5


def test_equal_ends_are_no_error(results):
    """A scan of one packet has a timeline too."""
    one = results.incident(first_us=7, last_us=7)

    bar = timeline([one], 7, 7).lanes[0].bars[0]

    assert bar.x == pytest.approx(0)
