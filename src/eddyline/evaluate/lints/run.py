"""Every lint that a data set alone allows: of its rows, and of the split that a report would make of it.

What belongs here: making a table of flows or of any columns, splitting it, running the lints. What does not:
a lint, and printing (``cli``).

Flows are split by group (source, network of the destination), other tables by row: then copies of rows are
what a row-wise split would leak. Either split mixes the hours, so time is not linted here: that takes the
split of whoever claims to train on the past.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from eddyline.errors import InputError, SplitWarning
from eddyline.evaluate.corpora.registry import CARDS, identify
from eddyline.evaluate.labels import meaning
from eddyline.evaluate.lints.data import lint_data, single_areas
from eddyline.evaluate.lints.finding import Finding
from eddyline.evaluate.lints.split import duplicate_rows, group_leaks, seen_rows
from eddyline.evaluate.lints.table import LintTable
from eddyline.evaluate.split_keys import network_groups
from eddyline.evaluate.splits import Split, group_split, row_split
from eddyline.flows.batch import FlowBatch

FLOW_FEATURES: Final = (
    *("duration_s", "src_port", "dst_port", "proto", "app", "state", "direction"),
    *("bytes_out", "bytes_in", "payload_out", "payload_in", "pkts_out", "pkts_in"),
    *("tcp_flags_out", "tcp_flags_in", "icmp_type", "icmp_code"),
)
"""Columns of the flow record that are linted as features: not addresses, identifiers or times."""

RECORD: Final = frozenset({"ts", "ts_end", "uid", "src_ip", "dst_ip", "ip_proto"})
"""Columns that together tell our own flow record from any other table."""

PARQUET: Final = b"PAR1"
"""First bytes of a Parquet file."""


@dataclass(frozen=True, slots=True)
class Linted:
    """What was found in a data set.

    Parameters
    ----------
    n_rows
        Labelled rows.
    n_features
        Columns that were taken for features.
    classes
        Rows of each class, the largest first.
    split
        How the rows were parted: ``group`` or ``row``.
    areas
        ROC-AUC of each feature alone, the highest first.
    findings
        The defects.
    n_unjudged
        Rows whose label says neither attack nor normal, such as *Background*: they are left out.
    """

    n_rows: int
    n_features: int
    classes: dict[str, int]
    split: str
    areas: dict[str, float]
    findings: list[Finding]
    n_unjudged: int = 0

    @property
    def refused(self) -> bool:
        """True when a rule is broken that stops a report."""
        return any(finding.level == "refuse" for finding in self.findings)


def lint_table(
    frame: pl.DataFrame,
    label: str,
    *,
    features: Sequence[str] | None = None,
    normal: Sequence[str] | None = None,
    seed: int = 0,
) -> Linted:
    """Lint any labelled table; its rows are parted at random, as those who have no groups do.

    Parameters
    ----------
    frame
        The table.
    label
        Name of its label column.
    features
        Columns that a model would be given; all but the label by default.
    normal
        Labels that mean no attack; the usual words by default.
    seed
        Of the split.
    """
    table = LintTable.of(frame, label, features=features, normal=normal)
    stored = frame.filter(pl.col(label).is_not_null())
    split = row_split(table.labels.to_numpy().astype(np.str_), seed=seed)
    found = lint_data(table)
    found.extend(duplicate_rows(stored, split.train, split.validation))
    found.extend(seen_rows(table.features, split.train, split.validation))
    return _linted(table, "row", found)


def lint_flows(batches: Iterable[FlowBatch], *, seed: int = 0) -> Linted:
    """Lint labelled flows, parted by group.

    Parameters
    ----------
    batches
        Flows with labels, in event-time order.
    seed
        Of the split.

    Raises
    ------
    InputError
        When no flow has a label that says attack or normal.
    """
    frames, labels = [], []
    for batch in batches:
        if batch.labels is not None:
            frames.append(batch.frame)
            labels.append(meaning(batch.labels))
    if not frames:
        message = "flows to lint must carry labels, got none; use a labelled log or a table with --labels"
        raise InputError(message)
    told = pl.concat(labels)
    classes = pl.when("attack").then("attack_class").when(~pl.col("attack")).then(pl.lit("normal"))
    flows = pl.concat(frames).with_columns(told.select(classes.alias("label")).to_series())
    known = flows.filter(pl.col("label").is_not_null())
    if not known.height:
        message = (
            f"flows to lint must be called attack or normal, got {flows.height:,} with other labels; see the "
            "label column"
        )
        raise InputError(message)
    present = [name for name in FLOW_FEATURES if known[name].null_count() < known.height]
    table = LintTable.of(known, "label", features=present)
    found = lint_data(table)
    groups = network_groups(known)
    split = _by_group(groups, table, seed)
    kind = "row" if split is None else "group"
    chosen = split or row_split(table.labels.to_numpy().astype(np.str_), seed=seed)
    stored = known.drop("uid", "sensor")
    found.extend(duplicate_rows(stored, chosen.train, chosen.validation))
    found.extend(seen_rows(table.features, chosen.train, chosen.validation))
    by_group = split is not None
    found.extend(group_leaks(groups, chosen.train, chosen.validation, by_group=by_group))
    linted = _linted(table, kind, found)
    return replace(linted, n_unjudged=flows.height - known.height)


def read_table(path: Path, label: str) -> pl.DataFrame | None:
    """Read a Parquet or CSV file that has a label column of that name; None when it is something else.

    A table with the columns of our own flow record is something else: the reader of flows knows which of them
    are identifiers and times.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zst``.
    label
        Name of the label column.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    columns = columns_of(path)
    if columns is None or label not in columns or set(columns) >= RECORD:
        return None
    try:
        if _is_parquet(path):
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None, encoding="utf8-lossy")
    except pl.exceptions.PolarsError:
        return None  # not a table of columns: the readers of flows are asked next


