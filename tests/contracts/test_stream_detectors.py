"""Every registered stream detector keeps every promise."""

from __future__ import annotations

import pytest

from eddyline.detectors.registry import STREAM, stream_detector
from eddyline.testing.check_stream_detector import CHECKS, StreamCheck


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", STREAM)
def test_stream_detector_keeps_its_promises(name: str, check: StreamCheck) -> None:
    check(stream_detector(name))
