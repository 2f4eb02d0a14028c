"""Published experiments: their figures, and ours beside them.

What belongs here: what was published and where, which of our figures stands beside which, and what may be
said of the pair. What does not: running anything (``papers_run.py``) and pages (``report/papers.py``).

A published figure is quoted with its source. Ours stands beside it as *same* where data and protocol are the
published ones as far as they are known, else as *stand-in*, with what differs; a stand-in confirms nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eddyline.evaluate.bands import Band, band
from eddyline.evaluate.contamination import DEFAULT_METHOD, Run as DensityRun, method_named
from eddyline.evaluate.corpora.luflow import TASKS
from eddyline.evaluate.nad2021 import ROWS as NAD_ROWS, NadRun
from eddyline.evaluate.scores import LUFLOW_COST, challenge_score
from eddyline.evaluate.sequences_tables import Figure
from eddyline.evaluate.shift import Run as ShiftRun

LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Paper:
    """A published experiment.

    Parameters
    ----------
    name
        As ``--only`` takes it.
    cite
        Authors, year, title.
    asks
        The question of the experiment, in a sentence.
    data
        Data that it was published on.
    beside
        What our run differs in; ``same`` or ``stand-in`` first.
    needs
        What must lie in the folder of the data.
    command
        The command that runs this experiment alone.
    """

    name: str
    cite: str
    asks: str
    data: str
    beside: str
    needs: str
    command: str


GRAND: Final = Paper(
    "contamination",
    "Najari, Berlemont, Lefebvre, Duffner, Garcia (2022), Robust Variational Autoencoders and Normalizing "
    "Flows for Unsupervised Network Anomaly Detection",
    "What are densities worth that learned from traffic with 0 to 15 % attacks?",
    "NSL-KDD",
    "same: the published files; the draw of the attacks is not told in the paper, ours is from all training "
    "attacks, and skewed columns are put on a logarithmic scale",
    "nsl-kdd",
    "eddyline bench contamination DATA/nsl-kdd",
)
RADFORD: Final = Paper(
    "sequences",
    "Radford, Apolonio, Trias, Simpson (2018), Network Traffic Anomaly Detection Using Recurrent Neural "
    "Networks; Radford, Richardson, Davis (2018), Sequence Aggregation Rules for Anomaly Detection in "
    "Computer Network Traffic",
    "Does a language model of a pair's flows rank hours with attacks first, and does it need a net?",
    "ISCX IDS 2012 (given out on request)",
    "stand-in: six labelled Zeek captures, hours of pairs with ten flows or more; other traffic and other "
    "attacks, so the figures need not agree",
    "zeek",
    "eddyline bench sequences DATA/zeek --models all",
)
CHALLENGE: Final = Paper(
    "nad2021",
    "ZYELL network anomaly detection challenge at ICASSP 2021, official scores as told by the teams",
    "Which classifier names five classes best on later days?",
    "ZYELL-NCTU NetTraffic 1.0 (under a signed agreement), January 2021",
    "stand-in: the labels of the test days are secret; each labelled day of December 2020 is left out once",
    "nad2021 (1203_firewall.csv and others)",
    "eddyline bench nad2021 --data DIR",
)
SHIFT: Final = Paper(
    "shift",
    "the same challenge; LUFlow: Mills, Marchang, Race (2021)",
    "What do surroundings, memory and votes add on a later day, where everybody may measure it?",
    "LUFlow",
    "stand-in: three classes and other costs than the challenge; no figure was published for these tasks",
    "luflow",
    "eddyline bench shift --data DATA/luflow",
)
PAPERS: Final = (GRAND, RADFORD, CHALLENGE, SHIFT)
"""Every experiment, in the order of the report."""

SHARES: Final = (0.0, 0.05, 0.10, 0.15)

AUROC: Final[Mapping[str, tuple[str | None, tuple[float, ...]]]] = {
    "isolation forest": ("scikit_forest", (0.860, 0.855, 0.854, 0.847)),
    "one-class machine": (None, (0.849, 0.834, 0.833, 0.827)),
    "VAE": ("vae", (0.931, 0.874, 0.886, 0.852)),
    "DAGMM": ("dagmm", (0.923, 0.898, 0.907, 0.883)),
    "RVAE, beta divergence": ("rvae_beta", (0.940, 0.910, 0.909, 0.909)),
    "GRAnD on a VAE": ("grand", (0.925, 0.937, 0.938, 0.937)),
    "GRAnD on planar flows": ("grand_flow", (0.927, 0.939, 0.939, 0.938)),
}
"""AUROC on NSL-KDD by share of attacks, read off a figure of the paper (±0.001), with our rival."""

EDITIONS: Final = ("rvae", DEFAULT_METHOD)
"""Rivals of ours without a published figure that stand in the same table."""

DYAD_HOURS: Final = {"dirty": 0.84, "clean": 0.78}
"""AUC of the published net on hours of pairs, tokens of protocol and bytes, by what was learned from."""

SEQUENCE_MODELS: Final = ("Radford", "frequency", "n-gram 2")
"""The published net, the second paper's alternative, and the counted model of ours."""

