"""The comparison keeps its protocol, goes on where it broke off, and claims only what intervals allow."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from eddyline.errors import InputError, UsageError
from eddyline.evaluate.classical import Plan, run_plan, seconds_of
from eddyline.evaluate.classical_cell import capped, measure, rows_to_fit, thresholds
from eddyline.evaluate.classical_cross import run_cross
from eddyline.evaluate.classical_document import document
from eddyline.evaluate.classical_methods import (
    BASELINES,
    CAPS,
    ClassicalMethod,
    methods,
    methods_named,
)
from eddyline.evaluate.classical_nsl import NSL_KINDS
from eddyline.evaluate.classical_parts import Drawn, Part, validation
from eddyline.evaluate.classical_pool import Cell, read_result, write_result
from eddyline.evaluate.classical_tables import against, classes, compare, promise, ranks
from eddyline.evaluate.classical_tasks import DEFAULT, TASKS, tasks_named
from eddyline.report.classical import html_page, markdown_page
from eddyline.report.classical_words import carried

DATA = Path(__file__).parents[4] / "shared" / "data"

ECOD = ClassicalMethod("ecod", "detector")
LOGISTIC = ClassicalMethod("logistic", "classifier")
RANDOM = ClassicalMethod("random", "baseline")
BEST = ClassicalMethod("best_column", "baseline")


def part(seed: int, n: int = 1_500) -> Part:
    """Rows in groups of five; attacks are far off in the second column."""
    rng = np.random.default_rng(seed)
    attack = np.repeat(rng.random(n // 5) < 0.3, 5)
    X = np.abs(rng.normal(size=(n, 3)))
    X[:, 1] += 4.0 * attack
    kind = np.where(attack, "attack", "normal")
    name = np.where(attack, np.where(np.arange(n) % 2 == 0, "scan", "flood"), "normal")
    return Part(X, attack, kind, name, np.arange(n) // 5, {"bytes": X[:, 0]})


def drawing(days: float | None = 2.0) -> Drawn:
    """Three parts of the same kind."""
    return Drawn(part(0), part(1), part(2), ("port", "size", "ip_proto"), days)


def result(method: ClassicalMethod, seed: int = 0) -> dict[str, Any]:
    """One cell on the miniature, as the report reads it."""
    found = measure(method, drawing(), seed, curves=seed == 0)
    counts = {"fit": [1, 0], "validation": [1, 0], "test": [1, 0]}
    parts = {**counts, "columns": 3, "days": 2.0, "seen_share": 0.0}
    return found | {"seed": seed, "wall_s": 0.1, "parts": parts}


def test_every_registered_method_of_rows_takes_part() -> None:
    """A detector or classifier that is registered is in the comparison without another line."""
    keys = {method.key for method in methods()}

    assert {"detector/lof", "detector/rvae", "classifier/random_forest", "classifier/knn"} <= keys
    assert {f"baseline/{name}" for name in BASELINES} <= keys
    assert "detector/random" not in keys


def test_a_name_that_two_kinds_share_gives_both() -> None:
    """``knn`` is a detector and a classifier; the baselines are always there."""
    found = [method.key for method in methods_named(["knn"])]

    assert found[-2:] == ["detector/knn", "classifier/knn"]
    assert len(found) == len(BASELINES) + 2


def test_an_unknown_name_is_refused() -> None:
    """The message names what there is."""
    with pytest.raises(UsageError, match=r"random_forest.*got 'forrest'"):
        methods_named(["forrest"])
    with pytest.raises(UsageError, match="a set must be one of nsl-kdd"):
        list(tasks_named(["kdd"]))


def test_detectors_learn_from_normal_rows_and_one_attack_in_twenty() -> None:
    """Attacks make up 5 %, all normal rows are there, and another seed draws other attacks."""
    drawn = drawing()
    rows = rows_to_fit(ECOD, drawn, 0)
    attack = drawn.fit.attack

    assert (~attack[rows]).sum() == (~attack).sum()
    assert attack[rows].mean() == pytest.approx(0.05, abs=0.002)
    assert not np.array_equal(rows, rows_to_fit(ECOD, drawn, 1))
    assert len(rows_to_fit(LOGISTIC, drawn, 0)) == len(drawn.fit)


def test_a_cap_takes_as_many_rows_and_no_fewer() -> None:
    """No method learns from fewer rows than the smaller of all and its cap."""
    rows = np.arange(100)

    assert len(capped(rows, 30, 0)) == 30
    assert len(capped(rows, 0, 0)) == len(capped(rows, 200, 0)) == 100
    assert CAPS == {"dbscan": 20_000, "hdbscan": 20_000, "one_class_svm": 20_000, "lof": 50_000}


def test_thresholds_come_from_validation_rows() -> None:
    """The best F1 lies between the classes; the promise lets at most 1 % of the normal rows through."""
    attack = np.repeat([False, True], [400, 100])
    score = np.concatenate([np.linspace(0, 1, 400), np.linspace(0.99, 2, 100)])

    found = thresholds(attack, score)

    assert 0.98 < found["f1"] < 1.01
    assert (score[~attack] >= found["promise"]).mean() <= 0.01
    assert found["promise"] < found["f1"]


def test_scores_that_are_all_alike_keep_the_promise_by_silence() -> None:
    """One score for all rows can say yes to all or to none; the promise takes none."""
    found = thresholds(np.array([False, True, False]), np.zeros(3))

    assert found["promise"] > 0


def test_the_test_part_changes_no_threshold_and_no_fit() -> None:
    """Other test rows leave thresholds as they are."""
    one = drawing()
    other = Drawn(one.fit, one.validation, part(9), one.names, one.days)

    first, second = (measure(LOGISTIC, drawn, 0, curves=False) for drawn in (one, other))

    assert first["cuts"]["f1"]["threshold"] == second["cuts"]["f1"]["threshold"]
    assert first["figures"] != second["figures"]


def test_a_cell_tells_the_figures_of_the_protocol() -> None:
    """Areas, recall at alerts a day, both cuts with recall by attack, precision at prevalence, cost."""
    found = result(LOGISTIC)

    assert found["state"] == "done"
    assert found["figures"]["pr_auc"] > 0.95
    assert set(found["figures"]["recall_at_alerts_a_day"]) == {"1", "5", "10", "50"}
    assert {name for name, _, _ in found["cuts"]["f1"]["attacks"]} == {"scan", "flood"}
    assert found["cuts"]["promise"]["precision_at_prevalence"]["0.001"] < 1
    assert found["cost"]["rows_a_second"] > 0 < found["cost"]["model_bytes"]
    assert len(found["pr_auc_draws"]) == 400
    assert found["classes"]["names"] == ["attack", "normal"]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_rows_without_time_have_no_figure_a_day() -> None:
    """Recall at alerts a day is told only where there are days."""
    assert (
        measure(ECOD, drawing(None), 0, curves=False)["figures"]["recall_at_alerts_a_day"] is None
    )


def test_a_baseline_without_its_column_is_undefined() -> None:
    """Fan-out has no meaning on rows without addresses, and is not made up."""
    found = measure(ClassicalMethod("fan_out", "baseline"), drawing(), 0, curves=False)

    assert found["state"] == "undefined"


@pytest.mark.parametrize("method", [RANDOM, ECOD, LOGISTIC], ids=lambda method: method.name)
def test_the_same_seed_gives_the_same_figures(method: ClassicalMethod) -> None:
    """A cell run again differs in nothing but its times."""
    first, second = (measure(method, drawing(), 3, curves=True) for _ in range(2))

    assert {**first, "cost": 0} == {**second, "cost": 0}


def test_chance_is_at_the_base_rate() -> None:
    """The interval of random scores holds the share of attacks."""
    draws = np.array(result(RANDOM)["pr_auc_draws"])
    low, high = np.quantile(draws, [0.025, 0.975])

    assert low < float(part(2).attack.mean()) < high


def test_two_equal_methods_are_not_told_apart() -> None:
    """A method against its own copy has a difference of nothing; against chance it is better."""
    seeds = [result(LOGISTIC, seed) for seed in range(5)]
    chance = [result(RANDOM, seed) for seed in range(5)]
    told = against("a", {"a": seeds, "b": seeds, "c": chance})

    assert [one["distinguishable"] for one in told] == [False, True]
    assert compare(seeds, seeds)["difference"] == 0


def test_a_promise_is_kept_broken_or_open() -> None:
    """The verdict follows the interval over seeds of the realised rate."""

    def seeds(*rates: float) -> list[dict[str, Any]]:
        return [{"cuts": {"promise": {"false_positive_rate": rate}}} for rate in rates]

    assert promise(seeds(0.001, 0.002, 0.001), 0.01)["verdict"] == "kept"
    assert promise(seeds(0.2, 0.21, 0.2), 0.01)["verdict"] == "broken"
    assert promise(seeds(0.001, 0.03, 0.01), 0.01)["verdict"] == "cannot tell"
    assert promise(seeds(0.001), 0.01)["verdict"] == "cannot tell"


def test_confusions_of_seeds_add_up() -> None:
    """A class that one seed never saw takes its place among the others."""
    first = {"classes": {"names": ["a", "b"], "confusion": [[3, 1], [0, 4]]}}
    second = {"classes": {"names": ["a", "c"], "confusion": [[2, 0], [1, 5]]}}

    told = classes([first, second])

    assert told is not None
    assert told["names"] == ["a", "b", "c"]
    assert told["confusion"] == [[5, 1, 0], [0, 4, 0], [1, 0, 5]]
    assert told["f1"][1] == pytest.approx(8 / 9)


def test_ranks_are_those_of_the_textbook() -> None:
    """Nemenyi's critical difference of five methods on thirty sets, by the tables: 2.728 √(30 / 180)."""
    rng = np.random.default_rng(0)
    table = {f"s{i}": {m: float(rng.random()) for m in "abcde"} for i in range(30)}

    told = ranks(table)

    assert told is not None
    assert told["critical_difference"] == pytest.approx(2.728 * np.sqrt(30 / 180), abs=1e-3)
    assert sum(one["rank"] for one in told["methods"]) == pytest.approx(15)


