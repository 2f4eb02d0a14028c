"""The commands that judge models and choose among them: compare.

What belongs here: their options and help. What does not: what they do (``compare.py``), which is imported
when they run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from eddyline.cli.options import Budget, ColumnMap, Internal, JsonOut, Quiet, Seed


def compare(
    first: Annotated[Path, typer.Argument(help="Model of 'eddyline learn' or 'eddyline train'.")],
    second: Annotated[Path, typer.Argument(help="Another model, of either kind.")],
    on: Annotated[
        list[str],
        typer.Option("--on", help="Labelled flows that neither learned from; repeat for more."),
    ],
    labels: Annotated[
        str,
        typer.Option("--labels", help="label, label_detail, or a column of an ordinary CSV."),
    ] = "label",
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
