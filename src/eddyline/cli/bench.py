"""``eddyline bench``: published experiments, run again by one command each.

What belongs here: the list of experiments and their options. What does not: an experiment
(``eddyline.evaluate``), which a sub-command imports when it runs.
"""

from __future__ import annotations

import typer

bench = typer.Typer(
    name="bench",
    help="Run published experiments again: tables with seeds and bands, as JSON or Markdown.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
