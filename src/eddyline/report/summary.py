"""What a scan found, read and could not see, in sentences that every report says alike.

What belongs here: sentences about the whole scan. What does not: one incident, layout.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from eddyline.read.ingest import IngestReport
from eddyline.report.words import (
    SEVERITY_BANDS,
    count,
    interval,
    plural,
    severity_word,
    span,
)
from eddyline.scan import ScanResult

FEW_FLOWS: Final = 100
"""Flows below which a scan warns that it had little to learn from."""

MOST_CAUSES: Final = 20
"""Causes of loss, and notes, that are named one by one."""


def headline(result: ScanResult) -> str:
    """Say what was found, in how many flows, over how long; or that nothing judged, which is no all-clear.

    Parameters
    ----------
    result
        What a scan found.
    """
    if result.flows_judged == 0:
        return "Nothing was judged: there is no flow"
    flows = plural(result.flows_judged, "flow")
    found = plural(len(result.incidents), "incident") if result.incidents else "No incident"
    if not (result.incidents or any(leg.judged_rows for leg in result.model.legs)):
        if all(leg.detector != "rules" for leg in result.model.legs):
            return f"Nothing was judged: no detector had learned enough to judge {flows}"
        found = "No incident by the generic levels, which alone judged,"
    report = result.input
    if report.first_us is None or report.last_us is None or report.last_us <= report.first_us:
        return f"{found} in {flows}"
    return f"{found} in {flows} over {span((report.last_us - report.first_us) / 1e6)}"


def severities(result: ScanResult) -> str:
    """Count the incidents of each severity: "1 critical, 2 high"; empty when there is none.

    Parameters
    ----------
    result
        What a scan found.
    """
    counts = Counter(severity_word(incident.severity) for incident in result.incidents)
    return ", ".join(f"{count(counts[word])} {word}" for _, word in SEVERITY_BANDS if counts[word])


def compared_with(result: ScanResult) -> str:
    """Say what the flows were compared with.

    Parameters
    ----------
    result
        What a scan found.
    """
    model = result.model
    learned = plural(model.trained_flows, "flow")
    if model.trained_flows == 0:
        return "Nothing was learned: only shipped rules judged, and there is no p-value."
    when = few = ""
    if model.trained_flows < FEW_FLOWS:
        few = " So few flows say little of what is normal here: learn from a quiet day first."
    if model.trained_from_us is not None and model.trained_to_us is not None:
        when = f", {interval(model.trained_from_us, model.trained_to_us)}"
    if model.kind == "saved":
        name = f"the model {model.name}" if model.name else "a saved model"
        families = f" Judged {model.families}." if model.families else ""
        return f"Compared with {name}: {learned} of normal{when}.{families}{few}"
    out = ""
    if model.left_out:
        out = f" {plural(model.left_out, 'flow')} looked too much like an attack to learn from."
    return (
        f"Compared with the capture itself, {learned}: what is common in it counts as normal, "
        f"so an attack that fills the capture can hide.{out}{few}"
    )


def cautions(report: IngestReport) -> list[str]:
    """Say what was lost or cut in reading, besides blind spots; empty when all was read.

    Parameters
    ----------
    report
        Account of the reading.
    """
    said: list[str] = []
    if report.interrupted:
        said.append("Reading was stopped before the end: this is a part of the input.")
    if report.late_rows:
        said.append(f"{plural(report.late_rows, 'flow')} came late; judged, out of their order.")
    lost = sum(report.skipped.values())
    if lost:
        causes = ", ".join(
            f"{count(number)} {cause}" for cause, number in report.skipped.most_common(5)
        )
        rest = len(report.skipped) - 5
        more = f" and {plural(rest, 'other cause')}" if rest > 0 else ""
        said.append(f"{plural(lost, 'record')} could not be used: {causes}{more}.")
    return said


def input_facts(report: IngestReport) -> list[tuple[str, str]]:
    """Give the account of the reading as names and values, in the order to be read.

    Parameters
    ----------
    report
        Account of the reading.
    """
    formats = list(report.formats) + [""] * (len(report.sources) - len(report.formats))
    facts = [
        (
            f"Source {i}" if len(report.sources) > 1 else "Source",
            f"{name} ({kind})" if kind else name,
        )
        for i, (name, kind) in enumerate(zip(report.sources, formats, strict=False), start=1)
    ]
    if len(facts) > 20:
        facts = [*facts[:20], ("Sources", f"and {count(len(facts) - 20)} more")]
    if report.packets_read:
        facts.append(("Packets read", count(report.packets_read)))
    facts.append(("Flows read", count(report.flows_read)))
    if report.first_us is not None and report.last_us is not None:
        facts.append(("Time", interval(report.first_us, report.last_us)))
    facts.extend(_counted("Not used", report.skipped))
    facts.extend(_counted("Noted", report.notes))
    facts.append(("Late flows", count(report.late_rows)))
    facts.append(("Ends inside a record", "yes" if report.truncated else "no"))
    facts.append(("Stopped early", "yes" if report.interrupted else "no"))
    return facts


def _counted(word: str, counts: Counter[str]) -> list[tuple[str, str]]:
    """Give the most frequent causes as names and values, and the number of the others."""
    facts = [
        (f"{word}: {cause}", count(number)) for cause, number in counts.most_common(MOST_CAUSES)
    ]
    rest = len(counts) - MOST_CAUSES
    return [*facts, (f"{word}: others", plural(rest, "kind"))] if rest > 0 else facts
