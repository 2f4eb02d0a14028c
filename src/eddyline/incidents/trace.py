"""From an incident in a report back to its flows and packets, and why an address is not in it.

What belongs here: reading an incident back, its flows, its packet filter, the answer to "why not". What
does not: finding incidents (``find.py``) and layout for people (``cli``).
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from eddyline.errors import InputError, UsageError
from eddyline.flows.keys import community_ids
from eddyline.incidents.incident import Contribution, Evidence, Incident, Technique
from eddyline.read.times import instant

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

TOLERANCE_US: Final = 1_000_000
"""Clocks of two observers may differ by this much, µs."""

FULL_PORTS: Final = 20
"""Ports that an incident names at the most: with as many there may be more."""


def read_incidents(path: Path) -> list[Incident]:
    """Read the incidents of a JSON report, in rank order.

    Parameters
    ----------
    path
        A file that ``eddyline scan --json`` wrote.

    Raises
    ------
    InputError
        When the file cannot be read or is no such report.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
        return [_incident(entry) for entry in document["incidents"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = (
            f"{path}: must be a report of 'eddyline scan --json', got {type(error).__name__}: {error}; "
            "write it again"
        )
        raise InputError(message) from error


def _incident(entry: dict[str, Any]) -> Incident:
    return Incident(
        uid=str(entry["uid"]),
        attack=str(entry["attack"]),
        reason=str(entry["reason"]),
        sources=[str(text) for text in entry["sources"]],
        destinations=[str(text) for text in entry["destinations"]],
        ports=[int(port) for port in entry["ports"]],
        proto=str(entry["proto"]),
        first_us=_moment(entry["first_seen"]),
        last_us=_moment(entry["last_seen"]),
        flows_count=int(entry["flows_count"]),
        severity=int(entry["severity"]),
        confidence=int(entry["confidence"]),
        p_value=None if entry["p_value"] is None else float(entry["p_value"]),
        p_value_note=str(entry["p_value_note"]),
        rank=int(entry["rank"]),
        direction=str(entry.get("direction", "unknown")),
        techniques=[Technique(**one) for one in entry["techniques"]],
        contributions=[
            Contribution(
                one["feature"],
                one["value"],
                one["unit"],
                one["normal_low"],
                one["normal_high"],
                one["share"],
                one["words"],
            )
            for one in entry["contributions"]
        ],
        evidence=[Evidence(one["uid"], one["community_id"]) for one in entry["evidence"]],
        detectors=dict(entry["detectors"]),
        degraded=list(entry["degraded"]),
        what_to_do=str(entry.get("what_to_do", "")),
        n_sources=int(entry.get("sources_count", 0)),
        n_destinations=int(entry.get("destinations_count", 0)),
    )


def _moment(text: str) -> int:
    moment = instant(text, "first_seen")
    if moment is None:
        message = f"a time must be RFC 3339 text, got {text!r}"
        raise ValueError(message)
    return moment


SHORTEST_UID: Final = 4
"""Characters of an identifier from which its beginning is taken for it: fewer look like a rank."""


def choose(incidents: Sequence[Incident], wanted: str) -> Incident:
    """Give the incident with a rank, an identifier or the unique beginning of one.

    Parameters
    ----------
    incidents
        Of one report.
    wanted
        Such as ``1``, ``inc-8f0c…`` or ``8f0c``.

    Raises
    ------
    UsageError
        When none or several are meant.
    """
    by_rank = [one for one in incidents if str(one.rank) == wanted]
    starts = (wanted, f"inc-{wanted}")
    long_enough = len(wanted) >= SHORTEST_UID
    by_uid = [one for one in incidents if long_enough and one.uid.startswith(starts)]
    found = by_rank or by_uid
    if len(found) == 1:
        return found[0]
    how_many = f"the report has {len(incidents)} incidents, ranks 1 to {len(incidents)}"
    message = (
        f"an incident must be named by its rank or identifier, {wanted!r} means {len(found)} of them; "
        f"{how_many if incidents else 'the report has no incident'}"
    )
    raise UsageError(message)


def with_community_ids(flows: pl.DataFrame) -> pl.DataFrame:
    """Fill the Community ID where the source gave none.

    Parameters
    ----------
    flows
        With the 5-tuple, ``ip_proto``, ``icmp_type``, ``icmp_code`` and ``community_id``.
    """
    made = community_ids(flows)
    given = flows["community_id"]
    return flows.with_columns(given.zip_with(given.is_not_null(), made).alias("community_id"))


def evidence_rows(incident: Incident, flows: pl.DataFrame) -> tuple[pl.DataFrame, str]:
    """Find the flows that an incident names, in a table that may come from another observer.

    Parameters
    ----------
    incident
        Names its first flows by uid and Community ID.
    flows
        With ``uid``, ``community_id``, times, 5-tuple and protocol columns.

    Returns
    -------
    polars.DataFrame
        The flows found, in their order.
    str
        The key that found them: ``"uid"``, ``"community_id"``, or ``"none"``.
    """
    by_uid = flows.filter(pl.col("uid").is_in([flow.uid for flow in incident.evidence]))
    if by_uid.height:
        return by_uid, "uid"
    near = during(incident, flows)
    wanted = [one.community_id for one in incident.evidence if one.community_id is not None]
    by_id = with_community_ids(near).filter(pl.col("community_id").is_in(wanted))
    return by_id, "community_id" if by_id.height else "none"


def during(incident: Incident, flows: pl.DataFrame) -> pl.DataFrame:
    """Keep the flows whose interval touches that of an incident.

    Parameters
    ----------
    incident
        Gives the interval; a second of tolerance on both sides.
    flows
        With ``ts`` and ``ts_end``.
    """
    return flows.filter(
        (pl.col("ts") <= incident.last_us + TOLERANCE_US)
        & (pl.col("ts_end") >= incident.first_us - TOLERANCE_US)
    )


def packet_filter(incident: Incident) -> str:
    """Give the filter, in the language of tcpdump, for the packets of an incident, both ways.

    It names the addresses, the protocol and, when they are few, the ports; a filter cannot name times.

    Parameters
    ----------
    incident
        The incident.
    """
    parts = []
    if incident.proto in {"tcp", "udp", "icmp", "sctp"}:
        parts.append(incident.proto)
    elif incident.proto == "ipv6-icmp":
        parts.append("icmp6")
    parts.extend(
        clause for clause in map(_hosts, (incident.sources, incident.destinations)) if clause
    )
    has_ports = incident.proto in {"tcp", "udp", "sctp"} and 0 < len(incident.ports) < FULL_PORTS
    if has_ports:
        parts.append(_any_of([f"port {port}" for port in incident.ports]))
    return " and ".join(parts) or "ip or ip6"


def network_named(text: str) -> Network | None:
    """Give the network, or the network of one address, that a text names; None when it names none.

    Parameters
    ----------
    text
        From a report or a log, so anything.
    """
    try:
        return ipaddress.ip_network(text.partition("%")[0], strict=False)
    except ValueError:
        return None


def _hosts(texts: Sequence[str]) -> str:
    """Name addresses and networks; nothing when one of them is everybody, or no address."""
    named = [network_named(text) for text in texts]
    nets = [net for net in named if net is not None and net.prefixlen > 0]
    if len(nets) < len(named):
        return ""
    return _any_of(
        [f"host {net.network_address}" if net.num_addresses == 1 else f"net {net}" for net in nets]
    )


def _any_of(terms: Sequence[str]) -> str:
    return terms[0] if len(terms) == 1 else f"({' or '.join(terms)})" if terms else ""


def names(incident: Incident, host: str) -> str:
    """Tell how an incident names an address: ``"source"``, ``"destination"``, the network, or ``""``.

    Parameters
    ----------
    incident
        The incident.
    host
        An address.

    Raises
    ------
    UsageError
        When ``host`` is no address.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        message = f"an address must be IPv4 or IPv6, got {host!r}; pass it like 10.0.3.7"
        raise UsageError(message) from error
    networks = ""
    for role, texts in (("source", incident.sources), ("destination", incident.destinations)):
        for text in texts:
            net = network_named(text)
            if net is None or address.version != net.version or address not in net:
                continue
            if net.num_addresses == 1:
                return role
            networks = networks or text
    return networks


def why_not(
    host: str,
    incident: Incident,
    others: Sequence[Incident],
    flows: pl.DataFrame | None,
    verdicts: pl.DataFrame | None,
    levels: Mapping[str, float] | None = None,
) -> list[str]:
    """Say why an address is not in an incident, or that it is, in sentences.

    Parameters
    ----------
    host
        An address.
    incident
        The incident.
    others
        Every incident of the report.
    flows
        The flows that were scanned, or None.
    verdicts
        Every flow's verdict, from ``scan --verdicts``, or None.
    levels
        Alarm level of each view, from the report; None when they are not known.

    Raises
    ------
    UsageError
        When ``host`` is no address.
    """
    told = _in_this(host, incident, flows, verdicts)
    if told:
        return told
    place = f"{host} is not in incident {incident.rank}."
    elsewhere = [one for one in others if one.uid != incident.uid and names(one, host)]
    marked = _marked(host, verdicts)
    elsewhere.extend(
        one
        for one in others
        if one.uid != incident.uid and one.uid in marked and one not in elsewhere
    )
    told = [place, *(f"It is in incident {one.rank}: {one.reason}" for one in elsewhere)]
    table = flows if flows is not None else verdicts
    if table is None:
        told.append("Pass --flows or --verdicts to learn whether it was in the input at all.")
        return told
    own = _of_host(table, host)
    if own.is_empty():
        told.append("It is not in the input at all: no flow has this address.")
        return told
    near = during(incident, own).height
    told.append(
        f"The input has {_flows_of(own.height)} of it, {near:,} of them while the incident lasted."
    )
    if verdicts is None:
        told.append("They were judged and stayed below the level; --verdicts tells by how much.")
        return told
    told.extend(_judged(_of_host(verdicts, host), levels or {}))
    return told


def _in_this(
    host: str, incident: Incident, flows: pl.DataFrame | None, verdicts: pl.DataFrame | None
) -> list[str]:
    """Say that an address is in the incident; nothing when it is not known to be."""
    role = names(incident, host)
    if role in {"source", "destination"}:
        return [f"{host} is in incident {incident.rank}: as a {role}."]
    count = 0
    if verdicts is not None:
        count = _of_host(verdicts, host).filter(pl.col("incident") == incident.uid).height
    elif flows is not None:
        count = _of_host(evidence_rows(incident, flows)[0], host).height
    if count:
        return [f"{host} is in incident {incident.rank}, with {_flows_of(count)}."]
    if role and flows is None and verdicts is None:
        return [
            f"{host} may be in incident {incident.rank}, which names the network {role}; "
            "pass --flows or --verdicts to know."
        ]
    return []


def _of_host(flows: pl.DataFrame, host: str) -> pl.DataFrame:
    address = str(ipaddress.ip_address(host))
    ends = [pl.col(name).cast(pl.String) == address for name in ("src_ip", "dst_ip")]
    return flows.filter(pl.any_horizontal(ends))


def _flows_of(count: int) -> str:
    return f"{count:,} flow" if count == 1 else f"{count:,} flows"


def _marked(host: str, verdicts: pl.DataFrame | None) -> set[str]:
    """Give the incidents that hold a flow of an address."""
    if verdicts is None:
        return set()
    return set(_of_host(verdicts, host)["incident"].drop_nulls().to_list())


def _judged(own: pl.DataFrame, levels: Mapping[str, float]) -> list[str]:
    """Say how unlikely the flows of an address were."""
    free = own.filter(pl.col("incident").is_null())
    if free.is_empty():
        return []
    judged = free["p_value"].drop_nulls().to_list()
    if not judged:
        return [f"{free.height:,} of them are in no incident; no learned leg could judge them."]
    each = ", ".join(f"{level:.2g} for {view}" for view, level in levels.items())
    stated = f"; the levels are {each}" if each else ""
    return [
        f"{free.height:,} of them are in no incident: no generic pattern held, and their smallest "
        f"p-value, {min(judged):.2g}, is above the alarm level of the scan's budget or told by "
        f"another incident{stated}."
    ]
