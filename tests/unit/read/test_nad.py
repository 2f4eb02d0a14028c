"""NAD 2021: both spellings, missing numbers, labels beside flows, counters as they are; made-up rows only."""

from __future__ import annotations

import resource

import numpy as np
import polars as pl
import pytest

from eddyline.errors import DataError, InputError, UsageError
from eddyline.evaluate.corpora.nad2021 import TEST, TRAINING, class_counts, days_in, read_day
from eddyline.evaluate.labels import meaning
from eddyline.evaluate.scores import NAD_CLASSES
from eddyline.features.nad import nad_table
from eddyline.features.window import COUNTERS
from eddyline.read import nad
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport
from eddyline.read.registry import recognise
from eddyline.testing.nad import nad_csv

ROW = (
    "2020-12-03 00:00:01,10.0.0.1,172.16.0.255,0,0,3,{out},120,1,icmp,"
    "1,2,3,4,5,6,7,8,9,10,11,12,{label}\n"
)
HEAD = next(nad_csv(0))


def text_of(n=200, **options):
    """Give a made-up day as bytes."""
    return "".join(nad_csv(n, **options)).encode()


def rows_of(data):
    """Read everything with its account."""
    report = IngestReport()
    return list(nad.read_rows(data, name="day.csv", report=report)), report


@pytest.mark.parametrize("spelling", ["spaces", "underscores"])
@pytest.mark.parametrize("labels", [True, False])
def test_content_tells_the_format(spelling, labels) -> None:
    """Whichever way the columns are spelled; ordinary tables still go to the ordinary reader."""
    head = text_of(3, spelling=spelling, labels=labels)

    assert recognise(head, "x") == "nad"
    assert nad.COUNTERS == COUNTERS
    assert set(nad.LABELS.values()) == set(NAD_CLASSES)
    assert not nad.sniff(b"ts,src,dst,proto\n")
    assert not nad.sniff(b"")


def test_a_row_becomes_a_flow_with_its_counters() -> None:
    """Times in UTC seconds, ports only where the protocol has them, duration in seconds."""
    data = (HEAD + ROW.format(out="5", label="DOS-smurf")).encode()
    (rows,), _ = rows_of(data)
    flow = rows.batch.frame.row(0, named=True)

    assert rows.counters.tolist() == [list(range(1, 13))]
    assert flow["ts"] == 1_606_953_601_000_000
    assert (flow["ts_end"] - flow["ts"], flow["duration_s"]) == (3_000_000, 3.0)
    assert (flow["src_port"], flow["dst_port"], flow["proto"], flow["app"]) == (
        None, None, "icmp", "icmp")  # fmt: skip
    assert (flow["bytes_out"], flow["bytes_in"], flow["ip_version"]) == (5, 120, 4)
    assert rows.batch.labels is not None
    assert rows.batch.labels.row(0) == ("DDOS-smurf", "DDOS-smurf")


def test_both_spellings_give_the_same_flows() -> None:
    """Only the header and two labels differ."""
    (first,), _ = rows_of(text_of())
    (second,), _ = rows_of(text_of(spelling="underscores"))

    assert first.batch.frame.drop("uid").equals(second.batch.frame.drop("uid"))
    assert first.batch.labels is not None
    assert second.batch.labels is not None
    assert first.batch.labels.equals(second.batch.labels)
    assert set(first.batch.labels["label"]) <= set(NAD_CLASSES)
    assert (first.counters == second.counters).all()


def test_missing_numbers_are_zero_and_told() -> None:
    """Empty and NaN alike, as the challenge's own baselines took them."""
    (rows,), report = rows_of(text_of(missing=0.5))

    assert len(rows.batch) == 200
    assert report.notes["missing numbers, taken as 0"] > 100
    assert rows.batch.frame["bytes_out"].null_count() == 0


