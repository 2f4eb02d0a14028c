"""Zeek's columns become the columns of the flow record.

What belongs here: the meaning of Zeek's columns, marks and labels. What does not: cutting a log into cells
(``zeek.py``).
"""

from __future__ import annotations

import polars as pl

from eddyline.flows.batch import FlowBatch
from eddyline.flows.record import QUALITY, STATES
from eddyline.read import fields
from eddyline.read.fields import Place, Rule
from eddyline.read.ingest import IngestReport
from eddyline.read.zeekheader import COUNTS, LABELS


def flows_of(raw: pl.DataFrame, place: Place, report: IngestReport, origin: str) -> FlowBatch:
    """Turn text columns into flows.

    Parameters
    ----------
    raw
        Zeek's columns by their names; missing values are null.
    place
        Where the rows came from.
    report
        Takes counts of lost rows.
    origin
        Name for made identifiers, see ``lines.origin``.
    """
    needed = ["ts", "uid", "id.orig_h", "id.resp_h", "id.orig_p", "id.resp_p", "proto", "duration"]
    raw = raw.with_columns(
        pl.lit(None, dtype=pl.String).alias(field) for field in needed if field not in raw.columns
    )
    raw = raw.with_columns(_protocol(raw).alias("proto"))
    counts = {ours: theirs for ours, theirs in COUNTS.items() if theirs in raw.columns}
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
    frame = _record(typed, kept, fields.made_uid(origin, place.lines[good]))
    return FlowBatch.of(frame, _labels(kept))


def _protocol(raw: pl.DataFrame) -> pl.Expr:
    """Name the transport; where Zeek knows none, newer logs have its number."""
    name = fields.proto_name("proto")
    if "ip_proto" not in raw.columns:
        return name
    unnamed = pl.col("proto") == "unknown_transport"
    return (
        pl.when(unnamed & pl.col("ip_proto").is_not_null())
        .then(fields.proto_name("ip_proto"))
        .otherwise(name)
    )


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


def _record(typed: pl.DataFrame, kept: pl.DataFrame, uid: pl.Expr) -> pl.DataFrame:
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
    )
    is_icmp = pl.col("proto").is_in(["icmp", "ipv6-icmp"])
    frame = frame.with_columns(
        pl.coalesce(pl.col("uid"), uid).alias("uid"),
        pl.when(~is_icmp).then(pl.col("_sport")).alias("src_port"),
        pl.when(~is_icmp).then(pl.col("_dport")).alias("dst_port"),
        pl.when(is_icmp & (pl.col("_sport") < 256)).then(pl.col("_sport")).alias("icmp_type"),
        pl.when(is_icmp & (pl.col("_dport") < 256)).then(pl.col("_dport")).alias("icmp_code"),
        fields.proto_number("proto").alias("ip_proto"),
    ).drop("_sport", "_dport", "_duration")
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

    def both(out: bool, back: bool) -> pl.Expr:
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
    detail = next((f for f in kept.columns if LABELS.get(f) == "label_detail"), None)
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
