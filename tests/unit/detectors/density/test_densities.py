"""Training moves the weights, the loss falls, scores vary and repeat; too few rows are told, not replaced."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from eddyline.detectors.density.autoencoder import Autoencoder
from eddyline.detectors.density.cleaned import CleanedNeighbours
from eddyline.detectors.density.dagmm import DAGMM
from eddyline.detectors.density.density import Density
from eddyline.detectors.density.flow import FlowDensity
from eddyline.detectors.density.grand import Grand
from eddyline.detectors.density.pca import PCA
from eddyline.detectors.density.rvae import RVAE
from eddyline.detectors.density.scale import DensityScale
from eddyline.detectors.density.vae import VAE
from eddyline.detectors.registry import matrix_detector
from eddyline.errors import DegradedWarning, ModelError, TooFewRowsError, UsageError
from eddyline.testing.check_detector import crowd, planted

pytest.importorskip("torch", reason="densities are trained with torch, the extra [deep]")

FEW: dict[str, Any] = {"epochs": 1, "least_steps": 150, "least_rows": 2}
SMALL: dict[str, Any] = {"hidden": 16, "latent": 2}
DEEP: list[Density] = [
    VAE(**FEW, **SMALL),
    VAE(**FEW, **SMALL, n_maps=2),
    RVAE(**FEW, **SMALL),
    RVAE(**FEW, **SMALL, beta=0.1),
    RVAE(**FEW, **SMALL, beta=0.1, normalisation="beta"),
    Grand(steps=150, warm_steps=75, least_rows=2, reading="trim", **SMALL),
    Autoencoder(**FEW, **SMALL),
    FlowDensity(**FEW, hidden=16),
    DAGMM(**FEW),
]


@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
@pytest.mark.parametrize("model", DEEP, ids=lambda model: type(model).__name__)
def test_training_learns(model: Density) -> None:
    """Weights move, the loss falls, scores are not constant, and a second fit gives the same bits."""
    rows = crowd(n=600)
    scores = model.fit(rows).anomaly_score(rows)
    fell = model.losses_[:50].min() < model.losses_[:3].mean()
    again = model.fit(rows).anomaly_score(rows)

    assert float(model.moved_[0]) > 1e-3
    assert fell
    assert np.ptp(scores) > 0.1
    assert np.array_equal(again, scores)


@pytest.mark.parametrize(
    "cls", [VAE, RVAE, Grand, Autoencoder, FlowDensity, DAGMM, CleanedNeighbours]
)
def test_too_few_rows_raise_and_name_the_way_out(cls: Any) -> None:
    with pytest.raises(TooFewRowsError, match=r"at least 1,000 rows.*got n_samples=999.*use "):
        cls().fit(crowd(n=999))


@pytest.mark.parametrize("name", ["vae", "grand", "flow_density"])
def test_another_seed_gives_other_scores(name: str) -> None:
    options: dict[str, Any] = (
        {"steps": 20} if name == "grand" else {"epochs": 1, "least_steps": 20}
    )
    first, second = (
        matrix_detector(name)(**options, least_rows=2, seed=seed).fit(crowd()) for seed in (1, 2)
    )

    assert not np.array_equal(first.anomaly_score(crowd(1)), second.anomaly_score(crowd(1)))


def test_scoring_and_loading_need_no_torch() -> None:
    """A sensor without torch loads the arrays and scores by the compiled loop."""
    code = (
        "import sys\n"
        "import numpy as np\n"
        "from eddyline.detectors.density.pca import PCA\n"
        "assert 'torch' not in sys.modules\n"
        "class Absent:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError('No module named torch', name=name)\n"
        "sys.meta_path.insert(0, Absent())\n"
        "from eddyline.detectors.density.vae import VAE\n"
        "rows = np.random.default_rng(0).normal(size=(1000, 4))\n"
        "arrays = PCA().fit(rows).to_arrays()\n"
        "print(VAE.from_arrays(arrays, {}).anomaly_score(rows).shape)\n"
        "try: VAE().fit(rows)\n"
        "except ImportError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert "(1000,)" in done.stdout
    assert "pip install 'eddyline[deep]'" in done.stdout


def test_a_surprise_names_the_value_and_its_usual_range() -> None:
    rows = crowd(n=600)
    row = np.median(rows, axis=0)
    row[4] = rows[:, 4].max() * 50
    first = VAE(**FEW, **SMALL).fit(rows).explain(row)[0]

    assert first.column == 4
    assert first.share > 0.5
    assert first.value == row[4]
    assert first.usual[1] < row[4]
    assert abs(first.expected) < row[4]


def test_robust_loss_spares_the_model_of_a_packed_attack() -> None:
    """A fifth of the rows is one attack: the robust loss leaves its energy many times the plain one's."""
    normal, attack = crowd(n=1600), planted(n=1)
    rows = np.concatenate([normal, np.repeat(attack, 400, axis=0) * 1.001])
    options: dict[str, Any] = {"epochs": 30, "least_steps": 600, "least_rows": 2, **SMALL}
    plain, robust = (
        cls(**options).fit(rows).anomaly_score(np.concatenate([attack, crowd(7)]))
        for cls in (VAE, RVAE)
    )

    assert (robust[0] > robust[1:]).mean() > 0.9
    assert robust[0] / np.median(robust[1:]) > 2.0 * plain[0] / np.median(plain[1:])


