"""The whole evaluation of one scan."""

from __future__ import annotations

import json

import polars as pl
import pytest
from tests.unit.evaluate.tables import SECOND, make_flows, make_incident

from eddyline.errors import InputError
from eddyline.evaluate.evaluation import evaluate
from eddyline.evaluate.truth import Attack

BAD = {"attack": True, "attack_class": "scan", "score": 5.0, "incident": "i"}
GOOD = {"attack": False, "score": 0.0, "dst_ip": "10.1.1.1"}


def test_labels_beside_the_flows_are_the_truth():
    """One incident holds the one attack: every figure is full, beside seven methods."""
    told = evaluate(make_flows([BAD] * 3 + [GOOD] * 7), [make_incident("i")])

    ours = told.incident_level[0]
    assert told.truth == "labels"
    assert told.matches == {"label of the flow": 3}
    assert (ours.recall, ours.precision, ours.found_share) == (1.0, 1.0, 1.0)
    assert len(told.incident_level) == 7
    assert told.flow_level is not None
    assert told.flow_level.scores[0].auc == 1.0
    assert told.graded == []


def test_no_label_and_no_list_is_an_error():
    """A figure without truth would be an invention."""
    with pytest.raises(InputError, match="pass the attacks with --truth"):
        evaluate(make_flows([{}, {}]), [])


def test_a_list_without_flows_gives_no_flow_level():
    """An incident that meets no attack of the list is false, since the list names them all."""
    attacks = [Attack("a", "ip_sweep", (), ("10.0.0.1",), ("10.9.0.0/24",), 0, SECOND)]
    incidents = [make_incident("i"), make_incident("j", sources=["10.0.0.9"])]

    told = evaluate(make_flows([{"incident": "i"}]), incidents, listed=(attacks, None))

    assert told.truth == "attack list"
    assert told.flow_level is None
    assert told.incidents["kind"].to_list() == ["true", "false"]
    assert told.incident_level[0].found_share is None
    assert told.graded[0].points == 1.0


def test_a_flow_list_labels_every_flow():
    """What the list does not name is normal; labels beside the flows are not looked at."""
    attacks = [Attack("a", "flood"), Attack("b", "smurf")]
    flow_list = pl.DataFrame(
        {"uid": ["u1"], "start_us": [0], "end_us": [9], "truth": [1]}
    ).with_columns(pl.col("truth").cast(pl.UInt32))

    told = evaluate(
        make_flows([BAD, {"incident": "i"}]), [make_incident("i")], listed=(attacks, flow_list)
    )

    assert told.truth == "flow list"
    assert told.matches == {"uid": 1}
    assert told.flow_level is not None
    assert (told.flow_level.n_attack, told.flow_level.n_normal) == (1, 1)
    assert told.incidents["purity"].to_list() == [0.5]
    assert told.incident_level[0].recall == 0.5


def test_every_figure_is_in_the_document():
    """JSON carries numbers and null, no NaN."""
    told = evaluate(make_flows([BAD, GOOD]), [make_incident("i")]).as_dict()

    text = json.dumps(told, allow_nan=False)

    assert json.loads(text)["incident_level"][0]["found_share"] == 1.0
    assert json.loads(text)["incidents"][0]["kind"] == "true"
    assert {"auc", "average_precision", "method"} <= set(told["flow_level"]["scores"][0])


def test_other_seeds_change_only_the_random_baselines():
    """The same seed gives the same document."""
    flows = make_flows([BAD, GOOD] * 20)

    one, same, other = (evaluate(flows, [make_incident("i")], seed=s).as_dict() for s in (1, 1, 2))

    assert one == same
    assert one["incident_level"][0] == other["incident_level"][0]
    assert one["flow_level"]["scores"][2] != other["flow_level"]["scores"][2]
