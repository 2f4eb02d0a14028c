"""What ``eddyline bench contamination`` does: run, tell, write.

What belongs here: options into one call, progress and printed tables. What does not: the experiment
(``eddyline.evaluate.contamination``).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from eddyline.evaluate.contamination import Run, method_named, plan, read_runs, run_all
from eddyline.evaluate.contamination_methods import METHODS, SWEEPS, Method
from eddyline.evaluate.contamination_tables import as_json, draw_sweeps, gap_table, table
from eddyline.evaluate.corpora.nsl_kdd import read_nsl_kdd

PAIRS = (
    ("grand", "vae"),
    ("rvae", "grand"),
    ("rvae", "rvae_beta"),
    ("union", "union.neighbours"),
    ("union_rvae", "union"),
    ("union_knn_rvae", "union_rvae"),
    ("union_knn_rvae", "rvae"),
)
"""Which differences are printed."""


def run_contamination(
    folder: Path,
    cache: Path,
    *,
    protocol: str,
    methods: str,
    seeds: int,
    shares: tuple[float, ...],
    preprocessing: str,
    json_out: Path | None,
    plot: Path | None,
) -> None:
    """Run the experiment and print its tables.

    Parameters
    ----------
    folder
        Where the two files lie.
    cache
        File that keeps each run.
    protocol, preprocessing, shares, seeds
        As for ``plan``.
    methods
        Keys with commas between, ``all`` or ``sweeps``.
    json_out, plot
        Files to write, or None.
    """
    chosen = _chosen(methods)
    for method in [method for method in chosen if method.absent]:
        print(f"{method.title} left out: {method.needs} is not installed", file=sys.stderr)
    present = [method for method in chosen if not method.absent]
    planned = plan(
        present, protocol=protocol, preprocessing=preprocessing, shares=shares, seeds=seeds
    )
    runs = run_all(read_nsl_kdd(folder), planned, cache, _tell)
    for figure in ("auroc", "auprc"):
        print(f"\n{figure.upper()}, percent, mean and 95 % band\n\n{table(runs, figure)}")
    print(f"\n{gap_table(runs, PAIRS)}")
    if json_out is not None:
        text = json.dumps(as_json(read_runs(cache)), indent=1)
        json_out.write_text(text + "\n", encoding="utf-8")
    if plot is not None:
        draw_sweeps(runs, plot)


def _chosen(names: str) -> list[Method]:
    if names == "all":
        return list(METHODS)
    if names == "sweeps":
        return list(SWEEPS)
    return [method_named(name.strip()) for name in names.split(",")]


def _tell(run: Run) -> None:
    print(
        f"{run.protocol} {run.preprocessing} {run.share:.0%} seed {run.seed} {run.method}: "
        f"AUROC {run.auroc:.4f} AP {run.auprc:.4f} fit {run.fit_s:.1f} s",
        file=sys.stderr,
        flush=True,
    )
