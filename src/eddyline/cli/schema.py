"""``eddyline schema``: the contracts, printed from where they live.

What belongs here: printing. What does not: the contracts.
"""

from __future__ import annotations

import json

from eddyline.errors import UsageError


def run_schema(what: str) -> int:
    """Print a contract; give the exit code.

    Parameters
    ----------
    what
        ``"flow"``, ``"report"`` or ``"features"``.

    Raises
    ------
    UsageError
        When there is no such contract.
    """
    if what == "flow":
        from eddyline.flows.record import CORE, SCHEMA_VERSION, STATISTICS

        print(f"flow record, version {SCHEMA_VERSION}")
        for column in CORE + STATISTICS:
            unit = f" [{column.unit}]" if column.unit else ""
            missing = f"; null: {column.missing}" if column.missing else ""
            print(f"{column.name}: {column.dtype}{unit}: {column.meaning}{missing}")
    elif what == "report":
        from eddyline.report.json import schema

        print(json.dumps(schema(), indent=2))
    elif what == "features":
        from eddyline.features.registry import VIEWS

        for view in VIEWS.values():
            print(f"view {view.name}: rows of ({', '.join(view.keys)}) over {view.span_words}")
            for feature in view.features:
                unit = f" [{feature.unit}]" if feature.unit else ""
                print(f"  {feature.name}{unit}: {feature.formula}")
    else:
        message = f"schema must be flow, report or features, got {what!r}; name one of them"
        raise UsageError(message)
    return 0
