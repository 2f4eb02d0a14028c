"""Flows that a trained model calls by a class become stories, or give stories of patterns that name.

What belongs here: from called flows to stories, and which incident a class belongs to. What does not: calling
a flow (``supervised.py``), evidence and its calibration (``verdicts.classes``), patterns (``find.py``).

A host whose flows of one hour speak for a class more than the budget allows for hosts and hours of normal
traffic is a story of that class. Where a pattern already tells of those flows, the class is added to its
incident, with the p-value; where only a learned leg found them unusual, the class takes the incident over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import ModelError
from eddyline.features.columns import HOUR_US, derive
from eddyline.features.rows import rows_of
from eddyline.features.sets import FlowSet, dictionary, flow_set
from eddyline.flows.batch import FlowBatch
from eddyline.incidents.class_words import behaviour_of, reason_words
from eddyline.incidents.saga import Saga
from eddyline.incidents.story import EVIDENCE_COLUMNS, Story
from eddyline.supervised import FlowModel
from eddyline.tables import Floats
from eddyline.verdicts.alarm import Alarm
from eddyline.verdicts.classes import evidence_of
from eddyline.verdicts.explain import explain_rows
from eddyline.verdicts.reason import Contribution
from eddyline.verdicts.summary import LegSummary

PAUSE_US: Final = 7_200_000_000
"""Longest pause inside one incident of a class, µs: two hours."""

BESIDE_US: Final = 600_000_000
"""A few called flows this close to a larger incident of their host are a part of it, µs: ten minutes."""

BESIDE_SHARE: Final = 0.1
"""Called flows up to this part of the larger incident's are few."""

OWNED: Final = 0.5
"""Share of a class's flows from which incidents that tell of them already take its name."""


