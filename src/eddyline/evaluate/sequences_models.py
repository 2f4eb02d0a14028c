"""Which sequence models are measured, what each learns from, and their scores of every flow, kept in a cache.

What belongs here: the list of models, the regimes, and one scoring of a corpus. What does not: units and
figures (``sequences.py``, ``sequences_tables.py``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.aggregate import LengthCalibration
from eddyline.detectors.frequency import ProbabilityPlane
from eddyline.detectors.language import LanguageModel
from eddyline.detectors.ngram import NGram
from eddyline.detectors.registry import sequence_detector
from eddyline.errors import UsageError
from eddyline.evaluate.sequences import DAY_US, Corpus, take_groups
from eddyline.features.columns import HOUR_US
from eddyline.tables import Floats, TokenGroups

REGIMES: Final = ("dirty", "clean", "drop-days", "rolling")
"""What is learned from: everything that is scored; the benign pairs of other captures; everything but the
days of a flood; all hours before, afresh with each tenth of a capture."""

FLOOD_FLOWS: Final = 1_000
"""Attack flows of one dyad-hour from which its day is the day of a flood."""

ROLLING_PARTS: Final = 10
"""Parts of a capture; each but the first is scored by a model of those before it."""

MIN_ROLLING_FLOWS: Final = 200
"""Flows before a part without which it is not scored."""

CALIBRATION_SHARE: Final = 0.2
"""Share of the benign pairs that calibrates instead of training."""

SHORT_TOKENS: Final = ("proto-bytes", "service-port")
"""The paper's token sets, which the plane of two probabilities joins."""

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Contender:
    """A sequence model to measure.

    Parameters
    ----------
    name
        Its name in tables.
    detector
        Name of the sequence detector; ``plane`` for the plane of two probabilities.
    params
        Its arguments.
    tokens
        Token sets that it is measured with.
    context
        Tokens before a token that make a window with it, for models that count windows as chances to
        surprise; None for those that count different surprises.
    neural
        True when its scores depend on the seed.
    """

    name: str
    detector: str
    tokens: tuple[str, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    context: int | None = None
    neural: bool = False

    def build(self, seed: int) -> LanguageModel:
        """Build the model.

        Parameters
        ----------
        seed
            Start of its randomness.
        """
        made = sequence_detector(self.detector)(**self.params, seed=seed)
        if not isinstance(made, LanguageModel):
            message = f"{self.detector} must be a language model to be measured; choose another"
            raise UsageError(message)
        return made


COUNTED: Final = (*SHORT_TOKENS, "service-bytes")

CONTENDERS: Final = (
    Contender("frequency", "ngram", COUNTED, {"order": 0}),
    Contender("plane", "plane", ("both",)),
    Contender("n-gram 1", "ngram", COUNTED, {"order": 1}),
    Contender("n-gram 2", "ngram", COUNTED, {"order": 2}),
    Contender("n-gram 3", "ngram", COUNTED, {"order": 3}),
    Contender("causal GRU", "causal", SHORT_TOKENS, {}, 10, neural=True),
    Contender("causal LSTM", "causal", SHORT_TOKENS, {"cell": "lstm"}, 10, neural=True),
    Contender("conv10", "causal", SHORT_TOKENS, {"cell": "conv10"}, 10, neural=True),
    Contender("Radford", "radford", SHORT_TOKENS, {}, 10, neural=True),
    Contender("session", "session", ("state-size",), {}, 10, neural=True),
)
"""The models, cheap ones first."""


DEFAULT: Final = ("n-gram 1", "service-bytes", "sum")
"""Model, token set and score that are told first: what is recommended for dyad-hours."""


@dataclass(frozen=True, slots=True)
class FlowScores:
    """What one model said of every flow; NaN for flows that it did not score.

    Parameters
    ----------
    surprise
        ``-ln p``, shape ``(n,)``.
    log_survival
        Logarithm of the share of reference flows at least as surprising, shape ``(n,)``.
    """

    surprise: Floats
    log_survival: Floats


def folds(regime: str, corpus: Corpus, groups: TokenGroups) -> Iterator[tuple[Mask, Mask, Mask]]:
    """Give what is learned from, what calibrates and what is scored, as masks of groups.

    Parameters
    ----------
    regime
        One of ``REGIMES``.
    corpus
        The flows.
    groups
        From ``Corpus.groups``.

    Raises
    ------
    UsageError
        When there is no such regime.
    """
    if regime == "dirty":
        every = np.ones(len(groups), dtype=bool)
        yield every, every, every
    elif regime == "drop-days":
        kept = ~_of_flood_days(corpus, groups)
        yield kept, kept, kept
    elif regime == "clean":
        yield from _leave_one_out(corpus, groups)
    elif regime == "rolling":
        yield from _rolling(groups)
    else:
        message = f"a regime must be one of {', '.join(REGIMES)}, got {regime!r}; choose one"
        raise UsageError(message)


def kept_seeds(
    contender: Contender, regime: str, tokens: str, corpus: Corpus, seeds: int, cache: Path
) -> list[int]:
    """Give the seeds whose scores a cache holds already.

    Parameters
    ----------
    contender, regime, tokens, corpus, cache
        As for ``score_flows``.
    seeds
        Seeds to ask for, from 0.
    """
    return [
        seed
        for seed in range(seeds)
        if (cache / _file_name(contender, regime, tokens, corpus, seed)).is_file()
    ]


def score_flows(
    contender: Contender, regime: str, tokens: str, corpus: Corpus, seed: int, cache: Path | None
) -> FlowScores:
    """Give a model's score of every flow, from the cache when it was worked out before.

    Parameters
    ----------
    contender
        The model.
    regime
        One of ``REGIMES``.
    tokens
        Name of a token set.
    corpus
        The flows.
    seed
        Start of the model's randomness.
    cache
        Folder that keeps scores; None for none.
    """
    place = None if cache is None else cache / _file_name(contender, regime, tokens, corpus, seed)
    if place is not None and place.is_file():
        with np.load(place) as kept:
            return FlowScores(kept["surprise"], kept["log_survival"])
    surprise = np.full(len(corpus.attack), np.nan)
    log_survival = surprise.copy()
    several = SHORT_TOKENS if contender.detector == "plane" else (tokens,)
    read = [corpus.groups(name) for name in several]
    for train, calibrate, test in folds(regime, corpus, read[0]):
        parts = [
            [take_groups(groups, mask) for groups in read] for mask in (train, calibrate, test)
        ]
        judge = _judge_plane if contender.detector == "plane" else _judge
        scores, logs = judge(contender, parts, seed)
        members = parts[2][0].members
        surprise[members], log_survival[members] = scores, logs
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(".part.npz")
        np.savez(partial, surprise=surprise, log_survival=log_survival)
        partial.replace(place)
    return FlowScores(surprise, log_survival)


def _judge(
    contender: Contender, parts: list[list[TokenGroups]], seed: int
) -> tuple[Floats, Floats]:
    (train,), (calibrate,), (test,) = parts
    model = contender.build(seed).fit(train).calibrate(calibrate)
    scores = model.token_scores(test)
    return scores, model.calibration.log_survival(scores)


def _judge_plane(
    contender: Contender,  # noqa: ARG001 - the same call for every contender
    parts: list[list[TokenGroups]],
    seed: int,
) -> tuple[Floats, Floats]:
    train, calibrate, test = parts
    models = [NGram(order=0, seed=seed).fit(groups) for groups in train]

    def chances(several: list[TokenGroups]) -> Floats:
        columns = [
            np.exp(-model.token_scores(groups))
            for model, groups in zip(models, several, strict=True)
        ]
        return np.stack(columns, axis=1)

    plane = ProbabilityPlane.fit(chances(train))
    reference = LengthCalibration.fit(plane.score(chances(calibrate)), tail=False)
    scores = plane.score(chances(test))
    return scores, reference.log_survival(scores)


def _leave_one_out(corpus: Corpus, groups: TokenGroups) -> Iterator[tuple[Mask, Mask, Mask]]:
    """Learn from the wholly benign pairs of the other captures, a fifth of them to calibrate."""
    capture = groups.rows["capture"]
    pair = np.char.add(np.char.add(groups.rows["a"], " "), groups.rows["b"])
    pair = np.char.add(np.char.add(capture.astype(np.str_), " "), pair)
    names, number = np.unique(pair, return_inverse=True)
    bad = np.zeros(len(names), dtype=bool)
    attacked = np.add.reduceat(corpus.attack[groups.members].astype(int), groups.offsets[:-1]) > 0
    bad[number[attacked]] = True
    drawn = np.random.default_rng(0).random(len(names)) < CALIBRATION_SHARE
    benign = ~bad[number]
    for held in range(len(corpus.names)):
        others = benign & (capture != held)
        yield others & ~drawn[number], others & drawn[number], capture == held


def _rolling(groups: TokenGroups) -> Iterator[tuple[Mask, Mask, Mask]]:
    """Score each part of a capture by what came before it in the same capture."""
    capture, window = groups.rows["capture"], groups.rows["window"]
    lengths = np.diff(groups.offsets)
    for number in np.unique(capture):
        mine = capture == number
        first, last = window[mine].min(), window[mine].max()
        edges = np.unique(np.linspace(first, last + 1, ROLLING_PARTS + 1).astype(np.int64))
        for start, end in pairwise(edges[1:].tolist()):
            past, now = mine & (window < start), mine & (window >= start) & (window < end)
            if now.any() and lengths[past].sum() >= MIN_ROLLING_FLOWS:
                yield past, past, now


def _of_flood_days(corpus: Corpus, groups: TokenGroups) -> Mask:
    """Tell which groups are of the day of a flood in their capture."""
    attacks = np.add.reduceat(corpus.attack[groups.members].astype(int), groups.offsets[:-1])
    day = groups.rows["capture"] * 10**7 + groups.rows["window"] // (DAY_US // HOUR_US)
    flooded: Mask = np.isin(day, day[attacks >= FLOOD_FLOWS])
    return flooded


def _file_name(contender: Contender, regime: str, tokens: str, corpus: Corpus, seed: int) -> str:
    """Name the file of one scoring, so that another corpus or other arguments never share it."""
    told = json.dumps(
        [contender.detector, dict(contender.params), corpus.names, len(corpus.attack)],
        sort_keys=True,
    )
    mark = hashlib.sha256(told.encode()).hexdigest()[:8]
    name = contender.name.replace(" ", "-")
    return f"{regime}-{tokens}-{name}-{seed}-{mark}.npz"
