"""What the lints say of the sets that classical methods are compared on.

What belongs here: linting the rows that methods are given, in the parts that they are given, and keeping what
was found. What does not: a lint (``lints``), and the words of the page.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from eddyline.errors import SplitWarning
from eddyline.evaluate.classical_parts import NORMAL, Drawn
from eddyline.evaluate.classical_tasks import ClassicalTask
from eddyline.evaluate.lints.data import lint_data
from eddyline.evaluate.lints.finding import Finding
from eddyline.evaluate.lints.split import group_leaks, seen_rows
from eddyline.evaluate.lints.table import LintTable

BY_ROWS: Final = ("zeek-rows",)
"""Tasks that deal single rows: their groups are numbered over all parts and stand on all sides."""

ROWS: Final = 100_000
"""Most rows that are looked at for defects of the data; those of the split look at all."""


def audit(drawn: Drawn, *, by_rows: bool) -> list[Finding]:
    """Lint the rows of a drawing: the data, and what stands on both sides of the split.

    Groups are held between the fitted and the validating part, which must share none. The test part numbers
    its groups by itself, except where single rows are dealt: there they are held against it too.

    Parameters
    ----------
    drawn
        The parts of a task.
    by_rows
        Whether single rows were dealt, so that groups stand on both sides and are told, not refused.
    """
    parts = (drawn.fit, drawn.validation, drawn.test)
    X = np.concatenate([part.X for part in parts])
    names = np.concatenate([part.name for part in parts]).astype(np.str_)
    attack = np.concatenate([part.attack for part in parts])
    n_train = len(X) - len(drawn.test)
    train, test = np.arange(n_train), np.arange(n_train, len(X))
    labels = np.where(attack, np.where(names == NORMAL, "attack", names), NORMAL)
    features = pl.DataFrame(X, schema=list(drawn.names), orient="row")
    table = LintTable(features, pl.Series(labels), frozenset({NORMAL}))
    if len(X) > ROWS:
        kept = np.sort(np.random.default_rng(0).choice(len(X), ROWS, replace=False))
        found = lint_data(table.take(kept))
    else:
        found = lint_data(table)
    found.extend(seen_rows(features, train, test))
    groups = np.concatenate([part.groups for part in parts])
    n_fit = len(drawn.fit)
    held = np.arange(n_fit, len(X) if by_rows else n_train)
    found.extend(group_leaks(groups, np.arange(n_fit), held, by_group=not by_rows))
    return found


def audited(
    task: ClassicalTask, data: Path, digest: str, cache: Path, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Give what the lints say of a task's first drawing, from the cache when the same code was asked before.

    Parameters
    ----------
    task
        Which.
    data
        Folder of the data sets.
    digest
        SHA-256 of the task's files.
    cache
        Folder of the kept results.
    tell
        Called with a line when it is worked out.
    """
    key = hashlib.sha256(json.dumps([task.name, digest, _code()]).encode()).hexdigest()[:32]
    path = cache / f"{key}.lints.json"
    if path.is_file():
        kept: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return kept
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)
        drawn = task.draw(data, 0)
    found = [asdict(one) for one in audit(drawn, by_rows=task.name in BY_ROWS)]
    tell(f"{task.name}: the lints found {len(found)} things")
    cache.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(found, allow_nan=False), encoding="utf-8")
    part.replace(path)
    return found


def _code() -> str:
    """Give the SHA-256 of the lints."""
    whole = hashlib.sha256()
    with resources.as_file(resources.files("eddyline.evaluate")) as room:
        for path in [room / "classical_lints.py", *sorted((room / "lints").glob("*.py"))]:
            whole.update(path.read_bytes())
    return whole.hexdigest()
