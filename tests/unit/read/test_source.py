"""Inputs as users name them, plain or packed, and packed ones that would fill the disk."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import mmap
import sys

import pytest
import zstandard

from eddyline.errors import InputError, UsageError
from eddyline.read.ingest import IngestReport
from eddyline.read.source import Source, sources

PACK = {
    "plain": lambda data: data,
    "gz": gzip.compress,
    "gz twice": lambda data: gzip.compress(data[:5]) + gzip.compress(data[5:]),
    "zst": lambda data: zstandard.ZstdCompressor().compress(data),
}


@pytest.mark.parametrize("kind", PACK)
def test_content_is_unpacked_by_its_first_bytes(tmp_path, kind):
    """Whatever the name says."""
    path = tmp_path / "some.name"
    path.write_bytes(PACK[kind](b"hello flows"))
    source = Source(str(path), path, named=True)

    assert source.head() == b"hello flows"
    assert bytes(source.open(IngestReport())[:]) == b"hello flows"


def test_a_plain_file_is_mapped(tmp_path):
    """Nothing is copied."""
    path = tmp_path / "a"
    path.write_bytes(b"x")

    assert isinstance(Source("a", path, named=True).open(IngestReport()), mmap.mmap)


def test_an_empty_file_is_empty(tmp_path):
    """It cannot be mapped, and need not be."""
    path = tmp_path / "a"
    path.touch()

    assert Source("a", path, named=True).open(IngestReport()) == b""


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_bomb_stops_at_the_limit(tmp_path, kind):
    """A small file that unpacks to more than is allowed."""
    path = tmp_path / "bomb"
    path.write_bytes(PACK[kind](bytes(3_000_000)))

    with pytest.raises(InputError, match="at most 1,000,000 bytes"):
        Source("bomb", path, named=True).open(IngestReport(), most_bytes=1_000_000)


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_packed_file_that_ends_early_gives_what_it_has(tmp_path, kind):
    """And says so."""
    data = b"".join(hashlib.sha256(bytes([i % 256, i // 256])).digest() for i in range(20_000))
    path = tmp_path / "cut"
    packed = PACK[kind](data)
    path.write_bytes(packed[: len(packed) - 9])
    report = IngestReport()

    found = Source("cut", path, named=True).open(report)

    assert data.startswith(bytes(found[:]))
    assert len(found) > 0
    assert report.truncated


def test_large_unpacked_content_is_mapped_too(tmp_path, monkeypatch):
    """It goes through a file without a name, not through memory."""
    monkeypatch.setattr("eddyline.read.source.SPOOL_BYTES", 1000)
    path = tmp_path / "big.gz"
    path.write_bytes(gzip.compress(b"ab" * 50_000))

    found = Source("big", path, named=True).open(IngestReport())

    assert isinstance(found, mmap.mmap)
    assert found[:] == b"ab" * 50_000


def test_damaged_packing_is_an_error_of_ours(tmp_path):
    """Nothing came out of it."""
    path = tmp_path / "bad.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00" + bz2.compress(b"x"))

    with pytest.raises(InputError, match=r"bad\.gz"):
        Source("bad.gz", path, named=True).open(IngestReport())


def test_folders_are_searched_in_order(tmp_path):
    """Sorted, through all folders, without hidden files."""
    for name in ("b/2", "a/1", ".hidden/x", "c"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()

    found = sources(tmp_path)

    assert [s.name for s in found] == [str(tmp_path / n) for n in ("a/1", "b/2", "c")]
    assert not any(s.named for s in found)


def test_patterns_and_single_names(tmp_path):
    """A file whose name looks like a pattern is that file."""
    for name in ("a1.log", "a2.log", "odd[1].log"):
        (tmp_path / name).touch()

    assert [s.name[-6:] for s in sources(str(tmp_path / "a*.log"))] == ["a1.log", "a2.log"]
    assert sources(str(tmp_path / "odd[1].log"))[0].named
    assert sources(["-"])[0].path is None


@pytest.mark.parametrize("name", ["nowhere.log", "no*thing.log"])
def test_what_does_not_exist_is_named(tmp_path, name):
    """The message shows the path."""
    with pytest.raises(InputError, match=name.replace("*", r"\*")):
        sources(str(tmp_path / name))


def test_nothing_named_is_a_usage_error():
    """An empty list."""
    with pytest.raises(UsageError, match="none"):
        sources([])


def test_standard_input_is_unpacked(monkeypatch):
    """As a file is."""

    class Stdin:
        buffer = io.BufferedReader(io.BytesIO(gzip.compress(b"from a pipe")))

    monkeypatch.setattr(sys, "stdin", Stdin)

    assert Source("-", None, named=True).open(IngestReport()) == b"from a pipe"
