"""``eddyline bench nad2021``: the challenge's days, for whoever holds the files.

What belongs here: the call, the file and the printed table. What does not: the experiment
(``eddyline.evaluate.nad2021``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eddyline.cli.outputs import check_outputs
from eddyline.errors import UsageError
from eddyline.evaluate.nad2021 import nad_page, run_nad2021
from eddyline.features.nad_names import SETS


def run_bench_nad2021(
    folder: Path, *, features: Any, method: str, seeds: int, json_out: Path | None
) -> None:
    """Run the experiment and print its table.

    Parameters
    ----------
    folder
        Where the files lie.
    features
        Name of a feature set.
    method
        Name of a classifier.
    seeds
        Runs of each left-out day, ``>= 1``.
    json_out
        File of every run.

    Raises
    ------
    UsageError
        When the feature set does not exist.
    """
    check_outputs([json_out])
    if features not in SETS:
        message = f"--features must be one of {', '.join(SETS)}, got {features!r}; check it"
        raise UsageError(message)
    runs = list(run_nad2021(folder, features=features, method=method, seeds=range(seeds)))
    if json_out is not None:
        told = [
            {
                "day": run.day,
                "row": run.row,
                "seed": run.seed,
                "score": run.score,
                "confusion": run.confusion.tolist(),
            }
            for run in runs
        ]
        json_out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(nad_page(runs))
