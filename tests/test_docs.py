"""Documentation is under test: pages made from the code are current, links lead somewhere, commands run.

A ``console`` block is run line by line, each line that begins with ``$ ``, in one temporary folder a page; so
are the ``python`` blocks of a page, together. A comment ``<!-- not run: reason -->`` right before a block
leaves it out.
"""

import gzip
import importlib.util
import os
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from eddyline.flows.batch import FlowBatch
from eddyline.read.flows import read_flows

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(
    r"(?:<!-- not run: (?P<why>[^>]+) -->\n+)?```(?P<kind>\w*)\n(?P<body>.*?)```", re.S
)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]+)?(?:#([\w-]+))?\)")
DAY_S = 86_400
BEGINNING_S = 2_400


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    body: str
    why: str | None

    @property
    def commands(self) -> list[str]:
        """The lines a reader would type."""
        return [line[2:] for line in self.body.splitlines() if line.startswith("$ ")]


def blocks(page: Path) -> list[Block]:
    """Give the fenced blocks of a page."""
    found = BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(m["kind"], m["body"], m["why"]) for m in found]


def shown(page: Path) -> str:
    """Give a page's name for the test's."""
    return str(page.relative_to(ROOT))


def runnable(page: Path) -> bool:
    """Tell whether a page has a block that is to be run."""
    return any(b.why is None and b.kind in ("console", "python") for b in blocks(page))


RUNNABLE = [page for page in PAGES if runnable(page)]


def test_pages_made_from_the_code_are_current() -> None:
    """The reference says what the code says; ``scripts/docs`` renews it."""
    stale = [
        name
        for name, text in maker("make_reference").pages().items()
        if (ROOT / "docs" / "reference" / name).read_text(encoding="utf-8") != text
    ]

    assert not stale, "run scripts/docs and read what changed"


def maker(name: str) -> Any:
    """Load one of the scripts beside the pages."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    """Each link to a page of ours names a file that exists and a heading that it has."""
    for target, heading in LINK.findall(page.read_text(encoding="utf-8")):
        file = (page.parent / target) if target else page

        assert file.exists(), target
        if heading:
            assert heading in headings(file), f"{target}#{heading}"


def test_every_page_is_in_the_list() -> None:
    """A page that nothing links to is not found."""
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target).resolve() for target, _ in LINK.findall(index.read_text("utf-8"))
    }

    assert not [shown(p) for p in (ROOT / "docs").rglob("*.md") if p not in {*linked, index}]


def headings(page: Path) -> set[str]:
    """Give the anchors of a page's headings."""
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_block_says_what_it_is(page: Path) -> None:
    """A block has a kind, and a command of ours stands only where it would be run or is excused."""
    for block in blocks(page):
        assert block.kind, block.body
        if block.kind in ("text", "sh", "bash"):
            assert not re.search(r"^\$? ?eddyline ", block.body, re.M), "make it a console block"


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_a_line_holds_one_sentence(page: Path) -> None:
    """Prose has one sentence a line, so that a change shows as the sentences that changed."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    prose = [line for line in text.splitlines() if not line.startswith(("|", "<!--", "    "))]

    assert not [line for line in prose if re.search(r"[a-z)`]{3}\. [A-Z]\w+ ", line)]


@pytest.fixture(scope="module")
def materials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make what the pages speak of: captures of some days, a Zeek log, a table; from the examples."""
    folder = tmp_path_factory.mktemp("materials")
    morning = beginning(unpacked(EXAMPLES / "quiet-morning.pcap.gz"))
    afternoon = beginning(unpacked(EXAMPLES / "afternoon.pcap.gz"))
    for name, content in (("monday", moved(morning, -DAY_S)), ("tuesday", morning)):
        (folder / name).mkdir()
        (folder / name / "morning.pcap").write_bytes(content)
    (folder / "today").mkdir()
    (folder / "today" / "afternoon.pcap").write_bytes(afternoon)
    (folder / "capture.pcap").write_bytes(afternoon)
    (folder / "zeek").mkdir()
    flows = FlowBatch.concat(list(read_flows(folder / "capture.pcap"))).frame
    write_zeek(flows, folder / "zeek" / "conn.log")
    write_csv(flows, folder / "export.csv")
    write_labelled(flows, folder / "labelled.csv")
    return folder


def unpacked(path: Path) -> bytes:
    """Give the content of a packed capture."""
    return gzip.decompress(path.read_bytes())


def beginning(pcap: bytes) -> bytes:
    """Give the first part of a capture (little-endian pcap), enough to learn from and to find something."""
    first, place = struct.unpack_from("<I", pcap, 24)[0], 24
    while place < len(pcap):
        then, _, length, _ = struct.unpack_from("<IIII", pcap, place)
        if then - first > BEGINNING_S:
            break
        place += 16 + length
    return pcap[:place]


