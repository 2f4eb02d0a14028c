"""``eddyline scan``: incidents of any input, as table, page and JSON.

What belongs here: where results go and the exit code. What does not: finding them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eddyline.cli.outputs import INTERRUPTED, check_outputs, stopped
from eddyline.cli.progress import shown
from eddyline.scan import ScanResult, ScanSettings, scan


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where results go.

    Parameters
    ----------
    html
        File of the report page, or None.
    json
        File of the JSON report, ``"-"`` for stdout, or None.
    verdicts
        Parquet file of every flow's verdict, or None.
    quiet
        True to print no table.
    """

    html: Path | None = None
    json: str | None = None
    verdicts: Path | None = None
    quiet: bool = False


def run_scan(paths: Sequence[str], model: Path | None, settings: Any, outputs: Outputs) -> int:
    """Scan and write what was asked for; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    model
        Model file, or None.
    settings
        ``ScanSettings``.
    outputs
        Where results go.
    """
    check_outputs([outputs.html, outputs.json, outputs.verdicts], [*paths, str(model or "-")])
    wanted: ScanSettings = replace(
        settings, flow_verdicts=outputs.html is not None or outputs.verdicts is not None
    )
    with shown("reading", quiet=outputs.quiet) as progress:
        result = scan(list(paths), model=model, settings=wanted, progress=progress)
    write_outputs(result, outputs)
    if stopped(result.input, "this is told of the part that was read"):
        return INTERRUPTED
    return 1 if result.incidents else 0


def write_outputs(result: ScanResult, outputs: Outputs) -> None:
    """Write a result wherever it was asked for.

    Parameters
    ----------
    result
        What a scan found.
    outputs
        Where it goes.
    """
    from eddyline.report.html import write_html
    from eddyline.report.json import write_json
    from eddyline.report.terminal import print_table

    if outputs.html is not None:
        write_html(result, outputs.html)
    if outputs.json is not None:
        write_json(result, outputs.json)
    if outputs.verdicts is not None and result.flow_verdicts is not None:
        result.flow_verdicts.write_parquet(outputs.verdicts)
    if not outputs.quiet and outputs.json != "-":
        from rich.console import Console

        print_table(result, Console(file=sys.stdout))
