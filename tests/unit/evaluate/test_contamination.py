"""The experiment repeats, goes on where it broke off, never chooses on the test file, and tells its bands."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from eddyline.detectors.density.grand import Grand
from eddyline.detectors.density.vae import VAE
from eddyline.errors import UsageError
from eddyline.evaluate.contamination import (
    DEFAULT_METHOD,
    Run,
    method_named,
    plan,
    read_runs,
    run_all,
)
from eddyline.evaluate.contamination_methods import METHODS, SWEEPS
from eddyline.evaluate.contamination_tables import (
    as_json,
    bars,
    draw_sweeps,
    gap_table,
    mean_band,
    paired,
    table,
)
from eddyline.evaluate.contamination_tasks import task
from eddyline.evaluate.corpora.nsl_kdd import FEATURES, NslKdd, parse_nsl_kdd, read_nsl_kdd

FOLDER = Path(__file__).parents[4] / "shared" / "data" / "nsl-kdd"


def corpus() -> NslKdd:
    """A table of the published shape in miniature: usual rows, and attacks with many bytes."""
    rng = np.random.default_rng(0)

    def line(label: str, service: str = "http") -> str:
        cells = dict.fromkeys(FEATURES, "0")
        size = rng.integers(1, 5_000) * (1 if label == "normal" else 10_000)
        cells |= {"protocol_type": "tcp", "service": service, "flag": "SF"}
        cells |= {"src_bytes": str(size)}
        cells |= {"dst_bytes": str(rng.integers(1, 5_000)), "count": str(rng.integers(1, 50))}
        hard = "11" if label == "normal" and rng.random() < 0.1 else "21"
        return ",".join([*cells.values(), label, hard])

    kinds = ["neptune", *(f"kind{i}" for i in range(12))]
    train = [line("normal") for _ in range(1_300)]
    train += [line("normal", "smtp") for _ in range(200)]
    train += [line(kinds[0]) for _ in range(900)]
    train += [line(kind) for kind in kinds[1:] for _ in range(60)]
    test = [line("normal") for _ in range(300)] + [line("kind1") for _ in range(100)]
    return parse_nsl_kdd("\n".join(train), "\n".join(test))


def run(method: str, share: float, seed: int, auroc: float) -> Run:
    return Run("full", method, "log", share, seed, auroc, auroc / 2, 1.0, 1.0)


def test_choice_never_sees_the_test_file_nor_near_copies_nor_unseen_kinds() -> None:
    table_of = corpus()
    found = task(table_of, "choice", 0.1, 1)
    learned = {tuple(row) for row in found.drawn.X[~found.drawn.is_attack]}
    judged = {tuple(row) for row in found.X[~found.is_attack]}
    train = {tuple(row) for row in table_of.train.X}

    assert not learned & judged
    assert {tuple(row) for row in found.X} <= train
    assert found.drawn.is_attack.mean() == pytest.approx(0.1, abs=0.01)


def test_families_judges_the_one_that_it_never_learned() -> None:
    table_of = corpus()
    neptune = {tuple(row) for row in table_of.train.X[table_of.train.labels == "neptune"]}
    found = task(table_of, "families", 0.1, 0)
    learned = {tuple(row) for row in found.drawn.X}

    assert {tuple(row) for row in found.X[found.is_attack]} <= neptune
    assert not {tuple(row) for row in found.X} & learned
    assert found.drawn.is_attack.mean() == pytest.approx(0.1, abs=0.01)
    assert not found.is_attack.all()


def test_shifted_judges_services_and_a_family_that_it_never_learned() -> None:
    table_of = corpus()
    found = task(table_of, "shifted", 0.1, 0)
    place = table_of.train.names.index("service=smtp")
    neptune = {tuple(row) for row in table_of.train.X[table_of.train.labels == "neptune"]}
    learned = {tuple(row) for row in found.drawn.X}
    judged = {tuple(row) for row in found.X}
    far = found.X[:, place] == 1
    weights = found.weights
    assert weights is not None

    assert not judged & learned
    assert not found.drawn.X[:, place].any()
    assert not learned & neptune
    assert judged & neptune
    # Four groups weigh the same: services known or not, families known or not.
    assert weights.sum() == pytest.approx(4)
    assert weights[~found.is_attack & far].sum() == pytest.approx(1)
    assert weights[[tuple(row) in neptune for row in found.X]].sum() == pytest.approx(1)
    # A row that 11 of 21 classifiers got right weighs eleven times one that all did.
    usual = np.unique(weights[~found.is_attack & ~far].round(9))
    assert usual.max() / usual.min() == pytest.approx(11, rel=1e-3)


def test_a_broken_off_run_goes_on_and_repeats(tmp_path: Path) -> None:
    cache = tmp_path / "runs.jsonl"
    told: list[Run] = []
    methods = [method_named("pca"), method_named("union")]
    planned = list(plan(methods, protocol="full", preprocessing="log", shares=(0.0, 0.1), seeds=1))
    first = run_all(corpus(), planned[:2], cache, told.append)
    lines = cache.read_text().splitlines()
    again = run_all(corpus(), planned, cache, told.append)

    assert cache.read_text().splitlines()[: len(lines)] == lines
    assert again[: len(first)] == first
    assert {found.method for found in again} == {
        "pca",
        "union",
        "union.isolation_forest",
        "union.tails",
        "union.neighbours",
    }
    assert len(read_runs(cache)) == len(again) == 10
    assert all(found.auroc > 0.9 for found in again if found.method == "union")


def test_a_line_that_is_no_run_is_named(tmp_path: Path) -> None:
    cache = tmp_path / "runs.jsonl"
    cache.write_text('{"protocol": "full"}\n')
    with pytest.raises(UsageError, match=r"runs.jsonl:1: must hold one run"):
        read_runs(cache)


def test_unknown_names_are_told() -> None:
    with pytest.raises(UsageError, match="a method must be one of"):
        method_named("grandd")
    with pytest.raises(UsageError, match="a protocol must be one of"):
        task(corpus(), "fast", 0.0, 0)


def test_the_default_is_a_method() -> None:
    assert method_named(DEFAULT_METHOD).needs is None


def test_bands_are_students() -> None:
    mean, band = mean_band([0.9, 0.92, 0.94])

    assert mean == pytest.approx(0.92)
    assert band == pytest.approx(4.3027 * 0.02 / np.sqrt(3), rel=1e-3)
    assert np.isnan(mean_band([0.9])[1])


def test_differences_are_of_the_same_drawings() -> None:
    runs = [run("grand", 0.1, seed, 0.95 + 0.01 * seed) for seed in range(3)]
    runs += [run("vae", 0.1, seed, 0.93 + 0.01 * seed) for seed in range(4)]

    gap, band = paired(runs, "grand", "vae")[0.1]

    assert gap == pytest.approx(0.02)
    assert band == pytest.approx(0.0, abs=1e-9)
    assert "| GRAnD − VAE | +2.0 ± 0.0 |" in gap_table(runs, [("grand", "vae")])


def test_bars_say_what_is_missed() -> None:
    runs = [run("grand", 0.05, seed, 0.95) for seed in range(3)]
    runs += [run("vae", 0.05, seed, 0.94) for seed in range(3)]
    runs += [run(DEFAULT_METHOD, 0.05, seed, 0.95) for seed in range(3)]
    met = [bar["met"] for bar in bars(runs)]

    assert met == [True, False]
    json.dumps(as_json(runs), allow_nan=False)


def test_tables_show_every_known_method() -> None:
    names = [method.name for method in METHODS]
    text = table([run(name, 0.1, seed, 0.9) for name in names for seed in range(2)])

    assert text.count("90.0 ± 0.0") == len(names)


def test_sweeps_are_drawn(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="pictures need the extra [lab]")
    path = tmp_path / "sweeps.png"
    draw_sweeps([run(method.name, 0.1, 0, 0.9) for method in SWEEPS], path)

    assert path.read_bytes().startswith(b"\x89PNG")


ANCHOR_EPOCHS = 30
"""Times that the anchors' nets saw each row: after more of them GRAnD pushes usual rows further away."""


