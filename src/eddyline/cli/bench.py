"""``eddyline bench``: published experiments, run again by one command each.

What belongs here: the list of experiments and their options. What does not: an experiment
(``eddyline.evaluate``), which a sub-command imports when it runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

bench = typer.Typer(
    name="bench",
    help="Run published experiments again: tables with seeds and bands, as JSON or Markdown.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@bench.command("contamination")
def contamination(
    folder: Annotated[Path, typer.Argument(help="Folder with KDDTrain+.txt.gz and KDDTest+.txt.")],
    cache: Annotated[
        Path, typer.Option(help="File that keeps each run; broken off, the next call goes on.")
    ] = Path("contamination.jsonl"),
    protocol: Annotated[
        str,
        typer.Option(
            help="full, small, or choice, families, shifted: these never read the test file."
        ),
    ] = "full",
    methods: Annotated[
        str, typer.Option(help="Methods with commas between, all, or sweeps.")
    ] = "all",
    seeds: Annotated[int, typer.Option(help="Drawings.", min=1)] = 5,
    shares: Annotated[
        str, typer.Option(help="Attacks in the training, in percent, with commas between.")
    ] = "0,5,10,15",
    preprocessing: Annotated[
        str, typer.Option(help="log, or standard for plain z-scores.")
    ] = "log",
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write everything the cache holds as JSON.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Write the pictures of the sweeps to this PNG.")
    ] = None,
) -> None:
    """Learn from NSL-KDD with 0 to 15 % attacks in the training, judge its test file."""
    from eddyline.cli.contamination import run_contamination

    run_contamination(
        folder,
        cache,
        protocol=protocol,
        methods=methods,
        seeds=seeds,
        shares=tuple(float(share) / 100 for share in shares.split(",")),
        preprocessing=preprocessing,
        json_out=json_out,
        plot=plot,
    )


@bench.command("shift")
def shift(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder with the zipped days of LUFlow.")
    ] = None,
    tasks: Annotated[str, typer.Option(help="Letters of the tasks.")] = "ABC",
    seeds: Annotated[int, typer.Option(help="Runs of each row.", min=2)] = 5,
    method: Annotated[str, typer.Option(help="A classifier: boosting, snn, tabm …")] = "boosting",
    json_out: Annotated[
        Path | None,
        typer.Option("--json", help="Keeps every run; broken off, the next call goes on."),
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the rows to this PNG.")] = None,
    from_json: Annotated[
        list[Path] | None, typer.Option(help="Read runs back instead; repeat for more.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Predict a later day of LUFlow from earlier ones, class by class."""
    from eddyline.cli.shift import run_bench_shift

    run_bench_shift(
        data,
        tasks=tasks,
        seeds=seeds,
        method=method,
        json_out=json_out,
        picture=plot,
        from_json=from_json or [],
        quiet=quiet,
    )


@bench.command("lab")
def lab(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with labelled days: examples/five-classes."),
    ] = None,
    row: Annotated[
        list[str] | None, typer.Option("--row", help="Row of the table; repeat for more.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each row.", min=2)] = 5,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Keeps every run; broken off, the next call goes on."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Predict each labelled lab day from the others, in five classes, by the challenge's score."""
    from eddyline.cli.lab_days import run_bench_lab

    run_bench_lab(data, json_file, rows=row or [], seeds=seeds, quiet=quiet)


