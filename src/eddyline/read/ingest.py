"""What happened while reading: rows read, rows lost and why, and which detectors are blind for it.

What belongs here: counts and facts about an input. What does not: how one format is parsed, and how the
rhythm of a stream is measured (``rhythm.py``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from eddyline.flows.batch import FlowBatch
from eddyline.read.rhythm import Rhythm
from eddyline.read.times import rfc3339, words_of_span

MOST_SAMPLES: Final = 40
"""Places of lost rows that are kept in all."""

SAMPLES_PER_CAUSE: Final = 5
"""Places that are kept of one cause; the count tells the rest."""

MOST_CAUSES: Final = 200
"""Distinct causes and notes that are kept; hostile names must not fill memory."""


OUTSIDE: Final = "flows before --since or after --until, not judged"
ALL_OUTSIDE: Final = "flows before --since or after --until, and none between"
"""Notes on what bounds of time left out."""

LEFT_OUT: Final = ", left out: "
"""Between the reason and the name of a file that was not read, in a note."""


@dataclass(frozen=True, slots=True)
class BlindSpot:
    """Something that cannot be detected in this input, and why.

    Parameters
    ----------
    detection
        What cannot be seen, in the field's words, such as ``"data volume"`` or ``"failed connections"``.
    reason
        The fact of the input that causes it.
    """

    detection: str
    reason: str


@dataclass(slots=True)
class IngestReport:
    """The account of one reading; filled while batches are drawn, complete when they end.

    Parameters
    ----------
    sources
        Names of the files or streams, in the order they were read.
    formats
        Format of each source, by the reader's name.
    packets_read
        Packets that became part of a flow; 0 for logs.
    flows_read
        Flows that were given out.
    skipped
        Rows or packets that were not used, by cause.
    notes
        Facts that are not losses, by name with a count: clock jumps, gaps, duplicates, one-sided flows.
    samples
        The first places of lost rows, in words: ``conn.log:1874: … row skipped (12 so far)``.
    first_us, last_us
        Earliest start and latest end seen, µs since the epoch; None before the first flow.
    late_rows
        Flows that came later than the watermark allows; they are still judged.
    truncated
        True when a source ended inside a record.
    interrupted
        True when reading was stopped by the user before the end.
    blind
        What cannot be detected in this input.
    rhythm
        What was measured over the flows that were given out.
    """

    sources: list[str] = field(default_factory=list)
    formats: list[str] = field(default_factory=list)
    packets_read: int = 0
    flows_read: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    first_us: int | None = None
    last_us: int | None = None
    late_rows: int = 0
    truncated: bool = False
    interrupted: bool = False
    blind: list[BlindSpot] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    rhythm: Rhythm = field(default_factory=Rhythm, repr=False, compare=False)

    def skip(self, cause: str, count: int = 1, *, place: str = "") -> None:
        """Count rows that were not used, and keep the first places.

        Parameters
        ----------
        cause
            The rule that they broke, in a few words; the same words for the same cause.
        count
            Rows, ``>= 1``.
        place
            Source, line and value of the first one; ``""`` when there is none to show.
        """
        before = self.skipped[cause]
        if cause not in self.skipped and len(self.skipped) >= MOST_CAUSES:
            cause = "other causes"
        self.skipped[cause] += count
        if place and before < SAMPLES_PER_CAUSE and len(self.samples) < MOST_SAMPLES:
            self.samples.append(f"{place}; row skipped ({self.skipped[cause]} so far)")

    def note(self, fact: str, count: int = 1) -> None:
        """Count a fact that is no loss.

        Parameters
        ----------
        fact
            In a few words; the same words for the same fact.
        count
            How often, ``>= 0``; 0 changes nothing.
        """
        if count == 0:
            return
        if fact not in self.notes and len(self.notes) >= MOST_CAUSES:
            fact = "other notes"
        self.notes[fact] += count

    def join(self, other: IngestReport) -> None:
        """Take over what a reader wrote about one source: losses, notes, packets; flows are counted apart.

        Parameters
        ----------
        other
            The reader's account.
        """
        self.packets_read += other.packets_read
        self.truncated = self.truncated or other.truncated
        for cause, count in other.skipped.items():
            self.skip(cause, count)
        for fact, count in other.notes.items():
            self.note(fact, count)
        self.samples.extend(other.samples[: MOST_SAMPLES - len(self.samples)])
        self.blind.extend(spot for spot in other.blind if spot not in self.blind)

    def observe(self, batch: FlowBatch) -> None:
        """Take a batch that was given out into account.

        Parameters
        ----------
        batch
            In event-time order behind the one before it.
        """
        if not len(batch):
            return
        frame = batch.frame
        first, last = frame["ts"].min(), frame["ts_end"].max()
        assert isinstance(first, int)  # noqa: S101 - a batch never has null times
        assert isinstance(last, int)  # noqa: S101 - the same
        self.flows_read += len(batch)
        self.first_us = first if self.first_us is None else min(first, self.first_us)
        self.last_us = last if self.last_us is None else max(last, self.last_us)
        self.rhythm.observe(frame)

    def finish(self) -> None:
        """Turn what was measured into notes and blind spots; may be called once, at the end."""
        for fact, count in self.rhythm.facts().items():
            self.note(fact, count)
        span = self.span_us()
        self.blind.extend(
            BlindSpot(*spot) for spot in self.rhythm.blind_spots(span) if self.flows_read
        )
        if self.truncated:
            self.blind.append(
                BlindSpot("what came after the end", "a source ends inside a record")
            )

    def span_us(self) -> int:
        """Give the time from the first packet to the last, µs; 0 before the first flow."""
        if self.first_us is None or self.last_us is None:
            return 0
        return self.last_us - self.first_us

    def as_dict(self) -> dict[str, Any]:
        """Give the account as plain values for JSON, times as RFC 3339."""
        return {
            "sources": list(self.sources),
            "formats": list(self.formats),
            "packets_read": self.packets_read,
            "flows_read": self.flows_read,
            "skipped": dict(self.skipped.most_common()),
            "notes": dict(self.notes.most_common()),
            "samples": list(self.samples),
            "first_seen": None if self.first_us is None else rfc3339(self.first_us),
            "last_seen": None if self.last_us is None else rfc3339(self.last_us),
            "late_rows": self.late_rows,
            "truncated": self.truncated,
            "interrupted": self.interrupted,
            "gaps": [
                {"from": rfc3339(start), "to": rfc3339(end)}
                for start, end in self.rhythm.silences()
            ],
            "missing_columns": self.rhythm.missing(),
            "blind": [{"detection": b.detection, "reason": b.reason} for b in self.blind],
        }

    def sentences(self) -> list[str]:
        """Tell the account in sentences for a person, the important ones first."""
        told = [self._what_was_read()]
        lost = sum(self.skipped.values())
        if lost:
            causes = ", ".join(f"{n:,} {cause}" for cause, n in self.skipped.most_common(4))
            more = len(self.skipped) - 4
            tail = f", and {more} more causes" if more > 0 else ""
            told.append(f"{lost:,} rows or packets were not used: {causes}{tail}.")
        if self.truncated:
            told.append("A source ends inside a record; what follows it is not known.")
        if self.interrupted:
            told.append("Reading was stopped before the end.")
        if self.late_rows:
            told.append(
                f"{self.late_rows:,} flows came later than the watermark and were judged late."
            )
        told.extend(self._noted())
        told.extend(f"Blind to {spot.detection}: {spot.reason}." for spot in self.blind)
        return told

    def _noted(self) -> list[str]:
        """Tell the notes; those on files that were left out in one sentence a reason."""
        told: list[str] = []
        left_out: dict[str, list[str]] = {}
        for fact, count in self.notes.most_common():
            if fact == ALL_OUTSIDE:
                continue
            reason, found, name = fact.partition(LEFT_OUT)
            if found:
                left_out.setdefault(reason, []).append(name)
            else:
                told.append(f"{fact}: {count:,}." if count > 1 else f"{fact}.")
        for reason, names in left_out.items():
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            told.append(f"{len(names)} left out, {reason}: {', '.join(names[:3])}{more}.")
        return told

    def _what_was_read(self) -> str:
        """Tell how much was read, from what, over which time."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in Counter(self.formats).most_common())
        packets = f" from {self.packets_read:,} packets" if self.packets_read else ""
        if self.notes[ALL_OUTSIDE]:
            return (
                f"No flow lies between --since and --until: all {self.notes[ALL_OUTSIDE]:,} that were "
                f"read ({kinds}) end before or after."
            )
        if self.first_us is None or self.last_us is None:
            return f"No flow was read ({kinds or 'no source'})."
        return (
            f"{self.flows_read:,} flows{packets} ({kinds}), {rfc3339(self.first_us)} to "
            f"{rfc3339(self.last_us)}, {words_of_span(self.span_us())}."
        )
