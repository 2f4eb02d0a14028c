"""The commands as a user meets them: exit codes, where results go, what errors say."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jsonschema
import numpy as np
import polars as pl
import pytest

from eddyline.cli.main import run
from eddyline.flows.record import CORE_SCHEMA
from eddyline.read.ingest import IngestReport
from eddyline.report.json import schema
from eddyline.scan import scan

START_S = 1_773_136_800  # 2026-03-10 10:00 UTC
FIELDS = [
    *("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service"),
    *("duration", "orig_bytes", "resp_bytes", "conn_state", "missed_bytes", "history"),
    *("orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes"),
]
SWEEPER = "10.1.1.9"
EXAMPLES = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Outcome:
    """What a command printed and how it ended."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


def web(rng: np.random.Generator, second: float, host: str = "") -> list[object]:
    """Give an ordinary visit of a web server."""
    out, back = int(rng.integers(400, 900)), int(rng.integers(2_000, 40_000))
    host = host or f"10.1.1.{rng.integers(20, 44)}"
    return [
        f"{START_S + second:.6f}", f"C{rng.integers(2**60):x}", host,
        int(rng.integers(32_768, 60_999)), f"10.1.9.{rng.integers(1, 6)}", 443, "tcp", "ssl",
        f"{rng.uniform(0.05, 3):.6f}", out, back, "SF", 0, "ShADadFf", 8, out + 400, 20, back + 900,
    ]  # fmt: skip


def probe(rng: np.random.Generator, second: float, number: int) -> list[object]:
    """Give one vain attempt of the sweep on port 445."""
    return [
        f"{START_S + second:.6f}", f"C{rng.integers(2**60):x}", SWEEPER,
        int(rng.integers(32_768, 60_999)), f"10.1.{4 + number // 250}.{1 + number % 250}", 445,
        "tcp", "-", "-", "-", "-", "S0", 0, "S", 1, 44, 0, 0,
    ]  # fmt: skip


def write_log(path: Path, rows: list[list[object]]) -> Path:
    """Write a Zeek log."""
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
    head += ["#path\tconn", "\t".join(["#fields", *FIELDS])]
    ordered = sorted(rows, key=lambda row: str(row[0]))
    lines = ["\t".join(str(cell) for cell in row) for row in ordered]
    path.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return path


def visits(seed: int, start_s: float = 0.0, n: int = 600) -> list[list[object]]:
    """Give an hour of ordinary visits."""
    rng = np.random.default_rng(seed)
    return [web(rng, second) for second in np.sort(rng.uniform(start_s, start_s + 3_500, n))]


@pytest.fixture(scope="session")
def quiet_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give an hour of ordinary visits."""
    return write_log(tmp_path_factory.mktemp("quiet") / "conn.log", visits(1))


@pytest.fixture(scope="session")
def sweep_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give another such hour in which one host tries port 445 of 120 hosts within a minute."""
    rng = np.random.default_rng(2)
    probes = [probe(rng, 8_000 + 0.5 * number, number) for number in range(120)]
    return write_log(tmp_path_factory.mktemp("sweep") / "conn.log", visits(3, 7_200) + probes)


