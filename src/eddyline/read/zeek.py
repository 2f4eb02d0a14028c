"""Zeek's ``conn.log``: tab-separated with a header, or JSON lines; with or without labels.

What belongs here: Zeek's names, headers and marks, and the labels that NetflowLabeler and IoT-23 add.
What does not: checks that every text format shares (``fields.py``).

``bytes_out`` is ``orig_ip_bytes``: ``orig_bytes`` is payload taken from sequence numbers and may be
wrong for large connections. ICMP "ports" are type and code. Zeek's duration leaves out trailing packets
without new payload, so ``ts_end`` may be early.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from eddyline.errors import InputError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import QUALITY, STATES
from eddyline.read import fields
from eddyline.read.fields import Place, Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.jsonl import json_frame
from eddyline.read.lines import LONGEST_LINE, Chunk, Data, Lines, chunks

NAME: Final = "zeek"

_SIGNATURE: Final = frozenset({"id.orig_h", "id.resp_h", "proto"})
_CONN_ONLY: Final = frozenset({"conn_state", "orig_bytes", "orig_pkts", "orig_ip_bytes"})
_LABELS: Final = {
    "label": "label",
    "detailedlabel": "label_detail",
    "detailed-label": "label_detail",
    "detailed_label": "label_detail",
}
_COUNTS: Final = {
    "payload_out": "orig_bytes",
    "payload_in": "resp_bytes",
    "missed_bytes": "missed_bytes",
    "pkts_out": "orig_pkts",
    "bytes_out": "orig_ip_bytes",
    "pkts_in": "resp_pkts",
    "bytes_in": "resp_ip_bytes",
}
_USED: Final = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration conn_state history "  # noqa: SIM905
    "local_orig local_resp tunnel_parents vlan inner_vlan community_id ip_proto"
).split() + list(_COUNTS.values())


@dataclass(frozen=True, slots=True)
class Header:
    """What the lines that start with ``#`` say about the rows behind them.

    Parameters
    ----------
    separator
        One byte between fields.
    set_separator
        Text between the members of a set.
    unset, empty
        Marks of a missing value and of an empty one.
    names
        Column names, in order.
    tail
        Names that hide inside the last column, three spaces apart, as IoT-23 writes its labels.
    """

    separator: bytes = b"\t"
    set_separator: str = ","
    unset: str = "-"
    empty: str = "(empty)"
    names: tuple[str, ...] = ()
    tail: tuple[str, ...] = ()


def sniff(head: bytes) -> bool:
    """Tell whether an input is a Zeek connection log.

    Parameters
    ----------
    head
        Its first bytes, a few thousand.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith(b"{"):
        line = text.split(b"\n", 1)[0]
        names = set(re.findall(rb'"([^"\\]{1,40})"\s*:', line))
        return {b"id.orig_h", b"id.resp_h"} <= names and bool(
            names & {name.encode() for name in _CONN_ONLY}
        )
    header = Header()
    for line in text.split(b"\n")[:40]:
        if not line.startswith(b"#"):
            return _is_conn(header.names or _bare_header(line)[1])
        if line.startswith(b"#path") and line.split()[1:] != [b"conn"]:
            return False
        header = _with_line(header, line)
    return _is_conn(header.names)


def _is_conn(names: tuple[str, ...]) -> bool:
    """Tell whether some column names are those of a connection log."""
    return set(names) >= _SIGNATURE and not _CONN_ONLY.isdisjoint(names)


