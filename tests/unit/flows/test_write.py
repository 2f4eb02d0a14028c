"""What is written comes back value for value, and is harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import os
import sys

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from eddyline.errors import InputError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import CORE, LABEL_SCHEMA, STATISTICS_SCHEMA
from eddyline.flows.write import format_of, write_flows
from eddyline.read.flows import Settings, read_with
from eddyline.read.ingest import IngestReport

TEXT = st.one_of(
    st.sampled_from(
        ["=1+1", "+x", "-2", "@a", "\tq", "\rq", "\nq", "'", "''=", "\\n", "\\\\e", '"', "", ","]
    ),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
"""Hostile texts, with those that escaping may confuse."""

FORMATS = ["parquet", "csv", "jsonl"]
TIME = st.integers(0, 4_000_000_000_000_000)


def _value(column):
    """Draw a value of a column, perhaps missing."""
    kind = column.dtype
    required = {
        "ts": TIME,
        "ts_end": TIME,
        "uid": TEXT,
        "src_ip": TEXT,
        "dst_ip": TEXT,
        "proto": TEXT,
        "quality": st.integers(0, 65_535),
        "direction": st.sampled_from(["inbound", "external"]),
        "state": st.none() | st.sampled_from(["S0", "SF"]),
    }
    if column.name in required:
        return required[column.name]
    if kind == pl.List(pl.UInt16):
        return st.none() | st.lists(st.integers(0, 65_535), max_size=3)
    if kind == pl.List(pl.String):
        return st.none() | st.lists(TEXT, max_size=3)
    if kind.is_integer():
        return st.none() | st.integers(0, 2 ** _bits(kind) - 1)
    if kind.is_float():
        return st.none() | st.floats(0, 1e12)
    return st.none() | TEXT


def _bits(kind):
    """Give the bits of an unsigned integer type."""
    return int(str(kind).removeprefix("UInt"))


ROWS = st.lists(st.fixed_dictionaries({c.name: _value(c) for c in CORE}), max_size=6)


def _batch(rows, labelled):
    """Make a batch in event-time order."""
    rows = [{**row, "ts_end": max(row["ts"], row["ts_end"])} for row in rows]
    frame = pl.DataFrame(rows, schema={c.name: c.dtype for c in CORE})
    labels = None
    if labelled:
        labels = pl.DataFrame(
            {"label": ["=evil"] * len(rows), "label_detail": [None] * len(rows)},
            schema=LABEL_SCHEMA,
        )
    return FlowBatch.of(frame, labels).sort()


def _back(path, **more):
    """Read a written table."""
    return FlowBatch.concat(list(read_with(path, Settings(**more), IngestReport())))


@pytest.mark.parametrize("kind", FORMATS)
@given(rows=ROWS, labelled=st.booleans(), cut=st.integers(1, 5))
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip(tmp_path, kind, rows, labelled, cut):
    """Every value of every column comes back, however the rows were cut into batches."""
    batch = _batch(rows, labelled)
    path = tmp_path / f"flows.{kind}"
    pieces = [batch.slice(i, cut) for i in range(0, len(batch), cut)]

    assert write_flows(pieces, path) == len(batch)
    if kind == "jsonl" and not rows:
        return
    back = _back(path)

    assert back.frame.drop("direction").equals(batch.frame.drop("direction"))
    if rows and labelled:
        assert back.labels is not None
        assert back.labels.equals(batch.labels)


def test_statistics_come_back_when_they_are_wanted(tmp_path):
    """They are columns beside the record."""
    frame = _batch([], labelled=False).frame.clear(1)
    frame = frame.with_columns(
        ts=pl.lit(1, pl.Int64),
        ts_end=pl.lit(2, pl.Int64),
        uid=pl.lit("u"),
        quality=pl.lit(0, pl.UInt16),
    ).with_columns(
        pl.lit("a").cast(pl.Categorical()).alias(n) for n in ("src_ip", "dst_ip", "proto")
    )
    frame = frame.with_columns(pl.lit(3).cast(t).alias(n) for n, t in STATISTICS_SCHEMA.items())
    for kind in FORMATS:
        path = tmp_path / f"s.{kind}"
        write_flows([FlowBatch.of(frame)], path)

        assert (
            _back(path, statistics=True)
            .frame.select(STATISTICS_SCHEMA.keys())
            .equals(frame.select(STATISTICS_SCHEMA.keys()))
        )
        assert "src2dst_bytes" not in _back(path).frame.columns


@given(st.lists(TEXT, min_size=1, max_size=5))
@settings(deadline=None)
def test_no_cell_is_a_formula(texts):
    """What a spreadsheet reads begins with none of its marks, and each flow is one line."""
    row = {"ts": 1, "ts_end": 2, "src_ip": "a", "dst_ip": "b", "proto": "tcp", "quality": 0}
    rows = [{**row, "uid": text, "app": text, "history": text} for text in texts]
    out = io.BytesIO()

    from eddyline.flows import write

    write._text([FlowBatch.of(pl.DataFrame(rows))], out, "csv")
    lines = out.getvalue().decode().split("\n")

    assert len(lines) == len(texts) + 2
    for cells in csv.reader(lines[1:-1]):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    """A source that breaks leaves nothing behind, and its own error comes through."""

    def broken():
        yield _batch([], labelled=False)
        message = "boom"
        raise InputError(message)

    for kind in FORMATS:
        with pytest.raises(InputError, match="boom"):
            write_flows(broken(), tmp_path / f"x.{kind}")

        assert list(tmp_path.iterdir()) == []


def test_the_format_goes_by_name_or_suffix():
    """Standard output is JSON lines."""
    assert format_of("-") == "jsonl"
    assert format_of("a.PARQUET") == "parquet"
    assert format_of("a.txt", "csv") == "csv"
    with pytest.raises(UsageError, match=r"a\.txt"):
        format_of("a.txt")
    with pytest.raises(UsageError, match="xlsx"):
        format_of("a.csv", "xlsx")


def test_another_version_is_refused(tmp_path):
    """A table of a later Eddyline is not read as if it were ours."""
    row = {
        "ts": 1,
        "ts_end": 2,
        "src_ip": "a",
        "dst_ip": "b",
        "proto": "tcp",
        "quality": 0,
        "uid": "u",
    }
    for kind in ("csv", "jsonl"):
        path = tmp_path / f"v.{kind}"
        write_flows([FlowBatch.of(pl.DataFrame([row]))], path)
        text = path.read_text()
        path.write_text(text.replace("\n1,", "\n2,").replace('"schema":1', '"schema":2'))

        with pytest.raises(InputError, match="schema version 1, has 2"):
            _back(path)


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_closed_pipe_is_named_as_such(monkeypatch, kind):
    """So that a command line can end quietly when ``head`` has seen enough."""
    there, here = os.pipe()
    os.close(there)
    row = {"ts": 1, "ts_end": 2, "src_ip": "a", "dst_ip": "b", "proto": "tcp", "quality": 0}

    class Stdout:
        buffer = os.fdopen(here, "wb", buffering=0)

    monkeypatch.setattr(sys, "stdout", Stdout)
    with pytest.raises(BrokenPipeError):
        write_flows([FlowBatch.of(pl.DataFrame([{**row, "uid": "u"}]))], "-", format_name=kind)
    Stdout.buffer.close()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_place_that_cannot_be_written_is_told(tmp_path, kind):
    """The message names the file; a device is written to as it is."""
    with pytest.raises(UsageError, match=r"nowhere.*can be written"):
        write_flows([], tmp_path / "nowhere" / f"x.{kind}")

    assert write_flows([], "/dev/null", format_name=kind) == 0
