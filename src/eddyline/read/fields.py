"""Text becomes typed columns; what does not fit its rule is counted by cause and place, and left out.

What belongs here: rules for numbers, ports and times that any text format shares. What does not: which
column of which format holds them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.flows.protocols import NAME_OF, NUMBER_OF
from eddyline.flows.record import DIRECTIONS, STATES
from eddyline.flows.text import neutral_text
from eddyline.read.ingest import IngestReport

LATEST_US: Final = 253_402_300_799_000_000
"""Last second of the year 9999, µs since the epoch; a later time is a damaged one."""

STATE_NAMES: Final = tuple(STATES)
DIRECTION_NAMES: Final = tuple(DIRECTIONS)
_RESPELL: Final = frozenset({"icmp6", "icmpv6", "ospfigp", "pim-sm"})

TIME_RULE: Final = "must be a time from 1970 to 9999"
PORT_RULE: Final = "must be 0 to 65535"
COUNT_RULE: Final = "must be a whole number >= 0"
DURATION_RULE: Final = "must be >= 0 s and end before the year 10000"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one typed column is made from one text column.

    Parameters
    ----------
    name
        Name of the typed column.
    source
        Name of the text column.
    typed
        Expression over the text column that gives null where the text breaks the rule.
    words
        The rule, such as ``"must be 0 to 65535"``.
    required
        True when a missing value makes the row useless.
    """

    name: str
    source: str
    typed: pl.Expr
    words: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where rows of a frame stand in their source.

    Parameters
    ----------
    name
        Name of the source.
    lines
        Line number of each row, from 1, shape ``(n,)``.
    """

    name: str
    lines: NDArray[np.int64]


def whole(source: str, dtype: pl.DataType) -> pl.Expr:
    """Read a whole number; a fraction of zero (``80.0``) is allowed, as data frames write it.

    Parameters
    ----------
    source
        Name of the text column.
    dtype
        Unsigned integer type; what does not fit becomes null.
    """
    text = pl.col(source)
    plain = text.str.strip_suffix(".0")
    return plain.cast(dtype, strict=False)


def micros(source: str) -> pl.Expr:
    """Read decimal seconds as µs, to the digit: no float is between, and the 7th digit rounds half up.

    A number with an exponent goes through a float, which holds µs exactly until the year 2255.

    Parameters
    ----------
    source
        Name of the text column.
    """
    text = pl.col(source)
    number = text.cast(pl.Float64, strict=False)
    parts = text.str.split_exact(".", 1)
    seconds = parts.struct.field("field_0").cast(pl.Int64, strict=False)
    digits = parts.struct.field("field_1").fill_null("").str.pad_end(7, "0").str.slice(0, 7)
    fraction = digits.cast(pl.Int64, strict=False)
    exact = seconds * 1_000_000 + (fraction + 5) // 10
    rough = (number * 1e6).round().cast(pl.Int64, strict=False)
    in_range = number.is_between(0, LATEST_US / 1e6) & number.is_not_nan()
    return pl.when(in_range).then(pl.coalesce(exact, rough))


def time_text(source: str) -> pl.Expr:
    """Read an RFC 3339 or ISO 8601 time as µs; without a zone it is UTC.

    Parameters
    ----------
    source
        Name of the text column.
    """
    text = pl.col(source).str.replace(r"^(\d{4})/(\d\d)/(\d\d)", "$1-$2-$3")
    text = text.str.replace(" ", "T", literal=True)
    text = text.str.replace(r"Z$", "+00:00").str.replace(r"([+-]\d\d)(\d\d)$", "$1:$2")
    zoned = text.str.contains(r"T.*[+-]\d\d:\d\d$")
    text = pl.when(zoned).then(text).otherwise(text + "+00:00")
    parsed = text.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f%:z", time_unit="us", strict=False)
    stamp = parsed.cast(pl.Int64)
    return pl.when(stamp.is_between(0, LATEST_US)).then(stamp)


def made_uid(origin: str, lines: NDArray[np.int64]) -> pl.Expr:
    """Make identifiers for rows whose source gives none: the source and the line.

    Parameters
    ----------
    origin
        See ``lines.origin``.
    lines
        Line number of each row.
    """
    return pl.format("{}:{}", pl.lit(origin), pl.lit(pl.Series(lines)))


def check(
    raw: pl.DataFrame, rules: Sequence[Rule], place: Place, report: IngestReport
) -> tuple[pl.DataFrame, NDArray[np.bool_]]:
    """Make the typed columns and leave out each row that breaks a rule.

    Parameters
    ----------
    raw
        Text columns.
    rules
        Tried in order; a row counts under the first one that it breaks.
    place
        Where the rows came from.
    report
        Takes the counts and the first places of each cause.

    Returns
    -------
    tuple
        The typed columns of the rows that are good, and which rows of ``raw`` those are.
    """
    typed = raw.select(rule.typed.alias(rule.name) for rule in rules)
    good = np.ones(raw.height, dtype=np.bool_)
    for rule in rules:
        nulls = typed[rule.name].is_null()
        if nulls.sum() == 0:
            continue
        given = raw[rule.source].is_not_null()
        bad = (nulls if rule.required else nulls & given).to_numpy() & good
        if bad.any():
            _tell(raw, rule, np.flatnonzero(bad), place, report)
            good &= ~bad
    if good.all():
        return typed, good
    return typed.filter(pl.Series(good)), good


def _tell(
    raw: pl.DataFrame,
    rule: Rule,
    rows: NDArray[np.int64],
    place: Place,
    report: IngestReport,
) -> None:
    """Count rows that break one rule, and keep the place of the first."""
    first = int(rows[0])
    value = raw[rule.source][first]
    shown = "missing" if value is None else repr(neutral_text(str(value), longest=40))
    report.skip(
        f"{rule.source} {rule.words}",
        len(rows),
        place=f"{place.name}:{place.lines[first]}: {rule.source} is {shown}, {rule.words}",
    )


def proto_name(source: str) -> pl.Expr:
    """Write a protocol as the record does: lower case, numbers by their name.

    Parameters
    ----------
    source
        Text column with names or numbers.
    """
    text = pl.col(source).str.to_lowercase()
    names = {str(number): name for number, name in NAME_OF.items()}
    names |= {name: NAME_OF[number] for name, number in NUMBER_OF.items() if name in _RESPELL}
    return text.replace(names)


def proto_number(source: str) -> pl.Expr:
    """Give the IANA number of a protocol name or number; null when it is not known.

    Parameters
    ----------
    source
        Text column, lower case, as ``proto_name`` gives it.
    """
    text = pl.col(source)
    known = text.replace_strict(NUMBER_OF, default=None, return_dtype=pl.UInt8)
    return pl.coalesce(known, text.cast(pl.UInt8, strict=False))


def ip_version(source: str) -> pl.Expr:
    """Tell 4 from 6 by the look of an address; null when it looks like neither.

    Parameters
    ----------
    source
        Text column of addresses.
    """
    text = pl.col(source)
    six = r"::|^([0-9A-Fa-f]*:){6,7}[0-9A-Fa-f.]*(%.*)?$"  # a MAC address has five colons
    return (
        pl.when(text.str.contains(six))
        .then(pl.lit(6, pl.UInt8))
        .when(text.str.contains(r"^\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}$"))
        .then(pl.lit(4, pl.UInt8))
    )
