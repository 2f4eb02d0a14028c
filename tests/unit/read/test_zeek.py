"""Zeek logs give the flows that they describe, to the microsecond, however they are cut."""

from __future__ import annotations

from decimal import Decimal
from itertools import chain, pairwise

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st
from tests.unit.read.logs import ZEEK_HEADER, ZEEK_JSON, ZEEK_LOG, ZEEK_ROWS, rows_of

from eddyline.errors import InputError
from eddyline.read import fields, zeek
from eddyline.read.lines import chunks

LINES = ZEEK_ROWS.splitlines(keepends=True)


def test_every_column_arrives():
    """The first row, field by field."""
    batch, report = rows_of(zeek.read, ZEEK_LOG)

    row = batch.frame.row(0, named=True)
    assert {name: value for name, value in row.items() if value is not None} == {
        "ts": 1_655_071_198_444_458,
        "ts_end": 1_655_071_199_579_882,
        "duration_s": 1.135424,
        "uid": "Ca",
        "src_ip": "10.0.0.1",
        "dst_ip": "40.74.108.123",
        "src_port": 62_771,
        "dst_port": 443,
        "proto": "tcp",
        "ip_proto": 6,
        "ip_version": 4,
        "app": "ssl",
        "bytes_out": 1016,
        "bytes_in": 1226,
        "payload_out": 1596,
        "payload_in": 4039,
        "pkts_out": 14,
        "pkts_in": 16,
        "state": "SF",
        "history": "ShADdaFf",
        "missed_bytes": 5138,
        "direction": "outbound",
        "tunnel": ["Cx", "Cy"],
        "quality": 0,
    }
    assert report.skipped.total() == 0


def test_unset_is_null_and_empty_is_empty():
    """``-`` and ``(empty)`` are not the same."""
    frame = rows_of(zeek.read, ZEEK_LOG)[0].frame

    assert frame["tunnel"].to_list() == [["Cx", "Cy"], [], None, None]
    assert frame["duration_s"].to_list()[1:3] == [None, None]
    assert frame["ts_end"][1] == frame["ts"][1]
    assert frame["payload_out"].to_list()[1:3] == [None, None]


def test_icmp_ports_are_type_and_code():
    """And ICMP over IPv6 has its own name."""
    frame = rows_of(zeek.read, ZEEK_LOG)[0].frame[2:]

    assert frame["src_port"].to_list() == [None, None]
    assert frame["icmp_type"].to_list() == [135, 8]
    assert frame["icmp_code"].to_list() == [136, 0]
    assert frame["proto"].to_list() == ["ipv6-icmp", "icmp"]
    assert frame["ip_proto"].to_list() == [58, 1]


def test_json_says_the_same_as_tabs():
    """Both ways of writing give the same flows, but for an unset set."""
    tabs = rows_of(zeek.read, ZEEK_LOG)[0].frame.drop("tunnel")
    lines = rows_of(zeek.read, ZEEK_JSON)[0].frame.drop("tunnel")

    assert lines.equals(tabs)


@pytest.mark.parametrize(
    ("ts", "micros"),
    [
        ('"2022-06-12T21:59:58.444458Z"', 1_655_071_198_444_458),
        ('"2022-06-12T23:59:58.444458+0200"', 1_655_071_198_444_458),
        ("1655071198444", 1_655_071_198_444_000),
        ("1655071198", 1_655_071_198_000_000),
    ],
)
def test_json_times_of_every_setting(ts, micros):
    """Epoch seconds, milliseconds, ISO 8601."""
    batch, _ = rows_of(zeek.read, ZEEK_JSON.replace("1655071198.444458", ts, 1))

    assert batch.frame["ts"][0] == micros


@given(st.decimals(0, 4_000_000_000, places=9))
@settings(deadline=None)
def test_times_are_exact(seconds):
    """Rounded half up at the seventh digit, as if by hand."""
    text = f"{seconds:f}"
    whole, _, digits = text.partition(".")
    wanted = int(whole) * 1_000_000 + (int(digits[:7]) + 5) // 10

    found = pl.DataFrame({"t": [text]}).select(fields.micros("t")).item()

    assert found == wanted
    assert abs(Decimal(text) * 1_000_000 - found) <= Decimal("0.5")