def moved(pcap: bytes, seconds: int) -> bytes:
    """Give a capture (little-endian pcap) moved in time."""
    content, place = bytearray(pcap), 24
    while place < len(content):
        then, _, length, _ = struct.unpack_from("<IIII", content, place)
        struct.pack_into("<I", content, place, then + seconds)
        place += 16 + length
    return bytes(content)


def write_csv(flows: pl.DataFrame, path: Path) -> None:
    """Write flows as some exporter would, under names of its own."""
    flows.select(
        (pl.col("ts") // 1000).alias("When"),
        pl.col("src_ip").cast(pl.String).alias("From"),
        pl.col("dst_ip").cast(pl.String).alias("To"),
        pl.col("ip_proto").alias("P"),
    ).write_csv(path)


def write_labelled(flows: pl.DataFrame, path: Path) -> None:
    """Write a table of flows with a label column, as a data set would come."""
    port = pl.col("dst_port").fill_null(0)
    flows.select(
        pl.col("src_ip").cast(pl.String),
        "bytes_out",
        "bytes_in",
        "duration_s",
        pl.when(port % 7 == 0).then(pl.lit("scan")).otherwise(pl.lit("benign")).alias("label"),
    ).unique(maintain_order=True).write_csv(path)


def write_zeek(flows: pl.DataFrame, log: Path) -> None:
    """Write flows as Zeek would."""
    columns = {
        "ts": (pl.col("ts") / 1e6).round(6),
        "uid": pl.col("uid"),
        "id.orig_h": pl.col("src_ip").cast(pl.String),
        "id.orig_p": pl.col("src_port").fill_null(0),
        "id.resp_h": pl.col("dst_ip").cast(pl.String),
        "id.resp_p": pl.col("dst_port").fill_null(0),
        "proto": pl.col("proto").cast(pl.String),
        "service": pl.lit("-"),
        "duration": pl.col("duration_s"),
        "orig_bytes": pl.col("payload_out"),
        "resp_bytes": pl.col("payload_in"),
        "conn_state": pl.col("state").cast(pl.String),
        "missed_bytes": pl.lit(0),
        "history": pl.col("history"),
        "orig_pkts": pl.col("pkts_out"),
        "orig_ip_bytes": pl.col("bytes_out"),
        "resp_pkts": pl.col("pkts_in"),
        "resp_ip_bytes": pl.col("bytes_in"),
    }
    kinds = "time string addr port addr port enum string interval count count string count string"
    types = [*kinds.split(), *["count"] * 4]
    rows = flows.filter(pl.col("proto").cast(pl.String).is_in(["tcp", "udp", "icmp"]))
    body = rows.select(e.alias(name) for name, e in columns.items()).write_csv(
        separator="\t", include_header=False, null_value="-"
    )
    head = ["#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-"]
    head += ["#path\tconn", "\t".join(["#fields", *columns]), "\t".join(["#types", *types])]
    log.write_text("\n".join(head) + "\n" + body, encoding="utf-8")


@pytest.fixture
def desk(materials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a folder as a reader would have it, with ``eddyline`` on the path."""
    shutil.copytree(materials, tmp_path, dirs_exist_ok=True)
    (tmp_path / "examples").symlink_to(EXAMPLES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", RUNNABLE, ids=shown)
def test_the_blocks_of_a_page_run(page: Path, desk: Path) -> None:
    """A reader who types what a page says gets no error; a scan may end with 1, incidents found."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "COLUMNS": "100"}
    code = []
    for block in blocks(page):
        if block.why is None and block.kind == "python":
            code.append(block.body)
        for command in block.commands if block.why is None else []:
            done = subprocess.run(
                ["/bin/sh", "-c", command],
                cwd=desk,
                env=env,
                capture_output=True,
                text=True,
                check=False,
            )
            allowed = (0, 1) if "eddyline scan" in command else (0,)
            assert done.returncode in allowed, f"{command}\n{done.stdout}{done.stderr}"
            assert "Traceback" not in done.stderr, command
    if code:
        run_code("\n".join(code), desk, env)


def run_code(code: str, folder: Path, env: dict[str, str]) -> None:
    """Run the Python of a page as one program."""
    page = folder / "page.py"
    page.write_text(code, encoding="utf-8")

    done = subprocess.run(
        [sys.executable, str(page)],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_readme_shows_what_the_demo_prints() -> None:
    """The lines that the README quotes are those of today's demo; ``scripts/docs`` renews them."""
    quoted = next(b.body for b in blocks(ROOT / "README.md") if b.kind == "text")

    assert quoted == maker("make_excerpt").excerpt()
