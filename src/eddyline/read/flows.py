"""Inputs become flows in event-time order: the one function that everybody reads with.

What belongs here: the order of the steps. What does not: how a format is parsed or a file found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from eddyline.errors import InputError, UnknownFormatError, UsageError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.read import csv, order, registry
from eddyline.read.direction import Perimeter
from eddyline.read.ingest import ALL_OUTSIDE, LEFT_OUT, OUTSIDE, IngestReport
from eddyline.read.lines import Data
from eddyline.read.rhythm import Arrivals
from eddyline.read.source import HEAD_BYTES, MOST_BYTES, Source, sources
from eddyline.read.times import instant

Progress = Callable[[int, int], None]
"""Called with the bytes read so far and all bytes of all inputs."""

_PARTIAL_LOG: Final = re.compile(r"^conn[-_](long|summary)")
"""Logs of a Zeek folder that repeat flows of conn.log."""


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
    batch_rows: int = BATCH_ROWS
    most_bytes: int = MOST_BYTES
    fits: int = order.FITS_ROWS


@dataclass(frozen=True, slots=True)
class _Known:
    """A source whose reader is known.

    Parameters
    ----------
    source
        Where it is.
    reader_name
        Who reads it.
    size
        Bytes as they lie on the disk, for progress.
    data
        Content that can be read only once (standard input); None for files.
    """

    source: Source
    reader_name: str
    size: int
    data: Data | None = None


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
) -> Generator[FlowBatch, None, None]:
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

    Raises
    ------
    InputError
        When an input that was named cannot be read.
    UnknownFormatError
        When no reader recognises an input that was named.
    UsageError
        When an option has no meaning.

    Examples
    --------
    >>> batches = read_flows("conn.log")  # doctest: +SKIP
    >>> sum(len(batch) for batch in batches)  # doctest: +SKIP
    5663
    """
    settings = Settings(
        internal=None if internal is None else tuple(internal),
        since_us=instant(since, "since"),
        until_us=instant(until, "until"),
        column_map=column_map,
        statistics=statistics,
    )
    return read_with(paths, settings, IngestReport() if report is None else report, progress)


def read_with(
    paths: str | Path | Sequence[str | Path],
    settings: Settings,
    report: IngestReport,
    progress: Progress | None = None,
) -> Generator[FlowBatch, None, None]:
    """Read flows as ``read_flows`` does, with every setting in reach.

    Parameters
    ----------
    paths
        See ``read_flows``.
    settings
        Also the size of batches and buffers.
    report
        Is filled while batches are drawn.
    progress
        Called with the bytes read so far and all bytes.

    Raises
    ------
    InputError
        When an input that was named cannot be read.
    UnknownFormatError
        When no reader recognises an input that was named.
    UsageError
        When an option has no meaning.
    """
    return _read(sources(paths), settings, Perimeter(settings.internal), report, progress)


def _read(
    found: Sequence[Source],
    settings: Settings,
    perimeter: Perimeter,
    report: IngestReport,
    progress: Progress | None,
) -> Generator[FlowBatch, None, None]:
    """Recognise, parse, order, filter and tell."""
    known = _recognised(found, settings, report)
    streams = _in_time(known, settings, report)
    raw = _batches(streams or known, settings, report, progress)
    flows = _bounded(raw, settings, report)
    if streams is None:
        flows = order.ordered(flows, report, batch_rows=settings.batch_rows, fits=settings.fits)
    else:
        flows = order.watched(flows, report)
    for batch in flows:
        placed = perimeter.place(batch)
        report.observe(placed)
        yield placed
    report.finish()


# ------------------------------------------------------------------ which reader


def _recognised(found: Sequence[Source], settings: Settings, report: IngestReport) -> list[_Known]:
    """Find the reader of each source; leave out what a folder holds beside flows."""
    known = [one for source in found if (one := _recognise(source, settings, report)) is not None]
    if not known:
        names = ", ".join(source.name for source in found[:3]) or "the folder"
        message = (
            f"{names} must hold packets or flows, holds none in a known format; "
            "pass captures, Zeek conn logs or flow tables"
        )
        raise UnknownFormatError(message)
    if settings.column_map is not None and all(one.reader_name != csv.NAME for one in known):
        formats = ", ".join(sorted({one.reader_name for one in known}))
        message = (
            "a column map (--map, or --labels COLUMN) must have an ordinary CSV to go with, got "
            f"{formats}; leave it out"
        )
        raise UsageError(message)
    return known


def _recognise(source: Source, settings: Settings, report: IngestReport) -> _Known | None:
    """Find the reader of one source."""
    if source.path is None or source.once:
        data = source.open(report, most_bytes=settings.most_bytes)
        name = _reader_name(bytes(data[:HEAD_BYTES]), source, settings)
        return _Known(source, name, len(data), data)
    try:
        name = _reader_name(source.head(), source, settings)
    except UnknownFormatError:
        if source.named:
            raise
        report.note(f"not flows{LEFT_OUT}{source.name}")
        return None
    except InputError:
        if source.named:
            raise
        report.note(f"cannot be read{LEFT_OUT}{source.name}")
        return None
    if not source.named and _PARTIAL_LOG.match(source.path.name):
        report.note(f"repeats conn.log{LEFT_OUT}{source.name}")
        return None
    return _Known(source, name, source.path.stat().st_size)


