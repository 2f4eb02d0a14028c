"""What an attacker may change about an attack without giving it up, and how far one day lies from another.

What belongs here: flows of an attack made fatter, slower or spread over sources, features moved to the
middle of normal, and the distance between two days. What does not: contamination of the training
(``contamination.py``), and any model: a probe gives flows or rows, and any model judges them.

A probe alters attack flows only, and needs the truth to know them; it is for judging rows alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from eddyline.errors import DataError, UsageError
from eddyline.evaluate.truth import JOIN_US
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import LABEL_SCHEMA
from eddyline.tables import Floats

Flags = NDArray[np.bool_]

PADDING: Final = (0.1, 0.5, 1.0)
"""Shares of bytes that padding adds."""

SLOWDOWN: Final = (2, 10, 100)
"""Times that gaps become longer."""

SPREAD: Final = (2, 5, 20)
"""Sources over which an attack is spread."""

BYTE_COLUMNS: Final = ("bytes_out", "bytes_in", "payload_out", "payload_in")

PSI_BINS: Final = 10
"""Bins of equal training share for the population stability index."""

PSI_FLOOR: Final = 1e-4
"""Share that an empty bin is taken for."""


@dataclass(frozen=True, slots=True)
class Probe:
    """One way to hide, at one level.

    Parameters
    ----------
    kind
        ``none``, ``padding``, ``slow`` or ``spread``.
    level
        How much; 0 for ``none``.
    apply
        Gives the altered flows: all of them, in event-time order.
    """

    kind: str
    level: float
    apply: Callable[[FlowBatch, Flags], FlowBatch]


def probes() -> list[Probe]:
    """Give every probe at its levels, the untouched flows first."""
    found = [Probe("none", 0, lambda flows, attack: flows)]  # noqa: ARG005 - all take both
    found += [Probe("padding", share, partial(padded, share=share)) for share in PADDING]
    found += [Probe("slow", times, partial(slowed, times=times)) for times in SLOWDOWN]
    found += [Probe("spread", n, partial(spread, sources=n)) for n in SPREAD]
    return found


def padded(flows: FlowBatch, attack: Flags, share: float) -> FlowBatch:
    """Add bytes to attack flows, both ways; counts of packets stay.

    Parameters
    ----------
    flows
        Flows of one stream.
    attack
        True where a flow is an attack's, shape ``(n,)``.
    share
        Bytes added, as a share of those there are, > 0.

    Raises
    ------
    UsageError
        When the share is not positive.
    DataError
        When the truth has another length.
    """
    mask = _checked(flows, attack, share, "a padding share must be > 0")
    grown = [
        pl.when(mask).then((pl.col(name) * (1.0 + share)).round()).otherwise(pl.col(name))
        .cast(flows.frame.schema[name]).alias(name)
        for name in BYTE_COLUMNS
    ]  # fmt: skip
    return FlowBatch(flows.frame.with_columns(grown), flows.labels)


def slowed(flows: FlowBatch, attack: Flags, times: float) -> FlowBatch:
    """Let the flows of an attack begin further apart; each flow keeps its length.

    An attack is what one source does in a run without a gap of a minute; its first flow stays where it is.

    Parameters
    ----------
    flows
        Flows of one stream.
    attack
        True where a flow is an attack's.
    times
        Gaps become this many times longer, > 1.

    Raises
    ------
    UsageError
        When gaps would not become longer.
    DataError
        When the truth has another length.
    """
    mask = _checked(flows, attack, times - 1.0, "gaps must become more than 1 times longer")
    frame = flows.frame.with_columns(mask.alias("_attack")).with_row_index("_row")
    theirs = frame.filter("_attack").sort("ts", "_row")
    gap = pl.col("ts").diff().over("src_ip").fill_null(0) > JOIN_US
    theirs = theirs.with_columns(gap.cum_sum().over("src_ip").alias("_run"))
    start = pl.col("ts").min().over("src_ip", "_run")
    moved = ((pl.col("ts") - start) * (times - 1.0)).round().cast(pl.Int64)
    shift = theirs.select("_row", moved.alias("_moved"))
    frame = frame.join(shift, on="_row", how="left", maintain_order="left")
    later = pl.col("_moved").fill_null(0)
    frame = frame.with_columns(pl.col("ts") + later, pl.col("ts_end") + later)
    return _ordered(frame.drop("_attack", "_moved"), flows)


def spread(flows: FlowBatch, attack: Flags, sources: int) -> FlowBatch:
    """Deal the flows of each attacking source to several sources, one after the other.

    The first of them is the source itself; the others are addresses that no flow has.

    Parameters
    ----------
    flows
        Flows of one stream.
    attack
        True where a flow is an attack's.
    sources
        Sources, > 1.

    Raises
    ------
    UsageError
        When there would be one source.
    DataError
        When the truth has another length.
    """
    mask = _checked(
        flows, attack, sources - 1.0, "an attack must be spread over more than 1 source"
    )
    kind = flows.frame.schema["src_ip"]
    names = pl.col("src_ip").cast(pl.String)
    frame = flows.frame.with_columns(mask.alias("_attack"))
    turn = (pl.int_range(pl.len()).over("src_ip", "_attack") % sources).alias("_turn")
    frame = frame.with_columns(turn)
    attackers = frame.filter("_attack").select(names).to_series().unique().sort().to_list()
    helpers = {
        (name, turn): f"198.18.{place % 250}.{turn}" if turn else name
        for place, name in enumerate(attackers)
        for turn in range(sources)
    }
    table = pl.DataFrame(
        {
            "_name": [name for name, _ in helpers],
            "_turn": pl.Series([turn for _, turn in helpers], dtype=pl.Int64),
            "_new": list(helpers.values()),
        },
        schema_overrides={"_name": pl.String, "_new": pl.String},
    )
    frame = frame.with_columns(names.alias("_name"), pl.col("_turn").cast(pl.Int64))
    frame = frame.join(table, on=["_name", "_turn"], how="left", maintain_order="left")
    new = pl.when("_attack").then("_new").otherwise("_name").cast(kind).alias("src_ip")
    altered = frame.with_columns(new).drop("_attack", "_turn", "_name", "_new")
    return FlowBatch(altered.select(flows.frame.columns), flows.labels)


def mimicry(
    X: ArrayLike, attack: ArrayLike, families: Mapping[str, Sequence[int]]
) -> dict[str, Floats]:
    """Move one family of features of the attack rows to the middle of the normal rows, family by family.

    Parameters
    ----------
    X
        Rows to judge, shape ``(n, d)``.
    attack
        True where a row is an attack's.
    families
        Places of the columns of each family.

    Returns
    -------
    dict
        The rows for each family; where a figure falls most, that family carries the detection.

    Raises
    ------
    DataError
        When there is no normal row to take the middle of.
    """
    rows, mask = np.asarray(X, dtype=np.float64), np.asarray(attack, bool)
    if mask.all():
        message = f"mimicry needs normal rows to move towards, got {len(mask)} attacks alone"
        raise DataError(message)
    middle = np.median(rows[~mask], axis=0)
    found = {}
    for name, columns in families.items():
        moved, places = rows.copy(), np.array(columns, dtype=np.int64)
        moved[np.ix_(np.flatnonzero(mask), places)] = middle[places]
        found[name] = moved
    return found


@dataclass(frozen=True, slots=True)
class Drift:
    """How far one column of a later day lies from the earlier one.

    Parameters
    ----------
    name
        The column.
    psi
        Population stability index over bins of equal earlier share; above 0.25 is usually called a shift.
    ks
        Largest difference of the two distribution functions, in [0, 1].
    """

    name: str
    psi: float
    ks: float


def drift(earlier: ArrayLike, later: ArrayLike, names: Sequence[str]) -> list[Drift]:
    """Give the distance of each column between two days, the largest index first.

    Parameters
    ----------
    earlier, later
        Rows of both days, shapes ``(n, d)`` and ``(m, d)``, finite.
    names
        Name of each column.

    Raises
    ------
    DataError
        When the shapes do not fit, or a day has no row.

    Examples
    --------
    >>> [round(one.ks, 2) for one in drift([[0.0], [1.0]], [[0.0], [5.0]], ["x"])]
    [0.5]
    """
    one, other = np.asarray(earlier, np.float64), np.asarray(later, np.float64)
    width = len(names)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != width or other.shape[1] != width:
        message = f"two days must have {width} columns each, got {one.shape} and {other.shape}"
        raise DataError(message)
    if not len(one) or not len(other):
        message = f"two days must have rows, got {len(one)} and {len(other)}"
        raise DataError(message)
    found = [
        Drift(n, _psi(a, b), _ks(a, b)) for n, a, b in zip(names, one.T, other.T, strict=True)
    ]
    return sorted(found, key=lambda one: -one.psi)


def _psi(earlier: Floats, later: Floats) -> float:
    edges = np.unique(np.quantile(earlier, np.arange(1, PSI_BINS) / PSI_BINS))
    shares = [
        np.bincount(np.searchsorted(edges, part, side="left"), minlength=len(edges) + 1)
        / len(part)
        for part in (earlier, later)
    ]
    before, after = (np.maximum(share, PSI_FLOOR) for share in shares)
    return float(((after - before) * np.log(after / before)).sum())


def _ks(earlier: Floats, later: Floats) -> float:
    values = np.concatenate([earlier, later])
    ranks = [
        np.searchsorted(np.sort(part), values, side="right") / len(part)
        for part in (earlier, later)
    ]
    return float(np.abs(ranks[0] - ranks[1]).max())


def _checked(flows: FlowBatch, attack: Flags, amount: float, rule: str) -> pl.Series:
    if not amount > 0:
        message = f"{rule}, got {amount:g} too little; see PADDING, SLOWDOWN and SPREAD"
        raise UsageError(message)
    if len(attack) != len(flows):
        message = f"a probe needs the truth of all {len(flows)} flows, got {len(attack)}"
        raise DataError(message)
    return pl.Series("_attack", np.asarray(attack, bool))


def _ordered(frame: pl.DataFrame, flows: FlowBatch) -> FlowBatch:
    """Bring altered flows back into event-time order, their labels with them."""
    order = frame.sort("ts_end", "ts", "_row")["_row"]
    back = frame.sort("_row").drop("_row")[order.to_list()].select(flows.frame.columns)
    labels = None if flows.labels is None else flows.labels[order.to_list()]
    return FlowBatch(back, labels if labels is None else labels.select(list(LABEL_SCHEMA)))