def test_labels_are_told_apart_whatever_their_case() -> None:
    """A strange one stays as it is and is told; evaluation takes attacks as attacks."""
    body = [ROW.format(out="5", label=label) for label in ("NORMAL", "probing-ipsweep", "Worm")]
    (rows,), report = rows_of((HEAD + "".join(body)).encode())
    labels = rows.batch.labels
    assert labels is not None

    assert labels["label"].to_list() == ["Normal", "Probing-IP sweep", "Worm"]
    assert report.notes["labels that are none of the five classes"] == 1
    assert meaning(labels)["attack"].to_list() == [False, True, None]
    assert meaning(labels)["attack_class"].to_list() == [None, "Probing-IP sweep", None]


def test_bad_rows_are_counted_with_their_place() -> None:
    """A negative count, a time that is none, too few cells."""
    good = ROW.format(out="5", label="Normal")
    bad = [
        ROW.format(out="-5", label="Normal"),
        good.replace("2020-12-03", "yesterday"),
        "1,2\n",
        "",
    ]
    (rows,), report = rows_of((HEAD + good + "".join(bad)).encode())

    assert len(rows.batch) == 1
    assert sum(report.skipped.values()) == 3
    assert any("day.csv:3: out_bytes is '-5'" in sample for sample in report.samples)


def test_flows_come_through_the_ordinary_door(tmp_path) -> None:
    """Recognised by content, sorted by their end, labels beside them."""
    path = tmp_path / "some.log"
    path.write_bytes(text_of(500))
    batches = list(read_flows(path))
    ends = pl.concat([batch.frame["ts_end"] for batch in batches])

    assert ends.is_sorted()
    assert len(ends) == 500
    assert all(batch.labels is not None for batch in batches)


def test_a_folder_of_days_becomes_arrays_and_classes(tmp_path) -> None:
    """Counters of the file, order of the file, one class a flow; a test day has none."""
    for number, day in enumerate((TRAINING[0], TRAINING[2])):
        (tmp_path / day.file).write_bytes(text_of(300, day=number))
    (tmp_path / TEST[0].file).write_bytes(text_of(50, labels=False))
    report = IngestReport()
    days = days_in(tmp_path)
    parts = [part for day in days[:2] for part in read_day(tmp_path, day, report)]
    (unlabelled,) = read_day(tmp_path, days[2], report)
    table = nad_table(parts[0].flows)

    assert [day.name for day in days] == ["1203", "1216", "0123"]
    assert [len(part.y) for part in parts] == [300, 300]
    assert len(unlabelled.y) == 0
    assert table.X.shape == (300, 113)
    assert parts[0].flows.counters is not None
    assert (table.X[:, :12] == parts[0].flows.counters).all()
    assert sum(class_counts(iter(parts)).values()) == 600


def test_what_is_not_there_is_said(tmp_path) -> None:
    """No folder of the challenge, an absent day, a training file without classes."""
    with pytest.raises(InputError, match="holds none"):
        days_in(tmp_path)
    with pytest.raises(InputError, match="is absent"):
        next(read_day(tmp_path, TRAINING[0], IngestReport()))
    (tmp_path / TRAINING[0].file).write_bytes(text_of(5, labels=False))
    with pytest.raises(DataError, match="5 have none"):
        next(read_day(tmp_path, TRAINING[0], IngestReport()))
    with pytest.raises(UsageError, match="n_rows must be"):
        next(nad_csv(-1))


@pytest.mark.slow
def test_a_large_day_needs_little_memory(tmp_path) -> None:
    """Half a million rows part by part: memory grows by far less than the file."""
    path = tmp_path / TRAINING[0].file
    lines = "".join(nad_csv(20_000)).splitlines(keepends=True)
    with path.open("w") as file:
        file.write(lines[0])
        for _ in range(25):
            file.writelines(lines[1:])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    n = sum(len(part.y) for part in read_day(tmp_path, TRAINING[0], IngestReport()))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert n == 500_000
    assert grown < 400_000  # kB
    assert np.isfinite(grown)
