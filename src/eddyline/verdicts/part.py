"""A part of a model: the legs and the normals learned from one population of flows.

What belongs here: fitting the legs of one population, judging its rows, and its piece of a model file. What
does not: which populations there are (``pipeline.py``), levels and alarms.

Every model has one part that learned from all flows. With ``--per COLUMN`` it has one more for each value
of that column; the first judges what they cannot.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from eddyline.errors import DegradedWarning, TooFewRowsError
from eddyline.features.registry import view_named
from eddyline.features.view import View, ViewTable
from eddyline.verdicts.fuse import fuse_min
from eddyline.verdicts.judged import ViewVerdicts
from eddyline.verdicts.leg import Leg, LegRows, LegSpec
from eddyline.verdicts.methods import card
from eddyline.verdicts.normal import ViewNormal
from eddyline.verdicts.rows import leg_rows, thin
from eddyline.verdicts.saved import describe, leg_arrays, load_leg

MAX_LEG_ROWS: Final = 20_000
"""Rows that a leg is fitted and calibrated on, without an own past and where none has to be counted."""

Groups = dict[str, dict[str, NDArray[Any]]]
"""Arrays of a model file, by group and name."""


@dataclass(slots=True)
class Part:
    """What one population of flows taught.

    Parameters
    ----------
    fitted
        Its legs, by name.
    normals
        Its normal of each view, by name.
    notes
        What is to be told of a leg, by name: why it was not learned, or what it set apart.
    """

    fitted: dict[str, Leg] = field(default_factory=dict)
    normals: dict[str, ViewNormal] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)

    def legs_of(self, view: View) -> list[Leg]:
        """Give the fitted legs of a view.

        Parameters
        ----------
        view
            The view.
        """
        return [leg for leg in self.fitted.values() if leg.spec.view == view.name]

    def fit_view(
        self,
        view: View,
        specs: Sequence[LegSpec],
        rows: LegRows,
        *,
        n_rows: int,
        span_us: int,
        seed: int,
        later: bool = True,
    ) -> None:
        """Learn what is normal for one view and fit its legs; a leg with too few rows gets a note instead.

        Parameters
        ----------
        view
            The view.
        specs
            Its legs.
        rows
            Its rows, at least one.
        n_rows
            Rows there were before any were left out to save memory.
        span_us
            Time they cover, µs.
        seed
            Start of the randomness.
        later
            False when only these very rows will be judged.
        """
        self.normals[view.name] = ViewNormal.fit(view, rows, n_rows, span_us)
        for spec in specs:
            self._fit_leg(spec, rows, seed, later=later)

    def _fit_leg(self, spec: LegSpec, rows: LegRows, seed: int, *, later: bool) -> None:
        whole = spec.own or view_named(spec.view).in_order
        shown = rows if whole else thin(rows, MAX_LEG_ROWS)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DegradedWarning)
            try:
                leg = Leg.fit(spec, shown, seed, later=later)
            except TooFewRowsError as error:
                self.notes[spec.name] = str(error)
                return
        self.fitted[spec.name] = leg
        degraded = next((str(w.message) for w in caught), "")  # each part of the fit says it again
        told = [t for t in (leg.calibrator.note, card(leg, shown.entities) or degraded) if t]
        self.notes |= {spec.name: "; ".join(told)} if told else {}

    def begun(self, *, held_out: bool) -> Part:
        """Give the part for judging one input from its beginning; legs that learn meanwhile learn in copies.

        Parameters
        ----------
        held_out
            True when the input is the one it learned from.
        """
        legs = {name: leg.begun(held_out=held_out) for name, leg in self.fitted.items()}
        return Part(legs, self.normals, self.notes)

    def verdicts(self, view: View, table: ViewTable, *, held_out: bool) -> ViewVerdicts:
        """Judge a view's rows; p-values are NaN where no leg of the view was fitted.

        Parameters
        ----------
        view
            The view.
        table
            Its rows.
        held_out
            True when the rows are those it learned from.
        """
        rows = leg_rows(view, table)
        legs = self.legs_of(view)
        with ThreadPoolExecutor(max_workers=2) as pool:  # the kernels release the lock
            each_leg = pool.map(lambda leg: leg.score(rows, held_out=held_out), legs)
            scores = {leg.spec.name: found for leg, found in zip(legs, each_leg, strict=True)}
        each = {
            name: leg.p_values(rows, scores[name], held_out=held_out)
            for name, leg in zip(scores, legs, strict=True)
        }
        fused = np.full(len(rows), np.nan)
        if legs and len(rows):
            weights = np.array([leg.spec.weight for leg in legs])
            fused = fuse_min(np.column_stack(list(each.values())), weights)
        return ViewVerdicts(view, table, rows.entities, fused, scores, each)

    def parts(self, prefix: str = "") -> tuple[list[dict[str, Any]], Groups]:
        """Give the entries of the legs in a manifest, and the arrays.

        Parameters
        ----------
        prefix
            Begins the names of its groups of arrays.
        """
        entries: list[dict[str, Any]] = []
        groups: Groups = {f"{prefix}normal_{k}": n.to_arrays() for k, n in self.normals.items()}
        for number, leg in enumerate(self.fitted.values()):
            name = f"{prefix}leg{number}"
            groups[name] = leg_arrays(leg)
            entries.append(describe(leg.spec) | {"fitted_rows": leg.fitted_rows, "arrays": name})
        return entries, groups

    @classmethod
    def from_parts(
        cls,
        entries: Sequence[Mapping[str, Any]],
        groups: Groups,
        views: Sequence[View],
        notes: Mapping[str, str],
        prefix: str = "",
    ) -> Part:
        """Rebuild a part from what ``parts`` gave.

        Parameters
        ----------
        entries
            Of the legs.
        groups
            Every group of arrays of the file.
        views
            Views of the model.
        notes
            Its notes.
        prefix
            Begins the names of its groups of arrays.

        Raises
        ------
        ModelError
            When a piece is missing or could not have been fitted.
        """
        part = cls(notes={str(k): str(v) for k, v in notes.items()})
        for view in views:
            name = f"{prefix}normal_{view.name}"
            if name in groups:
                part.normals[view.name] = ViewNormal.from_arrays(groups[name], len(view.names))
        for entry in entries:
            leg = load_leg(dict(entry), groups[str(entry["arrays"])])
            part.fitted[leg.spec.name] = leg
        return part
