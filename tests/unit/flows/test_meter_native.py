"""The kernels' machine code on disk."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from eddyline.flows.meter import jit, native

ROOT = Path(__file__).parents[3]
CAPTURE = ROOT / "examples" / "quiet-morning.pcap.gz"

FLOWS = """
import gzip
import sys
from pathlib import Path
import polars as pl
from eddyline.read import pcap
from eddyline.read.ingest import IngestReport
content = gzip.decompress(Path(sys.argv[1]).read_bytes())
batches = list(pcap.read(content, name="x", report=IngestReport(), statistics=True))
for batch in batches:
    print(batch.frame.select(pl.exclude("vlan", "tunnel")).write_csv())
print("numba" in sys.modules, file=sys.stderr)
"""

DOUBLE = """
define i64 @"cfunc.double"(ptr %words) {
  %word = load i64, ptr %words
  %twice = add i64 %word, %word
  ret i64 %twice
}
"""


def kernel_of(function):
    """A kernel of the test's own, so that none of the package's is made again."""
    return jit.kernel(function)


def total(values: np.ndarray, factor: int) -> int:
    found = 0
    for index in range(values.size):
        found += values[index] * factor
    return found


def test_machine_code_is_loaded_from_disk_and_a_damaged_file_is_not(tmp_path: Path) -> None:
    code = native.assemble(DOUBLE, "cfunc.double")
    path = tmp_path / "folder" / "double.native"
    assert native.load(path) is None
    native.keep(path, code)
    entry = native.load(path)
    assert entry is not None
    assert entry(np.array([21]).ctypes.data) == 42

    content = bytearray(path.read_bytes())
    for place in (0, native.DIGEST_BYTES + 5, len(content) - 1):
        damaged = content.copy()
        damaged[place] ^= 1
        path.write_bytes(damaged)
        assert native.load(path) is None
    path.write_bytes(content[:100])
    assert native.load(path) is None


def test_code_that_needs_a_function_from_outside_is_refused() -> None:
    text = "declare i64 @outside()\n" + DOUBLE.replace(
        "%twice = add i64 %word, %word", "%twice = call i64 @outside()"
    )
    with pytest.raises(native.NotNativeError, match="outside"):
        native.assemble(text, "cfunc.double")


def test_arrays_that_are_not_in_one_piece_are_refused() -> None:
    with pytest.raises(TypeError, match="in one piece"):
        native.flatten((np.zeros((4, 4))[:, 1], 3), [])


def test_arguments_become_words_and_a_kind() -> None:
    words: list[int] = []
    array = np.zeros((2, 3), dtype=np.int32)

    assert native.flatten((array, 7, (np.zeros(5),)), words) == "tuple(<i42,i,tuple(<f81))"
    assert words[0] == array.ctypes.data
    assert words[1:4] == [2, 3, 7]
    assert words[5] == 5


def test_the_key_depends_on_each_part() -> None:
    keys = {
        native.key_of(parts)
        for parts in ({}, {"a": b"1"}, {"a": b"2"}, {"b": b"1"}, {"a": b"1", "b": b""})
    }
    assert len(keys) == 5


@pytest.mark.slow
def test_a_kernel_is_compiled_once_a_kind_and_again_by_numba_where_it_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    values = np.arange(10)
    assert kernel_of(total)(values, 3) == 135
    assert kernel_of(total)(values.astype(np.int32), 3) == 135
    assert len(list(tmp_path.glob("*.native"))) == 2

    def refuse(text: str, name: str) -> bytes:
        raise native.NotNativeError(name)

    monkeypatch.setattr(native, "assemble", refuse)
    assert kernel_of(total)(values, 3) == 135  # from disk
    assert kernel_of(total)(values.astype(np.uint8), 3) == 135  # by Numba
    assert len(list(tmp_path.glob("*.native"))) == 2


@pytest.mark.slow
def test_numba_gives_the_same_flows(tmp_path: Path) -> None:
    """Compiled for the disk, loaded from it and run by Numba itself; only loading does without Numba."""
    said = []
    for boundscheck in ("0", "0", "1"):
        done = subprocess.run(
            [sys.executable, "-c", FLOWS, str(CAPTURE)],
            env={
                **os.environ,
                "NUMBA_CACHE_DIR": str(tmp_path),
                "NUMBA_BOUNDSCHECK": boundscheck,
            },
            capture_output=True,
            text=True,
            check=True,
        )
        said.append((done.stdout, done.stderr.splitlines()[-1]))
    assert said[0][0] == said[1][0] == said[2][0]
    assert [numba for _, numba in said] == ["True", "False", "True"]
