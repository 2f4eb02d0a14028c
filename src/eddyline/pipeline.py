"""The main idea: legs of (view, detector) learn what is normal here and judge what comes after.

``fit`` learns from flows, ``judge`` gives each closed window's rows a p-value and raises an alarm where it
is below the level that the budget allows; ``fit_judge`` does both on one input, each row judged by
detectors that did not learn from it. Stories and names are made of alarms in ``incidents``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from eddyline.errors import ModelError, TooFewRowsError, UsageError
from eddyline.features.registry import view_named
from eddyline.features.view import View
from eddyline.flows.batch import FlowBatch
from eddyline.verdicts.alarm import MOST_HINT, Alarm, error_rate_levels, raise_alarms
from eddyline.verdicts.archive import read_archive, write_archive
from eddyline.verdicts.families import Account, checked_column, refuse_many
from eddyline.verdicts.judged import Doubt, Judged, ViewVerdicts
from eddyline.verdicts.known import Known
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.normal import ViewNormal
from eddyline.verdicts.part import Groups, Part
from eddyline.verdicts.rows import (
    Learned,
    LeaveOut,
    and_these,
    joined,
    kept_for_fit,
    leg_rows,
    numbered,
    windows,
)
from eddyline.verdicts.saved import describe
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
    per
        Column of the record; flows of each of its values are held against what such flows taught, those of a
        value that was not learned against what all taught. None for one normal for all.

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
    per: str | None = None
    shared: Part = field(default_factory=Part)
    families: dict[str, Part] = field(default_factory=dict)
    account: Account = field(default_factory=Account)
    services: list[str] = field(default_factory=list)
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
        if self.per is not None:
            checked_column(self.per)

    @property
    def fitted(self) -> dict[str, Leg]:
        """The legs that learned from all flows, by name."""
        return self.shared.fitted

    @property
    def normals(self) -> dict[str, ViewNormal]:
        """What is normal by all flows, by view."""
        return self.shared.normals

    @property
    def notes(self) -> dict[str, str]:
        """What is to be told of a leg that learned from all flows, by its name."""
        return self.shared.notes

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
        return self._fit(numbered(batches, self.per), leave_out)

    def judge(self, batches: Iterable[FlowBatch]) -> Iterator[Judged]:
        """Judge flows by what was learned; any cut of the input into batches gives the same.

        Parameters
        ----------
        batches
            Flows in event-time order.
        """
        return self._judge(numbered(batches, self.per), held_out=False)

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
        flows = list(numbered(batches, self.per))
        self._fit_what_there_is(flows, leave_out)
        if doubt is not None and self.fitted:
            first = self._judge(flows, held_out=True, most=DOUBT)
            doubted = pl.concat([doubt(judged, self.known) for judged in first]).unique()
            if doubted.height:
                self.shared, self.families = Part(), {}
                self._fit_what_there_is(flows, and_these(leave_out, doubted))
        return self._judge(flows, held_out=True)

    def _fit_what_there_is(self, flows: list[pl.DataFrame], leave_out: LeaveOut | None) -> None:
        try:
            self._fit(flows, leave_out)
        except TooFewRowsError as error:  # plain attacks are all there is: nothing is normal here
            self.shared.notes = {spec.name: str(error) for spec in self.legs}

    @property
    def alarm_levels(self) -> dict[str, float]:
        """P-value at or below which a row alarms, by view; none where an error rate decides.

        Views share the budget alike, but for one whose legs together weigh less than one.
        """
        if self.error_rate is not None:
            return {}
        weights = dict.fromkeys((leg.view for leg in self.legs), 0.0)
        for leg in self.legs:
            weights[leg.view] = min(1.0, weights[leg.view] + leg.weight)
        each = self.budget / sum(weights.values())
        levels = {
            k: budget_threshold(each * weights[k], n.rows_per_day).value
            for k, n in self.normals.items()
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
        legs, groups = self.shared.parts()
        groups["services"] = {"names": np.array(self.services, dtype=np.str_)}
        families = []
        for number, (value, part) in enumerate(self.families.items()):
            entries, arrays = part.parts(f"family{number}_")
            groups |= arrays
            families.append({"value": value, "legs": entries, "notes": part.notes})
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
        if self.per is not None:
            manifest |= {"per": self.per, "families": families}
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
                f"{manifest.get('kind', 'unknown')!r}; learn one, or give a trained one to --classes"
            )
            raise ModelError(message)
        try:
            specs = tuple(LegSpec(**spec) for spec in manifest["all_legs"])
            budget, seed = float(manifest["budget"]), int(manifest["seed"])
            model = cls(specs, budget, seed=seed, per=manifest.get("per"))
            for name, names in manifest["views"].items():
                if list(view_named(name).names) != names:
                    message = f"{path}: the features of view {name!r} must be today's; learn again"
                    raise ModelError(message)
            model._restore_parts(manifest, groups)
            model.services = [str(name) for name in groups["services"]["names"]]
            model.trained_flows = int(manifest["trained_flows"])
            trained = manifest["trained_us"]
            model.trained_us = None if trained is None else (int(trained[0]), int(trained[1]))
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            message = f"{path}: must hold a whole model, got {type(error).__name__}: {error}"
            raise ModelError(message) from error
        return model

    def _restore_parts(self, manifest: dict[str, Any], groups: Groups) -> None:
        """Rebuild what all flows taught, and what each family did."""
        views = [view_named(name) for name in manifest["views"]]
        self.shared = Part.from_parts(manifest["legs"], groups, views, manifest["notes"])
        for number, family in enumerate(manifest.get("families", ())):
            self.families[str(family["value"])] = Part.from_parts(
                family["legs"], groups, views, family["notes"], f"family{number}_"
            )

    def _fit(self, frames: Iterable[pl.DataFrame], leave_out: LeaveOut | None) -> Pipeline:
        """Learn from derived flows."""
        kept: dict[str, dict[str, list[LegRows]]] = {}
        shortest = min(view.window_us for view in self.views)
        learned = Learned()
        for closed in windows(self.views, learned.seen(frames), leave_out):
            if closed.window_us == shortest:
                learned.take(closed.flows)
            for family, tables in closed.tables.items():
                for view, table in tables:
                    rows = leg_rows(view, table)
                    kept.setdefault(view.name, {}).setdefault(family, []).append(rows)
        self.trained_flows, self.left_out = learned.n_flows, learned.n_seen - learned.n_flows
        self.services = sorted(learned.services)
        if not learned.n_flows:
            message = (
                "there must be flows to learn from, got none that are not plain attacks; "
                "give it quieter traffic"
            )
            raise TooFewRowsError(message)
        self.trained_us = (learned.first_us, learned.last_us)
        values = sorted({value for parts in kept.values() for value in parts if value})
        if self.per is not None:
            refuse_many(self.per, len(values))
            self.families = {value: Part() for value in values}
        for view in self.views:
            self._fit_view(view, kept.pop(view.name, {}), learned.last_us - learned.first_us)
        return self

    def _fit_view(self, view: View, rows: dict[str, list[LegRows]], span_us: int) -> None:
        """Learn what is normal for one view, by all rows and by those of each family."""
        specs = [spec for spec in self.legs if spec.view == view.name]
        if not rows:
            told = "every flow of its windows was left out"
            self.shared.notes |= {spec.name: told for spec in specs}
            return
        every = [each for parts in rows.values() for each in parts]
        for part, mine in [(self.shared, every)] + [
            (self.families[value], rows[value]) for value in self.families if value in rows
        ]:
            n_rows = sum(map(len, mine))
            whole = joined(mine)
            if len(rows) > 1:  # families end to end: bring their windows back in order
                whole = whole.take(np.argsort(whole.windows, kind="stable"))
            shown = kept_for_fit(view, whole)
            later = not self.from_itself
            part.fit_view(
                view, specs, shown, n_rows=n_rows, span_us=span_us, seed=self.seed, later=later
            )

    def _judge(
        self, frames: Iterable[pl.DataFrame], *, held_out: bool, most: float | None = None
    ) -> Iterator[Judged]:
        """Judge derived flows, a group of closed windows at a time; ``most`` replaces the alarm level."""
        self.judged_rows, self.account = {}, Account()
        shared = self.shared.begun(held_out=held_out)
        families = {k: part.begun(held_out=held_out) for k, part in self.families.items()}
        shortest = min(view.window_us for view in self.views)
        for closed in windows(self.views, frames):
            verdicts, alarms = [], []
            for family, tables in closed.tables.items():
                if closed.window_us == shortest and self.per is not None:
                    whose = self.account.own if family in self.families else self.account.unseen
                    whose[family] += tables[0][1].flows.height
                for view, table in tables:
                    own = families.get(family)
                    part = own if own is not None and own.legs_of(view) else shared
                    verdict = part.verdicts(view, table, held_out=held_out)
                    for name in verdict.scores:
                        self.judged_rows[name] = self.judged_rows.get(name, 0) + len(table)
                    verdicts.append(verdict)
                    alarms.extend(self._alarms(part, verdict, most))
            alarms.sort(key=lambda alarm: (alarm.p_value, alarm.window, alarm.addresses))
            yield Judged(closed.window_us, closed.flows, verdicts, alarms)

    def _alarms(self, part: Part, verdict: ViewVerdicts, most: float | None) -> list[Alarm]:
        normal = part.normals.get(verdict.view.name)
        if normal is None or not verdict.scores:
            return []
        rows = leg_rows(verdict.view, verdict.table)
        levels = np.full(len(rows), self.alarm_levels.get(verdict.view.name, 0.0))
        if self.error_rate is not None:
            levels = error_rate_levels(verdict.p_values, rows.windows, self.error_rate)
        if most is not None:
            levels = np.full(len(rows), most)
        return raise_alarms(
            verdict.view,
            rows,
            verdict.table.rows,
            legs=[part.fitted[name] for name in verdict.scores],
            scores=verdict.scores,
            each=verdict.each,
            p_values=verdict.p_values,
            normal=normal,
            levels=levels,
            most=most or (MOST_OF_ITSELF if self.from_itself else MOST_HINT),
            only_news=self.from_itself and most is None,
        )
