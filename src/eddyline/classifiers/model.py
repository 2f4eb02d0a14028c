"""A trained site model: a classifier, what it remembers of keys, and the weights of its decisions.

What belongs here: the order of the parts, and what left-out days say of them. What does not: flows and files
(``supervised.py``), any one method, and the features.

The parts, in order: columns of memory beside the features; the classifier; probabilities under other class
shares, where the caller asks for it; votes of sessions (``sessions.py``), where left-out days speak for them;
decision weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from eddyline.classifiers.classifier import Classifier, sound_array
from eddyline.classifiers.crowds import crowd_weights
from eddyline.classifiers.memory import Memory, columns_of_others
from eddyline.classifiers.registry import classifier_class
from eddyline.classifiers.weights import Part, macro_f, stratum_weights
from eddyline.errors import DataError, ModelError
from eddyline.tables import Floats, Integers

LEAST_MASS: Final = 1e-12
"""Weighted probability below which a class is not told less likely."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a site model is trained.

    Parameters
    ----------
    method
        Name of a classifier.
    params
        Its arguments.
    memory
        Whether keys are remembered.
    weighed
        Whether decision weights are sought on left-out periods.
    beta
        Recall weighs ``beta ** 2`` times precision in the search for decision weights, ``> 0``.
    most_normal
        Normal rows that the classifier learns from, ``>= 1``; more are thinned out evenly, and those kept
        weigh accordingly. The memory takes all.
    crowding
        How much rows of one finest key and period, near copies of each other, weigh less in the classifier:
        each weighs ``n ** -crowding`` of n such rows, in [0, 1]; 1 lets them count as one together.
    day_ranks
        Whether features are ranked within each day before anything else; verdicts are transductive then.
    grouped
        Whether the classifier, too, sets whole periods aside to know when to stop; for those that would
        otherwise set rows aside, near copies of the ones they learn.
    sessions
        Whether flows of a session vote: ``on``, ``off``, or ``auto`` for what left-out periods say.
    """

    method: str = "boosting"
    params: Mapping[str, Any] = field(default_factory=dict)
    memory: bool = True
    weighed: bool = False
    beta: float = 1.0
    most_normal: int = 40_000
    crowding: float = 1.0
    day_ranks: bool = False
    grouped: bool = False
    sessions: str = "auto"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What a period looked like to a model that had not seen it.

    Parameters
    ----------
    period
        Its number.
    confusion
        Rows = true, columns = decided with the final weights, shape ``(k, k)``.
    rows
        Places of its rows among those that were trained on, shape ``(n,)``.
    odds
        What ``SiteModel.odds`` says of them with the final weights, shape ``(n, k)``.
    part
        Probabilities, truth and strata, as the model that had not seen the period gave them.
    """

    period: int
    confusion: Integers
    rows: Integers
    odds: Floats
    part: Part


