"""Lints that need nothing but a labelled table.

What belongs here: shortcuts, conflicts, collapse, identifiers and times among the features. What does not:
splits (``split.py``) and fits (``audit.py``).

Sources: D. Arp and others, 2022, "Dos and Don'ts of Machine Learning in Computer Security"; R. Flood and
others, 2024, "Bad Design Smells in Benchmark NIDS Datasets". Where they give no number, ours stands here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import polars as pl

from eddyline.evaluate.curve import Curve
from eddyline.evaluate.lints.finding import Finding
from eddyline.evaluate.lints.table import LintTable, coded, numeric, row_hashes
from eddyline.tables import Floats, Integers

SHORTCUT_AUC: Final = 0.98
"""Area from which one feature alone is a shortcut."""

LABEL_SHARE: Final = 0.95
"""Share of the label's entropy that a feature must tell to be called the label itself."""

COLLAPSED_SHARE: Final = 0.9
"""Share of a class's rows that are one row, from which the class is collapsed."""

MARK_SHARE: Final = 0.98
"""Share of a class with one value, and of that value's rows in the class, from which it marks the class."""

MIN_CLASS: Final = 10
"""Rows below which a class is too small to be judged."""

EPOCH_YEARS: Final = (1990, 2100)
"""Years between which a number that looks like seconds, ms, µs or ns since 1970 is taken for a time."""

_IDENTIFIER: Final = re.compile(
    r"(^|[_.\s])(uid|uuid|flow[_\s]?id|id[._](orig|resp)[._]h|community[_\s]?id"
    r"|(src|dst|dest|source|destination|client|server)[_\s]?(ip|addr(ess)?|mac)"
    r"|[sd]addr|srcip|dstip)($|[_.\s])"
    r"|^(exporter|sensor|file([_\s]?name)?|pcap|mac|host([_\s]?name)?|index|row|id|no\.?)$",
    re.IGNORECASE,
)
_TIME: Final = re.compile(
    r"^(ts|time|times?tamp|date|datetime|ts_(start|end)|(start|end|first|last|s|l)[_\s]?(time|seen|switched)"
    r"|time[_\s]?(start|end)|[sl]time)$",
    re.IGNORECASE,
)
_LABEL: Final = re.compile(
    r"(^|[_.\s-])(labels?|class(es)?|target|attack(_cat|_type)?|malicious|malware|anomaly|difficulty"
    r"|ground[_\s]?truth|verdict)($|[_.\s-])",
    re.IGNORECASE,
)


def constant_features(table: LintTable) -> Iterator[Finding]:
    """Name features with a single value.

    Parameters
    ----------
    table
        The data.
    """
    for name in table.features.columns:
        if table.features[name].n_unique() == 1:
            yield Finding.of(
                "constant-feature",
                name,
                f"{name!r} has one value in all {table.features.height:,} rows; leave it out",
            )


def identifier_features(table: LintTable) -> Iterator[Finding]:
    """Name features that are identifiers, by their name or because nearly every row has its own text.

    Parameters
    ----------
    table
        The data.
    """
    for name in table.features.columns:
        column = table.features[name]
        own = numeric(column) is None and column.n_unique() > max(50, 0.5 * column.len())
        if own or _IDENTIFIER.search(name):
            yield Finding.of(
                "id-feature",
                name,
                f"{name!r} names who or which file, {column.n_unique():,} values: a model that is given "
                "it learns the hosts of these days; leave it out",
                value=float(column.n_unique()),
            )


def time_features(table: LintTable) -> Iterator[Finding]:
    """Name features that are points in time, by name, by type, or because they count since 1970.

    Parameters
    ----------
    table
        The data.
    """
    for name in table.features.columns:
        column = table.features[name]
        if (
            column.dtype in (pl.Datetime, pl.Date)
            or _TIME.match(name.strip())
            or _since_1970(column)
        ):
            yield Finding.of(
                "absolute-time-feature",
                name,
                f"{name!r} is a point in time: attacks of a day stand at their hour; leave it out or use "
                "the hour of the day",
            )


def label_features(table: LintTable) -> Iterator[Finding]:
    """Name features that are called like a label or tell (nearly) all of it.

    Parameters
    ----------
    table
        The data.
    """
    _, classes = table.class_codes
    entropy = _entropy(classes)
    for name in table.features.columns:
        told = _told(coded(table.features[name]), classes) / entropy if entropy else 0.0
        if _LABEL.search(name) or told >= LABEL_SHARE:
            yield Finding.of(
                "label-derived-feature",
                name,
                f"{name!r} tells {told:.0%} of what the label says; make sure that it is known before the "
                "label is, or leave it out",
                value=told,
            )


def shortcuts(table: LintTable) -> Iterator[Finding]:
    """Name features that alone tell attack from normal, with their area.

    Text is scored by the share of attacks that its value has in the other half of the rows.

    Parameters
    ----------
    table
        The data.
    """
    for name, area in single_areas(table).items():
        if area >= SHORTCUT_AUC:
            yield Finding.of(
                "single-feature-shortcut",
                name,
                f"{name!r} alone gives a ROC-AUC of {area:.4f}; report results without it too",
                value=area,
            )


def single_areas(table: LintTable) -> dict[str, float]:
    """Give the ROC-AUC of each feature alone, in its better direction, the highest first.

    Parameters
    ----------
    table
        The data; without both attacks and normal rows there are no areas.
    """
    attack = table.attack
    if attack.all() or not attack.any():
        return {}
    areas = {}
    for name in table.features.columns:
        values = numeric(table.features[name])
        scores = _attack_share(table.features[name], attack) if values is None else values
        area = Curve.of(attack, scores).auc
        if area is not None:
            areas[name] = max(area, 1.0 - area) if values is not None else area
    return dict(sorted(areas.items(), key=lambda item: -item[1]))


