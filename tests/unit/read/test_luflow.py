"""Days of LUFlow: times without their point, ports as floats, AS numbers as addresses, zips around them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from tests.unit.read.logs import rows_of

from eddyline.errors import InputError
from eddyline.read import luflow
from eddyline.read.flows import read_flows
from eddyline.read.registry import recognise

HEADER = (
    "avg_ipt,bytes_in,bytes_out,dest_ip,dest_port,entropy,num_pkts_out,num_pkts_in,proto,src_ip,src_port,"
    "time_end,time_start,total_entropy,label,duration\n"
)
DAY = HEADER + (
    "7.5,342,3679,786,9200.0,5.436687,2,2,6,786,50046.0,160000001717938,1600000010159712,21860,benign,7.02\n"
    "0.0,56,56,786,,1.020244,1,1,1,65001,,1600000002000000,1600000001999972,114.26,malicious,0.000028\n"
    "0.0,48,48,65002,123,4.661981,1,1,17,786,123,1600000003,1600000003,447.5,outlier,0.0\n"
)


def packed(text: str, *names: str) -> bytes:
    """Give a zip of the same CSV under some names."""
    spool = io.BytesIO()
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, text)
    return spool.getvalue()


def test_a_day_becomes_flows():
    """Seconds are the first ten digits, ports may be floats or missing, bytes are payload."""
    batch, report = rows_of(luflow.read, DAY, "day.csv", statistics=True)
    frame = batch.frame

    assert report.skipped.total() == 0
    assert frame["ts"].to_list() == [
        1_600_000_010_159_712,
        1_600_000_001_999_972,
        1_600_000_003_000_000,
    ]
    assert frame["ts_end"][0] == 1_600_000_017_179_380
    assert frame["duration_s"][0] == pytest.approx(7.019668)
    assert frame["src_ip"].to_list() == ["AS786", "AS65001", "AS786"]
    assert frame["dst_port"].to_list() == [9200, None, 123]
    assert frame["proto"].to_list() == ["tcp", "icmp", "udp"]
    assert frame["payload_in"].to_list() == [342, 56, 48]
    assert frame["bytes_in"].to_list() == [None] * 3
    assert frame["bidirectional_mean_piat_ms"].to_list() == [7.5, 0.0, 0.0]
    assert batch.labels is not None
    assert batch.labels["label"].to_list() == ["benign", "malicious", "outlier"]


def test_content_decides_and_a_zip_gives_the_same_flows():
    """The reader is found by the column names, plain or packed."""
    zipped = packed(DAY, "2020.01.01.csv", "2020.01.02.csv")
    plain, _ = rows_of(luflow.read, DAY, "day.csv")
    both, _ = rows_of(luflow.read, zipped, "day.zip")

    assert recognise(DAY.encode(), "day.csv") == "luflow"
    assert recognise(zipped[:16_384], "day.zip") == "luflow"
    assert not luflow.sniff(packed("ts,src_ip\n1,2\n", "a.csv")[:16_384])
    assert len(both) == 2 * len(plain)
    assert both.frame.drop("uid").head(3).equals(plain.frame.drop("uid"))
    assert both.frame["uid"].n_unique() == 6


@pytest.mark.parametrize(
    ("old", "new", "value"),
    [
        ("1600000010159712", "16000000", "time_start"),
        ("1600000010159712", "x600000010159712", "time_start"),
        (",50046.0,", ",70000,", "70000"),
        (",786,9200.0", ",-1,9200.0", "dest_ip"),
        (",342,", ",-342,", "-342"),
    ],
)
def test_rows_without_sense_are_counted(old, new, value):
    """By cause, with the value and the line."""
    batch, report = rows_of(luflow.read, DAY.replace(old, new, 1), "day.csv")

    assert len(batch) == 2
    assert report.skipped.total() == 1
    assert value in report.samples[0]
    assert "day.csv:2" in report.samples[0]


@given(st.integers(1_000_000_000, 2_000_000_000), st.integers(0, 999_999))
def test_the_point_of_a_time_is_put_back(seconds, micros):
    """Zeros at the end of a fraction are not written."""
    digits = f"{seconds}.{micros:06d}".rstrip("0").rstrip(".").replace(".", "")
    text = DAY.replace("1600000010159712", digits).replace("160000001717938", digits)

    batch, _ = rows_of(luflow.read, text, "day.csv")

    # a second that ends in zeros keeps its ten digits: only the fraction was cut
    assert batch.frame["ts"][0] == int(digits[:10]) * 1_000_000 + int(digits[10:].ljust(6, "0"))


def test_damaged_and_encrypted_zips_are_refused():
    """With the name of the source."""
    whole = packed(DAY * 50, "day.csv")

    with pytest.raises(InputError, match=r"day\.zip must be a whole zip"):
        rows_of(luflow.read, whole[: len(whole) // 2], "day.zip")
    with pytest.raises(InputError, match="holds 0"):
        rows_of(luflow.read, packed(DAY, "day.txt"), "day.zip")


def test_columns_beside_have_the_identifiers_of_the_flows():
    """So that they can be joined."""
    batch, _ = rows_of(luflow.read, DAY, "day.csv")
    beside = luflow.columns_beside(DAY.encode(), "day.csv")

    assert beside["uid"].to_list() == batch.frame["uid"].to_list()
    assert beside["native_entropy"].to_list() == [5.436687, 1.020244, 4.661981]


DATA = Path(__file__).parents[4] / "shared" / "data" / "luflow"


@pytest.mark.corpus
@pytest.mark.skipif(
    not DATA.is_dir(), reason="the days of LUFlow are not at ../shared/data/luflow"
)
def test_a_published_day_is_whole():
    """Every row and every label, in order of their ends."""
    batches = list(read_flows(DATA / "2020.12.28.zip"))
    labels = [batch.labels["label"] for batch in batches if batch.labels is not None]
    counts = {
        name: sum(int((part == name).sum()) for part in labels)
        for name in ("benign", "malicious", "outlier")
    }

    assert counts == {"benign": 46_157, "malicious": 2_926, "outlier": 2_632}
