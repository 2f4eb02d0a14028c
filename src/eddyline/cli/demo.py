"""``eddyline demo``: learn the bundled quiet morning, scan the bundled afternoon, show what was found.

What belongs here: where the example is and what is done with it. What does not: learning, judging, printing.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Final

from eddyline.cli.progress import shown
from eddyline.cli.scan import Outputs, write_outputs
from eddyline.errors import InputError
from eddyline.scan import ScanSettings, learn, scan

MORNING: Final = "quiet-morning.pcap.gz"
AFTERNOON: Final = "afternoon.pcap.gz"


def run_demo(out: Path, *, quiet: bool, open_report: bool = False) -> int:
    """Learn, scan and write ``normal.eddy``, ``report.html`` and ``report.json``; give the exit code.

    The code is 0 although the afternoon holds attacks: a demo that finds them has worked.

    Parameters
    ----------
    out
        Folder for the three files; made when there is none.
    quiet
        True to print nothing.
    open_report
        True to open the report in a browser.

    Raises
    ------
    InputError
        When the example captures are not where the installation put them.
    """
    morning, afternoon = example(MORNING), example(AFTERNOON)
    out.mkdir(parents=True, exist_ok=True)
    model, page, data = out / "normal.eddy", out / "report.html", out / "report.json"
    _say(f"Learning what is normal here from {MORNING} …", quiet=quiet)
    with shown("reading", quiet=quiet) as progress:
        learn(morning, progress=progress).save(model)
    _say(f"Judging {AFTERNOON} by it …\n", quiet=quiet)
    with shown("reading", quiet=quiet) as progress:
        settings = ScanSettings(flow_verdicts=True)
        result = scan(afternoon, model=model, settings=settings, progress=progress)
    write_outputs(result, Outputs(html=page, json=str(data), quiet=quiet))
    _say(f"\nReport: {page}\nJSON:   {data}\nModel:  {model}", quiet=quiet)
    if open_report:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    return 0


def example(name: str) -> Path:
    """Give a bundled example: inside the package when installed, beside ``src`` in a checkout.

    Parameters
    ----------
    name
        File name, such as ``MORNING``.

    Raises
    ------
    InputError
        When it is in neither place.
    """
    package = Path(str(files("eddyline")))
    places = (package / "examples" / name, package.parents[1] / "examples" / name)
    for place in places:
        if place.is_file():
            return place
    message = (
        f"example {name} must be in {places[0].parent}, is not there; "
        "reinstall eddyline, or scan a capture of your own"
    )
    raise InputError(message)


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(text, flush=True)
