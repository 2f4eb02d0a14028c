"""What the flows themselves tell of how well they were observed: silences, one-sidedness, doubles.

What belongs here: measures over the flows given out, in bounded memory. What does not: what was lost
while parsing (``ingest.py``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.record import QUALITY
from eddyline.read.times import HOUR_US, SECOND_US, words_of_span

SHORTEST_SILENCE_US: Final = 60 * SECOND_US
"""A shorter pause is never told as a silence."""

SILENCE_FACTOR: Final = 10
"""A silence is this many times longer than 99 % of the pauses between flows."""

CLOCK_JUMP_US: Final = 7 * 24 * HOUR_US
"""A pause longer than this is told as a jump of the clock."""

BEACON_BEATS: Final = 6
"""Beats that a regular sender needs before its rhythm shows."""

MOST_SILENCES: Final = 20

MOST_TIED: Final = 100_000
"""Flows of one instant that are held to find their doubles in the next batch."""

_COUNTED: Final = (
    "bytes_out",
    "bytes_in",
    "pkts_out",
    "pkts_in",
    "payload_out",
    "payload_in",
    "state",
    "app",
    "duration_s",
    "dst_port",
)

BACK_US: Final = HOUR_US
"""A row that ends this long before an earlier row began shows a clock that was set back."""


@dataclass(slots=True)
class Arrivals:
    """Jumps of the clock back, in the order in which one source gives its rows.

    Logs are written in order of their ends or of their starts; in both, no row ends long before an
    earlier one began.

    Parameters
    ----------
    latest_us
        Latest start so far.
    behind
        True while rows lie behind a jump.
    jumps
        Jumps so far.
    """

    latest_us: int = -1
    behind: bool = False
    jumps: int = 0

    def observe(self, frame: pl.DataFrame) -> None:
        """Take rows into account.

        Parameters
        ----------
        frame
            Columns of the record, in the order of the source.
        """
        if not frame.height:
            return
        starts = np.concatenate(([self.latest_us], frame["ts"].to_numpy()))
        latest = np.maximum.accumulate(starts)
        late = frame["ts_end"].to_numpy() < latest[:-1] - BACK_US
        before = np.concatenate(([self.behind], late[:-1]))
        self.jumps += int((late & ~before).sum())
        self.behind = bool(late[-1])
        self.latest_us = int(latest[-1])


@dataclass(slots=True)
class Rhythm:
    """Measures over flows in event-time order, in constant memory.

    Parameters
    ----------
    flows
        Flows seen.
    filled
        Flows with a value, by column.
    pauses
        Pauses between the ends of neighbouring flows, counted by the power of two of their µs.
    longest
        The longest pauses as ``(length, start)``, a heap.
    last_us, last_tail
        End of the last flow, and the last rows, to compare with the next batch.
    duplicates, midstream, sampled, clock_suspect
        Flows of that kind.
    two_way_possible, one_sided
        TCP flows of four packets or more from one side, and those of them with none from the other.
    missed, payload
        Bytes known to be lost, and bytes of payload.
    """

    flows: int = 0
    filled: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    pauses: NDArray[np.int64] = field(default_factory=lambda: np.zeros(65, np.int64))
    longest: list[tuple[int, int]] = field(default_factory=list)
    last_us: int | None = None
    last_tail: pl.DataFrame | None = None
    duplicates: int = 0
    midstream: int = 0
    sampled: int = 0
    clock_suspect: int = 0
    two_way_possible: int = 0
    one_sided: int = 0
    missed: int = 0
    payload: int = 0

    def observe(self, frame: pl.DataFrame) -> None:
        """Take flows into account.

        Parameters
        ----------
        frame
            Columns of the record, in event-time order.
        """
        self.flows += frame.height
        for name in _COUNTED:
            self.filled[name] += frame.height - frame[name].null_count()
        self._pauses(frame["ts_end"].to_numpy())
        self._kinds(frame)
        self._duplicates(frame)

    def _pauses(self, ends: NDArray[np.int64]) -> None:
        """Measure the pauses between neighbouring ends."""
        if self.last_us is not None:
            ends = np.concatenate((np.array([self.last_us]), ends))
        self.last_us = int(ends.max())
        pause = np.diff(ends)
        power = np.zeros(len(pause), np.int64)
        positive = pause > 0
        power[positive] = np.log2(pause[positive]).astype(np.int64) + 1
        self.pauses += np.bincount(power, minlength=65)[:65]
        for row in np.flatnonzero(pause >= SHORTEST_SILENCE_US).tolist():
            heapq.heappush(self.longest, (int(pause[row]), int(ends[row])))
            if len(self.longest) > 10 * MOST_SILENCES:
                heapq.heappop(self.longest)

    def _kinds(self, frame: pl.DataFrame) -> None:
        """Count the flows that say something about the observer."""
        many, none = (
            pl.max_horizontal("pkts_out", "pkts_in") >= 4,
            pl.min_horizontal("pkts_out", "pkts_in") == 0,
        )
        tcp = pl.col("ip_proto") == 6
        bits = {name: (pl.col("quality") & bit) != 0 for name, bit in QUALITY.items()}
        row = frame.select(
            two=(tcp & many).sum(),
            one=(tcp & many & none).sum(),
            mid=bits["midstream"].sum(),
            sam=(bits["sampled"] | (pl.col("sampling_rate").fill_null(1) > 1)).sum(),
            clock=bits["clock_suspect"].sum(),
            missed=pl.col("missed_bytes").fill_null(0).cast(pl.Float64).sum(),
            payload=(
                pl.col("payload_out").fill_null(0).cast(pl.Float64)
                + pl.col("payload_in").fill_null(0).cast(pl.Float64)
            ).sum(),
        ).row(0)
        self.two_way_possible += int(row[0])
        self.one_sided += int(row[1])
        self.midstream += int(row[2])
        self.sampled += int(row[3])
        self.clock_suspect += int(row[4])
        self.missed += int(row[5])
        self.payload += int(row[6])

    def _duplicates(self, frame: pl.DataFrame) -> None:
        """Count flows that equal another in every field but their identifier."""
        fields = [name for name in frame.columns if name not in ("uid", "sensor")]
        carried = 0
        if self.last_tail is not None and self.last_tail.columns == frame.columns:
            carried = self.last_tail.height
            frame = pl.concat([self.last_tail, frame])
        ts, end = frame["ts"].to_numpy(), frame["ts_end"].to_numpy()
        same = (ts[1:] == ts[:-1]) & (end[1:] == end[:-1])
        near = np.concatenate((same, [False])) | np.concatenate(([False], same))
        if near.any():
            hashes = frame.filter(pl.Series(near)).select(fields).hash_rows()
            before = 0
            if carried:
                early = frame[:carried].filter(pl.Series(near[:carried])).select(fields)
                before = early.height - early.hash_rows().n_unique() if early.height else 0
            self.duplicates += len(hashes) - hashes.n_unique() - before
        tied = (ts == ts[-1]) & (end == end[-1])
        self.last_tail = frame.filter(pl.Series(tied)).tail(MOST_TIED)

    def silences(self) -> list[tuple[int, int]]:
        """Give the long silences as (start, end), µs, in order of time."""
        total = int(self.pauses.sum())
        if total < 20:
            return []
        reached = int(np.searchsorted(np.cumsum(self.pauses), 0.99 * total))
        least = max(SHORTEST_SILENCE_US, SILENCE_FACTOR * 2**reached)
        found = sorted(self.longest, reverse=True)[:MOST_SILENCES]
        return sorted((start, start + length) for length, start in found if length > least)

    def missing(self) -> list[str]:
        """Give the counted columns that no flow had."""
        return [name for name, count in self.filled.items() if count == 0]

    def facts(self) -> dict[str, int]:
        """Give what is worth a note, by its words, with a count."""
        silences = self.silences()
        jumps = sum(end - start > CLOCK_JUMP_US for start, end in silences)
        return {
            "long silences": len(silences) - jumps,
            "jumps of the clock": jumps,
            "flows with a suspect clock": self.clock_suspect,
            "flows equal to another in every field": self.duplicates,
            "flows that began before the capture": self.midstream,
            "sampled flows": self.sampled,
            "one-sided TCP flows": self.one_sided,
            "payload bytes known to be lost": self.missed,
        }

    def blind_spots(self, span_us: int) -> list[tuple[str, str]]:
        """Give what cannot be detected in these flows, each with its reason.

        Parameters
        ----------
        span_us
            Time from the first packet to the last.
        """
        spots = [(detection, reason) for detection, reason, absent in self._absent() if absent]
        if self.two_way_possible >= 20 and self.one_sided > 0.5 * self.two_way_possible:
            share = 100 * self.one_sided / self.two_way_possible
            reason = f"{share:.0f} % of the longer TCP flows show one direction only"
            spots.append(("failed connections", reason))
        if self.sampled > 0.5 * self.flows:
            spots.append(("single small flows", "the packets were sampled"))
        if self.payload and self.missed > 0.01 * self.payload:
            share = 100 * self.missed / (self.missed + self.payload)
            spots.append(
                ("exact volumes", f"{share:.0f} % of the payload was lost by the observer")
            )
        if span_us < HOUR_US:
            slow = words_of_span(span_us // BEACON_BEATS)
            spots.append(
                (f"beacons slower than one in {slow}", f"the input spans {words_of_span(span_us)}")
            )
        return spots

    def _absent(self) -> list[tuple[str, str, bool]]:
        """Give what needs a column, the reason, and whether no flow has it."""
        none = set(self.missing())
        both = {"bytes_out", "bytes_in"}
        return [
            ("data volume", "the input counts no bytes", both <= none),
            (
                "asymmetry of volume",
                "the input counts the bytes of one direction only",
                len(both & none) == 1,
            ),
            (
                "floods inside one flow",
                "the input counts no packets",
                none >= {"pkts_out", "pkts_in"},
            ),
            (
                "tunnels by payload size",
                "the input gives no payload sizes",
                none >= {"payload_out", "payload_in"},
            ),
            ("failed connections", "the input gives no connection states", "state" in none),
            ("applications on unusual ports", "the input names no applications", "app" in none),
            ("long connections", "the input gives no durations", "duration_s" in none),
            ("port sweeps", "the input gives no ports", "dst_port" in none),
        ]
