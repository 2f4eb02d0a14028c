"""``eddyline incident``: from a report back to flows and packets, and why not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eddyline.cli.incident import run_incident
from eddyline.errors import InputError, UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.flows.keys import community_id
from eddyline.flows.write import write_flows
from eddyline.incidents.trace import choose, packet_filter, read_incidents, why_not

START_US = 1_762_768_800_000_000
SWEEP = "inc-00aa000000000001"


def _entry(rank: int = 1, **changes: Any) -> dict[str, Any]:
    entry = {
        "uid": f"inc-00aa00000000000{rank}",
        "rank": rank,
        "severity": 60,
        "confidence": 70,
        "p_value": None,
        "p_value_note": "generic level",
        "attack": "ip_sweep",
        "techniques": [],
        "direction": "internal",
        "sources": ["10.0.0.7"],
        "destinations": ["10.9.0.0/24"],
        "ports": [445],
        "proto": "tcp",
        "first_seen": "2025-11-10T10:00:00.000000Z",
        "last_seen": "2025-11-10T10:00:30.000000Z",
        "flows_count": 3,
        "reason": "10.0.0.7 tried 3 hosts",
        "what_to_do": "Look.",
        "contributions": [
            {"feature": "hosts", "value": 3.0, "unit": "", "normal_low": 0.0, "normal_high": 1.0,
             "share": 1.0, "words": "3 hosts; normal: 0–1"}
        ],
        "evidence": [
            {"uid": f"u{n}", "community_id": community_id(6, "10.0.0.7", f"10.9.0.{n}", 4000 + n, 445)}
            for n in range(3)
        ],
        "detectors": {},
        "degraded": [],
    }  # fmt: skip
    return {**entry, **changes}


def _report(path: Path, *entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"incidents": entries}))
    return path


def _flows(path: Path, prefix: str = "u", shift_us: int = 0) -> Path:
    """Write the three flows of the sweep and two of others."""
    n = 5
    frame = pl.DataFrame(
        {
            "ts": [START_US + shift_us + k * 10_000_000 for k in range(n)],
            "ts_end": [START_US + shift_us + k * 10_000_000 for k in range(n)],
            "uid": [f"{prefix}{k}" for k in range(n)],
            "src_ip": ["10.0.0.7"] * 3 + ["10.0.0.8", "10.0.0.9"],
            "dst_ip": [f"10.9.0.{k}" for k in range(n)],
            "src_port": [4000 + k for k in range(n)],
            "dst_port": [445] * n,
            "proto": ["tcp"] * n,
            "ip_proto": [6] * n,
            "state": ["S0"] * 4 + ["\x1b[31mSF"],
            "bytes_out": [44] * n,
        }
    )
    write_flows([FlowBatch.of(frame)], path)
    return path


def test_the_sentence_the_reasons_and_the_flows_are_printed(tmp_path, capsys):
    """By rank; flows by uid; the search of a log names uid and Community ID."""
    report, flows = _report(tmp_path / "r.json", _entry()), _flows(tmp_path / "f.parquet")

    code = run_incident("1", report, flows, None, None)
    printed = capsys.readouterr().out

    assert code == 0
    assert "1. 10.0.0.7 tried 3 hosts" in printed
    assert "3 hosts; normal: 0–1 (100% of the score)" in printed
    assert "What to do: Look." in printed
    assert "3 of 3 flows, found by uid." in printed
    assert printed.count("10.0.0.7:400") == 3
    assert "grep -F -e u0 -e u1 -e u2 -e 1:" in printed


def test_another_observers_flows_are_found_by_community_id_and_time(tmp_path, capsys):
    """Other uids, clocks half a second apart."""
    report = _report(tmp_path / "r.json", _entry())
    near = _flows(tmp_path / "near.parquet", "z", 500_000)
    far = _flows(tmp_path / "far.parquet", "z", 3_600_000_000)

    run_incident(SWEEP, report, near, None, None)
    run_incident(SWEEP, report, far, None, None)
    first, second = capsys.readouterr().out.split("1. ")[1:]

    assert "3 of 3 flows, found by Community ID and time." in first
    assert "None of the 3 flows that the report names is in" in second


def test_hostile_text_of_a_report_is_shown_and_does_nothing(tmp_path, capsys):
    """An escape sequence is printed as its number."""
    run_incident("1", _report(tmp_path / "r.json", _entry(reason="\x1b[2Jgone")), None, None, None)

    printed = capsys.readouterr().out

    assert "\x1b" not in printed
    assert r"\x1b[2Jgone" in printed


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, "tcp and host 10.0.0.7 and net 10.9.0.0/24 and port 445"),
        ({"proto": "icmp", "ports": []}, "icmp and host 10.0.0.7 and net 10.9.0.0/24"),
        ({"proto": "mixed"}, "host 10.0.0.7 and net 10.9.0.0/24"),
        ({"sources": ["$(reboot)"]}, "tcp and net 10.9.0.0/24 and port 445"),
        ({"sources": ["0.0.0.0/0"]}, "tcp and net 10.9.0.0/24 and port 445"),
        ({"ports": list(range(1, 21))}, "tcp and host 10.0.0.7 and net 10.9.0.0/24"),
        (
            {"destinations": ["fd00::1", "fd00::2"], "ports": [1, 2]},
            "tcp and host 10.0.0.7 and (host fd00::1 or host fd00::2) and (port 1 or port 2)",
        ),
        ({"sources": ["::/0"], "destinations": [], "proto": "mixed"}, "ip or ip6"),
    ],
)
def test_a_packet_filter_names_what_the_incident_names(tmp_path, changes, rule):
    """Everybody is left out, and so are ports when there may be more than are listed."""
    incident = read_incidents(_report(tmp_path / "r.json", _entry(**changes)))[0]

    assert packet_filter(incident) == rule


def test_an_incident_is_named_by_rank_or_by_a_beginning_that_is_unique(tmp_path):
    """A beginning that several share is refused, and so is one that none has."""
    incidents = read_incidents(_report(tmp_path / "r.json", _entry(1), _entry(2)))

    assert choose(incidents, "2").rank == 2
    assert choose(incidents, "00aa000000000001").rank == 1
    assert choose(incidents, SWEEP).rank == 1
    for wanted in ("inc-00aa", "3", "", "xyz"):
        with pytest.raises(UsageError, match="ranks 1 to 2"):
            choose(incidents, wanted)


@pytest.mark.parametrize("text", ["", "[]", '{"incidents": [{}]}', '{"incidents": 3}'])
def test_what_is_no_report_is_refused(tmp_path, text):
    """With the way out."""
    path = tmp_path / "r.json"
    path.write_text(text)

    with pytest.raises(InputError, match="eddyline scan --json"):
        read_incidents(path)


def _asked(tmp_path, capsys, host, *, flows=True, verdicts=True) -> str:
    report = _report(
        tmp_path / "r.json",
        _entry(1),
        _entry(2, sources=["10.0.0.8"], destinations=["10.9.0.3"], reason="10.0.0.8 is odd"),
    )
    table = _flows(tmp_path / "f.parquet")
    told = pl.read_parquet(table, columns=["uid", "ts", "ts_end", "src_ip", "dst_ip"])
    told = told.with_columns(
        pl.Series("p_value", [1e-6] * 3 + [1e-5, 0.2]),
        pl.Series("incident", [SWEEP] * 3 + ["inc-00aa000000000002", None]),
    )
    path = tmp_path / "v.parquet"
    told.write_parquet(path)
    run_incident("1", report, table if flows else None, None, host, path if verdicts else None)
    return str(capsys.readouterr().out)


def test_why_not_says_that_an_address_is_in_the_incident(tmp_path, capsys):
    """As a named source, or by its flows inside a network that the incident names."""
    assert "10.0.0.7 is in incident 1: as a source." in _asked(tmp_path, capsys, "10.0.0.7")
    assert "10.9.0.2 is in incident 1, with 1 flow." in _asked(tmp_path, capsys, "10.9.0.2")


def test_why_not_names_the_other_incident(tmp_path, capsys):
    """Named by it, or by its flows."""
    told = _asked(tmp_path, capsys, "10.0.0.8")

    assert "10.0.0.8 is not in incident 1." in told
    assert "It is in incident 2: 10.0.0.8 is odd" in told


def test_why_not_says_what_was_judged_and_how_unlikely_it_was(tmp_path, capsys):
    """Without the verdicts it says how to learn more; it never guesses."""
    told = _asked(tmp_path, capsys, "10.0.0.9")
    bare = _asked(tmp_path, capsys, "10.0.0.9", verdicts=False)

    assert "The input has 1 flow of it, 0 of them while the incident lasted." in told
    assert "their smallest p-value, 0.2," in told
    assert "--verdicts tells by how much" in bare


def test_why_not_knows_who_was_not_there(tmp_path, capsys):
    """And says so only when it has the flows."""
    assert "not in the input at all" in _asked(tmp_path, capsys, "10.0.0.99")
    bare = _asked(tmp_path, capsys, "10.0.0.99", flows=False, verdicts=False)
    assert "not in the input at all" not in bare
    assert "Pass --flows or --verdicts" in bare


def test_why_not_wants_an_address(tmp_path):
    """A name is not one."""
    incidents = read_incidents(_report(tmp_path / "r.json", _entry()))

    with pytest.raises(UsageError, match="IPv4 or IPv6"):
        why_not("printer", incidents[0], incidents, None, None)
