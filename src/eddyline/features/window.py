"""The twelve window counters: how many partners and how many flows to one service, shortly before a flow.

What belongs here: the counters ``cnt_*`` and their bounded state. What does not: what is made of them
(``nad.py``).

Source of the counters: Ertoz, Eilertson, Lazarevic, Tan, Kumar et al., MINDS - Minnesota Intrusion Detection
System, 2004. Departures: the flow itself is not counted, and every address counts unless ``inside`` says
less.

The window of flow i holds the flows j before it, in (time, input order), with ``t_i − t_j < T``; tumbling
windows restart at whole multiples of T since the epoch. A ``_conn`` window holds the last N flows with the
same key address. State is bounded: beyond ``max_flows`` in the slow window the oldest leave early, and when
addresses or their latest flows do not fit, addresses are forgotten that have no flow in the window; both are
counted in ``lost``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import UsageError
from eddyline.features.compiled import sealed
from eddyline.features.tables64 import Pool, Table
from eddyline.features.window_kernel import (
    ADDRESS_WIDTH,
    LATE,
    LOG_END,
    LOG_FAST,
    LOG_SLOW,
    LOST_FLOWS,
    NOW,
    PAIR_WIDTH,
    SERVICE_WIDTH,
    SHORT,
    count_flows,
)
from eddyline.tables import Integers

Counters = NDArray[np.int32]
"""Shape ``(n, 12)``, in the order of ``COUNTERS``."""

COUNTERS: Final = tuple(
    f"cnt_{what}{window}"
    for window in ("", "_slow", "_conn")
    for what in ("dst", "src", "serv_src", "serv_dst")
)
"""Names of the counters, in the order of the columns of the NAD files."""

Few = tuple[NDArray[np.uint16], NDArray[np.int32]]
"""Ports and pairs of the short rings, shape ``(addresses, 2, SHORT)``."""

Many = tuple[NDArray[np.uint16], NDArray[np.int32]]
"""Ports and pairs of the long rings, shape ``(rings, n_conn)``."""

WindowKind = Literal["sliding", "tumbling"]


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How wide the windows are, and how much may be remembered.

    Parameters
    ----------
    fast_us, slow_us
        Widths of the time windows, µs, ``0 < fast_us <= slow_us``.
    n_conn
        Flows of a ``_conn`` window, ``>= 1``.
    kind
        Sliding, or tumbling: restarting at whole multiples of the width.
    max_flows
        Flows of the slow window that are kept, ``>= 1``.
    max_addresses
        Addresses that are remembered, ``>= 4``.
    max_rings
        Addresses, as source or as destination, of which more than 8 flows are remembered, ``>= 2``.
    """

    fast_us: int = 5_000_000
    slow_us: int = 60_000_000
    n_conn: int = 100
    kind: WindowKind = "sliding"
    max_flows: int = 1 << 20
    max_addresses: int = 1 << 20
    max_rings: int = 1 << 18

    def __post_init__(self) -> None:
        """Check the sizes."""
        widths = 0 < self.fast_us <= self.slow_us and self.n_conn >= 1
        sizes = self.max_flows >= 1 and self.max_addresses >= 4 and self.max_rings >= 2
        whole = self.kind == "sliding" or self.slow_us % max(self.fast_us, 1) == 0
        if not (widths and sizes and whole) or self.kind not in ("sliding", "tumbling"):
            message = (
                "window settings must be positive, the slow window wider than the fast one and, when "
                f"tumbling, a multiple of it, got {self}; the defaults are 5 s, 60 s and 100 flows"
            )
            raise UsageError(message)