OFFICIAL: Final = (
    ("boosting, counts of hosts, dynamic votes (the first place's eighth try)", 0.6494),
    ("boosting and TabTransformer on features of time", 0.625),
    ("three boostings stacked, features of sessions", 0.6213),
    ("boosting on 66 raw columns", 0.5220),
    ("self-normalising net, Shake-Shake, moments matched", 0.3866),
)
"""Official scores on the challenge's test days."""


@dataclass(slots=True)
class Found:
    """What was measured so far, by experiment.

    Parameters
    ----------
    densities, sequences, challenge, shift
        Runs; empty where nothing was measured.
    not_run
        Why an experiment has no or not all runs, by its name.
    """

    densities: Sequence[DensityRun] = ()
    sequences: Sequence[Figure] = ()
    challenge: Sequence[NadRun] = ()
    shift: Sequence[ShiftRun] = ()
    not_run: dict[str, str] = field(default_factory=dict)


def cells(found: Found) -> list[dict[str, Any]]:
    """Give every pair of a published figure and ours; either may be None.

    Parameters
    ----------
    found
        What was measured.

    Returns
    -------
    list of dict
        ``paper, row, setting, figure, published, ours`` with ``ours`` as mean, low, high and seeds.
    """
    return [
        *_contamination(found.densities),
        *_sequences(found.sequences),
        *_challenge(found.challenge),
        *_shift(found.shift),
    ]


def _cell(
    paper: Paper, row: str, setting: str, figure: str, published: float | None, ours: Any
) -> dict[str, Any]:
    return {
        "paper": paper.name,
        "row": row,
        "setting": setting,
        "figure": figure,
        "published": published,
        "ours": ours,
    }


def _told(values: Sequence[float]) -> dict[str, Any] | None:
    """Give the mean over seeds with its band, inside 0 and 1 as all these figures; one run has none."""
    if not values:
        return None
    if len(values) == 1:
        return {"mean": float(values[0]), "low": None, "high": None, "seeds": 1}
    found: Band = band(values, level=LEVEL)
    low, high = max(found.low, 0.0), min(found.high, 1.0)
    return {"mean": found.mean, "low": low, "high": high, "seeds": found.n}


def _contamination(runs: Sequence[DensityRun]) -> Iterator[dict[str, Any]]:
    kept = [run for run in runs if (run.protocol, run.preprocessing) == ("full", "log")]

    def ours(method: str | None, share: float) -> dict[str, Any] | None:
        mine = [run.auroc for run in kept if run.method == method and run.share == share]
        return _told(mine)

    for row, (method, published) in AUROC.items():
        for share, value in zip(SHARES, published, strict=True):
            setting = f"{share:.0%} attacks learned"
            yield _cell(GRAND, row, setting, "AUROC", value, ours(method, share))
    for method in EDITIONS:
        for share in SHARES:
            title = f"{method_named(method).title} (ours)"
            setting = f"{share:.0%} attacks learned"
            yield _cell(GRAND, title, setting, "AUROC", None, ours(method, share))