@given(st.integers(0, 4_000_000_000_000_000))
@settings(deadline=None)
def test_six_digits_come_back(micros):
    """What Zeek writes is what we read, in tabs and in JSON."""
    text = f"{micros // 1_000_000}.{micros % 1_000_000:06d}"
    log = ZEEK_HEADER + LINES[1].replace("1655071231.749548", text)
    line = ZEEK_JSON.splitlines()[1].replace("1655071231.749548", text)

    assert rows_of(zeek.read, log)[0].frame["ts"].to_list() == [micros]
    if micros // 1_000_000 < 10**11:
        assert rows_of(zeek.read, line)[0].frame["ts"].to_list() == [micros]


@given(st.lists(st.integers(0, len(LINES)), max_size=3), st.booleans())
@settings(deadline=None)
def test_cut_and_rotated_logs_give_the_same_flows(cuts, closed):
    """Pieces with headers of their own, joined end to end, with and without #close."""
    edges = [0, *sorted(cuts), len(LINES)]
    end = "#close\t2026-03-01-09-00-00\n" if closed else ""
    pieces = [ZEEK_HEADER + "".join(LINES[a:b]) + end for a, b in pairwise(edges)]

    joined, report = rows_of(zeek.read, "".join(pieces))

    assert joined.frame.equals(rows_of(zeek.read, ZEEK_LOG)[0].frame)
    assert report.skipped.total() == 0


@given(st.integers(1, 4000))
@settings(deadline=None)
def test_pieces_of_any_size_give_the_same_flows(size):
    """The parser may be fed any number of whole lines at once."""
    parser = zeek._TabParser()
    report = rows_of(zeek.read, "")[1]

    found = [
        raw["uid"].to_list()
        for chunk in chunks(ZEEK_LOG.encode(), size=size)
        for raw, _ in parser.parse(chunk, "z", report)
    ]

    assert list(chain.from_iterable(found)) == ["Ca", "Cb", "Cc", "Cd"]


def test_a_header_may_change_on_the_way():
    """Other columns, another order, another separator."""
    other = (
        "#separator \\x7c\n#unset_field|?\n#path|conn\n#fields|uid|ts|proto|id.orig_h|id.resp_h|conn_state\n"
        "Ce|1655071300.25|udp|10.0.0.9|10.0.0.1|?\n"
    )

    batch, report = rows_of(zeek.read, ZEEK_LOG + other)

    last = batch.frame.row(4, named=True)
    assert (last["uid"], last["ts"], last["src_ip"], last["state"]) == (
        "Ce",
        1_655_071_300_250_000,
        "10.0.0.9",
        None,
    )
    assert report.skipped.total() == 0


@pytest.mark.parametrize("ending", ["\r\n", "\n\n", "\n"])
def test_line_endings_do_not_matter(ending):
    """Logs that went through another system."""
    batch, report = rows_of(zeek.read, ZEEK_LOG.replace("\n", ending).rstrip("\r\n"))

    assert batch.frame.drop("tunnel").equals(rows_of(zeek.read, ZEEK_LOG)[0].frame.drop("tunnel"))
    assert report.skipped.total() == 0


def test_bad_rows_are_counted_with_their_place():
    """The cause, the line and the value; the good rows stay."""
    rows = (
        LINES[0].replace("62771", "99999")
        + LINES[1].replace("\t80\t", "\t-5\t")
        + "one\ttwo\n"
        + "".join(LINES[2:])
    )

    batch, report = rows_of(zeek.read, ZEEK_HEADER + rows)

    assert batch.frame["uid"].to_list() == ["Cc", "Cd"]
    assert report.skipped == {
        "id.orig_p must be 0 to 65535": 1,
        "orig_ip_bytes must be a whole number >= 0": 1,
        "wrong number of fields": 1,
    }
    assert (
        "conn.log:9: id.orig_p is '99999', must be 0 to 65535; row skipped (1 so far)"
        in report.samples
    )
    assert any(sample.startswith("conn.log:11: row has 2 fields") for sample in report.samples)


def test_bad_json_lines_are_counted_with_their_place():
    """Neither a number nor half an object is a flow."""
    lines = ZEEK_JSON.splitlines(keepends=True)

    batch, report = rows_of(
        zeek.read, lines[0] + "7\n" + lines[1][:40] + "\n" + "[" * 99 + "\n" + "".join(lines[2:])
    )

    assert batch.frame["uid"].to_list() == ["Ca", "Cc", "Cd"]
    assert report.skipped == {"line is not a JSON object": 3}
    assert report.samples[0].startswith("conn.log:2:")


