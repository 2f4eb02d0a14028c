"""An alarm speaks for the story that its row is made of."""

from __future__ import annotations

import polars as pl

from eddyline.features.columns import derive
from eddyline.incidents.attach import Pointed, attach
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story
from eddyline.testing import shapes, traffic
from eddyline.verdicts.alarm import Alarm

WINDOW_US = 300_000_000


def alarm(window: int, address: str, p_value: float = 1e-6) -> Alarm:
    """Raise an alarm on a host's row."""
    return Alarm(
        "host", window, WINDOW_US, (address,), "", p_value, True, {"host/tails": 9.0}, list
    )


def windowed(*batches) -> pl.DataFrame:
    """Derive and number flows, in windows of five minutes."""
    flows = derive(traffic.mixed(*batches).frame).with_row_index("flow")
    return flows.with_columns(window=pl.col("ts_end") // WINDOW_US)


def story(flows: pl.DataFrame, tag: str) -> Story:
    """Tell a story of the flows with a tag."""
    shown = flows.filter(pl.col("uid").str.starts_with(tag)).select(*EVIDENCE_COLUMNS, "window")
    source = str(shown["src_ip"][0])
    told = Story(tag, (source,), source, shown.select(EVIDENCE_COLUMNS), {})
    told.window, told.window_us = int(shown["window"][0]), WINDOW_US
    return told


def test_a_story_takes_the_verdict_of_the_row_it_makes() -> None:
    """The least unlikely alarm is not heard when a more unlikely one speaks."""
    flows = windowed(shapes.sweep(span_s=20))
    told, window = story(flows, "sweep"), flows["window"][0]
    alarms = [alarm(window, "10.20.1.99", 1e-4), alarm(window, "10.20.1.99", 1e-9)]

    assert attach([told], alarms, Pointed(flows, alarms)) == [True, True]
    assert told.p_value == 1e-9
    assert told.scores == {"host/tails": 9.0}


def test_an_alarm_about_somebody_else_is_not_explained() -> None:
    """Another host's row stays open, and the story keeps no verdict."""
    flows = windowed(
        shapes.sweep(span_s=20), traffic.flows("10.9.9.9", "10.9.9.8", [traffic.START_US])
    )
    told, alarms = story(flows, "sweep"), [alarm(flows["window"][0], "10.9.9.9")]

    assert attach([told], alarms, Pointed(flows, alarms)) == [False]
    assert told.p_value is None


def test_an_alarm_is_explained_by_stories_of_its_own_window_only() -> None:
    """A flow that began in the window before does not carry a story there.

    Which windows are looked at together depends on the batches, so another window must not matter.
    """
    long = traffic.Exchange(duration_s=200.0)
    late = traffic.flows(
        "10.20.1.99", "10.9.9.8", [traffic.START_US + 200_000_000], long, tag="late"
    )
    early = traffic.flows("10.20.1.99", "10.9.9.7", [traffic.START_US], tag="early")
    flows = windowed(late, early)
    told, alarms = story(flows, "late"), [alarm(min(flows["window"].to_list()), "10.20.1.99")]

    assert told.window == alarms[0].window + 1
    assert attach([told], alarms, Pointed(flows, alarms)) == [False]