@pytest.fixture
def eddyline(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """Give the command line: arguments in, what it printed and its exit code out."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def call(*arguments: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["eddyline", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        printed = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), printed.out, printed.err)

    return call


def test_a_quiet_log_gives_no_incident_and_code_0(eddyline: Command, quiet_log: Path) -> None:
    """Silence is the first duty: an ordinary hour ends with 0 and says how much was judged."""
    done = eddyline("scan", quiet_log)

    assert done.code == 0
    assert "600 flows" in done.out


def test_a_sweep_gives_one_incident_and_code_1(eddyline: Command, sweep_log: Path) -> None:
    """120 probes are one story, told by its name and its source, in the table."""
    done = eddyline("scan", sweep_log)

    assert done.code == 1
    assert f"{SWEEPER} tried 120 hosts" in done.out
    assert "1 incident" in done.out


def test_json_on_stdout_is_the_report_and_nothing_else(eddyline: Command, sweep_log: Path) -> None:
    """``--json -`` prints one document that keeps the published schema."""
    done = eddyline("scan", sweep_log, "--json", "-")

    report = json.loads(done.out)
    jsonschema.validate(report, schema())
    assert [i["attack"] for i in report["incidents"]] == ["ip_sweep"]
    assert report["incidents"][0]["sources"] == [SWEEPER]
    assert report["flows_judged"] == 720


def test_quiet_prints_nothing(eddyline: Command, sweep_log: Path, tmp_path: Path) -> None:
    """``--quiet`` leaves the exit code and the files to speak."""
    page, data = tmp_path / "r.html", tmp_path / "r.json"

    done = eddyline("scan", sweep_log, "--quiet", "--html", page, "--json", data)

    assert (done.code, done.out, done.err) == (1, "", "")
    assert SWEEPER in page.read_text(encoding="utf-8")
    assert json.loads(data.read_text())["incidents"]


def test_learn_save_scan(
    eddyline: Command, quiet_log: Path, sweep_log: Path, tmp_path: Path
) -> None:
    """A model learned from a quiet hour judges another hour, and the report says by what."""
    model = tmp_path / "office.eddy"

    learned = eddyline("learn", quiet_log, "-o", model)
    done = eddyline("scan", sweep_log, "--model", model, "--json", "-")

    report = json.loads(done.out)
    assert learned.code == 0
    assert "Learned 600 flows" in learned.out
    assert done.code == 1
    assert (report["model"]["kind"], report["model"]["name"]) == ("saved", "office.eddy")
    assert report["incidents"][0]["attack"] == "ip_sweep"


def test_stdin_is_read_like_the_file(
    eddyline: Command, sweep_log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``-`` takes the same bytes from a pipe, packed or not."""
    named = json.loads(eddyline("scan", sweep_log, "--json", "-").out)
    packed = io.TextIOWrapper(io.BytesIO(gzip.compress(sweep_log.read_bytes())))
    monkeypatch.setattr("sys.stdin", packed)

    piped = json.loads(eddyline("scan", "-", "--json", "-").out)

    assert piped["incidents"] == named["incidents"]


def test_a_missing_file_is_named_with_code_2(eddyline: Command) -> None:
    """The message is one line: what, and which path; no traceback."""
    done = eddyline("scan", "no-such.pcap")

    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("eddyline: ")
    assert "no-such.pcap" in done.err
    assert len(done.err.splitlines()) == 1


def test_an_unknown_content_is_refused_with_code_2(eddyline: Command, tmp_path: Path) -> None:
    """A picture is no capture, whatever its suffix."""
    (tmp_path / "holiday.pcap").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(500))

    done = eddyline("scan", "holiday.pcap")

    assert done.code == 2
    assert "holiday.pcap" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--budget", "0"], "budget must be > 0"),
        (["--since", "yesterday"], "since"),
        (["--internal", "10.0.0.0/33"], "10.0.0.0/33"),
        (["--ignore", "absent.txt"], "absent.txt"),
        (["--model", "absent.eddy"], "absent.eddy"),
    ],
)
def test_a_wrong_option_is_named_with_code_2(
    eddyline: Command, quiet_log: Path, arguments: list[str], words: str
) -> None:
    """An option that has no meaning is told with its value, in one line."""
    done = eddyline("scan", quiet_log, *arguments)

    assert done.code == 2
    assert words in done.err
    assert "Traceback" not in done.err


def test_a_damaged_model_is_refused(eddyline: Command, quiet_log: Path, tmp_path: Path) -> None:
    """A file that is no model is an error of ours, not a crash."""
    (tmp_path / "bad.eddy").write_bytes(b"PK\x03\x04 not a model")

    done = eddyline("scan", quiet_log, "--model", "bad.eddy")

    assert done.code == 2
    assert "bad.eddy" in done.err


