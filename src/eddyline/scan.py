"""Read, judge, tell: what the command line, the Python API and the service call.

What belongs here: the order of the steps and the result they give. What does not: how any step works.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Final

import polars as pl

from eddyline.errors import UsageError
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.classes import ClassWatch, with_classes
from eddyline.incidents.find import Finder, doubtful, plainly_strange
from eddyline.incidents.flow_scores import FlowScores
from eddyline.incidents.group import Grouper
from eddyline.incidents.ignore import IgnoreList
from eddyline.incidents.incident import Incident
from eddyline.incidents.search import stories_of
from eddyline.incidents.story import in_order
from eddyline.incidents.tell import tell
from eddyline.pipeline import DEFAULT_LEGS, Pipeline
from eddyline.read.flows import Progress, read_flows
from eddyline.read.ingest import IngestReport
from eddyline.supervised import FlowModel
from eddyline.verdicts.leg import LegSpec
from eddyline.verdicts.methods import with_more
from eddyline.verdicts.summary import LegSummary, ModelSummary

__all__ = [
    "LegSummary",
    "ModelSummary",
    "ScanResult",
    "ScanSettings",
    "learn",
    "pipeline_for",
    "scan",
    "scan_flows",
]

RULES_NOTE: Final = "shipped generic levels: the same on every network, no p-value"


@dataclass(slots=True)
class ScanResult:
    """What a scan found.

    Parameters
    ----------
    version
        Version of Eddyline.
    input
        Account of the reading.
    flows_judged
        Flows that were given a verdict.
    model
        What they were compared with.
    incidents
        In rank order.
    settings
        The settings that change results, by name, as text.
    flow_verdicts
        One row a flow: ``uid, ts, ts_end, src_ip, dst_ip, dst_port, proto, app, bytes, score,
        p_value, incident`` (uid of the incident or null); None when it was not asked for.
    """

    version: str
    input: IngestReport
    flows_judged: int
    model: ModelSummary
    incidents: list[Incident]
    settings: dict[str, str] = field(default_factory=dict)
    flow_verdicts: pl.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What changes the result of a scan.

    Parameters
    ----------
    budget
        False alarms a day that the learned legs may raise, ``> 0``.
    error_rate
        Share of false alarms among the alarms of a window, in (0, 1), instead of the budget.
    rules
        False to leave out the shipped generic levels.
    internal
        Networks that count as inside; None for the private ranges.
    since, until
        Keep flows with ``since <= ts_end < until``; RFC 3339 text.
    column_map
        Our names to the columns of an ordinary CSV.
    ignore
        What is known and not to be told.
    flow_verdicts
        True to give every flow's verdict.
    more_legs
        Legs beside the default ones, such as a plug-in's detector; a saved model has its own.
    seed
        Start of the randomness.
    classes
        Model made by ``eddyline train``, whose classes name incidents; None for none.
    per
        Column of the record; flows of each of its values get a normal of their own; a saved model has its own
        column.
    """

    budget: float = 2.0
    error_rate: float | None = None
    rules: bool = True
    internal: tuple[str, ...] | None = None
    since: str | None = None
    until: str | None = None
    column_map: Mapping[str, str] | None = None
    ignore: IgnoreList = field(default_factory=IgnoreList)
    flow_verdicts: bool = False
    more_legs: tuple[LegSpec, ...] = ()
    seed: int = 0
    classes: FlowModel | Path | None = None
    per: str | None = None