@dataclass(frozen=True, slots=True)
class SiteModel:
    """What ``fit_site_model`` gives.

    Parameters
    ----------
    classifier
        Fitted on features and columns of memory.
    memories
        One a kind of key, from the coarse to the fine; empty when nothing is remembered. The coarsest gives
        columns to the classifier, all tell the familiar from the strange: on left-out days of LUFlow columns
        of the finer key were worth nothing beside those of the pair, as strata both were.
    weights
        Weight of each class by stratum, shape ``(1 + memories, k)``, ``> 0``: row s holds for rows of which
        s kinds of keys were never met.
    normal
        Place of the normal class.
    periods
        Days that were remembered.
    left_out
        What left-out periods said; empty when there was one period only.
    """

    classifier: Classifier
    memories: tuple[Memory, ...]
    weights: Floats
    normal: int
    periods: int
    left_out: tuple[LeftOut, ...] = ()

    @property
    def classes(self) -> NDArray[Any]:
        """The classes, in the order of the probabilities' columns."""
        return self.classifier.classes_

    def probabilities(self, X: ArrayLike, keys: Sequence[ArrayLike]) -> Floats:
        """Give each row's class probabilities under the classifier's own class shares.

        Parameters
        ----------
        X
            Features, shape ``(n, d)``.
        keys
            Keys of each row, one array a memory; ignored when nothing is remembered.
        """
        return self.classifier.predict_proba(self.with_memory(np.asarray(X), keys))

    def strata(self, keys: Sequence[ArrayLike], n: int) -> Integers:
        """Count the kinds of keys of each row that were never met, shape ``(n,)``.

        Parameters
        ----------
        keys
            Keys of each row, one array a memory.
        n
            Number of rows.
        """
        return strata_of(self.memories, keys, n)

    def decide(self, probabilities: ArrayLike, strata: Integers) -> Integers:
        """Give the place of each row's class, by the weights of its stratum.

        Parameters
        ----------
        probabilities
            Shape ``(n, k)``, perhaps voted or under other shares.
        strata
            What ``strata`` gave.
        """
        weighted = np.asarray(probabilities, np.float64) * self.weights[strata]
        decided: Integers = weighted.argmax(axis=1).astype(np.int64)
        return decided

    def odds(self, probabilities: ArrayLike, strata: Integers) -> Floats:
        """Give how much each class outweighs the normal one, in nats; above 0 where it is decided for.

        Parameters
        ----------
        probabilities
            Shape ``(n, k)``.
        strata
            What ``strata`` gave.
        """
        weighted = np.asarray(probabilities, np.float64) * self.weights[strata]
        logs = np.log(np.maximum(weighted, LEAST_MASS))
        return np.asarray(logs - logs[:, [self.normal]])

    def to_arrays(self) -> dict[str, dict[str, NDArray[Any]]]:
        """Give the state as groups of arrays, without code."""
        own = {
            "weights": self.weights,
            "normal": np.array(self.normal),
            "periods": np.array(self.periods),
        }
        kept = {f"memory_{place}": m.to_arrays() for place, m in enumerate(self.memories)}
        return {"classifier": self.classifier.to_arrays(), "model": own, **kept}

    @classmethod
    def from_arrays(
        cls,
        groups: Mapping[str, Mapping[str, NDArray[Any]]],
        method: str,
        params: Mapping[str, Any],
    ) -> SiteModel:
        """Build a model from what ``to_arrays`` gave.

        Parameters
        ----------
        groups
            The state; checked before use.
        method
            Name of the classifier.
        params
            Its arguments.

        Raises
        ------
        ModelError
            When a part is missing or could not have been trained.
        """
        own = groups.get("model", {})
        classifier = classifier_class(method).from_arrays(groups.get("classifier", {}), params)
        n_classes = len(classifier.classes_)
        weights = sound_array(classifier, own, "weights")
        normal = sound_array(classifier, own, "normal")
        periods = sound_array(classifier, own, "periods")
        n_memories = sum(name.startswith("memory_") for name in groups)
        memories = tuple(
            Memory.from_arrays(groups.get(f"memory_{place}", {}), n_classes)
            for place in range(n_memories)
        )
        if weights.shape != (1 + n_memories, n_classes) or not (weights > 0).all():
            message = f"a saved model must hold weights > 0 by stratum and class, got {weights}"
            raise ModelError(message)
        if normal.shape != () or not 0 <= int(normal) < n_classes or int(periods) < 1:
            message = (
                f"a saved model must name its normal class and periods, got {normal}, {periods}"
            )
            raise ModelError(message)
        return cls(classifier, memories, weights.astype(np.float64), int(normal), int(periods))

    def with_memory(self, X: NDArray[Any], keys: Sequence[ArrayLike]) -> NDArray[Any]:
        """Give the rows as the classifier takes them: features, then what is remembered of the pair.

        Parameters
        ----------
        X
            Features, shape ``(n, d)``.
        keys
            Keys of each row, one array a memory.
        """
        if not self.memories:
            return X
        columns = self.memories[0].columns(keys[0], normal=self.normal, periods=self.periods)
        return np.concatenate([X, columns], axis=1).astype(X.dtype)