def _sequences(figures: Sequence[Figure]) -> Iterator[dict[str, Any]]:
    for regime, value in DYAD_HOURS.items():
        for model in SEQUENCE_MODELS:
            mine = next(
                (
                    one
                    for one in figures
                    if (one.unit, one.regime, one.model, one.tokens, one.score)
                    == ("dyad-hours", regime, model, "proto-bytes", "max")
                ),
                None,
            )
            told = None
            if mine is not None:
                bounds = {"low": mine.auc_low, "high": mine.auc_high}
                told = {"mean": mine.auc, **bounds, "seeds": mine.seeds}
            published = value if model == "Radford" else None
            yield _cell(RADFORD, model, f"learned from {regime} days", "AUC", published, told)


def _challenge(runs: Sequence[NadRun]) -> Iterator[dict[str, Any]]:
    for row, value in OFFICIAL:
        yield _cell(CHALLENGE, row, "test days of January 2021", "score", value, None)
    for row in NAD_ROWS:
        seeds = sorted({run.seed for run in runs})
        means = [
            _mean([run.score for run in runs if (run.row, run.seed) == (row, seed)])
            for seed in seeds
        ]
        setting = "a day of December 2020 left out"
        yield _cell(CHALLENGE, f"ours: {row}", setting, "score", None, _told(means))


def _shift(runs: Sequence[ShiftRun]) -> Iterator[dict[str, Any]]:
    for task in TASKS:
        setting = f"{' + '.join(task.train)} to {task.test}"
        for row in dict.fromkeys(run.row for run in runs if run.task == task.name):
            mine = [run for run in runs if (run.task, run.row) == (task.name, row)]
            values = [challenge_score(run.confusion, LUFLOW_COST).value for run in mine]
            yield _cell(SHIFT, row, setting, "score", None, _told(values))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def sentences(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say of each experiment what the pairs allow.

    Parameters
    ----------
    found
        From ``cells``.
    """
    return [line for line in (_robust(found), _net_or_count(found)) if line]


def _row(
    found: Sequence[Mapping[str, Any]], paper: Paper, row: str
) -> list[tuple[str, float | None, Mapping[str, Any]]]:
    return [
        (one["setting"], one["published"], one["ours"])
        for one in found
        if (one["paper"], one["row"]) == (paper.name, row) and one["ours"] is not None
    ]


def _robust(found: Sequence[Mapping[str, Any]]) -> str:
    """Say whether GRAnD stays above the VAE where attacks were learned, as published."""
    plain = {setting: ours for setting, _, ours in _row(found, GRAND, "VAE")}
    pairs = [
        (setting, value, ours["mean"] - plain[setting]["mean"], ours["mean"])
        for setting, value, ours in _row(found, GRAND, "GRAnD on a VAE")
        if setting in plain and not setting.startswith("0%")
    ]
    if not pairs:
        return ""
    gaps = ", ".join(f"{gap:+.3f}" for _, _, gap, _ in pairs)
    held = all(gap > 0 for _, _, gap, _ in pairs)
    reached = sum(ours >= (value or 0.0) for _, value, _, ours in pairs)
    return (
        f"contamination: GRAnD {'stays' if held else 'does not always stay'} above the plain VAE where 5 to "
        f"15 % attacks were learned ({gaps}), and reaches its published AUROC at {reached} of {len(pairs)} "
        f"shares."
    )


def _net_or_count(found: Sequence[Mapping[str, Any]]) -> str:
    """Say whether counting does as well as the published net, as its second paper says."""
    net = {setting: ours for setting, _, ours in _row(found, RADFORD, "Radford")}
    count = {setting: ours for setting, _, ours in _row(found, RADFORD, "frequency")}
    both = [setting for setting in net if setting in count]
    if not both:
        return ""
    told = "; ".join(
        f"{setting}: {net[setting]['mean']:.3f} by the net, {count[setting]['mean']:.3f} by counting"
        for setting in both
    )
    return f"sequences: {told}. The second paper found that counting does about as well."
