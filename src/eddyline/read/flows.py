"""Inputs become flows in event-time order: the one function that everybody reads with.

What belongs here: the order of the steps. What does not: how a format is parsed or a file found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import polars as pl

from eddyline.errors import UnknownFormatError, UsageError
from eddyline.flows.addresses import AddressFacts
from eddyline.flows.batch import FlowBatch
from eddyline.read import csv, order, registry
from eddyline.read.direction import with_direction
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data
from eddyline.read.registry import Progress
from eddyline.read.source import HEAD_BYTES, MOST_BYTES, Source, sources

_PARTIAL_LOG: Final = re.compile(r"^conn[-_](long|summary)")
"""Logs of a Zeek folder that repeat flows of conn.log."""


@runtime_checkable
class OrderedReader(Protocol):
    """A reader that can tell whether an input is already in event-time order."""

    def span_if_ordered(self, data: Data) -> tuple[int, int] | None:
        """Give the first and the last ``ts_end`` of an ordered input, or None.

        Parameters
        ----------
        data
            Whole content.
        """
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What a reading does beside the paths.

    Parameters
    ----------
    internal
        Networks that count as inside; None for the source's own idea, else the private ranges.
    since_us, until_us
        Keep flows with ``since_us <= ts_end < until_us``; None for no bound.
    column_map
        Our names to the columns of an ordinary CSV.
    statistics
        True when the optional statistics are wanted.
    batch_rows
        Rows of a batch at the most.
    most_bytes
        Size that a compressed source may unpack to.
    fits
        Flows that are held for sorting.
    """

    internal: tuple[str, ...] | None = None
    since_us: int | None = None
    until_us: int | None = None
    column_map: Mapping[str, str] | None = None
    statistics: bool = False
    batch_rows: int = 100_000
    most_bytes: int = MOST_BYTES
    fits: int = order.FITS_ROWS


@dataclass(slots=True)
class _Opened:
    """A source with its reader and content."""

    source: Source
    reader_name: str
    data: Data
    span: tuple[int, int] | None = field(default=None)


def read_flows(
    paths: str | Path | Sequence[str | Path],
    *,
    internal: Sequence[str] | None = None,
    since: str | int | None = None,
    until: str | int | None = None,
    column_map: Mapping[str, str] | None = None,
    statistics: bool = False,
    report: IngestReport | None = None,
    progress: Progress | None = None,
    batch_rows: int = 100_000,
    most_bytes: int = MOST_BYTES,
) -> Iterator[FlowBatch]:
    """Read flows from any inputs, in event-time order.

    Files are found at once, so a wrong path raises here; the rest happens while batches are drawn.

    Parameters
    ----------
    paths
        Files, folders, patterns or ``-``; plain, ``.gz`` or ``.zst``, recognised by content.
    internal
        Networks that count as inside, as CIDR. None keeps the direction that a source gives, and takes
        the private ranges where it gives none.
    since, until
        Keep flows with ``since <= ts_end < until``: RFC 3339 text (UTC without a zone), or µs.
    column_map
        Our names to the columns of an ordinary CSV, with ``time_unit`` (s, ms, us, ns) or
        ``time_format`` beside them.
    statistics
        True to have NFStream's statistics where the input can give them.
    report
        Is filled while batches are drawn, complete when they end.
    progress
        Called with the bytes read so far and all bytes.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    most_bytes
        Size that a compressed source may unpack to.

    Raises
    ------
    InputError
        When an input that was named cannot be read.
    UnknownFormatError
        When no reader recognises an input that was named.
    UsageError
        When an option has no meaning.
    """
    settings = Settings(
        internal=None if internal is None else tuple(internal),
        since_us=_instant(since, "since"),
        until_us=_instant(until, "until"),
        column_map=column_map,
        statistics=statistics,
        batch_rows=batch_rows,
        most_bytes=most_bytes,
    )
    facts = AddressFacts(settings.internal)
    account = IngestReport() if report is None else report
    return _read(sources(paths), settings, facts, account, progress)


def _read(
    found: Sequence[Source],
    settings: Settings,
    facts: AddressFacts,
    report: IngestReport,
    progress: Progress | None,
) -> Iterator[FlowBatch]:
    """Open, parse, order, filter and tell."""
    opened = _opened(found, settings, report)
    streams = _in_time(opened)
    raw = _batches(streams or opened, settings, report, progress)
    flows = _bounded(raw, settings)
    if streams is None:
        flows = order.ordered(flows, report, batch_rows=settings.batch_rows, fits=settings.fits)
    for batch in flows:
        placed = with_direction(batch, facts, keep=settings.internal is None)
        report.observe(placed)
        yield placed
    report.finish()


