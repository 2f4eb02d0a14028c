"""Choose the default density without the test file of NSL-KDD, on rows that are not like those learned.

    OMP_NUM_THREADS=1 python benchmarks/default_density.py DIR --cache FILE.jsonl [--protocol families]
    OMP_NUM_THREADS=1 python benchmarks/default_density.py DATA --cache FILE.jsonl --protocol others

Protocol ``families``: one family of attacks is judged and never learned from; the default was chosen on it,
among the sets joined by the sum.

Protocol ``shifted`` of ``eddyline.evaluate.contamination_tasks``: of the normal rows that are judged one half
is of services that were never learned, the other of services that were, though of none of the learned groups
of equal service and bytes; of the attacks one half is of a family that was never learned, the other of
families whose like makes up 0, 5, 10 or 15 % of the training rows; a row weighs by how many of the 21
published classifiers got it wrong. The test file is not looked at.

Protocol ``others`` reads nothing of NSL-KDD: a default is for networks that it was not chosen on. Its sets
are those of ``bench classical`` beside NSL-KDD whose rows are judged on later time or other networks; the
usual training rows, and attacks that make up 0, 5, 10 or 15 % of the rows, are learned, the whole test part
is judged. It settles what the two others left open: what it names is the default.

Candidates: every set of forest, tails, neighbours and RVAE, joined by the sum of ``-ln p`` (Fisher), by the
largest (Tippett) or by the sum of p (Edgington); three RVAEs of other seeds, alone and with forest and tails;
RVAE as published.

The rule, fixed before the first run of each protocol: the candidate with the highest mean area over families
or sets, levels and drawings.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from eddyline.detectors.density.rvae import RVAE
from eddyline.detectors.union import Union
from eddyline.evaluate.classical_parts import Drawn as Parts
from eddyline.evaluate.classical_tasks import DEFAULT, ClassicalTask, tasks_named
from eddyline.evaluate.contamination_tasks import FAMILIES, Task, task
from eddyline.evaluate.corpora.nsl_kdd import CONTAMINATION, Drawn, read_nsl_kdd
from eddyline.tables import Floats

PARTS = ("isolation_forest", "tails", "neighbours", "rvae")
SHORT = {"isolation_forest": "forest", "tails": "tails", "neighbours": "kNN", "rvae": "RVAE"}
OTHER_SEEDS = (1_000, 2_000)
"""What is added to the seed of the drawing for the second and the third RVAE."""


def scores_of(rows: Task, seed: int) -> dict[str, Floats]:
    """Give the scores of every candidate by its name."""
    joined = Union(parts=",".join(PARTS), seed=seed).fit(rows.drawn.X)
    told = {SHORT[name]: found for name, found in joined.components(rows.X).items()}
    scores = dict(told)
    for size in range(2, len(told) + 1):
        for some in combinations(told, size):
            each = np.stack([told[name] for name in some])
            name = "+".join(some)
            scores[name] = each.sum(axis=0)
            scores[f"{name}, largest"] = each.max(axis=0)
            scores[f"{name}, ranks"] = -np.exp(-each).sum(axis=0)
    three = told["RVAE"] + sum(
        Union(parts="rvae", seed=seed + more).fit(rows.drawn.X).anomaly_score(rows.X)
        for more in OTHER_SEEDS
    )
    scores["3 RVAE"] = three
    scores["forest+tails+3 RVAE"] = told["forest"] + told["tails"] + three
    published = RVAE(normalisation="beta", beta=0.006, sigma=0.2, seed=seed)
    scores["RVAE, as published"] = published.fit(rows.drawn.X).anomaly_score(rows.X)
    return scores


def others() -> dict[str, ClassicalTask]:
    """Give the sets of ``others``, by name."""
    return {
        each.name: each
        for each in tasks_named(DEFAULT)
        if each.name != "nsl-kdd" and not each.stamp
    }


def of_other_set(parts: Parts, share: float, seed: int) -> Task:
    """Draw a task of another set than NSL-KDD: attacks are as large a share of the training rows as asked."""
    rng = np.random.default_rng([4_000, seed])
    usual, attacks = np.flatnonzero(~parts.fit.attack), np.flatnonzero(parts.fit.attack)
    drawn = rng.choice(attacks, round(share / (1 - share) * len(usual)), replace=False)
    rows = rng.permutation(np.concatenate([usual, drawn]))
    learned = Drawn(parts.fit.X[rows], parts.fit.attack[rows], parts.fit.kind[rows])
    return Task(learned, parts.test.X, parts.test.attack)


def tasks(data: Path, protocol: str, drawings: int) -> Iterator[tuple[str, int, float, Task]]:
    """Give family or set, seed, level and rows of every task."""
    if protocol == "others":
        for seed in range(drawings):
            for name, each in others().items():
                parts = each.draw(data, seed)
                for share in CONTAMINATION:
                    yield name, seed, share, of_other_set(parts, share, seed)
        return
    corpus = read_nsl_kdd(data)
    for seed in range(drawings * len(FAMILIES)):
        for share in CONTAMINATION:
            family = list(FAMILIES)[seed % len(FAMILIES)]
            yield family, seed, share, task(corpus, protocol, share, seed)


def areas(data: Path, protocol: str, drawings: int, cache: Path) -> list[dict[str, object]]:
    """Give family, level, seed and the area of each candidate, an entry a task; goes on if broken off."""
    lines = cache.read_text().splitlines() if cache.exists() else []
    runs = [run for run in map(json.loads, lines) if run["protocol"] == protocol]
    done = {(run["family"], run["seed"], run["share"]) for run in runs}
    for family, seed, share, rows in tasks(data, protocol, drawings):
        if (family, seed, share) in done:
            continue
        found = {
            name: float(roc_auc_score(rows.is_attack, scores, sample_weight=rows.weights))
            for name, scores in scores_of(rows, seed).items()
        }
        run = {
            "protocol": protocol,
            "family": family,
            "share": share,
            "seed": seed,
            "areas": found,
        }
        runs.append(run)
        with cache.open("a") as file:
            file.write(json.dumps(run) + "\n")
        print(f"{family} {share:.0%} {seed}", file=sys.stderr, flush=True)
    return runs


def behind_best(areas_of: Floats, seeds: NDArray[np.int64], best: int) -> tuple[Floats, Floats]:
    """Give how far each candidate is behind the best, and its band over drawings.

    A drawing's levels share their rows, so a band is over drawings.
    """
    per_seed = np.stack([areas_of[seeds == seed].mean(axis=0) for seed in np.unique(seeds)])
    behind = per_seed[:, [best]] - per_seed
    band = student.ppf(0.975, len(behind) - 1) * behind.std(axis=0, ddof=1) / len(behind) ** 0.5
    return behind.mean(axis=0), band


def tell(runs: list[dict[str, object]]) -> None:
    """Print the table of the page and what the rule chooses."""
    names = list(runs[0]["areas"])  # type: ignore[call-overload]
    areas_of = np.array([[run["areas"][name] for name in names] for run in runs])  # type: ignore[index]
    means = areas_of.mean(axis=0)
    best = int(means.argmax())
    behind, band = behind_best(areas_of, np.array([run["seed"] for run in runs]), best)
    families = np.array([run["family"] for run in runs])
    kinds = list(dict.fromkeys(families.tolist()))
    shares = np.array([run["share"] for run in runs])
    head = [
        "candidate",
        *kinds,
        *(f"{share:.0%}" for share in CONTAMINATION),
        "mean",
        "behind the best",
    ]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for i in np.argsort(-means):
        cells = [areas_of[families == family, i].mean() for family in kinds]
        cells += [areas_of[shares == share, i].mean() for share in CONTAMINATION]
        row = [f"{100 * cell:.1f}" for cell in (*cells, means[i])]
        gap = "" if i == best else f"{100 * behind[i]:.2f} ± {100 * band[i]:.2f}"
        print("| " + " | ".join([names[i], *row, gap]) + " |")
    print(f"\nBy the rule: {names[best]}.")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--protocol", choices=("families", "shifted", "others"), default="shifted")
    parser.add_argument("--drawings", type=int, default=3)
    chosen = parser.parse_args()
    tell(areas(chosen.data, chosen.protocol, chosen.drawings, chosen.cache))


if __name__ == "__main__":
    main()
