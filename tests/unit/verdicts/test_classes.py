"""Evidence of hosts and hours for a class, and what normal ones had of it."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, strategies as st

from eddyline.errors import ModelError, TooFewRowsError
from eddyline.verdicts.classes import HOUR_US, ClassNormal, evidence_of

ROWS = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.sampled_from("abc"), st.integers(0, 2), st.floats(0.1, 9)
    ),
    min_size=1,
    max_size=30,
)


def called(rows, name="scan") -> pl.DataFrame:
    """Give flows of (source, destination, hour, odds) that were called alike."""
    src, dst, hour, odds = zip(*rows, strict=True)
    return pl.DataFrame(
        {
            "src_ip": src,
            "dst_ip": dst,
            "ts_end": [h * HOUR_US + 5 for h in hour],
            "called": [name] * len(rows),
            "odds": list(odds),
        }
    )


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_flows_changes_no_bit_of_the_evidence(rows, random) -> None:
    """Sums are made in one order, so that batches cannot matter."""
    shuffled = list(rows)
    random.shuffle(shuffled)

    assert evidence_of(called(rows)).equals(evidence_of(called(shuffled)))


@given(ROWS)
def test_each_flow_counts_once_for_each_of_its_ends(rows) -> None:
    """A flow from a host to itself counts once."""
    found = evidence_of(called(rows))
    total = sum(odds * (1 if src == dst else 2) for src, dst, _, odds in rows)

    assert found["evidence"].sum() == pytest.approx(total)


def test_a_sender_is_told_from_a_receiver() -> None:
    """Who began more than half of the flows is their source."""
    found = evidence_of(called([("a", "b", 0, 1.0), ("a", "c", 0, 1.0)]))

    assert dict(found.select("host", "is_source").iter_rows()) == {
        "a": True,
        "b": False,
        "c": False,
    }


@pytest.fixture(scope="module")
def normal() -> ClassNormal:
    """Learn two days of 30 hosts in 24 hours, of which one in fifty was called something once."""
    rng = np.random.default_rng(3)
    rows = [
        (f"h{host}", "server", hour, float(rng.exponential(1.0)))
        for hour in range(48)
        for host in range(30)
    ]
    flows = called(rows).with_columns(
        pl.when(pl.Series(rng.random(len(rows)) < 0.02)).then(pl.lit("scan")).alias("called")
    )
    return ClassNormal.fit(flows, rng.normal(size=(len(rows), 3)))


def test_hosts_and_hours_of_a_day_are_counted(normal) -> None:
    """Thirty clients and their server, every hour."""
    assert normal.rows_per_day == 31 * 24


def test_the_budget_sets_the_level(normal) -> None:
    """Two false alarms a day are twice as many as one, and none is above one in a hundred."""
    assert normal.level(2.0) == pytest.approx(2 * normal.level(1.0))
    assert normal.level(1e6) == 0.01


def test_much_evidence_is_less_likely_than_any_normal(normal) -> None:
    """Beyond every normal host and hour the p-value is at the floor or below it."""
    p = normal.calibrator.p_values(np.array([0.0, 1e3]))

    assert p[0] == 1.0
    assert p[1] <= normal.calibrator.floor


def test_it_comes_back_from_arrays(normal) -> None:
    """Levels, p-values and ranges are the same."""
    again = ClassNormal.from_arrays(normal.to_arrays(), 3)
    asked = np.linspace(0, 20, 50)

    assert again.level(2.0) == normal.level(2.0)
    assert np.array_equal(again.calibrator.p_values(asked), normal.calibrator.p_values(asked))
    assert np.array_equal(again.quantiles, normal.quantiles)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("low", np.zeros(2)),
        ("centre", np.array([1.0, np.nan, 0.0])),
        ("rows_per_day", np.array(0.0)),
        ("quantiles", None),
        ("calibrator_scores", np.array([2.0, 1.0])),
    ],
)
def test_damaged_arrays_are_refused(normal, name, value) -> None:
    """A part that is missing, of another width or without meaning is named."""
    arrays = normal.to_arrays()
    if value is None:
        del arrays[name]
    else:
        arrays[name] = value

    with pytest.raises(ModelError, match="saved"):
        ClassNormal.from_arrays(arrays, 3)


def test_no_normal_flow_is_too_few() -> None:
    """There is nothing to hold evidence against."""
    with pytest.raises(TooFewRowsError, match="normal flows"):
        ClassNormal.fit(called([("a", "b", 0, 1.0)]).clear(), np.zeros((1, 3)))
