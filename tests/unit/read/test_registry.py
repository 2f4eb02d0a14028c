"""Readers are found by name and content; those of other packages are checked."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.read.logs import CSV_TABLE, ZEEK_LOG

from eddyline.errors import UnknownFormatError, UsageError
from eddyline.flows.write import SUFFIXES
from eddyline.read import registry, zeek
from eddyline.read.order import FITS_ROWS
from eddyline.read.source import MOST_BYTES, SPOOL_BYTES


class Foreign:
    """A reader of another package."""

    def sniff(self, head):
        """Recognise its own."""
        return head.startswith(b"FOREIGN")

    def read(self, data, *, name, report, statistics=False, batch_rows=100_000, progress=None):
        """Give nothing."""
        yield from ()


class Broken:
    """Not a reader."""


NOT_A_READER = 3


@pytest.fixture
def foreign(monkeypatch):
    """Two entry points of other packages, one of which takes a name of ours."""
    here = __name__
    sys.modules.setdefault(here, sys.modules[__name__])
    points = [
        importlib.metadata.EntryPoint("foreign", f"{here}:Foreign", registry.GROUP),
        importlib.metadata.EntryPoint("zeek", f"{here}:Broken", registry.GROUP),
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    return points


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (ZEEK_LOG.encode(), "zeek"),
        (CSV_TABLE.encode(), "csv"),
        (b"schema,ts,ts_end,uid\n", "eddyline"),
        (b"PAR1....", "eddyline"),
        (b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00" + bytes(16), "pcap"),
    ],
)
def test_content_decides(head, name):
    """Whatever the file is called."""
    assert registry.recognise(head, "x") == name


@pytest.mark.parametrize("head", [b"", b"\x00" * 100, b"hello\n", b"\xff" * 50])
def test_unknown_content_is_refused_with_its_name(head):
    """And with the formats that are known."""
    with pytest.raises(
        UnknownFormatError, match=r"some\.file .*pcap, pcapng, zeek, eddyline, .*csv"
    ):
        registry.recognise(head, "some.file")


def test_every_reader_of_ours_is_one():
    """It has what a reader has."""
    assert all(
        isinstance(registry.reader(entry.name), registry.Reader) for entry in registry.BUILT_IN
    )


def test_a_reader_of_another_package_is_found_and_never_replaces_ours(foreign):
    """By name and by content."""
    assert registry.names() == [*(entry.name for entry in registry.BUILT_IN), "foreign"]
    assert registry.recognise(b"FOREIGN", "x") == "foreign"
    assert registry.reader("zeek") is zeek


@pytest.mark.parametrize("value", ["Broken", "NOT_A_READER", "Nothing"])
def test_a_plugin_that_is_no_reader_is_refused(monkeypatch, value):
    """The message names it."""
    point = importlib.metadata.EntryPoint("odd", f"{__name__}:{value}", registry.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [point])

    with pytest.raises(UsageError, match="odd"):
        registry.reader("odd")


def test_an_unknown_name_is_refused():
    """With the names that exist."""
    with pytest.raises(UsageError, match="got 'xls'"):
        registry.reader("xls")


def test_text_does_not_load_the_meter():
    """Reading a log costs no compiler."""
    code = (
        "import sys; from eddyline.read import registry;"
        f"assert registry.recognise({ZEEK_LOG.encode()!r}, 'x') == 'zeek'; assert 'numba' not in sys.modules"
    )

    assert (
        subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode
        == 0
    )


def test_the_reference_page_lists_every_reader_and_suffix():
    """Docs and code say the same."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "formats.md").read_text()

    assert all(f"| `{entry.name}` |" in page for entry in registry.BUILT_IN)
    assert all(f"`{suffix}`" in page for suffix in SUFFIXES)
    assert f"{FITS_ROWS // 10**6} million" in page
    assert f"{MOST_BYTES >> 30} GiB" in page
    assert f"{SPOOL_BYTES >> 20} MiB" in page
    assert f"`{registry.GROUP}`" in page
