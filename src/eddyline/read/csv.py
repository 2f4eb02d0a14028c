"""An ordinary CSV of flows: the user maps its columns, or well-known names are taken.

What belongs here: other tools' column names, units of time, and how a cell becomes a value. What does not:
our own tables (``eddyline.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

from eddyline.errors import InputError, UsageError
from eddyline.flows.batch import BATCH_ROWS, FlowBatch
from eddyline.flows.protocols import HAS_PORTS
from eddyline.flows.record import CORE_SCHEMA, LABEL_SCHEMA, STATISTICS_SCHEMA
from eddyline.flows.text import neutral_text
from eddyline.read import fields
from eddyline.read.fields import Place, Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.lines import Data, chunks, origin
from eddyline.read.synonyms import NEEDED, TOTALS, guess
from eddyline.read.table import Table, header_of

NAME: Final = "csv"

UNITS: Final = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
"""µs of one unit of time."""

OPTIONS: Final = ("time_unit", "time_format", "duration_unit")
"""Entries of a column map that are no columns."""

_MISSING: Final = ("", "-", "nan", "NaN", "NULL", "null", "None", "N/A")
_MAPPABLE: Final = frozenset((*CORE_SCHEMA, *STATISTICS_SCHEMA, *LABEL_SCHEMA, *TOTALS)) - {
    "vlan",
    "tunnel",
    "quality",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column holds what.

    Parameters
    ----------
    columns
        Our names to columns of the table.
    time_unit
        Unit of times that are numbers; None to tell it from their size.
    time_format
        strptime format of times that are text; None for RFC 3339 and alike.
    duration_unit
        Unit of durations.
    """

    columns: Mapping[str, str]
    time_unit: str | None
    time_format: str | None
    duration_unit: str


def sniff(head: bytes) -> bool:
    """Tell whether an input is a table whose columns are known by name.

    Parameters
    ----------
    head
        Its first bytes.
    """
    _, names = header_of(head)
    return len(names) >= len(NEEDED) and set(guess(names)) >= NEEDED


def missing(head: bytes) -> list[str]:
    """Give what a flow needs and a table's header does not show; all of it when there is no table.

    Parameters
    ----------
    head
        First bytes of the input.
    """
    _, names = header_of(head)
    return sorted(NEEDED - set(guess(names)))


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,
    batch_rows: int = BATCH_ROWS,
    progress: Callable[[int], None] | None = None,
    column_map: Mapping[str, str] | None = None,
) -> Iterator[FlowBatch]:
    """Read a table of flows.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows, and which columns were guessed.
    statistics
        True to keep columns that are named like NFStream's statistics.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far.
    column_map
        Our names to columns, with ``time_unit``, ``time_format``, ``duration_unit`` beside them; what it
        leaves out is guessed.

    Raises
    ------
    InputError
        When a column that a flow cannot be without is not there.
    UsageError
        When the map names something that does not exist.
    """
    separator, _ = header_of(bytes(data[:65_536]))
    table = Table.of(data, name, separator=separator)
    layout = _layout(table, name, column_map or {}, report)
    made = origin(name, data)
    for chunk in chunks(data):
        raw, place = table.rows(chunk, name, report)
        if raw.height:
            batch = _batch(raw, layout, place, report, origin=made, statistics=statistics)
            for offset in range(0, len(batch), batch_rows):
                yield batch.slice(offset, batch_rows)
        if progress is not None:
            progress(chunk.end)


def _layout(
    table: Table, name: str, column_map: Mapping[str, str], report: IngestReport
) -> Layout:
    """Settle which column holds what."""
    for ours, theirs in column_map.items():
        if ours in OPTIONS:
            continue
        if ours not in _MAPPABLE:
            message = (
                f"a column map must map names of the flow record, got {neutral_text(ours)!r}; "
                f"use names such as {', '.join(sorted(NEEDED))}"
            )
            raise UsageError(message)
        if theirs not in table.names:
            shown = ", ".join(neutral_text(n, longest=30) for n in table.names[:12])
            message = (
                f"{name} must have the column {neutral_text(theirs)!r} for {ours}, has {shown}; "
                "correct the column map"
            )
            raise InputError(message)
    for option in ("time_unit", "duration_unit"):
        if column_map.get(option, "s") not in UNITS:
            message = (
                f"{option} must be one of {', '.join(UNITS)}, got {column_map[option]!r}; "
                "use time_format for times that are text"
            )
            raise UsageError(message)
    mapped = {ours: theirs for ours, theirs in column_map.items() if ours not in OPTIONS}
    taken = set(mapped.values())
    guessed = {
        ours: theirs
        for ours, theirs in guess(table.names).items()
        if ours not in mapped and theirs not in taken
    }
    columns = {**guessed, **mapped}
    absent = sorted(NEEDED - set(columns) - ({"ip_proto"} if "proto" in columns else set()))
    if absent:
        shown = ", ".join(neutral_text(n, longest=30) for n in table.names[:12])
        message = (
            f"{name} must have a column for {', '.join(absent)}, has {shown}; "
            f"pass a column map such as {absent[0]}=NAME"
        )
        raise InputError(message)
    taken_as = ", ".join(
        f"{neutral_text(theirs, longest=30)} as {ours}"
        for ours, theirs in guessed.items()
        if ours not in STATISTICS_SCHEMA
    )
    if taken_as:
        report.note(f"{name}: columns taken by their names: {taken_as}")
    duration = column_map.get("duration_unit") or _unit_of(columns.get("duration_s", ""), "s")
    unit = column_map.get("time_unit") or _unit_of(columns["ts"], None)
    return Layout(columns, unit, column_map.get("time_format"), duration or "s")