def test_the_ignore_file_silences_a_known_scanner(
    eddyline: Command, sweep_log: Path, tmp_path: Path
) -> None:
    """What is known is not told, and what the rule took is counted."""
    (tmp_path / "known.txt").write_text(f"{SWEEPER} -> 10.1.0.0/16 port 445  # ours\n")

    done = eddyline("scan", sweep_log, "--ignore", "known.txt", "--json", "-")

    report = json.loads(done.out)
    assert done.code == 0
    assert report["flows_judged"] == 600
    assert "120 flows" in report["model"]["settings"]["ignored"]


def test_since_and_until_cut_by_the_end_of_flows(eddyline: Command, sweep_log: Path) -> None:
    """A time range that ends before the sweep does not show it."""
    done = eddyline("scan", sweep_log, "--until", "2026-03-10T12:10:00Z", "--json", "-")

    report = json.loads(done.out)
    assert done.code == 0
    assert 0 < report["flows_judged"] < 600


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_the_flow_table_scans_like_its_source(
    eddyline: Command, sweep_log: Path, suffix: str
) -> None:
    """``flows`` writes a table that holds the record and gives the same incidents."""
    table = f"flows.{suffix}"

    written = eddyline("flows", sweep_log, "-o", table)
    done = eddyline("scan", table, "--json", "-")

    incident = json.loads(done.out)["incidents"][0]
    assert written.code == 0
    assert (incident["attack"], incident["flows_count"]) == ("ip_sweep", 120)


def test_flows_go_to_stdout_as_json_lines(eddyline: Command, quiet_log: Path) -> None:
    """Without a file, one JSON object a flow, with the record's columns."""
    done = eddyline("flows", quiet_log)

    rows = [json.loads(line) for line in done.out.splitlines()]
    assert len(rows) == 600
    assert set(rows[0]) <= {*CORE_SCHEMA, "schema"}


def test_verdicts_hold_every_flow(eddyline: Command, sweep_log: Path, tmp_path: Path) -> None:
    """``--verdicts`` writes a row a flow, and the flows of the incident point to it."""
    done = eddyline("scan", sweep_log, "--verdicts", "v.parquet", "--json", "-")

    uid = json.loads(done.out)["incidents"][0]["uid"]
    frame = pl.read_parquet(tmp_path / "v.parquet")
    assert frame.height == 720
    assert frame.filter(pl.col("incident") == uid).height == 120


def test_hostile_names_are_neutral_everywhere(eddyline: Command, tmp_path: Path) -> None:
    """Addresses, services and file names from outside carry no escape and no markup to the reader."""
    rng = np.random.default_rng(4)
    hostile = "\x1b[2J\x1b]0;owned\x07<script>alert(1)</script>"
    rows = visits(4) + [probe(rng, 1_000 + 0.5 * number, number) for number in range(120)]
    for row in rows[-120:]:
        row[7] = hostile
    for row in rows[:20]:
        row[2] = hostile
    log = write_log(tmp_path / "a\x1b[31m<script>.log", rows)

    told = eddyline("scan", log)
    done = eddyline("scan", log, "--json", "-", "--html", "r.html")

    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    assert told.code == done.code == 1
    assert not {"\x1b", "\x07"} & {*told.out, *told.err, *done.out, *done.err, *page}
    assert "<script>alert" not in page
    assert "a\x1b" not in told.out


@pytest.mark.slow
def test_an_interrupted_scan_of_a_capture_keeps_what_was_read() -> None:
    """Ctrl-C in the middle of a capture gives the incidents of what was read, and says so."""

    def interrupt(done: int, total: int) -> None:
        if done > 0.5 * total:
            raise KeyboardInterrupt

    part = scan(EXAMPLES / "afternoon.pcap.gz", progress=interrupt)

    assert part.input.interrupted
    assert 3_000 < part.flows_judged < 9_000
    assert part.incidents


