"""A change that no volume shows is found by the order and kind of flows, and silence stays silent."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eddyline.detectors.ngram import NGram
from eddyline.testing.changes import N_BEATS, Change, find_change, office_day, with_change

DEFAULT = {"order": 1, "group": "sum"}


@pytest.mark.slow
@pytest.mark.parametrize("change", ["beat", "order"])
def test_changes_without_volume_are_found_by_tokens(change: Change) -> None:
    """Twenty draws, at most 1 % of the other dyad-hours; flows, bytes and bytes a flow find nearly none."""
    found = find_change(change, NGram(**DEFAULT), "service-bytes")  # type: ignore[arg-type]

    assert found.model >= 0.95
    assert found.false <= 0.01
    assert max(found.volumes.values()) <= 0.25
    assert found.flows <= 0.05
    assert found.bytes <= 0.05


@pytest.mark.slow
def test_a_beat_on_a_usual_service_is_found_by_its_gaps() -> None:
    found = find_change("beat on a usual port", NGram(order=1, group="mean"), "service-gap")

    assert found.model >= 0.9
    assert found.false <= 0.01
    assert max(found.volumes.values()) <= 0.1


@pytest.mark.slow
def test_an_hour_without_a_change_stays_silent() -> None:
    found = find_change("none", NGram(**DEFAULT), "service-bytes")  # type: ignore[arg-type]

    assert found.model <= 0.1
    assert found.false <= 0.01


@pytest.mark.parametrize("change", ["beat", "beat on a usual port", "order", "none"])
def test_a_change_keeps_flows_and_bytes(change: Change) -> None:
    quiet = office_day(6, 3, 1)
    planted = with_change(quiet, change, 1, 0)
    hour = pl.col("ts") // 3_600_000_000
    size = (pl.col("bytes_out") + pl.col("bytes_in")).sum().alias("size")
    sums = [
        day.group_by("src_ip", hour.alias("hour")).agg(pl.len(), size).sort("src_ip", "hour")
        for day in (quiet, planted)
    ]

    assert planted["changed"].sum() >= N_BEATS
    assert sums[0].drop("size").equals(sums[1].drop("size"))
    np.testing.assert_allclose(sums[0]["size"], sums[1]["size"], rtol=0.001)
