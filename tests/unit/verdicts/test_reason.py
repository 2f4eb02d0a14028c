"""A value as a person says it, against what is normal here."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from eddyline.features.dictionary import Feature
from eddyline.verdicts.reason import amount, compare


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (1902.0, "", "1,902"),
        (0.0, "", "0"),
        (2.5, "", "2.5"),
        (6.0, "packets", "6"),
        (999.0, "bytes", "999 B"),
        (3_400_000.0, "bytes", "3.4 MB"),
        (1.2e12, "bytes", "1,200.0 GB"),
        (0.35, "share", "35 %"),
        (0.5, "s", "500 ms"),
        (59.0, "s", "59 s"),
        (119.0, "s", "119 s"),
        (240.0, "s", "4 min"),
        (7200.0, "s", "2 h"),
        (200_000.0, "s", "2 d"),
        (12.34, "flows/s", "12.3 flows/s"),
    ],
)
def test_amounts_are_said_as_a_person_does(value, unit, said) -> None:
    """With a unit that suits the size."""
    assert amount(value, unit) == said


@given(
    value=st.floats(0, 1e15),
    unit=st.sampled_from(["", "bytes", "s", "share", "packets", "flows/s"]),
)
def test_every_amount_can_be_said(value, unit) -> None:
    """Short, never empty, no exponents."""
    said = amount(value, unit)

    assert said
    assert "e+" not in said
    assert "nan" not in said


def test_a_value_is_told_against_its_range() -> None:
    """Whose range it is, over which time; a range of one value is that value."""
    hosts = Feature("n_hosts", "", "distinct responders", "hosts contacted")

    assert compare(hosts, 1902, 0, 6, "5 min", own=True) == (
        "1,902 hosts contacted in 5 min; normal for this host: 0–6"
    )
    assert compare(hosts, 7, 3, 3, "", own=False) == (
        "7 hosts contacted; normal on this network: 3"
    )
    sent = Feature("bytes_out", "bytes", "sum", "sent")
    assert compare(sent, 2e6, 1.2e6, 1.21e6, "1 h", own=True).endswith("this host: 1.2 MB")
