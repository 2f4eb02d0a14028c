"""The time × group canvas as numbers: flows counted into rows of time and columns of groups.

What belongs here: which cell a flow falls into and what a cell says. What does not: colours and axes
(``picture.py``). Cost: some passes over arrays; no loop over flows.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError
from eddyline.tables import Floats, Integers

ColourBy = Literal["incident", "score", "label"]

OWN_SHARE: Final = 0.6
"""Part of the columns that the busiest groups have for themselves when there are too many groups."""

NETWORK_OF: Final = {"src_net": "src_ip", "dst_net": "dst_ip"}
"""Groups that are made from an address: its /24, or /64 in IPv6."""

Codes = NDArray[np.int32]
"""Numbers from 0 of groups, categories or cells."""

_IPV4: Final = re.compile(r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}")
_CHUNK: Final = 1_000_000
_STRAY_SPAN: Final = 20
_SAMPLE: Final = 100_000


@dataclass(frozen=True, slots=True)
class CanvasGrid:
    """Flows counted into cells.

    Parameters
    ----------
    counts
        Flows in each cell, shape ``(rows, columns)``; row 0 is the earliest.
    category
        Index into ``categories`` for each cell, −1 where no flow has one; the most frequent in the
        cell wins, a tie goes to the one that is rarer in the whole.
    categories
        Incident uids or labels, the most frequent first.
    score
        Highest score in each cell, NaN without; empty unless coloured by score.
    edges_us
        Shape ``(rows + 1,)``: row i holds ``edges_us[i] <= ts < edges_us[i + 1]``.
    names
        Name of each column.
    groups
        Groups that share each column, ``>= 1``.
    own
        Columns from 0 that belong to one group each; the rest are shared.
    outside
        Flows that are not drawn because their time lies far from all others.
    group
        Columns of the record that make a group.
    colour
        What ``category`` and ``score`` tell.
    """

    counts: Integers
    category: NDArray[np.int32]
    categories: tuple[str, ...]
    score: Floats
    edges_us: Integers
    names: tuple[str, ...]
    groups: Integers
    own: int
    outside: int
    group: tuple[str, ...]
    colour: ColourBy


def aggregate(
    frame: pl.DataFrame,
    group: Sequence[str] = ("dst_port",),
    rows: int = 240,
    columns: int = 160,
    colour: ColourBy = "incident",
) -> CanvasGrid:
    """Count flows into rows of time and columns of groups.

    Groups stand in the order of their first flow. When there are more groups than columns, the busiest
    have a column each, and the others share the rest in runs of that order, so that a sweep stays one
    connected run.

    Parameters
    ----------
    frame
        Flow verdicts of a scan, with ``ts``, the columns of ``group`` and the one named by ``colour``.
    group
        1 to 3 columns whose values together name a group; ``src_net`` and ``dst_net`` are made from
        addresses.
    rows, columns
        Size at the most, ``>= 1``; fewer columns when there are fewer groups.
    colour
        What a cell tells besides its count.

    Raises
    ------
    DataError
        When there is no flow, a size is below 1, the group is not of 1 to 3 columns, or one is missing.
    """
    _check(frame, group, rows, columns, colour)
    ts = frame["ts"].cast(pl.Int64).to_numpy()
    first, last = bounds(ts)
    edges = np.linspace(first, last + 1, rows + 1).astype(np.int64)
    groups = group_codes(frame, group)
    column, names, sharing, own = _columns(groups, columns)
    cell = _cells(ts, edges, column, groups.codes)
    inside = cell >= 0
    outside = len(inside) - int(np.count_nonzero(inside))
    values = frame[colour]
    if outside:
        cell, values = cell[inside], values.filter(pl.Series(inside))
    shape = (rows, len(names))
    size = rows * len(names)
    category: Codes = np.full(size, -1, dtype=np.int32)
    categories: tuple[str, ...] = ()
    score = np.empty((0, 0))
    if colour == "score":
        score = _highest(cell, values, size).reshape(shape)
    else:
        category, categories = _winners(cell, values, size)
    return CanvasGrid(
        counts=np.bincount(cell, minlength=size).reshape(shape).astype(np.int64),
        category=category.reshape(shape),
        categories=categories,
        score=score,
        edges_us=edges,
        names=names,
        groups=sharing,
        own=own,
        outside=outside,
        group=tuple(group),
        colour=colour,
    )


def _check(
    frame: pl.DataFrame, group: Sequence[str], rows: int, columns: int, colour: str
) -> None:
    if frame.height == 0:
        message = (
            "a canvas must have flows to draw, got none; leave it out when nothing was judged"
        )
        raise DataError(message)
    if min(rows, columns) < 1 or not 1 <= len(group) <= 3:
        message = (
            f"a canvas must have rows, columns and a group of 1 to 3 columns, got {rows} rows, "
            f"{columns} columns, group {tuple(group)}; pass at least one of each"
        )
        raise DataError(message)
    needed = ["ts", colour, *(NETWORK_OF.get(name, name) for name in group)]
    missing = [name for name in needed if name not in frame.columns]
    if missing:
        message = (
            f"flow verdicts must have the column {missing[0]!r} for this canvas, got "
            f"{frame.columns}; choose another group or colour"
        )
        raise DataError(message)


def bounds(ts: Integers) -> tuple[int, int]:
    """Give the interval to draw: all of it, unless a few stray clocks would squeeze the rest to a line.

    Parameters
    ----------
    ts
        Times, µs, at least one.
    """
    first, last = int(ts.min()), int(ts.max())
    low, high = np.quantile(ts[:: max(1, len(ts) // _SAMPLE)], [0.005, 0.995], method="nearest")
    margin = int(high - low)
    if margin > 0 and last - first > _STRAY_SPAN * margin:
        near = ts[(ts >= low - margin) & (ts <= high + margin)]
        return int(near.min()), int(near.max())
    return first, last


def _cells(ts: Integers, edges: Integers, column: Integers, codes: Codes) -> Codes:
    """Give each flow its cell, row × columns + column, or −1 outside the time that is drawn."""
    first, end, rows = int(edges[0]), int(edges[-1]), len(edges) - 1
    width = int(column.max()) + 1
    cell = np.empty(len(ts), dtype=np.int32)
    for start in range(0, len(ts), _CHUNK):
        part = slice(start, start + _CHUNK)
        row = ((ts[part] - first) * (rows / (end - first))).astype(np.int64)
        inside = (ts[part] >= first) & (ts[part] < end)
        place = np.minimum(row, rows - 1) * width + column[codes[part]]
        cell[part] = np.where(inside, place, -1)
    return cell


def _dense(values: Integers) -> tuple[Integers, Codes]:
    """Give the sorted distinct values and the place of each value among them."""
    low, high = int(values.min()), int(values.max())
    if high - low <= 4 * len(values) + 100_000:
        present = np.flatnonzero(np.bincount(values - low))
        place = np.zeros(high - low + 1, dtype=np.int32)
        place[present] = np.arange(len(present))
        return present + low, place[values - low]
    distinct, inverse = np.unique(values, return_inverse=True)
    return distinct, inverse.astype(np.int32)


def series_codes(series: pl.Series) -> tuple[Codes, list[str]]:
    """Count through the distinct values of a column from 0, and name them.

    Parameters
    ----------
    series
        Texts or whole numbers.
    """
    if not series.dtype.is_integer():
        series = series.cast(pl.Categorical())
    values = series.unique()
    physical = series.to_physical().cast(pl.Int64).fill_null(-1)
    distinct, codes = _dense(physical.to_numpy())
    texts = dict(
        zip(
            values.to_physical().cast(pl.Int64).fill_null(-1).to_list(),
            values.cast(pl.String).to_list(),
            strict=True,
        )
    )
    return codes, [texts[int(value)] or "none" for value in distinct]


def network(address: str) -> str:
    """Give the /24 of an IPv4 address, the /64 of an IPv6 address, or the text itself.

    Parameters
    ----------
    address
        Text from the record.
    """
    if _IPV4.fullmatch(address):
        return address.rpartition(".")[0] + ".0/24"
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed.packed, 64), strict=False))


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each flow, and the names from which a group's name is put together.

    Parameters
    ----------
    codes
        Number of each flow's group, from 0.
    keys
        For each group, its values in one number: base ``len(parts[i])`` for the i-th column.
    parts
        Names of the distinct values of each column.
    """

    codes: Codes
    keys: Integers
    parts: tuple[list[str], ...]

    def name(self, code: int) -> str:
        """Give the name of one group.

        Parameters
        ----------
        code
            Its number, from 0.
        """
        key, names = int(self.keys[code]), []
        for texts in reversed(self.parts):
            key, place = divmod(key, len(texts))
            names.append(texts[place])
        return " · ".join(reversed(names))


