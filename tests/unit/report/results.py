"""Builds scan results that look like real ones: an office afternoon with five attacks, and a quiet one."""

from __future__ import annotations

import functools
from collections import Counter

import numpy as np
import polars as pl

from eddyline.incidents.incident import Contribution, Evidence, Incident, Technique
from eddyline.read.ingest import BlindSpot, IngestReport
from eddyline.scan import LegSummary, ModelSummary, ScanResult

START_US = 1_762_768_800_000_000  # 2025-11-10 10:00 UTC
HOUR_US = 3_600_000_000

LEGS = (
    LegSummary("flow/isolation_forest", "flow", "isolation_forest", 180_214, 45_054, 41_203),
    LegSummary(
        "segment/nearest_neighbours", "segment", "nearest_neighbours", 22_118, 5_530, 6_012
    ),
    LegSummary(
        "host/tail", "host", "tail", 3_402, 851, 940, "first 5 minutes: too little history"
    ),
    LegSummary("dyad/ngram", "dyad", "ngram", 9_310, 2_328, 2_204),
    LegSummary("flow/rules", "flow", "rules", 0, 0, 41_203, "fixed thresholds, no p-value"),
)


def incident(rank: int = 1, **changes: object) -> Incident:
    """Give the sweep of port 445, with changes."""
    fields: dict[str, object] = {
        "uid": f"inc-{rank:04d}",
        "rank": rank,
        "attack": "ip_sweep",
        "reason": "10.0.3.7 tried 1,902 hosts of 10.9.0.0/16 on port 445 in 4 min; "
        "normal for this host: 0–6",
        "sources": ["10.0.3.7"],
        "destinations": ["10.9.0.0/16"],
        "ports": [445],
        "proto": "tcp",
        "first_us": START_US + 2 * HOUR_US,
        "last_us": START_US + 2 * HOUR_US + 240_000_000,
        "flows_count": 1902,
        "severity": 86,
        "confidence": 95,
        "p_value": 4e-5,
        "direction": "internal",
        "techniques": [
            Technique("T1018", "Remote System Discovery", "TA0007", "Discovery"),
        ],
        "contributions": [
            Contribution(
                "dst_hosts",
                1902.0,
                "",
                0.0,
                6.0,
                0.58,
                "1,902 hosts contacted in 5 min; normal here: 0–6",
                (0.0, 0.0, 1.0, 2.0, 3.0, 6.0, 11.0, 24.0),
            ),
            Contribution(
                "failed_share",
                0.97,
                "share",
                0.0,
                0.08,
                0.29,
                "97 % of the attempts failed; normal here: 0–8 %",
                (0.0, 0.0, 0.0, 0.01, 0.03, 0.08, 0.2, 0.5),
            ),
            Contribution(
                "gap_median",
                0.12,
                "s",
                0.9,
                64.0,
                0.13,
                "an attempt each 120 ms; normal here: 0.9–64 s",
                (0.4, 0.9, 4.2, 12.0, 31.0, 64.0, 140.0, 600.0),
            ),
        ],
        "evidence": [
            Evidence(f"C{i:05d}", f"1:{'AbCdEfGhIjKlMnOpQrStUvWxYz0='[:27]}{i % 10}")
            for i in range(120)
        ],
        "detectors": {"host/tail": 41.2, "segment/nearest_neighbours": 7.31, "dyad/ngram": 3.9},
        "what_to_do": "Ask who runs 10.0.3.7, and see which of the 1,902 hosts answered on port 445.",
    }
    fields.update(changes)
    return Incident(**fields)  # type: ignore[arg-type]


