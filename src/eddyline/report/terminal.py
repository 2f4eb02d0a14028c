"""The terminal report: a ranked table that fits 80 columns, with the facts around it.

What belongs here: layout and colour on a terminal. What does not: the sentences (``summary.py``,
``words.py``). Text from the input passes through ``neutral_text``: it cannot move the cursor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from eddyline.flows.text import neutral_text
from eddyline.incidents.incident import Incident
from eddyline.report import summary, words
from eddyline.scan import ScanResult

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

MOST_ROWS: Final = 50
"""Incidents that the table shows; the page and the JSON report have more."""

MOST_FACTS: Final = 16
"""Sentences about the input."""

WIDEST: Final = 120
"""Columns that the table takes at the most; longer lines are hard to read."""

LONGEST: Final = 400
"""Characters of one sentence."""

_STYLES: Final = {
    "critical": "bold red",
    "high": "red",
    "medium": "yellow",
    "low": "green",
    "info": "dim",
}
_PLAIN: Final = str.maketrans(
    {"→": ">", "·": "|", "–": "-", "…": "...", "×": "x", "µ": "u", "≤": "<=", "≥": ">=", "−": "-"}
)


def print_table(result: ScanResult, console: Console) -> None:
    """Print what was found, ranked, what could not be seen, and how much was judged.

    Parameters
    ----------
    result
        What a scan found.
    console
        Where to print: it decides about colour and width; without a terminal the text is plain.
    """
    from rich.console import Group
    from rich.padding import Padding

    width = min(console.width, WIDEST)
    parts: list[RenderableType] = [_heading(result, console)]
    if result.incidents:
        parts.append(Padding(_table(result.incidents[:MOST_ROWS], console), (1, 0, 0, 0)))
    hidden = len(result.incidents) - MOST_ROWS
    if hidden > 0:
        parts.append(_line(console, f"{words.plural(hidden, 'more incident')} of lower rank."))
    parts.append(Padding(Group(*_facts(result, console)), (1, 0, 0, 0)))
    console.print(Group(*parts), width=width, highlight=False, soft_wrap=False)


def incident_lines(incident: Incident) -> list[str]:
    """Say one incident in lines: the sentence, then who, when and what.

    Parameters
    ----------
    incident
        The story.
    """
    sources = words.side(incident.sources, incident.n_sources, 2, "source")
    destinations = words.side(incident.destinations, incident.n_destinations, 2, "destination")
    who = f"{sources} → {destinations}"
    what = [words.attack_title(incident.attack), *(one.id for one in incident.techniques[:3])]
    if incident.direction not in {"unknown", ""}:
        what.insert(1, incident.direction)
    flows = words.plural(incident.flows_count, "flow")
    lines = [
        incident.reason,
        f"{who} · {words.service(incident)}",
        f"{words.interval(incident.first_us, incident.last_us)} · {flows}",
        f"{', '.join(what)} · {_chance(incident)}",
    ]
    return [neutral_text(line, longest=LONGEST) for line in lines]


def _chance(incident: Incident) -> str:
    return "no p-value" if incident.p_value is None else f"p {words.chance(incident.p_value)}"


def _why_no_p_value(incidents: list[Incident]) -> list[str]:
    """Say once for each reason which incidents have no p-value."""
    ranks: dict[str, list[str]] = {}
    for incident in incidents:
        if incident.p_value is None:
            note = incident.p_value_note or "no reason was given"
            ranks.setdefault(note, []).append(str(incident.rank))
    return [
        f"No p-value for {'all' if len(which) == len(incidents) > 1 else words.several(which, 8)}: {note}."
        for note, which in ranks.items()
    ]


def _said(console: Console, text: str) -> str:
    """Give text that the console's encoding can carry and that does nothing but show itself."""
    shown = neutral_text(text, longest=LONGEST)
    if console.encoding.lower().startswith("utf"):
        return shown
    return shown.translate(_PLAIN).encode("ascii", "backslashreplace").decode("ascii")


def _line(console: Console, text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(_said(console, text), style=style)


def _heading(result: ScanResult, console: Console) -> Text:
    heading = _line(console, summary.headline(result), "bold")
    if result.incidents:
        heading.append(f": {summary.severities(result)}", "not bold")
    heading.append(".", "not bold")
    severities = [incident.severity for incident in result.incidents]
    if severities != sorted(severities, reverse=True):
        heading.append(" Ranked by severity times sure.", "not bold")
    return heading


def _table(incidents: list[Incident], console: Console) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    utf8 = console.encoding.lower().startswith("utf")
    table = Table(
        box=box.SIMPLE_HEAD if utf8 else box.ASCII2,
        pad_edge=False,
        show_edge=False,
        expand=False,
        padding=(0, 1),
    )
    table.add_column("#", justify="right", no_wrap=True)
    table.add_column("severity", no_wrap=True)
    table.add_column("sure", justify="right", no_wrap=True)
    table.add_column("incident", overflow="fold")
    for place, incident in enumerate(incidents, start=1):
        word = words.severity_word(incident.severity)
        first, *others = incident_lines(incident)
        told = Text(_said(console, first), style="bold")
        for line in others:
            told.append(f"\n{_said(console, line)}", "not bold dim")
        if place < len(incidents):
            told.append("\n")
        table.add_row(
            str(incident.rank),
            Text(f"{word}\n{incident.severity}", _STYLES[word]),
            Text(f"{incident.confidence} %"),
            told,
        )
    return table


def _facts(result: ScanResult, console: Console) -> list[Text]:
    """Say what the flows were compared with, what was read, and what could not be seen."""
    told = [summary.compared_with(result), *_why_no_p_value(result.incidents[:MOST_ROWS])]
    told.extend(result.input.sentences())
    if not result.input.blind:
        told.append("No detector was blind.")
    lines = [_line(console, sentence) for sentence in told[:MOST_FACTS]]
    if len(told) > MOST_FACTS:
        lines.append(
            _line(console, f"{words.plural(len(told) - MOST_FACTS, 'more fact')} on the page.")
        )
    return lines
