"""The set has 61 columns of the record, and asks for statistics where flows have none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from eddyline.errors import DataError
from eddyline.features.nfstream61 import NfStream60, NfStream61
from eddyline.features.sets import FlowSet, flow_set
from eddyline.flows.record import CORE, STATISTICS


def test_names_are_61_columns_of_the_record() -> None:
    known = {column.name for column in CORE + STATISTICS}

    assert len(NfStream61().names) == len(set(NfStream61().names)) == 61
    assert set(NfStream61().names) <= known
    assert set(NfStream61().names) - set(NfStream60().names) == {"src_port"}


def test_rows_are_taken_in_order_and_missing_values_are_told_apart() -> None:
    values = {name: [float(place), None] for place, name in enumerate(NfStream61().names)}
    rows = NfStream61().update(pl.DataFrame(values, schema=dict.fromkeys(values, pl.Float64)))

    assert np.array_equal(rows[0], np.arange(61.0))
    assert np.array_equal(rows[1], np.full(61, -1.0))


@pytest.mark.parametrize("name", ["nfstream60", "nfstream61"])
def test_sets_are_found_by_name(name: str) -> None:
    found = flow_set(name)

    assert isinstance(found, FlowSet)
    assert len(found.names) == int(name[-2:])


def test_flows_without_statistics_are_named() -> None:
    with pytest.raises(DataError, match="needs flows with statistics"):
        NfStream61().update(pl.DataFrame({"src_port": [1]}))