def _others() -> list[Incident]:
    exfiltration = [
        Contribution(
            "bytes_out",
            1.84e9,
            "bytes",
            2_000.0,
            31e6,
            0.71,
            "1.84 GB sent in 22 min; normal here: 2 kB – 31 MB",
            (300.0, 2_000.0, 40_000.0, 610_000.0, 5.2e6, 31e6, 88e6, 210e6),
        ),
        Contribution(
            "bytes_ratio",
            91.0,
            "",
            0.02,
            4.1,
            0.29,
            "91 bytes sent for each received; normal here: 0.02–4.1",
            (0.01, 0.02, 0.1, 0.4, 1.1, 4.1, 9.0, 30.0),
        ),
    ]
    beacon = [
        Contribution(
            "gap_regularity",
            0.94,
            "",
            0.05,
            0.61,
            0.66,
            "calls every 60 s with 4 % jitter; regularity normal here: 0.05–0.61",
            (0.0, 0.05, 0.18, 0.3, 0.44, 0.61, 0.72, 0.85),
        ),
    ]
    return [
        incident(
            2,
            attack="exfiltration",
            severity=78,
            confidence=88,
            p_value=3.1e-4,
            reason="10.0.3.21 sent 1.84 GB to 203.0.113.80 in 22 min; normal for this host: up to 31 MB",
            sources=["10.0.3.21"],
            destinations=["203.0.113.80"],
            ports=[443],
            flows_count=14,
            first_us=START_US + 3 * HOUR_US,
            last_us=START_US + 3 * HOUR_US + 1_320_000_000,
            direction="outbound",
            contributions=exfiltration,
            evidence=[Evidence("C30000", None)],
            techniques=[
                Technique(
                    "T1048", "Exfiltration Over Alternative Protocol", "TA0010", "Exfiltration"
                )
            ],
            what_to_do="Find the process on 10.0.3.21 that held the connection, and who owns 203.0.113.80.",
        ),
        incident(
            3,
            attack="guessing",
            severity=64,
            confidence=91,
            p_value=9e-4,
            reason="198.51.100.9 tried 412 logins on 10.0.0.5 over ssh in 9 min; normal: 0–3",
            sources=["198.51.100.9"],
            destinations=["10.0.0.5"],
            ports=[22],
            flows_count=412,
            first_us=START_US + HOUR_US,
            last_us=START_US + HOUR_US + 540_000_000,
            direction="inbound",
            techniques=[
                Technique("T1110.001", "Password Guessing", "TA0006", "Credential Access")
            ],
        ),
        incident(
            4,
            attack="c2_beacon",
            severity=47,
            confidence=60,
            p_value=4.2e-3,
            reason="10.0.3.40 calls 192.0.2.77 every 60 s for 3 h 40 min, unlike any host here",
            sources=["10.0.3.40"],
            destinations=["192.0.2.77"],
            ports=[8080],
            flows_count=221,
            first_us=START_US + 600_000_000,
            last_us=START_US + 13_800_000_000,
            direction="outbound",
            contributions=beacon,
            techniques=[Technique("T1071.001", "Web Protocols", "TA0011", "Command and Control")],
        ),
        incident(
            5,
            attack="unusual",
            severity=22,
            confidence=35,
            p_value=None,
            p_value_note="judged by a fixed rule",
            techniques=[],
            contributions=[
                Contribution(
                    "icmp_bytes", 1408.0, "bytes", None, None, 1.0, "echo packets of 1,408 bytes"
                ),
            ],
            reason="10.0.3.12 sends large echo packets to 10.0.0.1",
            sources=["10.0.3.12"],
            destinations=["10.0.0.1"],
            ports=[],
            proto="icmp",
            flows_count=3,
            what_to_do="",
            first_us=START_US + 13_000_000_000,
            last_us=START_US + 13_000_000_000,
            degraded=["dyad/ngram"],
            evidence=[],
        ),
    ]