def group_codes(frame: pl.DataFrame, group: Sequence[str]) -> Groups:
    """Give each flow its group.

    Parameters
    ----------
    frame
        Flows with the columns of the group.
    group
        Columns whose values together name a group.
    """
    codes: Codes = np.zeros(frame.height, dtype=np.int32)
    keys: Integers = np.zeros(1, dtype=np.int64)
    parts: list[list[str]] = []
    for name in group:
        more, texts = series_codes(frame[NETWORK_OF.get(name, name)])
        if name in NETWORK_OF:
            folded, place = np.unique([network(text) for text in texts], return_inverse=True)
            more, texts = place.astype(np.int32)[more], folded.tolist()
        pairs, codes = _dense(codes.astype(np.int64) * len(texts) + more)
        keys = keys[pairs // len(texts)] * len(texts) + pairs % len(texts)
        parts.append(texts)
    return Groups(codes, keys, tuple(parts))


def _columns(groups: Groups, columns: int) -> tuple[Integers, tuple[str, ...], Integers, int]:
    """Give each group its column, each column its name and number of groups, and the own columns."""
    n_groups, codes = len(groups.keys), groups.codes
    first = np.zeros(n_groups, dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # the last write, the earliest flow, stays
    order = np.argsort(first)
    column = np.empty(n_groups, dtype=np.int64)
    own, kept = n_groups, order
    if n_groups <= columns:
        column[order] = np.arange(n_groups)
    else:
        own = int(columns * OWN_SHARE)
        flows = np.bincount(codes, minlength=n_groups)
        busiest = np.zeros(n_groups, dtype=bool)
        busiest[np.argsort(-flows, kind="stable")[:own]] = True
        kept, rest = order[busiest[order]], order[~busiest[order]]
        column[kept] = np.arange(own)
        column[rest] = own + np.arange(len(rest)) * (columns - own) // len(rest)
    sharing = np.bincount(column)
    shared = [f"{number:,} groups" if number > 1 else "1 group" for number in sharing[own:]]
    return column, (*(groups.name(code) for code in kept.tolist()), *shared), sharing, own


def _winners(cell: Codes, values: pl.Series, size: int) -> tuple[Codes, tuple[str, ...]]:
    """Give each cell its most frequent value; a tie goes to the rarer one."""
    winners = np.full(size, -1, dtype=np.int32)
    known = values.is_not_null().to_numpy()
    if not known.any():
        return winners, ()
    codes, names = series_codes(values.drop_nulls())
    total = np.bincount(codes, minlength=len(names))
    order = np.argsort(-total, kind="stable")
    place = np.empty(len(names), dtype=np.int64)
    place[order] = np.arange(len(names))
    pairs, codes = _dense(cell[known].astype(np.int64) * len(names) + place[codes])
    counts = np.bincount(codes)
    at, value = np.divmod(pairs, len(names))
    ranked = np.lexsort((total[order][value], -counts, at))
    cells, firsts = np.unique(at[ranked], return_index=True)
    winners[cells] = value[ranked][firsts]
    return winners, tuple(names[i] for i in order)


def _highest(cell: Codes, scores: pl.Series, size: int) -> Floats:
    """Give each cell its highest score, NaN where no flow has one."""
    values = scores.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    highest = np.full(size, np.nan)
    known = np.isfinite(values)
    np.fmax.at(highest, cell[known], values[known])
    return highest
