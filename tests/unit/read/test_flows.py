"""Any input in, flows in event-time order out."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import threading
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from tests.unit.read.logs import CSV_TABLE, ZEEK_HEADER, ZEEK_JSON, ZEEK_LOG, ZEEK_ROWS

from eddyline.errors import InputError, UnknownFormatError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.write import write_flows
from eddyline.read import order
from eddyline.read.flows import Settings, read_flows, read_with
from eddyline.read.ingest import IngestReport


def all_of(*paths, **options):
    """Read to the end."""
    return FlowBatch.concat(list(read_flows(list(paths), **options)))


@pytest.fixture
def log(tmp_path):
    """A connection log on disk."""
    path = tmp_path / "conn.log"
    path.write_text(ZEEK_LOG)
    return path


def test_a_log_is_read_in_order(log):
    """By end, start, identifier; with direction and account."""
    report = IngestReport()

    batch = all_of(log, report=report)

    assert order.is_ordered(batch.frame)
    assert batch.frame["direction"].to_list() == ["outbound", "inbound", "internal", "internal"]
    assert (report.flows_read, report.formats, report.sources) == (4, ["zeek"], [str(log)])
    assert report.first_us == 1_655_071_198_444_458


def test_rotated_and_packed_pieces_give_the_same_flows(log, tmp_path):
    """A folder of pieces, one of them packed, in any order."""
    lines = ZEEK_ROWS.splitlines(keepends=True)
    folder = tmp_path / "rotated"
    folder.mkdir()
    (folder / "conn.2.log").write_text(ZEEK_HEADER + "".join(lines[:2]))
    (folder / "conn.1.log.gz").write_bytes(
        gzip.compress((ZEEK_HEADER + "".join(lines[2:])).encode())
    )

    assert all_of(folder).frame.equals(all_of(log).frame)


def test_a_folder_gives_its_flows_and_names_the_rest(log, tmp_path):
    """Other logs, notes and partial copies are left out and said."""
    (tmp_path / "dns.log").write_text(ZEEK_LOG.replace("#path\tconn", "#path\tdns"))
    (tmp_path / "conn_long.log").write_text(ZEEK_JSON)
    (tmp_path / "README.md").write_text("# hello\n")
    report = IngestReport()

    assert len(all_of(tmp_path, report=report)) == 4
    assert report.sources == [str(log)]
    assert sum("left out" in note for note in report.notes) == 3


def test_unreadable_inputs_raise_when_they_were_named(tmp_path):
    """A folder without flows, a text, and nothing at all."""
    text = tmp_path / "notes.txt"
    text.write_text("hello\n")

    with pytest.raises(UnknownFormatError, match=r"notes\.txt must hold packets or flows"):
        all_of(text)
    with pytest.raises(UnknownFormatError, match="none in a known format"):
        all_of(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        read_flows(tmp_path / "nothing")


def test_a_table_without_a_needed_column_is_told_apart(tmp_path):
    """It looks like flows, so the message names the column."""
    path = tmp_path / "t.csv"
    path.write_text("ts,src_ip,proto\n1,10.0.0.1,tcp\n")

    with pytest.raises(UnknownFormatError, match="column for dst_ip"):
        all_of(path)


def test_a_column_map_reads_any_table(tmp_path):
    """Names that nobody knows."""
    path = tmp_path / "t.csv"
    path.write_text("w,x,y,z\n1655071198,10.0.0.1,8.8.8.8,6\n")

    batch = all_of(path, column_map={"ts": "w", "src_ip": "x", "dst_ip": "y", "ip_proto": "z"})

    assert batch.frame.select("ts", "proto", "direction").rows() == [
        (1_655_071_198_000_000, "tcp", "outbound")
    ]


def test_bounds_are_half_open(log):
    """since is in, until is out; text and µs mean the same."""
    ends = all_of(log).frame["ts_end"].to_list()

    assert all_of(log, since=ends[1], until=ends[3]).frame["ts_end"].to_list() == ends[1:3]
    assert len(all_of(log, since="2022-06-12T22:00:31.749548Z")) == 3
    assert len(all_of(log, until="2022-06-12T22:00:31.749548")) == 1
    with pytest.raises(UsageError, match="since must be a time, got 'yesterday'"):
        read_flows(log, since="yesterday")


def test_named_networks_overrule_the_source(log):
    """Zeek's own idea of inside counts only when nobody says otherwise."""
    assert all_of(log, internal=["40.0.0.0/8"]).frame["direction"].to_list()[:2] == [
        "inbound",
        "external",
    ]
    with pytest.raises(UsageError, match="CIDR"):
        read_flows(log, internal=["everything"])


