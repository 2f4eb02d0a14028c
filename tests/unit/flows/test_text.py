"""Text from the input shows itself on a terminal and does nothing else."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings, strategies as st

from eddyline.flows.text import neutral_text

ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT)
@settings(deadline=None)
def test_no_character_that_acts_is_left(text):
    """No control, escape, bidirectional or invisible character comes through."""
    shown = neutral_text(text)

    assert not {unicodedata.category(c) for c in shown} & {
        "Cc",
        "Cf",
        "Cs",
        "Co",
        "Cn",
        "Zl",
        "Zp",
    }
    assert "\x1b" not in shown
    shown.encode("utf-8")


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=200))
@settings(deadline=None)
def test_plain_text_stays(text):
    """Printable ASCII is untouched."""
    assert neutral_text(text) == text


def test_a_long_value_is_cut_and_says_so():
    """The length is bounded."""
    assert neutral_text("a" * 1000, longest=10) == "a" * 10 + "…"


def test_known_attacks_are_shown():
    """Colour, title, cursor and writing direction."""
    assert neutral_text("\x1b]0;owned\x07") == "\\x1b]0;owned\\x07"
    assert neutral_text("abc\u202etxt.exe") == "abc\\u202etxt.exe"
    assert neutral_text("a\r\nb\x9b2J") == "a\\x0d\\x0ab\\x9b2J"
