"""Whether the flows of a session vote: training days that were left out decide it.

What belongs here: what a session of a trained model is, its votes, and what they were worth on left-out
periods. What does not: cutting and summing (``voting.py``).

Votes help where a source does one thing for long, and harm where it does several within minutes; which of
the two holds is a property of the network, so it is asked of the labelled days and not of the user.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from eddyline.classifiers.model import SiteModel
from eddyline.classifiers.voting import MINUTE_US, gap_sessions, vote
from eddyline.classifiers.weights import macro_f
from eddyline.errors import UsageError
from eddyline.tables import Floats, Integers

GAP_US: Final = 10 * MINUTE_US
"""Silence of a pair's service that ends its session. On left-out days of LUFlow and of the lab 1, 10 and 60
minutes differ by less than their seeds, but that an hour harms in the lab."""

CHOICES: Final = ("auto", "on", "off")
"""What a recipe may say of votes."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What votes were worth on one period that was left out.

    Parameters
    ----------
    period
        Its number.
    rows
        Its rows: of periods of unequal length the longer says more.
    alone
        Macro F1 of flows that are judged one by one.
    voted
        The same with votes.
    """

    period: int
    rows: int
    alone: float
    voted: float


def voted(probabilities: ArrayLike, keys: ArrayLike, times: ArrayLike) -> Floats:
    """Give each row the shares of its session so far: itself and the rows before it.

    Parameters
    ----------
    probabilities
        Shape ``(n, k)``.
    keys
        Pair and service of each row, text, shape ``(n,)``.
    times
        µs, shape ``(n,)``.
    """
    return vote(probabilities, gap_sessions(keys, times, GAP_US), times=times, causal=True)


def trials(
    site: SiteModel, codes: Integers, keys: ArrayLike, times: ArrayLike
) -> tuple[Trial, ...]:
    """Judge every left-out period with votes and without.

    Parameters
    ----------
    site
        A model that keeps what was said of the periods.
    codes
        Class of each training row, in the order of the model's classes, shape ``(n,)``.
    keys, times
        Pair and service, and µs, of each training row, shape ``(n,)``.
    """
    names, when = np.asarray(keys, np.str_), np.asarray(times)
    found = []
    for left in site.left_out:
        part, truth = left.part, codes[left.rows]
        shares = voted(part.probabilities, names[left.rows], when[left.rows])
        alone = _worth(site, part.probabilities, part.strata, truth)
        with_votes = _worth(site, shares, part.strata, truth)
        found.append(Trial(left.period, len(truth), alone, with_votes))
    return tuple(found)


def mean_worth(tried: Sequence[Trial]) -> tuple[float, float]:
    """Give the mean macro F1 of left-out periods without votes and with them, each period by its rows.

    Parameters
    ----------
    tried
        What ``trials`` gave, one or more.
    """
    rows = [trial.rows for trial in tried]
    alone = np.average([trial.alone for trial in tried], weights=rows)
    return float(alone), float(np.average([trial.voted for trial in tried], weights=rows))


def votes_wanted(choice: str, tried: Sequence[Trial]) -> bool:
    """Tell whether sessions vote: by choice, or where they raised the mean macro F1 of left-out periods.

    Parameters
    ----------
    choice
        One of ``CHOICES``.
    tried
        What ``trials`` gave; without any, ``auto`` is off.

    Raises
    ------
    UsageError
        When there is no such choice.

    Examples
    --------
    >>> votes_wanted("auto", [Trial(0, 500, 0.80, 0.79), Trial(1, 500, 0.70, 0.75)])
    True
    """
    if choice not in CHOICES:
        message = f"sessions must be one of {', '.join(CHOICES)}, got {choice!r}; auto is usual"
        raise UsageError(message)
    if choice != "auto" or not tried:
        return choice == "on"
    alone, with_votes = mean_worth(tried)
    return with_votes > alone


def _worth(site: SiteModel, shares: Floats, strata: Integers, truth: Integers) -> float:
    counts = np.zeros((len(site.classes),) * 2, np.int64)
    np.add.at(counts, (truth, site.decide(shares, strata)), 1)
    return macro_f(counts, 1.0)
