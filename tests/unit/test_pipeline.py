"""Legs learn what is normal and judge by it, the same however the flows come in."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings, strategies as st

from eddyline.errors import ModelError, TooFewRowsError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.pipeline import DEFAULT_LEGS, Pipeline
from eddyline.testing import shapes, traffic
from eddyline.verdicts.archive import read_archive, write_archive
from eddyline.verdicts.leg import LegSpec

CUTS = st.lists(st.integers(0, 4000), max_size=12)
EACH_VIEW = (
    LegSpec("host", "tails"),
    LegSpec("host_hour", "tails", own=True),
    LegSpec("segment", "tails"),
    LegSpec("dyad", "ngram", params={"order": 1}),
    LegSpec("flow", "isolation_forest", params={"n_trees": 10}),
    LegSpec("edge", "midas_r", weight=0.2, params={"memory": 60}),
)
FEW_LEGS = (LegSpec("host", "tails"), LegSpec("dyad", "tails", own=True))


def judged_rows(judged):
    """Lay everything that was judged in the order of windows, as plain values."""
    rows, alarms = [], []
    for part in judged:
        for verdict in part.verdicts:
            windows = verdict.table.rows["window"].to_list()
            values = zip(verdict.table.X.tolist(), verdict.p_values.tolist(), strict=True)
            scores = {name: each.tolist() for name, each in verdict.scores.items()}
            for i, (x, p) in enumerate(values):
                each = {name: one[i] for name, one in scores.items()}
                rows.append((verdict.view.name, windows[i], verdict.entities[i], x, p, each))
        for alarm in part.alarms:
            fields = (alarm.view, alarm.window, alarm.addresses, alarm.uid, alarm.p_value)
            alarms.append((*fields, alarm.sure, alarm.scores))
    return sorted(rows, key=lambda row: row[:2]), sorted(alarms, key=lambda a: (a[1], a[0], a[4]))


def test_a_view_of_little_weight_takes_little_of_the_budget():
    """Two views share alike; a third of weight 0.2 takes an eleventh of each, not a third."""
    quiet = traffic.quiet(n_hosts=8, hours=3.0)
    legs = [LegSpec("host", "tails"), LegSpec("segment", "tails"), LegSpec("host", "neighbours")]
    before = Pipeline(legs, 0.1).fit([quiet]).alarm_levels
    after = Pipeline([*legs, LegSpec("edge", "midas_r", weight=0.2)], 0.1).fit([quiet])

    for view, level in before.items():
        assert after.alarm_levels[view] == pytest.approx(level * 2 / 2.2)
        assert level == pytest.approx(0.05 / after.normals[view].rows_per_day)


@given(places=CUTS)
@example(places=[0, 0])
@settings(max_examples=5, deadline=None)
def test_any_cut_into_batches_gives_the_same_verdicts(office_file, attack_day, places) -> None:
    """Rows, scores, p-values, alarms and reasons are equal to the bit."""
    whole = judged_rows(Pipeline.load(office_file).judge([attack_day]))

    in_parts = judged_rows(Pipeline.load(office_file).judge(traffic.cut(attack_day, places)))

    assert in_parts == whole
    assert len(whole[1]) > 10


@given(places=CUTS)
@settings(max_examples=3, deadline=None)
def test_any_cut_into_batches_is_learned_alike(tmp_path_factory, attack_day, places) -> None:
    """Two fits of the same flows write the same bytes."""
    folder = tmp_path_factory.mktemp("models")
    Pipeline(EACH_VIEW).fit([attack_day]).save(folder / "whole.eddy")
    Pipeline(EACH_VIEW).fit(traffic.cut(attack_day, places)).save(folder / "parts.eddy")

    assert (folder / "whole.eddy").read_bytes() == (folder / "parts.eddy").read_bytes()


def test_a_loaded_model_judges_as_the_fitted_one(tmp_path, attack_day) -> None:
    """Saving loses nothing that judging needs."""
    fitted = Pipeline().fit([traffic.quiet(n_hosts=6, hours=2.0)])
    fitted.save(tmp_path / "a.eddy")
    loaded = Pipeline.load(tmp_path / "a.eddy")
    loaded.save(tmp_path / "b.eddy")

    assert judged_rows(loaded.judge([attack_day])) == judged_rows(fitted.judge([attack_day]))
    assert (tmp_path / "a.eddy").read_bytes() == (tmp_path / "b.eddy").read_bytes()
    assert loaded.legs == DEFAULT_LEGS
    assert (loaded.trained_flows, loaded.trained_us) == (fitted.trained_flows, fitted.trained_us)
    assert loaded.notes == fitted.notes


def test_equal_ends_do_not_depend_on_the_cut(office_file) -> None:
    """Flows of one instant may fall into two batches."""
    day = traffic.flows(traffic.host(1), traffic.RESOLVER, np.full(40, traffic.START_US))

    whole = judged_rows(Pipeline.load(office_file).judge([day]))
    for place in (1, 20, 39):
        assert judged_rows(Pipeline.load(office_file).judge(traffic.cut(day, [place]))) == whole


def test_what_is_learned_from_is_judged_by_parts_that_did_not_see_it(attack_day) -> None:
    """A capture that judges itself holds each row against the others, not against itself."""
    pipeline = Pipeline(FEW_LEGS)

    own = judged_rows(pipeline.fit_judge([attack_day]))
    again = judged_rows(pipeline.judge([attack_day]))

    assert own != again
    assert pipeline.trained_flows == len(attack_day)


def test_flows_left_out_are_judged_but_not_learned_from(quiet_day) -> None:
    """A dirty baseline learns nothing from what is plainly strange."""
    plain = shapes.sweep(start_us=quiet_day.frame["ts"][0] + 600_000_000)
    day = traffic.mixed(quiet_day, plain)

    def sweeps(flows: pl.DataFrame, _window_us: int) -> pl.DataFrame:
        return flows.filter(pl.col("uid").str.starts_with("sweep.")).select("flow")

    pipeline = Pipeline(FEW_LEGS)
    judged = list(pipeline.fit_judge([day], sweeps))

    assert pipeline.trained_flows == len(quiet_day)
    assert sum(part.flows.height for part in judged if part.window_us < 3_600_000_000) == len(day)


def test_an_input_that_is_all_strange_teaches_nothing() -> None:
    """Where nothing is normal, rows are still judged by patterns, and no leg pretends to know."""
    scan = shapes.sweep(n_hosts=50)
    pipeline = Pipeline(FEW_LEGS)
    judged = list(pipeline.fit_judge([scan], lambda flows, _w: flows.select("flow")))

    assert pipeline.trained_flows == 0
    assert pipeline.left_out == 50
    assert not pipeline.fitted
    assert set(pipeline.notes) == {spec.name for spec in FEW_LEGS}
    assert judged
    assert all(np.isnan(verdict.p_values).all() for part in judged for verdict in part.verdicts)


def test_a_second_input_is_counted_apart(office, quiet_day) -> None:
    """The rows that were judged are those of the last input, not of all since loading."""
    list(office.judge([quiet_day]))
    first = dict(office.judged_rows)
    list(office.judge([quiet_day]))

    assert office.judged_rows == first
    assert first["flow/isolation_forest"] == len(quiet_day)


def test_nothing_to_learn_from_is_an_error() -> None:
    """No flows, no model."""
    with pytest.raises(TooFewRowsError, match="learn from"):
        Pipeline().fit([FlowBatch.empty()])


def test_too_few_rows_leave_notes_by_leg() -> None:
    """A leg that cannot learn says so by name, and another never takes its place."""
    pipeline = Pipeline().fit([shapes.beacon(n_calls=3)])

    assert not pipeline.fitted
    assert set(pipeline.notes) == {leg.name for leg in DEFAULT_LEGS}
    assert all(name in note for name, note in pipeline.notes.items())
    judged = list(pipeline.judge([shapes.beacon(n_calls=3)]))
    assert all(np.isnan(v.p_values).all() for part in judged for v in part.verdicts)
    assert not any(part.alarms for part in judged)


@pytest.mark.parametrize("budget", [0.0, -1.0, float("nan")])
def test_a_budget_is_positive(budget) -> None:
    """No budget is not silence but a mistake."""
    with pytest.raises(UsageError, match="budget"):
        Pipeline(budget=budget)


@pytest.mark.parametrize(
    "change",
    [
        {"views": {"host": ["n_flows"]}},
        {"views": {"nowhere": []}},
        {"views": []},
        {"legs": [{}]},
        {"legs": 3},
        {"legs": [{"view": "host"}]},
        {"all_legs": [{"colour": 1}]},
        {"all_legs": None},
        {"budget": 0},
        {"budget": "much"},
        {"notes": []},
        {"trained_us": []},
        {"trained_us": [1]},
        {"trained_us": 5},
        {"seed": None},
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(office_file, tmp_path, change) -> None:
    """Whatever stands in a manifest, loading gives a model or says what is wrong."""
    manifest, groups = read_archive(office_file)
    for added in ("format", "format_version", "sha256"):
        del manifest[added]
    write_archive(tmp_path / "odd.eddy", manifest | change, groups)

    with pytest.raises(ModelError):
        Pipeline.load(tmp_path / "odd.eddy")


def test_a_leg_with_a_part_missing_is_refused(office_file, tmp_path) -> None:
    """Each array of a leg and of a view's normal is needed."""
    manifest, groups = read_archive(office_file)
    for added in ("format", "format_version", "sha256"):
        del manifest[added]
    for group in ("leg0", "leg1", "normal_host", f"leg{len(manifest['legs']) - 1}"):
        for name in list(groups[group])[::3]:
            fewer = {**groups, group: {k: v for k, v in groups[group].items() if k != name}}
            write_archive(tmp_path / "less.eddy", manifest, fewer)

            with pytest.raises(ModelError):
                Pipeline.load(tmp_path / "less.eddy")
