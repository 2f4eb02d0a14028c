"""Write the reference pages that are taken from the code; ``tests/test_docs.py`` compares them with it.

What belongs here: the shape of those pages. What does not: any fact, which the code states once.
Run it by ``scripts/docs``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

import typer

from eddyline.classifiers.registry import CLASSIFIERS, classifier_class
from eddyline.cli.main import app
from eddyline.detectors.registry import (
    CLASSICAL,
    DENSITY,
    MATRIX,
    SEQUENCE,
    STREAM,
    detector_class,
    stream_detector,
)
from eddyline.detectors.stream import EdgeDetector
from eddyline.features import around, damped, nad, session_rows
from eddyline.features.dictionary import Feature
from eddyline.features.nad_names import (
    ADDRESS_EXTRAS,
    FILE_EXTRAS,
    FLOW_EXTRAS,
    IP_FEATURES,
    NAD113,
    PROBE_EXTRAS,
    SWEEP,
)
from eddyline.features.registry import VIEWS
from eddyline.flows.record import CORE, QUALITY, SCHEMA_VERSION, STATES, STATISTICS, Column
from eddyline.incidents.incident import ATTACKS
from eddyline.incidents.name import SENTENCES, techniques, what_to_do
from eddyline.incidents.patterns.levels import LENIENT, STRICT
from eddyline.pipeline import DEFAULT_LEGS

HERE: Final = Path(__file__).parent / "reference"
NOTE: Final = "<!-- Made from the code by scripts/docs; do not edit. -->"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Give a Markdown table.

    Parameters
    ----------
    head
        Names of the columns.
    rows
        Cells; a bar in a text is escaped.
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def record_page() -> str:
    """Give the page of the flow record."""
    return f"""# The flow record

Version {SCHEMA_VERSION} of the columns that every reader fills and every part of Eddyline reads.
`src` is the originator; `_out` counts what it sent, `_in` what it received.
Byte counters are those of the IP packets, header and payload, unless said.
Missing is null, never 0.
`eddyline flows` writes them and `eddyline schema flow` prints this list.

## Columns that every flow has

{_columns(CORE)}

## Values of `state`

Zeek's connection states: {", ".join(f"`{state}`" for state in STATES)}.

## Bits of `quality`

{table(["bit", "name"], [(bit, f"`{name}`") for name, bit in QUALITY.items()])}

## Statistics

Optional columns that packets alone can give, named and counted as NFStream does; ask for them with `--statistics`.

{_columns(STATISTICS)}
"""


def _columns(columns: Sequence[Column]) -> str:
    rows = [
        (f"`{c.name}`", str(c.dtype).split("(")[0], c.unit, c.meaning, c.missing or "never null")
        for c in columns
    ]
    return table(["column", "type", "unit", "meaning", "null says"], rows)


def features_page() -> str:
    """Give the page of the views and their features."""
    parts = []
    for view in VIEWS.values():
        doc = (inspect.getdoc(inspect.getmodule(view.build)) or "").split("\n", 1)[0]
        rows = [(f"`{f.name}`", f.unit, f.formula, f"… {f.words}") for f in view.features]
        parts.append(
            f"## `{view.name}`\n\n{doc}\n\nA row is one ({', '.join(view.keys)}) in a window of "
            f"{view.window_us // 60_000_000} min of event time; {len(view.features)} features.\n\n"
            + table(["feature", "unit", "formula", "in words"], rows)
        )
    views = "\n\n".join(parts)
    kernel = table(
        ["feature", "formula", "in words"],
        [(f"`{f.name}`", f.formula, f.words) for f in damped.FEATURES],
    )
    flow_sets = table(
        ["feature", "unit", "formula", "in words"],
        [(f"`{f.name}`", f.unit, f.formula, f.words) for f in around.FEATURES],
    )
    return f"""# Views and their features

A view says how flows become rows of numbers.
A window is `[k·w, (k+1)·w)` of `ts_end` in whole multiples of its length since the epoch, so it does not matter how the input is cut.
A flow is *fruitless* when it got nothing: refused, unanswered, or never a conversation.
The words complete a sentence such as "1,902 … in 5 min"; `eddyline schema features` prints this list.

{views}

## Damped statistics

{_plain((inspect.getdoc(damped.DampedStatistics) or "").split("Parameters", maxsplit=1)[0])}