def conflicts(table: LintTable) -> Iterator[Finding]:
    """Tell how many rows have an equal row of another class.

    Parameters
    ----------
    table
        The data.
    """
    _, classes = table.class_codes
    rows = pl.DataFrame({"row": row_hashes(table.features), "label": classes})
    several = rows.select(pl.col("label").n_unique().over("row") > 1).to_series()
    n_rows = int(several.sum())
    if n_rows:
        share = n_rows / len(classes)
        names = table.labels.filter(several).value_counts(sort=True).head(4)
        listed = ", ".join(f"{label} {n:,}" for label, n in names.iter_rows())
        yield Finding.of(
            "label-conflict",
            "rows",
            f"{n_rows:,} rows ({share:.2%}) have an equal row of another class ({listed}): no "
            "method can tell them apart by these features",
            value=share,
        )


def collapsed_classes(table: LintTable) -> Iterator[Finding]:
    """Name classes of which nearly all rows are one row, to four digits.

    Parameters
    ----------
    table
        The data.
    """
    names, classes = table.class_codes
    hashes = row_hashes(table.features, rounded=True)
    for number, name in enumerate(names):
        inside = hashes[classes == number]
        commonest = int(np.unique(inside, return_counts=True)[1].max())
        share = commonest / len(inside)
        if len(inside) >= MIN_CLASS and share >= COLLAPSED_SHARE:
            yield Finding.of(
                "collapsed-class",
                name,
                f"{commonest:,} of the {len(inside):,} rows of class {name!r} are one row; its recall is "
                "a matter of that row",
                value=share,
            )


def marked_classes(table: LintTable) -> Iterator[Finding]:
    """Name attack classes that one value of one feature marks: the trace of a generator.

    Parameters
    ----------
    table
        The data.
    """
    names, classes = table.class_codes
    attack = table.attack
    sizes = np.bincount(classes)
    for column in table.features.columns:
        if table.features[column].n_unique() < 2:
            continue
        codes = coded(table.features[column], max_bins=4_096)
        both = np.zeros((codes.max() + 1, len(names)), np.int64)
        np.add.at(both, (codes, classes), 1)
        for number, name in enumerate(names):
            of_class = classes == number
            if sizes[number] < MIN_CLASS or not attack[of_class].all():
                continue
            value = int(both[:, number].argmax())
            inside = both[value, number]
            if inside / sizes[number] >= MARK_SHARE and inside / both[value].sum() >= MARK_SHARE:
                said = table.features[column].gather(
                    np.flatnonzero(of_class & (codes == value))[:1]
                )
                yield Finding.of(
                    "dependent-features",
                    name,
                    f"{column} = {said[0]} holds for {inside / sizes[number]:.1%} of class {name!r} and "
                    "nearly for nothing else: is it the attack or its tool?",
                    value=float(inside / sizes[number]),
                )


def attempts(table: LintTable) -> Iterator[Finding]:
    """Name classes of mere attempts that would be counted as attacks.

    Parameters
    ----------
    table
        The data.
    """
    names, classes = table.class_codes
    attack = table.attack
    for number, name in enumerate(names):
        if "attempt" in name.lower() and attack[classes == number].all():
            yield Finding.of(
                "attempted-as-attack",
                name,
                f"class {name!r} ({int((classes == number).sum()):,} rows) had no effect by its name; "
                "keep it apart, neither attack nor normal",
            )


DATA_LINTS: Final[tuple[Callable[[LintTable], Iterator[Finding]], ...]] = (
    identifier_features,
    time_features,
    label_features,
    shortcuts,
    marked_classes,
    conflicts,
    collapsed_classes,
    attempts,
    constant_features,
)
"""Everything that needs data only, in the order of the report."""


def lint_data(table: LintTable) -> list[Finding]:
    """Run every lint that needs data only.

    Parameters
    ----------
    table
        The data.
    """
    return [finding for lint in DATA_LINTS for finding in lint(table)]


def _since_1970(column: pl.Series) -> bool:
    values = numeric(column)
    if values is None or column.dtype == pl.Boolean:
        return False
    low, high = (float(np.quantile(values, q)) for q in (0.01, 0.99))
    years = 365.25 * 86_400
    first, last = ((year - 1970) * years for year in EPOCH_YEARS)
    spans = (low / unit >= first and high / unit <= last for unit in (1, 1e3, 1e6, 1e9))
    return column.n_unique() > 1 and any(spans) and (high - low) < 0.5 * low


def _entropy(codes: Integers) -> float:
    counts = np.bincount(codes)
    shares = counts[counts > 0] / len(codes)
    return float(-(shares * np.log(shares)).sum())


def _told(codes: Integers, classes: Integers) -> float:
    """Mutual information in nats of two lists of small numbers."""
    both = codes * (classes.max() + 1) + classes
    _, joint = np.unique(both, return_inverse=True)
    _, alone = np.unique(codes, return_inverse=True)
    return _entropy(alone) + _entropy(classes) - _entropy(joint)


def _attack_share(column: pl.Series, attack: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Floats:
    """Score each row by the attacks among its value's rows of the other half."""
    text = column.cast(pl.String).fill_null("").to_numpy().astype(np.str_)
    _, codes = np.unique(text, return_inverse=True)
    half = np.arange(len(codes)) % 2
    scores = np.zeros(len(codes))
    for side in (0, 1):
        other = half != side
        n = np.bincount(codes[other], minlength=codes.max() + 1)
        k = np.bincount(codes[other], weights=attack[other], minlength=codes.max() + 1)
        share = (k + attack.mean()) / (n + 1.0)
        scores[~other] = share[codes[~other]]
    return scores
