"""The command line: arguments become one call; the rooms are imported by the command that needs them.

What belongs here: the list of commands and the exit codes. What does not: what a command does
(``cli/<command>.py``).

Exit codes: 0 nothing found or done, 1 incidents found, 2 the input or the options cannot be used, 3 refused
by a rule of honest evaluation, 70 a defect of ours, 130 interrupted.
"""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from eddyline.cli.bench import bench
from eddyline.cli.judge import compare, tune
from eddyline.cli.labelled import classify, train
from eddyline.cli.options import (
    INTERRUPTED,
    Budget,
    ColumnMap,
    ErrorRate,
    Ignore,
    Inputs,
    Internal,
    JsonOut,
    Legs,
    Methods,
    Model,
    Per,
    Quiet,
    Seed,
    Since,
    Until,
)
from eddyline.errors import EddylineError


class Interruptible(TyperGroup):
    """Commands that say so when Ctrl-C ends them, with exit code 130, wherever they are."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command.

        Parameters
        ----------
        ctx
            What was asked for.
        """
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print("eddyline: interrupted", file=sys.stderr)
            raise SystemExit(INTERRUPTED) from None


app = typer.Typer(
    cls=Interruptible,
    name="eddyline",
    help="Find anomalies in network traffic: ranked incidents, one sentence each, with reasons.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


COLLECT_AFTER: Final = 100_000
"""Objects made before the collector looks for cycles among them; Python's own number is 700 to 2,000."""


DEFECT: Final = 70
"""Exit code of an error that nobody foresaw; EX_SOFTWARE of BSD's sysexits."""


def run() -> None:
    """Run the command line; an error of ours is one line on stderr and exit code 2."""
    # Loading makes half a million objects that stay: the collector need not walk them again and again,
    # nor at the end, when all memory goes back at once.
    gc.set_threshold(COLLECT_AFTER, 20, 100)
    # NumPy's linear algebra starts a thread a core when it is loaded, 0.07 s of CPU that no command needs.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    atexit.register(gc.freeze)
    try:
        app()
    except EddylineError as error:
        print(f"eddyline: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:  # before or after the command
        print("eddyline: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        what = f"{error.filename!r}: " if error.filename else ""
        print(f"eddyline: cannot read or write {what}{error.strerror}", file=sys.stderr)
        sys.exit(2)
    except Exception:  # noqa: BLE001 - the outermost frame: Python would exit with 1, which says incidents
        traceback.print_exc()
        print(
            "eddyline: this is a defect of Eddyline, not of your input; please report the lines above",
            file=sys.stderr,
        )
        sys.exit(DEFECT)


@app.command()
def demo(
    out: Annotated[
        Path, typer.Option("--out", help="Folder for the model, the report and the JSON.")
    ] = Path("eddyline-demo"),
    open_report: Annotated[
        bool, typer.Option("--open", help="Open the report in a browser.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Learn the bundled quiet morning, scan the afternoon, write the report."""
    from eddyline.cli.demo import run_demo

    raise typer.Exit(run_demo(out, quiet=quiet, open_report=open_report))


@app.command()
def scan(
    paths: Inputs,
    model: Model = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes", help="Model made by 'eddyline train': names incidents by class."
        ),
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write the report page.")] = None,
    json: JsonOut = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            "--verdicts", help="Write every flow's score, p-value and incident (Parquet)."
        ),
    ] = None,
    budget: Budget = 2.0,
    error_rate: ErrorRate = None,
    rules: Annotated[
        bool, typer.Option("--rules/--no-rules", help="Use the shipped generic levels.")
    ] = True,
    internal: Internal = None,
    since: Since = None,
    until: Until = None,
    columns: ColumnMap = None,
    ignore: Ignore = None,
    legs: Legs = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Find incidents in captures, logs or flow tables; learn from them when there is no model."""
    from eddyline.cli.scan import Outputs, run_scan
    from eddyline.cli.settings import settings_of

    outputs = Outputs(html=html, json=json, verdicts=verdicts, quiet=quiet)
    settings = settings_of(
        budget=budget,
        error_rate=error_rate,
        rules=rules,
        internal=internal,
        since=since,
        until=until,
        columns=columns,
        ignore=ignore,
        legs=legs,
        seed=seed,
        classes=classes,
    )
    raise typer.Exit(run_scan(paths, model, settings, outputs))


@app.command()
def learn(
    paths: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where to write the model (*.eddy).")],
    budget: Budget = 2.0,
    internal: Internal = None,
    since: Since = None,
    until: Until = None,
    columns: ColumnMap = None,
    ignore: Ignore = None,
    methods: Methods = None,
    legs: Legs = None,
    per: Per = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Learn what is normal here from captures or logs and write a model."""
    from eddyline.cli.learn import run_learn
    from eddyline.cli.settings import settings_of

    settings = settings_of(
        budget=budget,
        internal=internal,
        since=since,
        until=until,
        columns=columns,
        ignore=ignore,
        legs=legs,
        methods=methods,
        per=per,
        seed=seed,
    )
    raise typer.Exit(run_learn(paths, out, settings, quiet=quiet))


@app.command()
def flows(
    paths: Inputs,
    out: Annotated[
        str,
        typer.Option("-o", "--out", help="File (.parquet, .csv, .jsonl), or - for JSON lines."),
    ] = "-",
    output_format: Annotated[
        str | None, typer.Option("--format", help="parquet, csv or jsonl; else by the suffix.")
    ] = None,
    statistics: Annotated[
        bool, typer.Option("--statistics", help="Add NFStream's statistics (packets only).")
    ] = False,
    internal: Internal = None,
    since: Since = None,
    until: Until = None,
    columns: ColumnMap = None,
    quiet: Quiet = False,
) -> None:
    """Write the flow table of captures or logs."""
    from eddyline.cli.flows import run_flows

    code = run_flows(
        paths,
        out,
        output_format,
        statistics=statistics,
        internal=internal,
        since=since,
        until=until,
        columns=columns,
        quiet=quiet,
    )
    raise typer.Exit(code)


@app.command()
def canvas(
    paths: Inputs,
    out: Annotated[Path, typer.Option("-o", "--out", help="Picture: .html (zoom) or .png.")],
    group: Annotated[
        str,
        typer.Option("--group", help="Columns that make a group; auto takes ports or networks."),
    ] = "auto",
    color: Annotated[
        str,
        typer.Option("--color", help="label, prediction, verdict, agreement, or a column."),
    ] = "label",
    beside: Annotated[
        str | None,
        typer.Option("--beside", help="A second picture beside it, such as prediction."),
    ] = None,
    step: Annotated[str, typer.Option("--bin", help="Step of time: 1s, 10m, 1h.")] = "1s",
    highlight: Annotated[
        str | None, typer.Option("--highlight", help="Class that alone has a colour.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Draw flows over time, a column for each group, coloured by label, prediction or verdict."""
    from eddyline.cli.canvas import run_canvas

    code = run_canvas(
        paths,
        out,
        group=group.split(","),
        colour=color,
        beside=beside,
        time_bin=step,
        highlight=highlight,
        quiet=quiet,
    )
    raise typer.Exit(code)


@app.command()
def evaluate(
    paths: Inputs,
    model: Model = None,
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="CSV of attacks, when the input itself has no labels."),
    ] = None,
    json: JsonOut = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Incidents a day that count.")] = 10,
    budget: Budget = 2.0,
    rules: Annotated[
        bool, typer.Option("--rules/--no-rules", help="Use the shipped generic levels.")
    ] = True,
    internal: Internal = None,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Hold incidents and flow scores against labels, beside trivial baselines."""
    from eddyline.cli.evaluate import run_evaluate
    from eddyline.cli.settings import settings_of

    settings = settings_of(budget=budget, rules=rules, internal=internal, seed=seed)
    raise typer.Exit(run_evaluate(paths, model, truth, settings, top=top, json=json, quiet=quiet))


@app.command()
def lint(
    paths: Inputs,
    labels: Annotated[
        str, typer.Option("--labels", help="Label column of a table; flows bring their own.")
    ] = "label",
    features: Annotated[
        str | None,
        typer.Option("--features", help="Columns of a table a model would get: a,b,c."),
    ] = None,
    normal: Annotated[
        str | None, typer.Option("--normal", help="Labels of a table that mean no attack: a,b.")
    ] = None,
    unsafe: Annotated[
        list[str] | None, typer.Option("--unsafe", help="Lint that may fail; repeat for more.")
    ] = None,
    json: JsonOut = None,
) -> None:
    """Name leaks, shortcuts, copies and conflicts of labelled data; exit code 3 when a rule is broken."""
    from eddyline.cli.lint import run_lint

    parts = [None if text is None else text.split(",") for text in (features, normal)]
    code = run_lint(paths, labels, features=parts[0], normal=parts[1], unsafe=unsafe, out=json)
    raise typer.Exit(code)


@app.command()
def incident(
    uid: Annotated[str, typer.Argument(help="Identifier or rank of the incident.")],
    report: Annotated[Path, typer.Option("--report", help="JSON report of the scan.")],
    flow_table: Annotated[
        Path | None,
        typer.Option("--flows", help="Flows that were scanned: table, log or capture."),
    ] = None,
    pcap: Annotated[
        Path | None, typer.Option("--pcap", help="Capture: prints the filter for its packets.")
    ] = None,
    why_not: Annotated[
        str | None, typer.Option("--why-not", help="Say why this address is not in the incident.")
    ] = None,
    verdicts: Annotated[
        Path | None,
        typer.Option(
            "--verdicts", help="File of 'scan --verdicts': tells how unlikely flows were."
        ),
    ] = None,
) -> None:
    """Show the flows, and the packets, behind one incident."""
    from eddyline.cli.incident import run_incident

    raise typer.Exit(run_incident(uid, report, flow_table, pcap, why_not, verdicts))


@app.command()
def schema(
    what: Annotated[str, typer.Argument(help="flow, report or features.")] = "flow",
) -> None:
    """Print the flow record, the JSON report's schema or the feature dictionary."""
    from eddyline.cli.schema import run_schema

    raise typer.Exit(run_schema(what))


@app.command()
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(installed("eddyline"))


app.add_typer(bench)
app.command()(train)
app.command()(classify)
app.command()(compare)
app.command()(tune)
