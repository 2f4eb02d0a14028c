"""The main idea: legs of (view, detector) learn what is normal here and judge what comes after.

``fit`` learns from flows, ``judge`` gives each closed window's rows a p-value and raises an alarm where it
is below the level that the budget allows; ``fit_judge`` does both on one input, each row judged by
detectors that did not learn from it. Stories and names are made of alarms in ``incidents``.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.errors import DegradedWarning, ModelError, TooFewRowsError, UsageError
from eddyline.features.registry import view_named
from eddyline.features.view import View, ViewTable
from eddyline.flows.batch import FlowBatch
from eddyline.verdicts.alarm import MOST_HINT, Alarm, error_rate_levels, raise_alarms
from eddyline.verdicts.archive import read_archive, write_archive
from eddyline.verdicts.fuse import fuse_min
from eddyline.verdicts.judged import Doubt, Judged, ViewVerdicts
from eddyline.verdicts.known import Known
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.methods import card
from eddyline.verdicts.normal import ViewNormal
from eddyline.verdicts.rows import (
    Learned,
    LeaveOut,
    and_these,
    joined,
    leg_rows,
    numbered,
    thin,
    windows,
)
from eddyline.verdicts.saved import describe, leg_arrays, load_leg
from eddyline.verdicts.threshold import budget_threshold

DEFAULT_LEGS: Final = (
    LegSpec("host", "tails"),
    LegSpec("host", "tails", own=True),
    LegSpec("host", "isolation_forest", weight=0.3),
    LegSpec("host_hour", "tails"),
    LegSpec("host_hour", "tails", own=True),
    LegSpec("segment", "tails"),
    LegSpec("segment", "tails", own=True),
    LegSpec("segment", "neighbours", weight=0.3),
    LegSpec("dyad", "tails"),
    LegSpec("dyad", "tails", own=True),
    LegSpec("dyad", "neighbours", weight=0.3),
    LegSpec("dyad", "ngram", weight=0.2, params={"order": 1, "group": "sum"}),
    LegSpec("flow", "isolation_forest", params={"n_trees": 100}),
)
"""One setting for everything: the legs of every scan."""

MOST_LEVEL: Final = 0.01
"""No row alarms above this p-value, however few rows a day there are."""

DOUBT: Final = 0.05
"""P-value at or below which a row of an input that is its own baseline may be doubted."""

MOST_OF_ITSELF: Final = 0.001
"""No row is a hint above this p-value where the input is its own baseline."""

MAX_LEG_ROWS: Final = 20_000
"""Rows that a leg without an own past is fitted and calibrated on."""


@dataclass(slots=True)
class Pipeline:
    """Legs that learn what is normal and judge by it.

    Parameters
    ----------
    legs
        Which detectors look at which views.
    budget
        False alarms a day, ``> 0``, over all views, that the level is set for.
    error_rate
        Share of false alarms among the alarms of a window, in (0, 1); takes the place of the budget.
    seed
        Start of the randomness.

    Examples
    --------
    >>> from eddyline.pipeline import Pipeline
    >>> Pipeline(budget=2.0).budget
    2.0
    """

    legs: Sequence[LegSpec] = DEFAULT_LEGS
    budget: float = 2.0
    error_rate: float | None = None
    seed: int = 0
    fitted: dict[str, Leg] = field(default_factory=dict)
    normals: dict[str, ViewNormal] = field(default_factory=dict)
    services: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    judged_rows: dict[str, int] = field(default_factory=dict)
    trained_flows: int = 0
    left_out: int = 0
    trained_us: tuple[int, int] | None = None
    from_itself: bool = False

    def __post_init__(self) -> None:
        if not self.budget > 0:
            message = f"budget must be > 0 false alarms a day, got {self.budget}; 2 is the default"
            raise UsageError(message)
        if self.error_rate is not None and not 0 < self.error_rate < 1:
            message = f"error_rate must be in (0, 1), got {self.error_rate}; pass a share"
            raise UsageError(message)

    @property
    def views(self) -> list[View]:
        """The views that the legs look at, in the order of the legs."""
        return [view_named(name) for name in dict.fromkeys(leg.view for leg in self.legs)]

    def fit(self, batches: Iterable[FlowBatch], leave_out: LeaveOut | None = None) -> Pipeline:
        """Learn what is normal; a view with too few rows gets no legs and a note that says so.

        Parameters
        ----------
        batches
            Flows in event-time order.
        leave_out
            Gives the numbers of flows in closed windows that are plainly not normal: they are counted
            in ``left_out`` and not learned from.
        """
        return self._fit(numbered(batches), leave_out)

    def judge(self, batches: Iterable[FlowBatch]) -> Iterator[Judged]:
        """Judge flows by what was learned; any cut of the input into batches gives the same.

        Parameters
        ----------
        batches
            Flows in event-time order.
        """
        return self._judge(numbered(batches), held_out=False)

    def fit_judge(
        self,
        batches: Iterable[FlowBatch],
        leave_out: LeaveOut | None = None,
        doubt: Doubt | None = None,
    ) -> Iterator[Judged]:
        """Learn from an input and judge it, each row by detectors that did not learn from it.

        The whole input is seen first; what a first look finds doubtful is not learned from again.

        Parameters
        ----------
        batches
            Flows in event-time order.
        leave_out
            Gives the numbers of flows that are plainly not normal: judged but not learned from.
        doubt
            Gives what may not be normal, from windows judged at the level ``DOUBT``; None to learn once.
        """
        self.from_itself = True
        flows = list(numbered(batches))
        self._fit_what_there_is(flows, leave_out)
        if doubt is not None and self.fitted:
            first = self._judge(flows, held_out=True, most=DOUBT)
            doubted = pl.concat([doubt(judged, self.known) for judged in first]).unique()
            if doubted.height:
                self.fitted, self.normals, self.notes = {}, {}, {}
                self._fit_what_there_is(flows, and_these(leave_out, doubted))
        return self._judge(flows, held_out=True)

    def _fit_what_there_is(self, flows: list[pl.DataFrame], leave_out: LeaveOut | None) -> None:
        try:
            self._fit(flows, leave_out)
        except TooFewRowsError as error:  # plain attacks are all there is: nothing is normal here
            self.notes = {spec.name: str(error) for spec in self.legs}

    @property
    def alarm_levels(self) -> dict[str, float]:
        """P-value at or below which a row alarms, by view; none where an error rate decides."""
        share = self.budget / len(self.views)
        if self.error_rate is not None:
            return {}
        levels = {
            k: budget_threshold(share, n.rows_per_day).value for k, n in self.normals.items()
        }
        return {name: min(level, MOST_LEVEL) for name, level in levels.items()}

    @property
    def known(self) -> Known:
        """What was learned, to ask for ranges of entities and of the network."""
        first, last = self.trained_us or (0, 0)
        return Known(self.normals, self.services, last - first, from_itself=self.from_itself)

    def save(self, path: str | Path) -> None:
        """Write the model to one file, without code in it.

        Parameters
        ----------
        path
            Where to, by custom ``*.eddy``.
        """
        groups: dict[str, dict[str, NDArray[Any]]] = {}
        legs = []
        for number, leg in enumerate(self.fitted.values()):
            groups[f"leg{number}"] = leg_arrays(leg)
            legs.append(
                describe(leg.spec) | {"fitted_rows": leg.fitted_rows, "arrays": f"leg{number}"}
            )
        groups["services"] = {"names": np.array(self.services, dtype=np.str_)}
        groups |= {f"normal_{name}": n.to_arrays() for name, n in self.normals.items()}
        manifest = {
            "budget": self.budget,
            "seed": self.seed,
            "legs": legs,
            "views": {view.name: list(view.names) for view in self.views},
            "notes": self.notes,
            "trained_flows": self.trained_flows,
            "trained_us": self.trained_us,
            "all_legs": [describe(spec) for spec in self.legs],
        }
        write_archive(Path(path), manifest, groups)

    @classmethod
    def load(cls, path: str | Path) -> Pipeline:
        """Read a model file, refusing what it does not know.

        Parameters
        ----------
        path
            A file that ``save`` wrote.

        Raises
        ------
        ModelError
            When the file is damaged, hostile, or was made with other features.
        """
        manifest, groups = read_archive(Path(path))
        if "all_legs" not in manifest:
            message = (
                f"{path}: must be a model made by 'eddyline learn', is of the kind "
                f"{manifest.get('kind', 'unknown')!r}; learn one, or use 'eddyline classify'"
            )
            raise ModelError(message)
        try:
            specs = tuple(LegSpec(**spec) for spec in manifest["all_legs"])
            model = cls(specs, float(manifest["budget"]), seed=int(manifest["seed"]))
            for name, names in manifest["views"].items():
                view = view_named(name)
                if list(view.names) != names:
                    message = f"{path}: the features of view {name!r} must be today's; learn again"
                    raise ModelError(message)
                if f"normal_{name}" in groups:
                    model.normals[name] = ViewNormal.from_arrays(
                        groups[f"normal_{name}"], len(names)
                    )
            for entry in manifest["legs"]:
                leg = load_leg(entry, groups[entry["arrays"]])
                model.fitted[leg.spec.name] = leg
            model.services = [str(name) for name in groups["services"]["names"]]
            model.notes = {str(k): str(v) for k, v in manifest["notes"].items()}
            model.trained_flows = int(manifest["trained_flows"])
            trained = manifest["trained_us"]
            model.trained_us = None if trained is None else (int(trained[0]), int(trained[1]))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            message = f"{path}: must hold a whole model, got {type(error).__name__}: {error}"
            raise ModelError(message) from error
        return model

    def _fit(self, frames: Iterable[pl.DataFrame], leave_out: LeaveOut | None) -> Pipeline:
        """Learn from derived flows."""
        kept: dict[str, list[LegRows]] = {view.name: [] for view in self.views}
        counts = dict.fromkeys(kept, 0)
        shortest = min(view.window_us for view in self.views)
        learned = Learned()
        for window_us, closed in windows(self.views, learned.seen(frames), leave_out):
            if window_us == shortest:
                learned.take(closed[0][1].flows)
            for view, table in closed:
                rows = leg_rows(view, table)
                counts[view.name] += len(rows)
                kept[view.name].append(rows)
        self.trained_flows, self.left_out = learned.n_flows, learned.n_seen - learned.n_flows
        self.services = sorted(learned.services)
        if not learned.n_flows:
            message = (
                "there must be flows to learn from, got none that are not plain attacks; "
                "give it quieter traffic"
            )
            raise TooFewRowsError(message)
        self.trained_us = (learned.first_us, learned.last_us)
        span_us = learned.last_us - learned.first_us
        for view in self.views:
            self._fit_view(view, kept.pop(view.name), counts[view.name], span_us)
        return self

    def _fit_view(self, view: View, parts: list[LegRows], n_rows: int, span_us: int) -> None:
        """Learn what is normal for one view and fit its legs."""
        specs = [spec for spec in self.legs if spec.view == view.name]
        if not parts:
            self.notes |= {spec.name: "every flow of its windows was left out" for spec in specs}
            return
        rows = thin(joined(parts))
        self.normals[view.name] = ViewNormal.fit(view, rows, n_rows, span_us)
        for spec in specs:
            self._fit_leg(spec, rows)

    def _fit_leg(self, spec: LegSpec, rows: LegRows) -> None:
        shown = rows if spec.own else thin(rows, MAX_LEG_ROWS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DegradedWarning)
            try:
                leg = Leg.fit(spec, shown, self.seed)
            except TooFewRowsError as error:
                self.notes[spec.name] = str(error)
                return
        self.fitted[spec.name] = leg
        degraded = next((str(w.message) for w in caught), "")  # each part of the fit says it again
        told = [t for t in (leg.calibrator.note, card(leg, shown.entities) or degraded) if t]
        self.notes |= {spec.name: "; ".join(told)} if told else {}

    def _judge(
        self, frames: Iterable[pl.DataFrame], *, held_out: bool, most: float | None = None
    ) -> Iterator[Judged]:
        """Judge derived flows, a group of closed windows at a time; ``most`` replaces the alarm level."""
        self.judged_rows = {}
        for window_us, closed in windows(self.views, frames):
            verdicts = [self._verdicts(view, table, held_out=held_out) for view, table in closed]
            alarms = [a for verdict in verdicts for a in self._alarms(verdict, most)]
            alarms.sort(key=lambda alarm: (alarm.p_value, alarm.window, alarm.addresses))
            yield Judged(window_us, closed[0][1].flows, verdicts, alarms)

    def _verdicts(self, view: View, table: ViewTable, *, held_out: bool) -> ViewVerdicts:
        rows = leg_rows(view, table)
        legs = [leg for leg in self.fitted.values() if leg.spec.view == view.name]
        with ThreadPoolExecutor(max_workers=2) as pool:  # the kernels release the lock
            each_leg = pool.map(lambda leg: leg.score(rows, held_out=held_out), legs)
            scores = {leg.spec.name: found for leg, found in zip(legs, each_leg, strict=True)}
        for name in scores:
            self.judged_rows[name] = self.judged_rows.get(name, 0) + len(rows)
        fused = np.full(len(rows), np.nan)
        if legs and len(rows):
            each = [leg.calibrator.p_values(scores[leg.spec.name]) for leg in legs]
            weights = np.array([leg.spec.weight for leg in legs])
            fused = fuse_min(np.column_stack(each), weights)
        return ViewVerdicts(view, table, rows.entities, fused, scores)

    def _alarms(self, verdict: ViewVerdicts, most: float | None) -> list[Alarm]:
        normal = self.normals.get(verdict.view.name)
        if normal is None or not verdict.scores:
            return []
        rows = leg_rows(verdict.view, verdict.table)
        levels = np.full(len(rows), self.alarm_levels.get(verdict.view.name, 0.0))
        if self.error_rate is not None:
            levels = error_rate_levels(verdict.p_values, rows.windows, self.error_rate)
        if most is not None:
            levels = np.full(len(rows), most)
        legs = [self.fitted[name] for name in verdict.scores]
        return raise_alarms(
            verdict.view,
            rows,
            verdict.table.rows,
            legs=legs,
            scores=verdict.scores,
            p_values=verdict.p_values,
            normal=normal,
            levels=levels,
            most=most or (MOST_OF_ITSELF if self.from_itself else MOST_HINT),
            only_news=self.from_itself and most is None,
        )