@bench.command("classical")
def classical(
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with nsl-kdd, luflow and zeek, as far as there."),
    ] = None,
    detectors: Annotated[
        str, typer.Option(help="Detectors and classifiers with commas between, or all.")
    ] = "all",
    sets: Annotated[
        str, typer.Option(help="nsl-kdd, luflow-a, -b, -c, zeek-group, zeek-time, zeek-rows.")
    ] = "default",
    seeds: Annotated[int, typer.Option(help="Runs of each method on each set.", min=1)] = 5,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 2,
    limit: Annotated[
        float, typer.Option(help="CPU seconds after which a run is ended and listed.", min=1)
    ] = 100.0,
    slow: Annotated[
        float, typer.Option(help="CPU seconds of a first seed above which no other is run.", min=1)
    ] = 40.0,
    kept_only: Annotated[
        bool, typer.Option(help="Tell only what the folder keeps; run nothing.")
    ] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the report and of the kept runs.")
    ] = Path("classical-report"),
    cross: Annotated[
        bool, typer.Option(help="Also train on each day and capture, test on each other one.")
    ] = False,
    page: Annotated[Path | None, typer.Option(help="Write a Markdown page too.")] = None,
    from_json: Annotated[
        Path | None, typer.Option(help="Make the pages anew from this report.json; run nothing.")
    ] = None,
    mlruns: Annotated[
        Path | None, typer.Option(help="Write the runs to this MLflow file store too.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Compare every classical method on labelled sets: one protocol, seeds, intervals, baselines."""
    from eddyline.cli.classical import run_bench_classical, write_report

    if from_json is not None:
        write_report(from_json, out, page, mlruns)
        return
    if data is None:
        message = "give --data FOLDER, or --from-json report.json"
        raise typer.BadParameter(message)
    run_bench_classical(
        data,
        out,
        detectors=detectors,
        sets=sets,
        seeds=seeds,
        workers=workers,
        limit_s=limit,
        slow_s=slow,
        kept_only=kept_only,
        cross=cross,
        page=page,
        mlruns=mlruns,
        quiet=quiet,
    )


@bench.command("incidents")
def incidents(
    days: Annotated[
        list[Path] | None,
        typer.Option(
            "--days", help="Folder with days: examples, tests/cases or yours; repeat for more."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option("--data", help="Folder with zeek and pcap/attacks, as far as there."),
    ] = None,
    seeds: Annotated[int, typer.Option(help="Scans of each set.", min=1)] = 5,
    budget: Annotated[
        float, typer.Option(help="False alarms a day that the scans promise.", min=0.01)
    ] = 2.0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the report and of the kept scans.")
    ] = Path("incident-report"),
    page: Annotated[Path | None, typer.Option(help="Write the Markdown page there too.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Hold incidents against attacks, beside trivial rules with as many alerts a day."""
    from eddyline.cli.incidents import run_bench_incidents

    run_bench_incidents(days or [], data, out, seeds=seeds, budget=budget, page=page, quiet=quiet)


@bench.command("papers")
def papers(
    data: Annotated[
        Path,
        typer.Option(
            "--data", help="Folder with nsl-kdd, zeek, luflow, nad2021, as far as there."
        ),
    ],
    only: Annotated[
        str,
        typer.Option(help="contamination, sequences, nad2021, shift with commas between, or all."),
    ] = "all",
    seeds: Annotated[int, typer.Option(help="Runs of what depends on a seed.", min=1)] = 5,
    budget: Annotated[
        float, typer.Option(help="Minutes after which nothing more is begun; 0 only tells.", min=0)
    ] = 60.0,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the report and of the kept runs.")
    ] = Path("papers-report"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print no progress.")] = False,
) -> None:
    """Run the published experiments within a budget of time: their figures beside ours."""
    from eddyline.cli.papers import run_bench_papers

    run_bench_papers(data, out, only=only, seeds=seeds, budget_min=budget, quiet=quiet)


@bench.command("sequences")
def sequences(
    folder: Annotated[
        Path, typer.Argument(help="Folder with the labelled Zeek captures (CTU-50, IoT-23 ...).")
    ],
    cache: Annotated[
        Path | None,
        typer.Option(help="Folder that keeps the scores; broken off, the next call goes on."),
    ] = None,
    models: Annotated[
        str, typer.Option(help="Models with commas between, all, or counted (without torch).")
    ] = "counted",
    regimes: Annotated[
        str, typer.Option(help="dirty, clean, drop-days, rolling with commas between, or all.")
    ] = "all",
    seeds: Annotated[int, typer.Option(help="Runs of each neural model.", min=1)] = 5,
    draws: Annotated[
        int, typer.Option(help="Resamplings of pairs behind each band.", min=100)
    ] = 1_000,
    kept_only: Annotated[
        bool, typer.Option(help="Tell only what the cache holds; train nothing.")
    ] = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every figure as JSON.")
    ] = None,
) -> None:
    """Rank dyad-hours and pairs of labelled captures by sequence models and by trivial scores."""
    from eddyline.cli.sequences import run_sequences

    run_sequences(
        folder,
        cache,
        models=models,
        regimes=regimes,
        seeds=seeds,
        draws=draws,
        kept_only=kept_only,
        json_out=json_out,
    )


@bench.command("nad2021")
def nad2021(
    data: Annotated[
        Path, typer.Option("--data", help="Folder with 1203_firewall.csv and others.")
    ],
    features: Annotated[
        str, typer.Option(help="nad113, nad113+, flow-noip or flow-noip+.")
    ] = "nad113+",
    method: Annotated[str, typer.Option(help="A classifier: boosting, snn, tabm …")] = "boosting",
    seeds: Annotated[int, typer.Option(help="Runs of each left-out day.", min=1)] = 1,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Write every run as JSON.")
    ] = None,
) -> None:
    """Leave each labelled day of NAD 2021 out once (files under signed agreement)."""
    from eddyline.cli.nad2021 import run_bench_nad2021

    run_bench_nad2021(data, features=features, method=method, seeds=seeds, json_out=json_out)
