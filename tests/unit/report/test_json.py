"""The JSON report keeps its contract, whatever the scan holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings, strategies as st

from eddyline.errors import InputError
from eddyline.flows.record import DIRECTIONS
from eddyline.incidents.incident import ATTACKS, Contribution, Evidence, Incident, Technique
from eddyline.read.ingest import BlindSpot, IngestReport
from eddyline.report.json import MOST_EVIDENCE, schema, to_json, write_json
from eddyline.scan import LegSummary, ModelSummary, ScanResult

TEXT = st.text(st.characters(), max_size=12)
COUNT = st.integers(0, 2**62)
TIME = st.integers(-(2**62), 2**62)
READ_TIME = st.integers(0, 253_402_300_799_000_000)  # readers refuse other times
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)
CONTRIBUTIONS = st.builds(
    Contribution,
    TEXT,
    ANY_FLOAT,
    TEXT,
    st.none() | ANY_FLOAT,
    st.none() | ANY_FLOAT,
    st.floats(0, 1),
    TEXT,
)
INCIDENTS = st.builds(
    Incident,
    uid=st.text(min_size=1, max_size=12),
    attack=st.sampled_from(ATTACKS),
    reason=st.text(min_size=1, max_size=40),
    sources=st.lists(TEXT, max_size=3),
    destinations=st.lists(TEXT, max_size=3),
    ports=st.lists(st.integers(0, 65535), max_size=20),
    proto=TEXT,
    first_us=TIME,
    last_us=TIME,
    flows_count=COUNT,
    severity=st.integers(0, 100),
    confidence=st.integers(0, 100),
    p_value=st.none() | st.floats(0, 1) | st.just(float("nan")),
    p_value_note=TEXT,
    rank=st.integers(1, 100),
    direction=st.sampled_from(DIRECTIONS),
    techniques=st.lists(
        st.builds(Technique, st.from_regex(r"\AT[0-9]{4}(\.[0-9]{3})?\Z"), TEXT, TEXT, TEXT),
        max_size=2,
    ),
    contributions=st.lists(CONTRIBUTIONS, max_size=3),
    evidence=st.lists(st.builds(Evidence, TEXT, st.none() | TEXT), max_size=3),
    detectors=st.dictionaries(TEXT, ANY_FLOAT, max_size=3),
    degraded=st.lists(TEXT, max_size=2),
    what_to_do=TEXT,
)
REPORTS = st.builds(
    IngestReport,
    sources=st.lists(TEXT, max_size=2),
    formats=st.lists(TEXT, max_size=2),
    packets_read=COUNT,
    flows_read=COUNT,
    skipped=st.dictionaries(TEXT, COUNT, max_size=2).map(Counter),
    notes=st.dictionaries(TEXT, COUNT, max_size=2).map(Counter),
    first_us=st.none() | READ_TIME,
    last_us=st.none() | READ_TIME,
    late_rows=COUNT,
    samples=st.lists(TEXT, max_size=2),
    truncated=st.booleans(),
    interrupted=st.booleans(),
    blind=st.lists(st.builds(BlindSpot, TEXT, TEXT), max_size=2),
)
MODELS = st.builds(
    ModelSummary,
    st.sampled_from(["saved", "capture"]),
    TEXT,
    COUNT,
    st.none() | TIME,
    st.none() | TIME,
    st.lists(st.builds(LegSummary, TEXT, TEXT, TEXT, COUNT, COUNT, COUNT, TEXT), max_size=2).map(
        tuple
    ),
)
SCANS = st.builds(
    ScanResult,
    st.text(min_size=1, max_size=8),
    REPORTS,
    COUNT,
    MODELS,
    st.lists(INCIDENTS, max_size=3),
    st.dictionaries(TEXT, TEXT, max_size=2),
)


def validate(document):
    validator = jsonschema.Draft202012Validator(
        schema(), format_checker=jsonschema.FormatChecker()
    )
    validator.validate(document)


def test_schema_is_itself_valid_and_its_lists_are_those_of_the_code():
    """The published vocabularies cannot drift from the code's."""
    published = schema()
    jsonschema.Draft202012Validator.check_schema(published)
    fields = published["$defs"]["incident"]["properties"]

    assert tuple(fields["attack"]["enum"]) == ATTACKS
    assert tuple(fields["direction"]["enum"]) == DIRECTIONS


