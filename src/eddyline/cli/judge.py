"""The commands that judge models and choose among them: compare and tune.

What belongs here: their options and help. What does not: what they do (``compare.py``, ``tune.py``),
which is imported when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eddyline.cli.options import (
    Budget,
    ColumnMap,
    FeatureSet,
    Inputs,
    Internal,
    JsonOut,
    LabelColumn,
    NormalClass,
    Quiet,
    Seed,
)


def compare(
    first: Annotated[Path, typer.Argument(help="Model of 'eddyline learn' or 'eddyline train'.")],
    second: Annotated[Path, typer.Argument(help="Another model, of either kind.")],
    on: Annotated[
        list[str],
        typer.Option("--on", help="Labelled flows that neither learned from; repeat for more."),
    ],
    labels: LabelColumn = "label",
    normal: Annotated[
        list[str] | None,
        typer.Option("--normal", help="Label that means no attack; repeat for more."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="Figure that decides: pr_auc, roc_auc, recall, precision, false_positive_rate, and "
            "between classifiers macro_f1 and macro_f2.",
        ),
    ] = "pr_auc",
    require: Annotated[
        str | None,
        typer.Option(
            "--require", help="better or not-worse: exit with 4 unless the first model is so."
        ),
    ] = None,
    budget: Budget = 2.0,
    internal: Internal = None,
    columns: ColumnMap = None,
    json: JsonOut = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Say which of two models is better on labelled flows, or that the flows cannot tell."""
    from eddyline.cli.compare import run_compare
    from eddyline.cli.settings import settings_of

    settings = settings_of(budget=budget, internal=internal, columns=columns, seed=seed)
    code = run_compare(
        (first, second),
        on,
        settings,
        labels=labels,
        normal=normal,
        by=by,
        require=require,
        out=json,
        quiet=quiet,
    )
    raise typer.Exit(code)


def tune(
    paths: Inputs,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Where the JSON goes; trials are kept beside it.")
    ] = Path("best.json"),
    labels: LabelColumn = "label",
    method: Annotated[
        str,
        typer.Option("--method", help="A classifier or a detector (detector:NAME if both)."),
    ] = "boosting",
    search: Annotated[
        str, typer.Option("--search", help="random, grid or optuna (needs the extra lab).")
    ] = "random",
    budget: Annotated[int, typer.Option("--budget", help="Trials beside the defaults.")] = 30,
    split: Annotated[
        str,
        typer.Option("--split", help="Folds by group (source and network), by time, or by day."),
    ] = "group",
    objective: Annotated[
        str,
        typer.Option(
            "--objective",
            help="pr_auc, roc_auc, recall_at_10 (alerts a day); macro_f1, macro_f2 for classifiers.",
        ),
    ] = "pr_auc",
    features: FeatureSet = "auto",
    normal: NormalClass = None,
    nested: Annotated[
        bool,
        typer.Option("--nested", help="Repeat the search inside outer folds: an honest figure."),
    ] = False,
    preparation: Annotated[
        bool,
        typer.Option("--preparation", help="Choose how rows are scaled too, where a method does."),
    ] = False,
    trials: Annotated[
        Path | None,
        typer.Option("--trials", help="File of judged folds; broken off, the same call goes on."),
    ] = None,
    columns: ColumnMap = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Choose a method's parameters on labelled flows, everything fitted inside folds."""
    from eddyline.cli.tune import run_tune
    from eddyline.evaluate.tuning import Search

    code = run_tune(
        paths,
        out,
        Search(search, budget, seed),
        labels=labels,
        method=method,
        features=features,
        split=split,
        objective=objective,
        normal=normal,
        nested=nested,
        preparation=preparation,
        trials=trials,
        columns=columns,
        quiet=quiet,
    )
    raise typer.Exit(code)
