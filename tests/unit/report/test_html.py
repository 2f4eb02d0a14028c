"""The page holds everything, asks for nothing, and shows hostile text as text."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from html.parser import HTMLParser

import polars as pl
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import InputError
from eddyline.incidents.incident import Contribution, Evidence, Technique
from eddyline.read.ingest import BlindSpot
from eddyline.report.html import MOST_CARDS, MOST_EVIDENCE, render_html, write_html

VOID = {"meta", "img", "source", "input", "link", "br", "hr"}
HOSTILE = (
    "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> \u202egnp.exe \x1b[31m\x00 {{7*7}}"
)


class Page(HTMLParser):
    """Reads a page into its elements, and checks that every element is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.style = ""
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


def digest(text):
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


@pytest.fixture(scope="module")
def page(results):
    return Page(render_html(results.scan_result()))


def test_page_says_what_was_found_and_what_not(page, results):
    """Sentence, who, when, pattern, technique, chance, next step, blindness, legs, settings: all there."""
    for said in (
        "5 incidents in 41,203 flows over 4 h",
        "1 critical, 2 high, 1 medium, 1 low",
        "10.0.3.7 tried 1,902 hosts",
        "10.9.0.0/16",
        "tcp port 445",
        "2025-11-10 12:00:00 – 12:04:00 UTC (4 min)",
        "address sweep, internal",
        "T1018 Remote System Discovery",
        "1 in 25,000 in normal traffic",
        "no p-value: judged by a fixed rule",
        "now 1,902",
        "normal 0 – 6",
        "Ask who runs 10.0.3.7",
        "the first 50 of 1,902",
        "snap length of 96 bytes",
        "912 not IP",
        "flow/isolation_forest",
        "180,214",
        "10 incidents a day",
        "Compared with the model office.eddy",
    ):
        assert said in page.words


def test_page_asks_nothing_of_any_network(page):
    """No element loads, links or sends anything outside the file; the policy forbids it as well."""
    for _, attrs in page.elements:
        for name in ("src", "srcset", "href", "action", "data", "xlink:href", "poster"):
            value = attrs.get(name)
            assert value is None or value.startswith(("#", "data:image/png;base64,"))
        assert "style" not in attrs
        assert not [name for name in attrs if name.startswith("on")]
    assert page.all("link") == []
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_policy_allows_exactly_the_style_and_script_of_the_page(page):
    """A changed or added script does not run; nothing is allowed inline in general."""
    policies = [m for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    policy = policies[0]["content"]
    running = [text for text in page.scripts if text.startswith('"use strict"')]

    assert len(policies) == 1
    assert len(running) == 1
    assert policy == (
        f"default-src 'none'; img-src data:; style-src {digest(page.style)}; "
        f"script-src {digest(running[0])}; base-uri 'none'; form-action 'none'"
    )


def test_page_can_be_read_without_eyes_and_without_colour(page):
    """Language, headings without gaps, scopes in tables, names on pictures, severity as a word."""
    assert page.all("html") == [{"lang": "en"}]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert all(th.get("scope") in {"col", "row"} for th in page.all("th"))
    assert all("alt" in img for img in page.all("img"))
    ids = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(ids) == len(set(ids))
    links = {attrs["href"][1:] for attrs in page.all("a")}
    assert links <= set(ids)
    assert page.words.count("critical") >= 2


def test_outline_of_all_flows_is_complete(page):
    """The area of flows over time is closed: nothing cuts a long path."""
    outlines = [path["d"] for path in page.all("path") if path.get("class") == "volume"]

    assert len(outlines) == 1
    assert outlines[0].startswith("M0 100L")
    assert outlines[0].endswith("L190 100Z")


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_contrast_is_at_least_4_5_in_both_themes(page):
    """Each colour of text on each ground it stands on, by WCAG 2.2."""
    blocks = re.findall(r":root \{(.*?)\}", page.style, re.S)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", b)) for b in blocks[:2])
    for theme in (light, dark):
        for text in ("ink", "soft", "link", "s1", "s2", "s3", "s4", "s5", "now"):
            for ground in ("bg", "panel"):
                pair = sorted((luminance(theme[text]), luminance(theme[ground])))
                assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (text, ground)
        for level in ("s1", "s2", "s3", "s4", "s5"):
            pair = sorted((luminance(theme["on-bar"]), luminance(theme[level])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, level
        pair = sorted((luminance(theme["ink"]), luminance(theme["warn-bg"])))
        assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5


def hostile_result(results, text):
    stored = text.encode("utf-8", "replace").decode()  # columns cannot hold lone surrogates
    result = results.scan_result(
        [
            results.incident(
                uid=stored,
                reason=text,
                sources=[text],
                destinations=[text],
                proto=text,
                p_value=None,
                p_value_note=text,
                what_to_do=text,
                degraded=[text],
                techniques=[Technique(text, text, text, text)],
                detectors={text: 1.0},
                contributions=[Contribution(text, 1.0, "", 0.0, 2.0, 1.0, text)],
                evidence=[Evidence(stored, text), Evidence("plain", text)],
                direction=text,
            )
        ],
        verdicts=False,
    )
    result.input.sources = [text]
    result.input.formats = [text]
    result.input.notes[text] = 1
    result.input.samples = [text]
    result.input.skipped[text] = 1
    result.input.blind = [BlindSpot(text, text)]
    result.settings = {text: text}
    result.version = text
    result.flow_verdicts = pl.DataFrame(
        {
            "uid": [stored, "plain"],
            "ts": [results.START_US, results.START_US + 5],
            "src_ip": [stored, "a"],
            "dst_ip": [stored, "b"],
            "dst_port": pl.Series([1, None], dtype=pl.UInt16),
            "proto": [stored, "tcp"],
            "app": [stored, None],
            "bytes": pl.Series([5, None], dtype=pl.UInt64),
            "score": [1.0, None],
            "p_value": [0.5, None],
            "incident": [stored, None],
        }
    )
    return result


def test_hostile_text_is_shown_and_does_nothing(results):
    """Markup, quotes, template code, bidi and control characters from the input stay text."""
    harmless = Page(render_html(hostile_result(results, "harmless")))
    text = render_html(hostile_result(results, HOSTILE))

    attacked = Page(text)
    assert [tag for tag, _ in attacked.elements] == [tag for tag, _ in harmless.elements]
    assert "<script>alert(1)</script>" in attacked.words
    assert "{{7*7}}" in attacked.words
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f\x7f-\x9f]", text)


@pytest.fixture(scope="module")
def harmless_kinds(results):
    return [tag for tag, _ in Page(render_html(hostile_result(results, "harmless"))).elements]


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(), min_size=1, max_size=30))
def test_no_text_changes_the_elements_of_the_page(results, harmless_kinds, text):
    """Whatever the input says, the page has the same elements, and can be stored as UTF-8."""
    page = render_html(hostile_result(results, text))

    assert [tag for tag, _ in Page(page).elements] == harmless_kinds
    assert page.encode("utf-8")


