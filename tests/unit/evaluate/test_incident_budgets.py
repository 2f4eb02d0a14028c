"""Incidents at an alert budget: places, bounds of the time to detect, seeds and sets together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.evaluate.tables import SECOND, make_flows, make_incident

from eddyline.errors import InputError
from eddyline.evaluate.incident_budgets import BUDGETS, at_budgets
from eddyline.evaluate.incident_document import DRAWS, band, document
from eddyline.evaluate.incident_sets import lab_days, log_name
from eddyline.evaluate.truth import Attack

SCAN = {"attack": True, "attack_class": "scan", "incident": "i"}
FLOOD = {"attack": True, "attack_class": "flood", "src_ip": "10.0.0.2", "incident": "k"}
GOOD = {"attack": False, "src_ip": "10.0.0.3", "incident": "j"}
INCIDENTS = [make_incident("j"), make_incident("i"), make_incident("k")]


def told(budgets: tuple[int, ...] = BUDGETS) -> list[dict[str, Any]]:
    """Two attacks behind one false incident."""
    flows = make_flows([GOOD] * 3 + [SCAN] * 4 + [FLOOD] * 2)
    return at_budgets(flows, INCIDENTS, budgets=budgets)


def test_recall_grows_with_the_budget():
    """The second of three alerts finds the first attack, the third the other."""
    ours = told((1, 2, 3))[0]

    assert ours["places"] == [2, 3]
    assert [one["recall"] for one in ours["at"]] == [0.0, 0.5, 1.0]
    assert [one["precision"] for one in ours["at"]] == [0.0, 0.5, pytest.approx(2 / 3)]
    assert ours["first_true"] == 2


def test_places_give_the_recall_of_every_budget():
    """Recall of the figures is the share of attacks whose place is within the budget, for all methods."""
    for method in told():
        for one in method["at"]:
            hits = [p is not None and p <= one["alerts_a_day"] for p in method["places"]]
            assert one["recall"] == pytest.approx(np.mean(hits))


def test_time_to_detect_has_two_bounds():
    """From the attack's first packet to the end of the first and of the last flow that is named."""
    flows = make_flows(
        [
            {"attack": True, "attack_class": "scan", "ts": 0, "ts_end": SECOND},
            {**SCAN, "ts": 2 * SECOND, "ts_end": 3 * SECOND},
            {**SCAN, "ts": 4 * SECOND, "ts_end": 9 * SECOND},
            {**GOOD, "incident": None},
        ]
    )

    ours = at_budgets(flows, [make_incident("i")])[0]

    assert ours["seconds"] == [(3.0, 9.0)]


def test_a_list_without_flows_has_no_baselines():
    """Trivial incidents cannot be matched by entity."""
    attacks = [Attack("a", "ip_sweep", (), ("10.0.0.1",), ("10.9.0.0/24",), 0, SECOND)]

    found = at_budgets(
        make_flows([{"incident": "i"}]), [make_incident("i")], listed=(attacks, None)
    )

    assert [one["method"] for one in found] == ["eddyline"]
    assert found[0]["seconds"] == [None]


def run(seed: int, methods: list[dict[str, Any]]) -> dict[str, Any]:
    """Give a scan of a set."""
    facts = {"n_flows": 9, "n_attacks": 2, "truth": "labels", "max_false": None, "days": 1.0}
    return {"seed": seed, "seconds": 0.5, "grade": None, "n_false": 1, "methods": methods, **facts}


def sets() -> list[dict[str, Any]]:
    """Give two logs with two seeds each."""
    names = {"kind": "log", "model": "the capture itself", "files": ["f"], "sha256": ["0"]}
    return [{"name": name, **names, "runs": [run(s, told()) for s in (0, 1)]} for name in "ab"]


def test_the_document_pools_sets_and_says_who_is_better():
    """Attacks of both sets count once each; every figure is JSON and stands on both pages."""
    from eddyline.report.incidents import page

    found = document(
        sets(),
        None,
        command="c",
        settings={"budget": 2.0},
        seeds=[0, 1],
        not_run=["x"],
        wall_s=1.0,
    )

    found = json.loads(json.dumps(found, allow_nan=False))
    pool = found["together"][0]
    assert (pool["n_attacks"], pool["sets"]) == (4, ["a", "b"])
    assert pool["methods"][0]["at"][1]["recall"]["mean"] == 0.5
    assert found["sets"][0]["methods"][0]["at"][0]["recall"]["mean"] == 0.0
    assert "best trivial rule" in found["sentences"][0]
    assert "one per source" in page(found).markdown()
    assert "one per source" in page(found).html()
    _is_valid(found)


def _is_valid(found: dict[str, Any]) -> None:
    from importlib import resources

    jsonschema = pytest.importorskip("jsonschema")
    schema = resources.files("eddyline.report").joinpath("incidents.schema.json")
    jsonschema.validate(found, json.loads(schema.read_text(encoding="utf-8")))


def test_the_band_is_of_attacks_not_of_seeds():
    """Equal seeds add nothing: the band is that of one seed; a single attack has none."""
    hits = np.array([[1.0, 0.0, 1.0, 1.0]])

    low, high = band(hits)["low"], band(hits)["high"]
    assert band(hits) == band(np.repeat(hits, 5, axis=0))
    assert low is not None
    assert high is not None
    assert 0.25 <= low < 0.75 < high <= 1.0
    assert band(np.ones((2, 9))) == {"low": None, "high": None}
    assert band(hits[:, :1]) == {"low": None, "high": None}
    assert DRAWS >= 1_000


def test_days_are_found_and_an_empty_folder_is_named(tmp_path: Path):
    """A day is a folder with expect.toml; a quiet one has no truth."""
    day = tmp_path / "lab-quiet"
    day.mkdir()
    (day / "expect.toml").write_text('learn = "n.pcap"\nscan = "d.pcap"\nmax_false = 0\n')

    (found,) = lab_days([tmp_path])

    assert (found.name, found.truth, found.max_false) == ("quiet", None, 0)
    with pytest.raises(InputError, match="pass --days"):
        lab_days([day / "nothing"])


def test_logs_have_short_names():
    """What the page calls them."""
    assert log_name("ctu50-008/data/conn.log.labeled") == "ctu50-008"
    assert log_name("iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled") == "iot23-34-1"