@dataclass(slots=True)
class ClassWatch:
    """Call the flows that pass, and keep those that are not called normal.

    Parameters
    ----------
    model
        A trained model that can tell how normal flows were judged.
    name
        What it is called in results.

    Raises
    ------
    ModelError
        When the model cannot tell how normal flows were judged.
    """

    model: FlowModel
    name: str
    n_flows: int = 0
    n_called: int = 0
    n_told: int = 0
    _made: FlowSet = field(init=False, repr=False)
    _kept: list[pl.DataFrame] = field(default_factory=list, repr=False)
    _rows: list[NDArray[Any]] = field(default_factory=list, repr=False)

    def __post_init__(self) -> None:
        if self.model.normal is None:
            message = (
                f"{self.name} must tell how normal flows of left-out days were judged, cannot; train it "
                "again with this version, on flows of which some are normal in every class's company"
            )
            raise ModelError(message)
        if self.model.recipe.day_ranks:
            message = (
                f"{self.name} must judge flows as they come, ranks each among its whole day; train it "
                "without --scaling per_day_quantile, or use 'eddyline classify'"
            )
            raise ModelError(message)
        self._made = flow_set(self.model.feature_set)

    @classmethod
    def of(cls, classes: FlowModel | Path) -> ClassWatch:
        """Make one of a model or its file.

        Parameters
        ----------
        classes
            The model, or the file that it is read from and named after.

        Raises
        ------
        ModelError
            When the file is no such model.
        """
        if isinstance(classes, FlowModel):
            return cls(classes, "classes")
        return cls(FlowModel.load(classes), classes.name)

    @property
    def leg(self) -> str:
        """Its name among the detectors of an incident."""
        return f"classes/{self.name}"

    def summary(self) -> LegSummary:
        """Give the account of it for reports."""
        normal = self.model.normal
        told = f"called {self.n_called:,} flows by a class, {self.n_told:,} of them in incidents"
        note = "" if normal is None else normal.calibrator.note
        return LegSummary(
            name=self.leg,
            view="flow",
            detector=self.model.recipe.method,
            fitted_rows=int(self.model.card.get("rows", 0)),
            calibration_rows=0 if normal is None else len(normal.calibrator.scores),
            judged_rows=self.n_flows,
            note="; ".join(part for part in (told, note) if part),
        )

    def over(self, batches: Iterable[FlowBatch]) -> Iterator[FlowBatch]:
        """Give batches on as they are.

        Parameters
        ----------
        batches
            Flows in event-time order.
        """
        for batch in batches:
            if len(batch):
                self._take(batch)
            yield batch

    def _take(self, batch: FlowBatch) -> None:
        site = self.model.site
        rows = rows_of(batch, self._made)
        shares = site.probabilities(rows.X, rows.keys)
        odds = site.odds(shares, site.strata(rows.keys, len(rows)))
        best = odds.argmax(axis=1)
        called = np.flatnonzero(best != site.normal)
        numbers = pl.int_range(self.n_flows, self.n_flows + len(batch), eager=True)
        self.n_flows += len(batch)
        self.n_called += len(called)
        flows = derive(batch.frame).with_columns(numbers.alias("flow"))
        self._kept.append(
            flows.select(EVIDENCE_COLUMNS)[called].with_columns(
                pl.Series("called", site.classes[best[called]].astype(str)),
                pl.Series("odds", odds.max(axis=1)[called]),
                pl.Series("share", shares[called, best[called]]),
            )
        )
        self._rows.append(site.with_memory(rows.X, rows.keys)[called])

    def sagas(self, budget: float) -> list[Saga]:
        """Give the incidents of each class: stories of following hours are one while the pause is short.

        Parameters
        ----------
        budget
            False alarms a day, ``> 0``.
        """
        found: list[Saga] = []
        for story in self.stories(budget):
            near = [
                saga
                for saga in found
                if saga.key == (story.kind, *story.anchor) and saga.pause_us(story) <= PAUSE_US
            ]
            if near:
                near[-1].add(story)
            else:
                saga = Saga.of(story)
                saga.called = {story.anchor[-1]: 0}
                found.append(saga)
        for saga in found:
            label = next(iter(saga.called))
            saga.called = {label: saga.flows().height}
        self.n_told = sum(sum(saga.called.values()) for saga in found)
        return found

    def stories(self, budget: float) -> list[Story]:
        """Give a story for each host and hour whose flows speak for a class beyond the level.

        Of an hour's flows of one class, the host they speak of most is told first, with its flows; then of
        what is left the next.

        Parameters
        ----------
        budget
            False alarms a day, ``> 0``.
        """
        normal = self.model.normal
        if normal is None or not self._kept:
            return []
        level = normal.level(budget)
        flows = pl.concat(self._kept).with_row_index("place")
        flows = flows.with_columns((pl.col("ts_end") // HOUR_US).alias("hour"))
        stories: list[Story] = []
        for key, part in sorted(flows.partition_by("hour", "called", as_dict=True).items()):
            left = part
            while left.height:
                each = evidence_of(left).sort(
                    ["evidence", "is_source", "host"], descending=[True, True, False]
                )
                evidence, host = float(each["evidence"][0]), str(each["host"][0])
                p_value = float(normal.calibrator.p_values(np.array([evidence]))[0])
                if p_value > level:
                    break
                at = (pl.col("src_ip").cast(pl.String) == host) | (
                    pl.col("dst_ip").cast(pl.String) == host
                )
                stories.append(self._story(left.filter(at), host, evidence, p_value, int(key[0])))
                left = left.filter(~at)
        return stories

    def _story(
        self, flows: pl.DataFrame, host: str, evidence: float, p_value: float, hour: int
    ) -> Story:
        label = str(flows["called"][0])
        attack = behaviour_of(label)
        scores = {self.leg: evidence}
        largest = float(max(self._normal_scores()[-1], 1.0))
        return Story(
            attack=attack,
            anchor=(host, label),
            entity=host,
            flows=flows.select(EVIDENCE_COLUMNS),
            measures={"share": float(flows["share"].median() or 0.0)},  # type: ignore[arg-type]
            grain="flow",
            window=hour,
            window_us=HOUR_US,
            strict=False,
            strength=max(1.0, evidence / largest),
            p_value=p_value,
            scores=scores,
            kind=f"class {label}",
            mostly=True,
            alarm=Alarm(
                view="flow",
                window=hour,
                window_us=HOUR_US,
                addresses=(host,),
                uid="",
                p_value=p_value,
                sure=True,
                scores=scores,
                explain=partial(self._reasons, flows, label),
            ),
        )

    def _normal_scores(self) -> Floats:
        assert self.model.normal is not None  # noqa: S101 - ``__post_init__`` has checked it
        return self.model.normal.calibrator.scores

    def _reasons(self, flows: pl.DataFrame, label: str) -> list[Contribution]:
        """Say which features spoke for the class, by the story's flow of middling odds."""
        normal = self.model.normal
        assert normal is not None  # noqa: S101 - ``__post_init__`` has checked it
        site, width = self.model.site, len(self.model.names)
        middle = flows.sort("odds", "flow")["place"][flows.height // 2]
        row = np.concatenate(self._rows)[middle]
        place = int(np.flatnonzero(site.classes == label)[0])

        def odds(X: Floats) -> Floats:
            memory = np.broadcast_to(row[width:], (len(X), len(row) - width))
            shares = site.classifier.predict_proba(
                np.concatenate([X, memory], axis=1).astype(row.dtype)
            )
            logs = np.log(np.maximum(shares, 1e-12))
            return np.asarray(logs[:, place] - logs[:, site.normal])

        x = row[:width].astype(np.float64).reshape(1, -1)
        parts = explain_rows(odds, x, normal.low, normal.high, normal.centre, top=5)[0]
        features = dictionary(self.model.feature_set)
        told = []
        for part in parts:
            feature = features[part.columns[0]]
            values = (part.value, part.normal_low, part.normal_high)
            value, low, high = (feature.plain(number) for number in values)
            quantiles = (feature.plain(float(q)) for q in normal.quantiles[:, part.columns[0]])
            unit = feature.plain_unit if feature.scale else feature.unit
            middle = feature.plain(float(normal.centre[part.columns[0]]))
            words = reason_words(feature, value, (low, middle, high), unit)
            told.append(
                Contribution(
                    feature.name, value, unit, low, high, part.share, words, tuple(quantiles)
                )
            )
        return told


def with_classes(sagas: Sequence[Saga], classes: Sequence[Saga]) -> list[Saga]:
    """Give the incidents of patterns with the classes that speak of their flows, and those of classes alone.

    Parameters
    ----------
    sagas
        What patterns and learned legs told; each flow in one.
    classes
        What classes told.
    """
    kept = list(sagas)
    for told in classes:
        flows = told.flows()
        owners = [saga for saga in kept if _shared(saga, flows)]
        named = [saga for saga in owners if saga.attack != "unusual" or saga.called]
        if sum(_shared(saga, flows) for saga in named) >= OWNED * flows.height:
            for saga in named:
                _name(saga, told, _shared(saga, flows))
            _add_rest(max(named, key=lambda saga: _shared(saga, flows)), told, kept)
            continue
        beside = [saga for saga in kept if saga.called and _explains(saga, told)]
        if beside:
            beside[0].absorb(told)
            continue
        unusual = [saga for saga in owners if saga not in named]
        for saga in unusual:
            told.absorb(saga)
        kept = [saga for saga in kept if saga not in unusual]
        for saga in named:
            flows = flows.join(saga.flows(), on="flow", how="anti", maintain_order="left")
        told.called = dict.fromkeys(told.called, flows.height)
        others = [saga.flows().select(flows.columns) for saga in unusual]
        told.parts = [pl.concat([flows, *others]).unique("flow", keep="first").sort("flow")]
        kept.append(told)
    return kept


def _explains(saga: Saga, told: Saga) -> bool:
    """Tell whether a class speaks of an actor of a larger incident at about that time."""
    return (
        saga.entity in told.actors()
        and saga.pause_us(told) <= BESIDE_US
        and told.flows().height <= BESIDE_SHARE * saga.flows().height
    )


def _shared(saga: Saga, flows: pl.DataFrame) -> int:
    """Count the flows that an incident tells of among some."""
    return saga.flows().join(flows, on="flow", how="semi").height


def _add_rest(saga: Saga, told: Saga, others: Sequence[Saga]) -> None:
    """Add a class's flows that no incident tells of to the one that tells of most, where its actor is theirs.

    A sweep knocks in several ways; a pattern counts one of them.
    """
    if told.entity not in (saga.entity, *saga.anchor):
        return
    rest = told.flows()
    for other in others:
        rest = rest.join(other.flows(), on="flow", how="anti", maintain_order="left")
    if rest.height:
        saga.parts.append(rest.select(saga.parts[0].columns))
        saga.first_us = min(saga.first_us, told.first_us)
        saga.last_us = max(saga.last_us, told.last_us)
        saga.called[next(iter(told.called))] += rest.height


def _name(saga: Saga, told: Saga, n_flows: int) -> None:
    """Add a class to an incident that tells of its flows."""
    label = next(iter(told.called))
    saga.called[label] = saga.called.get(label, 0) + n_flows
    alarm = saga.alarm
    saga.absorb(told)
    saga.alarm = alarm or told.alarm
