"""The table fits 80 columns, needs no colour, and cannot be steered by the input."""

from __future__ import annotations

import io
import subprocess
import sys
import unicodedata

import pytest
from hypothesis import given, settings, strategies as st
from rich.cells import cell_len
from rich.console import Console

from eddyline.incidents.incident import Technique
from eddyline.read.ingest import BlindSpot
from eddyline.report.terminal import MOST_ROWS, print_table


def printed(result, width=80, encoding="utf-8", **options):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    print_table(result, Console(file=stream, width=width, **options))
    stream.flush()
    return raw.getvalue().decode(encoding)


def joined(text):
    return " ".join(text.split())


def test_table_tells_everything_within_80_columns(results):
    """Severity as word and number, sentence, who, when, pattern, technique, chance, blindness."""
    text = printed(results.scan_result())

    assert max(cell_len(line) for line in text.splitlines()) <= 80
    for said in (
        "5 incidents in 41,203 flows over 4 h: 1 critical, 2 high, 1 medium, 1 low.",
        "critical",
        "86",
        "10.0.3.7 → 10.9.0.0/16 · tcp port 445",
        "2025-11-10 12:00:00 – 12:04:00 UTC (4 min) · 1,902 flows",
        "address sweep, internal, T1018 · p 1 in 25,000",
        "No p-value for 5: judged by a fixed rule.",
        "Compared with the model office.eddy",
        "Blind to logins over TLS: the handshake is not in the capture.",
        "915 rows or packets were not used: 912 not IP, 3 truncated header.",
    ):
        assert said in joined(text)


def test_incidents_stand_in_rank_order(results):
    """The worst comes first."""
    text = joined(printed(results.scan_result()))

    places = [text.index(one.reason[:20]) for one in results.scan_result().incidents]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [20, 40, 80, 120, 300])
def test_no_line_is_wider_than_the_console(results, width):
    """Widths are kept from a phone's shell to a wall."""
    text = printed(results.scan_result(), width=width)

    assert max(cell_len(line) for line in text.splitlines()) <= min(width, 120)


def test_plain_text_without_a_terminal_and_colour_with_one(results):
    """A pipe gets no escape sequences; a terminal gets colour; NO_COLOR keeps the words."""
    assert "\x1b" not in printed(results.scan_result())
    assert "\x1b[1;31m" in printed(
        results.scan_result(), force_terminal=True, color_system="standard", no_color=False
    )


def test_an_ascii_terminal_is_served(results):
    """A console without Unicode gets the same facts in plain characters."""
    text = printed(results.scan_result(), encoding="ascii")

    assert "10.0.3.7 > 10.9.0.0/16 | tcp port 445" in text
    assert text.isascii()


def test_quiet_scan_states_how_much_was_judged_and_what_was_blind(results):
    """Silence is told with numbers."""
    result = results.quiet_result()
    quiet = joined(printed(result))
    result.input.blind = [BlindSpot("failed connections", "only one direction was captured")]

    assert "No incident in 12,408 flows over 4 h." in quiet
    assert "No detector was blind." in quiet
    assert "Blind to failed connections" in joined(printed(result))
    assert "No detector was blind." not in joined(printed(result))


def test_long_lists_are_cut_and_counted(results):
    """Hundreds of incidents do not scroll the first one away unsaid."""
    many = [results.incident(rank) for rank in range(1, MOST_ROWS + 8)]

    assert "7 more incidents of lower rank." in printed(results.scan_result(many))


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(), min_size=1, max_size=40))
def test_no_text_from_the_input_steers_the_terminal(results, text):
    """Escape, control and bidi characters, and rich's own markup, are printed as text."""
    hostile = results.incident(
        reason=text,
        sources=[text],
        destinations=[text],
        proto=text,
        p_value=None,
        p_value_note=text,
        techniques=[Technique(text, text, text, text)],
        direction=text,
    )
    result = results.scan_result([hostile], verdicts=False)
    result.input.blind = [BlindSpot(text, text)]
    result.input.skipped[text] = 4

    shown = printed(result)

    unsafe = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    assert not [c for c in shown.replace("\n", "") if unicodedata.category(c) in unsafe]


def test_markup_of_rich_stays_text(results):
    """Brackets in a name do not colour the table."""
    result = results.scan_result([results.incident(reason="[bold red]pwned[/] :skull:")])

    assert "[bold red]pwned[/] :skull:" in printed(result)


def test_importing_the_reports_loads_neither_jinja_nor_rich():
    """Help and scripts start fast: templates and tables are loaded when a report is made."""
    code = (
        "import sys, eddyline.report.html, eddyline.report.terminal, eddyline.report.json\n"
        "sys.exit(any(name in sys.modules for name in ('jinja2', 'rich', 'jsonschema')))"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
