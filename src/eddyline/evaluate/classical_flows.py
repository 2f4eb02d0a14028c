"""Labelled flows as tasks: days of LUFlow and six Zeek captures, parted by day, group, time or row.

What belongs here: how flows become parts with features and trivial scores. What does not: reading flows and
computing features.

Features are computed after the split, for the training and for the test part by itself, so that no window
spans both. They are computed before the validation rows are left out: counts of a fifth of the traffic would
give thresholds for another network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import InputError
from eddyline.evaluate.classical_parts import (
    NORMAL,
    VALIDATION,
    Drawn,
    Part,
    joined,
    rows_of,
    validation,
)
from eddyline.evaluate.corpora import luflow
from eddyline.evaluate.labels import meaning
from eddyline.evaluate.sequences import CAPTURES
from eddyline.evaluate.split_keys import block_groups, combined, network_groups
from eddyline.evaluate.splits import group_split
from eddyline.features.sets import BY_STEPS, flow_set
from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows
from eddyline.tables import Integers

TEST_SHARE: Final = 0.3
"""Share of the rows that tests where the data set has no test part of its own."""

EMBARGO_US: Final = 3_600_000_000
"""Time before the test part that no row is learned from, µs: the longest window of the features."""

FEATURES: Final = "around"
"""Set of features of the tasks that are made of flows."""

SESSIONS: Final = BY_STEPS["rnn"]
"""Set of features of the methods that read the steps of a session."""

MINUTE_US: Final = 60_000_000

SWEEP_HOSTS: Final = 100
"""Distinct destinations a minute at which a maintained public rule names a source a scanner."""

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True)
class LabelledFlows:
    """Flows of one capture or day, with what their labels say.

    Parameters
    ----------
    frame
        Flows with the columns of the record, by ``ts_end``.
    attack
        Truth of each flow; null where the label neither confirms nor refutes.
    kind
        Class that classifiers learn.
    name
        Name of the attack.
    """

    frame: pl.DataFrame
    attack: pl.Series
    kind: NDArray[np.str_]
    name: NDArray[np.str_]


def luflow_day(data: Path, day: str) -> LabelledFlows:
    """Read a day; outliers count as attacks.

    Parameters
    ----------
    data
        Folder with ``luflow``.
    day
        Such as ``2020.07.08``.

    Raises
    ------
    InputError
        When the day is absent or has no labels.
    """
    batch = luflow.read_day(data / "luflow", day)
    if batch.labels is None:
        message = f"{day} of LUFlow must have labels, has none; use the published file"
        raise InputError(message)
    label = batch.labels["label"]
    kind = label.to_numpy().astype(np.str_)
    kind[kind == "benign"] = NORMAL
    return LabelledFlows(batch.frame, label != "benign", kind, kind)


def luflow_parts(task: luflow.Task) -> Callable[[Path, int], Drawn]:
    """Give what draws a task of LUFlow: a later day judged by earlier ones, outliers counted as attacks.

    Parameters
    ----------
    task
        Which days.
    """

    def draw(data: Path, seed: int) -> Drawn:
        days = [luflow_day(data, day) for day in task.train]
        whole = np.concatenate([np.full(day.frame.height, i) for i, day in enumerate(days)])
        keys = np.concatenate([block_groups(day.frame) for day in days])
        groups = combined(whole, keys)
        inside, outside = validation(groups, np.concatenate([day.kind for day in days]), seed)
        train = joined([_whole(day, i) for i, day in enumerate(days)])
        last = luflow_day(data, task.test)
        sides = rows_of(train, inside), rows_of(train, outside), joined([_whole(last, 0)])
        return Drawn(*sides, flow_set(FEATURES).names, _span([last]))

    return draw


def captures(data: Path, names: Sequence[str] = tuple(CAPTURES)) -> list[LabelledFlows]:
    """Read labelled captures.

    Parameters
    ----------
    data
        Folder with ``zeek``.
    names
        Names of ``sequences.CAPTURES``.

    Raises
    ------
    InputError
        When one has no labels.
    """
    found = []
    for name in names:
        file = CAPTURES[name]
        batch = FlowBatch.concat(list(read_flows(data / "zeek" / file)))
        if batch.labels is None:
            message = f"{file} must have labels, has none; use the labelled log"
            raise InputError(message)
        order = np.argsort(batch.frame["ts_end"].to_numpy(), kind="stable")
        told = meaning(batch.labels)[order]
        title = told["attack_class"].fill_null(NORMAL).to_numpy().astype(np.str_)
        title = np.where(title == "attack", f"malicious ({name})", title)
        kind = np.where(told["attack"].fill_null(value=False).to_numpy(), "attack", NORMAL)
        found.append(LabelledFlows(batch.frame[order], told["attack"], kind, title))
    return found


def zeek_group(data: Path, seed: int) -> Drawn:
    """Part pooled captures by source and network of the destination, anew with every seed.

    Parameters
    ----------
    data
        Folder with ``zeek``.
    seed
        Draws the groups that test and those that validate.
    """
    read = captures(data)
    known = [~one.attack.is_null().to_numpy() for one in read]
    keys = [network_groups(one.frame) for one in read]
    owner = np.concatenate([np.full(len(key), i) for i, key in enumerate(keys)])
    groups = combined(owner, np.concatenate(keys))
    name = np.concatenate([one.name for one in read])
    labelled = np.flatnonzero(np.concatenate(known))
    outer = group_split(groups[labelled], name[labelled], share=TEST_SHARE, seed=seed)
    train = labelled[outer.train]
    held = validation(groups[train], name[train], seed)
    return _zeek(read, owner, train, labelled[outer.validation], held)


def zeek_time(data: Path, seed: int) -> Drawn:
    """Test on the last part of each capture.

    Parameters
    ----------
    data
        Folder with ``zeek``.
    seed
        Draws the groups that validate.
    """
    read = captures(data)
    owner = np.concatenate([np.full(one.frame.height, i) for i, one in enumerate(read)])
    early, late = [], []
    for one in read:
        start, end = one.frame["ts"].to_numpy(), one.frame["ts_end"].to_numpy()
        known = ~one.attack.is_null().to_numpy()
        cut = np.quantile(start[known], 1 - TEST_SHARE)
        early.append(known & (end < cut - EMBARGO_US))
        late.append(known & (start >= cut))
    keys = [block_groups(one.frame) for one in read]
    groups = combined(owner, np.concatenate(keys))
    train = np.flatnonzero(np.concatenate(early))
    name = np.concatenate([one.name for one in read])
    held = validation(groups[train], name[train], seed)
    return _zeek(read, owner, train, np.flatnonzero(np.concatenate(late)), held)


def zeek_rows(data: Path, seed: int) -> Drawn:
    """Deal single rows at random, as much of the literature does; features know the whole capture.

    Parameters
    ----------
    data
        Folder with ``zeek``.
    seed
        Draws the rows.
    """
    read = captures(data)
    pooled = joined([_whole(one, i) for i, one in enumerate(read)])
    known = np.concatenate([~one.attack.is_null().to_numpy() for one in read])
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(known))
    n_test = round(TEST_SHARE * len(rows))
    n_held = round(VALIDATION * (len(rows) - n_test))
    test, held, fit = np.split(rows, [n_test, n_test + n_held])
    sides = [rows_of(pooled, np.sort(side)) for side in (fit, held, test)]
    days = _span(read) * TEST_SHARE
    return Drawn(sides[0], sides[1], sides[2], flow_set(FEATURES).names, days)


def _zeek(
    read: Sequence[LabelledFlows],
    owner: Integers,
    train: Integers,
    test: Integers,
    held: tuple[Integers, Integers],
) -> Drawn:
    """Compute the features of both sides; ``train`` and ``test`` rise, ``held`` counts among ``train``."""
    made = []
    for rows in (train, test):
        side = np.zeros(len(owner), np.bool_)
        side[rows] = True
        parts = [_part(one, side[owner == i], i) for i, one in enumerate(read)]
        made.append(joined(parts))
    days = _span(read) * (len(test) / (len(train) + len(test)))
    sides = rows_of(made[0], held[0]), rows_of(made[0], held[1]), made[1]
    return Drawn(*sides, flow_set(FEATURES).names, days)


def _whole(flows: LabelledFlows, number: int) -> Part | None:
    return _part(flows, np.ones(flows.frame.height, np.bool_), number)


def _part(flows: LabelledFlows, side: NDArray[np.bool_], number: int) -> Part | None:
    """Compute the features of the flows on one side; None when there are none."""
    if not side.any():
        return None
    frame = flows.frame.filter(side)
    fan_out = frame.select(
        pl.col("dst_ip").n_unique().over("src_ip", pl.col("ts_end") // MINUTE_US)
    )
    hosts = fan_out.to_series().cast(pl.Float64).to_numpy()
    total = pl.col("bytes_out").fill_null(0) + pl.col("bytes_in").fill_null(0)
    trivial = {
        "bytes": frame.select(total.cast(pl.Float64)).to_series().to_numpy(),
        "fan_out": hosts,
        "hosts_per_minute": (hosts >= SWEEP_HOSTS).astype(np.float64),
    }
    groups = network_groups(frame) + number * 10_000_000
    attack = flows.attack.filter(pl.Series(side)).fill_null(value=False).to_numpy()
    X = flow_set(FEATURES).update(frame).astype(np.float64)
    steps = flow_set(SESSIONS).update(frame).astype(np.float32)
    return Part(X, attack, flows.kind[side], flows.name[side], groups, trivial, steps)


def _span(parts: Sequence[LabelledFlows]) -> float:
    """Give the days that flows span, captures one after another."""
    spans = [
        int(one.frame["ts_end"].to_numpy().max()) - int(one.frame["ts"].to_numpy().min())
        for one in parts
    ]
    return sum(spans) / DAY_US


def parts_of_flows(flows: LabelledFlows, sides: Sequence[NDArray[np.bool_]]) -> list[Part]:
    """Give the parts of one capture or day, each with features of its own.

    Parameters
    ----------
    flows
        The capture or day.
    sides
        True for the flows of each part, at least one.
    """
    return [joined([_part(flows, side, 0)]) for side in sides]
