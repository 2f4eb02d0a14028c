"""Flow-level figures: order and cut."""

from __future__ import annotations

import pytest
from tests.unit.evaluate.tables import make_flows, make_incident

from eddyline.evaluate.flows import flow_level
from eddyline.evaluate.match import members_of


def _level(rows, names=""):
    flows = make_flows(rows)
    return flow_level(flows, members_of(flows, [make_incident(uid) for uid in names]))


def _of(level, method):
    return next(one for one in level.scores if one.method == method)


def test_a_score_that_puts_attacks_first_is_perfect():
    """AUC and average precision are 1; the reverse gives an AUC of 0."""
    rows = [{"attack": n < 3, "score": float(10 - n)} for n in range(10)]
    reverse = [{**row, "score": -row["score"]} for row in rows]

    assert _of(_level(rows), "eddyline score").auc == 1.0
    assert _of(_level(rows), "eddyline score").average_precision == 1.0
    assert _of(_level(reverse), "eddyline score").auc == 0.0


def test_unknown_flows_are_left_out_and_counted():
    """Background neither confirms nor refutes."""
    rows = [{"attack": True, "score": 1.0}, {"score": 9.0}, {"attack": False, "score": 0.0}]

    level = _level(rows)

    assert (level.n_attack, level.n_normal, level.n_unknown) == (1, 1, 1)
    assert _of(level, "eddyline score").auc == 1.0
    assert level.base_rate == 0.5


def test_a_flow_without_score_is_the_least_strange():
    """It is counted, not dropped: dropping would flatter the rest."""
    rows = [{"attack": True}, {"attack": False, "score": 0.0}, {"attack": True, "score": 1.0}]

    level = _level(rows)

    assert level.n_unscored == 1
    assert _of(level, "eddyline score").auc == 0.5


def test_a_class_without_the_other_has_no_auc():
    """Undefined is None, never 0 or 1."""
    only_normal = _level([{"attack": False, "score": 1.0}] * 3)
    only_attack = _level([{"attack": True, "score": 1.0}] * 3)

    assert _of(only_normal, "eddyline score").auc is None
    assert _of(only_normal, "eddyline score").average_precision is None
    assert _of(only_attack, "eddyline score").auc is None
    assert _of(only_attack, "eddyline score").average_precision == 1.0
    assert only_normal.cuts[0].cut.recall is None
    assert only_attack.cuts[0].cut.false_positive_rate is None


def test_a_cut_counts_what_is_in_an_incident():
    """Two attacks and one normal flow are in incidents, one attack and two normal flows are not."""
    rows = [
        {"attack": True, "incident": "a"},
        {"attack": True, "incident": "b"},
        {"attack": True},
        {"attack": False, "incident": "b"},
        {"attack": False},
        {"attack": False},
        {"incident": "a"},
    ]

    ours, everything = (one.cut for one in _level(rows, "ab").cuts)

    assert (ours.tp, ours.fp, ours.tn, ours.fn) == (2, 1, 2, 1)
    assert ours.precision == pytest.approx(2 / 3)
    assert ours.recall == pytest.approx(2 / 3)
    assert ours.f1 == pytest.approx(2 / 3)
    assert ours.false_positive_rate == pytest.approx(1 / 3)
    assert (everything.recall, everything.precision) == (1.0, 0.5)


def test_a_random_score_has_the_base_rate_as_average_precision():
    """Random scores are no better than chance on 4,000 flows, a fifth of them attacks."""
    rows = [{"attack": n % 5 == 0, "score": 0.0} for n in range(4000)]

    level = _level(rows)

    assert level.base_rate == 0.2
    assert _of(level, "random").auc == pytest.approx(0.5, abs=0.04)
    assert _of(level, "random").average_precision == pytest.approx(0.2, abs=0.03)
    assert _of(level, "flag everything").auc == 0.5
    assert _of(level, "flag everything").average_precision == pytest.approx(0.2)
