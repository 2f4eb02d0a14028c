"""What ``learn --method`` adds, and what a detector that filters tells of its training rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from eddyline.cli.settings import settings_of
from eddyline.errors import TooFewRowsError, UsageError
from eddyline.features.registry import view_named
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.flow_scores import FlowScores
from eddyline.pipeline import DEFAULT_LEGS, Pipeline
from eddyline.testing.traffic import (
    MAIL_SERVER,
    PAGE,
    START_US,
    cut,
    flows,
    host,
    mixed,
    quiet,
)
from eddyline.verdicts.fitted import LegRows, LegSpec, detector_of
from eddyline.verdicts.leg import Leg
from eddyline.verdicts.methods import METHODS, card, legs_of, with_more
from eddyline.verdicts.rows import kept_for_fit


def test_every_method_is_made_of_what_there_is():
    """Each leg of each method names a view and a detector that takes its arguments."""
    for name, legs in METHODS.items():
        for leg in legs:
            view = view_named(leg.view)
            made = detector_of(leg)(**leg.params, seed=3)

            assert view.name == leg.view, name
            assert made.get_params()["seed"] == 3


def test_a_leg_takes_the_place_of_one_with_its_name():
    """Adding the n-grams changes no leg's place; a net comes after the others."""
    names = [leg.name for leg in with_more(DEFAULT_LEGS, legs_of(["ngram"]))]
    assert names == [leg.name for leg in DEFAULT_LEGS]

    more = with_more(DEFAULT_LEGS, legs_of(["pca"]))
    assert more[: len(DEFAULT_LEGS)] == DEFAULT_LEGS
    assert [leg.name for leg in more[len(DEFAULT_LEGS) :]] == [
        "host/pca",
        "segment/pca",
        "dyad/pca",
    ]


def test_unknown_and_clashing_methods_are_named():
    """A wrong name lists the right ones; two forms of one leg cannot be in one model."""
    with pytest.raises(UsageError, match="got 'lstmm'"):
        settings_of(budget=2.0, methods=["lstmm"])
    with pytest.raises(UsageError, match="'dyad/causal'"):
        legs_of(["gru", "lstm"])
    assert len(legs_of(["grand", "rvae"])) == 6