def read(
    data: Data,
    *,
    name: str,
    report: IngestReport,
    statistics: bool = False,  # noqa: ARG001 - a log has none
    batch_rows: int = 100_000,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[FlowBatch]:
    """Read a connection log.

    Parameters
    ----------
    data
        Whole content.
    name
        Name of the source, for the places of lost rows.
    report
        Takes counts of lost rows.
    statistics
        No effect: a log has no packet statistics.
    batch_rows
        Rows of a batch at the most, ``>= 1``.
    progress
        Called with the bytes read so far and all bytes.
    """
    start = bytes(data[:4096]).lstrip(b"\xef\xbb\xbf \t\r\n")
    parse = _parse_json if start.startswith(b"{") else _TabParser().parse
    for chunk in chunks(data):
        for raw, place in parse(chunk, name, report):
            batch = _batch(raw, place, report)
            for offset in range(0, len(batch), batch_rows):
                yield batch.slice(offset, batch_rows)
        if progress is not None:
            progress(chunk.end, len(data))


# ------------------------------------------------------------------ header


def _unescape(text: str) -> str:
    """Turn ``\\x09`` into the character it stands for."""
    return re.sub(r"\\x([0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)


def _with_line(header: Header, line: bytes) -> Header:
    """Give the header as changed by one ``#`` line."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    key, _, rest = text.partition(" ")
    if key == "#separator":
        separator = _unescape(rest.strip() or "\\x09").encode("latin-1", "replace")
        if len(separator) != 1 or separator in b'\n\r"':
            message = f"#separator must be one byte, got {rest[:20]!r}; write the log with a separator such as \\x09"
            raise InputError(message)
        return Header(separator)
    mark = header.separator.decode("latin-1")
    key, _, rest = text.partition(mark)
    old = (header.separator, header.set_separator, header.unset, header.empty)
    if key == "#set_separator":
        return Header(old[0], _unescape(rest) or ",", old[2], old[3], header.names, header.tail)
    if key == "#unset_field":
        return Header(*old[:2], _unescape(rest), old[3], header.names, header.tail)
    if key == "#empty_field":
        return Header(*old[:3], _unescape(rest), header.names, header.tail)
    if key == "#fields":
        return Header(*old, *_split_tail(rest.split(mark)))
    return header


def _split_tail(names: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Take names out of the last one when spaces join them: ``tunnel_parents   label   detailed-label``."""
    last = re.split(r" {2,}", names[-1].strip())
    return (*names[:-1], last[0]), tuple(last[1:])


def _bare_header(line: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Read a header without ``#``, as tables made from conn.log have it: the separator and the names."""
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    for mark in ("\t", "|", ",", ";"):
        names = tuple(text.split(mark))
        if _SIGNATURE <= set(names):
            return mark.encode(), names
    return b"\t", ()


# ------------------------------------------------------------------ rows as text

Parsed = Iterator[tuple[pl.DataFrame, Place]]


class _TabParser:
    """Rows of a log whose header may change on the way, as in rotated logs joined end to end."""

    def __init__(self) -> None:
        self.header = Header()

    def parse(self, chunk: Chunk, name: str, report: IngestReport) -> Parsed:
        """Cut a chunk where the header changes and give the text columns of each part."""
        lines = Lines.of(chunk.text)
        lengths, first = lines.lengths(), lines.first_bytes()
        numbers = chunk.first_line + np.arange(len(lengths), dtype=np.int64)
        comment = first == ord("#")
        too_long = lengths > LONGEST_LINE
        if too_long.any():
            where = (
                f"{name}:{numbers[too_long.argmax()]}: line is longer than {LONGEST_LINE} bytes"
            )
            report.skip("line too long", int(too_long.sum()), place=where)
        heads = self._is_header(lines, comment)
        usable = (lengths > 0) & ~heads & ~too_long
        if not self.header.names:
            self._bare(lines, usable, heads)
        start = 0
        for row in np.flatnonzero(heads).tolist():
            changed = self._apply(lines, row)
            if changed is None:
                continue
            yield from self._part(lines, usable, numbers, (start, row), name, report)
            self.header, start = changed, row + 1
        yield from self._part(lines, usable, numbers, (start, len(lengths)), name, report)

    def _is_header(self, lines: Lines, comment: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        """Tell which lines may change the header; a tab before the first # is forgiven."""
        odd = np.zeros(len(comment), dtype=np.bool_)
        for row in range(min(3, len(comment))):
            text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
            odd[row] = text.lstrip(b"\xef\xbb\xbf \t").startswith(b"#") and not comment[row]
        return comment | odd

    def _apply(self, lines: Lines, row: int) -> Header | None:
        """Give the header after one line, or None when it stays as it is."""
        text = lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
        text = text.lstrip(b"\xef\xbb\xbf \t")
        if not text.startswith((b"#separator", b"#set_", b"#unset_", b"#empty_", b"#fields")):
            return None
        if text.startswith(b"#separator") and self.header.names:
            fresh = _with_line(self.header, text)
            if fresh.separator == self.header.separator:
                return None
            return fresh
        changed = _with_line(self.header, text)
        return None if changed == self.header else changed

    def _bare(self, lines: Lines, usable: np.ndarray, comment: np.ndarray) -> None:  # type: ignore[type-arg]
        """Take a header without ``#`` from the first line when there is no other."""
        if comment.any() or not usable.any():
            return
        row = int(usable.argmax())
        separator, names = _bare_header(
            lines.buffer[lines.starts[row] : lines.ends[row]].tobytes()
        )
        if names:
            self.header = Header(separator, names=names)
            usable[row] = False

    def _part(
        self,
        lines: Lines,
        usable: np.ndarray,  # type: ignore[type-arg]
        numbers: np.ndarray,  # type: ignore[type-arg]
        span: tuple[int, int],
        name: str,
        report: IngestReport,
    ) -> Parsed:
        """Give the text columns of the lines ``span[0]`` (included) to ``span[1]`` (excluded)."""
        inside = np.zeros(len(usable), dtype=np.bool_)
        inside[span[0] : span[1]] = usable[span[0] : span[1]]
        if not inside.any():
            return
        width = len(self.header.names)
        if width == 0:
            where = f"{name}:{numbers[inside.argmax()]}: there is no #fields line before this row"
            report.skip("row before the header", int(inside.sum()), place=where)
            return
        found = lines.count(self.header.separator) + 1
        wrong = inside & (found != width)
        if wrong.any():
            row = int(wrong.argmax())
            where = f"{name}:{numbers[row]}: row has {found[row]} fields, must have {width}"
            report.skip("wrong number of fields", int(wrong.sum()), place=where)
            inside &= ~wrong
        if inside.any():
            yield self._frame(lines.pick(inside)), Place(name, numbers[inside])

    def _frame(self, text: bytes) -> pl.DataFrame:
        """Split rows that are known to have the right number of fields."""
        header = self.header
        unique = [f"{i}" for i in range(len(header.names))]
        frame = _split(text, header.separator, unique)
        columns: dict[str, str] = {}
        for position, field in enumerate(header.names):
            columns.setdefault(field, str(position))
        wanted = [*_USED, *_LABELS]
        picked = frame.select(
            _marked(pl.col(columns[field]), header, field).alias(field)
            for field in wanted
            if field in columns and not (header.tail and field == header.names[-1])
        )
        if header.tail:
            picked = picked.with_columns(_tail_columns(frame[unique[-1]], header))
        sets = [field for field in ("tunnel_parents",) if field in picked.columns]
        return picked.with_columns(
            pl.when(pl.col(field) == header.empty)
            .then(pl.lit([], dtype=pl.List(pl.String)))
            .otherwise(pl.col(field).str.split(header.set_separator))
            .alias(field)
            for field in sets
        )


def _split(text: bytes, separator: bytes, names: list[str]) -> pl.DataFrame:
    """Split uniform rows into text columns."""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        text = text.decode("utf-8", "replace").encode()
    return pl.read_csv(
        text,
        separator=separator.decode("latin-1"),
        has_header=False,
        schema=dict.fromkeys(names, pl.String),
        quote_char=None,
        glob=False,
    )


def _marked(column: pl.Expr, header: Header, field: str) -> pl.Expr:
    """Turn the marks of a missing value into null, and of an empty one where it is no set."""
    marks = [header.unset] if field == "tunnel_parents" else [header.unset, header.empty]
    return pl.when(~column.is_in(marks)).then(column)


def _tail_columns(last: pl.Series, header: Header) -> list[pl.Series]:
    """Split the last column at runs of spaces into its own value and the labels."""
    names = (header.names[-1], *header.tail)
    parts = last.str.replace_all(r" {2,}", "\x1f").str.splitn("\x1f", len(names)).struct.unnest()
    parts.columns = list(names)
    return [
        parts.select(_marked(pl.col(field).str.strip_chars(), header, field)).to_series()
        for field in names
        if field in _LABELS or field in _USED
    ]


def _parse_json(chunk: Chunk, name: str, report: IngestReport) -> Parsed:
    """Give the text columns of JSON lines."""
    names = [*_USED, *_LABELS]
    frame, numbers = json_frame(chunk, names, name, report)
    if frame.height == 0:
        return
    present = frame.select(
        pl.col(field) for field in names if frame[field].null_count() < frame.height
    )
    if "tunnel_parents" in present.columns:
        present = present.with_columns(
            pl.col("tunnel_parents").str.json_decode(pl.List(pl.String), infer_schema_length=None)
            if present["tunnel_parents"].drop_nulls().str.starts_with("[").all()
            else pl.col("tunnel_parents").str.split(",")
        )
    yield present, Place(name, numbers)


# ------------------------------------------------------------------ text to flows


def _batch(raw: pl.DataFrame, place: Place, report: IngestReport) -> FlowBatch:
    """Turn text columns into flows."""
    needed = ["ts", "uid", "id.orig_h", "id.resp_h", "id.orig_p", "id.resp_p", "proto", "duration"]
    raw = raw.with_columns(
        pl.lit(None, dtype=pl.String).alias(field) for field in needed if field not in raw.columns
    )
    raw = raw.with_columns(fields.proto_name("proto").alias("proto"))
    counts = {ours: theirs for ours, theirs in _COUNTS.items() if theirs in raw.columns}
    rules = [
        Rule("ts", "ts", _zeek_time("ts"), fields.TIME_RULE, required=True),
        Rule("src_ip", "id.orig_h", _address("id.orig_h"), "must be an address", required=True),
        Rule("dst_ip", "id.resp_h", _address("id.resp_h"), "must be an address", required=True),
        Rule("proto", "proto", _address("proto"), "must be a protocol", required=True),
        Rule("_sport", "id.orig_p", fields.whole("id.orig_p", pl.UInt16()), fields.PORT_RULE),
        Rule("_dport", "id.resp_p", fields.whole("id.resp_p", pl.UInt16()), fields.PORT_RULE),
        Rule("_duration", "duration", fields.micros("duration"), fields.DURATION_RULE),
        *(
            Rule(ours, theirs, fields.whole(theirs, pl.UInt64()), fields.COUNT_RULE)
            for ours, theirs in counts.items()
        ),
    ]
    typed, good = fields.check(raw, rules, place, report)
    kept = raw if good.all() else raw.filter(pl.Series(good))
    lines = place.lines[good]
    frame = _record(typed, kept, place.name, lines)
    return FlowBatch.of(frame, _labels(kept))


def _zeek_time(source: str) -> pl.Expr:
    """Read a time as Zeek writes it: seconds, or in JSON also milliseconds or ISO 8601."""
    seconds = fields.micros(source)
    number = pl.col(source).cast(pl.Float64, strict=False)
    millis = pl.when(number > 1e11).then((number * 1e3).round().cast(pl.Int64, strict=False))
    millis = pl.when(millis <= fields.LATEST_US).then(millis)
    return (
        pl.when(number.is_null())
        .then(fields.time_text(source))
        .when(number > 1e11)
        .then(millis)
        .otherwise(seconds)
    )


def _address(source: str) -> pl.Expr:
    """Take a text that is not empty."""
    return pl.when(pl.col(source).str.len_bytes().is_between(1, 255)).then(pl.col(source))


def _record(
    typed: pl.DataFrame,
    kept: pl.DataFrame,
    name: str,
    lines: np.ndarray,  # type: ignore[type-arg]
) -> pl.DataFrame:
    """Give the columns of the record."""
    version = fields.ip_version("src_ip")
    icmp6 = (pl.col("proto") == "icmp") & (version == 6)
    frame = typed.with_columns(
        kept["uid"],
        version.alias("ip_version"),
        pl.when(icmp6).then(pl.lit("ipv6-icmp")).otherwise(pl.col("proto")).alias("proto"),
        (pl.col("ts") + pl.col("_duration").fill_null(0))
        .clip(upper_bound=fields.LATEST_US)
        .alias("ts_end"),
        _seconds(typed["_duration"]),
        pl.Series("_line", lines),
    )
    is_icmp = pl.col("proto").is_in(["icmp", "ipv6-icmp"])
    frame = frame.with_columns(
        pl.coalesce(pl.col("uid"), pl.format("{}:{}", pl.lit(name), pl.col("_line"))).alias("uid"),
        pl.when(~is_icmp).then(pl.col("_sport")).alias("src_port"),
        pl.when(~is_icmp).then(pl.col("_dport")).alias("dst_port"),
        pl.when(is_icmp & (pl.col("_sport") < 256)).then(pl.col("_sport")).alias("icmp_type"),
        pl.when(is_icmp & (pl.col("_dport") < 256)).then(pl.col("_dport")).alias("icmp_code"),
        fields.proto_number("proto").alias("ip_proto"),
    ).drop("_sport", "_dport", "_duration", "_line")
    return frame.with_columns(_optional(kept))


def _seconds(duration_us: pl.Series) -> pl.Series:
    """Give µs as seconds, each the float nearest to its decimal text."""
    missing = duration_us.is_null()
    seconds = duration_us.fill_null(0).to_numpy() / 1e6
    return pl.select(pl.when(~missing).then(pl.Series(seconds)).alias("duration_s")).to_series()


def _optional(kept: pl.DataFrame) -> list[pl.Series | pl.Expr]:
    """Give the columns that a log may or may not have."""
    have = set(kept.columns)
    columns: list[pl.Series | pl.Expr] = []

    def add(ours: str, expression: pl.Expr) -> None:
        columns.append(kept.select(expression.alias(ours)).to_series())

    if "service" in have:
        add("app", pl.col("service").str.split_exact(",", 1).struct.field("field_0"))
    if "conn_state" in have:
        state = pl.when(pl.col("conn_state").is_in(STATES)).then(pl.col("conn_state"))
        add("state", state)
        midstream = (pl.col("conn_state") == "OTH") & (pl.col("proto") == "tcp")
        add("quality", midstream.fill_null(value=False).cast(pl.UInt16) * QUALITY["midstream"])
    for field in ("history", "community_id"):
        if field in have:
            add(field, pl.col(field))
    if {"local_orig", "local_resp"} <= have:
        add("direction", _direction())
    if "vlan" in have:
        tags = [
            pl.col(tag).cast(pl.UInt16, strict=False)
            for tag in ("vlan", "inner_vlan")
            if tag in have
        ]
        add("vlan", pl.concat_list(tags).list.drop_nulls())
    if "tunnel_parents" in have:
        add("tunnel", pl.col("tunnel_parents"))
    return columns


def _direction() -> pl.Expr:
    """Read the direction from Zeek's own list of local networks."""
    local = {True: ("T", "true"), False: ("F", "false")}
    orig, resp = pl.col("local_orig"), pl.col("local_resp")

    def both(out: bool, back: bool) -> pl.Expr:  # noqa: FBT001
        return orig.is_in(local[out]) & resp.is_in(local[back])

    return (
        pl.when(both(out=True, back=True))
        .then(pl.lit("internal"))
        .when(both(out=True, back=False))
        .then(pl.lit("outbound"))
        .when(both(out=False, back=True))
        .then(pl.lit("inbound"))
        .when(both(out=False, back=False))
        .then(pl.lit("external"))
    )


def _labels(kept: pl.DataFrame) -> pl.DataFrame | None:
    """Give the labels; ``Malicious   C&C`` beside ``Torii`` is the class Malicious, C&C-Torii."""
    detail = next((f for f in kept.columns if _LABELS.get(f) == "label_detail"), None)
    if "label" not in kept.columns:
        return None
    parts = pl.col("label").str.replace(r" {2,}", "\x1f").str.splitn("\x1f", 2)
    more = pl.concat_str(
        parts.struct.field("field_1"),
        pl.lit(None, dtype=pl.String) if detail is None else pl.col(detail),
        separator="-",
        ignore_nulls=True,
    )
    return kept.select(
        parts.struct.field("field_0").alias("label"),
        pl.when(more != "").then(more).alias("label_detail"),
    )
