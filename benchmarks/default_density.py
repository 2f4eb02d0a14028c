"""Choose the default density on the training file of NSL-KDD alone, one family of attacks left out at a time.

    OMP_NUM_THREADS=1 python benchmarks/default_density.py DIR [--drawings 3]

Protocol ``families`` of ``eddyline.evaluate.contamination``: normal rows that share service and bytes are
either learned or judged; one of the four families of attack is judged and never learned from, attacks of the
others are 0, 5, 10 or 15 % of the training rows. The test file is not looked at.

The rule, fixed before the first run: the candidate with the highest mean AUROC over families, levels and
drawings.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.stats import t as student
from sklearn.metrics import roc_auc_score

from eddyline.detectors.union import Union
from eddyline.evaluate.contamination import FAMILIES, task
from eddyline.evaluate.corpora.nsl_kdd import CONTAMINATION, NslKdd, read_nsl_kdd

PARTS = ("isolation_forest", "tails", "neighbours", "rvae")
SHORT = {"isolation_forest": "forest", "tails": "tails", "neighbours": "kNN", "rvae": "RVAE"}


def candidates() -> list[tuple[str, ...]]:
    """Give every non-empty set of parts, the small ones first."""
    return [some for size in range(1, len(PARTS) + 1) for some in combinations(PARTS, size)]


def areas(corpus: NslKdd, drawings: int) -> Iterator[tuple[str, float, int, list[float]]]:
    """Give family, level, seed and the area of each candidate."""
    for seed in range(drawings * len(FAMILIES)):
        family = list(FAMILIES)[seed % len(FAMILIES)]
        for share in CONTAMINATION:
            rows = task(corpus, "families", share, seed)
            told = Union(parts=",".join(PARTS), seed=seed).fit(rows.drawn.X).components(rows.X)
            found = [
                float(roc_auc_score(rows.is_attack, sum(told[name] for name in some)))
                for some in candidates()
            ]
            print(f"{family} {share:.0%} {seed}: {max(found):.3f}", file=sys.stderr, flush=True)
            yield family, share, seed, found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--drawings", type=int, default=3)
    chosen = parser.parse_args()
    runs = list(areas(read_nsl_kdd(chosen.data), chosen.drawings))
    areas_of = np.array([found for *_, found in runs])
    names = ["+".join(SHORT[part] for part in some) for some in candidates()]
    means = areas_of.mean(axis=0)
    best = int(means.argmax())
    # A drawing's levels share their rows, so a band is over drawings.
    seeds = np.array([seed for _, _, seed, _ in runs])
    per_seed = np.stack([areas_of[seeds == seed].mean(axis=0) for seed in np.unique(seeds)])
    behind = per_seed[:, [best]] - per_seed
    half = (
        student.ppf(0.975, len(per_seed) - 1) * behind.std(axis=0, ddof=1) / len(per_seed) ** 0.5
    )
    families = np.array([family for family, *_ in runs])
    shares = np.array([share for _, share, *_ in runs])
    head = [
        "candidate",
        *FAMILIES,
        *(f"{share:.0%}" for share in CONTAMINATION),
        "mean",
        "behind the best",
    ]
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for i in np.argsort(-means):
        cells = [areas_of[families == family, i].mean() for family in FAMILIES]
        cells += [areas_of[shares == share, i].mean() for share in CONTAMINATION]
        row = [f"{100 * cell:.1f}" for cell in (*cells, means[i])]
        gap = "" if i == best else f"{100 * behind[:, i].mean():.2f} ± {100 * half[i]:.2f}"
        print("| " + " | ".join([names[i], *row, gap]) + " |")
    print(f"\nBy the rule: {names[best]}.")


if __name__ == "__main__":
    main()