def test_quiet_scan_says_how_quiet_and_why(results):
    """No incident is a statement with numbers, not an empty page."""
    page = Page(render_html(results.quiet_result()))

    assert "No incident in 12,408 flows over 4 h" in page.words
    assert "12,408 flows judged by 5 legs, none of them blind" in page.words
    assert "No detector was blind, and every record could be used." in page.words
    assert "What this scan could not see" not in page.words


def test_scan_without_verdicts_or_flows_still_gives_a_page(results):
    """Nothing read, nothing learned, nothing found: the page says so."""
    result = results.quiet_result()
    result.flow_verdicts = None
    result.flows_judged = 0
    result.input.first_us = result.input.last_us = None

    page = Page(render_html(result))

    assert "Nothing was judged: there is no flow" in page.words
    assert page.all("img") == []


def test_many_incidents_stay_below_five_megabytes(results):
    """A bad day's page still opens: 500 cards, the rest counted."""
    stories = ["ip_sweep", "guessing", "unusual", "exfiltration"]
    many = [
        results.incident(
            rank,
            attack=stories[rank % 4],
            severity=max(0, 95 - rank // 6),
            sources=[f"10.{rank % 250}.{i}.9" for i in range(300)],
        )
        for rank in range(1, MOST_CARDS + 101)
    ]

    text = render_html(results.scan_result(many))

    assert len(text.encode("utf-8")) < 5_000_000
    page = Page(text)
    assert len([a for a in page.all("details") if a.get("class") == "card"]) == MOST_CARDS
    assert "100 more incidents of lower rank" in page.words


def test_evidence_rows_show_the_flow_and_stop_at_fifty(results):
    """A row tells when, who, service, size and chance; at most fifty stand in the page."""
    page = Page(render_html(results.scan_result([results.incident()])))

    assert page.words.count("C000") == MOST_EVIDENCE
    assert re.search(r"12:00:00 10\.0\.3\.7 10\.9\.0\.0 445/tcp", page.words)


def test_written_page_is_the_rendered_page_and_bad_paths_are_named(results, tmp_path):
    """The file holds the page; a path that cannot be written is an error with a way out."""
    result = results.quiet_result()

    write_html(result, tmp_path / "report.html")

    assert (tmp_path / "report.html").read_text("utf-8") == render_html(result)
    with pytest.raises(InputError, match=r"nowhere.*choose another path"):
        write_html(result, tmp_path / "nowhere" / "report.html")
