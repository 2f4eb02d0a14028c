"""What happened while reading: rows read, rows lost and why, and which detectors are blind for it.

What belongs here: counts and facts about an input. What does not: how one format is parsed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


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