def _opened(found: Sequence[Source], settings: Settings, report: IngestReport) -> list[_Opened]:
    """Recognise and open the sources; leave out what a folder holds beside flows."""
    opened: list[_Opened] = []
    for source in found:
        one = _open(source, settings, report)
        if one is not None:
            opened.append(one)
            report.sources.append(source.name)
            report.formats.append(one.reader_name)
    if not opened:
        names = ", ".join(source.name for source in found[:3]) or "the folder"
        message = (
            f"{names} must hold packets or flows, holds none in a known format; "
            "pass captures, Zeek conn logs or flow tables"
        )
        raise UnknownFormatError(message)
    return opened


def _open(source: Source, settings: Settings, report: IngestReport) -> _Opened | None:
    """Recognise and open one source."""
    data: Data | None = None
    if source.path is None:
        data = source.open(report, most_bytes=settings.most_bytes)
        head = bytes(data[:HEAD_BYTES])
    else:
        head = source.head()
    try:
        name = _reader_name(head, source, settings)
    except UnknownFormatError as error:
        if source.named:
            absent = csv.missing(head)
            if len(absent) in (1, 2):
                message = (
                    f"{source.name} must have a column for {', '.join(absent)}, its header names none that is known; "
                    f"pass a column map such as {absent[0]}=NAME"
                )
                raise UnknownFormatError(message) from error
            raise
        report.note(f"no flows in {source.name}")
        return None
    if source.path is not None and not source.named and _PARTIAL_LOG.match(source.path.name):
        report.note(f"repeats conn.log, left out: {source.name}")
        return None
    if data is None:
        data = source.open(report, most_bytes=settings.most_bytes)
    reader = registry.reader(name)
    span = reader.span_if_ordered(data) if isinstance(reader, OrderedReader) else None
    return _Opened(source, name, data, span)


def _reader_name(head: bytes, source: Source, settings: Settings) -> str:
    """Choose the reader; a column map makes any text a table."""
    if settings.column_map is None:
        return registry.recognise(head, source.name)
    try:
        return registry.recognise(head, source.name)
    except UnknownFormatError:
        if b"\x00" in head or not head.strip():
            raise
        return csv.NAME


def _in_time(opened: list[_Opened]) -> list[_Opened] | None:
    """Give the sources in order of time when each is ordered and none overlaps another, else None."""
    if any(one.span is None for one in opened):
        return None
    lined = sorted(opened, key=lambda one: one.span or (0, 0))
    for early, late in zip(lined, lined[1:], strict=False):
        if early.span is None or late.span is None or early.span[1] >= late.span[0]:
            return None
    return lined


def _batches(
    opened: Sequence[_Opened],
    settings: Settings,
    report: IngestReport,
    progress: Progress | None,
) -> Iterator[FlowBatch]:
    """Parse the sources one after the other."""
    total = sum(len(one.data) for one in opened)
    done = 0
    for one in opened:
        module = registry.reader(one.reader_name)
        read = module.read
        if one.reader_name == csv.NAME:
            read = partial(csv.read, column_map=settings.column_map)
        yield from read(
            one.data,
            name=one.source.name,
            report=report,
            statistics=settings.statistics,
            batch_rows=settings.batch_rows,
            progress=None if progress is None else _shifted(progress, done, total),
        )
        done += len(one.data)
        if progress is not None:
            progress(done, total)


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    """Count the bytes of earlier sources too."""

    def tell(done: int, _own: int) -> None:
        progress(before + done, total)

    return tell


def _bounded(batches: Iterator[FlowBatch], settings: Settings) -> Iterator[FlowBatch]:
    """Keep the flows between the bounds."""
    if settings.since_us is None and settings.until_us is None:
        yield from batches
        return
    for batch in batches:
        end = batch.frame["ts_end"]
        kept = pl.repeat(value=True, n=len(batch), dtype=pl.Boolean, eager=True)
        if settings.since_us is not None:
            kept &= end >= settings.since_us
        if settings.until_us is not None:
            kept &= end < settings.until_us
        labels = None if batch.labels is None else batch.labels.filter(kept)
        yield replace(batch, frame=batch.frame.filter(kept), labels=labels)


def _instant(value: str | int | None, option: str) -> int | None:
    """Read a point in time.

    Raises
    ------
    UsageError
        When the text is no time.
    """
    if value is None or isinstance(value, int):
        return value
    if value.strip().lstrip("-").isdigit() and len(value.strip()) >= 12:
        return int(value)
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError as error:
        message = f"{option} must be a time, got {value!r}; write it like 2026-03-01T08:00:00Z or as µs since 1970"
        raise UsageError(message) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
