"""Options that several commands share, with their help.

What belongs here: names, types and help of options. What does not: their effect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

INTERRUPTED: Final = 130
"""Exit code of what Ctrl-C stopped."""

Inputs = Annotated[
    list[str],
    typer.Argument(
        help="Captures, logs or flow tables: files, folders, patterns, or - for stdin."
    ),
]
Model = Annotated[
    Path | None, typer.Option("-m", "--model", help="Model made by 'eddyline learn'.")
]
Budget = Annotated[
    float, typer.Option("--budget", help="False alarms a day the learned legs may raise.")
]
Internal = Annotated[
    list[str] | None,
    typer.Option("--internal", help="Network that counts as inside (CIDR); repeat for more."),
]
Since = Annotated[
    str | None, typer.Option("--since", help="Keep flows that end at or after (RFC 3339).")
]
Until = Annotated[
    str | None, typer.Option("--until", help="Keep flows that end before (RFC 3339).")
]
Ignore = Annotated[
    Path | None,
    typer.Option(
        "--ignore", help="File of known scanners: 'network [-> network] [port N]' a line."
    ),
]
JsonOut = Annotated[
    str | None, typer.Option("--json", help="Write JSON to a file, or - for stdout.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print no table and no progress.")]
Seed = Annotated[int, typer.Option("--seed", help="Start of all randomness.")]
ErrorRate = Annotated[
    float | None,
    typer.Option(
        "--error-rate", help="Share of a window's alarms that may be false, instead of --budget."
    ),
]
Legs = Annotated[
    list[str] | None,
    typer.Option("--leg", help="One more leg, VIEW/DETECTOR; repeat for more (plug-ins too)."),
]
Methods = Annotated[
    list[str] | None,
    typer.Option(
        "--method",
        help="Legs of one more method: ngram, pca, cleaned-neighbours, online-forest, "
        "half-space-trees, kitnet, midas, anoedge; with [deep] gru, lstm, radford, session, "
        "grand, grand-flow, union, rvae, vae, autoencoder, flow; repeat for more.",
    ),
]
Per = Annotated[
    str | None,
    typer.Option(
        "--per",
        help="Column whose values, such as families of devices, get a normal of their own each: sensor, "
        "proto, app …",
    ),
]
LabelColumn = Annotated[
    str,
    typer.Option("--labels", help="label, label_detail, or a column of an ordinary CSV."),
]
FeatureSet = Annotated[
    str,
    typer.Option(
        "--features",
        help="around, session8, nad113, nad113+, flow-noip, flow-noip+; auto is what the method reads.",
    ),
]
NormalClass = Annotated[
    str | None,
    typer.Option("--normal", help="Label of normal flows; else the one called normal or benign."),
]
ColumnMap = Annotated[
    list[str] | None,
    typer.Option("--map", help="Column of an ordinary CSV, OURS=THEIRS; repeat for more."),
]
