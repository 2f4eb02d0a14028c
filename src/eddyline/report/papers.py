"""The pages of ``bench papers``: published figures beside ours, as HTML that needs nothing else and Markdown.

What belongs here: tables and their words. What does not: any figure (``evaluate/papers.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from eddyline.report.bench import BenchPage, Section, Table

TITLE: Final = "Published experiments, run again"

RULES: Final = (
    "A cell holds the published figure, then ours. A dash is a figure that nobody published, or that was not "
    "measured here.",
    "Ours is the mean over seeds with a 95 % band: Student's t over seeds; for sequences, pairs of hosts "
    "drawn with replacement. One seed alone has no band.",
    "Same means published data and protocol as far as they are told; a stand-in is another data set or "
    "split, and confirms nothing.",
)
"""How to read the tables."""


def page(told: Mapping[str, Any]) -> BenchPage:
    """Give the report as a page: a part an experiment, a row a method, a column a setting.

    Parameters
    ----------
    told
        The document, as ``report.json`` holds it.
    """
    versions = told["environment"]
    return BenchPage(
        title=TITLE,
        machine=(
            f"{told['seeds']} seeds, eddyline {versions['eddyline']}, Python {versions['python']}, "
            f"scikit-learn {versions['scikit-learn']}"
        ),
        command=told["command"],
        why_not_run="needs the data sets, and takes an hour",
        sentences=told["sentences"],
        rules=RULES,
        sections=[
            Section(one["name"], _words(one), _table(one["cells"])) for one in told["papers"]
        ],
        not_run=(),
        hardware=told["hardware"],
    )


def _words(paper: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{paper['cite']}.",
        f"{paper['asks']} Published on: {paper['data']}. Ours: {paper['beside']}.",
        f"Alone: {paper['command']}",
    ]
    return [*lines, f"{paper['not_run']}."] if paper["not_run"] else lines


def _table(cells: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys((one["setting"], one["figure"]) for one in cells))
    rows = list(dict.fromkeys(one["row"] for one in cells))
    by = {(one["row"], one["setting"], one["figure"]): one for one in cells}
    heads = ["method", *(f"{figure}, {setting}" for setting, figure in columns)]
    return heads, [
        [row, *(_cell(by.get((row, setting, figure))) for setting, figure in columns)]
        for row in rows
    ]


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None:
        return ""
    published = "–" if one["published"] is None else f"{one['published']:.3f}"
    ours = one["ours"]
    if ours is None:
        return f"{published} / –"
    low, high = ours["low"], ours["high"]
    band = "" if low is None else f" ({low:.3f} to {high:.3f})"
    return f"{published} / {ours['mean']:.3f}{band}"
