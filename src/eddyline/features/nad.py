"""The feature sets of the NAD system: from flows to a matrix, for a whole file or batch after batch.

What belongs here: which state a set needs, and in which order things are computed. What does not: names
(``nad_names.py``) and kernels (``window.py``, ``runs.py``, ``nad_rows.py``).

Two forms: *causal* values know nothing after their flow, so a live stream has them; values that *look ahead*
are those of the article, over the segment that a flow belongs to. A model is served with the form it was
trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DataError, UsageError
from eddyline.features.nad_extras import (
    address_extras,
    file_extras,
    flow_extras,
    probe_extras,
    sweep_extra,
)
from eddyline.features.nad_input import INSIDE, IS_V4, NadInput, nad_input
from eddyline.features.nad_options import NadOptions
from eddyline.features.nad_rows import write_rows
from eddyline.features.runs import GAP_US, Runs, SegmentRuns
from eddyline.features.window import Counters, WindowCounters
from eddyline.tables import Integers

CHUNK_ROWS: Final = 1 << 15
"""Flows whose features are in memory at once: their 15 MB are used again, larger arrays are fresh."""

HOUR_GAP_US: Final = 3_600_000_000

Matrix = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NadTable:
    """Features of flows, in the order of the flows that were given.

    Parameters
    ----------
    X
        Shape ``(n, d)``, float32, finite.
    names
        One name a column.
    """

    X: Matrix
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.X)


class NadStream:
    """Make causal features batch after batch; cutting the input elsewhere changes no bit.

    Parameters
    ----------
    options
        A causal set.

    Raises
    ------
    UsageError
        When the options look ahead.
    """

    def __init__(self, options: NadOptions | None = None) -> None:
        self.options = options or NadOptions()
        if self.options.form != "causal":
            message = (
                f"a stream must have causal features, got {self.options.form!r}; "
                "use nad_table or nad_chunks for a whole file"
            )
            raise UsageError(message)
        self._state = _State(self.options)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of X."""
        return self.options.names

    @property
    def lost(self) -> dict[str, int]:
        """What the bounds of memory cost so far, by kind; see ``window.py`` and ``runs.py``."""
        return self._state.lost

    def update(self, flows: pl.DataFrame | NadInput) -> NadTable:
        """Give the features of the next flows.

        Parameters
        ----------
        flows
            In order of time: a frame with the columns of the record, or what ``nad_input`` made of one.

        Raises
        ------
        DataError
            When the set needs IPv4 addresses and one is not.
        """
        ready = flows if isinstance(flows, NadInput) else nad_input(flows)
        _check_addresses(ready, self.options)
        return NadTable(self._state.causal(ready), self.options.names)


def nad_table(flows: pl.DataFrame | NadInput, options: NadOptions | None = None) -> NadTable:
    """Give the features of a whole input, in either form.

    Parameters
    ----------
    flows
        A frame with the columns of the record, or what ``nad_input`` made of one, in any order.
    options
        See ``NadOptions``.

    Raises
    ------
    DataError
        When the set needs IPv4 addresses and one is not.

    Examples
    --------
    >>> from eddyline.testing import traffic
    >>> table = nad_table(traffic.quiet(n_hosts=2, hours=0.1).frame)
    >>> table.X.shape[1], table.names[0], table.names[-1]
    (113, 'cnt_dst', 'ratio_total__duration')
    """
    chosen = options or NadOptions()
    ready = flows if isinstance(flows, NadInput) else nad_input(flows)
    order = None
    if len(ready) and (np.diff(ready.t_us) < 0).any():
        order = np.argsort(ready.t_us, kind="stable")
        ready = ready.take(order)
    parts = list(nad_chunks(lambda: [ready], chosen, chunk_rows=max(1, len(ready))))
    X = parts[0].X if parts else np.empty((0, len(chosen.names)), dtype=np.float32)
    if order is not None:
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        X = X[back]
    return NadTable(X, chosen.names)


def nad_chunks(
    batches: Callable[[], Iterable[NadInput]],
    options: NadOptions | None = None,
    *,
    chunk_rows: int = CHUNK_ROWS,
) -> Iterator[NadTable]:
    """Give the features of an input piece by piece, so that the whole matrix is never in memory.

    Parameters
    ----------
    batches
        Gives the input from its start, in order of time, each time it is called: once for a causal set, twice
        for one that looks ahead, which keeps 8 bytes a flow between the two.
    options
        See ``NadOptions``; a set with extras of the whole file takes one batch alone.
    chunk_rows
        Flows of a piece at the most, ``>= 1``.

    Raises
    ------
    DataError
        When the set needs IPv4 addresses and one is not.
    UsageError
        When extras of the whole file are asked for and there is more than one batch.
    """
    chosen = options or NadOptions()
    state = _State(chosen)
    if chosen.form == "causal":
        for flows in _pieces(batches(), chunk_rows):
            _check_addresses(flows, chosen)
            yield NadTable(state.causal(flows), chosen.names)
        return
    runs = _whole_runs(batches(), chosen, chunk_rows)
    for flows, own in zip(_batches(batches()), runs, strict=True):
        _check_addresses(flows, chosen)
        yield from state.ahead(flows, own, chunk_rows)


# ------------------------------------------------------------------ state