def _leg(detector: str, n: int = 1_600) -> tuple[Leg, LegRows]:
    rng = np.random.default_rng(0)
    rows = rng.lognormal(size=(n, 5))
    rows[:60] = rng.lognormal(6.0, 0.1, (60, 5))
    entities = np.array(["10.0.0.66" if i < 60 else f"10.0.1.{i % 40}" for i in range(n)])
    made = LegRows(rows, entities, np.arange(n, dtype=np.int64) // 40)
    spec = LegSpec("host", detector, params={"steps": 150} if detector == "grand" else {})
    return Leg.fit(spec, made), made


@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
def test_the_card_names_whose_rows_were_set_apart():
    """Sixty rows of one strange host: the card counts those set apart and names the host."""
    leg, rows = _leg("grand")
    told = card(leg, rows.entities)

    assert "of 1,600 training rows apart" in told
    assert "10.0.0.66" in told
    assert card(*_leg_without_card()) == ""


def _leg_without_card() -> tuple[Leg, np.ndarray]:
    leg, rows = _leg("tails")
    return leg, rows.entities


@pytest.mark.slow
def test_a_method_is_a_leg_like_any_other(tmp_path: Path):
    """PCA by its method's name learns, judges, and scores alike once saved and loaded."""
    flows = quiet(n_hosts=20, hours=5.0)
    model = Pipeline(with_more(DEFAULT_LEGS, legs_of(["pca"]))).fit([flows])
    model.save(tmp_path / "m.eddy")

    first = list(model.judge([flows]))
    again = list(Pipeline.load(tmp_path / "m.eddy").judge([flows]))

    assert "host/pca" in model.fitted
    for one, other in zip(first, again, strict=True):
        for a, b in zip(one.verdicts, other.verdicts, strict=True):
            assert (a.p_values == b.p_values).all() or np.isnan(a.p_values).any()
            for name in a.scores:
                np.testing.assert_array_equal(a.scores[name], b.scores[name])


def test_a_sequence_says_what_surprised_and_what_was_expected():
    """Logins where only mail was: the reason names the service, how rare it is, and what is usual."""
    calm = quiet(n_hosts=20, hours=6.0)
    model = Pipeline([LegSpec("dyad", "ngram", params={"order": 1})]).fit([calm])
    at = START_US + np.arange(40) * 20_000_000
    odd = flows(host(3), MAIL_SERVER, at, replace(PAGE, port=22, payload_out=5_000))

    alarms = [a for judged in model.judge([mixed(calm, odd)]) for a in judged.alarms]

    (told,) = next(a for a in alarms if set(a.addresses) == {host(3), MAIL_SERVER}).explain()
    assert told.feature == "sequence"
    assert "here" in told.words
    assert "usual next" in told.words


def test_broken_ranges_are_told_before_a_surprise():
    """Where a leg of numbers alarms too, its ranges are the reason, not the one sequence."""
    calm = quiet(n_hosts=20, hours=6.0)
    legs = [LegSpec("dyad", "tails"), LegSpec("dyad", "ngram", weight=50.0, params={"order": 1})]
    model = Pipeline(legs).fit([calm])
    at = START_US + np.arange(2_000) * 1_000_000
    odd = flows(host(3), MAIL_SERVER, at, replace(PAGE, port=22, payload_out=500_000))

    alarms = [a for judged in model.judge([mixed(calm, odd)]) for a in judged.alarms]

    told = next(a for a in alarms if set(a.addresses) == {host(3), MAIL_SERVER}).explain()
    assert told
    assert "sequence" not in {contribution.feature for contribution in told}


STREAMS = ("online-forest", "half-space-trees", "kitnet")
NEXT_US = START_US + 12 * 3_600_000_000


@pytest.mark.parametrize("method", STREAMS)
def test_a_leg_of_a_stream_detector_judges_by_what_it_had_learned(method, tmp_path: Path):
    """Alone it alarms at a host that sends far too much and not on a usual day; no cut changes a verdict."""
    (spec,) = [leg for leg in legs_of([method]) if leg.view == "segment"]
    model = Pipeline([spec], 10.0).fit([quiet(n_hosts=12, hours=10.0)])
    model.save(tmp_path / "m.eddy")
    usual = quiet(n_hosts=12, hours=1.0, start_us=NEXT_US, seed=1)
    at = NEXT_US + 600_000_000 + np.arange(400) * 600_000
    heavy = replace(PAGE, port=2222, payload_out=50_000_000, pkts_out=40_000, duration_s=30.0)
    odd = mixed(usual, flows(host(3), MAIL_SERVER, at, heavy, tag="heavy"))

    def sure(judged):
        return [a.addresses[0] for part in judged for a in part.alarms if a.sure]

    assert host(3) in sure(model.judge([odd]))
    assert sure(model.judge([usual])) == []
    whole = [v.p_values for part in model.judge([odd]) for v in part.verdicts]
    loaded = Pipeline.load(tmp_path / "m.eddy")
    parts = [v.p_values for part in loaded.judge(cut(odd, [1, 300, 301])) for v in part.verdicts]
    np.testing.assert_array_equal(np.concatenate(whole), np.concatenate(parts))


def _burst() -> tuple[FlowBatch, FlowBatch]:
    """A usual morning, and the same with 400 calls of one host to one service in a minute."""
    usual = quiet(n_hosts=12, hours=3.0, start_us=NEXT_US, seed=1)
    at = NEXT_US + 5_400_000_000 + np.arange(400) * 150_000
    return usual, mixed(usual, flows(host(3), MAIL_SERVER, at, replace(PAGE, port=2222), tag="b"))


@pytest.mark.parametrize("method", ["midas", "anoedge", "kitnet"])
def test_a_leg_that_remembers_alarms_at_a_burst_of_one_edge_only(method: str, tmp_path: Path):
    """Silent on a usual morning, it names the edge; no cut, no second look and no copy changes a bit."""
    (spec,) = [leg for leg in legs_of([method]) if leg.view in ("edge", "damped")]
    model = Pipeline([spec], 10.0).fit([quiet(n_hosts=12, hours=10.0)])
    model.save(tmp_path / "m.eddy")
    usual, odd = _burst()

    def sure(batch: FlowBatch) -> list[tuple[str, ...]]:
        return [a.addresses for part in model.judge([batch]) for a in part.alarms if a.sure]

    def p_values(by: Pipeline, batches: list[FlowBatch]) -> np.ndarray:
        told = [v.p_values for part in by.judge(batches) for v in part.verdicts]
        return np.concatenate(told)

    assert sure(usual) == []
    assert sure(odd)[0] == (host(3), MAIL_SERVER)
    whole = p_values(model, [odd])
    assert (p_values(model, [usual]) <= 0.01).mean() < 0.04
    np.testing.assert_array_equal(whole, p_values(model, [odd]))
    loaded = Pipeline.load(tmp_path / "m.eddy")
    np.testing.assert_array_equal(whole, p_values(loaded, cut(odd, [1, 700, 701, 1_500])))


def test_edges_are_judged_by_the_flows_of_their_row():
    """A flow of the burst has its edge's p-value, and the reason names the count."""
    model = Pipeline(legs_of(["midas"]), 10.0).fit([quiet(n_hosts=12, hours=10.0)])
    judged = list(model.judge([_burst()[1]]))
    alarm = min((a for part in judged for a in part.alarms), key=lambda a: a.p_value)
    where = alarm.where(pl.col("src_ip").cast(pl.String), pl.col("dst_ip").cast(pl.String))
    flows_of = pl.concat([part.flows.filter(where) for part in judged])
    facts = FlowScores()
    for part in judged:
        facts.add(part)
    scored = facts.frame([])
    burst = scored.filter(pl.col("uid").str.starts_with("b"))

    assert flows_of["src_ip"].cast(pl.String).unique().to_list() == [host(3)]
    assert any("connections to one host in 1 min" in told.words for told in alarm.explain())
    assert float(burst["p_value"].to_numpy().min()) < 1e-9
    assert scored["p_value"].null_count() == 0


def test_an_edge_that_was_judged_is_known():
    """The second hour of a new steady edge is judged by the first; a model judges anew each time."""
    model = Pipeline(legs_of(["midas"]), 10.0).fit([quiet(n_hosts=12, hours=10.0)])
    at = NEXT_US + np.arange(2 * 120) * 30_000_000
    steady = flows(host(3), MAIL_SERVER, at, replace(PAGE, port=2222), tag="new")
    scores = [v.scores["edge/midas_r"] for part in model.judge([steady]) for v in part.verdicts]

    each = np.concatenate(scores)
    assert each[0] > 3.0
    assert each[-30:].max() < 0.5 * each[0]


def test_edges_are_held_against_those_before_them_also_where_they_were_learned():
    """An input that is its own baseline: the leg begins with nothing, as it did when it learned."""
    spec = legs_of(["midas"])[0]
    usual = quiet(n_hosts=12, hours=3.0)
    model = Pipeline([spec], 10.0)
    judged = list(model.fit_judge([usual]))
    scores = np.concatenate([v.scores[spec.name] for part in judged for v in part.verdicts])

    assert scores[0] == 0.0  # the first tick: nothing to compare with
    assert np.isin(model.fitted[spec.name].calibrator.scores, scores).all()


def test_a_long_past_of_edges_is_cut_at_its_beginning():
    """Every second row of a count would be half the count: the last rows are kept instead."""
    n = 1_000
    rows = LegRows(np.ones((n, 3)), np.full(n, "10.0.0.1|10.0.0.2"), np.arange(n))

    assert kept_for_fit(view_named("edge"), rows, 300).windows.tolist() == list(range(700, n))
    assert kept_for_fit(view_named("host"), rows, 300).windows[[0, -1]].tolist() == [0, n - 1]


def test_a_stream_detector_that_is_not_warm_is_no_leg():
    """Its scores would be 0: too few rows are named; so are detectors of edges."""
    _, rows = _leg("tails")
    with pytest.raises(TooFewRowsError, match="at least 55000 rows in each part"):
        Leg.fit(LegSpec("host", "kitnet"), rows)
    with pytest.raises(UsageError, match="takes edges, got the view 'host'; use edge/midas_r"):
        Leg.fit(LegSpec("host", "midas_r"), rows)
    few = LegRows(rows.X[:50], np.full(50, "a|b"), np.zeros(50, dtype=np.int64))
    with pytest.raises(TooFewRowsError, match="at least 40 rows after the first 25%"):
        Leg.fit(LegSpec("edge", "midas_r"), few)
