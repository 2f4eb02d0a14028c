"""From flows to incidents: what a scan gives, whatever comes in."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from eddyline.errors import ModelError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.write import write_flows
from eddyline.incidents.ignore import IgnoreList
from eddyline.pipeline import DEFAULT_LEGS, Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import RULES_NOTE, ScanSettings, learn, scan, scan_flows
from eddyline.testing import shapes, traffic

SEVEN = {"ip_sweep", "nmap_scan", "flood", "guessing", "c2_beacon", "tunnel", "exfiltration"}
NO_RULES = ScanSettings(rules=False)


def scanned(batches, pipeline=None, asked=None, report=None):
    """Scan flows that are already read."""
    return scan_flows(
        batches,
        IngestReport() if report is None else report,
        pipeline=Pipeline() if pipeline is None else pipeline,
        settings=ScanSettings() if asked is None else asked,
    )


@pytest.fixture(scope="module")
def whole(office_file, attack_day):
    """Scan the day of seven attacks in one batch."""
    asked = ScanSettings(flow_verdicts=True)
    return scanned([attack_day], Pipeline.load(office_file), asked)


@given(places=st.lists(st.integers(0, 4000), max_size=12))
@example(places=[100, 100, 2000])
@settings(max_examples=4, deadline=None)
def test_any_cut_into_batches_gives_the_same_incidents(
    whole, office_file, attack_day, places
) -> None:
    """Uids, ranks, reasons, contributions, evidence and every flow's verdict are equal to the bit."""
    asked = ScanSettings(flow_verdicts=True)
    parts = scanned(traffic.cut(attack_day, places), Pipeline.load(office_file), asked)

    assert parts.incidents == whole.incidents
    assert parts.flow_verdicts is not None
    assert whole.flow_verdicts is not None
    assert parts.flow_verdicts.equals(whole.flow_verdicts)
    assert parts.model == whole.model
    assert parts.flows_judged == whole.flows_judged == len(attack_day)


def test_seven_attacks_are_seven_incidents(whole, attack_day) -> None:
    """Overlapping in time and place, each is told once, by its own flows."""
    found = whole.incidents

    assert {one.attack for one in found} == SEVEN
    assert len(found) == 7
    assert [one.rank for one in found] == list(range(1, 8))
    tags = {
        "ip_sweep": "sweep",
        "nmap_scan": "host_scan",
        "c2_beacon": "beacon",
        "exfiltration": "upload",
    }
    for one in found:
        tag = tags.get(one.attack, one.attack)
        told = {evidence.uid for evidence in one.evidence}
        there = set(attack_day.frame.filter(pl.col("uid").str.starts_with(f"{tag}."))["uid"])
        assert told <= there
        assert one.flows_count >= 0.75 * len(there)


def test_a_dirty_baseline_finds_them_too(attack_day) -> None:
    """With nothing but the capture itself, the plain attacks are told and nothing else."""
    found = scanned([attack_day]).incidents

    assert {one.attack for one in found} == SEVEN
    assert len(found) == 7


def test_a_quiet_day_is_quiet(office, quiet_day) -> None:
    """With a model and without: no incident."""
    assert scanned([quiet_day], office).incidents == []
    assert scanned([quiet_day]).incidents == []


def test_flows_are_told_at_most_once_by_named_incidents(whole) -> None:
    """No flow is the evidence of two attacks."""
    found = whole.incidents
    told = [evidence.uid for one in found for evidence in one.evidence]

    assert len(told) == len(set(told))


def test_no_rules_leaves_what_was_learned(office, attack_day) -> None:
    """Without the generic levels no incident stands on them alone, and the report says so."""
    result = scanned([attack_day], office, NO_RULES)

    assert result.incidents
    assert all(one.p_value is not None for one in result.incidents)
    assert result.settings["generic levels"] == "off"
    assert RULES_NOTE not in {leg.note for leg in result.model.legs}