class _State:
    """Counters and runs of one input."""

    def __init__(self, options: NadOptions) -> None:
        self.options = options
        self.counters = WindowCounters(options.window)
        self.runs = _run_states(options)
        self.before: tuple[int, int] | None = None

    @property
    def lost(self) -> dict[str, int]:
        lost = {f"window {name}": count for name, count in self.counters.lost.items()}
        for runs in self.runs:
            for name, count in runs.lost.items():
                lost[f"segment {name}"] = lost.get(f"segment {name}", 0) + count
        return lost

    def count(self, flows: NadInput) -> Counters:
        """Give the window counters, or those that the source gave."""
        if flows.counters is not None:
            return flows.counters
        flags = flows.facts.flags
        masks: dict[str, Any] = {}
        if not (flags & INSIDE).all():
            masks = {
                "inside_src": (flags[flows.src] & INSIDE) != 0,
                "inside_dst": (flags[flows.dst] & INSIDE) != 0,
            }
        return self.counters.update(
            flows.t_us, flows.src_keys(), flows.dst_keys(), flows.spt, flows.dpt, **masks
        )

    def causal(self, flows: NadInput) -> Matrix:
        """Give the features of the next flows."""
        runs = [state.update(*keys)[0] for state, keys in _run_keys(flows, self.runs)]
        return self.rows(flows, self.count(flows), runs)

    def ahead(self, flows: NadInput, runs: list[_Ahead], chunk_rows: int) -> Iterator[NadTable]:
        """Give the features of the next flows whose runs are known."""
        names = self.options.names
        if self.options.features.endswith("+"):
            counters = self.count(flows)
            own = self.rows(flows, counters, [each.of(slice(None)) for each in runs])
            whole = [own, file_extras(flows, counters)]
            if self.options.with_ip:
                whole.append(probe_extras(flows))
            if self.options.sweep and self.options.with_ip:
                whole = [own[:, :-1], *whole[1:], own[:, -1:]]
            yield NadTable(np.concatenate(whole, axis=1), names)
            return
        for at in range(0, len(flows), chunk_rows):
            part = slice(at, at + chunk_rows)
            few = flows.take(part)
            yield NadTable(self.rows(few, self.count(few), [r.of(part) for r in runs]), names)

    def rows(self, flows: NadInput, counters: Counters, runs: list[Runs]) -> Matrix:
        """Put the columns together."""
        options, with_ip = self.options, self.options.with_ip
        extras: list[Matrix] = []
        if options.features.endswith("+"):
            extras = [address_extras(flows)] if with_ip else []
            extras.append(flow_extras(flows, runs[1], runs[2]))
        if options.sweep and with_ip:
            extras.append(sweep_extra(flows, self.before))
            if len(flows):
                v4 = flows.facts.v4
                self.before = (int(v4[flows.src[-1]]), int(v4[flows.dst[-1]]))
        width = 113 if with_ip else 100
        X = np.empty((len(flows), width + sum(e.shape[1] for e in extras)), dtype=np.float32)
        write_rows(flows, counters, runs[0], X, with_ip=with_ip, fold_apps=options.fold_apps)
        for extra in extras:
            X[:, width : width + extra.shape[1]] = extra
            width += extra.shape[1]
        return X


def _run_states(options: NadOptions) -> list[SegmentRuns]:
    """Give the states of the runs that a set needs."""
    gaps = [options.gap_us]
    if options.features.endswith("+"):
        gaps += [GAP_US, HOUR_GAP_US]
    return [SegmentRuns(gap) for gap in gaps]


def _run_keys(
    flows: NadInput, states: list[SegmentRuns]
) -> list[tuple[SegmentRuns, tuple[Any, ...]]]:
    """Give what each state counts of the next flows: by source and network, then by the source alone."""
    src, dst = flows.src_keys(), flows.dst_keys()
    nets = [flows.facts.net[flows.dst], *[np.zeros_like(src)] * (len(states) - 1)]
    return [
        (state, (flows.t_us, src, net, dst, flows.spt, flows.dpt, flows.app_key))
        for state, net in zip(states, nets, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Ahead:
    """The runs of a batch that look ahead: the segment of each flow, and what all segments came to."""

    segment: Integers
    ends: Runs

    def of(self, rows: slice) -> Runs:
        """Give those of some of the flows."""
        return self.ends[self.segment[rows]]


def _whole_runs(
    batches: Iterable[NadInput], options: NadOptions, chunk_rows: int
) -> Iterator[list[_Ahead]]:
    """Give the runs that look ahead, batch by batch."""
    states = _run_states(options)
    found: list[list[Integers]] = []
    for number, flows in enumerate(_batches(batches)):
        if number and options.features.endswith("+"):
            message = (
                f"the extras of {options.features} that look ahead must see the whole file at once, got "
                "a second batch; use nad_table, or the causal form"
            )
            raise UsageError(message)
        parts = [
            [state.segments(*keys) for state, keys in _run_keys(few, states)]
            for few in _pieces([flows], chunk_rows)
        ]
        found.append([np.concatenate(own) for own in zip(*parts, strict=True)])
    return (
        [_Ahead(segment, state.ends) for segment, state in zip(own, states, strict=True)]
        for own in found
    )


def _batches(batches: Iterable[NadInput]) -> Iterator[NadInput]:
    """Leave out empty batches."""
    return (flows for flows in batches if len(flows))


def _pieces(batches: Iterable[NadInput], chunk_rows: int) -> Iterator[NadInput]:
    """Cut batches into pieces."""
    for flows in batches:
        for at in range(0, len(flows), chunk_rows):
            yield flows if len(flows) <= chunk_rows else flows.take(slice(at, at + chunk_rows))


def _check_addresses(flows: NadInput, options: NadOptions) -> None:
    """Check that every address is IPv4 where the set counts its bits."""
    if not options.with_ip:
        return
    flags = flows.facts.flags
    if (flags & IS_V4).all():
        return
    other = int((((flags[flows.src] & flags[flows.dst]) & IS_V4) == 0).sum())
    if other:
        plain = options.features.replace("nad113", "flow-noip")
        message = (
            f"the set {options.features} must have IPv4 addresses, {other:,} of {len(flows):,} flows "
            f"have others; use {plain}, which leaves out what only those addresses have"
        )
        raise DataError(message)
