"""The captures that the repository ships, beside their truth and their plan."""

from __future__ import annotations

import csv
import functools
import gzip
import importlib.machinery
import importlib.util
import tomllib
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest
from lab.flows import label, meter
from lab.packets import parse, read
from lab.retime import assert_planned
from lab.spec import KEYS, load_day

REPOSITORY = Path(__file__).resolve().parents[3]
EXAMPLES, CASES = REPOSITORY / "examples", REPOSITORY / "tests" / "cases"
QUIET = {
    "quiet-morning": EXAMPLES / "quiet-morning.pcap.gz",
    "quiet-thursday": CASES / "lab-quiet-thursday" / "day.pcap.gz",
    "quiet-late": CASES / "lab-quiet-late" / "day.pcap.gz",
    "quarry-normal": CASES / "lab-attack-quarry" / "normal.pcap.gz",
}
ATTACKED = {
    "afternoon": (
        EXAMPLES / "afternoon.pcap.gz",
        EXAMPLES / "afternoon-truth.csv",
        EXAMPLES / "afternoon-flows-truth.csv.gz",
    ),
    **{
        day: tuple(
            CASES / folder / name for name in ("day.pcap.gz", "truth.csv", "flows-truth.csv.gz")
        )
        for day, folder in (
            ("attack-friday", "lab-attack-friday"),
            ("quarry-attacks", "lab-attack-quarry"),
        )
    },
}
CAPTURES = QUIET | {day: paths[0] for day, paths in ATTACKED.items()}


@functools.cache
def _seen(path: Path) -> tuple[int, int, frozenset[str]]:
    """Give first and last time of a capture and its addresses."""
    times: list[int] = []
    pairs: dict[bytes, bytes] = {}
    for time_us, _, data in read(path):
        times.append(time_us)
        ends = data[26:34] if data[12:14] == b"\x08\x00" else data[22:54]
        pairs.setdefault(data[12:14] + ends, data)
    heads = [headers for headers in map(parse, pairs.values()) if headers]
    addresses = {h.src for h in heads} | {h.dst for h in heads}
    assert times == sorted(times)
    return times[0], times[-1], frozenset(addresses)


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt") as file:
            return list(csv.DictReader(file))
    with path.open() as file:
        return list(csv.DictReader(file))


def _feature_auc() -> ModuleType:
    loader = importlib.machinery.SourceFileLoader(
        "feature_auc", str(REPOSITORY / "lab" / "feature_auc")
    )
    spec = importlib.util.spec_from_loader("feature_auc", loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(CAPTURES))
def test_a_capture_holds_its_day_and_nothing_else(name: str) -> None:
    """Packets lie in order within the hours of the day, and every address is of the plan."""
    day = load_day(name)

    first, last, addresses = _seen(CAPTURES[name])

    assert day.start_us <= first < last < day.start_us + day.length_s * 1e6
    assert_planned(day, set(addresses))


@pytest.mark.parametrize("name", sorted(QUIET))
def test_a_quiet_day_knows_no_attacker(name: str) -> None:
    """Hosts that only the attacks use do not occur."""
    day = load_day(name)
    evil = {h.ip for h in day.network.hosts.values() if h.role == "far" and not h.services}
    evil.add(day.network.hosts[day.network.tunnel["server"]].ip)

    assert len(evil) == 2
    assert not evil & _seen(QUIET[name])[2]


@pytest.mark.parametrize("name", sorted(ATTACKED))
def test_truth_agrees_with_the_capture(name: str) -> None:
    """Every attack of the day has a row whose time, key and addresses the capture knows."""
    day = load_day(name)
    capture, truth, _ = ATTACKED[name]
    first, last, addresses = _seen(capture)

    rows = _rows(truth)

    assert [row["attack_id"] for row in rows] == [attack.id for attack in day.attacks]
    for row, attack in zip(rows, day.attacks, strict=True):
        assert row["key"] == attack.key
        assert set(filter(None, row["neighbours"].split(";"))) <= KEYS - {attack.key}
        assert first <= int(row["start_us"]) <= int(row["end_us"]) <= last
        planned_us = day.start_us + attack.at_s * 1e6
        assert 0 <= int(row["start_us"]) - planned_us < 5e6
        one = set(row["sources"].split(";"))
        one |= {a for column in ("relays", "destinations") for a in row[column].split(";")}
        assert {a for a in one if a and "/" not in a} <= addresses


@pytest.mark.parametrize("name", sorted(ATTACKED))
def test_flow_truth_adds_up(name: str) -> None:
    """The rows of an attack's flows give the sums of its own row."""
    _, truth, flows = ATTACKED[name]
    packets: Counter[str] = Counter()
    count: Counter[str] = Counter()
    for row in _rows(flows):
        packets[row["attack_id"]] += int(row["packets"])
        count[row["attack_id"]] += 1
        assert int(row["start_us"]) <= int(row["end_us"])

    for row in _rows(truth):
        assert packets[row["attack_id"]] == int(row["packets"])
        assert count[row["attack_id"]] == int(row["flows"])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ATTACKED))
def test_labelled_flows_carry_the_attack_s_packets(name: str) -> None:
    """Metered and labelled by the rule of the truth file, flows hold each attack's packets, no more."""
    capture, truth, flows_truth = ATTACKED[name]
    flows = meter(capture)
    label(flows, flows_truth)
    packets: Counter[str] = Counter()
    for flow in flows:
        packets[flow.attack] += flow.pkts_out + flow.pkts_in

    assert {row["attack_id"]: int(row["packets"]) for row in _rows(truth)} == {
        attack: count for attack, count in packets.items() if attack
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(ATTACKED))
def test_no_single_feature_separates_all_attacks(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The best single flow feature stays under an AUC of 0.98 over all attacks of the day."""
    program = _feature_auc()

    code = program.main(ATTACKED[name][0], ATTACKED[name][2])

    assert code == 0
    assert "| bytes_out |" in capsys.readouterr().out


@pytest.mark.parametrize(
    "case", sorted(path.parent.name for path in CASES.glob("lab-*/expect.toml"))
)
def test_expectations_repeat_the_truth(case: str) -> None:
    """A case expects exactly the attacks of its truth, and names files that are there."""
    folder = CASES / case
    expect = tomllib.loads((folder / "expect.toml").read_text())

    assert (folder / expect["scan"]).is_file()
    assert (folder / expect["learn"]).resolve().is_file()
    wanted = expect.get("incidents", [])
    if not wanted:
        assert not (folder / "truth.csv").exists()
        return
    rows = {row["attack_id"]: row for row in _rows(folder / "truth.csv")}
    assert [one["id"] for one in wanted] == list(rows)
    for one in wanted:
        row = rows[one["id"]]
        assert one["attack"] == row["key"]
        assert ";".join(one["neighbours"]) == row["neighbours"]
        assert ";".join(one["sources"]) == row["sources"]
        assert ";".join(one["destinations"]) == row["destinations"]
