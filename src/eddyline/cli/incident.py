"""``eddyline incident``: one incident of a report, its flows and its packets.

What belongs here: reading what was named and printing. What does not: finding flows, filters and the answer
to "why not" (``incidents/trace.py``).
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from eddyline.errors import InputError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.text import neutral_text
from eddyline.incidents.incident import Incident
from eddyline.incidents.trace import (
    TOLERANCE_US,
    choose,
    evidence_rows,
    packet_filter,
    read_incidents,
    why_not,
)
from eddyline.read.flows import read_flows
from eddyline.report.terminal import incident_lines
from eddyline.report.words import moment, plural

if TYPE_CHECKING:
    from rich.console import Console

MOST_FLOWS: Final = 50
"""Flows that the table shows."""

FEW_FLOWS: Final = 10
"""Flows up to this many are named one by one in the search of a log."""

LONGEST: Final = 2000
"""Characters of one printed line."""


def run_incident(
    uid: str,
    report: Path,
    flow_table: Path | None,
    pcap: Path | None,
    host: str | None,
    verdicts: Path | None = None,
) -> int:
    """Print one incident with what is asked for; give the exit code.

    Parameters
    ----------
    uid
        Identifier, its beginning, or rank.
    report
        JSON report of the scan.
    flow_table
        Flows that were scanned, or None.
    pcap
        Capture, or None.
    host
        Address to say "why not" of, or None.
    verdicts
        Parquet of ``scan --verdicts``, or None.

    Raises
    ------
    InputError
        When a file cannot be read.
    UsageError
        When no single incident or no address is meant.
    """
    from rich.console import Console

    console = Console()
    incidents = read_incidents(report)
    incident = choose(incidents, uid)
    if host is not None:
        flows = None if flow_table is None else _flows(flow_table, None)
        for sentence in why_not(
            host, incident, incidents, flows, _verdicts(verdicts), _levels(report)
        ):
            _say(console, sentence)
        return 0
    _print_incident(console, incident)
    if flow_table is not None:
        _print_flows(console, incident, flow_table)
    if pcap is not None:
        _print_packets(console, incident, pcap)
    _print_search(console, incident, report)
    return 0


def _flows(path: Path, incident: Incident | None) -> pl.DataFrame:
    """Read flows, all of them or those that end while an incident lasts."""
    since = None if incident is None else incident.first_us - TOLERANCE_US
    until = None if incident is None else incident.last_us + TOLERANCE_US + 1
    batches = list(read_flows(path, since=since, until=until))
    return FlowBatch.concat(batches).frame


def _levels(report: Path) -> dict[str, float]:
    """Read the alarm level of each view from a report that was read before; none of an older one."""
    levels = json.loads(report.read_text("utf-8")).get("model", {}).get("alarm_levels", {})
    return {view: float(level) for view, level in levels.items() if level is not None}


def _verdicts(path: Path | None) -> pl.DataFrame | None:
    if path is None:
        return None
    needed = ("ts", "ts_end", "src_ip", "dst_ip", "p_value", "incident")
    try:
        return pl.read_parquet(path, columns=list(needed))
    except (OSError, pl.exceptions.PolarsError) as error:
        message = (
            f"{path}: must be a file of 'eddyline scan --verdicts', got {type(error).__name__}; "
            "write it again"
        )
        raise InputError(message) from error


def _say(console: Console, text: str, style: str = "") -> None:
    """Print one line that can do nothing but show itself."""
    console.print(
        neutral_text(text, longest=LONGEST),
        style=style,
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


def _print_incident(console: Console, incident: Incident) -> None:
    sentence, *facts = incident_lines(incident)
    _say(console, f"{incident.rank}. {sentence}", "bold")
    for fact in facts:
        _say(console, f"   {fact}")
    _say(console, f"   severity {incident.severity}, confidence {incident.confidence}")
    for part in incident.contributions:
        _say(console, f"   - {part.words} ({part.share:.0%} of the score)")
    if incident.what_to_do:
        _say(console, f"What to do: {incident.what_to_do}")


def _print_flows(console: Console, incident: Incident, path: Path) -> None:
    from rich import box
    from rich.table import Table

    found, key = evidence_rows(incident, _flows(path, incident))
    how = {"uid": "by uid", "community_id": "by Community ID and time"}.get(key)
    named = len(incident.evidence)
    _say(console, "")
    if how is None:
        _say(console, f"None of the {plural(named, 'flow')} that the report names is in {path}.")
        return
    _say(
        console,
        f"{found.height:,} of {incident.flows_count:,} flows, found {how}"
        + (f"; the report names the first {named:,}." if named < incident.flows_count else "."),
    )
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    for name in ("start (UTC)", "s", "from", "to", "proto", "state", "out", "in"):
        is_number = name in {"s", "out", "in"}
        table.add_column(name, justify="right" if is_number else "left", overflow="fold")
    one_day = moment(incident.first_us).date() == moment(incident.last_us).date()
    layout = "%H:%M:%S.%f" if one_day else "%m-%d %H:%M:%S.%f"
    for row in found.head(MOST_FLOWS).iter_rows(named=True):
        cells = (
            moment(row["ts"]).strftime(layout)[:-3],
            "" if row["duration_s"] is None else f"{row['duration_s']:.3f}",
            _end(row["src_ip"], row["src_port"]),
            _end(row["dst_ip"], row["dst_port"]),
            row["proto"] or "",
            row["state"] or "",
            "" if row["bytes_out"] is None else f"{row['bytes_out']:,}",
            "" if row["bytes_in"] is None else f"{row['bytes_in']:,}",
        )
        table.add_row(*(neutral_text(cell) for cell in cells))
    console.print(table, highlight=False, markup=False)
    if found.height > MOST_FLOWS:
        _say(console, f"{found.height - MOST_FLOWS:,} more flows.")


def _end(address: str | None, port: int | None) -> str:
    if port is None:
        return address or ""
    return f"[{address}]:{port}" if ":" in (address or "") else f"{address}:{port}"


def _print_packets(console: Console, incident: Incident, pcap: Path) -> None:
    found, _ = evidence_rows(incident, _flows(pcap, incident))
    count = found.select((pl.col("pkts_out") + pl.col("pkts_in")).sum()).item()
    rule = shlex.quote(packet_filter(incident))
    plain = pcap.suffix not in {".gz", ".zst"}
    unpack = {".gz": "zcat", ".zst": "zstdcat"}.get(pcap.suffix, "")
    source = shlex.quote(str(pcap))
    reader = f"tcpdump -r {source}" if plain else f"{unpack} {source} | tcpdump -r -"
    _say(console, "")
    _say(
        console,
        f"{plural(int(count), 'packet')} of {plural(found.height, 'flow')} that the report names. "
        "All packets between these addresses, also at other times:",
    )
    _say(console, f"  {reader} -n -w incident.pcap {rule}")


def _print_search(console: Console, incident: Incident, report: Path) -> None:
    """Give the search of a Zeek log for the incident's flows."""
    uids = [flow.uid for flow in incident.evidence]
    if not uids:
        return
    _say(console, "")
    _say(console, "In Zeek logs, by uid or Community ID:")
    if len(uids) <= FEW_FLOWS:
        ids = [*uids, *(one.community_id for one in incident.evidence if one.community_id)]
        terms = " ".join(f"-e {shlex.quote(one)}" for one in dict.fromkeys(ids))
        _say(console, f"  grep -F {terms} conn.log")
        return
    chosen = f'.incidents[] | select(.uid == "{incident.uid}")'
    query = f"{chosen} | .evidence[] | .uid, .community_id // empty"
    source = shlex.quote(str(report))
    _say(console, f"  jq -r {shlex.quote(query)} {source} | grep -F -f - conn.log")
