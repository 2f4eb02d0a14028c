"""What ``learn --method`` adds to the legs of every scan.

What belongs here: names of methods and their legs. What does not: the legs of every scan (``pipeline.py``),
and the methods themselves (``detectors``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import UsageError
from eddyline.verdicts.leg import Leg, LegSpec

ROW_VIEWS: Final = ("host", "segment", "dyad")
"""Views whose rows a density or a distance looks at; flows are too many to fit a net on by parts."""

ROW_WEIGHT: Final = 0.3
"""Share of a view's error budget that such a leg takes, as the forest and the neighbours have."""

SEQUENCE_WEIGHT: Final = 0.2
"""The same for a leg that reads tokens, as the n-grams have."""

VIEW_WEIGHT: Final = 0.2
"""The same for a leg that brings a view of its own: the other views' budgets fall by a twenty-sixth."""


def _rows(detector: str, **params: Any) -> tuple[LegSpec, ...]:
    return tuple(LegSpec(view, detector, weight=ROW_WEIGHT, params=params) for view in ROW_VIEWS)


def _tokens(detector: str, **params: Any) -> tuple[LegSpec, ...]:
    return (LegSpec("dyad", detector, weight=SEQUENCE_WEIGHT, params=params),)


METHODS: Final[dict[str, tuple[LegSpec, ...]]] = {
    "ngram": _tokens("ngram", order=1, group="sum"),
    "gru": _tokens("causal", cell="gru", group="sum"),
    "lstm": _tokens("causal", cell="lstm", group="sum"),
    "radford": _tokens("radford", group="max"),
    "session": _tokens("session", group="top3_mean"),
    "vae": _rows("vae"),
    "rvae": _rows("rvae"),
    "grand": _rows("grand"),
    "grand-flow": _rows("grand", n_maps=3),
    "autoencoder": _rows("autoencoder"),
    "pca": _rows("pca"),
    "union": _rows("union", parts="neighbours,rvae", join="mean"),
    "flow": _rows("flow_density"),
    "cleaned-neighbours": _rows("cleaned_neighbours"),
    "online-forest": _rows("online_forest"),
    "half-space-trees": _rows("half_space_trees"),
    "kitnet": (
        *_rows("kitnet", map_rows=200, train_rows=400),
        LegSpec(
            "damped", "kitnet", weight=VIEW_WEIGHT, params={"map_rows": 500, "train_rows": 2_500}
        ),
    ),
    "midas": (
        LegSpec("edge", "midas_r", weight=VIEW_WEIGHT, params={"n_cells": 4_096, "memory": 60}),
    ),
    "anoedge": (LegSpec("edge", "anoedge", weight=VIEW_WEIGHT),),
}
"""Legs by the name of a method; a leg with the name of one that there is takes its place."""


def legs_of(methods: Sequence[str]) -> tuple[LegSpec, ...]:
    """Give the legs of methods.

    Parameters
    ----------
    methods
        Names of methods, keys of ``METHODS``.

    Raises
    ------
    UsageError
        When a method has no such name, or two of them want one leg with other settings.
    """
    found: dict[str, LegSpec] = {}
    for method in methods:
        if method not in METHODS:
            message = (
                f"a method must be one of {', '.join(METHODS)}, got {method!r}; any other detector is "
                "added by --leg VIEW/DETECTOR"
            )
            raise UsageError(message)
        for leg in METHODS[method]:
            if found.setdefault(leg.name, leg) != leg:
                message = (
                    f"two methods must not share a leg, got {leg.name!r} with {dict(leg.params)} and "
                    f"{dict(found[leg.name].params)}; learn two models"
                )
                raise UsageError(message)
    return tuple(found.values())


def with_more(legs: Sequence[LegSpec], more: Sequence[LegSpec]) -> tuple[LegSpec, ...]:
    """Put legs beside others; one with the name of one that there is takes its place.

    Parameters
    ----------
    legs
        The legs that there are.
    more
        Those that come.
    """
    named = {leg.name: leg for leg in more}
    return (*(named.pop(leg.name, leg) for leg in legs), *named.values())


def card(leg: Leg, entities: NDArray[np.str_]) -> str:
    """Tell which training rows a detector set apart, why and whose they were; empty when it keeps no card.

    Parameters
    ----------
    leg
        A fitted leg.
    entities
        What the rows stand for that it was fitted on, shape ``(n,)``.
    """
    detector: Any = leg.whole.detector
    if not hasattr(detector, "card"):
        return ""
    rounds: list[dict[str, float]] = detector.card()
    if not rounds:
        return "no row was set apart: training ended before the first round"
    last = rounds[-1]
    apart = int(last["n_uncertain"] + last["n_rejected"])
    strangest = dict.fromkeys(str(entities[row]) for row in detector.examples_)
    return (
        f"set {apart:,} of {int(last['n_likely']) + apart:,} training rows apart for an energy above "
        f"{last['watch']:.3g} (13 to 15 % of them is usual on clean traffic), "
        f"{int(last['n_rejected']):,} of these beyond doubt; strangest: {', '.join(list(strangest)[:3])}"
        + "".join(f"; {told}" for told in detector.told_)
    )