def columns_of(path: Path) -> list[str] | None:
    """Give the names of the columns of a Parquet or CSV file; None when it is something else.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zst``.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    try:
        if _is_parquet(path):
            return pl.scan_parquet(path).collect_schema().names()
        return pl.read_csv(path, n_rows=0, infer_schema=False, encoding="utf8-lossy").columns
    except OSError as error:
        message = f"{path}: cannot be read: {error.strerror}; check the path"
        raise InputError(message) from error
    except pl.exceptions.PolarsError:
        return None


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(len(PARQUET)) == PARQUET


def unknown_files(paths: Iterable[Path]) -> list[Finding]:
    """Say in one finding which files belong to no published data set that is known by its bytes.

    Parameters
    ----------
    paths
        Files; folders are left out.
    """
    names = [path.name for path in paths if path.is_file() and identify(path) is None]
    if not names:
        return []
    known = ", ".join(card.name for card in CARDS)
    which = repr(names[0]) if len(names) == 1 else f"{names[0]!r} and {len(names) - 1} more"
    sentence = (
        f"{which}: not among the published data sets that are known by their bytes ({known}); with your own "
        "data that is as it should be"
    )
    return [Finding.of("unknown-dataset", names[0], sentence)]


def _by_group(groups: np.ndarray, table: LintTable, seed: int) -> Split | None:
    """Part by group; None where a single group leaves nothing to part."""
    if len(np.unique(groups)) < 2:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SplitWarning)  # sizes do not matter to what leaks
        return group_split(groups, table.labels.to_numpy().astype(np.str_), seed=seed)


def _linted(table: LintTable, split: str, found: list[Finding]) -> Linted:
    counts = table.labels.value_counts(sort=True)
    return Linted(
        n_rows=table.features.height,
        n_features=table.features.width,
        classes={str(name): int(n) for name, n in counts.iter_rows()},
        split=split,
        areas=single_areas(table),
        findings=found,
    )