def test_an_interrupted_scan_of_logs_keeps_what_was_read(tmp_path: Path) -> None:
    """Ctrl-C after the first of two logs gives its flows, although they wait to be sorted."""
    first = write_log(tmp_path / "a.log", visits(5))
    write_log(tmp_path / "b.log", visits(6, 7_200))

    def interrupt(done: int, _total: int) -> None:
        if done >= first.stat().st_size:
            raise KeyboardInterrupt

    result = scan([tmp_path / "a.log", tmp_path / "b.log"], progress=interrupt)

    assert result.input.interrupted
    assert result.flows_judged == 600


@pytest.mark.parametrize("command", ["scan", "flows", "learn", "evaluate"])
def test_an_interruption_says_so_in_every_command(
    command: str, eddyline: Command, sweep_log: Path, tmp_path: Path, monkeypatch
) -> None:
    """Exit code 130 and the word, wherever Ctrl-C comes; no model is made of a part."""
    out = {"flows": ["-o", str(tmp_path / "f.csv")], "learn": ["-o", str(tmp_path / "m.eddy")]}

    def interrupted(_report: IngestReport, _batch: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(IngestReport, "observe", interrupted)
    done = eddyline(command, sweep_log, *out.get(command, []))

    assert done.code == 130
    assert "eddyline: interrupted" in done.err
    assert not (tmp_path / "m.eddy").exists()


@pytest.mark.parametrize("command", ["scan", "flows"])
def test_an_empty_range_of_time_says_so(
    command: str, eddyline: Command, sweep_log: Path, tmp_path: Path
) -> None:
    """Not that there was no flow, but that none lies there."""
    out = ["-o", str(tmp_path / "f.csv")] if command == "flows" else []
    done = eddyline(command, sweep_log, "--since", "2031-01-01T00:00:00Z", *out)

    assert done.code == 0
    told = " ".join((done.out + done.err).split())
    assert "No flow lies between --since and --until: all" in told


def test_the_report_states_the_alarm_levels(eddyline: Command, sweep_log: Path, tmp_path) -> None:
    """One for each view that was learned; 'why not' repeats them, an error rate has none."""
    report, verdicts = tmp_path / "r.json", tmp_path / "v.parquet"
    eddyline("scan", sweep_log, "--json", report, "--verdicts", verdicts, "--quiet")
    levels = json.loads(report.read_text())["model"]["alarm_levels"]
    asked = ["incident", "1", "--report", report, "--verdicts", verdicts]
    told = eddyline(*asked, "--why-not", "10.1.1.25").out
    rated = eddyline("scan", sweep_log, "--json", "-", "--error-rate", "0.1").out

    assert set(levels) >= {"host", "dyad"}
    assert all(0 < level <= 0.01 for level in levels.values())
    assert f"{levels['host']:.2g} for host" in told
    assert json.loads(rated)["model"]["alarm_levels"] == {}


@pytest.mark.parametrize("what", ["flow", "features"])
def test_schema_prints_the_contracts(eddyline: Command, what: str) -> None:
    """The record and the features are printed from where they live."""
    done = eddyline("schema", what)

    assert done.code == 0
    assert "bytes_out" in done.out


def test_the_printed_schema_is_a_json_schema(eddyline: Command) -> None:
    """``schema report`` prints what validators take."""
    printed = json.loads(eddyline("schema", "report").out)

    jsonschema.Draft202012Validator.check_schema(printed)


def test_an_unknown_contract_is_refused(eddyline: Command) -> None:
    """The message says which there are."""
    done = eddyline("schema", "packet")

    assert done.code == 2
    assert "flow, report or features" in done.err


def test_the_version_is_the_packages(eddyline: Command) -> None:
    """``version`` and ``__version__`` say the same."""
    import eddyline as package

    assert eddyline("version").out.strip() == package.__version__