LABELS = {
    "tabs": (
        "label\tdetailedlabel",
        "Malicious\tExternal-Attack",
        "\t",
        ("Malicious", "External-Attack"),
    ),
    "empty": ("label\tdetailedlabel", "Benign\t(empty)", "\t", ("Benign", None)),
    "spaces": (
        "   label   detailed-label",
        "   Malicious   C&C-HeartBeat",
        "",
        ("Malicious", "C&C-HeartBeat"),
    ),
    "spaces unset": ("   label   detailed-label", "   Benign   -", "", ("Benign", None)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_travel_beside_the_flows(kind):
    """As NetflowLabeler and IoT-23 write them."""
    names, values, gap, wanted = LABELS[kind]
    header = ZEEK_HEADER.replace("tunnel_parents\n", f"tunnel_parents{gap}{names}\n")
    rows = "".join(line.rstrip("\n") + gap + values + "\n" for line in LINES)

    batch, report = rows_of(zeek.read, header + rows)

    assert batch.labels is not None
    assert batch.labels.rows() == [wanted] * 4
    assert batch.frame.equals(rows_of(zeek.read, ZEEK_LOG)[0].frame)
    assert report.skipped.total() == 0


def test_labels_in_a_table_without_marks():
    """IoT-23 as a table with bars: the class and its detail share a cell, or do not."""
    names = ZEEK_HEADER.splitlines()[6].split("\t")[1:]
    table = "|".join([*names, "label", "detailed-label"]) + "\n"
    for line, label in zip(
        LINES, ["Benign|-", "Malicious   C&C|Torii", "Malicious   DDoS|", "-|-"], strict=True
    ):
        table += line.rstrip("\n").replace("\t", "|") + "|" + label + "\n"

    batch, _ = rows_of(zeek.read, table)

    assert batch.labels is not None
    assert batch.labels.rows() == [
        ("Benign", None),
        ("Malicious", "C&C-Torii"),
        ("Malicious", "DDoS"),
        (None, None),
    ]


@pytest.mark.parametrize(
    ("head", "is_conn"),
    [
        (ZEEK_LOG, True),
        ("\t" + ZEEK_LOG, True),
        ("\ufeff" + ZEEK_LOG, True),
        (ZEEK_JSON, True),
        (ZEEK_LOG.replace("#path\tconn", "#path\tdns"), False),
        ("#separator \\x09\n#fields\tts\tuid\tid.orig_h\tid.resp_h\tproto\tquery\n", False),
        ("#separator nonsense\n#fields\tts\n", False),
        ('{"ts":1,"uid":"a","id.orig_h":"1","id.resp_h":"2","query":"x"}\n', False),
        ("src,dst\n1,2\n", False),
        ("", False),
    ],
)
def test_only_connection_logs_are_recognised(head, is_conn):
    """By content: the other logs of a Zeek folder are no flows."""
    assert zeek.sniff(head.encode()) is is_conn


def test_rows_without_identifier_get_one_from_their_place():
    """The same wherever the file lies."""
    log = ZEEK_LOG.replace("\tCa\t", "\t-\t")

    here = rows_of(zeek.read, log, "/a/conn.log")[0].frame["uid"][0]
    there = rows_of(zeek.read, log, "/b/c/conn.log")[0].frame["uid"][0]

    assert here == there
    assert here.endswith(":9")


def test_a_log_that_changes_its_header_all_the_time_is_refused():
    """Reading it would take for ever."""
    fields_of = "#fields\tts\tid.orig_h\tid.resp_h\tproto\tconn_state\tx{}\n"
    log = "".join(fields_of.format(i) + "1\ta\tb\ttcp\tSF\t-\n" for i in range(300))

    with pytest.raises(InputError, match="more than 200 times"):
        rows_of(zeek.read, log)


def test_logs_joined_end_to_end_may_be_many():
    """Their headers say the same."""
    batch, report = rows_of(zeek.read, ZEEK_LOG * 1_200)

    assert len(batch) == 4_800
    assert report.skipped.total() == 0


def test_a_number_names_a_transport_that_zeek_does_not():
    """Newer logs give the protocol number beside unknown_transport."""
    names = ["ts", "id.orig_h", "id.resp_h", "proto", "ip_proto", "conn_state"]
    head = "#separator \\x09\n#path\tconn\n" + "\t".join(["#fields", *names]) + "\n"
    row = "1\t10.0.0.1\t10.0.0.2\tunknown_transport\t{}\tOTH\n"

    batch, _ = rows_of(zeek.read, head + row.format(47) + row.format("-"))

    assert batch.frame.select("proto", "ip_proto").rows() == [
        ("gre", 47),
        ("unknown_transport", None),
    ]
