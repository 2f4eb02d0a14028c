"""Probes change what they say and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st
from tests.unit.test_supervised import traffic

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.robustness import (
    Flags,
    Probe,
    drift,
    mimicry,
    padded,
    probes,
    slowed,
    spread,
)
from eddyline.flows.batch import FlowBatch

FLOWS = traffic()


def truth(flows: FlowBatch) -> Flags:
    assert flows.labels is not None
    attack: Flags = (flows.labels["label"] != "calm").to_numpy()
    return attack


ATTACK = truth(FLOWS)


@pytest.mark.parametrize("probe", probes(), ids=lambda one: f"{one.kind} {one.level:g}")
def test_a_probe_leaves_normal_flows_and_the_order_alone(probe: Probe) -> None:
    """Every flow is there once with its label; normal ones are as they were; time does not go back."""
    found = probe.apply(FLOWS, ATTACK)
    before, after = FLOWS.frame.filter(~ATTACK), found.frame.filter(~truth(found))

    assert sorted(found.frame["uid"]) == sorted(FLOWS.frame["uid"])
    assert after.sort("uid").equals(before.sort("uid"))
    assert (found.frame["ts_end"].diff().drop_nulls() >= 0).all()
    assert int(truth(found).sum()) == int(ATTACK.sum())


def test_padding_adds_the_share_and_no_packet() -> None:
    found = padded(FLOWS, ATTACK, 0.5).frame.filter(ATTACK)
    theirs = FLOWS.frame.filter(ATTACK)

    assert found["payload_out"].to_list() == [round(v * 1.5) for v in theirs["payload_out"]]
    assert found["pkts_out"].equals(theirs["pkts_out"])


def test_slowing_stretches_gaps_and_no_flow() -> None:
    """A burst of ten flows a second apart takes ten times as long; its flows last as long as before."""
    second = 1_000_000
    frame = FLOWS.frame.head(10).with_columns(
        ts=pl.int_range(10, dtype=pl.Int64) * second,
        ts_end=pl.int_range(10, dtype=pl.Int64) * second + 5,
        src_ip=pl.lit("10.9.9.9").cast(FLOWS.frame.schema["src_ip"]),
    )
    found = slowed(FlowBatch(frame), np.ones(10, bool), 10).frame

    assert found["ts"].to_list() == [i * 10 * second for i in range(10)]
    assert (found["ts_end"] - found["ts"]).to_list() == [5] * 10


def test_spreading_deals_flows_evenly_to_new_sources() -> None:
    found = spread(FLOWS, ATTACK, 5).frame.with_columns(attack=pl.Series(ATTACK))
    counts = found.filter("attack").group_by("src_ip").len()
    before = FLOWS.frame.filter(ATTACK)["src_ip"].n_unique()

    assert counts.height == 5 * before
    assert counts["len"].max() - counts["len"].min() < ATTACK.sum() / 5  # type: ignore[operator]
    assert not set(counts["src_ip"].cast(pl.String)) & {"10.0.0.5"}


def test_mimicry_moves_one_family_of_the_attacks() -> None:
    rng = np.random.default_rng(0)
    X, attack = rng.normal(size=(50, 4)), np.arange(50) < 10
    found = mimicry(X, attack, {"sizes": [0, 2], "times": [1]})

    assert np.array_equal(found["sizes"][~attack], X[~attack])
    assert np.array_equal(found["sizes"][:, [1, 3]], X[:, [1, 3]])
    assert np.allclose(found["sizes"][attack][:, [0, 2]], np.median(X[~attack], axis=0)[[0, 2]])
    with pytest.raises(DataError, match="attacks alone"):
        mimicry(X, np.ones(50, bool), {})


@given(st.integers(0, 100), st.floats(0.1, 5.0))
def test_drift_is_zero_for_one_day_and_grows_with_the_shift(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    day = rng.normal(size=(400, 2))
    moved = day + np.array([0.0, shift])
    first, second = drift(day, moved, ["same", "moved"])

    assert (first.name, second.name) == ("moved", "same")
    assert (second.psi, second.ks) == (0.0, 0.0)
    assert 0.0 < first.ks <= 1.0


@pytest.mark.parametrize(
    "call",
    [
        lambda: padded(FLOWS, ATTACK, 0.0),
        lambda: slowed(FLOWS, ATTACK, 1.0),
        lambda: spread(FLOWS, ATTACK, 1),
    ],
)
def test_a_probe_that_hides_nothing_is_refused(call: Callable[[], FlowBatch]) -> None:
    with pytest.raises(UsageError):
        call()


def test_a_probe_needs_the_truth_of_every_flow() -> None:
    with pytest.raises(DataError, match="truth of all"):
        padded(FLOWS, ATTACK[:-1], 1.0)
    with pytest.raises(DataError, match="columns each"):
        drift([[1.0]], [[1.0, 2.0]], ["x"])
