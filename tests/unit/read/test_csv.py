"""Ordinary tables of flows: by names that are known, or by a map."""

from __future__ import annotations

import pytest
from tests.unit.read.logs import CSV_TABLE, rows_of

from eddyline.errors import InputError, UsageError
from eddyline.read import csv
from eddyline.read.synonyms import guess

NFSTREAM = (
    "id,expiration_id,src_ip,src_mac,src_port,dst_ip,dst_mac,dst_port,protocol,ip_version,"
    "bidirectional_first_seen_ms,bidirectional_last_seen_ms,bidirectional_duration_ms,bidirectional_packets,"
    "src2dst_packets,src2dst_bytes,dst2src_packets,dst2src_bytes,application_name\n"
    "0,0,10.0.0.1,aa:bb,5000,10.0.0.2,cc:dd,443,6,4,1655071198444,1655071199944,1500,9,5,700,4,9000,TLS\n"
)


def test_known_names_are_taken_and_told():
    """Argus: totals less the one way give the other, ICMP ports in hexadecimal do not break a row."""
    batch, report = rows_of(csv.read, CSV_TABLE, "a.binetflow")

    row = batch.frame.row(0, named=True)
    assert row["ts"] == 1_554_394_980_325_010
    assert row["ts_end"] == 1_554_394_980_352_957
    assert (row["bytes_out"], row["bytes_in"], row["pkts_out"], row["pkts_in"]) == (63, 79, 1, 1)
    assert batch.frame["proto"].to_list() == ["udp", "tcp", "icmp"]
    assert batch.frame["src_port"].to_list() == [48_427, 1024, None]
    assert batch.labels is not None
    assert batch.labels["label"].to_list() == ["a, b", None, "flow=x"]
    assert any("SrcAddr as src_ip" in note for note in report.notes)


def test_nfstream_tables_are_known():
    """Its times are ms, its protocol a number."""
    batch, report = rows_of(csv.read, NFSTREAM, "n.csv", statistics=True)

    row = batch.frame.row(0, named=True)
    assert row["ts"] == 1_655_071_198_444_000
    assert row["duration_s"] == 1.5
    assert (row["proto"], row["ip_proto"], row["app"]) == ("tcp", 6, "TLS")
    assert (row["bytes_out"], row["bytes_in"]) == (700, 9000)
    assert row["src2dst_bytes"] == 700
    assert report.skipped.total() == 0


@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_the_separator_is_told_by_the_header(separator):
    """One of four."""
    table = CSV_TABLE.replace('"a, b"', "ab").replace(",", separator)

    assert csv.sniff(table.encode())
    assert len(rows_of(csv.read, table)[0]) == 3


@pytest.mark.parametrize(
    ("unit", "value"),
    [
        ("s", "1655071198.5"),
        ("ms", "1655071198500"),
        ("us", "1655071198500000"),
        ("ns", "1655071198500000000"),
    ],
)
def test_units_of_time(unit, value):
    """Given by the map, or told by the size of the numbers."""
    table = f"when,a,b,p\n{value},10.0.0.1,10.0.0.2,17\n"
    columns = {"ts": "when", "src_ip": "a", "dst_ip": "b", "ip_proto": "p"}

    told = rows_of(csv.read, table, column_map=columns)[0]
    given = rows_of(csv.read, table, column_map={**columns, "time_unit": unit})[0]

    assert told.frame["ts"].to_list() == given.frame["ts"].to_list() == [1_655_071_198_500_000]
    assert told.frame["proto"].to_list() == ["udp"]


def test_a_format_of_time():
    """Text that no standard covers."""
    table = (
        "when,a,b,p\n12/06/2022 09:59:58 PM,10.0.0.1,10.0.0.2,TCP\nnever,10.0.0.1,10.0.0.2,TCP\n"
    )
    columns = {
        "ts": "when",
        "src_ip": "a",
        "dst_ip": "b",
        "proto": "p",
        "time_format": "%d/%m/%Y %I:%M:%S %p",
    }

    batch, report = rows_of(csv.read, table, "t.csv", column_map=columns)

    assert batch.frame["ts"].to_list() == [1_655_071_198_000_000]
    assert report.skipped.total() == 1
    assert "t.csv:3: ts is 'never'" in report.samples[0]


def test_a_missing_column_is_named():
    """With what the table has, and what to do."""
    with pytest.raises(
        InputError, match=r"column for dst_ip, has ts, src_ip, proto; .*dst_ip=NAME"
    ):
        rows_of(csv.read, "ts,src_ip,proto\n1,10.0.0.1,tcp\n")


@pytest.mark.parametrize(
    ("columns", "error", "words"),
    [
        ({"ts": "nowhere"}, InputError, "nowhere"),
        ({"colour": "ts"}, UsageError, "colour"),
        ({"time_unit": "weeks"}, UsageError, "weeks"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused(columns, error, words):
    """The message names what was given."""
    with pytest.raises(error, match=words):
        rows_of(csv.read, "ts,src_ip,dst_ip,proto\n1,10.0.0.1,10.0.0.2,tcp\n", column_map=columns)


def test_bad_rows_do_not_take_others_with_them():
    """An open quote ends with its line."""
    lines = CSV_TABLE.splitlines(keepends=True)
    table = (
        lines[0]
        + lines[1].replace('"a, b"', '"a, b')
        + lines[2]
        + lines[3].replace("flow=x", '"x"y')
    )

    batch, report = rows_of(csv.read, table, "t.csv")

    assert batch.frame["dst_port"].to_list() == [443]
    assert report.skipped == {"wrong number of cells": 1, "misplaced quote": 1}
    assert "t.csv:2: row has a quote that stays open" in report.samples[0]


def test_numbers_as_data_frames_write_them():
    """``80.0`` is a port; ``nan`` is missing; ``80.5`` is neither."""
    head = "ts,src_ip,dst_ip,dst_port,proto\n"
    rows = "1,10.0.0.1,10.0.0.2,80.0,6\n2,10.0.0.1,10.0.0.2,nan,6\n3,10.0.0.1,10.0.0.2,80.5,6\n"

    batch, report = rows_of(csv.read, head + rows)

    assert batch.frame["dst_port"].to_list() == [80, None]
    assert report.skipped == {"dst_port must be 0 to 65535": 1}


def test_the_first_of_several_names_counts():
    """A table may have both ts and timestamp."""
    found = guess(["timestamp", "TS", "Src IP", "Destination IP", "Protocol", "nothing"])

    assert found == {
        "ts": "TS",
        "src_ip": "Src IP",
        "dst_ip": "Destination IP",
        "ip_proto": "Protocol",
    }