def _unit_of(column: str, default: str | None) -> str | None:
    """Tell a unit from the end of a column's name."""
    lowered = column.lower()
    ends = {"_ms": "ms", "milliseconds": "ms", "_us": "us", "microseconds": "us", "_ns": "ns"}
    if lowered == "flow duration":  # CICFlowMeter writes µs under this name
        return "us"
    return next((unit for end, unit in ends.items() if lowered.endswith(end)), default)


# ------------------------------------------------------------------ cells to flows


def _batch(
    raw: pl.DataFrame,
    layout: Layout,
    place: Place,
    report: IngestReport,
    *,
    origin: str,
    statistics: bool,
) -> FlowBatch:
    """Turn text columns into flows."""
    wanted = {
        ours: theirs
        for ours, theirs in layout.columns.items()
        if statistics or ours not in STATISTICS_SCHEMA
    }
    text = raw.select(_cell(theirs).alias(ours) for ours, theirs in wanted.items())
    source = "proto" if "proto" in text.columns else "ip_proto"
    text = text.with_columns(fields.proto_name(source).alias("proto"))
    typed, good = fields.check(text, _rules(text, layout), place, report)
    kept = text.filter(pl.Series(good))
    if "ts_end" in typed.columns:
        report.note(
            "rows that end before they start, taken as ending there",
            int((typed["ts_end"] < typed["ts"]).sum()),
        )
    frame = _record(typed, kept, fields.made_uid(origin, place.lines[good]))
    given = [column for column in LABEL_SCHEMA if column in kept.columns]
    labels = None
    if "label" in given:
        labels = kept.select(
            pl.col(column) if column in given else pl.lit(None, dtype=pl.String).alias(column)
            for column in LABEL_SCHEMA
        )
    return FlowBatch.of(frame, labels)


def _cell(column: str) -> pl.Expr:
    """Take the spaces around a cell away, and make the words for nothing null."""
    text = pl.col(column).str.strip_chars()
    return pl.when(~text.is_in(_MISSING)).then(text)


def _rules(text: pl.DataFrame, layout: Layout) -> list[Rule]:
    """Give the rules of the columns that are there."""
    have = set(text.columns)
    rules = [
        Rule("ts", "ts", _time("ts", text, layout), _time_rule(layout), required=True),
        Rule("src_ip", "src_ip", _short("src_ip"), "must be an address", required=True),
        Rule("dst_ip", "dst_ip", _short("dst_ip"), "must be an address", required=True),
        Rule("proto", "proto", _short("proto"), "must be a protocol", required=True),
    ]
    if "ts_end" in have:
        rules.append(Rule("ts_end", "ts_end", _time("ts_end", text, layout), _time_rule(layout)))
    if "duration_s" in have:
        rules.append(_duration_rule(layout))
    done = {rule.name for rule in rules} | {"direction", "state", "ip_proto", *LABEL_SCHEMA}
    for column in text.columns:
        if column in done:
            continue
        kind = CORE_SCHEMA.get(column) or STATISTICS_SCHEMA.get(column) or pl.UInt64()
        if column in ("src_port", "dst_port"):
            rules.append(Rule(column, column, _port(column), fields.PORT_RULE))
        elif kind.is_integer():
            rules.append(Rule(column, column, fields.whole(column, kind), fields.COUNT_RULE))
        elif kind.is_float():
            number = pl.col(column).cast(kind, strict=False)
            finite = pl.when(number.is_finite()).then(number)
            rules.append(Rule(column, column, finite, "must be a finite number"))
        else:
            rules.append(Rule(column, column, pl.col(column), "must be text"))
    return rules


def _duration_rule(layout: Layout) -> Rule:
    """Read a duration in its unit, as µs."""
    if layout.duration_unit == "s":
        typed = fields.micros("duration_s")
    else:
        number = pl.col("duration_s").cast(pl.Float64, strict=False) * UNITS[layout.duration_unit]
        in_range = number.is_between(0, fields.LATEST_US) & number.is_not_nan()
        typed = pl.when(in_range).then(number.round().cast(pl.Int64, strict=False))
    return Rule("_duration", "duration_s", typed, fields.DURATION_RULE)


