"""The published sets: exactly their rows, exactly their labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows
from eddyline.read.ingest import IngestReport

DATA = Path(__file__).parents[4] / "shared" / "data" / "zeek"

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(
        not DATA.is_dir(), reason="the public Zeek sets are not at ../shared/data/zeek"
    ),
]

ROWS = {
    "ctu50-008": (5_663, {"Malicious": 4_201, "Benign": 1_402, "Background": 60}),
    "ctu-botnet-4": (22_913, {"Benign": 19_460, "Malicious": 3_453}),
    "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled": (
        23_145,
        {"Malicious": 21_222, "Benign": 1_923},
    ),
    "iot23/CTU-IoT-Malware-Capture-21-1conn.log.labeled.csv": (
        3_286,
        {"Benign": 3_272, "Malicious": 14},
    ),
    "iot23/CTU-IoT-Malware-Capture-42-1conn.log.labeled.csv": (
        4_426,
        {"Benign": 4_420, "Malicious": 6},
    ),
    "slips-port-scans": (91, None),
    "slips-test10-mixed": (141, None),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows_and_labels_are_those_published(name):
    """Nothing is lost and nothing is made up."""
    rows, labels = ROWS[name]
    report = IngestReport()

    batch = FlowBatch.concat(list(read_flows(DATA / name, report=report)))

    assert len(batch) == rows
    assert report.skipped.total() == 0
    if labels is not None:
        assert batch.labels is not None
        assert dict(batch.labels["label"].value_counts().rows()) == labels
