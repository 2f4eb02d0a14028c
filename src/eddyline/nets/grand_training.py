"""GRAnD: train a variational autoencoder while setting apart the rows that it finds strange.

What belongs here: the rounds of splitting and learning, the three readings of the loss, the rules that keep
it safe. What does not: where the fences stand, which the caller decides from the energies.

The rows that are asked between two rounds are known when a round starts, so only they and as many others as
the fences need are measured: a round costs the same however many rows there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from eddyline.errors import DataError, UsageError
from eddyline.nets.density_training import (
    Course,
    Descent,
    Shuffler,
    Singles,
    Trained,
    free_energies,
    freeze,
)
from eddyline.nets.determinism import deterministic, numpy_generator, torch_generator
from eddyline.nets.variational import Variational

LIKELY, UNCERTAIN, REJECTED = 0, 1, 2
"""The groups L, U and S."""

MOST_STRANGE: Final = 0.30
"""Share of U and S above which there is no majority of usual rows to lean on."""

LEAST_LIKELY: Final = 0.50
"""Share of L below which training stops with an error."""

FAR_BEYOND: Final = 3.0
"""Times m that a group's mean energy may reach. Near m the absolute value holds it there, which is wanted:
held by the hinge from the first time that a mean passed m, NSL-KDD lost one to three points. Far above, as
with plain z-scores of heavy tails, it would teach the net the very rows that were set apart."""

EMPTY_ROUNDS: Final = 5
"""Rounds with an empty S after which it is told."""

Reading = Literal["means", "pooled", "hinge", "trim"]
"""How the groups enter the loss: A, B and C of the readings, or only L."""


@dataclass(frozen=True, slots=True)
class Fences:
    """Where the groups end.

    Parameters
    ----------
    watch
        u: rows at or below it are likely usual.
    alarm
        z_q: rows above it are rejected; infinite when the tail cannot be told.
    shape
        gamma of the tail, NaN without one.
    """

    watch: float
    alarm: float
    shape: float


@dataclass(frozen=True, slots=True)
class GrandPlan:
    """How to set rows apart.

    Parameters
    ----------
    fences
        Gives the fences from energies of shape ``(n,)``.
    warm_steps
        Steps before the first round; counted in steps, since after too many the net knows the attacks.
    period
        Steps between rounds, >= 1.
    reading
        How the groups enter the loss.
    bound
        m, the energy beyond which rejected rows are not pushed; None for ``bound_over_watch`` times u at the
        first round.
    bound_over_watch
        m / u, > 1.
    filter_rows
        Most rows whose energy is measured in a round, never fewer than are asked until the next.
    """

    fences: Callable[[NDArray[np.float64]], Fences]
    warm_steps: int = 75
    period: int = 24
    reading: Reading = "means"
    bound: float | None = None
    bound_over_watch: float = 5.0
    filter_rows: int = 8_000


@dataclass(frozen=True, slots=True)
class Round:
    """What one round did; the card of a fit is a list of these.

    Parameters
    ----------
    step
        Step at which it happened.
    n_likely, n_uncertain, n_rejected
        Rows of L, U and S among those measured.
    watch, alarm, shape
        The fences.
    mean_likely, mean_uncertain, mean_rejected
        Mean energy of the groups, NaN for an empty one.
    """

    step: int
    n_likely: int
    n_uncertain: int
    n_rejected: int
    watch: float
    alarm: float
    shape: float
    mean_likely: float
    mean_uncertain: float
    mean_rejected: float


@dataclass(slots=True)
class Grand:
    """The state of the rounds.

    Parameters
    ----------
    plan
        How to set rows apart.
    n_rows
        Rows of the training.
    """

    plan: GrandPlan
    n_rows: int
    group: NDArray[np.int8] = field(init=False)
    weight: Singles = field(init=False)
    bound: float = field(init=False, default=float("nan"))
    rounds: list[Round] = field(init=False, default_factory=list)
    told: dict[str, str] = field(init=False, default_factory=dict)
    filtering: bool = field(init=False, default=True)
    held: set[int] = field(init=False, default_factory=set)
    _empty: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.group = np.zeros(self.n_rows, np.int8)
        self.weight = np.zeros(self.n_rows, np.float32)

    def split(self, step: int, chosen: NDArray[np.int64], energy: NDArray[np.float64]) -> None:
        """Deal measured rows to the groups.

        Parameters
        ----------
        step
            Where training stands.
        chosen
            Row numbers that were measured.
        energy
            Their energies.

        Raises
        ------
        UsageError
            When m does not exceed u.
        DataError
            When less than half of the rows are likely usual.
        """
        fences = self.plan.fences(energy)
        group = (energy > fences.watch).astype(np.int8) + (energy > fences.alarm)
        uncertain = group == UNCERTAIN
        weight = np.zeros(len(energy), np.float32)
        order = np.argsort(energy[uncertain], kind="stable")
        ranks = np.empty(len(order))
        ranks[order] = np.arange(1, len(order) + 1)
        weight[uncertain] = ranks / max(len(order), 1)
        self.group[chosen], self.weight[chosen] = group, weight
        if not self.rounds:
            self.bound = self._first_bound(fences)
        self.rounds.append(_round(step, fences, group, energy))
        self._keep_safe()

    def coefficients(self, energy: Tensor, chosen: NDArray[np.int64]) -> Tensor:
        """Give the factor by which each row's energy enters the loss, without gradient.

        Parameters
        ----------
        energy
            Energies of a batch.
        chosen
            Their row numbers.
        """
        n = len(chosen)
        if not self.rounds or not self.filtering:
            return torch.full((n,), 1.0 / n)
        values = energy.detach().numpy()
        group, weight = self.group[chosen], self.weight[chosen]
        reading = self.plan.reading
        out = np.zeros(n, np.float32)
        likely = group == LIKELY
        pooled = reading == "pooled"
        out[likely] = 1.0 / (n if pooled else max(int(likely.sum()), 1))
        if reading == "trim":
            return torch.from_numpy(out)
        for kind in (UNCERTAIN, REJECTED):
            members = group == kind
            size = int(members.sum())
            if not size:
                continue
            share = weight[members] if kind == UNCERTAIN else 1.0
            if reading == "hinge" or kind in self.held:
                direction = -(values[members] < self.bound).astype(np.float32)
            elif pooled:
                direction = np.sign(values[members] - self.bound)
            else:
                direction = np.sign(values[members].mean() - self.bound)
            out[members] = direction * share / (n if pooled else size)
        return torch.from_numpy(out)

    def _first_bound(self, fences: Fences) -> float:
        bound = self.plan.bound
        if bound is None:
            bound = self.plan.bound_over_watch * fences.watch
        if not bound > fences.watch:
            message = (
                f"the bound m must exceed the fence u of the first round, got m {bound:.4g} and u "
                f"{fences.watch:.4g}; give a larger bound or leave it to bound_over_watch"
            )
            raise UsageError(message)
        return bound

    def _keep_safe(self) -> None:
        """Stop, hold or tell where the last round breaks a rule."""
        last = self.rounds[-1]
        n = last.n_likely + last.n_uncertain + last.n_rejected
        strange = (last.n_uncertain + last.n_rejected) / n
        if strange > 1 - LEAST_LIKELY:
            message = (
                f"at least half of the rows must be likely usual, got {1 - strange:.0%} at step "
                f"{last.step}; learn from traffic with fewer attacks, or use isolation_forest"
            )
            raise DataError(message)
        if strange > MOST_STRANGE:
            self.filtering = False
            self.told["share"] = (
                f"{strange:.0%} of the rows lay beyond the fence at step {last.step}; nothing was "
                f"set apart from there on"
            )
        self._empty = 0 if last.n_rejected else self._empty + 1
        if self._empty >= EMPTY_ROUNDS:
            self.told.setdefault(
                "empty", f"no row was rejected in {EMPTY_ROUNDS} rounds up to step {last.step}"
            )
        means = {UNCERTAIN: last.mean_uncertain, REJECTED: last.mean_rejected}
        names = {UNCERTAIN: "uncertain", REJECTED: "rejected"}
        for kind, mean in means.items():
            if mean > FAR_BEYOND * self.bound and kind not in self.held:
                self.held.add(kind)
                self.told[names[kind]] = (
                    f"the {names[kind]} rows' mean energy {mean:.4g} lay far beyond the "
                    f"bound {self.bound:.4g} at step {last.step}; from there on none is pulled back"
                )


def train_grand(
    rows: Singles, net: Variational, course: Course, seed: int, plan: GrandPlan
) -> tuple[Trained, Grand]:
    """Train with rounds of splitting; the history of losses is the mean energy of the likely rows.

    Parameters
    ----------
    rows
        Scaled rows, shape ``(n, width)``.
    net
        Fresh net.
    course
        How long and how fast.
    seed
        Start of the randomness.
    plan
        How to set rows apart.

    Raises
    ------
    UsageError, DataError
        As ``Grand.split``; also when a loss is not finite.
    """
    with deterministic():
        table = torch.from_numpy(rows)
        descent, grand = Descent(net, course), Grand(plan, len(rows))
        rng = numpy_generator(seed, "filter")
        shuffler = Shuffler(len(rows), numpy_generator(seed, "batches"))
        noise = torch_generator(seed, "noise")
        batch = min(course.batch, len(rows))
        for step in range(course.steps):
            since = step - plan.warm_steps
            if grand.filtering and since >= 0 and since % plan.period == 0:
                chosen = _measured(shuffler.ahead(plan.period * batch), len(rows), plan, rng)
                energy = free_energies(net, table[torch.from_numpy(chosen)])
                grand.split(step, chosen, energy.double().numpy())
            dealt = shuffler.take(batch)
            part = table[torch.from_numpy(dealt)]
            energy = net.free_energy(part, torch.randn(batch, net.latent, generator=noise))
            likely = torch.from_numpy(grand.group[dealt] == LIKELY)
            shown = energy.detach()[likely].mean() if likely.any() else energy.detach().mean()
            descent.step((grand.coefficients(energy, dealt) * energy).sum(), shown)
        return freeze(net, descent), grand


def _measured(
    ahead: NDArray[np.int64], n_rows: int, plan: GrandPlan, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Choose the rows of a round: all, or those asked next and others drawn at random."""
    if n_rows <= max(plan.filter_rows, len(ahead)):
        return np.arange(n_rows)
    measured = np.zeros(n_rows, np.bool_)
    measured[ahead] = True
    n_coming = int(np.count_nonzero(measured))
    measured[rng.integers(n_rows, size=max(plan.filter_rows - n_coming, 0))] = True
    return np.flatnonzero(measured)


def _round(
    step: int, fences: Fences, group: NDArray[np.int8], energy: NDArray[np.float64]
) -> Round:
    sizes = [int((group == kind).sum()) for kind in (LIKELY, UNCERTAIN, REJECTED)]
    means = [
        float(energy[group == kind].mean()) if size else float("nan")
        for kind, size in zip((LIKELY, UNCERTAIN, REJECTED), sizes, strict=True)
    ]
    return Round(
        step=step,
        n_likely=sizes[0],
        n_uncertain=sizes[1],
        n_rejected=sizes[2],
        watch=fences.watch,
        alarm=fences.alarm,
        shape=fences.shape,
        mean_likely=means[0],
        mean_uncertain=means[1],
        mean_rejected=means[2],
    )