def scan(
    paths: str | Path | Sequence[str | Path],
    *,
    model: Pipeline | str | Path | None = None,
    settings: ScanSettings | None = None,
    progress: Progress | None = None,
) -> ScanResult:
    """Read inputs, judge every flow and give the incidents in rank order.

    Parameters
    ----------
    paths
        Captures, logs or flow tables: files, folders, patterns or ``-``.
    model
        What is normal here: a fitted pipeline or a model file. None learns from the input itself, each
        row judged by detectors that did not see it.
    settings
        What changes the result; None for the defaults.
    progress
        Called with the bytes read so far and all bytes.

    Raises
    ------
    InputError
        When an input cannot be read.
    ModelError
        When the model file cannot be used.
    """
    wanted = settings or ScanSettings()
    report = IngestReport()
    batches = read_flows(
        paths,
        internal=wanted.internal,
        since=wanted.since,
        until=wanted.until,
        column_map=wanted.column_map,
        report=report,
        progress=progress,
    )
    pipeline, name = pipeline_for(model, wanted)
    return scan_flows(batches, report, pipeline=pipeline, settings=wanted, name=name)


def scan_flows(
    batches: Iterable[FlowBatch],
    report: IngestReport,
    *,
    pipeline: Pipeline,
    settings: ScanSettings,
    name: str = "",
) -> ScanResult:
    """Judge flows that are already read.

    Parameters
    ----------
    batches
        Flows in event-time order.
    report
        Account of the reading, complete when ``batches`` end.
    pipeline
        Fitted: judges. Not fitted: learns from the flows first.
    settings
        What changes the result.
    name
        Name of the model, for the report.
    """
    saved = pipeline.trained_us is not None
    counted = _Counted(settings.ignore.kept(_until_interrupted(batches, report)))
    watch = None if settings.classes is None else ClassWatch.of(settings.classes)
    flows = counted if watch is None else watch.over(counted)
    scores = FlowScores() if settings.flow_verdicts else None
    if not saved:
        held = list(flows)
        counted.frames = held
    judging = pipeline.judge(flows) if saved else None
    if judging is None and counted.n_flows:
        strange = plainly_strange if settings.rules else None
        judging = pipeline.fit_judge(counted.frames, strange, doubtful)
    finder = Finder(pipeline.known, rules=settings.rules)
    stories = stories_of(judging or (), finder, scores, report)
    grouper = Grouper()
    for story in in_order(stories):
        grouper.add(story)
    sagas = grouper.finished()
    if watch is not None:
        sagas = with_classes(sagas, watch.sagas(settings.budget))
    degraded = [f"{spot.detection}: {spot.reason}" for spot in report.blind]
    incidents = tell(sagas, pipeline.known, degraded)
    verdicts = None if scores is None else scores.frame(sagas)
    return ScanResult(
        version=version("eddyline"),
        input=report,
        flows_judged=counted.n_flows,
        model=_summary(pipeline, watch, saved=saved, name=name, rules=settings.rules),
        incidents=incidents,
        settings=_told(settings, pipeline, watch),
        flow_verdicts=verdicts,
    )


def learn(
    paths: str | Path | Sequence[str | Path],
    *,
    settings: ScanSettings | None = None,
    report: IngestReport | None = None,
    progress: Progress | None = None,
) -> Pipeline:
    """Learn what is normal from captures or logs.

    Parameters
    ----------
    paths
        Captures, logs or flow tables: files, folders, patterns or ``-``.
    settings
        What changes the result; None for the defaults.
    report
        Is filled with the account of the reading.
    progress
        Called with the bytes read so far and all bytes.

    Raises
    ------
    InputError
        When an input cannot be read.
    TooFewRowsError
        When there is no flow to learn from.
    """
    wanted = settings or ScanSettings()
    account = IngestReport() if report is None else report
    batches = read_flows(
        paths,
        internal=wanted.internal,
        since=wanted.since,
        until=wanted.until,
        column_map=wanted.column_map,
        report=account,
        progress=progress,
    )
    return _fresh(wanted).fit(
        wanted.ignore.kept(batches), plainly_strange if wanted.rules else None
    )


class _Counted:
    """Batches that are counted as they pass, and can be kept."""

    def __init__(self, batches: Iterable[FlowBatch]) -> None:
        self.batches = batches
        self.n_flows = 0
        self.frames: list[FlowBatch] = []

    def __iter__(self) -> Iterator[FlowBatch]:
        for batch in self.batches:
            self.n_flows += len(batch)
            yield batch