def _short(column: str) -> pl.Expr:
    """Take a text that is neither empty nor endless."""
    return pl.when(pl.col(column).str.len_bytes().is_between(1, 255)).then(pl.col(column))


def _port(column: str) -> pl.Expr:
    """Read a port; Argus writes those of ICMP in hexadecimal."""
    text = pl.col(column)
    plain = fields.whole(column, pl.UInt16())
    digits = pl.when(text.str.starts_with("0x")).then(text.str.strip_prefix("0x"))
    in_hex = digits.str.to_integer(base=16, strict=False, dtype=pl.Int64)
    fitting = pl.when(in_hex.is_between(0, 65_535)).then(in_hex).cast(pl.UInt16, strict=False)
    return pl.coalesce(plain, fitting)


def _time_rule(layout: Layout) -> str:
    """Say what a time must look like."""
    if layout.time_format is not None:
        return f"must be a time like {neutral_text(layout.time_format, longest=40)}"
    return fields.TIME_RULE


def _time(column: str, text: pl.DataFrame, layout: Layout) -> pl.Expr:
    """Read a time as µs: by the format given, else a number in its unit, else ISO-like text."""
    value = pl.col(column)
    if layout.time_format is not None:
        parsed = value.str.to_datetime(layout.time_format, time_unit="us", strict=False)
        stamp = parsed.dt.replace_time_zone(None).cast(pl.Int64)
        return pl.when(stamp.is_between(0, fields.LATEST_US)).then(stamp)
    unit = layout.time_unit or _unit_by_size(text[column])
    number = value.cast(pl.Float64, strict=False)
    if unit == "s":
        numeric = fields.micros(column)
    else:
        whole = value.cast(pl.Int64, strict=False)
        exact = {"ms": whole * 1000, "us": whole, "ns": whole // 1000}[unit]
        rough = (number * UNITS[unit]).round().cast(pl.Int64, strict=False)
        exact = pl.when(whole.abs() < 2**53 * 1000).then(exact)
        in_range = (number * UNITS[unit]).is_between(0, fields.LATEST_US) & number.is_not_nan()
        numeric = pl.when(in_range).then(pl.coalesce(exact, rough))
    iso = fields.time_text(f"{column}")
    return pl.when(number.is_not_null()).then(numeric).otherwise(iso)


def _unit_by_size(column: pl.Series) -> str:
    """Tell the unit of times since 1970 by their size; between 1973 and 5000 it is unambiguous."""
    middle = column.cast(pl.Float64, strict=False).drop_nulls().drop_nans().median()
    size = float(middle) if isinstance(middle, int | float) else 0.0
    return "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"


def _record(typed: pl.DataFrame, kept: pl.DataFrame, uid: pl.Expr) -> pl.DataFrame:
    """Give the columns of the record."""
    have = set(typed.columns)
    end = pl.col("ts_end") if "ts_end" in have else pl.lit(None, dtype=pl.Int64)
    span = pl.col("_duration") if "_duration" in have else pl.lit(None, dtype=pl.Int64)
    end = pl.coalesce(end, pl.col("ts") + span, pl.col("ts"))
    frame = typed.with_columns(
        pl.max_horizontal(end, pl.col("ts")).clip(upper_bound=fields.LATEST_US).alias("ts_end"),
        fields.proto_number("proto").alias("ip_proto"),
        fields.ip_version("src_ip").alias("ip_version"),
    )
    known = "ts_end" in have or "_duration" in have
    if known:
        took = (frame["ts_end"] - frame["ts"]).to_numpy() / 1e6
        frame = frame.with_columns(pl.Series("duration_s", took))
    uid = pl.coalesce("uid", uid) if "uid" in have else uid
    frame = frame.with_columns(uid.alias("uid"))
    ported = pl.col("proto").is_in(list(HAS_PORTS))
    frame = frame.with_columns(
        pl.when(ported).then(pl.col(column)).alias(column)
        for column in ("src_port", "dst_port")
        if column in have
    )
    for total, (out, back) in TOTALS.items():
        if {total, out} <= have and back not in have:
            rest = pl.when(pl.col(total) >= pl.col(out)).then(pl.col(total) - pl.col(out))
            frame = frame.with_columns(rest.alias(back))
    extra = [c for c in ("_duration", *TOTALS) if c in frame.columns]
    return frame.drop(extra).with_columns(_states(kept))


def _states(kept: pl.DataFrame) -> list[pl.Series]:
    """Take states and directions that the record knows; another tool's words become null."""
    known: dict[str, tuple[str, ...]] = {
        "state": fields.STATE_NAMES,
        "direction": fields.DIRECTION_NAMES,
    }
    return [
        kept.select(
            pl.when(pl.col(column).is_in(words)).then(pl.col(column)).alias(column)
        ).to_series()
        for column, words in known.items()
        if column in kept.columns
    ]