class WindowCounters:
    """Count over windows, batch after batch; cutting the input elsewhere changes no value.

    Parameters
    ----------
    settings
        See ``WindowSettings``.

    Examples
    --------
    >>> counters = WindowCounters()
    >>> t, zero, port = np.array([0, 1]), np.array([0, 0]), np.array([22, 22])
    >>> counters.update(t, np.array([1, 1]), np.array([2, 3]), zero, port)[:, :4].tolist()
    [[0, 0, 0, 0], [1, 0, 1, 0]]
    """

    def __init__(self, settings: WindowSettings | None = None) -> None:
        self.settings = settings or WindowSettings()
        most_rows = (
            self.settings.max_flows
            + self.settings.n_conn * self.settings.max_rings
            + 2 * SHORT * self.settings.max_addresses
        )
        self._addresses = Table(ADDRESS_WIDTH, self.settings.max_addresses)
        self._pairs = Table(PAIR_WIDTH, most_rows + 1)
        self._services = Table(SERVICE_WIDTH, 2 * self.settings.max_flows + 2)
        self._rings = Pool(2, self.settings.max_rings)
        self._few: Few = (np.zeros((0, 2, SHORT), np.uint16), np.zeros((0, 2, SHORT), np.int32))
        self._many: Many = (
            np.zeros((0, self.settings.n_conn), np.uint16),
            np.zeros((0, self.settings.n_conn), np.int32),
        )
        self._fit()
        self._log: Integers = np.zeros((1024, 4), dtype=np.int64)
        self._counts: Integers = np.zeros(9, dtype=np.int64)
        self._counts[NOW] = np.iinfo(np.int64).min

    @property
    def lost(self) -> dict[str, int]:
        """What the bounds cost so far: flows that left early, addresses forgotten, flows that came late."""
        names = ("flows", "addresses", "late")
        values = self._counts[LOST_FLOWS : LATE + 1].tolist()
        return dict(zip(names, values, strict=True))

    def update(
        self,
        t_us: Integers,
        src: Integers,
        dst: Integers,
        spt: NDArray[Any],
        dpt: NDArray[Any],
        *,
        inside_src: NDArray[np.bool_] | None = None,
        inside_dst: NDArray[np.bool_] | None = None,
    ) -> Counters:
        """Give the counters of the next flows.

        Parameters
        ----------
        t_us
            Times in order, µs, shape ``(n,)``; an earlier one than before counts as that one.
        src, dst
            Addresses as numbers, the same for the same address in every batch.
        spt, dpt
            Ports, 0 without.
        inside_src, inside_dst
            True where an address counts as a partner; None for all.

        Returns
        -------
        Counters
            Shape ``(n, 12)``, in the order of ``COUNTERS``.
        """
        n = len(t_us)
        out = np.zeros((n, 12), dtype=np.int32)
        everywhere = np.ones(1, dtype=np.bool_)
        masks = sealed(
            everywhere if inside_src is None else inside_src,
            everywhere if inside_dst is None else inside_dst,
        )
        limits = np.array(
            [
                self.settings.fast_us,
                self.settings.slow_us,
                self.settings.n_conn,
                self.settings.kind == "tumbling",
                self.settings.max_flows,
                self.settings.max_addresses,
                self.settings.max_rings,
            ],
            dtype=np.int64,
        )
        ports = sealed(spt.astype(np.int32, copy=False), dpt.astype(np.int32, copy=False))
        t_us, src, dst = sealed(t_us, src, dst)
        at = 0
        while at < n:
            at = count_flows(
                at, t_us, src, dst, ports, masks, limits, self._tables(), self._counts, out
            )
            if at < n:
                self._grow()
        return out

    def _fit(self) -> None:
        """Give each address its short rings, and each long ring its arrays."""
        self._few = (
            _longer(self._few[0], len(self._addresses.rows)),
            _longer(self._few[1], len(self._addresses.rows)),
        )
        self._many = (
            _longer(self._many[0], len(self._rings.rows)),
            _longer(self._many[1], len(self._rings.rows)),
        )

    def _tables(self) -> tuple[Any, ...]:
        a, p, s, r = self._addresses, self._pairs, self._services, self._rings
        return (
            (a.rows, a.heads, a.meta),
            (p.rows, p.heads, p.meta),
            (s.rows, s.heads, s.meta),
            (r.rows, r.heads, r.meta),
            self._log,
            *self._many,
            *self._few,
        )

    def _grow(self) -> None:
        """Make room for the next flow where it is lacking; the log keeps its flows at their numbers."""
        for table, needed in (
            (self._addresses, 2),
            (self._pairs, 1),
            (self._services, 2),
            (self._rings, 2),
        ):
            if table.room() < needed:
                table.grow()
        self._fit()
        kept = int(self._counts[LOG_END] - min(self._counts[LOG_SLOW], self._counts[LOG_FAST]))
        if kept >= len(self._log):
            wider = np.zeros((2 * len(self._log), 4), dtype=np.int64)
            numbers = np.arange(self._counts[LOG_END] - kept, self._counts[LOG_END])
            wider[numbers & (len(wider) - 1)] = self._log[numbers & (len(self._log) - 1)]
            self._log = wider


def _longer(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """Give an array as many rows, the new ones zero."""
    if len(array) == rows:
        return array
    wider = np.zeros((rows, *array.shape[1:]), dtype=array.dtype)
    wider[: len(array)] = array
    return wider
