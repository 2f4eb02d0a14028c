"""``eddyline learn``: a model of what is normal here.

What belongs here: the call and what is said about it. What does not: learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eddyline.cli.outputs import INTERRUPTED, check_outputs, stopped
from eddyline.cli.progress import shown
from eddyline.pipeline import Pipeline
from eddyline.read.ingest import IngestReport
from eddyline.scan import learn


def run_learn(paths: Sequence[str], out: Path, settings: Any, *, quiet: bool) -> int:
    """Learn and write the model; give the exit code.

    Parameters
    ----------
    paths
        Inputs as the user named them.
    out
        Where the model goes.
    settings
        ``ScanSettings``.
    quiet
        True to print nothing.
    """
    check_outputs([out], paths)
    report = IngestReport()
    with shown("reading", quiet=quiet) as progress:
        pipeline = learn(list(paths), settings=settings, report=report, progress=progress)
    if stopped(report, "no model was written, for a part of normal is not normal"):
        return INTERRUPTED
    pipeline.save(out)
    if not quiet:
        print(f"Learned {pipeline.trained_flows:,} flows into {out}.")
        if pipeline.left_out:
            print(
                f"  {pipeline.left_out:,} flows were left out of normal: they show attacks by the "
                "generic levels; 'eddyline scan' on the same input names them."
            )
        for name in (spec.name for spec in pipeline.legs):
            leg = pipeline.fitted.get(name)
            rows = f"{leg.fitted_rows:,} rows" if leg else "not learned"
            note = pipeline.notes.get(name, "")
            print(f"  {name}: {rows}{'; ' + note if note else ''}")
        _print_families(pipeline)
        for sentence in report.sentences():
            print(f"  {sentence}")
        if pipeline.fitted:
            print(f"  next: eddyline scan FLOWS --model {out}")
        else:
            print(
                "  Nothing was learned: no leg had enough rows, so a scan with this model judges by the "
                "generic levels alone; learn from a longer capture."
            )
    return 0


def _print_families(pipeline: Pipeline) -> None:
    """Say for which values of the column there is a normal of their own, and what each lacks."""
    if pipeline.per is None:
        return
    print(
        f"  A normal of its own for each {pipeline.per}, {len(pipeline.families)} in all; what was not "
        "learned is judged by the shared one above:"
    )
    for value, part in pipeline.families.items():
        missing = [spec.name for spec in pipeline.legs if spec.name not in part.fitted]
        lacks = f"; too few rows for {', '.join(missing)}" if missing else ""
        print(f"    {value}: {len(part.fitted)} of {len(pipeline.legs)} legs{lacks}")
