"""Families of flows are held against a normal of their own; what was not learned, against the shared one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.errors import UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import CORE
from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanSettings, scan_flows
from eddyline.testing.traffic import PAGE, START_US, cut, flows, mixed, quiet
from eddyline.verdicts.families import COLUMNS, MOST_FAMILIES, checked_column
from eddyline.verdicts.leg import LegSpec

LEGS = (
    LegSpec("host", "tails"),
    LegSpec("dyad", "tails"),
    LegSpec("dyad", "ngram", params={"order": 1}),
)
UPLOAD = replace(PAGE, port=554, payload_out=2_000, payload_in=300, pkts_out=4, pkts_in=4)


def of(family: str | None, batch: FlowBatch) -> FlowBatch:
    """Give all flows one sensor."""
    return FlowBatch(batch.frame.with_columns(pl.lit(family).cast(pl.Categorical).alias("sensor")))


def camera(number: int) -> str:
    """Name a camera."""
    return f"10.30.0.{10 + number}"


def cameras(*, hours: float, start_us: int = START_US, seed: int = 0) -> FlowBatch:
    """Eight cameras that each send a store outside a little every minute and do nothing else."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(8):
        at = start_us + np.arange(0, hours * 3600, 60) * 1e6 + rng.uniform(0, 2e6)
        sizes = rng.integers(1_500, 2_500, len(at))
        said = replace(UPLOAD, payload_out=sizes)
        parts.append(
            flows(camera(number), f"198.51.100.{number}", at, said, tag=f"cam{number}.{seed}")
        )
    return mixed(*parts)


def day(seed: int, start_us: int) -> FlowBatch:
    """Give an hour or more of both families."""
    office = quiet(n_hosts=8, hours=3.0, start_us=start_us, seed=seed)
    return mixed(
        of("office", office), of("camera", cameras(hours=3.0, start_us=start_us, seed=seed))
    )


NEXT_US = START_US + 4 * 3_600_000_000


@pytest.fixture(scope="module")
def learned() -> tuple[Pipeline, Pipeline]:
    """Models of the same traffic, with a normal for each sensor and with one for all."""
    usual = day(0, START_US)
    return Pipeline(LEGS, 10.0, per="sensor").fit([usual]), Pipeline(LEGS, 10.0).fit([usual])


def browsing_camera() -> FlowBatch:
    """A camera that reads pages outside as an office host does."""
    at = NEXT_US + 600_000_000 + np.arange(40) * 7_000_000
    return of("camera", flows(camera(3), "203.0.113.9", at, PAGE, tag="odd"))


def sure(pipeline: Pipeline, batch: FlowBatch) -> set[str]:
    """Give the addresses of rows that alarm."""
    judged = pipeline.judge([batch])
    return {a.addresses[0] for part in judged for a in part.alarms if a.sure}


def test_what_is_usual_for_others_alarms_in_a_family_that_never_does_it(learned) -> None:
    """Forty pages are an office's minute; a camera has no such minute, and only its own normal knows."""
    own, shared = learned
    odd = mixed(day(1, NEXT_US), browsing_camera())

    assert camera(3) in sure(own, odd)
    assert camera(3) not in sure(shared, odd)


def test_a_usual_day_of_every_family_is_silent(learned) -> None:
    """Each family at its own is no news."""
    own, _ = learned
    assert sure(own, day(1, NEXT_US)) == set()


def test_an_unseen_value_is_judged_by_the_shared_normal_and_counted(learned) -> None:
    """The same rows as from a model without families, value for value; flows without a value as well."""
    own, shared = learned
    strange = quiet(n_hosts=8, hours=1.0, start_us=NEXT_US, seed=3)
    for value in ("printer", None):
        got = [v for part in own.judge([of(value, strange)]) for v in part.verdicts]
        want = [v for part in shared.judge([strange]) for v in part.verdicts]

        assert len(got) == len(want) > 0
        assert own.account.unseen == {value or "": len(strange)}
        assert not own.account.own

    sentence = own.account.sentence("sensor")
    assert (
        f"{len(strange):,} flows of 1 that were not learned (none) by the shared one" in sentence
    )


def test_a_family_without_a_leg_of_a_view_is_judged_by_the_shared_one() -> None:
    """Too few rows of a family leave a note of its legs, and its rows still have p-values."""
    few = of(
        "kettle", flows("10.40.0.2", "10.40.0.1", START_US + np.arange(3) * 1e6, tag="kettle")
    )
    model = Pipeline(LEGS, per="sensor").fit([mixed(day(0, START_US), few)])

    assert set(model.families) == {"camera", "kettle", "office"}
    assert not model.families["kettle"].fitted
    assert all("at least 40 rows" in note for note in model.families["kettle"].notes.values())
    verdicts = [v for part in model.judge([few]) for v in part.verdicts]
    assert verdicts
    assert all(np.isfinite(verdict.p_values).all() for verdict in verdicts)


def test_a_saved_model_keeps_its_families(learned, tmp_path) -> None:
    """Loading loses nothing, in any cut of the input."""
    own, _ = learned
    own.save(tmp_path / "per.eddy")
    loaded = Pipeline.load(tmp_path / "per.eddy")
    loaded.save(tmp_path / "again.eddy")
    odd = mixed(day(1, NEXT_US), browsing_camera())

    assert loaded.per == "sensor"
    assert list(loaded.families) == ["camera", "office"]
    assert (tmp_path / "per.eddy").read_bytes() == (tmp_path / "again.eddy").read_bytes()
    whole = [v.p_values for part in own.judge([odd]) for v in part.verdicts]
    parts = [v.p_values for part in loaded.judge(cut(odd, [500, 3_000])) for v in part.verdicts]
    assert np.array_equal(np.sort(np.concatenate(whole)), np.sort(np.concatenate(parts)))


def test_a_scan_says_who_judged(learned) -> None:
    """The account is among the settings of the result."""
    own, _ = learned
    unknown = of("printer", quiet(n_hosts=4, hours=0.5, start_us=NEXT_US))
    result = scan_flows([unknown], IngestReport(), pipeline=own, settings=ScanSettings())

    assert "1 that were not learned (printer) by the shared one" in result.settings["judged"]


def test_columns_that_cannot_part_flows_are_named() -> None:
    """Times, counters and free texts are no families; too many values are told."""
    assert {"sensor", "proto", "app"} <= set(COLUMNS) < {column.name for column in CORE}
    assert checked_column("sensor") == "sensor"
    for name in ("ts", "bytes_out", "uid", "nonsense"):
        with pytest.raises(UsageError, match=f"got '{name}'"):
            Pipeline(per=name)
    many = flows("10.0.0.1", "10.0.0.2", START_US + np.arange(MOST_FAMILIES + 1) * 1e6)
    names = pl.Series("sensor", [f"s{i}" for i in range(len(many))]).cast(pl.Categorical)
    with pytest.raises(UsageError, match="at most 64 values, has 65"):
        Pipeline(LEGS, per="sensor").fit([FlowBatch(many.frame.with_columns(names))])
