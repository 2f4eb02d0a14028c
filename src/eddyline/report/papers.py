"""The pages of ``bench papers``: published figures beside ours, as HTML that needs nothing else and Markdown.

What belongs here: tables and their words. What does not: any figure (``evaluate/papers.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from eddyline.report.classical import by_sentence, html_table, markdown_table

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


def tables(told: Mapping[str, Any]) -> list[tuple[str, list[str], Any]]:
    """Give heading, lines of words and table of each experiment; a row a method, a column a setting.

    Parameters
    ----------
    told
        The document, as ``report.json`` holds it.
    """
    return [(paper["name"], _words(paper), _table(paper["cells"])) for paper in told["papers"]]


def _words(paper: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{paper['cite']}.",
        f"{paper['asks']} Published on: {paper['data']}. Ours: {paper['beside']}.",
        f"Alone: {paper['command']}",
    ]
    return [*lines, f"{paper['not_run']}."] if paper["not_run"] else lines


def _table(cells: Sequence[Mapping[str, Any]]) -> tuple[list[str], list[list[str]]]:
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


def markdown_page(told: Mapping[str, Any]) -> str:
    """Give the report as Markdown.

    Parameters
    ----------
    told
        The document.
    """
    parts = [
        f"# {TITLE}",
        f"Made by one command, {_machine(told)}:",
        f"<!-- not run: needs the data sets, and takes an hour -->\n```console\n$ {told['command']}\n```",
        "\n".join(f"- {line}" for line in (*told["sentences"], *RULES)),
    ]
    for name, words, table in tables(told):
        parts += [f"## {name}", "\n".join(words)]
        parts += [markdown_table(table)] if table[1] else []
    return "\n\n".join(by_sentence(part) for part in parts) + "\n"


def _machine(told: Mapping[str, Any]) -> str:
    versions = told["environment"]
    return (
        f"{told['seeds']} seeds, eddyline {versions['eddyline']}, Python {versions['python']}, "
        f"scikit-learn {versions['scikit-learn']}"
    )


def html_page(told: Mapping[str, Any]) -> str:
    """Give the whole page; it needs no network.

    Parameters
    ----------
    told
        The document.
    """
    from jinja2 import Environment

    source = resources.files("eddyline.report").joinpath("page/bench.html.j2")
    template = Environment(autoescape=True).from_string(source.read_text(encoding="utf-8"))
    parts = [
        {"name": name, "words": " ".join(words), "table": html_table(table) if table[1] else ""}
        for name, words, table in tables(told)
    ]
    return template.render(
        title=TITLE,
        machine=_machine(told),
        command=told["command"],
        sentences=told["sentences"],
        rules=RULES,
        parts=parts,
        not_run=[],
        hardware=told["hardware"],
    )
