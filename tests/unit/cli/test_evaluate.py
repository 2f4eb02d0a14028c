"""``eddyline evaluate``: a small labelled log, judged and held against its labels."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eddyline.cli.evaluate import run_evaluate, said, scan_watched
from eddyline.errors import InputError
from eddyline.scan import ScanSettings

COLUMNS = (
    *("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service"),
    *("duration", "orig_bytes", "resp_bytes", "conn_state", "local_orig", "local_resp"),
    *("missed_bytes", "history", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"),
    "tunnel_parents",
)


def _row(number: int, second: float, src: str, dst: str, port: int, *, answered: bool) -> str:
    given = {
        "ts": f"{1_700_000_000 + second:.6f}",
        "uid": f"C{number}",
        "id.orig_h": src,
        "id.orig_p": str(40_000 + number),
        "id.resp_h": dst,
        "id.resp_p": str(port),
        "proto": "tcp",
        "duration": "0.5" if answered else "-",
        "orig_bytes": "300" if answered else "-",
        "resp_bytes": "900" if answered else "-",
        "conn_state": "SF" if answered else "S0",
        "history": "ShADadFf" if answered else "S",
        "orig_pkts": "6" if answered else "1",
        "orig_ip_bytes": "560" if answered else "44",
        "resp_pkts": "5" if answered else "0",
        "resp_ip_bytes": "1100" if answered else "0",
    }
    return "\t".join(given.get(name, "-") for name in COLUMNS)


def _log(path: Path, *, labels: bool) -> Path:
    """Write 120 ordinary connections and a sweep of 200 hosts within a minute."""
    rows = []
    for n in range(120):
        src, dst = f"10.0.0.{n % 6 + 1}", f"10.0.1.{n % 3 + 1}"
        rows.append((n * 20.0, _row(n, n * 20.0, src, dst, 443, answered=True), "Benign"))
    for n in range(200):
        second = 1200 + n * 0.2
        row = _row(1000 + n, second, "10.0.0.66", f"10.0.2.{n + 1}", 445, answered=False)
        rows.append((second, row, "Malicious"))
    names, types = [*COLUMNS], ["string"] * len(COLUMNS)
    types[0] = "time"
    if labels:
        names, types = [*names, "label"], [*types, "string"]
    lines = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
    lines += ["#path\tconn", "\t".join(["#fields", *names]), "\t".join(["#types", *types])]
    lines += [f"{row}\t{label}" if labels else row for _, row, label in sorted(rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


def _run(paths, truth=None, *, json_out=None, quiet=False) -> int:
    return run_evaluate(
        [str(path) for path in paths],
        None,
        truth,
        ScanSettings(),
        top=10,
        json=json_out,
        quiet=quiet,
    )


@pytest.mark.slow
def test_a_labelled_sweep_is_found_and_told_at_both_levels(tmp_path, capsys):
    """The table and the JSON carry the same numbers, beside the trivial baselines."""
    out = tmp_path / "figures.json"

    code = _run([_log(tmp_path / "conn.log", labels=True)], json_out=str(out))
    printed = capsys.readouterr().out
    figures = json.loads(out.read_text())

    ours = figures["incident_level"][0]
    assert code == 0
    assert (ours["n_attacks"], ours["recall"], ours["found_share"]) == (1, 1.0, 1.0)
    assert figures["incidents"][0]["purity"] == 1.0
    assert figures["flow_level"]["n_attack"] == 200
    assert figures["flow_level"]["base_rate"] == pytest.approx(200 / 320)
    assert "held against 1 attacks (labels; flows matched: 200 by label of the flow)" in printed
    for name in ("flag everything", "one per source", "fan-out", "AUC", "day (UTC)"):
        assert name in printed


@pytest.mark.slow
def test_an_attack_list_judges_an_input_without_labels(tmp_path, capsys):
    """Entity and time are enough for incidents, not for flows, and the table says so."""
    truth = tmp_path / "truth.csv"
    start, end = 1_700_001_200_000_000, 1_700_001_240_000_000
    truth.write_text(
        "attack_id,key,neighbours,sources,destinations,ports,proto,start_us,end_us\n"
        f"a1,ip_sweep,,10.0.0.66,10.0.2.0/24,445,tcp,{start},{end}\n"
    )

    _run([_log(tmp_path / "conn.log", labels=False)], truth)
    printed = capsys.readouterr().out

    assert "1 of 1 points" in printed
    assert "No flow-level figures" in printed


@pytest.mark.slow
def test_an_input_without_labels_is_an_error_that_says_the_way_out(tmp_path):
    """No figure is made up."""
    with pytest.raises(InputError, match=r"must have labels .* --truth"):
        _run([_log(tmp_path / "conn.log", labels=False)])


@pytest.mark.slow
def test_json_on_stdout_is_only_json(tmp_path, capsys):
    """Scripts read it."""
    _run([_log(tmp_path / "conn.log", labels=True)], json_out="-")

    assert json.loads(capsys.readouterr().out)["truth"] == "labels"


@pytest.mark.slow
def test_verdicts_stand_beside_their_flows(tmp_path):
    """Flows keep the order of the stream, and the sweep's flows are in the sweep's incident."""
    result, flows = scan_watched(
        [str(_log(tmp_path / "c.log", labels=True))], None, ScanSettings()
    )

    assert flows["ts_end"].is_sorted()
    bad = flows.filter(flows["src_ip"] == "10.0.0.66")
    assert bad["attack"].to_list() == [True] * 200
    assert bad["incident"].drop_nulls().unique().to_list() == [result.incidents[0].uid]


@pytest.mark.parametrize(
    ("value", "text"), [(None, "0/0"), (0.0, "0.000"), (1.0, "1.000"), (0.00135, "0.0014")]
)
def test_undefined_is_said_and_small_ratios_keep_digits(value, text):
    """A ratio of nothing is neither 0 nor 1."""
    assert said(value) == text


CORPUS = Path(__file__).parents[4] / "shared" / "data" / "zeek"


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the public Zeek logs are not on this machine")
def test_shares_of_a_real_log_are_those_of_a_count_by_hand():
    """Attack flows of an incident, counted again from the log's own lines."""
    from eddyline.evaluate.evaluation import evaluate

    path = CORPUS / "iot23" / "CTU-IoT-Malware-Capture-34-1.conn.log.labeled"
    result, flows = scan_watched([str(path)], None, ScanSettings())

    told = evaluate(flows, result.incidents)

    by_uid = {}
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            cells = line.split("\t")
            by_uid[cells[1]] = "Malicious" in cells[-1]
    assert told.incident_level[0].n_attack_flows == sum(by_uid.values())
    for place, incident in enumerate(result.incidents):
        members = flows.filter(flows["incident"] == incident.uid)["uid"].to_list()
        row = told.incidents.row(place, named=True)
        assert row["n_attack"] == sum(by_uid[uid] for uid in members)
        assert row["n_normal"] == sum(not by_uid[uid] for uid in members)