@pytest.mark.parametrize(
    ("src", "dst", "direction"),
    [
        ("10.0.0.1", "224.0.0.251", "internal"),
        ("10.0.0.1", "255.255.255.255", "internal"),
        ("10.0.0.1", "10.0.0.255", "internal"),
        ("0.0.0.0", "255.255.255.255", "internal"),  # noqa: S104 - an address, not a binding
        ("fe80::1", "ff02::1", "internal"),
        ("127.0.0.1", "127.0.0.1", "local"),
        ("8.8.8.8", "10.0.0.1", "inbound"),
        ("10.0.0.1", "8.8.8.8", "outbound"),
        ("8.8.8.8", "9.9.9.9", "external"),
        ("8.8.8.8", "224.0.0.1", "external"),
        ("nonsense", "10.0.0.1", "inbound"),
    ],
)
def test_directions(tmp_path, src, dst, direction):
    """From the perimeter's view."""
    path = tmp_path / "t.csv"
    path.write_text(f"ts,src_ip,dst_ip,proto\n1,{src},{dst},udp\n")

    assert all_of(path).frame["direction"].to_list() == [direction]


def test_standard_input(monkeypatch):
    """Recognised by content as any file."""

    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(CSV_TABLE.encode()))

    monkeypatch.setattr(sys, "stdin", Stdin)

    assert len(all_of("-")) == 3


def test_progress_ends_at_the_whole(log, tmp_path):
    """Bytes of all files, never falling."""
    packed = tmp_path / "more.log.gz"
    packed.write_bytes(gzip.compress(ZEEK_LOG.encode()))
    seen = []

    all_of(log, packed, progress=lambda done, total: seen.append((done, total)))

    total = log.stat().st_size + packed.stat().st_size
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1] == (total, total)


def test_ordered_tables_stream_without_a_buffer(log, tmp_path):
    """Parquet in order goes through batch by batch, also as parts that follow each other."""
    batch = all_of(log)
    for i in range(4):
        write_flows([batch.slice(i, 1)], tmp_path / f"part-{3 - i}.parquet")
    report = IngestReport()

    found = list(
        read_with(str(tmp_path / "part-*.parquet"), Settings(fits=2, batch_rows=2), report)
    )

    assert [len(piece) for piece in found] == [1, 1, 1, 1]
    assert FlowBatch.concat(found).frame.equals(batch.frame)
    assert report.late_rows == 0


def test_tables_that_overlap_are_sorted_together(log, tmp_path):
    """Their spans do not follow each other."""
    batch = all_of(log)
    write_flows([FlowBatch(batch.frame[[0, 2]])], tmp_path / "a.parquet")
    write_flows([FlowBatch(batch.frame[[1, 3]])], tmp_path / "b.parquet")

    assert all_of(str(tmp_path / "*.parquet")).frame.equals(batch.frame)


def test_stopping_early_keeps_the_account(log):
    """What was lost so far is not forgotten when nobody draws any more."""
    log.write_text(ZEEK_LOG.replace("62771", "x"))
    report = IngestReport()
    batches = read_flows(log, report=report)

    next(batches)
    batches.close()

    assert report.skipped.total() == 1
    assert report.flows_read == 3


