"""A small office that was learned once, and a day of it with seven attacks."""

from __future__ import annotations

import pytest

from eddyline.flows.batch import FlowBatch
from eddyline.pipeline import Pipeline
from eddyline.testing import shapes, traffic

HOUR_US = 3_600_000_000
NEXT_DAY_US = traffic.START_US + 24 * HOUR_US


@pytest.fixture(scope="session")
def office_file(tmp_path_factory: pytest.TempPathFactory):
    """Give the model file of four quiet hours."""
    path = tmp_path_factory.mktemp("office") / "office.eddy"
    Pipeline().fit([traffic.quiet(n_hosts=8)]).save(path)
    return path


@pytest.fixture
def office(office_file) -> Pipeline:
    """Give that model, freshly loaded."""
    return Pipeline.load(office_file)


@pytest.fixture(scope="session")
def quiet_day() -> FlowBatch:
    """Give two quiet hours of the next day that were not learned from."""
    return traffic.quiet(n_hosts=8, hours=2.0, start_us=NEXT_DAY_US, seed=7)


@pytest.fixture(scope="session")
def attack_day(quiet_day: FlowBatch) -> FlowBatch:
    """Give those hours with seven attacks, some of them across the border of two windows."""
    begin = NEXT_DAY_US + 1_700_000_000
    return traffic.mixed(
        quiet_day,
        shapes.sweep(n_hosts=40, start_us=begin, span_s=250),
        shapes.host_scan(start_us=begin + 90_000_000, n_ports=40, span_s=60),
        shapes.flood(start_us=begin + 95_000_000, n_flows=1100, n_sources=110, span_s=20),
        shapes.guessing(start_us=begin + 80_000_000, n_tries=45),
        shapes.beacon(start_us=begin, n_calls=40),
        shapes.tunnel(start_us=begin + 60_000_000, n_questions=130, span_s=100),
        shapes.upload(start_us=begin + 10_000_000, span_s=400),
    )
