"""Labelled captures as sentences: the units that sequence models are measured on, and trivial scores of them.

What belongs here: reading labelled captures, dyad-hours and pairs with their truth, and the baselines that
need no model. What does not: the models (``sequences_models.py``) and the figures (``sequences_tables.py``).

A unit is a dyad-hour or a pair of addresses of one capture, with at least ``MIN_FLOWS`` flows; it is an
attack when most of its flows are. Every flow trains and is scored, also those of smaller units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.detectors.aggregate import distinct_windows
from eddyline.detectors.vocabulary import Vocabulary
from eddyline.errors import DataError
from eddyline.evaluate.labels import meaning
from eddyline.features.columns import HOUR_US
from eddyline.features.sentences import distinct_flows, sentences
from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows
from eddyline.tables import Floats, Integers, TokenGroups

MIN_FLOWS: Final = 10
"""Flows of a unit at the least: shorter ones test only whether a host is outside."""

DAY_US: Final = 24 * HOUR_US

CAPTURES: Final = {
    "ctu50-008": "ctu50-008/data/conn.log.labeled",
    "ctu50-010": "ctu50-010/data/conn.log.labeled",
    "ctu-botnet-4": "ctu-botnet-4/ground_truth/conn.log.labeled",
    "iot23-21-1": "iot23/CTU-IoT-Malware-Capture-21-1conn.log.labeled.csv",
    "iot23-34-1": "iot23/CTU-IoT-Malware-Capture-34-1.conn.log.labeled",
    "iot23-42-1": "iot23/CTU-IoT-Malware-Capture-42-1conn.log.labeled.csv",
}
"""Captures by name, and where their labelled connections lie in the folder of the corpus."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Labelled flows of several captures, in the order of captures and starts.

    Parameters
    ----------
    frame
        Flows with the columns of the record, those without a label left out.
    attack
        Truth of each flow.
    capture
        Number of each flow's capture.
    names
        Names of the captures.
    """

    frame: pl.DataFrame
    attack: NDArray[np.bool_]
    capture: Integers
    names: tuple[str, ...]

    def groups(self, tokens: str) -> TokenGroups:
        """Give the dyad-hours of all captures, each capture's apart; ``rows["capture"]`` says whose.

        Parameters
        ----------
        tokens
            Name of a token set.
        """
        parts = []
        for number in range(len(self.names)):
            places = np.flatnonzero(self.capture == number)
            part = sentences(self.frame[places], tokens)
            parts.append((number, places, part))
        return _joined(parts)


@dataclass(frozen=True, slots=True)
class Units:
    """What is ranked: groups of flows with their truth.

    Parameters
    ----------
    offsets
        Where each unit's flows start in ``flows``, and the end.
    flows
        Flows of the units, end to end, in the order of their starts.
    attack
        True for units most of whose flows are attacks.
    owner
        Number of each unit's pair: hours of one pair depend on each other.
    capture
        Number of each unit's capture.
    kept
        True for units with enough flows to be ranked.
    """

    offsets: Integers
    flows: Integers
    attack: NDArray[np.bool_]
    owner: Integers
    capture: Integers
    kept: NDArray[np.bool_]

    @property
    def lengths(self) -> Integers:
        """Flows of each unit."""
        return np.diff(self.offsets)


def read_corpus(folder: Path, names: Sequence[str] = tuple(CAPTURES)) -> Corpus:
    """Read the labelled captures that a folder holds.

    Parameters
    ----------
    folder
        Where the captures lie, as in ``CAPTURES``.
    names
        Which to read.

    Raises
    ------
    DataError
        When the folder holds none of them.
    """
    found = [name for name in names if (folder / CAPTURES[name]).is_file()]
    if not found:
        message = (
            f"{folder} must hold labelled Zeek captures such as {CAPTURES['iot23-34-1']}, holds none; "
            f"pass the folder of the corpus"
        )
        raise DataError(message)
    frames, attacks, owners = [], [], []
    for number, name in enumerate(found):
        batch = FlowBatch.concat(list(read_flows(folder / CAPTURES[name])))
        frame, attack = labelled(batch)
        frames.append(frame)
        attacks.append(attack)
        owners.append(np.full(frame.height, number))
    whole = pl.concat(frames)
    return Corpus(whole, np.concatenate(attacks), np.concatenate(owners), tuple(found))


def labelled(batch: FlowBatch) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Give the distinct flows whose label says attack or normal, by start, with their truth.

    Parameters
    ----------
    batch
        Flows with labels.

    Raises
    ------
    DataError
        When there are no labels.
    """
    if batch.labels is None:
        message = "a capture to evaluate on must have labels, got none; pass its labelled log"
        raise DataError(message)
    told = meaning(batch.labels)["attack"]
    flows = distinct_flows(batch.frame.with_columns(told)).filter(pl.col("attack").is_not_null())
    ordered = flows.sort("ts", maintain_order=True)
    attack = ordered["attack"].to_numpy().astype(bool)
    return ordered.drop("attack", "member"), attack


