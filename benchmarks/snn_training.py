"""How much longer the deep classifier trains than its own matrix products take.

    python benchmarks/snn_training.py --updates 2000
    python benchmarks/snn_training.py --updates 50000 --batch 512 --threads 1 --profile

The classifier is trained with its default arguments (``--batch`` labelled rows, 1,024 by default, and as
many of the target an update, central moments matched) on made-up rows of 113 columns in the class shares
of the NAD 2021 training days. After every 100 updates the matrix products of the same layers, forward and
backward, of the same shapes and layouts, run alone on the same threads for 20 rounds, so that both share
whatever else the machine does. Judging the rows set aside counts as training. Prints JSON; with
``--output`` the figures so far are written after every 1,000 updates, so that a run that is ended early
leaves them. With ``--profile`` another 100 updates are trained under torch's profiler, and the operations
that take most of their own processor time are told. With as many threads as processors, run it on a
machine at rest: threads that wait for each other spin.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from eddyline.classifiers.deep.snn import SNN

SHARES = (0.96527, 0.000254, 0.02603, 0.00009, 0.00836)
COLUMNS = 113
ROUNDS = 20
TOLD = 12
"""Operations of the profile that are told."""


def made_up_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose classes differ a little in a few columns; a third of the columns are flags."""
    rng = np.random.default_rng(seed)
    shares = np.array(SHARES) / sum(SHARES)
    codes = rng.choice(5, size=n, p=shares)
    codes[:50] = np.repeat(np.arange(5), 10)
    centres = np.random.default_rng(0).normal(size=(5, COLUMNS)) * 0.7
    rows = centres[codes] + rng.normal(size=(n, COLUMNS))
    rows[:, ::3] = rows[:, ::3] > 0
    return rows.astype(np.float32), codes


class Products:
    """The matrix products of one update: each layer's output, its weights' gradient and its input's."""

    def __init__(self, model: SNN) -> None:
        encoder = model.net_.encoder
        both = 2 * model.batch
        layers = [(both, encoder.stem, False)]
        for block in encoder.blocks:
            layers += [
                (both, block.inner, True),
                (both, block.first, True),
                (both, block.second, True),
            ]
        layers += [(both, encoder.out, True), (model.batch, model.net_.heads, True)]
        self.work = []
        for rows, layer, backward in layers:
            n_out, n_in = layer.weight.shape
            self.work.append(
                (
                    torch.randn(rows, n_in),
                    layer.weight.detach().clone(),
                    torch.randn(rows, n_out),
                    torch.empty(rows, n_out),
                    torch.empty(n_out, n_in),
                    torch.empty(rows, n_in) if backward else None,
                )
            )

    def run(self) -> None:
        for x, weight, gradient, out, to_weight, to_x in self.work:
            torch.mm(x, weight.t(), out=out)
            torch.mm(gradient.t(), x, out=to_weight)
            if to_x is not None:
                torch.mm(gradient, weight, out=to_x)

    def flops(self) -> int:
        return sum(
            2 * x.shape[0] * weight.numel() * (2 if to_x is None else 3)
            for x, weight, _, _, _, to_x in self.work
        )


@dataclass
class Clock:
    """Times training and products by turns."""

    every: int
    output: Path | None = None
    products: Products | None = None
    training: list[tuple[float, float]] = field(default_factory=list)
    alone: list[tuple[float, float]] = field(default_factory=list)
    mark: tuple[float, float] = (0.0, 0.0)

    @staticmethod
    def now() -> tuple[float, float]:
        return time.perf_counter(), time.process_time()

    def start(self) -> None:
        self.mark = self.now()

    def tick(self, update: int, model: SNN) -> None:
        wall, cpu = self.now()
        block = ((wall - self.mark[0]) / self.every, (cpu - self.mark[1]) / self.every)
        if self.products is None:  # the first block warms up and holds the set-up
            self.products = Products(model)
            self.products.run()
        else:
            self.training.append(block)
            first = self.now()
            for _ in range(ROUNDS):
                self.products.run()
            last = self.now()
            self.alone.append(
                ((last[0] - first[0]) / ROUNDS, (last[1] - first[1]) / ROUNDS),
            )
            if update % 1_000 == 0 and self.output is not None:
                self.output.write_text(json.dumps({"updates": update, **self.summary()}))
        self.start()

    def summary(self) -> dict[str, float]:
        given: dict[str, float] = {}
        for place, name in enumerate(("wall", "cpu")):
            training = [block[place] for block in self.training]
            alone = [block[place] for block in self.alone]
            given[f"{name}_ms_update"] = 1e3 * statistics.fmean(training)
            given[f"{name}_ms_products"] = 1e3 * statistics.fmean(alone)
            given[f"{name}_ratio"] = statistics.fmean(training) / statistics.fmean(alone)
            given[f"{name}_ratio_median_of_pairs"] = statistics.median(
                a / b for a, b in zip(training, alone, strict=True)
            )
        return {name: round(value, 3) for name, value in given.items()}


def profiled(
    X: np.ndarray, codes: np.ndarray, target: np.ndarray, batch: int, threads: int
) -> dict:
    """Share of the processor time that each operation takes by itself, of 100 updates."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        SNN(updates=100, every=100, batch=batch, aside=0, threads=threads).fit(
            X, codes, target=target
        )
    found = sorted(seen.key_averages(), key=lambda one: -one.self_cpu_time_total)
    total = sum(one.self_cpu_time_total for one in found)
    return {one.key: round(one.self_cpu_time_total / total, 3) for one in found[:TOLD]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=2_000)
    parser.add_argument("--every", type=int, default=100, help="updates between two timings")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=1_024, help="labelled rows an update")
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    X, codes = made_up_rows(chosen.rows, seed=1)
    target, _ = made_up_rows(chosen.rows, seed=2)
    clock = Clock(chosen.every, chosen.output)
    model = SNN(
        updates=chosen.updates,
        every=chosen.every,
        patience=chosen.updates,
        batch=chosen.batch,
        aside=0.02,
        threads=chosen.threads,
    )
    clock.start()
    model.fit(X, codes, target=target, watch=clock.tick)
    result = {
        "updates": int(model.history_[-1, 0]),
        "rows_an_update": f"{chosen.batch} labelled + {chosen.batch} of the target",
        "threads": chosen.threads,
        "parameters": len(model.weights_),
        "gflop_an_update": round(clock.products.flops() / 1e9, 3),
        "blocks": len(clock.training),
        **clock.summary(),
        "loss_first": round(float(model.history_[0, 1]), 4),
        "loss_last": round(float(model.history_[-1, 1]), 4),
    }
    if chosen.profile:
        result["profile"] = profiled(X, codes, target, chosen.batch, chosen.threads)
    text = json.dumps(result, indent=1)
    print(text)
    if chosen.output:
        chosen.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