def test_no_flows_give_no_incidents(office) -> None:
    """Nothing in, nothing out; never an error."""
    asked = ScanSettings(flow_verdicts=True)
    for pipeline in (office, Pipeline()):
        for batches in ([], [FlowBatch.empty()]):
            result = scanned(batches, pipeline, asked)

            assert (result.incidents, result.flows_judged) == ([], 0)
            assert result.flow_verdicts is not None
            assert result.flow_verdicts.height == 0


def test_a_table_of_verdicts_has_one_schema(office, quiet_day) -> None:
    """With flows and without: the same columns and types."""
    asked = ScanSettings(flow_verdicts=True)
    none, some = scanned([], office, asked), scanned([quiet_day], office, asked)

    assert none.flow_verdicts is not None
    assert some.flow_verdicts is not None
    assert none.flow_verdicts.schema == some.flow_verdicts.schema


def test_one_flow_is_judged_by_what_there_is(office) -> None:
    """Too little to learn from is said leg by leg, and is no incident."""
    one = traffic.flows(traffic.host(1), "198.51.100.9", [traffic.START_US])
    alone, known = scanned([one]), scanned([one], office)

    assert (alone.incidents, alone.flows_judged) == ([], 1)
    assert all(leg.note for leg in alone.model.legs)
    assert (known.incidents, known.flows_judged) == ([], 1)
    assert (alone.model.kind, known.model.kind) == ("capture", "saved")


def test_a_capture_shorter_than_a_window_is_judged() -> None:
    """Twenty seconds of a scan are a scan."""
    found = scanned([shapes.host_scan(span_s=20)]).incidents

    assert [one.attack for one in found] == ["nmap_scan"]
    assert found[0].p_value_note


def test_what_is_ignored_is_not_told(office, attack_day, tmp_path) -> None:
    """Known scanners are left out and counted."""
    path = tmp_path / "known"
    path.write_text("10.20.1.99 # the scanner\n10.20.1.96 -> 10.20.10.2 port 53\n")
    rules = IgnoreList.read(path)
    result = scanned([attack_day], office, ScanSettings(ignore=rules))

    assert {one.attack for one in result.incidents} == SEVEN - {"ip_sweep", "nmap_scan", "tunnel"}
    assert result.flows_judged == len(attack_day) - 80 - 130
    assert "80 flows" in result.settings["ignored"]
    assert "130 flows" in result.settings["ignored"]


@pytest.mark.parametrize(
    "line", ["everyone", "10.0.0.0/8 ->", "10.0.0.1 port x", "10.0.0.1 port 70000"]
)
def test_a_line_that_is_no_rule_is_an_error_with_its_place(tmp_path, line) -> None:
    """A rule that cannot match must not pass for one."""
    (tmp_path / "known").write_text(f"# fine\n{line}\n")

    with pytest.raises(UsageError, match="known:2"):
        IgnoreList.read(tmp_path / "known")


def interrupted(batches, error=KeyboardInterrupt):
    """Give batches, then the user's Ctrl-C."""
    yield from batches
    raise error


