"""Truth incidents: which attacks there were, from labels beside flows or from a list of attacks.

What belongs here: the shape of an attack and where it is read from. What does not: deciding whether it
was found (``match.py``).

Two kinds of file say what happened. An **attack list** has one row an attack: ``attack_id, key, neighbours,
sources, destinations, ports, proto, start_us, end_us``. A **flow list** has one row a conversation:
``attack_id, key, start_us, end_us`` and ``uid``, ``community_id`` or the 5-tuple ``src_ip, dst_ip,
src_port, dst_port, proto``. Beside ``X-truth.csv`` the flow list ``X-flows-truth.csv.gz`` is found by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from eddyline.errors import InputError
from eddyline.flows.addresses import network_texts, pack_all
from eddyline.incidents.trace import network_named

JOIN_US: Final = 60_000_000
"""Labelled flows of one class, source and destination network less than this apart are one attack, µs."""

LIST_COLUMNS: Final = ("attack_id", "key", "sources", "destinations", "start_us", "end_us")
"""What an attack list must have."""

FLOW_COLUMNS: Final = ("attack_id", "key", "start_us", "end_us")
"""What a flow list must have beside ``uid``, ``community_id`` or a 5-tuple."""

TUPLE: Final = ("src_ip", "dst_ip", "src_port", "dst_port", "proto")
"""The 5-tuple of a flow list."""


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack that really happened.

    Parameters
    ----------
    name
        Its identifier.
    key
        Its behaviour, one of ``incident.ATTACKS``; the class of the labels where the truth is labels.
    neighbours
        Keys that describe it nearly as well.
    sources, destinations
        Addresses or networks; empty when the truth names none.
    start_us, end_us
        Its interval, µs since the epoch, both included.
    n_flows
        Labelled flows that it stands for in the input; 0 when only the list knows it.
    """

    name: str
    key: str
    neighbours: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    destinations: tuple[str, ...] = ()
    start_us: int = 0
    end_us: int = 0
    n_flows: int = 0


def from_labels(flows: pl.DataFrame) -> tuple[pl.DataFrame, list[Attack]]:
    """Group labelled flows into attacks by class, source and /24 (or /64) of the destination.

    Parameters
    ----------
    flows
        With ``row``, ``ts``, ``ts_end``, ``src_ip``, ``dst_ip``, ``attack``, ``attack_class``.

    Returns
    -------
    polars.DataFrame
        The flows with ``truth``: the place of their attack in the list, null elsewhere.
    list of Attack
        In order of their start.
    """
    group = ["attack_class", "src_ip", "net"]
    bad = flows.filter(pl.col("attack").fill_null(value=False))
    bad = bad.join(_networks(bad["dst_ip"]), on="dst_ip", how="left")
    bad = bad.sort(*group, "ts", "row")
    before = pl.col("ts_end").cum_max().shift(1).over(group)
    begins = (pl.col("ts") - before >= JOIN_US).fill_null(value=True)
    bad = bad.with_columns(begins.cum_sum().alias("part"))
    each = bad.group_by("part").agg(
        pl.col("attack_class", "src_ip", "net").first(),
        pl.col("ts").min().alias("start"),
        pl.col("ts_end").max().alias("end"),
        pl.len().alias("n"),
    )
    each = each.sort("start", "part").with_row_index("truth")
    attacks = [
        Attack(f"truth-{row['truth'] + 1}", row["attack_class"], (), (row["src_ip"],), (row["net"],),
               row["start"], row["end"], row["n"])
        for row in each.iter_rows(named=True)
    ]  # fmt: skip
    marks = bad.join(each.select("part", "truth"), on="part").select("row", "truth")
    return flows.join(marks, on="row", how="left", maintain_order="left"), attacks


def _networks(addresses: pl.Series) -> pl.DataFrame:
    distinct = addresses.unique().to_list()
    nets = network_texts(pack_all(distinct), distinct)
    return pl.DataFrame(
        {"dst_ip": pl.Series(distinct, dtype=pl.String), "net": pl.Series(nets, dtype=pl.String)}
    )


