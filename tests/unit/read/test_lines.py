"""Lines are cut, counted and numbered without losing a byte."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st
from tests.unit.read.logs import CSV_TABLE, ZEEK_LOG, rows_of

from eddyline.read import csv, jsonl, zeek
from eddyline.read.lines import LONGEST_LINE, Lines, chunks

TEXT = st.lists(st.sampled_from([b"a", b",", b'"', b"\n", b"\r\n", b"bc"]), max_size=60).map(
    b"".join
)


@given(TEXT, st.integers(1, 30))
@settings(deadline=None)
def test_chunks_hold_every_line_once(text, size):
    """Joined they are the text, closed by a newline; numbers and ends follow on."""
    found = list(chunks(text, size=size))

    whole = text if text.endswith(b"\n") or not text else text + b"\n"
    assert b"".join(chunk.text for chunk in found) == whole
    line = 1
    for chunk in found:
        assert chunk.first_line == line
        line += chunk.text.count(b"\n")
    assert not found or found[-1].end == len(text)


@given(TEXT)
@settings(deadline=None)
def test_separators_between_quotes_do_not_count(text):
    """Line by line, as a person would count."""
    text = text + b"\n"
    wanted = [
        -1 if line.count(b'"') % 2 else sum(part.count(b",") for part in line.split(b'"')[::2])
        for line in text.split(b"\n")[:-1]
    ]

    assert Lines.of(text).count(b",", quoted=True).tolist() == wanted


@given(TEXT, st.data())
@settings(deadline=None)
def test_parts_and_picks_agree_with_the_lines(text, data):
    """Any run of lines, any choice of them."""
    text = text + b"\n"
    each = text.splitlines(keepends=True) if b"\r" not in text else text.split(b"\n")[:-1]
    each = [line if line.endswith(b"\n") else line + b"\n" for line in each]
    lines = Lines.of(text)
    first = data.draw(st.integers(0, len(each)))
    stop = data.draw(st.integers(first, len(each)))
    chosen = np.array(
        data.draw(st.lists(st.booleans(), min_size=stop - first, max_size=stop - first)), bool
    )

    part = lines.part(first, stop)

    assert part.pick(chosen) == b"".join(
        line for line, keep in zip(each[first:stop], chosen, strict=True) if keep
    )
    assert part.lengths().tolist() == [
        len(line.rstrip(b"\n")) - line.endswith(b"\r\n") for line in each[first:stop]
    ]


def test_an_endless_line_is_told_and_not_kept():
    """Memory stays bounded; what stands behind it is read."""
    endless = b"x" * (12 << 20)
    head, rows = CSV_TABLE.encode().split(b"\n", 1)

    found, report = rows_of(csv.read, head + b"\n" + endless + b"\n" + rows)

    assert len(found) == 3
    assert report.skipped == {"line too long": 1}
    assert max(len(chunk.text) for chunk in chunks(endless)) <= LONGEST_LINE + 2


def test_an_endless_line_in_a_log_is_told():
    """In every text format."""
    endless = "y" * (LONGEST_LINE + 9) + "\n"

    found, report = rows_of(zeek.read, ZEEK_LOG + endless)
    frame, _ = jsonl.json_frame(next(chunks(endless.encode())), ["a"], "x", report)

    assert len(found) == 4
    assert frame.height == 0
    assert report.skipped == {"line too long": 1, "line is not a JSON object": 1}