They are a kernel, not a view: `eddyline.features.damped.DampedStatistics().update(flows)` gives a row for each flow as it ends, and no window has to close.

{kernel}

## The set `nad113` and its extras

{_plain(_doc(nad))}

`eddyline.features.nad.nad_table(flows)` gives them for a whole input, `NadStream().update(flows)` batch after batch; `NadOptions` says which set and which form.
`nad113` has the columns below in this order; `flow-noip` leaves out what only IPv4 addresses have ({_names(IP_FEATURES)}).

{_rows(NAD113)}

`nad113+` and `flow-noip+` add, of any flow:

{_rows(FLOW_EXTRAS)}

of IPv4 addresses alone:

{_rows(ADDRESS_EXTRAS)}

and looking ahead over a whole file (`probe_run` and `is_probe` of IPv4 addresses alone):

{_rows((*FILE_EXTRAS, *PROBE_EXTRAS))}

`{SWEEP.name}` must be asked for: {SWEEP.formula}; it helped where it was tuned and hurt on later days.

## The set `around`

What classifiers learn from: a flow alone, and what its pair, service and hosts did in the last minute and hour, from earlier flows only.

{flow_sets}

## The set `session8`

{_plain(_doc(session_rows))}

A row has {session_rows.STEPS} steps of these columns, the flow itself last; those of the flow *n* before end in `_back`*n*:

{_rows(session_rows.STEP)}
"""


def _rows(features: Iterable[Feature]) -> str:
    """Give a table of features."""
    rows = [(f"`{f.name}`", f.unit, f.formula, f.words) for f in features]
    return table(["feature", "unit", "formula", "in words"], rows)


def _names(features: Iterable[Feature]) -> str:
    return ", ".join(f"`{f.name}`" for f in features)


def _doc(module: Any) -> str:
    """Give the last paragraph of a module's docstring."""
    return (inspect.getdoc(module) or "").rpartition("\n\n")[2]


def detectors_page() -> str:
    """Give the page of the detectors and the legs that use them."""
    legs = table(
        ["leg", "view", "detector", "looks at"],
        [
            (
                f"`{leg.name}`",
                f"[`{leg.view}`](features.md#{leg.view})",
                f"`{leg.detector}`",
                "how far a row lies beyond the entity's own past"
                if leg.own
                else "words of the flows, in order"
                if leg.detector in SEQUENCE
                else "the row",
            )
            for leg in DEFAULT_LEGS
        ],
    )
    parts = "\n\n".join(_detector(name) for name in (*MATRIX, *CLASSICAL, *DENSITY, *SEQUENCE))
    streams = "\n\n".join(_stream(name) for name in STREAM)
    return f"""# Detectors

A detector turns rows of numbers, or sequences of tokens, into scores; higher is stranger.
It knows nothing of networks and sets no threshold: p-values and alarms are made of its scores later.
Matrix detectors are scikit-learn estimators.
[Stream detectors](#detectors-of-streams) learn row by row, in bounded memory; a leg holds one as it was when what it learned ended.
Densities such as `rvae` and `grand` are [trained with torch](../explanation/contamination.md), the extra `[deep]`, and score without it.
`random` and `single_column` are there to be beaten: figures stand beside theirs.

## The legs of every scan

A leg is one detector on one view.

{legs}

{parts}

## Detectors of streams

A stream detector scores each row by the rows before it and learns it afterwards: `score_and_learn`, or `anomaly_score` and `partial_fit`.
Any cut of the stream into batches gives the same bits, and a saved state goes on where it stopped.
Its first rows score 0, until it knows anything.
Use it from Python: `from eddyline.detectors.registry import stream_detector`.
What they find is told in [streams](../explanation/streams.md).

{streams}
"""


def classifiers_page() -> str:
    """Give the page of the classifiers."""
    parts = "\n\n".join(_method(name, classifier_class(name), "") for name in CLASSIFIERS)
    return f"""# Classifiers

A classifier turns labelled rows of numbers into the probability of each class.
It knows nothing of networks; classifiers are scikit-learn estimators, and `eddyline train --method NAME` takes each of them.

{parts}
"""


def _detector(name: str) -> str:
    kind = "sequences" if name in SEQUENCE else "rows"
    return _method(name, detector_class(name), f"*Scores {kind}.* ")


def _stream(name: str) -> str:
    found = stream_detector(name)
    kind = "edges" if issubclass(found, EdgeDetector) else "rows"
    return "#" + _method(name, found, f"*Scores {kind} of a stream.* ")


