"""Damaged logs give rows, counts or an error of ours: never another exception, never a hang."""

from __future__ import annotations

import random

import pytest
from tests.unit.read.logs import CSV_TABLE, ZEEK_HEADER, ZEEK_JSON, ZEEK_LOG, ZEEK_ROWS

from eddyline.errors import EddylineError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import CORE_SCHEMA
from eddyline.flows.write import write_flows
from eddyline.read import csv, eddyline, zeek
from eddyline.read.ingest import IngestReport

TOKENS = [
    *(
        b"\t",
        b"\n",
        b"\r\n",
        b",",
        b'"',
        b"|",
        b"-",
        b"(empty)",
        b"#",
        b"#fields\t",
        b"#separator \\x2c\n",
    ),
    *(
        b"#unset_field\t\n",
        b"\x00",
        b"\xff\xfe",
        b"1e308",
        b"1e-400",
        b"nan",
        b"inf",
        b"-1",
        b"0x1f",
        b"\\x09",
    ),
    *(
        b"99999999999999999999",
        b"18446744073709551615",
        b"9223372036854775807",
        b"65536",
        b"1.5.5",
        b"{",
        b"}",
    ),
    *(
        b"[" * 50,
        b"::",
        b"ts",
        b"   ",
        b"\xe2\x80\xae",
        b"\xed\xa0\x80",
        b'{"a":1}',
        b"null",
        b"true",
    ),
    *(
        b"2019-02-30T25:61:61Z",
        b"2019-01-01T00:00:00.123456789+14:00",
        b"253402300799.9999999",
        b"'=",
        b"\\",
    ),
]
"""What a careless or hostile writer leaves in a log."""

SEEDS = {
    "zeek": (
        zeek,
        [ZEEK_LOG, ZEEK_JSON, ZEEK_LOG + ZEEK_LOG, (ZEEK_HEADER + ZEEK_ROWS).replace("\t", "|")],
    ),
    "csv": (
        csv,
        [CSV_TABLE, CSV_TABLE.replace(",", ";"), CSV_TABLE.replace("2019/04/04 ", "2019-04-04T")],
    ),
}


def mutated(rng, seed):
    """Damage a log in one to six places."""
    data = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(7)
        if kind == 0:
            data[at:at] = rng.choice(TOKENS)
        elif kind == 1:
            data[at : at + rng.randint(1, 12)] = rng.choice(TOKENS)
        elif kind == 2:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 3 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 4:
            other = rng.randrange(len(data) + 1)
            data[at:at] = data[other : other + rng.randint(1, 60)]
        elif kind == 5:
            del data[at:]
        else:
            data[at:at] = bytes(rng.randrange(256) for _ in range(rng.randint(1, 8)))
    return bytes(data)


def survives(reader, data):
    """Read damaged bytes; what comes out keeps the promises of the record."""
    assert reader.sniff(data[:16_384]) in (True, False)
    report = IngestReport()
    try:
        for batch in reader.read(data, name="hostile", report=report):
            frame = batch.frame
            assert dict(frame.schema) == CORE_SCHEMA
            assert (
                frame.select("ts", "ts_end", "uid", "src_ip", "dst_ip", "proto")
                .null_count()
                .sum_horizontal()[0]
                == 0
            )
            assert (frame["ts_end"] >= frame["ts"]).all()
    except EddylineError:
        pass


@pytest.mark.slow
@pytest.mark.parametrize("name", SEEDS)
def test_twenty_thousand_damaged_inputs(name):
    """20,000 of each text format."""
    reader, texts = SEEDS[name]
    rng = random.Random(7)  # noqa: S311 - a seed for tests
    seeds = [text.encode() for text in texts]

    for _ in range(20_000):
        survives(reader, mutated(rng, rng.choice(seeds)))


@pytest.mark.parametrize("name", SEEDS)
def test_some_damaged_inputs(name):
    """The same, few enough for every run."""
    reader, texts = SEEDS[name]
    rng = random.Random(11)  # noqa: S311 - a seed for tests

    for text in texts:
        for _ in range(40):
            survives(reader, mutated(rng, text.encode()))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_damaged_tables_of_ours(kind, tmp_path):
    """2,000 of each of our own formats."""
    path = tmp_path / f"t.{kind}"
    whole = FlowBatch.concat(list(zeek.read(ZEEK_LOG.encode(), name="z", report=IngestReport())))
    write_flows([whole], path)
    rng = random.Random(13)  # noqa: S311 - a seed for tests

    for _ in range(2_000):
        data = mutated(rng, path.read_bytes())
        survives(eddyline, data)
        eddyline.span_if_ordered(data)