@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
def test_grand_tells_what_its_rounds_did() -> None:
    model = Grand(steps=150, warm_steps=50, least_rows=2, **SMALL).fit(crowd(n=2000))
    rounds = model.card()

    assert [done["step"] for done in rounds] == [50.0, 74.0, 98.0, 122.0, 146.0]
    assert all(
        done["n_likely"] + done["n_uncertain"] + done["n_rejected"] == 2000 for done in rounds
    )
    assert all(done["mean_likely"] < done["watch"] for done in rounds)
    assert model.watch < model.alarm
    assert len(model.examples_) == 10


@pytest.mark.filterwarnings("ignore::eddyline.errors.DegradedWarning")
@pytest.mark.parametrize("reading", ["means", "pooled", "hinge", "trim"])
def test_rejected_rows_stay_above_likely_ones_in_every_reading(reading: str) -> None:
    rows = np.concatenate([crowd(n=1000), planted(n=30)])
    model = Grand(steps=300, warm_steps=50, least_rows=2, reading=reading, **SMALL).fit(rows)
    scores = model.anomaly_score(rows)

    assert np.median(scores[1000:]) > model.watch > np.median(scores[:1000])


def test_plain_z_scores_of_heavy_tails_warn() -> None:
    """Without the logarithm the fence stands at thousands and nothing is rejected; it must be told."""
    rows = np.random.default_rng(0).standard_cauchy(size=(4000, 6)) ** 3
    model = Grand(steps=400, preprocessing="standard", **SMALL)
    with pytest.warns(DegradedWarning, match="scale the rows robustly"):
        model.fit(rows)

    assert len(model.told_)


@pytest.mark.parametrize(
    "arguments",
    [
        {"reading": "other"},
        {"period": 0},
        {"bound": 1e-9},
        {"alpha": 0.0},
        {"hidden": 0},
        {"steps": 0},
        {"preprocessing": "none"},
    ],
)
def test_senseless_arguments_of_grand_are_named(arguments: dict[str, Any]) -> None:
    options = {"steps": 60, "warm_steps": 10, "least_rows": 2, **arguments}
    with pytest.raises(UsageError, match="got"):
        Grand(**options).fit(crowd())


@pytest.mark.parametrize(
    "arguments",
    [{"normalisation": "other"}, {"normalisation": "beta"}, {"kappa": 0.0}, {"beta": -1.0}],
)
def test_senseless_arguments_of_rvae_are_named(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="got"):
        RVAE(least_rows=2, **arguments).fit(crowd())


def test_cleaned_neighbours_leave_packed_attacks_out_and_tell_lost_modes() -> None:
    service = np.zeros((1200, 1))
    service[:30] = 1.0
    normal = np.hstack([crowd(n=1200), service])
    normal[:30, :6] *= 20.0
    model = CleanedNeighbours(**FEW).fit(normal)

    assert model.coverage()[0][:2] == (6, 30)
    assert model.coverage()[0][2] < 15
    assert len(np.unique(model.reference_, axis=0)) == len(model.reference_) == 600


def test_one_hots_keep_their_scale_and_rare_ones_do_not_explode() -> None:
    rows = np.zeros((1000, 2))
    rows[0, 0] = 1.0
    rows[:, 1] = np.arange(1000.0)
    scale = DensityScale.of(rows)

    assert scale.logged.tolist() == [False, True]
    assert scale.spread[0] == 0.05
    assert np.abs(scale.apply(rows * 1e9)).max() == 8.0
    np.testing.assert_allclose(
        scale.invert(scale.apply(rows[200:]).astype(float))[:, 1], rows[200:, 1], rtol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("spread_", np.zeros(6)),
        ("encoder_widths_", np.array([5, 5])),
        ("push_", np.zeros((1, 9), np.float32)),
        ("usual_", np.zeros(3)),
        ("limit_", np.array([-1.0])),
    ],
)
def test_hostile_states_are_refused(name: str, value: np.ndarray) -> None:
    model = PCA().fit(crowd())
    with pytest.raises(ModelError, match="learn the model again"):
        PCA.from_arrays({**model.to_arrays(), name: value}, model.get_params())
