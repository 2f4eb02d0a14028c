"""Flows with labels become a model; the model labels flows it has not seen.

What belongs here: labelled flows to rows, keys and days, the model file, and the judged table. What does not:
any method (``classifiers``), what the figures are worth (``evaluate``), and incidents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.classifiers.day_ranks import ranked_by_day
from eddyline.classifiers.model import LeftOut, Recipe, SiteModel, fit_site_model
from eddyline.classifiers.periods import DAY_US, Split, periods_of
from eddyline.classifiers.prior import change_priors, em_priors
from eddyline.classifiers.sessions import mean_worth, trials, voted, votes_wanted
from eddyline.classifiers.trained_on import Seen, TrainedOn, digest
from eddyline.errors import DataError, ModelError
from eddyline.features.rows import FlowRows, flow_rows
from eddyline.features.sets import SETS, flow_set
from eddyline.flows.batch import FlowBatch
from eddyline.verdicts.archive import read_archive, write_archive
from eddyline.verdicts.classes import ClassNormal

MOST_RANGED: Final = 40_000
"""Normal flows that the ranges of features are taken from."""

KIND: Final = "labelled-flows"
"""What the manifest of such a model says beside the format."""

NORMAL_NAMES: Final = frozenset({"normal", "benign"})
"""Names, in lower case, of a class that is taken for normal where the user names none."""

FAMILIARITY: Final = ("familiar", "new service", "stranger")
"""Strata of rows: both keys were met in training, the pair was, nothing was."""


@dataclass(frozen=True, slots=True)
class FlowModel:
    """A site model with the features it takes.

    Parameters
    ----------
    site
        Classifier, memory and weights.
    feature_set
        Name of the set its rows come from.
    names
        Columns of that set at the training; loading with others is refused.
    recipe
        How it was trained.
    card
        What it was trained on, for people: rows, days, classes, left-out figures.
    normal
        How normal flows of left-out days were judged, to name incidents by class; None when nothing could be
        left out.
    votes
        Whether flows of a session vote where nobody says otherwise. Incidents named by class take each flow
        by itself, for they add up evidence of their own.
    trained_on
        Knows the labelled flows of the training again; None in files of earlier versions.
    """

    site: SiteModel
    feature_set: str
    names: tuple[str, ...]
    recipe: Recipe
    card: Mapping[str, Any] = field(default_factory=dict)
    normal: ClassNormal | None = None
    votes: bool = False
    trained_on: TrainedOn | None = None

    def seen(self, flows: pl.DataFrame) -> Seen | None:
        """Tell how many flows the model was trained on; None where its file does not say.

        Parameters
        ----------
        flows
            With the columns that say which flow a row is, such as what ``classify`` gives.
        """
        return None if self.trained_on is None else self.trained_on.ask(_digests(flows))

    def classify(
        self,
        batches: Iterable[FlowBatch],
        *,
        sessions: bool | None = None,
        prior_correction: bool = False,
    ) -> pl.DataFrame:
        """Give each flow its class; however the flows are cut into batches.

        Parameters
        ----------
        batches
            Flows in event-time order.
        sessions
            Whether flows of a pair's service vote, each with those before it, until ten minutes' silence;
            None for what left-out training days said (``votes``).
        prior_correction
            True to estimate how common the classes are from all these flows, and to follow it. A flow's
            verdict then depends on the others: this is transductive.

        Returns
        -------
        polars.DataFrame
            One row a flow: which it is, its ``label`` when it came with one, ``verdict``, ``familiarity``
            and ``p_<class>``.

        Raises
        ------
        DataError
            When there is no flow.
        """
        rows = flow_rows(batches, self.feature_set)
        return self.judge(rows, sessions=sessions, prior_correction=prior_correction)

    def judge(
        self, rows: FlowRows, *, sessions: bool | None = None, prior_correction: bool = False
    ) -> pl.DataFrame:
        """Give each row its class; see ``classify``.

        Parameters
        ----------
        rows
            Flows of one stream, of the model's feature set.
        sessions
            Whether flows of a session vote; None for ``votes``.
        prior_correction
            True to follow the class shares of these rows.
        """
        site = self.site
        rows = _scaled(rows, self.recipe)
        shares = site.probabilities(rows.X, rows.keys)
        if prior_correction:
            assumed = site.classifier.priors_
            shares = change_priors(shares, assumed, em_priors(shares, assumed))
        if self.votes if sessions is None else sessions:
            shares = voted(shares, rows.services, rows.frame["ts_end"].to_numpy())
        strata = site.strata(rows.keys, len(rows))
        decided = site.classes[site.decide(shares, strata)]
        told = [] if rows.labels is None else [rows.labels.alias("label")]
        return rows.frame.with_columns(
            *told,
            pl.Series("verdict", decided.astype(str)),
            pl.Series("familiarity", np.array(FAMILIARITY)[strata]),
            *(pl.Series(f"p_{name}", shares[:, k]) for k, name in enumerate(site.classes)),
        )

    def save(self, path: Path) -> None:
        """Write the model file; the same model gives the same bytes.

        Parameters
        ----------
        path
            Where to.
        """
        manifest = {
            "kind": KIND,
            "feature_set": self.feature_set,
            "names": list(self.names),
            "method": self.recipe.method,
            "params": dict(self.recipe.params),
            "memory": self.recipe.memory,
            "weighed": self.recipe.weighed,
            "beta": self.recipe.beta,
            "most_normal": self.recipe.most_normal,
            "crowding": self.recipe.crowding,
            "day_ranks": self.recipe.day_ranks,
            "grouped": self.recipe.grouped,
            "sessions": self.recipe.sessions,
            "votes": self.votes,
            "card": dict(self.card),
        }
        told = {} if self.normal is None else {"normal_flows": self.normal.to_arrays()}
        if self.trained_on is not None:
            told["trained_on"] = self.trained_on.to_arrays()
        write_archive(path, manifest, {**self.site.to_arrays(), **told})

    @classmethod
    def load(cls, path: Path) -> FlowModel:
        """Read a model file, trusting nothing in it.

        Parameters
        ----------
        path
            The file.

        Raises
        ------
        ModelError
            When it is damaged, of another kind, or made for features that are not known here.
        """
        manifest, groups = read_archive(path)
        if manifest.get("kind") != KIND:
            message = (
                f"{path.name}: must be a model made by 'eddyline train', is of the kind "
                f"{manifest.get('kind', 'baseline')!r}; train one from labelled flows"
            )
            raise ModelError(message)
        try:
            recipe = Recipe(
                method=str(manifest["method"]),
                params=dict(manifest["params"]),
                memory=bool(manifest["memory"]),
                weighed=bool(manifest["weighed"]),
                beta=float(manifest["beta"]),
                most_normal=int(manifest["most_normal"]),
                crowding=float(manifest["crowding"]),
                day_ranks=bool(manifest["day_ranks"]),
                grouped=bool(manifest["grouped"]),
                sessions=str(manifest["sessions"]),
            )
            votes = bool(manifest["votes"])
            feature_set, names = str(manifest["feature_set"]), tuple(manifest["names"])
            card = dict(manifest["card"])
            known = feature_set in SETS and names == flow_set(feature_set).names
            site = SiteModel.from_arrays(groups, recipe.method, recipe.params)
            held = groups.get("normal_flows")
            told = groups.get("trained_on")
            filtered = None if told is None else TrainedOn.from_arrays(told)
            normal = None if held is None else ClassNormal.from_arrays(held, len(names))
        except (KeyError, TypeError, ValueError) as error:
            message = f"{path.name}: must be a whole model, got {error!r}; train it again"
            raise ModelError(message) from error
        if not known:
            message = (
                f"{path.name}: was trained on other features than {feature_set!r} has; train again"
            )
            raise ModelError(message)
        return cls(site, feature_set, names, recipe, card, normal, votes, filtered)


def train(
    batches: Iterable[FlowBatch],
    *,
    recipe: Recipe | None = None,
    feature_set: str = "around",
    split: Split = "auto",
    normal: str | None = None,
) -> FlowModel:
    """Train a model on labelled flows; flows without a label only count as surroundings.

    Parameters
    ----------
    batches
        Flows in event-time order, with labels.
    recipe
        How; None for the default.
    feature_set
        Name of a set of ``features.sets``.
    split
        What is left out together. ``group`` keeps pairs of hosts whole and remembers none of them: for
        traffic whose addresses will not come again.
    normal
        Label of the normal class; None for the one called normal or benign, else the commonest.

    Raises
    ------
    DataError
        When no flow has a label, or days are to be left out and there is one only.
    """
    rows = flow_rows(batches, feature_set)
    return train_rows(rows, recipe=recipe, feature_set=feature_set, split=split, normal=normal)


def train_rows(
    rows: FlowRows,
    *,
    recipe: Recipe | None = None,
    feature_set: str = "around",
    split: Split = "auto",
    normal: str | None = None,
) -> FlowModel:
    """Train on rows that were made already; see ``train``.

    Parameters
    ----------
    rows
        Labelled flows in event-time order.
    recipe
        How; None for the default.
    feature_set
        The set that the rows come from.
    split
        What is left out together.
    normal
        Label of the normal class; None for the one called normal or benign, else the commonest.

    Raises
    ------
    DataError
        When no flow has a label, or days are to be left out and there is one only.
    """
    if rows.labels is None:
        message = (
            "flows must have labels to train on, got none; see the column label of the record"
        )
        raise DataError(message)
    chosen = recipe or Recipe()
    if split == "group":
        chosen = replace(chosen, memory=False)
    votes_wanted(chosen.sessions, ())  # a wrong choice is told before anything is trained
    rows = _scaled(rows, chosen)
    assert rows.labels is not None  # noqa: S101 - as above
    labelled = rows.labels.is_not_null().to_numpy()
    y = rows.labels.drop_nulls().to_numpy().astype(np.str_)
    keys = [key[labelled] for key in rows.keys]
    normal = _called_normal(y) if normal is None else normal
    times = rows.frame["ts_end"].to_numpy()[labelled]
    periods = periods_of(times, keys[0], split)
    site = fit_site_model(rows.X[labelled], y, keys, periods, recipe=chosen, normal=normal)
    tried = trials(site, np.searchsorted(site.classes, y), keys[-1], times)
    votes = votes_wanted(chosen.sessions, tried)
    card = {
        "rows": len(y),
        "unlabelled": int((~labelled).sum()),
        "classes": {str(k): int((y == k).sum()) for k in site.classes},
        "normal": str(site.classes[site.normal]),
        "split": split,
        "periods": site.periods,
        "left_out": [_told(part) for part in site.left_out],
        "sessions": {
            "vote": votes,
            "mean": mean_worth(tried) if tried else None,
            "tried": [asdict(trial) for trial in tried],
        },
    }
    names = flow_set(feature_set).names
    kept = np.flatnonzero(labelled)
    told = _normal_flows(rows, kept, y, site)
    filtered = TrainedOn.of(_digests(rows.frame.filter(pl.Series(labelled))))
    return FlowModel(site, feature_set, names, chosen, card, told, votes, filtered)


def _digests(flows: pl.DataFrame) -> NDArray[np.uint64]:
    """Tell flows apart by their hosts, ports, protocol and times: a reader may number them anew."""
    texts = flows.select(pl.col("src_ip", "dst_ip", "proto").cast(pl.String))
    numbers = flows.select(pl.col("ts", "ts_end", "src_port", "dst_port").cast(pl.Int64))
    return digest([*texts.to_numpy().T], [*numbers.fill_null(-1).to_numpy().T])


def _normal_flows(
    rows: FlowRows, labelled: NDArray[Any], y: NDArray[np.str_], site: SiteModel
) -> ClassNormal | None:
    """Give what left-out models said of normal flows; None when nothing normal was left out."""
    normal = y == site.classes[site.normal]
    parts = [_called(rows, labelled, part, site, normal) for part in site.left_out]
    told = pl.concat(parts) if parts else None
    if told is None or not told.height:
        return None
    places = labelled[normal]
    step = -(-len(places) // MOST_RANGED)
    return ClassNormal.fit(told, rows.X[places[::step]])


def _called(
    rows: FlowRows,
    labelled: NDArray[Any],
    part: LeftOut,
    site: SiteModel,
    normal: NDArray[np.bool_],
) -> pl.DataFrame:
    """Give what each normal flow of a left-out period was called, and the odds of that."""
    kept = normal[part.rows]
    frame = rows.frame.select("src_ip", "dst_ip", "ts_end")[labelled[part.rows[kept]]]
    odds = part.odds[kept]
    best = odds.argmax(axis=1)
    called = pl.Series("called", site.classes[best].astype(str))
    return frame.with_columns(
        pl.select(pl.when(pl.Series(best != site.normal)).then(called)).to_series(),
        pl.Series("odds", odds.max(axis=1)),
    )


def _scaled(rows: FlowRows, recipe: Recipe) -> FlowRows:
    """Give rows with each day ranked by itself, where the recipe says so."""
    if not recipe.day_ranks:
        return rows
    days = rows.frame["ts_end"].to_numpy() // DAY_US
    return replace(rows, X=ranked_by_day(rows.X, days))


def _called_normal(y: NDArray[np.str_]) -> str | None:
    """Give the one class that is called normal; None when there is none or several."""
    named = [str(name) for name in np.unique(y) if name.strip().lower() in NORMAL_NAMES]
    return named[0] if len(named) == 1 else None


def _told(part: LeftOut) -> dict[str, Any]:
    """Give a left-out period's figures for the card."""
    hits = np.diag(part.confusion)
    size = part.confusion.sum(axis=0) + part.confusion.sum(axis=1)
    scores = np.divide(2.0 * hits, size, out=np.zeros(len(hits)), where=size > 0)
    return {"period": part.period, "confusion": part.confusion.tolist(), "f1": scores.tolist()}
