"""The set ``session8``: the session's last flows by a loop, and the same however the input is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray

from eddyline.features.around import ALONE, Around
from eddyline.features.session_rows import GAP_US, NAMES, STEP, STEPS, SessionRows
from eddyline.flows.batch import FlowBatch


def flows(seed: int = 0, n: int = 60, span_s: int = 9_000) -> pl.DataFrame:
    """Give flows among few hosts, in event-time order, with silences longer than a session's."""
    rng = np.random.default_rng(seed)
    ends = np.sort(rng.integers(0, span_s, n)) * 1_000_000 + 1_600_000_000_000_000
    frame = pl.DataFrame(
        {
            "ts": ends - rng.integers(0, 3_000_000, n),
            "ts_end": ends,
            "uid": [f"f{i}" for i in range(n)],
            "src_ip": rng.choice(["10.0.0.1", "10.0.0.2"], n),
            "dst_ip": rng.choice(["10.0.0.2", "10.0.0.9"], n),
            "src_port": 40_000,
            "dst_port": rng.choice([22, 80], n),
            "proto": "tcp",
            "ip_proto": 6,
            "payload_out": rng.integers(0, 900, n),
            "payload_in": rng.integers(0, 900, n),
            "pkts_out": rng.integers(1, 9, n),
            "pkts_in": rng.integers(0, 9, n),
        }
    )
    return FlowBatch.of(frame).frame


def by_loop(frame: pl.DataFrame) -> NDArray[np.float64]:
    """Give the rows as the words say them."""
    own = Around().update(frame)[:, : len(ALONE)].astype(np.float64)
    rows = np.zeros((frame.height, STEPS, len(STEP)))
    sessions: dict[frozenset[str], list[tuple[int, int, float]]] = {}
    for i, row in enumerate(frame.to_dicts()):
        key = frozenset((row["src_ip"], row["dst_ip"]))
        session = sessions.get(key, [])
        if session and row["ts_end"] - session[-1][1] >= GAP_US:
            session = []
        silence = np.log1p((row["ts_end"] - session[-1][1]) / 1e6) if session else 0.0
        session = [*session, (i, row["ts_end"], silence)][-STEPS:]
        sessions[key] = session
        for place, (number, _, quiet) in enumerate(reversed(session)):
            rows[i, STEPS - 1 - place] = [*own[number], quiet, 1.0]
    return rows.reshape(frame.height, -1)


def test_a_row_holds_the_last_flows_of_its_session() -> None:
    """As a loop over the flows finds them; some sessions end by silence, some are longer than a row."""
    frame = flows(n=200)

    found = SessionRows().update(frame)

    assert found.shape == (200, len(NAMES))
    np.testing.assert_allclose(found, by_loop(frame), rtol=1e-6)
    present = found[:, [name.startswith("present") for name in NAMES]].sum(axis=1)
    assert present.min() == 1
    assert present.max() == STEPS


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(0, 60), max_size=5))
def test_cutting_the_input_changes_no_bit(seed: int, cuts: list[int]) -> None:
    """Only seven flows of each open session are kept, and they are enough."""
    frame = flows(seed)
    whole = SessionRows().update(frame)
    state = SessionRows()

    parts = [state.update(frame[a:b]) for a, b in pairwise([0, *sorted(cuts), frame.height])]

    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert len(state._times) <= 3 * (STEPS - 1)


def test_no_address_enters() -> None:
    """Other hosts with the same traffic give the same rows."""
    frame = flows()
    other = frame.with_columns(
        pl.col("src_ip", "dst_ip").cast(pl.String).str.replace("10.0.0.", "10.0.7.", literal=True)
    )

    np.testing.assert_array_equal(SessionRows().update(frame), SessionRows().update(other))
