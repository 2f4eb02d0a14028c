"""The experiment on sequences: every model, regime and score beside the trivial ones, in one run.

What belongs here: putting corpus, models and figures together. What does not: any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from eddyline.evaluate.sequences import (
    Corpus,
    Units,
    dyad_hours,
    pairs,
    trivial_scores,
    word_numbers,
)
from eddyline.evaluate.sequences_models import REGIMES, Contender, kept_seeds, score_flows
from eddyline.evaluate.sequences_tables import SCORES, Figure, Ranking, unit_scores
from eddyline.tables import Floats, Integers

DRAWS = 1_000
"""Resamplings of pairs behind a band."""

Tell = Callable[[str], None]


def run(
    corpus: Corpus,
    contenders: Sequence[Contender],
    *,
    regimes: Sequence[str] = REGIMES,
    seeds: int = 5,
    draws: int = DRAWS,
    cache: Path | None = None,
    kept_only: bool = False,
    tell: Tell = lambda _: None,
) -> list[Figure]:
    """Score the corpus by every model and give the figures of every unit, regime and score.

    Parameters
    ----------
    corpus
        Labelled flows.
    contenders
        The models.
    regimes
        What is learned from, see ``REGIMES``.
    seeds
        Runs of models whose scores depend on the seed; the others run once.
    draws
        Resamplings behind a band.
    cache
        Folder that keeps the scores; a run that was broken off goes on where it was.
    kept_only
        True to tell only what the cache holds, with as many seeds as it has.
    tell
        Called with a line for each scoring.
    """
    figures: list[Figure] = []
    numbers: dict[str, Integers] = {}
    for regime in regimes:
        rankings: dict[str, Ranking] = {}
        for contender in contenders:
            for tokens in contender.tokens:
                name = "service-bytes" if tokens == "both" else tokens
                if name not in numbers:
                    numbers[name] = word_numbers(corpus.groups(name), len(corpus.attack))
                scored = []
                wanted = list(range(seeds if contender.neural else 1))
                if kept_only and cache is not None:
                    wanted = kept_seeds(contender, regime, tokens, corpus, len(wanted), cache)
                if not wanted:
                    continue
                for seed in wanted:
                    scored.append(score_flows(contender, regime, tokens, corpus, seed, cache))
                    tell(f"{regime}: {contender.name}, {tokens}, seed {seed}")
                for unit, units in _units_of(corpus).items():
                    context = contender.context
                    runs = [unit_scores(one, units, numbers[name], context) for one in scored]
                    if unit not in rankings:
                        present = units.kept & ~np.isnan(runs[0]["max"])
                        rankings[unit] = Ranking(unit, regime, units, present, draws)
                        words = word_numbers(corpus.groups("proto-bytes"), len(corpus.attack))
                        figures += rankings[unit].trivial(trivial_scores(units, corpus, words))
                    figures += _figures(rankings[unit], contender.name, tokens, runs)
    return figures


def _figures(
    ranking: Ranking, model: str, tokens: str, runs: Sequence[dict[str, Floats]]
) -> list[Figure]:
    return [ranking.figure(model, tokens, score, [one[score] for one in runs]) for score in SCORES]


def _units_of(corpus: Corpus) -> dict[str, Units]:
    groups = corpus.groups("proto-bytes")
    return {
        "dyad-hours": dyad_hours(groups, corpus.attack),
        "pairs": pairs(groups, corpus.attack),
    }
