"""Machine code of a kernel, made by Numba once and kept on disk; a later process needs only LLVM to load it.

What belongs here: making, keeping and loading machine code. What does not: which functions are kernels
(``jit.py``). An entry point takes one array of 64-bit words: an array is its address and its shape, an
integer is itself. Loading costs some hundredths of a second where importing Numba and loading from its own
cache costs about one, most of it in the half million objects that Numba makes.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import llvmlite.binding as llvm
import numpy as np

ENTRY: Final = "eddyline_kernel"
"""Name of the entry point in a module."""

DIGEST_BYTES: Final = 16
"""A file begins with a digest of what follows, so that a damaged one is made again, not run."""

Entry = Callable[[Any], int]

_engines: list[Any] = []  # machine code lives as long as its engine


class NotNativeError(RuntimeError):
    """A kernel cannot stand alone; Numba runs it in the ordinary way."""


def flatten(value: Any, words: list[int]) -> str:
    """Append the words of an argument; gives its type as text.

    Parameters
    ----------
    value
        An array, an integer, or a tuple of such.
    words
        Appended to.

    Raises
    ------
    TypeError
        When an array is not in one piece, in C order.
    """
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            message = (
                f"a kernel takes arrays in one piece, in C order, got strides {value.strides} "
                f"for shape {value.shape}; pass numpy.ascontiguousarray of it"
            )
            raise TypeError(message)
        words.append(value.ctypes.data)
        words.extend(value.shape)
        return f"{value.dtype.str}{value.ndim}"
    if isinstance(value, tuple):
        inside = ",".join(flatten(one, words) for one in value)
        return f"{type(value).__name__}({inside})"
    words.append(int(value))
    return "i"


def spread(name: str, values: tuple[Any, ...]) -> tuple[str, dict[str, Any]]:
    """Write a call of a function of arrays in terms of ``words``; gives the names that it needs too.

    Parameters
    ----------
    name
        Name of the function.
    values
        Arguments as it would get them.
    """
    names: dict[str, Any] = {}
    at = 0

    def express(value: Any) -> str:
        nonlocal at
        first = at
        if isinstance(value, np.ndarray):
            at += 1 + value.ndim
            shape = "".join(f"words[{first + 1 + axis}], " for axis in range(value.ndim))
            kind = f"type_{value.dtype.name}"
            names[kind] = value.dtype.type
            return f"view(words[{first}], ({shape}), {kind})"
        if isinstance(value, tuple):
            inside = "".join(f"{express(one)}, " for one in value)
            if type(value) is tuple:
                return f"({inside})"
            names[type(value).__name__] = type(value)
            return f"{type(value).__name__}({inside})"
        at += 1
        return f"words[{first}]"

    return f"{name}({', '.join([express(value) for value in values])})", names


def place() -> Path:
    """Give the folder where machine code is kept: chosen, beside the package, or the user's."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return Path(chosen)
    beside = Path(__file__).parent / "__pycache__"
    if os.access(beside if beside.exists() else beside.parent, os.W_OK):
        return beside
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eddyline"


def key_of(parts: Mapping[str, bytes]) -> str:
    """Name what machine code depends on: sources, compiler and processor.

    Parameters
    ----------
    parts
        Everything else that it depends on.
    """
    digest = hashlib.blake2b(digest_size=12)
    facts = {
        "numba": version("numba").encode(),
        "llvmlite": version("llvmlite").encode(),
        "triple": llvm.get_process_triple().encode(),
        "processor": llvm.get_host_cpu_name().encode(),
        "features": llvm.get_host_cpu_features().flatten().encode(),
        "python": platform.python_version().encode(),
    }
    for name, fact in sorted({**facts, **parts}.items()):
        digest.update(f"{name}:{len(fact)}:".encode())
        digest.update(fact)
    return digest.hexdigest()


def load(path: Path) -> Entry | None:
    """Load machine code; None when there is none, or it is damaged.

    Parameters
    ----------
    path
        File that ``keep`` wrote.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return None
    code = content[DIGEST_BYTES:]
    if hashlib.blake2b(code, digest_size=DIGEST_BYTES).digest() != content[:DIGEST_BYTES]:
        return None
    return link(code)


def keep(path: Path, code: bytes) -> None:
    """Write machine code to disk, all of it or nothing.

    Parameters
    ----------
    path
        Where to.
    code
        An object file.

    Raises
    ------
    OSError
        When the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(hashlib.blake2b(code, digest_size=DIGEST_BYTES).digest() + code)
    written = Path(file.name)
    written.chmod(0o644)
    written.replace(path)


def _machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=3,
        reloc="pic",
        codemodel="jitdefault",
    )


def assemble(text: str, name: str) -> bytes:
    """Turn a module of LLVM's language into an object file.

    Parameters
    ----------
    text
        A module that needs nothing from outside.
    name
        Its function that becomes the entry point.

    Raises
    ------
    NotNativeError
        When it calls something that only Numba's process has.
    """
    machine = _machine()
    module = llvm.parse_assembly(text)
    module.get_function(name).name = ENTRY
    foreign = [
        one.name
        for one in (*module.functions, *module.global_variables)
        if one.is_declaration and not one.name.startswith("llvm.")
    ]
    if foreign:
        message = (
            f"a kernel must call nothing outside itself, got {foreign[0]}; Numba runs it instead"
        )
        raise NotNativeError(message)
    code: bytes = machine.emit_object(module)
    return code


def link(code: bytes) -> Entry:
    """Bring an object file into memory; gives its entry point.

    Parameters
    ----------
    code
        What ``assemble`` gave.
    """
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _engines.append(engine)
    signature = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
    return signature(engine.get_function_address(ENTRY))