def _reader_name(head: bytes, source: Source, settings: Settings) -> str:
    """Choose the reader; a column map makes any text a table."""
    try:
        return registry.recognise(head, source.name)
    except UnknownFormatError as error:
        is_text = head.strip() and b"\x00" not in head
        if settings.column_map is not None and is_text:
            return csv.NAME
        absent = csv.missing(head) if is_text else []
        if len(absent) in (1, 2):
            message = (
                f"{source.name} must have a column for {', '.join(absent)}, its header names none that "
                f"is known; pass a column map such as {absent[0]}=NAME"
            )
            raise UnknownFormatError(message) from error
        raise


def _in_time(
    known: Sequence[_Known], settings: Settings, report: IngestReport
) -> list[_Known] | None:
    """Give the sources in order of time when each is ordered and none overlaps another, else None."""
    if len(known) == 1 and registry.gives_order(known[0].reader_name):
        return list(known)
    spans: list[tuple[tuple[int, int], _Known]] = []
    for one in known:
        reader = registry.reader(one.reader_name)
        if not isinstance(reader, registry.OrderedReader):
            return None
        data = one.data
        if data is None:
            data = one.source.open(report, most_bytes=settings.most_bytes)
        span = reader.span_if_ordered(data)
        if span is None:
            return None
        spans.append((span, one))
    spans.sort(key=lambda pair: pair[0])
    if any(early[0][1] >= late[0][0] for early, late in pairwise(spans)):
        return None
    return [one for _, one in spans]


# ------------------------------------------------------------------ flows


def _batches(
    known: Sequence[_Known],
    settings: Settings,
    report: IngestReport,
    progress: Progress | None,
) -> Iterator[FlowBatch]:
    """Parse the sources until the user interrupts; what was parsed by then is sorted and given out."""
    try:
        yield from _parsed(known, settings, report, progress)
    except KeyboardInterrupt:
        report.interrupted = True


def _parsed(
    known: Sequence[_Known],
    settings: Settings,
    report: IngestReport,
    progress: Progress | None,
) -> Iterator[FlowBatch]:
    """Parse the sources one after the other."""
    total = sum(one.size for one in known)
    done = 0
    for one in known:
        report.sources.append(one.source.name)
        report.formats.append(one.reader_name)
        tell = None if progress is None else partial(_tell, progress, done, one.size, total)
        given = False
        try:
            with closing(_of_source(one, settings, report, tell)) as batches:
                for batch in batches:
                    given = True
                    yield batch
        except InputError:
            if one.source.named:
                raise
            if given:
                report.note(f"broke off while it was read: {one.source.name}")
            else:
                report.sources.pop()
                report.formats.pop()
                report.note(f"cannot be used{LEFT_OUT}{one.source.name}")
        done += one.size
        if progress is not None:
            progress(done, total)


def _of_source(
    one: _Known,
    settings: Settings,
    report: IngestReport,
    tell: Callable[[int, int], None] | None,
) -> Generator[FlowBatch, None, None]:
    """Parse one source; its reader writes an account of its own, which then joins the whole."""
    account = IngestReport()
    data = one.data
    if data is None:
        data = one.source.open(account, most_bytes=settings.most_bytes)
    read = registry.reader(one.reader_name).read
    if one.reader_name == csv.NAME:
        read = partial(csv.read, column_map=settings.column_map)
    arrivals = Arrivals()
    try:
        for batch in read(
            data,
            name=one.source.name,
            report=account,
            statistics=settings.statistics,
            batch_rows=settings.batch_rows,
            progress=None if tell is None else partial(tell, len(data)),
        ):
            arrivals.observe(batch.frame)
            yield batch
    finally:
        report.join(account)
        report.note("jumps of the clock back", arrivals.jumps)


def _tell(
    progress: Progress, before: int, size: int, total: int, unpacked: int, done: int
) -> None:
    """Turn bytes of an unpacked source into bytes of all files."""
    progress(before + size * min(done, unpacked) // max(unpacked, 1), total)


def _bounded(
    batches: Iterator[FlowBatch], settings: Settings, report: IngestReport
) -> Iterator[FlowBatch]:
    """Keep the flows between the bounds; note how many are not, and when none is."""
    if settings.since_us is None and settings.until_us is None:
        yield from batches
        return
    n_kept, n_out = 0, 0
    for batch in batches:
        end = batch.frame["ts_end"]
        kept = pl.repeat(value=True, n=len(batch), dtype=pl.Boolean, eager=True)
        if settings.since_us is not None:
            kept &= end >= settings.since_us
        if settings.until_us is not None:
            kept &= end < settings.until_us
        n_kept += int(kept.sum())
        n_out += len(batch) - int(kept.sum())
        labels = None if batch.labels is None else batch.labels.filter(kept)
        yield replace(batch, frame=batch.frame.filter(kept), labels=labels)
    if n_out:
        report.notes[OUTSIDE if n_kept else ALL_OUTSIDE] += n_out
