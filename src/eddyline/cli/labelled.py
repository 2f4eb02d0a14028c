"""The commands of labelled flows: train and classify.

What belongs here: their options and help. What does not: what they do (``train.py``, ``classify.py``), which
is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eddyline.cli.options import (
    ColumnMap,
    FeatureSet,
    Inputs,
    LabelColumn,
    NormalClass,
    Quiet,
    Seed,
)


def train(
    paths: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the model (*.eddy).")],
    labels: LabelColumn = "label",
    method: Annotated[
        str,
        typer.Option(
            "--method",
            help="boosting, histogram_boosting, random_forest, bagging, adaboost, logistic, linear_svm, "
            "kernel_svm, knn, mlp; with [deep] snn, tabm, cnn, rnn; or a plug-in's.",
        ),
    ] = "boosting",
    features: FeatureSet = "auto",
    split: Annotated[
        str,
        typer.Option("--split", help="Left out together: day, group (pairs of hosts) or auto."),
    ] = "auto",
    normal: NormalClass = None,
    columns: ColumnMap = None,
    params: Annotated[
        Path | None,
        typer.Option(
            "--params", help="File of 'eddyline tune': its method, parameters, features."
        ),
    ] = None,
    scaling: Annotated[
        str | None,
        typer.Option(
            "--scaling",
            help="standard, log or quantile of methods that scale; per_day_quantile ranks each day.",
        ),
    ] = None,
    sessions: Annotated[
        str,
        typer.Option(
            "--sessions",
            help="Whether flows of a session vote: on, off, or auto by left-out days.",
        ),
    ] = "auto",
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Learn the classes of labelled flows and write a model."""
    from eddyline.cli.train import run_train

    code = run_train(
        paths,
        out,
        labels=labels,
        method=method,
        features=features,
        split=split,
        normal=normal,
        columns=columns,
        seed=seed,
        quiet=quiet,
        scaling=scaling,
        params=params,
        sessions=sessions,
    )
    raise typer.Exit(code)


def classify(
    paths: Inputs,
    model: Annotated[Path, typer.Option("-m", "--model", help="Model made by 'eddyline train'.")],
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="Table (.parquet, .csv, .jsonl), or - for JSON lines."),
    ] = None,
    sessions: Annotated[
        bool | None,
        typer.Option(
            "--sessions/--no-sessions",
            help="Let the flows of a pair's service vote, each with those before; else as trained.",
        ),
    ] = None,
    prior_correction: Annotated[
        bool,
        typer.Option("--prior-correction", help="Follow the class shares of these flows."),
    ] = False,
    columns: ColumnMap = None,
    quiet: Quiet = False,
) -> None:
    """Label flows by a model of 'eddyline train'."""
    from eddyline.cli.classify import run_classify

    code = run_classify(
        paths,
        model,
        out,
        sessions=sessions,
        prior_correction=prior_correction,
        columns=columns,
        quiet=quiet,
    )
    raise typer.Exit(code)
