"""Which views and kernels exist, by name.

What belongs here: one line each. What does not: how one builds its rows.
"""

from __future__ import annotations

from typing import Final

from eddyline.errors import UsageError
from eddyline.features.dyad import DYAD
from eddyline.features.edge import EDGE
from eddyline.features.flow import FLOW
from eddyline.features.host import HOST, HOST_HOUR
from eddyline.features.recent import DAMPED
from eddyline.features.segment import SEGMENT
from eddyline.features.view import View

VIEWS: Final[dict[str, View]] = {
    view.name: view for view in (FLOW, HOST, HOST_HOUR, SEGMENT, DYAD, DAMPED, EDGE)
}
"""Every view by its name."""


KERNELS: Final = {
    "damped": "eddyline.features.damped:DampedStatistics",
}
"""Kernels that give every flow a row and keep state between batches: name to ``module:class``."""


def view_named(name: str) -> View:
    """Give the view of a name.

    Parameters
    ----------
    name
        One of ``VIEWS``.

    Raises
    ------
    UsageError
        When there is no such view.
    """
    if name not in VIEWS:
        message = f"a view must be one of {', '.join(VIEWS)}, got {name!r}; check the spelling"
        raise UsageError(message)
    return VIEWS[name]