@pytest.mark.parametrize("saved", [True, False])
def test_ctrl_c_keeps_what_was_read(office, attack_day, saved) -> None:
    """What came before is judged as if it were all, and the report says that it is a part."""
    half = attack_day.slice(0, 3 * len(attack_day) // 4)
    whole, report = IngestReport(), IngestReport()
    pipelines = (office, office) if saved else (Pipeline(), Pipeline())
    expected = scanned([half], pipelines[0], report=whole)
    result = scanned(interrupted([half]), pipelines[1], report=report)

    assert result.input.interrupted
    assert not whole.interrupted
    assert result.incidents == expected.incidents
    assert result.incidents


def test_ctrl_c_while_judging_keeps_what_was_found(office, attack_day) -> None:
    """The signal may come at any moment, not only while reading."""
    report = IngestReport()

    class Interrupted(Pipeline):
        def judge(self, batches):
            """Judge eight groups of windows."""
            yield from itertools.islice(super().judge(batches), 8)
            raise KeyboardInterrupt

    fields = {f.name: getattr(office, f.name) for f in dataclasses.fields(office)}
    parts = traffic.cut(attack_day, range(0, len(attack_day), 40))
    result = scanned(parts, Interrupted(**fields), report=report)

    assert report.interrupted
    assert 0 < len(result.incidents) < 7


def test_other_errors_of_reading_are_raised(office) -> None:
    """Only the user's own interrupt is swallowed."""
    with pytest.raises(OSError, match="disk"):
        scanned(interrupted([], OSError("disk")), office)


def test_since_and_until_keep_part_of_the_time(office_file, attack_day, tmp_path) -> None:
    """A file is read between two moments; the model is named."""
    path = tmp_path / "day.parquet"
    write_flows([attack_day], path)
    frame = attack_day.frame
    middle = int(np.median(frame["ts_end"].to_numpy()))
    when = str(pl.Series([middle]).cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ")[0])

    late = scan(path, model=office_file, settings=ScanSettings(since=when))
    early = scan(path, model=str(office_file), settings=ScanSettings(until=when))

    assert late.flows_judged == frame.filter(pl.col("ts_end") >= middle).height
    assert late.flows_judged + early.flows_judged == len(frame)
    assert (late.model.name, late.model.kind) == ("office.eddy", "saved")


def test_learning_from_a_file_is_learning_from_its_flows(tmp_path, quiet_day) -> None:
    """``learn`` reads what ``scan`` reads; nothing to learn from is an error."""
    path = tmp_path / "day.parquet"
    write_flows([quiet_day], path)
    report = IngestReport()
    model = learn(path, report=report)

    assert (model.trained_flows, report.flows_read) == (len(quiet_day), len(quiet_day))
    assert model.trained_us == (quiet_day.frame["ts_end"].min(), quiet_day.frame["ts_end"].max())
    assert tuple(leg.name for leg in model.legs) == tuple(leg.name for leg in DEFAULT_LEGS)
    with pytest.raises(ModelError):
        scan(path, model=tmp_path / "none.eddy")


def test_the_budget_that_judged_is_the_one_that_is_told(
    office, office_file, quiet_day, tmp_path
) -> None:
    """A fitted pipeline brings its own budget; a file takes that of the settings."""
    office.budget = 5.0
    own = scanned([quiet_day], office)
    path = tmp_path / "day.parquet"
    write_flows([quiet_day], path)
    from_file = scan(path, model=office_file, settings=ScanSettings(budget=7.0))

    assert own.settings["alarms"].startswith("5 ")
    assert from_file.settings["alarms"].startswith("7 ")


@pytest.mark.parametrize("budget", [0.0, -2.0, float("nan")])
def test_a_budget_that_makes_no_sense_is_refused_with_a_model_too(
    office_file, tmp_path, quiet_day, budget
) -> None:
    """Zero alarms a day is no setting."""
    write_flows([quiet_day], tmp_path / "day.parquet")

    with pytest.raises(UsageError, match="budget"):
        scan(tmp_path / "day.parquet", model=office_file, settings=ScanSettings(budget=budget))


def test_a_model_in_hand_may_judge_twice(office, quiet_day) -> None:
    """Two scans with one pipeline count apart."""
    first, second = scanned([quiet_day], office), scanned([quiet_day], office)

    assert first.model == second.model


def test_hostile_names_do_not_break_a_scan(office) -> None:
    """Addresses are any text that a log holds."""
    names = ["<script>alert(1)</script>", "=cmd|' /C calc'!A0", "\x1b[31mred", "a|b|c", "ff", ""]
    many = [*names * 20, *(f"{name}{i}" for i in range(15) for name in names)]
    at = traffic.START_US + np.arange(len(many)) * 1000
    for src, dst in ((many, "10.0.0.9"), ("'; drop table", many), (many, many[::-1])):
        day = traffic.flows(src, dst, at, traffic.VAIN, tag='"><b>')
        result = scanned([day], office, ScanSettings(flow_verdicts=True))
        alone = scanned([day])

        assert result.flows_judged == alone.flows_judged == len(many)
