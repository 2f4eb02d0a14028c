"""Named feature sets of single flows, for classifiers.

What belongs here: which sets exist and where they live. What does not: how a set computes its columns.
A set is a class made without arguments; an object of it holds the state of one stream.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final, Protocol, runtime_checkable

import polars as pl
from numpy.typing import NDArray

from eddyline.errors import UsageError
from eddyline.features.dictionary import Feature

SETS: Final[dict[str, str]] = {
    "around": "eddyline.features.around:Around",
    "session8": "eddyline.features.session_rows:SessionRows",
    "nad113": "eddyline.features.nad_sets:Nad113",
    "nad113+": "eddyline.features.nad_sets:Nad113Plus",
    "flow-noip": "eddyline.features.nad_sets:FlowNoIp",
    "flow-noip+": "eddyline.features.nad_sets:FlowNoIpPlus",
}
"""Every set of core columns by its name: ``module:class``."""

STATISTICS_SETS: Final[dict[str, str]] = {
    "nfstream60": "eddyline.features.nfstream61:NfStream60",
    "nfstream61": "eddyline.features.nfstream61:NfStream61",
}
"""Sets that need flows metered with statistics."""


USUAL: Final = "around"
"""The set of whoever names none."""

BY_STEPS: Final[dict[str, str]] = {"rnn": "session8"}
"""Sets of the classifiers that read steps in place of columns, by name of the classifier."""


def usual_set(name: str, method: str) -> str:
    """Give the set that is meant: ``auto`` is that of the classifier, any other name stays.

    Parameters
    ----------
    name
        As a user gave it.
    method
        Name of a classifier.
    """
    return BY_STEPS.get(method, USUAL) if name == "auto" else name


@runtime_checkable
class FlowSet(Protocol):
    """What a feature set has."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        ...

    def update(self, frame: pl.DataFrame) -> NDArray[Any]:
        """Give the rows of some flows, shape ``(n, d)``, finite; a row ignores the flows after it.

        Parameters
        ----------
        frame
            Flows with the core columns of the record, by ``ts_end``, none before those given earlier.
        """
        ...


def flow_set(name: str) -> FlowSet:
    """Make a set anew, at the start of a stream.

    Parameters
    ----------
    name
        One of ``SETS`` or ``STATISTICS_SETS``.

    Raises
    ------
    UsageError
        When there is no such set.
    """
    known = {**SETS, **STATISTICS_SETS}
    if name not in known:
        message = (
            f"a feature set must be one of {', '.join(known)}, got {name!r}; check the spelling"
        )
        raise UsageError(message)
    module, _, attribute = known[name].partition(":")
    made: FlowSet = getattr(import_module(module), attribute)()
    return made


def dictionary(name: str) -> tuple[Feature, ...]:
    """Give the features of a set, in the order of its columns.

    Parameters
    ----------
    name
        One of ``SETS`` or ``STATISTICS_SETS``.

    Raises
    ------
    UsageError
        When there is no such set.
    """
    made = flow_set(name)
    told: tuple[Feature, ...] | None = getattr(made, "dictionary", None)
    return told or tuple(Feature(column, "", column, column) for column in made.names)