@settings(max_examples=150, deadline=None)
@given(result=SCANS)
def test_every_scan_gives_a_document_that_satisfies_the_schema(result):
    """Whatever numbers and texts a scan holds, the document validates and survives a round trip."""
    document = to_json(result)
    text = json.dumps(document, allow_nan=False)

    validate(document)
    assert text.isascii()
    assert json.loads(text) == document


def test_document_has_exactly_the_contract_and_rank_order(results):
    """The names are those that scripts rely on."""
    document = to_json(results.scan_result())

    validate(document)
    assert list(document) == ["eddyline", "input", "flows_judged", "model", "incidents"]
    assert [one["rank"] for one in document["incidents"]] == [1, 2, 3, 4, 5]
    first = document["incidents"][0]
    assert first["p_value"] == 4e-5
    assert first["p_value_note"] == ""
    assert first["first_seen"] == "2025-11-10T12:00:00.000000Z"
    assert first["contributions"][0]["normal_high"] == 6.0
    assert document["incidents"][4]["p_value"] is None
    assert document["incidents"][4]["p_value_note"] == "judged by a fixed rule"


def test_evidence_stops_at_a_thousand_flows(results):
    """A flood's document stays small."""
    flood = results.incident(evidence=[Evidence(f"C{i}", None) for i in range(MOST_EVIDENCE + 5)])

    document = to_json(results.scan_result([flood]))

    validate(document)
    assert [one["uid"] for one in document["incidents"][0]["evidence"]][-1] == "C999"


def test_an_unknown_field_or_a_missing_note_breaks_the_schema(results):
    """The schema refuses what the contract does not name: it is a contract, not a sketch."""
    extra = to_json(results.scan_result())
    extra["incidents"][0]["colour"] = "red"
    silent = to_json(results.scan_result())
    silent["incidents"][4]["p_value_note"] = ""

    for broken in (extra, silent):
        with pytest.raises(jsonschema.ValidationError):
            validate(broken)


def test_written_file_and_standard_output_are_the_document(results, tmp_path, capsys):
    """The same text goes to a file and to a pipe, and cannot steer a terminal."""
    hostile = results.incident(reason="\x1b]0;owned\x07 \u202e gnp.exe", sources=["\x9b31m"])
    result = results.scan_result([hostile])

    write_json(result, tmp_path / "report.json")
    write_json(result, "-")

    printed = capsys.readouterr().out
    assert (tmp_path / "report.json").read_text("ascii") == printed
    assert json.loads(printed) == to_json(result)
    assert printed.replace("\n", "").isprintable()


def test_a_path_that_cannot_be_written_is_named(results, tmp_path):
    """The error says which path, and the way out."""
    with pytest.raises(InputError, match=r"nowhere.*choose another path"):
        write_json(results.scan_result(), tmp_path / "nowhere" / "report.json")


def tables_of(text):
    """Give the names in the first column of each table of a page, by its heading."""
    tables = {}
    for part in re.split(r"^## ", text, flags=re.M)[1:]:
        title, _, body = part.partition("\n")
        tables[title.strip("` ")] = re.findall(r"^\| `(\w+)` \|", body, flags=re.M)
    return tables


def test_reference_page_lists_exactly_the_fields_of_the_schema():
    """A field that is added, renamed or removed must be so on the page too."""
    page = (Path(__file__).parents[3] / "docs" / "reference" / "report-json.md").read_text("utf-8")
    published = schema()
    incident = published["$defs"]["incident"]["properties"]

    tables = tables_of(page)

    assert tables["Top level"] == list(published["properties"])
    assert tables["input"] == list(published["$defs"]["input"]["properties"])
    assert tables["model"] == list(published["$defs"]["model"]["properties"])
    assert sorted(tables["An incident"]) == sorted(incident)
    assert tables["A contribution"] == list(incident["contributions"]["items"]["properties"])
    assert all(f"`{attack}`" in page for attack in ATTACKS)
