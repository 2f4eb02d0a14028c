"""A progress bar on stderr for whatever takes more than two seconds.

What belongs here: when and how progress is shown. What does not: what is counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE_S: Final = 2.0
"""Seconds before a bar appears."""


@contextmanager
def shown(words: str, *, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give the callback that draws a bar; None when nobody would see it.

    Parameters
    ----------
    words
        What is being done.
    quiet
        True to show nothing.
    """
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from threading import Timer

    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task(words, total=None)
    patience = Timer(PATIENCE_S, bar.start)
    patience.daemon = True
    patience.start()

    def step(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total or None)
        if done >= total:
            bar.update(task, description="judging", total=None)

    try:
        yield step
    finally:
        patience.cancel()
        patience.join()
        bar.stop()
