"""Runs of flows of one group without a pause: how long each is and how many different things it touches.

What belongs here: the numbers of a segment, in the form that looks ahead and in the causal one. What does
not: the segment view, which has one row a segment (``segment.py``).

Source: Arjona-Medina et al., A Deep Learning Approach for Network Anomaly Detection, 2021: flows of one
source and one destination network that are less than a minute apart join, and each flow carries its
segment's length and its distinct destinations, ports and applications. A gap of exactly 60 s splits. The
causal form gives what is known up to the flow itself; at the last flow of a segment both agree.

State is bounded: a group that has paused is forgotten. Beyond ``max_groups`` a new group's flow is a segment
of its own, and beyond ``max_values`` a value that is new counts as known; both are counted in ``lost``.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import UsageError
from eddyline.features.compiled import kernel, part, sealed
from eddyline.features.tables64 import FRESH, Table, bucket, remove, take
from eddyline.tables import Integers

RUN_NAMES: Final = ("len", "n_dst", "n_spt", "n_dpt", "n_app")
"""What each flow carries, in order."""

GAP_US: Final = 60_000_000
"""Gap that splits, µs."""

Runs = NDArray[np.int32]
"""Shape ``(n, 5)``, in the order of ``RUN_NAMES``."""

# Columns of a group: key and link, the network, the latest time, its segment's number, the five counts, the
# distinct values as a list, applications as bits, the values of the flow before, the first distinct values.
_NET, _LATEST, _UID, _COUNTS, _VALUES, _APPS, _BEFORE, _FEW = 2, 3, 4, 5, 10, 11, 12, 16
_SHORT = 8  # first distinct values of a kind, which stand in the group itself: most segments have no more
_GROUP_WIDTH = _FEW + 3 * _SHORT

# Columns of a value: key (of segment, kind and value), link, the exact value, its segment and kind, next of
# the segment's values.
_VALUE, _OWNER, _NEXT_VALUE = 2, 3, 4
_VALUE_WIDTH = 5

_NEXT_UID, _NEXT_SWEEP, _LOST_GROUPS, _LOST_VALUES, _NOW = range(5)


class SegmentRuns:
    """Carry the runs of groups from batch to batch; cutting the input elsewhere changes no value.

    Parameters
    ----------
    gap_us
        Gap that splits, µs, ``> 0``.
    max_groups
        Groups with a segment that may still go on, at the most, ``>= 1``.
    max_values
        Distinct values of all those segments, at the most, ``>= 1``.

    Examples
    --------
    >>> t = np.array([1, 2, 3, 7, 8, 9, 10, 15])
    >>> dst, zero = np.array([1, 2, 2, 3, 3, 4, 5, 1]), np.zeros(8, dtype=np.int64)
    >>> runs, segment = SegmentRuns(gap_us=4).update(t, zero, zero, dst, zero, zero, zero)
    >>> runs[:, 1].tolist()
    [1, 2, 2, 1, 1, 2, 3, 1]
    >>> whole = SegmentRuns(gap_us=4)
    >>> segment = whole.segments(t, zero, zero, dst, zero, zero, zero)
    >>> whole.ends[segment][:, 0].tolist()
    [3, 3, 3, 4, 4, 4, 4, 1]
    """

    def __init__(
        self, gap_us: int = GAP_US, *, max_groups: int = 1 << 20, max_values: int = 1 << 22
    ) -> None:
        if min(gap_us, max_groups, max_values) < 1:
            message = (
                f"the gap and the bounds of segments must be positive, got {gap_us} µs, {max_groups}, "
                f"{max_values}; {GAP_US} µs is usual"
            )
            raise UsageError(message)
        self.gap_us = gap_us
        self._groups = Table(_GROUP_WIDTH, max_groups)
        self._values = Table(_VALUE_WIDTH, max_values)
        self._ends: Runs = np.zeros((0, 5), dtype=np.int32)
        self._counts: Integers = np.zeros(5, dtype=np.int64)
        self._counts[_NEXT_SWEEP] = np.iinfo(np.int64).min

    @property
    def lost(self) -> dict[str, int]:
        """What the bounds cost so far: flows without a group, values that were not counted."""
        return {
            "groups": int(self._counts[_LOST_GROUPS]),
            "values": int(self._counts[_LOST_VALUES]),
        }

    def update(
        self,
        t_us: Integers,
        src: Integers,
        net: Integers,
        dst: Integers,
        spt: NDArray[Any],
        dpt: NDArray[Any],
        app: Integers,
    ) -> tuple[Runs, Integers]:
        """Give the causal values of the next flows, and the number of each flow's segment.

        Parameters
        ----------
        t_us
            Times in order, µs, shape ``(n,)``; a flow that comes late joins its group's open segment.
        src, net
            What makes a group, as numbers that mean the same in every batch.
        dst, app
            What is counted, as numbers that mean the same in every batch.
        spt, dpt
            Ports, 0 without.

        Returns
        -------
        tuple
            Shape ``(n, 5)`` in the order of ``RUN_NAMES``; shape ``(n,)``, from 0 in order of first flows.
        """
        out = np.zeros((len(t_us), 5), dtype=np.int32)
        segment = np.zeros(len(t_us), dtype=np.int64)
        self._count(t_us, (src, net, dst, *_ports(spt, dpt), app), out, segment)
        return out, segment

    def segments(
        self,
        t_us: Integers,
        src: Integers,
        net: Integers,
        dst: Integers,
        spt: NDArray[Any],
        dpt: NDArray[Any],
        app: Integers,
    ) -> Integers:
        """Give the number of each flow's segment, and keep the values of the segments for ``ends``.

        Parameters
        ----------
        t_us, src, net, dst, spt, dpt, app
            As for ``update``; an input is given to one of the two.

        Returns
        -------
        Integers
            Shape ``(n,)``, from 0 in order of first flows.
        """
        needed = int(self._counts[_NEXT_UID]) + len(t_us)
        if needed > len(self._ends):
            wider = np.zeros((max(needed, 2 * len(self._ends)), 5), dtype=np.int32)
            wider[: len(self._ends)] = self._ends
            self._ends = wider
        segment = np.zeros(len(t_us), dtype=np.int64)
        keys = (src, net, dst, *_ports(spt, dpt), app)
        self._count(t_us, keys, np.zeros((0, 5), dtype=np.int32), segment)
        return segment

    @property
    def ends(self) -> Runs:
        """What each segment of ``segments`` came to so far: of the whole segment when the input is over."""
        rows = self._groups.rows[: int(self._groups.meta[FRESH])]
        still_open = rows[rows[:, _COUNTS] > 0]
        self._ends[still_open[:, _UID]] = still_open[:, _COUNTS : _COUNTS + 5]
        return self._ends[: int(self._counts[_NEXT_UID])]

    def _count(self, t_us: Integers, keys: tuple[Any, ...], out: Runs, segment: Integers) -> None:
        """Carry the flows into the tables."""
        bounds = np.array([self.gap_us, self._groups.most, self._values.most], dtype=np.int64)
        (t_us,), keys = sealed(t_us), sealed(*keys)
        at = 0
        while at < len(t_us):
            g, v = self._groups, self._values
            tables = ((g.rows, g.heads, g.meta), (v.rows, v.heads, v.meta), self._ends)
            at = _run(at, t_us, keys, bounds, tables, self._counts, out, segment)
            if at < len(t_us):
                for table in (g, v):
                    if 4 * table.room() < len(table.rows):
                        table.grow()


def _ports(spt: NDArray[Any], dpt: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return spt.astype(np.int32, copy=False), dpt.astype(np.int32, copy=False)


# ------------------------------------------------------------------ kernel


@kernel
def _run(
    at: int,
    t_us: Any,
    keys: Any,
    bounds: Any,
    tables: Any,
    counts: Any,
    out: Any,
    segment: Any,
) -> Any:
    """Count flows from ``at`` on; gives the first flow for which there is no room yet, or their number."""
    src, net, dst, spt, dpt, app = keys
    groups, ends = tables[0][0], tables[2]
    for i in range(at, len(t_us)):
        counts[_NOW] = max(t_us[i], counts[_NOW]) if counts[_NEXT_UID] else t_us[i]
        if _lacks_room(bounds, tables, counts):
            return i
        group = _group(src[i], net[i], t_us[i], bounds, tables, counts)
        if group < 0:  # no room for one more group
            segment[i] = counts[_NEXT_UID]
            for k in range(5):
                if len(out):
                    out[i, k] = 1
                if len(ends):
                    ends[segment[i], k] = 1
            counts[_NEXT_UID] += 1
            continue
        row = groups[group]
        row[_LATEST] = max(row[_LATEST], t_us[i])
        row[_COUNTS] += 1
        fresh = row[_COUNTS] == 1
        _touch(group, 1, dst[i], fresh, bounds[2], tables, counts)
        _touch(group, 2, np.int64(spt[i]), fresh, bounds[2], tables, counts)
        _touch(group, 3, np.int64(dpt[i]), fresh, bounds[2], tables, counts)
        if 0 <= app[i] < 63:
            bit = np.int64(1) << app[i]
            row[_COUNTS + 4] += (row[_APPS] & bit) == 0
            row[_APPS] |= bit
        else:
            _touch(group, 4, app[i], False, bounds[2], tables, counts)
        segment[i] = row[_UID]
        if len(out):
            for k in range(5):
                out[i, k] = row[_COUNTS + k]
    return len(t_us)


@part
def _close(group: int, tables: Any) -> None:
    """Write what a segment came to, where that is wanted, and forget its values."""
    row, ends = tables[0][0][group], tables[2]
    if len(ends):
        for k in range(5):
            ends[row[_UID], k] = row[_COUNTS + k]
    _forget_values(group, tables)


@part
def _lacks_room(bounds: Any, tables: Any, counts: Any) -> Any:
    """Tell whether a table is full and may grow; paused groups are forgotten before."""
    groups, values = tables[0], tables[1]
    full = len(groups[0]) == groups[2][2] or len(values[0]) - values[2][2] < 4
    if not full:
        return False
    if counts[_NOW] >= counts[_NEXT_SWEEP]:
        _sweep(bounds[0], tables, counts)
    # A sweep that frees little would soon be due again, so a table grows from three quarters on.
    more_groups = 4 * groups[2][2] > 3 * len(groups[0]) and len(groups[0]) < bounds[1]
    more_values = 4 * values[2][2] > 3 * len(values[0]) and len(values[0]) < bounds[2]
    return more_groups or more_values


@part
def _sweep(gap: int, tables: Any, counts: Any) -> None:
    """Forget the groups that have paused; until the next one can have, there is no other sweep."""
    rows, heads, meta = tables[0]
    counts[_NEXT_SWEEP] = np.int64(1) << 62
    for at in range(meta[1]):
        if rows[at, _COUNTS] == 0:
            continue
        if counts[_NOW] - rows[at, _LATEST] >= gap:
            _close(at, tables)
            remove(at, rows, heads, meta)
            rows[at, _COUNTS] = 0
        else:
            counts[_NEXT_SWEEP] = min(counts[_NEXT_SWEEP], rows[at, _LATEST] + gap)


@part
def _group(source: int, net: int, now: int, bounds: Any, tables: Any, counts: Any) -> Any:
    """Find the group of a flow with its open segment, or begin one; −1 when there is no room."""
    rows, heads, meta = tables[0]
    key = source * 0x100000001B3 ^ net
    at = np.int64(heads[bucket(key, heads)])
    while at >= 0 and not (rows[at, 0] == key and rows[at, _NET] == net):
        at = rows[at, 1]
    if at >= 0 and now - rows[at, _LATEST] < bounds[0]:
        return at
    if at >= 0:
        _close(at, tables)
    else:
        if meta[2] >= bounds[1]:
            counts[_LOST_GROUPS] += 1
            return -1
        at = take(rows, meta)
        place = bucket(key, heads)
        rows[at, 0] = key
        rows[at, 1] = heads[place]
        heads[place] = at
        rows[at, _NET] = net
    rows[at, _LATEST] = now
    rows[at, _UID] = counts[_NEXT_UID]
    counts[_NEXT_UID] += 1
    rows[at, _COUNTS : _COUNTS + 5] = 0
    rows[at, _VALUES] = -1
    rows[at, _APPS] = 0
    return at


@part
def _touch(
    group: int, kind: int, value: int, fresh: bool, most: int, tables: Any, counts: Any
) -> None:
    """Count a value of a segment when it is new there."""
    row = tables[0][0][group]
    if not fresh and kind < 4 and row[_BEFORE + kind - 1] == value:
        return
    row[_BEFORE + kind - 1] = value
    if kind < 4:
        seen, first = row[_COUNTS + kind], _FEW + _SHORT * (kind - 1)
        for k in range(min(seen, _SHORT)):
            if row[first + k] == value:
                return
        if seen < _SHORT:
            row[first + seen] = value
            row[_COUNTS + kind] = seen + 1
            return
    rows, heads, meta = tables[1]
    owner = (row[_UID] << 2) | (kind - 1)
    key = owner * 0x100000001B3 ^ value
    at = np.int64(heads[bucket(key, heads)])
    while at >= 0 and not (rows[at, _VALUE] == value and rows[at, _OWNER] == owner):
        at = rows[at, 1]
    if at >= 0:
        return
    if meta[2] >= most:
        counts[_LOST_VALUES] += 1
        return
    at = take(rows, meta)
    place = bucket(key, heads)
    rows[at, 0] = key
    rows[at, 1] = heads[place]
    heads[place] = at
    rows[at, _VALUE] = value
    rows[at, _OWNER] = owner
    rows[at, _NEXT_VALUE] = row[_VALUES]
    row[_VALUES] = at
    row[_COUNTS + kind] += 1


@part
def _forget_values(group: int, tables: Any) -> None:
    """Forget the values of a segment that is over."""
    rows, heads, meta = tables[1]
    at = tables[0][0][group, _VALUES]
    while at >= 0:
        following = rows[at, _NEXT_VALUE]
        remove(at, rows, heads, meta)
        at = following
