"""``eddyline lint``: what makes results on a data set unbelievable, by name.

What belongs here: the call, the table and the exit code. What does not: a lint.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from eddyline.cli.outputs import check_outputs
from eddyline.errors import InputError, UsageError
from eddyline.evaluate.lints.finding import LINTS
from eddyline.evaluate.lints.run import (
    RECORD,
    Linted,
    columns_of,
    lint_flows,
    lint_table,
    read_table,
    unknown_files,
)
from eddyline.flows.text import neutral_text

REFUSED: Final = 3
"""Exit code when a rule is broken that nobody waived."""

SHOWN_AREAS: Final = 3
SHOWN_COLUMNS: Final = 12


def run_lint(
    paths: Sequence[str],
    label: str,
    *,
    features: Sequence[str] | None,
    normal: Sequence[str] | None,
    unsafe: Sequence[str] | None,
    out: str | None,
) -> int:
    """Lint and print; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them: one table, or any flows.
    label
        Name of the label column of a table.
    features
        Columns of a table that a model would be given.
    normal
        Labels of a table that mean no attack.
    unsafe
        Lints that may fail.
    out
        Where the JSON goes; ``-`` for standard output in place of the table.

    Raises
    ------
    UsageError
        When a waived name is no lint, or several tables are named.
    """
    waived = list(unsafe or ())
    unknown = sorted(set(waived) - set(LINTS))
    if unknown:
        message = (
            f"--unsafe must name a lint, got {', '.join(unknown)}; they are {', '.join(LINTS)}"
        )
        raise UsageError(message)
    check_outputs([out], paths)
    linted = _lint(paths, label, features, normal)
    linted.findings.extend(unknown_files(Path(path) for path in paths))
    failed = [f for f in linted.findings if f.level == "refuse" and f.lint not in waived]
    if out is not None:
        text = json.dumps(_as_dict(linted, waived), indent=2) + "\n"
        if out == "-":
            sys.stdout.write(text)
            return REFUSED if failed else 0
        Path(out).write_text(text, encoding="utf-8")
    _print(linted, waived)
    return REFUSED if failed else 0


def _lint(
    paths: Sequence[str],
    label: str,
    features: Sequence[str] | None,
    normal: Sequence[str] | None,
) -> Linted:
    if len(paths) == 1 and Path(paths[0]).is_file():
        frame = read_table(Path(paths[0]), label)
        if frame is not None:
            return lint_table(frame, label, features=features, normal=normal)
    if features or normal:
        message = (
            f"--features and --normal are for a table with the label column {label!r}, got "
            f"{', '.join(paths)}; name the column with --labels"
        )
        raise UsageError(message)
    if label != "label":
        message = (
            f"--labels must name a column of a table, not {label!r} for {', '.join(paths)}"
            f"{_columns_said(paths)}; check the spelling, or leave it out: flows bring their own labels"
        )
        raise UsageError(message)
    from eddyline.read.flows import read_flows

    try:
        return lint_flows(read_flows(list(paths)))
    except InputError as error:
        said = _columns_said(paths)
        if not said:
            raise
        message = (
            f"{paths[0]}: a table to lint must have the label column {label!r}{said}; name it with --labels "
            f"(read as flows: {error})"
        )
        raise InputError(message) from error


def _columns_said(paths: Sequence[str]) -> str:
    """List the columns of a lone table that is not our own flow record; nothing for other inputs."""
    if len(paths) != 1 or not Path(paths[0]).is_file():
        return ""
    columns = columns_of(Path(paths[0]))
    if not columns or len(columns) < 2 or set(columns) >= RECORD:
        return ""
    shown = ", ".join(neutral_text(name) for name in columns[:SHOWN_COLUMNS])
    return f", got the columns {shown}{' …' if len(columns) > SHOWN_COLUMNS else ''}"


def _as_dict(linted: Linted, waived: Sequence[str]) -> dict[str, Any]:
    return asdict(linted) | {"waived": list(waived)}


def _print(linted: Linted, waived: Sequence[str]) -> None:
    classes = ", ".join(
        f"{neutral_text(name)} {n:,}" for name, n in list(linted.classes.items())[:8]
    )
    more = f" and {len(linted.classes) - 8} more" if len(linted.classes) > 8 else ""
    print(f"{linted.n_rows:,} labelled rows, {linted.n_features} features: {classes}{more}.")
    if linted.n_unjudged:
        print(f"{linted.n_unjudged:,} rows are called neither attack nor normal and are left out.")
    best = list(linted.areas.items())[:SHOWN_AREAS]
    if best:
        told = ", ".join(f"{neutral_text(name)} {area:.3f}" for name, area in best)
        print(f"Best single features (ROC-AUC): {told}. Split for the leaks: by {linted.split}.")
    for finding in sorted(linted.findings, key=lambda f: (f.level, f.lint, f.subject)):
        level = "waived" if finding.lint in waived else finding.level
        print(f"  {level:6}  {finding.lint}: {neutral_text(finding.sentence)}")
    if not linted.findings:
        print("  nothing found")