def dyad_hours(groups: TokenGroups, attack: NDArray[np.bool_]) -> Units:
    """Give the dyad-hours as units.

    Parameters
    ----------
    groups
        From ``Corpus.groups``.
    attack
        Truth of each flow.
    """
    members = _members(groups)
    owner = _pair_numbers(groups)
    return _units(groups.offsets, members, attack, owner, groups.rows["capture"])


def pairs(groups: TokenGroups, attack: NDArray[np.bool_]) -> Units:
    """Give the pairs of addresses as units, all hours of a pair together.

    Parameters
    ----------
    groups
        From ``Corpus.groups``.
    attack
        Truth of each flow.
    """
    owner = _pair_numbers(groups)
    of_flow = np.repeat(owner, np.diff(groups.offsets))
    order = np.argsort(of_flow, kind="stable")
    flows = _members(groups)[order]
    counts = np.bincount(of_flow)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    captures = np.empty(len(counts), np.int64)
    captures[owner] = groups.rows["capture"]
    return _units(offsets, flows, attack, np.arange(len(counts)), captures)


def trivial_scores(units: Units, corpus: Corpus, words: Integers) -> dict[str, Floats]:
    """Give the scores of units that need no model, higher is stranger.

    Parameters
    ----------
    units
        The units.
    corpus
        Their flows.
    words
        Number of each flow's token, for the share of distinct ones.
    """
    total = corpus.frame.select(
        pl.col("bytes_out").fill_null(0) + pl.col("bytes_in").fill_null(0)
    ).to_series()
    volume = total.cast(pl.Float64).to_numpy()[units.flows]
    starts = units.offsets[:-1]
    size = np.add.reduceat(volume, starts)
    lengths = units.lengths.astype(np.float64)
    kinds = distinct_windows(words[units.flows], units.offsets, 0)
    return {
        "flow count": lengths,
        "total bytes": size,
        "few bytes a flow": -size / lengths,
        "few distinct tokens": -kinds / lengths,
    }


def word_numbers(groups: TokenGroups, n_flows: int) -> Integers:
    """Give each flow the number of its token, in the order of flows.

    Parameters
    ----------
    groups
        Groups that hold each flow once.
    n_flows
        Flows of the corpus.
    """
    words = np.zeros(n_flows, np.int64)
    words[_members(groups)] = Vocabulary.of(groups.tokens).encode(groups.tokens)
    return words


def take_groups(groups: TokenGroups, mask: NDArray[np.bool_]) -> TokenGroups:
    """Keep some groups.

    Parameters
    ----------
    groups
        All of them.
    mask
        True for those to keep.
    """
    lengths = np.diff(groups.offsets)
    kept = np.repeat(mask, lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths[mask])]).astype(np.int64)
    rows = {name: values[mask] for name, values in groups.rows.items()}
    return TokenGroups(offsets, groups.tokens[kept], rows, _members(groups)[kept])


def _units(
    offsets: Integers,
    flows: Integers,
    attack: NDArray[np.bool_],
    owner: Integers,
    capture: Integers,
) -> Units:
    lengths = np.diff(offsets)
    share = np.add.reduceat(attack[flows].astype(np.float64), offsets[:-1]) / lengths
    return Units(offsets, flows, share > 0.5, owner, capture, lengths >= MIN_FLOWS)


def _members(groups: TokenGroups) -> Integers:
    if groups.members is None:
        message = "groups must say which flows they hold, got none; build them by sentences()"
        raise DataError(message)
    return groups.members


def _pair_numbers(groups: TokenGroups) -> Integers:
    rows = pl.DataFrame({name: groups.rows[name] for name in ("capture", "a", "b")})
    numbers: Integers = (
        rows.select(pl.struct("capture", "a", "b").rank("dense").cast(pl.Int64) - 1)
        .to_series()
        .to_numpy()
    )
    return numbers


def _joined(parts: Sequence[tuple[int, Integers, TokenGroups]]) -> TokenGroups:
    """Lay the groups of captures end to end."""
    lengths = np.concatenate([np.diff(part.offsets) for _, _, part in parts])
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    names = parts[0][2].rows
    rows = {name: np.concatenate([part.rows[name] for _, _, part in parts]) for name in names}
    rows["capture"] = np.repeat([n for n, _, _ in parts], [len(part) for _, _, part in parts])
    members = np.concatenate([places[_members(part)] for _, places, part in parts])
    tokens = np.concatenate([part.tokens for _, _, part in parts])
    return TokenGroups(offsets, tokens, rows, members)
