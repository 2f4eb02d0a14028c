"""A bench report as a page: HTML that needs nothing else, and Markdown for the docs.

What belongs here: the order of the parts, tables, one sentence a line. What does not: what any bench says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from eddyline.flows.text import neutral_text

Table = tuple[Sequence[str], Sequence[Sequence[str]]]
"""Heads and rows."""


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a page.

    Parameters
    ----------
    name
        Its heading.
    lines
        Its words.
    table
        Its table; one without rows is left out.
    """

    name: str
    lines: Sequence[str]
    table: Table


@dataclass(frozen=True, slots=True)
class BenchPage:
    """What a bench report says, in the order in which it says it.

    Parameters
    ----------
    title
        Its heading.
    machine
        What made it, beside the command.
    command
        The command that made it.
    why_not_run
        Why the docs' own test does not run the command.
    sentences
        What came out, in short.
    rules
        How to read the figures.
    sections
        Its parts.
    not_run
        What was left out, and why.
    hardware
        ``cpu`` and ``cores``.
    """

    title: str
    machine: str
    command: str
    why_not_run: str
    sentences: Sequence[str]
    rules: Sequence[str]
    sections: Sequence[Section]
    not_run: Sequence[str]
    hardware: Mapping[str, Any]

    def markdown(self) -> str:
        """Give the page as Markdown, a sentence a line."""
        parts = [
            f"# {self.title}",
            f"Made by one command, {self.machine}:",
            f"<!-- not run: {self.why_not_run} -->\n```console\n$ {self.command}\n```",
            *_listed("In short", self.sentences),
            *_listed("What the figures mean", self.rules),
        ]
        for section in self.sections:
            parts += [f"## {section.name}", "\n".join(section.lines)]
            parts += [markdown_table(section.table)] if section.table[1] else []
        parts += _listed("Not run", self.not_run)
        return "\n\n".join(by_sentence(part) for part in parts) + "\n"

    def html(self) -> str:
        """Give the whole page; it needs no network."""
        from jinja2 import Environment

        source = resources.files("eddyline.report").joinpath("page/bench.html.j2")
        template = Environment(autoescape=True).from_string(source.read_text(encoding="utf-8"))
        return template.render(
            page=self,
            parts=[
                (one.name, " ".join(one.lines), html_table(one.table) if one.table[1] else "")
                for one in self.sections
            ],
        )


def _listed(heading: str, lines: Sequence[str]) -> list[str]:
    return [f"## {heading}", "\n".join(f"- {line}" for line in lines)] if lines else []


def html_table(table: Table) -> str:
    """Give a table as HTML, every text made harmless.

    Parameters
    ----------
    table
        Heads and rows.
    """
    from markupsafe import Markup, escape

    heads, rows = table
    head = Markup("").join(Markup("<th>{}</th>").format(name) for name in heads)
    lines = [
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td>{}</td>").format(escape(neutral_text(cell))) for cell in row
            )
        )
        for row in rows
    ]
    whole = Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>")
    return str(whole.format(head, Markup("").join(lines)))


def markdown_table(table: Table) -> str:
    """Give a table as Markdown.

    Parameters
    ----------
    table
        Heads and rows.
    """
    heads, rows = table
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return "\n".join(lines)


def by_sentence(part: str) -> str:
    """Put each sentence of prose on a line of its own, so that a change shows as what changed.

    Parameters
    ----------
    part
        Markdown; a table, a command or a comment stays as it is.
    """
    if part.startswith(("|", "```", "<!--")):
        return part
    return "\n".join(
        re.sub(
            r"([a-z)`%]{2}[.;]) (?=[A-Z])", r"\1\n" + ("  " if line.startswith("- ") else ""), line
        )
        for line in part.splitlines()
    )
