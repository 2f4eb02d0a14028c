"""Eddyline finds anomalies in network traffic and says, one sentence each, what is not normal here.

What belongs here: the names that users import, loaded when they are asked for, so that ``import eddyline``
is instant. What does not: anything else; nobody inside imports from here.

Examples
--------
>>> import eddyline
>>> result = eddyline.scan("capture.pcap")  # doctest: +SKIP
>>> print(result.incidents[0].reason)  # doctest: +SKIP
10.0.3.7 tried 1,902 hosts of 10.9.0.0/16 on smb (tcp/445) in 4 min
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from eddyline.flows.batch import FlowBatch
    from eddyline.pipeline import Pipeline
    from eddyline.read.flows import read_flows
    from eddyline.scan import ScanResult, ScanSettings, learn, scan

    __version__: str

__all__ = [
    "FlowBatch",
    "Pipeline",
    "ScanResult",
    "ScanSettings",
    "__version__",
    "learn",
    "read_flows",
    "scan",
]

_HOMES: Final = {
    "FlowBatch": "eddyline.flows.batch",
    "Pipeline": "eddyline.pipeline",
    "ScanResult": "eddyline.scan",
    "ScanSettings": "eddyline.scan",
    "learn": "eddyline.scan",
    "read_flows": "eddyline.read.flows",
    "scan": "eddyline.scan",
}


def __getattr__(name: str) -> Any:
    """Load a public name at its first use.

    Parameters
    ----------
    name
        One of ``__all__``.

    Raises
    ------
    AttributeError
        When there is no such name.
    """
    if name == "__version__":
        from importlib.metadata import version

        return version("eddyline")
    if name not in _HOMES:
        message = f"module 'eddyline' has no attribute {name!r}"
        raise AttributeError(message)
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


class _Package(ModuleType):
    """Keeps ``eddyline.scan`` the function: importing the module of that name would put itself there."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "scan" and isinstance(value, ModuleType):
            value = value.scan
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
