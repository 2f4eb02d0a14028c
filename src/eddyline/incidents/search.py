"""The stories of windows, found while the next windows are judged.

What belongs here: the order of that work. What does not: finding a story (``find.py``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final

from eddyline.incidents.find import Finder
from eddyline.incidents.flow_scores import FlowScores
from eddyline.incidents.story import Story
from eddyline.read.ingest import IngestReport
from eddyline.verdicts.judged import Judged

MOST_UNDER_WAY: Final = 1
"""Groups of closed windows that wait for their stories; bounds the memory."""


def stories_of(
    judging: Iterable[Judged], finder: Finder, scores: FlowScores | None, report: IngestReport
) -> list[Story]:
    """Find the stories of all windows while the next are judged.

    One worker, so the order is that of the windows; an interruption keeps what was judged by then.

    Parameters
    ----------
    judging
        Closed windows, judged.
    finder
        Turns each into stories.
    scores
        Takes every flow's verdict; None when they are not wanted.
    report
        Is told of an interruption.
    """

    def find(judged: Judged) -> list[Story]:
        if scores is not None:
            scores.add(judged)
        return finder.stories(judged)

    stories: list[Story] = []
    with ThreadPoolExecutor(max_workers=1) as worker:
        under_way: deque[Future[list[Story]]] = deque()
        try:
            for judged in judging:
                under_way.append(worker.submit(find, judged))
                if len(under_way) > MOST_UNDER_WAY:
                    stories.extend(under_way.popleft().result())
        except KeyboardInterrupt:
            report.interrupted = True
        for found in under_way:
            stories.extend(found.result())
    return stories