def read_truth(path: Path) -> tuple[list[Attack], pl.DataFrame | None]:
    """Read an attack list, with the flow list that lies beside it, or a flow list alone.

    Parameters
    ----------
    path
        CSV, plain or gzip.

    Returns
    -------
    list of Attack
        In the order of the file.
    polars.DataFrame or None
        The flow list: its columns, with ``truth`` the place of the attack; None when there is none.

    Raises
    ------
    InputError
        When the file cannot be read or is neither kind of list.
    """
    table = _table(path)
    if set(LIST_COLUMNS) <= set(table.columns):
        attacks = [_attack(row, path) for row in table.iter_rows(named=True)]
        beside = path.with_name(path.name.replace("truth.csv", "flows-truth.csv.gz"))
        flow_list = _table(beside) if beside != path and beside.exists() else None
        return attacks, None if flow_list is None else _numbered(flow_list, attacks, beside)
    if not set(FLOW_COLUMNS) <= set(table.columns):
        absent = sorted(set(LIST_COLUMNS) - set(table.columns))
        message = (
            f"{path}: must have the columns of an attack list or of a flow list, "
            f"lacks {', '.join(absent)}; see docs/reference/evaluation.md"
        )
        raise InputError(message)
    each = table.group_by("attack_id", maintain_order=True).agg(
        pl.col("key").first(), pl.col("start_us").min(), pl.col("end_us").max(), pl.len()
    )
    attacks = [
        Attack(row["attack_id"], row["key"], start_us=row["start_us"], end_us=row["end_us"])
        for row in each.iter_rows(named=True)
    ]
    return attacks, _numbered(table, attacks, path)


def _table(path: Path) -> pl.DataFrame:
    """Read a CSV of text, with its two times as numbers."""
    try:
        table = pl.read_csv(path.read_bytes(), infer_schema=False)
        return table.with_columns(pl.col("^(start_us|end_us)$").cast(pl.Int64))
    except (OSError, pl.exceptions.PolarsError) as error:
        cause = str(error).partition("\n")[0]
        message = (
            f"{path}: must be a readable CSV with times in µs, got {cause}; pass a truth file"
        )
        raise InputError(message) from error


def _attack(row: Mapping[str, str | int | None], path: Path) -> Attack:
    for text in (*_several(row["sources"]), *_several(row["destinations"])):
        if network_named(text) is None:
            message = (
                f"{path}: sources and destinations must be addresses or networks separated by ';', "
                f"got {text!r}; write it like 10.0.3.7 or 10.9.0.0/16"
            )
            raise InputError(message)
    return Attack(
        name=str(row["attack_id"]),
        key=str(row["key"]),
        neighbours=_several(row.get("neighbours")),
        sources=_several(row["sources"]),
        destinations=_several(row["destinations"]),
        start_us=int(row["start_us"] or 0),
        end_us=int(row["end_us"] or 0),
    )


def _several(text: str | int | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in str(text or "").split(";") if part.strip())


def _numbered(table: pl.DataFrame, attacks: list[Attack], path: Path) -> pl.DataFrame:
    """Add the place of each row's attack; check that a row can be matched."""
    if not ({"uid", "community_id"} & set(table.columns) or set(TUPLE) <= set(table.columns)):
        message = (
            f"{path}: a flow list must have uid, community_id or {', '.join(TUPLE)}, "
            f"got {', '.join(table.columns)}; an address and a time alone match nothing"
        )
        raise InputError(message)
    place = {attack.name: number for number, attack in enumerate(attacks)}
    unknown = sorted(set(table["attack_id"].to_list()) - set(place))
    if unknown:
        message = (
            f"{path}: attack_id must be one of the attack list, got {unknown[0]!r}; mend a file"
        )
        raise InputError(message)
    number = pl.col("attack_id").replace_strict(place, return_dtype=pl.UInt32)
    return table.with_columns(number.alias("truth"))
