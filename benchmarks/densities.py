"""What densities cost beside their peers, on NSL-KDD, in one run of one thread.

    OMP_NUM_THREADS=1 python benchmarks/densities.py ../shared/data/nsl-kdd [--rounds 5] [--json FILE]

Scoring: ONNX Runtime, our compiled loop, and eager torch on the same trained VAE (122 -> 122 -> 8), raw rows
in, scores out, batches of 1, 10, 100 and 10,000. Training: GRAnD with its filtering against PyOD's VAE, same
rows, optimiser steps, batch, widths and threads; PyOD is left out, and said to be, where it is not installed.
Rounds alternate between the rivals and the median counts, so that a busy machine slows all of them alike.
Times are CPU seconds of the process.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
import warnings
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from eddyline.detectors.density.grand import Grand
from eddyline.detectors.density.onnx_export import OnnxScorer, to_onnx
from eddyline.detectors.density.scale import DensityScale
from eddyline.detectors.density.vae import VAE
from eddyline.errors import DegradedWarning
from eddyline.evaluate.corpora.nsl_kdd import draw_training, read_nsl_kdd

HIDDEN, LATENT, BATCH = 122, 8, 256


class EagerScorer:
    """The same trained net as torch layers, scored as one would write it."""

    def __init__(self, model: VAE) -> None:
        scale = model.scale
        self.logged = torch.from_numpy(scale.logged)
        self.centre, self.spread = torch.from_numpy(scale.centre), torch.from_numpy(scale.spread)
        self.limit = scale.limit
        self.encoder, self.decoder = (
            self.layers(stack) for stack in (model.energy.encoder, model.energy.decoder)
        )

    @staticmethod
    def layers(stack):
        made = []
        for (weights, biases), kind in zip(stack.layers(), stack.activations, strict=True):
            layer = torch.nn.Linear(*weights.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.from_numpy(weights.T.copy()))
                layer.bias.copy_(torch.from_numpy(biases.copy()))
            made += [layer, torch.nn.ReLU()] if kind == 1 else [layer]
        return torch.nn.Sequential(*made).eval()

    @torch.inference_mode()
    def anomaly_score(self, X):
        rows = torch.from_numpy(X)
        rows = torch.where(self.logged, torch.sign(rows) * torch.log1p(torch.abs(rows)), rows)
        rows = ((rows - self.centre) / self.spread).clamp(-self.limit, self.limit).float()
        mean, log_variance = self.encoder(rows).split(LATENT, dim=1)
        log_variance = log_variance.clamp(-8.0, 8.0)
        error = rows - self.decoder(mean)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1.0 - log_variance).sum(dim=1)
        return (0.5 * (error * error).sum(dim=1) + divergence).numpy()


def seconds(work, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


def scoring(X: np.ndarray, rounds: int) -> dict:
    model = VAE(epochs=1, least_steps=300).fit(X[:20_000])
    rivals = {
        "onnx_runtime": OnnxScorer(to_onnx(model)),
        "compiled": model,
        "torch_eager": EagerScorer(model),
    }
    sample = np.ascontiguousarray(X[:2_000])
    expected = model.anomaly_score(sample)
    found = {
        name: float(np.abs(rival.anomaly_score(sample) - expected).max() / np.abs(expected).max())
        for name, rival in rivals.items()
    }
    table = {}
    for size in (1, 10, 100, 10_000):
        rows = np.ascontiguousarray(X[:size])
        spent: dict[str, list[float]] = {name: [] for name in rivals}
        for rival in rivals.values():
            rival.anomaly_score(rows)
        for _ in range(rounds):
            for name, rival in rivals.items():
                repeats = max(3, 2_000 // max(size, 10))
                spent[name].append(seconds(lambda r=rival, x=rows: r.anomaly_score(x), repeats))
        middle = {name: statistics.median(values) for name, values in spent.items()}
        table[str(size)] = {
            **{f"{name}_us": 1e6 * value for name, value in middle.items()},
            "torch_over_onnx": middle["torch_eager"] / middle["onnx_runtime"],
        }
    return {"largest_relative_difference": found, "by_batch": table}


def training(X: np.ndarray, rounds: int, epochs: int) -> dict:
    steps = epochs * math.ceil(len(X) / BATCH)
    scaled = DensityScale.of(X).apply(X)
    rivals = {
        "grand": lambda: Grand(steps=steps, hidden=HIDDEN, latent=LATENT, batch=BATCH).fit(X)
    }
    if find_spec("pyod") is None:
        print("PyOD is not installed: training has no peer in this run", file=sys.stderr)
    else:
        from pyod.models import vae as pyod_vae

        rivals["pyod_vae"] = lambda: pyod_vae.VAE(
            epoch_num=epochs,
            batch_size=BATCH,
            encoder_neuron_list=[HIDDEN],
            decoder_neuron_list=[HIDDEN],
            latent_dim=LATENT,
            batch_norm=False,
            dropout_rate=0.0,
            random_state=0,
            verbose=0,
        ).fit(scaled)
    spent: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, rival in rivals.items():
            spent[name].append(seconds(rival, 1))
    middle = {f"{name}_s": statistics.median(values) for name, values in spent.items()}
    found = {"rows": len(X), "steps": steps, **middle, "rounds": spent}
    if "pyod_vae" in rivals:
        found["pyod_over_grand"] = middle["pyod_vae_s"] / middle["grand_s"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where KDDTrain+.txt.gz and KDDTest+.txt lie")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", DegradedWarning)
    corpus = read_nsl_kdd(given.folder)
    drawn = draw_training(corpus, 0.10, 0)
    Grand(steps=100).fit(drawn.X[:2_000])  # compiles the loops
    report = {
        "versions": {name: version(name) for name in ("torch", "onnxruntime", "numpy", "numba")},
        "scoring": scoring(drawn.X, given.rounds),
        "training": training(drawn.X, min(given.rounds, 3), given.epochs),
    }
    if find_spec("pyod") is not None:
        report["versions"]["pyod"] = version("pyod")
    text = json.dumps(report, indent=1)
    print(text)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
