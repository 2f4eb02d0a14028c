"""Each flow has one verdict, whatever legs a model has."""

from __future__ import annotations

import pytest

from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import ScanSettings, scan_flows
from eddyline.testing.traffic import quiet
from eddyline.verdicts.leg import LegSpec


@pytest.mark.parametrize("views", [("dyad",), ("host_hour",), ("host", "dyad"), ("flow", "dyad")])
def test_every_flow_is_told_once_with_any_views(views: tuple[str, ...]) -> None:
    """Also by a model without a leg of flows; windows of two lengths tell no flow twice."""
    legs = [LegSpec(v, "isolation_forest" if v == "flow" else "tails") for v in views]
    day = quiet(n_hosts=8, hours=3.0)
    settings = ScanSettings(flow_verdicts=True)
    result = scan_flows([day], IngestReport(), pipeline=Pipeline(legs), settings=settings)

    assert result.flow_verdicts is not None
    assert result.flow_verdicts["uid"].sort().equals(day.frame["uid"].sort())
    assert result.flow_verdicts["p_value"].is_not_null().all()
