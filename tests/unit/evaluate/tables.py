"""Small tables of flows and incidents for the tests of evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl

from eddyline.flows.record import CORE_SCHEMA
from eddyline.incidents.incident import Evidence, Incident

SECOND = 1_000_000


def make_flows(rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    """Give flows with labels and verdicts; what a row leaves out is the same for all."""
    told = []
    for number, row in enumerate(rows):
        ts = row.get("ts", number * SECOND)
        told.append(
            {
                "row": number,
                "uid": f"u{number}",
                "community_id": None,
                "ts": ts,
                "ts_end": ts,
                "src_ip": "10.0.0.1",
                "dst_ip": "10.9.0.1",
                "src_port": 40_000,
                "dst_port": 445,
                "proto": "tcp",
                "ip_proto": 6,
                "icmp_type": None,
                "icmp_code": None,
                "bytes": 100,
                "attack": None,
                "attack_class": None,
                "score": None,
                "incident": None,
                **row,
            }
        )
    names = ("src_port", "dst_port", "ip_proto", "icmp_type", "icmp_code", "ts", "ts_end")
    types = {name: CORE_SCHEMA[name] for name in names}
    texts = dict.fromkeys(("community_id", "attack_class", "incident"), pl.String())
    fixed = {
        "row": pl.UInt32(),
        "attack": pl.Boolean(),
        "score": pl.Float64(),
        "bytes": pl.UInt64(),
    }
    return pl.DataFrame(
        told, schema_overrides={**types, **texts, **fixed}, infer_schema_length=None
    )


def make_incident(uid: str, **changes: Any) -> Incident:
    """Give an incident; what is not changed is a sweep."""
    fields: dict[str, Any] = {
        "uid": uid,
        "attack": "ip_sweep",
        "reason": "10.0.0.1 tried hosts",
        "sources": ["10.0.0.1"],
        "destinations": ["10.9.0.0/24"],
        "ports": [445],
        "proto": "tcp",
        "first_us": 0,
        "last_us": 100 * SECOND,
        "flows_count": 3,
        "severity": 60,
        "confidence": 60,
        "p_value": None,
        "p_value_note": "no normal",
        "evidence": [],
    }
    fields.update(changes)
    fields["evidence"] = [Evidence(*pair) for pair in fields["evidence"]]
    return Incident(**fields)
