"""The account of a reading: what was lost, what was noticed, and what cannot be seen."""

from __future__ import annotations

import json

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import QUALITY
from eddyline.read.ingest import MOST_CAUSES, MOST_SAMPLES, IngestReport
from eddyline.read.rhythm import Arrivals
from eddyline.read.times import HOUR_US, SECOND_US, rfc3339, words_of_span


def flows(ends, **columns):
    """Make flows that end at some seconds."""
    n = len(ends)
    base = {
        "ts": [int(e * SECOND_US) for e in ends],
        "ts_end": [int(e * SECOND_US) for e in ends],
        "uid": [str(i) for i in range(n)],
        **{
            name: [value] * n
            for name, value in {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp"}.items()
        },
        "ip_proto": [6] * n,
    }
    return FlowBatch.of(pl.DataFrame({**base, **columns}))


def told(*batches):
    """Give the finished account of some batches."""
    report = IngestReport()
    for batch in batches:
        report.observe(batch)
    report.finish()
    return report


def test_a_long_silence_is_found_and_a_usual_pause_is_not():
    """Relative to the rhythm of this input."""
    steady = [float(i) for i in range(200)]
    report = told(flows(steady), flows([t + 5_000 for t in steady]))

    assert report.notes["long silences"] == 1
    assert report.rhythm.silences() == [(199 * SECOND_US, 5_000 * SECOND_US)]
    assert "long silences" not in told(flows([i * 300.0 for i in range(200)])).notes


def test_a_month_without_flows_is_a_jump_of_the_clock():
    """Not a silence."""
    report = told(flows([float(i) for i in range(100)] + [3e6 + i for i in range(100)]))

    assert report.notes["jumps of the clock"] == 1
    assert "long silences" not in report.notes


@given(st.integers(1, 9))
@settings(max_examples=10, deadline=None)
def test_duplicates_are_counted_across_batches(cut):
    """However the input was cut; the identifier does not make a difference, any other field does."""
    whole = flows(
        [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0], src_port=[1, 2, 1, 3, 4, 5, 6, 6, 6, 7]
    )
    pieces = [whole.slice(i, cut) for i in range(0, 10, cut)]

    assert told(*pieces).notes["flows equal to another in every field"] == 3


def test_flags_of_quality_become_notes():
    """Sampled and mid-stream flows."""
    report = told(flows([1.0, 2.0, 3.0], quality=[QUALITY["midstream"], QUALITY["sampled"], 0]))

    assert report.notes["flows that began before the capture"] == 1
    assert report.notes["sampled flows"] == 1


FULL = {
    "bytes_out": 1,
    "bytes_in": 1,
    "pkts_out": 5,
    "pkts_in": 5,
    "payload_out": 1,
    "payload_in": 1,
    "state": "SF",
    "app": "http",
    "duration_s": 1.0,
    "dst_port": 80,
}


def full(n=30, span=7200.0, **change):
    """Make flows with every column, or without some."""
    columns = {name: [value] * n for name, value in {**FULL, **change}.items()}
    return flows([span * i / n for i in range(n)], **columns)


def test_a_full_input_has_no_blind_spot():
    """Two hours with everything."""
    assert told(full()).blind == []


@pytest.mark.parametrize(
    ("change", "blind"),
    [
        ({"bytes_out": None, "bytes_in": None}, "data volume"),
        ({"bytes_in": None}, "asymmetry of volume"),
        ({"pkts_out": None, "pkts_in": None}, "floods inside one flow"),
        ({"payload_out": None, "payload_in": None}, "tunnels by payload size"),
        ({"state": None}, "failed connections"),
        ({"app": None}, "applications on unusual ports"),
        ({"duration_s": None}, "long connections"),
        ({"dst_port": None}, "port sweeps"),
        ({"pkts_in": 0}, "failed connections"),
        ({"quality": QUALITY["sampled"]}, "single small flows"),
        ({"missed_bytes": 100}, "exact volumes"),
    ],
)
def test_each_missing_thing_blinds_one_detection(change, blind):
    """Alone, and with its reason."""
    spots = told(full(**change)).blind

    assert [spot.detection for spot in spots] == [blind]
    assert spots[0].reason


def test_a_short_capture_cannot_show_slow_beacons():
    """Six beats must fit."""
    spots = told(full(span=1800.0)).blind

    assert [spot.detection for spot in spots] == ["beacons slower than one in 5 min"]


def test_clock_jumps_back_are_seen_in_the_order_of_the_source():
    """Once a jump, however the rows are cut."""
    arrivals = Arrivals()
    for end in [1.0, 2.0, 90_000.0, 90_001.0, 3.0, 4.0, 90_002.0]:
        arrivals.observe(flows([end]).frame)

    assert arrivals.jumps == 1


def test_long_flows_are_no_clock_jump():
    """A log sorted by ends holds flows that began hours before."""
    frame = flows([1.0, 50_000.0, 50_001.0]).frame.with_columns(
        ts=pl.Series([1_000_000, 2_000_000, 50_001_000_000])
    )
    arrivals = Arrivals()
    arrivals.observe(frame)

    assert arrivals.jumps == 0


def test_hostile_causes_do_not_fill_memory():
    """Names and samples are bounded; the count is not lost."""
    report = IngestReport()
    for i in range(1000):
        report.skip(f"cause {i}", place=f"x:{i}: bad")
        report.note(f"note {i}")

    assert len(report.skipped) <= MOST_CAUSES + 1
    assert len(report.notes) <= MOST_CAUSES + 1
    assert report.skipped.total() == 1000
    assert len(report.samples) == MOST_SAMPLES


def test_the_account_as_json_and_as_sentences():
    """Times are RFC 3339; every blind spot and loss is told."""
    report = IngestReport(sources=["a"], formats=["zeek"])
    report.skip("ts must be a time", 3, place="a:7: ts is 'x', must be a time")
    report.truncated = True
    report.observe(full(span=600.0))
    report.finish()

    plain = json.loads(json.dumps(report.as_dict()))
    text = " ".join(report.sentences())

    assert plain["first_seen"] == "1970-01-01T00:00:00.000000Z"
    assert plain["skipped"] == {"ts must be a time": 3}
    assert plain["samples"] == ["a:7: ts is 'x', must be a time; row skipped (3 so far)"]
    assert "30 flows (1 zeek)" in text
    assert "3 rows or packets were not used: 3 ts must be a time." in text
    assert "ends inside a record" in text
    assert all(spot.detection in text for spot in report.blind)


def test_nothing_read_is_said():
    """No time span is invented."""
    report = told()

    assert report.blind == []
    assert report.as_dict()["first_seen"] is None
    assert report.sentences() == ["No flow was read (no source)."]


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0, "0 s"),
        (1_500_000, "1.5 s"),
        (90 * SECOND_US, "2 min"),
        (HOUR_US * 3, "3 h"),
        (HOUR_US * 28, "28 h"),
        (HOUR_US * 75, "3 days 3 h"),
    ],
)
def test_spans_in_words(span, words):
    """Two units at the most."""
    assert words_of_span(span) == words


def test_times_as_rfc3339():
    """With all six digits."""
    assert rfc3339(1_655_071_198_000_450) == "2022-06-12T21:59:58.000450Z"