def _method(name: str, found: type, kind: str) -> str:
    doc = inspect.getdoc(found) or ""
    told = re.split(r"\n(\w+)\n-{3,}\n", doc)
    sections = dict(zip(told[1::2], told[2::2], strict=True))
    text = f"## `{name}`\n\n{kind}{_plain(told[0])}"
    if "References" in sections:
        text += f"\n\nSource: {_plain(sections['References'])}"
    return text


def _plain(text: str) -> str:
    """Turn the text of a docstring into Markdown, a sentence a line."""
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    return "\n\n".join(
        re.sub(r"(?<=[a-z)`²]\.) (?=[A-Z])", "\n", part.replace("``", "`")) for part in paragraphs
    )


def attacks_page() -> str:
    """Give the page of the behaviours an incident can be named after."""
    rows = [
        (
            f"`{key}`",
            ", ".join(f"{t.id} {t.name}" for t in techniques(key)),
            "yes" if key in SENTENCES else "not yet",
            what_to_do(key),
        )
        for key in ATTACKS
    ]
    levels = [
        (f"`{f.name}`", f"{getattr(STRICT, f.name):,g}", f"{getattr(LENIENT, f.name):,g}")
        for f in fields(STRICT)
    ]
    return f"""# Names of incidents

The closed list of behaviours, `attack` in the JSON report; `unusual` when nothing fits.
Techniques are those of MITRE ATT&CK for Enterprise, release 18.1.
A name that is not found yet belongs to the vocabulary only.

{table(["name", "ATT&CK", "found", "first thing to do"], rows)}

## Generic levels

*Strict* levels are reported without any model, unless the host's own past holds as much.
*Lenient* levels name what a learned leg has already found strange, and raise nothing on their own.
What each counts, and why, stands in `src/eddyline/incidents/patterns/levels.py`; `--no-rules` leaves the strict ones out.

{table(["level", "strict", "lenient"], levels)}
"""


def cli_page() -> str:
    """Give the page of the commands."""
    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts = [
        _command(title, command)
        for name, top in commands.items()
        for title, command in _with_subcommands(name, top)
    ]
    listed = "\n\n".join(parts)
    return f"""# Commands

Exit codes: 0 when nothing was found or the work is done, 1 when a scan found incidents, 2 when the input or an option cannot be used.
Results go to stdout; progress and complaints go to stderr.
Inputs are files, folders, patterns or `-` for stdin, plain or packed with gzip or zstd, recognised by content.

{listed}
"""


def _with_subcommands(name: str, command: Any) -> list[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    return [(name, command), *((f"{name} {sub}", found) for sub, found in inner.items())]


def _command(name: str, command: Any) -> str:
    arguments = [p for p in command.params if type(p).__name__.endswith("Argument")]
    options = [p for p in command.params if not type(p).__name__.endswith("Argument")]
    usage = " ".join(
        ["eddyline", name]
        + (["[OPTIONS]"] if options else [])
        + [f"{a.name.upper()}{'…' if a.nargs == -1 else ''}" for a in arguments]
    )
    rows = [(f"`{p.name.upper()}`", _default(p), p.help) for p in arguments] + [
        (", ".join(f"`{o}`" for o in [*p.opts, *p.secondary_opts]), _default(p), p.help)
        for p in options
    ]
    text = f"## `{name}`\n\n{command.help}\n\n`{usage}`"
    return text + (f"\n\n{table(['option', 'default', 'meaning'], rows)}" if rows else "")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if parameter.default is None:
        return ""
    if isinstance(parameter.default, bool):
        return "on" if parameter.default else "off"
    return f"`{parameter.default}`"


PAGES: Final[dict[str, Callable[[], str]]] = {
    "attacks.md": attacks_page,
    "classifiers.md": classifiers_page,
    "cli.md": cli_page,
    "detectors.md": detectors_page,
    "features.md": features_page,
    "record.md": record_page,
}
"""File name to what it must hold."""


def pages() -> dict[str, str]:
    """Give the text of every page that is made from the code."""
    made = {}
    for name, page in PAGES.items():
        title, _, rest = page().partition("\n")
        made[name] = f"{title}\n\n{NOTE}\n{rest}"
    return made


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    for file, text in pages().items():
        (HERE / file).write_text(text, encoding="utf-8")
