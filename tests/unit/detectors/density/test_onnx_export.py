"""The exported graph scores as the detector does, without torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from eddyline.detectors.density.autoencoder import Autoencoder
from eddyline.detectors.density.density import AutoencoderDensity
from eddyline.detectors.density.onnx_export import OnnxScorer, to_onnx
from eddyline.detectors.density.pca import PCA
from eddyline.detectors.density.vae import VAE
from eddyline.errors import DataError, UsageError
from eddyline.testing.check_detector import crowd, planted

pytest.importorskip("onnx", reason="export needs the extra [onnx]")
pytest.importorskip("onnxruntime", reason="scoring needs the extra [onnx]")

FEW: dict[str, Any] = {"least_rows": 2, "epochs": 1, "least_steps": 60}


@pytest.mark.parametrize(
    "density",
    [VAE(**FEW), Autoencoder(**FEW, latent=2), PCA(), VAE(**FEW, preprocessing="standard")],
    ids=["vae", "autoencoder", "pca", "standard"],
)
def test_onnx_runtime_scores_as_the_detector(density: AutoencoderDensity) -> None:
    """Equal within 1e-4 of the score, whatever the size of the batch."""
    scorer = OnnxScorer(to_onnx(density.fit(crowd())))
    rows = np.concatenate([crowd(3), planted(), -crowd(4)[:5]])
    expected = density.anomaly_score(rows)

    np.testing.assert_allclose(scorer.anomaly_score(rows), expected, rtol=1e-4, atol=1e-4)
    for size in (1, 7):
        np.testing.assert_allclose(
            scorer.anomaly_score(rows[:size]), expected[:size], rtol=1e-4, atol=1e-4
        )


def test_planar_maps_have_no_graph() -> None:
    with pytest.raises(UsageError, match="got 2 maps"):
        to_onnx(VAE(**FEW, n_maps=2).fit(crowd()))


def test_rows_of_another_width_or_with_holes_are_named() -> None:
    scorer = OnnxScorer(to_onnx(PCA().fit(crowd())))
    with pytest.raises(DataError, match="6 columns"):
        scorer.anomaly_score(crowd()[:, :3])
    with pytest.raises(DataError, match="finite"):
        scorer.anomaly_score(np.full((1, 6), np.nan))


@pytest.mark.parametrize(
    "counts",
    [
        [0, 40],  # alone at the front, alone in the midst
        [*range(30, 36), 38, 47],  # a short gap, and the last column
        list(range(0, 48, 2)),  # every other one: a gap each
        [3, *range(0, 48, 11)],
        list(range(48)),
    ],
)
def test_columns_with_a_logarithm_may_stand_anywhere(counts: list[int]) -> None:
    """They are brought together in the graph; the scores do not change."""
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 2, (200, 48)).astype(np.float64)
    rows[:, counts] = rng.lognormal(3.0, 2.0, (200, len(counts)))
    density = VAE(**FEW).fit(rows)
    asked = np.concatenate([rows[:50], -rows[:5], 1e6 * rows[5:10], np.full((1, 48), 1e300)])

    got = OnnxScorer(to_onnx(density)).anomaly_score(asked)
    np.testing.assert_allclose(got, density.anomaly_score(asked), rtol=1e-4, atol=1e-4)