def fit_site_model(
    X: NDArray[Any],
    y: ArrayLike,
    keys: Sequence[ArrayLike],
    periods: ArrayLike,
    *,
    recipe: Recipe,
    normal: str | int | None = None,
) -> SiteModel:
    """Train on labelled rows, and let left-out periods set the decision weights.

    Parameters
    ----------
    X
        Features, shape ``(n, d)``, rows in the order of time.
    y
        Label of each row.
    keys
        Keys of each row, from the coarse to the fine, one array of texts a kind.
    periods
        Day of each row, whole numbers.
    recipe
        How.
    normal
        Label of the normal class; None for the commonest.

    Raises
    ------
    DataError
        When no row has the normal label, or there are fewer than two classes.
    """
    classes, codes = np.unique(np.asarray(y), return_inverse=True)
    codes = codes.astype(np.int64)
    wanted = classes[np.bincount(codes).argmax()] if normal is None else normal
    if wanted not in classes:
        shown = ", ".join(map(str, classes))
        message = f"the normal class must be one of {shown}, got {wanted!r}; name one of them"
        raise DataError(message)
    place = int(np.flatnonzero(classes == wanted)[0])
    days = np.unique(np.asarray(periods), return_inverse=True)[1].astype(np.int64)
    names = [np.asarray(kind, np.str_) for kind in keys] if recipe.memory else []
    alike = crowd_weights(keys, days, recipe.crowding)
    model = _fit_once(X, codes, names, days, alike, recipe, classes=classes, normal=place)
    if days.max() == 0:
        return model
    seen: list[tuple[int, Part]] = []
    for day in range(int(days.max()) + 1):
        inside = days != day
        if len(np.unique(codes[inside])) < len(classes):
            continue
        part = _fit_once(
            X[inside],
            codes[inside],
            [kind[inside] for kind in names],
            days[inside],
            alike[inside],
            recipe,
            classes=classes,
            normal=place,
        )
        outside = [kind[~inside] for kind in names]
        probabilities = part.probabilities(X[~inside], outside)
        strata = part.strata(outside, int((~inside).sum()))
        seen.append((day, Part(probabilities, codes[~inside], strata)))
    return _weighed(model, seen, days, recipe)


def strata_of(memories: Sequence[Memory], keys: Sequence[ArrayLike], n: int) -> Integers:
    """Count the kinds of keys of each row that were never met.

    Parameters
    ----------
    memories
        One a kind of key.
    keys
        Keys of each row, one array a memory.
    n
        Number of rows.
    """
    strata = np.zeros(n, np.int64)
    for memory, names in zip(memories, keys if memories else (), strict=True):
        strata += ~memory.met(names)
    return strata


def _fit_once(
    X: NDArray[Any],
    codes: Integers,
    names: Sequence[NDArray[np.str_]],
    days: Integers,
    alike: Floats,
    recipe: Recipe,
    *,
    classes: NDArray[Any],
    normal: int,
) -> SiteModel:
    rows = X
    if names:
        columns = columns_of_others(names[0], codes, days, n_classes=len(classes), normal=normal)
        rows = np.concatenate([X, columns], axis=1).astype(X.dtype)
    kept, weight = _thinned(codes, normal, recipe.most_normal)
    classifier = classifier_class(recipe.method)(**recipe.params)
    groups = days[kept] if recipe.grouped and len(np.unique(days)) > 1 else None
    classifier.fit(rows[kept], classes[codes[kept]], weight * alike[kept], groups=groups)
    memories = tuple(Memory.of(kind, codes, len(classes)) for kind in names)
    weights = np.ones((1 + len(memories), len(classes)))
    n_days = len(np.unique(days))
    return SiteModel(classifier, memories, weights, normal, n_days)


def _thinned(codes: Integers, normal: int, most: int) -> tuple[Integers, Floats]:
    """Give the rows to learn from and their weights: every n-th of the normal ones when they are many."""
    places = np.flatnonzero(codes == normal)
    step = -(-len(places) // most)
    kept = np.sort(np.concatenate([np.flatnonzero(codes != normal), places[:: max(step, 1)]]))
    share = len(places) / max(len(places[:: max(step, 1)]), 1)
    return kept, np.where(codes[kept] == normal, share, 1.0)


def _weighed(
    model: SiteModel, seen: Sequence[tuple[int, Part]], days: Integers, recipe: Recipe
) -> SiteModel:
    """Set the decision weights by the left-out periods, and account for these."""
    weights = model.weights
    teaching = [one for one in seen if len(np.unique(one[1].codes)) > 1]
    if recipe.weighed and teaching:
        weights = stratum_weights(
            [part for _, part in teaching],
            len(weights),
            reference=model.normal,
            objective=lambda confusion: macro_f(confusion, recipe.beta),
        )
    final = SiteModel(model.classifier, model.memories, weights, model.normal, model.periods)
    told = []
    for day, part in seen:
        confusion = np.zeros((weights.shape[1],) * 2, np.int64)
        decided = final.decide(part.probabilities, part.strata)
        np.add.at(confusion, (part.codes, decided), 1)
        odds = final.odds(part.probabilities, part.strata)
        told.append(LeftOut(day, confusion, np.flatnonzero(days == day), odds, part))
    return SiteModel(
        model.classifier, model.memories, weights, model.normal, model.periods, tuple(told)
    )