@functools.cache
def flow_verdicts(seed: int = 0, normal: int = 38_000) -> pl.DataFrame:
    """Give verdicts of an afternoon: working rhythm, a sweep, guessing, a beacon, an upload."""
    rng = np.random.default_rng(seed)
    span_us = 4 * HOUR_US
    ports = np.array([443, 53, 80, 123, 22, 445, 993, 25, 8443, 5353, 137, 67, 389, 88])
    weights = np.array([30, 28, 9, 6, 2, 3, 4, 2, 3, 5, 3, 2, 2, 1.0])
    ts = START_US + (span_us * rng.beta(1.3, 1.1, normal)).astype(np.int64)
    parts = [
        pl.DataFrame(
            {
                "ts": ts,
                "src_ip": [f"10.0.3.{i}" for i in rng.integers(2, 60, normal)],
                "dst_ip": [f"10.0.0.{i}" for i in rng.integers(1, 12, normal)],
                "dst_port": rng.choice(ports, normal, p=weights / weights.sum()),
                "incident": pl.Series([None] * normal, dtype=pl.String),
            }
        )
    ]
    stories = (
        ("inc-0001", "10.0.3.7", 1902, 2 * HOUR_US, 240_000_000, 445),
        ("inc-0003", "198.51.100.9", 412, HOUR_US, 540_000_000, 22),
        ("inc-0004", "10.0.3.40", 221, 600_000_000, 13_200_000_000, 8080),
        ("inc-0002", "10.0.3.21", 14, 3 * HOUR_US, 1_320_000_000, 443),
    )
    for uid, source, number, offset, length, port in stories:
        parts.append(
            pl.DataFrame(
                {
                    "ts": START_US + offset + np.linspace(0, length, number).astype(np.int64),
                    "src_ip": [source] * number,
                    "dst_ip": [f"10.9.{i // 250}.{i % 250}" for i in range(number)],
                    "dst_port": np.full(number, port),
                    "incident": [uid] * number,
                }
            )
        )
    frame = pl.concat(parts).sort("ts")
    n = frame.height
    marked = frame["incident"].is_not_null().to_numpy()
    uids = [f"N{i:06d}" for i in range(n)]
    swept = np.flatnonzero((frame["incident"] == "inc-0001").fill_null(False).to_numpy())
    for i, place in enumerate(swept[:120].tolist()):
        uids[place] = f"C{i:05d}"
    return frame.with_columns(
        pl.Series("uid", uids),
        (pl.col("ts") + 800_000).alias("ts_end"),
        pl.col("dst_port").cast(pl.UInt16),
        pl.Series("proto", ["tcp"] * n),
        pl.Series("app", ["ssl" if i % 3 else None for i in range(n)], dtype=pl.String),
        pl.Series("bytes", rng.lognormal(7, 2, n).astype(np.uint64)),
        pl.Series("score", np.where(marked, rng.uniform(5, 9, n), rng.exponential(1, n))),
        pl.Series("p_value", np.where(marked, 5e-5, rng.uniform(0.001, 1, n))),
    )


def scan_result(incidents: list[Incident] | None = None, *, verdicts: bool = True) -> ScanResult:
    """Give a scan with five incidents, or with those given."""
    found = [incident(), *_others()] if incidents is None else incidents
    frame = flow_verdicts() if verdicts else None
    return ScanResult(
        version="0.1.0",
        input=IngestReport(
            sources=["office/afternoon-1.pcap.gz", "office/afternoon-2.pcap.gz"],
            formats=["pcap", "pcap"],
            packets_read=1_204_331,
            flows_read=41_203,
            skipped=Counter({"not IP": 912, "truncated header": 3}),
            notes=Counter({"one-sided flows": 1_204, "clock went back": 1}),
            first_us=START_US,
            last_us=START_US + 4 * HOUR_US,
            blind=[
                BlindSpot(
                    "data volume of long-lived flows", "snap length of 96 bytes cuts payloads"
                ),
                BlindSpot("logins over TLS", "the handshake is not in the capture"),
            ],
        ),
        flows_judged=41_203,
        model=ModelSummary(
            "saved", "office.eddy", 225_268, START_US - 72 * HOUR_US, START_US - 48 * HOUR_US, LEGS
        ),
        incidents=found,
        settings={"budget": "10 incidents a day", "internal": "10.0.0.0/8", "seed": "0"},
        flow_verdicts=frame,
    )


def quiet_result() -> ScanResult:
    """Give a scan that found nothing and was blind to nothing."""
    result = scan_result([], verdicts=True)
    assert result.flow_verdicts is not None
    result.flow_verdicts = result.flow_verdicts.filter(pl.col("incident").is_null())
    result.input = IngestReport(
        sources=["morning.pcap"],
        formats=["pcap"],
        packets_read=310_233,
        flows_read=12_408,
        first_us=START_US,
        last_us=START_US + 4 * HOUR_US,
    )
    result.flows_judged = 12_408
    return result