def test_validation_takes_whole_groups() -> None:
    """No group is on both sides, and every row is on one."""
    groups = np.arange(1_000) // 5
    inside, outside = validation(groups, np.repeat(["a", "b"], 500), 0)

    assert not set(groups[inside]) & set(groups[outside])
    assert len(inside) + len(outside) == 1_000


def test_a_result_is_kept_and_found_again(tmp_path: Path) -> None:
    """What one run kept, the next one reads; another key finds nothing."""
    cell = Cell("nsl-kdd", ECOD, 0, "abc")
    write_result(tmp_path, cell, {"state": "done"})

    assert read_result(tmp_path, cell) == {
        "task": "nsl-kdd",
        "method": "detector/ecod",
        "seed": 0,
        "state": "done",
    }
    assert read_result(tmp_path, Cell("nsl-kdd", ECOD, 1, "abd")) is None


def test_keys_depend_on_data_method_and_seed() -> None:
    """Another file, method or seed is another cell; the same is the same."""
    (task,) = tasks_named(["nsl-kdd"])
    plans = [
        Plan((task,), (method,), (seed,), {"nsl-kdd": digest})
        for method, seed, digest in (
            (ECOD, 0, "a"),
            (ECOD, 0, "b"),
            (ECOD, 1, "a"),
            (LOGISTIC, 0, "a"),
        )
    ]
    keys = [next(plan.cells()).key for plan in plans]

    assert len(set(keys)) == 4
    assert next(plans[0].cells()).key == keys[0]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The error says which file the set needs."""
    with pytest.raises(InputError, match=r"KDDTrain\+"):
        Plan.of(tmp_path, list(tasks_named(["nsl-kdd"])), [ECOD], [0])


def test_the_report_holds_every_part() -> None:
    """Both pages come from the JSON alone, name every method, and refuse no picture."""
    (task,) = tasks_named(["zeek-time"])
    plan = Plan((task,), (RANDOM, BEST, ECOD, LOGISTIC), (0, 1, 2), {task.name: "0" * 64})
    results = [
        (cell, {**result(cell.method, cell.seed), "state": "done"}) for cell in plan.cells()
    ]

    told = json.loads(json.dumps(document(plan, results, command="bench", wall_s=1.0)))
    html, page = html_page(told), markdown_page(told)

    schema = resources.files("eddyline.report").joinpath("classical.schema.json")
    jsonschema.validate(told, json.loads(schema.read_text("utf-8")))
    assert html.count("<svg") >= 6
    assert "http" not in html.replace("http://www.w3.org", "").replace("http-equiv", "")
    for method in ("logistic", "ecod", "best_column"):
        assert method in html
        assert f"| {method} |" in page
    assert "accuracy" not in page
    assert told["test_reads"] == 12
    assert told["sentences"][0].startswith("zeek-time, without labels: ecod has the best PR-AUC")


def test_transfer_is_told_at_home_near_and_far() -> None:
    """A capture of the same set is near, one of another set is far, and what is undefined is left out."""
    units = {"luflow 2020.07.08": 1.0, "luflow 2020.07.09": 0.8, "ctu50-008": 0.2}
    row = {"method": "boosting", "trained_on": "luflow 2020.07.08", "auc": units}
    empty = {**row, "trained_on": "ctu50-008", "auc": {"ctu-botnet-4": None}}

    heads, rows = carried({"matrices": {"rows": [row, empty]}})

    assert len(heads) == 4
    assert rows == [["boosting", "1.000", "0.800", "0.200"]]


def test_every_default_task_exists_and_every_family_is_known() -> None:
    """Defaults are tasks, and the families are those that were published."""
    assert set(DEFAULT) <= {task.name for task in TASKS}
    assert set(NSL_KINDS.values()) == {"normal", "dos", "probe", "u2r"}


@pytest.mark.corpus
@pytest.mark.slow
def test_a_run_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    """A tiny run by two processes measures each cell once; the second call measures nothing."""
    if not (DATA / "zeek").is_dir():
        pytest.skip("the labelled Zeek captures are not here")
    plan = Plan.of(DATA, list(tasks_named(["zeek-time"])), [RANDOM, ECOD], [0])
    told: list[str] = []

    def tell(done: int, n_cells: int, cell: Cell, found: dict[str, Any]) -> None:
        told.append(f"{done}/{n_cells} {cell.method.name} {found['state']}")

    first = run_plan(plan, DATA, tmp_path, workers=2, tell=tell)
    kept = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second = run_plan(plan, DATA, tmp_path, workers=2, tell=tell)

    assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == kept
    assert len(first) == len(second) == 2
    assert sum(seconds_of(found) for _, found in first) == pytest.approx(
        sum(seconds_of(found) for _, found in second)
    )
    assert told[-1].startswith("2/2")
    assert {cell.method.name: f["state"] for cell, f in first} == {
        "random": "done",
        "ecod": "done",
    }


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.parametrize("name", ["zeek-time", "zeek-group", "zeek-rows"])
def test_parts_of_the_captures_keep_the_protocol(name: str) -> None:
    """Both classes are in every part, columns are the same, and groups of the fit do not validate."""
    if not (DATA / "zeek").is_dir():
        pytest.skip("the labelled Zeek captures are not here")
    (task,) = tasks_named([name])
    with pytest.warns() if name != "zeek-rows" else _quiet():
        drawn = task.draw(DATA, 0)

    for side in (drawn.fit, drawn.validation, drawn.test):
        assert 0.05 < side.attack.mean() < 0.95
        assert side.X.shape == (len(side), len(drawn.names))
        assert np.isfinite(side.X).all()
    assert drawn.days is not None
    assert 5 < drawn.days < 30


def _quiet() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@pytest.mark.corpus
@pytest.mark.slow
def test_models_are_carried_between_captures(tmp_path: Path) -> None:
    """Every capture with both classes is a row and a column; the rows are kept for the next call."""
    if not (DATA / "zeek").is_dir():
        pytest.skip("the labelled Zeek captures are not here")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "zeek").symlink_to(DATA / "zeek")
    told: list[str] = []

    first = run_cross(folder, tmp_path, names=["logistic"], tell=told.append)
    second = run_cross(folder, tmp_path, names=["logistic"], tell=told.append)

    assert first == second
    assert len(told) == len(first["units"]) == 4
    assert {row["trained_on"] for row in first["rows"]} == set(first["units"])
    assert set(first["left_out"]) == {"iot23-21-1", "iot23-42-1"}
    for row in first["rows"]:
        assert row["auc"][row["trained_on"]] > 0.9