def test_a_pipe_is_read_once(tmp_path):
    """As shells give it for <(command)."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(ZEEK_LOG,))
    writer.start()

    batch = all_of(pipe)
    writer.join()

    assert len(batch) == 4


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_parquet_of_others_may_have_timestamps(tmp_path, unit):
    """Their unit is known; a float is not taken for one."""
    path = tmp_path / "t.parquet"
    moment = datetime(2022, 6, 12, 21, 59, 58, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "ts": [moment],
            "ts_end": [moment],
            "src_ip": ["10.0.0.1"],
            "dst_ip": ["8.8.8.8"],
            "proto": ["tcp"],
        }
    ).with_columns(pl.col("ts", "ts_end").dt.cast_time_unit(unit))
    frame.write_parquet(path)

    assert all_of(path).frame["ts"].to_list() == [1_655_071_198_000_000]

    frame.with_columns(ts=1.5).write_parquet(path)
    with pytest.raises(InputError, match="ts must be whole µs"):
        all_of(path)


def test_parquet_without_a_needed_column_is_refused(tmp_path):
    """The message names it."""
    path = tmp_path / "t.parquet"
    pl.DataFrame({"ts": [1], "a": [2]}).write_parquet(path)

    with pytest.raises(InputError, match="must have the column 'ts_end'"):
        all_of(path)


def test_rows_without_sense_in_parquet_are_counted(tmp_path):
    """Missing addresses and ends before starts."""
    path = tmp_path / "t.parquet"
    pl.DataFrame(
        {
            "ts": [1, 5, 1, None],
            "ts_end": [2, 2, 2, 2],
            "src_ip": ["a", "a", None, "a"],
            "dst_ip": "b",
            "proto": "tcp",
        }
    ).write_parquet(path)
    report = IngestReport()

    assert len(all_of(path, report=report)) == 1
    assert report.skipped.total() == 3


def test_a_table_of_something_else_in_a_folder_is_left_out(log, tmp_path):
    """Any Parquet looks like ours until its columns are seen."""
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "other.parquet")
    report = IngestReport()

    assert len(all_of(tmp_path, report=report)) == 4
    assert report.sources == [str(log)]
    assert any("other.parquet" in note for note in report.notes)


def test_a_map_without_a_table_is_refused(log):
    """It would change nothing, in silence."""
    with pytest.raises(UsageError, match="ordinary CSV to go with, got zeek"):
        all_of(log, column_map={"ts": "a"})


def test_hostile_file_names_are_harmless(tmp_path):
    """In the account and in errors, also names that are no UTF-8."""
    path = tmp_path / "a\x1b[31m\udcff.log"
    path.write_text(ZEEK_LOG)
    report = IngestReport()

    batch = all_of(tmp_path, report=report)
    text = json.dumps(report.as_dict(), ensure_ascii=False) + " ".join(report.sentences())

    assert len(batch) == 4
    assert report.sources[0].endswith("a\\x1b[31m\\udcff.log")
    text.encode("utf-8")


@given(st.integers(1, 6), st.sampled_from([ZEEK_LOG, ZEEK_JSON, CSV_TABLE]))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_size_of_batches_changes_nothing(tmp_path, batch_rows, text):
    """Neither the flows nor the account."""
    path = tmp_path / "in"
    path.write_text(text)
    whole, pieces = IngestReport(), IngestReport()

    one = FlowBatch.concat(list(read_with(path, Settings(), whole)))
    cut = list(read_with(path, Settings(batch_rows=batch_rows), pieces))

    assert all(len(batch) <= batch_rows for batch in cut)
    assert FlowBatch.concat(cut).frame.equals(one.frame)
    assert pieces.as_dict() == whole.as_dict()


def test_values_that_do_not_fit_are_counted_row_by_row(tmp_path):
    """In tables of others, whose columns have other types; a type that means nothing is refused."""
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame(
        {
            "ts": [1, 1, 1],
            "ts_end": [2, 2, 2],
            "src_ip": ["10.0.0.1"] * 3,
            "dst_ip": ["8.8.8.8"] * 3,
            "proto": ["tcp"] * 3,
            "src_port": ["80", "x", None],
            "bytes_out": [7, 7, -1],
        }
    )
    frame.write_parquet(path)
    report = IngestReport()

    batch = all_of(path, report=report)

    assert batch.frame.select("src_port", "bytes_out").rows() == [(80, 7)]
    assert report.skipped == {"a value does not fit its column": 2}

    frame.with_columns(src_ip=pl.lit(5)).write_parquet(path)
    with pytest.raises(InputError, match="the record's types"):
        all_of(path)
