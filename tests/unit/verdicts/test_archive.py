"""A model file is read as if an enemy had written it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import struct
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import ModelError
from eddyline.verdicts.archive import (
    FORMAT,
    FORMAT_VERSION,
    MAX_BYTES,
    read_archive,
    write_archive,
)

GROUPS = {
    "leg0": {"weights": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "ß"])},
    "normal": {"low": np.zeros(3), "count": np.array(7)},
}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Give a small model file."""
    path = tmp_path_factory.mktemp("archive") / "small.eddy"
    write_archive(path, {"seed": 3, "note": "Straße"}, GROUPS)
    return path


def zipped(path, manifest, parts, *, sign=True):
    """Write a model file by hand, its hashes true."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    full = {"format": FORMAT, "format_version": FORMAT_VERSION, **manifest}
    if sign:
        full["sha256"] = hashes
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(full))
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def npz(**arrays):
    """Give the bytes of an npz, objects allowed."""
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def test_what_is_written_is_read(model) -> None:
    """Values, types and shapes; the manifest as it was."""
    manifest, groups = read_archive(model)

    assert (manifest["seed"], manifest["note"]) == (3, "Straße")
    assert groups.keys() == GROUPS.keys()
    for group, arrays in GROUPS.items():
        for name, values in arrays.items():
            assert np.array_equal(groups[group][name], values)
            assert groups[group][name].dtype == values.dtype


def test_equal_content_gives_equal_bytes(model, tmp_path) -> None:
    """No clock, no order of insertion."""
    turned = {k: dict(reversed(v.items())) for k, v in reversed(GROUPS.items())}
    write_archive(tmp_path / "other.eddy", {"note": "Straße", "seed": 3}, turned)
    write_archive(tmp_path / "again.eddy", {"note": "Straße", "seed": 3}, GROUPS)

    assert (tmp_path / "again.eddy").read_bytes() == model.read_bytes()
    assert (tmp_path / "other.eddy").read_bytes() == model.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.eddy", "other.eddy"]


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_byte_is_noticed_or_harmless(model, tmp_path_factory, data) -> None:
    """Whatever byte changes, the content is the same or the file is refused; nothing else is raised."""
    whole = bytearray(model.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(whole) - 1))
        whole[place] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.mktemp("damaged") / "m.eddy"
    path.write_bytes(whole)
    with suppress(ModelError):
        _, groups = read_archive(path)

        assert np.array_equal(groups["leg0"]["weights"], GROUPS["leg0"]["weights"])


@given(length=st.integers(0, 1200))
@settings(max_examples=40, deadline=None)
def test_a_cut_file_is_refused(model, tmp_path_factory, length) -> None:
    """A part of a model is no model."""
    data = model.read_bytes()
    path = tmp_path_factory.mktemp("cut") / "m.eddy"
    path.write_bytes(data[: min(length, len(data) - 1)])

    with pytest.raises(ModelError):
        read_archive(path)


def test_a_missing_file_is_told_with_the_way_out(tmp_path) -> None:
    """No model, no traceback."""
    with pytest.raises(ModelError, match="eddyline learn"):
        read_archive(tmp_path / "absent.eddy")
    with pytest.raises(ModelError):
        read_archive(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"format_version": 2},
        {"format_version": None},
        {"format_version": "1"},
        {"format": "something"},
        {"format": None},
    ],
)
def test_another_version_or_format_is_refused(tmp_path, change) -> None:
    """Only what is known is read."""
    path = zipped(tmp_path / "m.eddy", change, {"leg0.npz": npz(a=np.zeros(2))})

    with pytest.raises(ModelError, match=r"m\.eddy"):
        read_archive(path)


@pytest.mark.parametrize("text", ["[]", "3", "{", '"x"', "\ud800", "[" * 100_000])
def test_a_manifest_that_is_no_object_is_refused(tmp_path, text) -> None:
    """JSON of another shape, no JSON, or JSON without end."""
    with zipfile.ZipFile(tmp_path / "m.eddy", "w") as archive:
        archive.writestr("manifest.json", text.encode("utf-8", "surrogatepass"))

    with pytest.raises(ModelError):
        read_archive(tmp_path / "m.eddy")


def test_members_are_those_the_manifest_names(tmp_path) -> None:
    """One more, one less, another hash: refused."""
    part = {"leg0.npz": npz(a=np.zeros(2))}
    hashes = {"leg0.npz": hashlib.sha256(part["leg0.npz"]).hexdigest()}
    cases = [
        ({"sha256": hashes}, part | {"extra.py": b"print(1)"}),
        ({"sha256": hashes | {"leg1.npz": "0"}}, part),
        ({"sha256": {"leg0.npz": "0" * 64}}, part),
        ({"sha256": ["leg0.npz"]}, part),
        ({}, part),
    ]
    for number, (manifest, parts) in enumerate(cases):
        path = zipped(tmp_path / f"{number}.eddy", manifest, parts, sign=False)
        with pytest.raises(ModelError):
            read_archive(path)


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_a_pickle_is_never_opened(tmp_path) -> None:
    """Neither an object array, nor a bare pickle, nor an npy in place of an npz; nothing runs."""
    ran = tmp_path / "ran"
    objects = npz(a=np.array([Bomb(ran)], dtype=object))
    bare = pickle.dumps(Bomb(ran))
    npy = io.BytesIO()
    np.save(npy, np.zeros(3))
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr("a.npy", bare)
    for number, data in enumerate((objects, bare, npy.getvalue(), b"", b"PK\x03\x04")):
        path = zipped(tmp_path / f"{number}.eddy", {}, {"leg0.npz": data})
        with pytest.raises(ModelError):
            read_archive(path)
    path = zipped(tmp_path / "inside.eddy", {}, {"leg0.npz": inside.getvalue()})
    with pytest.raises(ModelError):
        read_archive(path)

    assert not ran.exists()


def announced(size: int, data: bytes, name: bytes) -> bytes:
    """Let the central directory of a zip say that a member unpacks to so many bytes."""
    place = data.index(b"PK\x01\x02")
    while data[place + 46 : place + 46 + len(name)] != name:
        place = data.index(b"PK\x01\x02", place + 1)
    return data[: place + 24] + struct.pack("<I", size) + data[place + 28 :]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(model, tmp_path) -> None:
    """What a file says it unpacks to is bounded, also inside its parts."""
    big = tmp_path / "big.eddy"
    big.write_bytes(announced(MAX_BYTES, model.read_bytes(), b"leg0.npz"))
    with pytest.raises(ModelError, match="at most"):
        read_archive(big)

    hidden = announced(MAX_BYTES + 1, npz(a=np.zeros(4)), b"a.npy")
    path = zipped(tmp_path / "hidden.eddy", {}, {"leg0.npz": hidden})
    with pytest.raises(ModelError, match="at most"):
        read_archive(path)


def test_an_array_that_claims_to_be_huge_is_refused(tmp_path) -> None:
    """A header of an exabyte allocates nothing."""
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    inside = io.BytesIO()
    with zipfile.ZipFile(inside, "w") as archive:
        archive.writestr(
            "a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", 118) + header + b"\0" * 64
        )
    path = zipped(tmp_path / "m.eddy", {}, {"leg0.npz": inside.getvalue()})

    with pytest.raises(ModelError):
        read_archive(path)


def test_a_number_that_json_does_not_know_is_not_written(tmp_path) -> None:
    """A manifest is read by others too."""
    with pytest.raises(ValueError, match="JSON"):
        write_archive(tmp_path / "m.eddy", {"budget": float("nan")}, {})
