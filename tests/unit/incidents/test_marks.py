"""What marks a scanner of nmap's kind, and what is a mere sweep of ports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from eddyline.features.columns import WINDOW_US, derive
from eddyline.incidents.find import look
from eddyline.incidents.patterns.levels import STRICT
from eddyline.incidents.patterns.marks import FREQUENT_TCP
from eddyline.testing.traffic import REFUSED, SECOND_US, START_US, flows

SCANNER, TARGET = "10.20.1.99", "10.20.10.4"
RANDOM = np.random.default_rng(5).permutation(np.arange(20, 1024))[:100]
LIST = np.array([*FREQUENT_TCP, 8443, 9999, 32_768, 49_152, 6000])


def told(ports, gap_s: float, **exchange) -> list[str]:
    """Try ports one after another; give what it is called."""
    at = START_US + (np.arange(len(ports)) * gap_s * SECOND_US).astype(np.int64)
    tried = replace(REFUSED, port=np.asarray(ports), **exchange)
    frame = derive(flows(SCANNER, TARGET, at, tried).frame).with_row_index("flow")
    windowed = frame.with_columns(window=pl.col("ts_end") // (12 * WINDOW_US))
    return [story.attack for story in look(windowed, STRICT, 12 * WINDOW_US)]


@pytest.mark.parametrize(
    ("ports", "gap_s", "exchange", "attack"),
    [
        (RANDOM, 5.0, {}, "port_sweep"),  # plain connects, one by one
        (np.arange(1, 101), 0.01, {}, "port_sweep"),  # a loop, however fast
        (RANDOM, 0.01, {}, "nmap_scan"),  # a scanner's pace and order
        (RANDOM, 5.0, {"src_port": 61_000}, "nmap_scan"),  # crafted, however slow
        (RANDOM, 5.0, {"tcp_flags_out": 0x01}, "nmap_scan"),  # FIN probes
        (RANDOM, 5.0, {"tcp_flags_out": 0x02}, "port_sweep"),  # SYN, as everybody's
        (LIST, 20.0, {}, "nmap_scan"),  # the list of frequent services
    ],
)
def test_any_one_mark_tells_a_scanner(ports, gap_s, exchange, attack) -> None:
    """Crafted probes, a scanner's list, or its pace; else it is a sweep of ports."""
    assert told(ports, gap_s, **exchange) == [attack]