def _small(share: float) -> dict[str, float]:
    """AUROC of GRAnD as the anchors were measured, and of the plain autoencoder, one drawing."""
    rows = task(read_nsl_kdd(FOLDER), "small", share, 0)
    steps = ANCHOR_EPOCHS * math.ceil(len(rows.drawn.X) / 256)
    models = {
        "grand": Grand(steps=steps, warm_steps=72, bound=100.0),
        "vae": VAE(epochs=ANCHOR_EPOCHS, least_steps=1),
    }
    return {
        name: float(roc_auc_score(rows.is_attack, model.fit(rows.drawn.X).anomaly_score(rows.X)))
        for name, model in models.items()
    }


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.skipif(not FOLDER.is_dir(), reason="NSL-KDD is not at ../shared/data/nsl-kdd")
@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
def test_filtering_gains_where_attacks_are_learned() -> None:
    """At 10 % GRAnD is above the plain autoencoder by .015."""
    found = _small(0.10)

    assert found["grand"] >= found["vae"] + 0.015, found


@pytest.mark.slow
@pytest.mark.corpus
@pytest.mark.skipif(not FOLDER.is_dir(), reason="NSL-KDD is not at ../shared/data/nsl-kdd")
@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
def test_filtering_costs_little_on_clean_rows() -> None:
    """On clean rows GRAnD is not below the plain autoencoder by more than .025."""
    found = _small(0.0)

    assert found["grand"] >= found["vae"] - 0.025, found
