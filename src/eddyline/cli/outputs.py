"""Where results may go: asked before the work, not after it.

What belongs here: what an output file must be. What does not: writing one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from eddyline.cli.options import INTERRUPTED
from eddyline.errors import UsageError
from eddyline.read.ingest import IngestReport

__all__ = ["INTERRUPTED", "check_outputs", "stopped"]


def stopped(report: IngestReport, kept: str) -> bool:
    """Tell whether the reading was interrupted, and say so on stderr.

    Parameters
    ----------
    report
        Account of the reading.
    kept
        What became of what was read.
    """
    if report.interrupted:
        print(f"eddyline: interrupted; {kept}", file=sys.stderr)
    return report.interrupted


def check_outputs(outputs: Sequence[Path | str | None], inputs: Sequence[str] = ()) -> None:
    """Refuse outputs that cannot be written, or that would destroy something.

    Parameters
    ----------
    outputs
        Files to write; None and ``-`` are passed over.
    inputs
        What is read, as the user named it.

    Raises
    ------
    UsageError
        When an output is a folder or a device, is named twice, is an input, or its folder cannot be
        written to.
    """
    seen: list[Path] = []
    read = [Path(text) for text in inputs if text != "-"]
    for given in outputs:
        if given is None or str(given) == "-":
            continue
        path = Path(given)
        if path.exists() and not path.is_file():
            message = (
                f"an output must be a file, {str(path)!r} is not; name a file, or - for stdout"
            )
            raise UsageError(message)
        folder = path.parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            message = (
                f"an output must stand in a folder that can be written to, {str(folder)!r} cannot; "
                "make it, or name another"
            )
            raise UsageError(message)
        same = [other for other in (*read, *seen) if _same(path, other)]
        if same:
            message = f"an output must not replace {str(same[0])!r}; name another file"
            raise UsageError(message)
        seen.append(path)


def _same(one: Path, other: Path) -> bool:
    """Tell whether two names mean the same file."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.absolute() == other.absolute()
