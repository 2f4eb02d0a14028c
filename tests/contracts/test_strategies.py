"""Drawn inputs are valid inputs: they keep the promises of the borders they cross."""

from __future__ import annotations

import ipaddress

import numpy as np
from hypothesis import given

from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import CORE_SCHEMA
from eddyline.tables import Floats, TokenGroups
from eddyline.testing.strategies import flow_batches, matrices, token_groups


@given(matrices(min_rows=3, max_columns=4))
def test_matrices_are_finite_and_in_bounds(X: Floats) -> None:
    assert X.dtype == np.float64
    assert np.isfinite(X).all()
    assert len(X) >= 3
    assert 1 <= X.shape[1] <= 4


@given(token_groups())
def test_token_groups_are_whole(groups: TokenGroups) -> None:
    assert groups.offsets[0] == 0
    assert groups.offsets[-1] == len(groups.tokens)
    assert (np.diff(groups.offsets) >= 1).all()


@given(flow_batches())
def test_flow_batches_keep_the_record(batch: FlowBatch) -> None:
    frame = batch.frame

    assert dict(frame.schema) == CORE_SCHEMA
    assert frame["ts_end"].is_sorted()
    assert (frame["ts"] <= frame["ts_end"]).all()
    assert frame["uid"].is_unique().all()
    for address, version in zip(frame["src_ip"].cast(str), frame["ip_version"], strict=True):
        assert ipaddress.ip_address(address).version == version
