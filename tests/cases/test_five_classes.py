"""Five labelled lab days name the attacks of a sixth, among addresses not seen, and nothing of quiet days."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from eddyline.evaluate.lab_days import read_days
from eddyline.evaluate.scores import NAD_CLASSES
from eddyline.evaluate.shift import joined
from eddyline.features.rows import flow_rows
from eddyline.scan import ScanResult, ScanSettings, scan
from eddyline.supervised import FlowModel, train_rows

ROOT = Path(__file__).parents[2]
DAYS = ROOT / "examples" / "five-classes"
LEFT_OUT = "five-4"
"""The day with subnets of 128 addresses, where shipped levels do not know the broadcast address."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train on five days and keep the file."""
    days = {name: flow_rows([b], "around") for name, b in read_days(DAYS).items()}
    path = tmp_path_factory.mktemp("model") / "site.eddy"
    train_rows(joined([rows for name, rows in days.items() if name != LEFT_OUT])).save(path)
    return path


@pytest.fixture(scope="module")
def attacked(model: Path) -> ScanResult:
    """Scan the sixth day, of which nothing else is known."""
    asked = ScanSettings(classes=model, flow_verdicts=True)
    return scan(DAYS / f"{LEFT_OUT}.parquet", settings=asked)


@pytest.mark.parametrize("name", NAD_CLASSES[1:])
def test_most_flows_of_each_class_are_in_incidents_of_that_name(attacked, name) -> None:
    """The class that an incident is called by most is that of its flows."""
    truth = pl.read_parquet(DAYS / f"{LEFT_OUT}.parquet").select("uid", "label")
    mostly = {
        one.uid: max(one.called, key=lambda label: one.called[label])
        for one in attacked.incidents
        if one.called
    }
    told = attacked.flow_verdicts.join(truth, on="uid").filter(pl.col("label") == name)
    right = told["incident"].replace_strict(mostly, default=None) == name

    assert right.sum() >= 0.8 * told.height


def test_named_incidents_have_p_values_and_reasons(attacked) -> None:
    """And the smurf in the smaller subnet, which no shipped level tells, is told by its class."""
    named = [one for one in attacked.incidents if one.called]

    assert all(one.p_value is not None and one.contributions for one in named)
    assert any(one.attack == "smurf" and one.detectors.get("generic") is None for one in named)


def test_hardly_anything_is_named_that_is_no_attack(attacked) -> None:
    """At most the budget of two false alarms a day."""
    truth = pl.read_parquet(DAYS / f"{LEFT_OUT}.parquet").select("uid", "label")
    flows = attacked.flow_verdicts.join(truth, on="uid")
    bad = set(flows.filter(pl.col("label") != NAD_CLASSES[0])["incident"].drop_nulls())

    assert len([one for one in attacked.incidents if one.called and one.uid not in bad]) <= 2


@pytest.mark.parametrize("case", ["lab-quiet-thursday", "lab-quiet-late"])
def test_a_quiet_day_is_quiet(model, case) -> None:
    """No incident is named on a day without attacks."""
    capture = Path(__file__).parent / case / "day.pcap.gz"
    result = scan(capture, settings=ScanSettings(classes=model))

    assert not [one.reason for one in result.incidents if one.called]


def test_the_saved_model_holds_what_names_incidents(model) -> None:
    """Host-hours of five days, each judged by a model that had not learned from it."""
    normal = FlowModel.load(model).normal

    assert normal is not None
    assert len(normal.calibrator.scores) > 500
