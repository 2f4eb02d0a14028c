"""Flows travel in order of their end, whatever order they came in."""

from __future__ import annotations

import polars as pl
from hypothesis import given, settings, strategies as st

from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import LABEL_SCHEMA
from eddyline.read.ingest import IngestReport
from eddyline.read.order import is_ordered, ordered, watched

TIMES = st.lists(
    st.tuples(st.integers(0, 20), st.integers(0, 5), st.sampled_from("ab")), max_size=40
)


def batch_of(rows, labels=None):
    """Make a batch of (end, start, uid)."""
    base = {"src_ip": "10.0.0.1", "dst_ip": "10.0.0.2", "proto": "tcp", "quality": 0}
    frame = pl.DataFrame(
        [{"ts_end": end + 5, "ts": start, "uid": uid, **base} for end, start, uid in rows],
        schema_overrides={"ts_end": pl.Int64, "ts": pl.Int64},
    )
    return FlowBatch.of(frame, labels) if rows else FlowBatch.empty()


def cut_in(rows, size):
    """Cut rows into batches."""
    return [batch_of(rows[i : i + size]) for i in range(0, len(rows), size)]


def keys(batches):
    """Give what flows are ordered by."""
    frame = FlowBatch.concat(batches).frame
    return list(zip(frame["ts_end"], frame["ts"], frame["uid"], strict=True))


@given(TIMES, st.integers(1, 7), st.integers(1, 7))
@settings(deadline=None)
def test_any_cut_gives_the_same_order(rows, size, batch_rows):
    """Sorted as a whole, in batches of the size asked for."""
    report = IngestReport()

    found = list(ordered(cut_in(rows, size), report, batch_rows=batch_rows))

    assert keys(found) == sorted((end + 5, start, uid) for end, start, uid in rows)
    assert all(len(batch) <= batch_rows for batch in found)
    assert report.late_rows == 0


@given(TIMES, st.integers(1, 7), st.integers(2, 12))
@settings(deadline=None)
def test_a_small_buffer_loses_nothing_and_counts_what_is_late(rows, size, fits):
    """Every flow comes out once; without late ones they are in order."""
    report = IngestReport()

    found = keys(list(ordered(cut_in(rows, size), report, fits=fits)))

    wanted = sorted((end + 5, start, uid) for end, start, uid in rows)
    assert sorted(found) == wanted
    ends = [end for end, _, _ in found]
    if report.late_rows == 0:
        assert ends == sorted(ends)


@given(TIMES, st.integers(2, 12))
@settings(deadline=None)
def test_nearly_ordered_input_is_never_late(rows, fits):
    """What arrives in order stays so through any buffer."""
    report = IngestReport()

    found = keys(list(ordered(cut_in(sorted(rows), 3), report, fits=fits)))

    assert [end for end, _, _ in found] == sorted(end + 5 for end, _, _ in rows)
    assert report.late_rows == 0


@given(TIMES)
def test_being_ordered_is_told(rows):
    """By all three keys."""
    found = keys([batch_of(rows)])

    assert is_ordered(batch_of(rows).frame) == (found == sorted(found))


@given(TIMES, st.integers(1, 7))
@settings(deadline=None)
def test_watching_counts_each_flow_behind_an_earlier_one(rows, size):
    """However the input was cut."""
    report = IngestReport()

    found = keys(list(watched(cut_in(rows, size), report)))

    ends = [end for end, _, _ in found]
    assert report.late_rows == sum(end < max(ends[:i], default=0) for i, end in enumerate(ends))


def test_labels_survive_a_source_without_them():
    """One labelled log beside one without."""
    labels = pl.DataFrame({"label": ["evil"], "label_detail": [None]}, schema=LABEL_SCHEMA)

    found = FlowBatch.concat(
        list(ordered([batch_of([(2, 0, "a")], labels), batch_of([(1, 0, "b")])], IngestReport()))
    )

    assert found.labels is not None
    assert found.labels["label"].to_list() == [None, "evil"]
