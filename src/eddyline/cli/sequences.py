"""What ``eddyline bench sequences`` does: run, tell, write.

What belongs here: options into one call, progress and printed tables. What does not: the experiment
(``eddyline.evaluate.sequences_run``).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from eddyline.errors import UsageError
from eddyline.evaluate.sequences import read_corpus
from eddyline.evaluate.sequences_models import CONTENDERS, DEFAULT, REGIMES, Contender
from eddyline.evaluate.sequences_run import run
from eddyline.evaluate.sequences_tables import default_table, markdown


def run_sequences(
    folder: Path,
    cache: Path | None,
    *,
    models: str,
    regimes: str,
    seeds: int,
    draws: int,
    kept_only: bool,
    json_out: Path | None,
) -> None:
    """Run the experiment and print its tables.

    Parameters
    ----------
    folder
        Where the labelled captures lie.
    cache
        Folder that keeps the scores, or None.
    models
        Names with commas between, ``all``, or ``counted`` for those that need no torch.
    regimes
        Names with commas between, or ``all``.
    seeds, draws, kept_only
        As for ``run``.
    json_out
        File to write, or None.
    """
    corpus = read_corpus(folder)
    chosen = _chosen(models)
    wanted = REGIMES if regimes == "all" else tuple(regimes.split(","))
    figures = run(
        corpus,
        chosen,
        regimes=wanted,
        seeds=seeds,
        draws=draws,
        cache=cache,
        kept_only=kept_only,
        tell=lambda line: print(line, file=sys.stderr),
    )
    if json_out is not None:
        told = {
            "captures": corpus.names,
            "flows": len(corpus.attack),
            "draws": draws,
            "figures": [one.as_dict() for one in figures],
        }
        json_out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(default_table(figures, DEFAULT))
    for unit in ("dyad-hours", "pairs"):
        for regime in wanted:
            print(markdown(figures, unit, regime))


def _chosen(models: str) -> Sequence[Contender]:
    if models == "all":
        return CONTENDERS
    if models == "counted":
        return [one for one in CONTENDERS if not one.neural]
    by_name = {one.name: one for one in CONTENDERS}
    names = [name.strip() for name in models.split(",")]
    unknown = [name for name in names if name not in by_name]
    if unknown:
        message = f"a model must be one of {', '.join(by_name)}, got {unknown[0]!r}; or pass all or counted"
        raise UsageError(message)
    return [by_name[name] for name in names]
