"""A model file: a zip of a manifest and plain arrays, with hashes; never code.

What belongs here: writing and reading such a file, refusing what is damaged, unknown or hostile. What does
not: what a pipeline keeps in it (``pipeline.py``).
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import ModelError, UsageError

FORMAT: Final = "eddyline-model"
FORMAT_VERSION: Final = 1
MAX_BYTES: Final = 2_000_000_000
"""Unpacked bytes above which a model file is refused."""

_STAMP: Final = (1980, 1, 1, 0, 0, 0)

_DAMAGE: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    ValueError,
    LookupError,
    TypeError,
    EOFError,
    RuntimeError,  # encrypted, an unknown compression, or JSON nested without end
    MemoryError,  # an array that claims to be huge
)
"""What reading bytes that somebody chose can raise in zipfile, json and numpy."""

ArrayGroups = dict[str, dict[str, NDArray[Any]]]


def write_archive(
    path: Path, manifest: Mapping[str, Any], groups: Mapping[str, Mapping[str, NDArray[Any]]]
) -> None:
    """Write a model file; the same content gives the same bytes.

    Parameters
    ----------
    path
        Where to; an existing file is replaced once the new one is whole.
    manifest
        JSON-able description; format, version and hashes are added.
    groups
        Arrays of numbers or text, by group and name.

    Raises
    ------
    UsageError
        When something that is not a file has that name.
    """
    if path.exists() and not path.is_file():
        message = f"a model must be written to a file, {str(path)!r} is not one; name a file"
        raise UsageError(message)
    parts: dict[str, bytes] = {}
    for group, arrays in sorted(groups.items()):
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **{k: np.asarray(arrays[k]) for k in sorted(arrays)})
        parts[f"{group}.npz"] = buffer.getvalue()
    full = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **manifest,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()},
    }
    text = json.dumps(full, indent=1, sort_keys=True, allow_nan=False).encode()
    fresh = path.with_name(path.name + ".part")
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("manifest.json", text), *sorted(parts.items())):
            archive.writestr(zipfile.ZipInfo(name, _STAMP), data, zipfile.ZIP_DEFLATED)
    fresh.replace(path)


def read_archive(path: Path) -> tuple[dict[str, Any], ArrayGroups]:
    """Read a model file, trusting nothing in it.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    ModelError
        When it is no model file, damaged, too large, of an unknown version, or holds objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except FileNotFoundError as error:
        message = f"a model file must exist, got {str(path)!r}; make one with 'eddyline learn'"
        raise ModelError(message) from error
    except zipfile.BadZipFile as error:
        message = (
            f"{path.name}: must be a whole model file, its bytes are none or were cut; check the name "
            "and the transfer, or make it again with 'eddyline learn' or 'eddyline train'"
        )
        raise ModelError(message) from error
    except _DAMAGE as error:
        message = (
            f"{path.name}: must be a whole model file, got {type(error).__name__}: {error}; "
            "learn the model again"
        )
        raise ModelError(message) from error


def _read(path: Path, archive: zipfile.ZipFile) -> tuple[dict[str, Any], ArrayGroups]:
    _bounded(path, archive)
    manifest = json.loads(archive.read("manifest.json"))
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        message = f"{path.name}: must be an {FORMAT} file, its manifest says otherwise; refused"
        raise ModelError(message)
    if manifest.get("format_version") != FORMAT_VERSION:
        message = (
            f"{path.name}: format_version must be {FORMAT_VERSION}, got "
            f"{manifest.get('format_version')!r}; learn the model with this version"
        )
        raise ModelError(message)
    hashes = manifest.get("sha256", {})
    names = set(archive.namelist()) - {"manifest.json"}
    if not isinstance(hashes, dict) or names != set(hashes):
        message = f"{path.name}: its parts must be those its manifest names, got {sorted(names)}"
        raise ModelError(message)
    groups: ArrayGroups = {}
    for name in sorted(names):
        data = archive.read(name)
        if hashlib.sha256(data).hexdigest() != hashes[name]:
            message = f"{path.name}: {name} must match its hash, it does not; the file is damaged"
            raise ModelError(message)
        groups[name.removesuffix(".npz")] = _arrays(path, data)
    return manifest, groups


def _arrays(path: Path, data: bytes) -> dict[str, NDArray[Any]]:
    """Unpack one group; an npz is a zip of its own, so it is bounded like the file around it."""
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        _bounded(path, inner)
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        found = {key: arrays[key] for key in arrays.files}
    odd = [key for key, values in found.items() if not isinstance(values, np.ndarray)]
    if odd:
        message = f"{path.name}: {odd[0]!r} must be an array, got other bytes; refused"
        raise ModelError(message)
    return found


def _bounded(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse what would fill memory, before it is unpacked."""
    size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_BYTES:
        message = f"{path.name}: must unpack to at most {MAX_BYTES:,} bytes, got {size:,}; refused"
        raise ModelError(message)