def _until_interrupted(batches: Iterable[FlowBatch], report: IngestReport) -> Iterator[FlowBatch]:
    """Give batches until the user interrupts; what was read by then is judged."""
    try:
        yield from batches
    except KeyboardInterrupt:
        report.interrupted = True
        report.finish()


def pipeline_for(
    model: Pipeline | str | Path | None, settings: ScanSettings
) -> tuple[Pipeline, str]:
    """Give the pipeline that a scan with these settings judges with, and its name.

    Parameters
    ----------
    model
        A fitted pipeline, a model file, or None for one that has learned nothing yet.
    settings
        What changes the result.

    Raises
    ------
    ModelError
        When the model file cannot be used.
    UsageError
        When legs are asked for that the model did not learn.
    """
    if model is None:
        return _fresh(settings), ""
    if settings.more_legs:
        message = (
            f"more legs are learned with the model, got {settings.more_legs[0].name!r} beside one; "
            "learn the model with them"
        )
        raise UsageError(message)
    if isinstance(model, Pipeline):
        return model, ""
    promised = _fresh(settings)  # refuses settings that have no meaning
    loaded = Pipeline.load(model)
    loaded.budget, loaded.error_rate = promised.budget, promised.error_rate
    return loaded, Path(model).name


def _fresh(settings: ScanSettings) -> Pipeline:
    """Give a pipeline that has learned nothing yet."""
    return Pipeline(
        with_more(DEFAULT_LEGS, settings.more_legs),
        budget=settings.budget,
        error_rate=settings.error_rate,
        seed=settings.seed,
        per=settings.per,
    )


def _summary(
    pipeline: Pipeline, watch: ClassWatch | None, *, saved: bool, name: str, rules: bool
) -> ModelSummary:
    legs = []
    for spec in pipeline.legs:
        leg = pipeline.fitted.get(spec.name)
        legs.append(
            LegSummary(
                name=spec.name,
                view=spec.view,
                detector="own_past" if spec.own else spec.detector,
                fitted_rows=leg.fitted_rows if leg else 0,
                calibration_rows=len(leg.calibrator.scores) if leg else 0,
                judged_rows=pipeline.judged_rows.get(spec.name, 0),
                note=pipeline.notes.get(spec.name, ""),
            )
        )
    if rules:
        legs.append(LegSummary("generic", "all", "rules", 0, 0, 0, RULES_NOTE))
    if watch is not None:
        legs.append(watch.summary())
    first, last = pipeline.trained_us or (None, None)
    kind = "saved" if saved else "capture"
    levels = pipeline.alarm_levels if pipeline.fitted else {}
    learned = (pipeline.trained_flows, first, last, tuple(legs), pipeline.left_out)
    return ModelSummary(kind, name, *learned, levels, _families(pipeline))


def _families(pipeline: Pipeline) -> str:
    return "" if pipeline.per is None else pipeline.account.sentence(pipeline.per)


def _promise(pipeline: Pipeline) -> str:
    if pipeline.error_rate is not None:
        return f"at most {pipeline.error_rate:.0%} of a window's alarms false"
    return f"{pipeline.budget:g} false alarms a day"


def _told(settings: ScanSettings, pipeline: Pipeline, watch: ClassWatch | None) -> dict[str, str]:
    families = {} if pipeline.per is None else {"judged": _families(pipeline)}
    return (
        families
        | {
            "alarms": _promise(pipeline),
            "generic levels": "on" if settings.rules else "off",
            "inside": ", ".join(settings.internal) if settings.internal else "private ranges",
            "ignored": str(settings.ignore),
            "seed": str(pipeline.seed),
        }
        | ({} if watch is None else {"classes": watch.name})
    )
