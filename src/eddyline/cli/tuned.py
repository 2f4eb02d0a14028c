"""What ``eddyline tune`` wrote, read back by the commands that take it.

What belongs here: the check of the file. What does not: writing it (``tune.py``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from eddyline.classifiers.registry import classifier_class
from eddyline.errors import InputError, UsageError


def read_params(path: Path) -> tuple[str, dict[str, Any], str]:
    """Give the classifier, its parameters and the feature set that ``eddyline tune`` found.

    Parameters
    ----------
    path
        What it wrote.

    Raises
    ------
    InputError
        When the file is of another kind.
    UsageError
        When it holds parameters of a detector, or ones that the classifier does not take.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        kind, _, method = str(told["study"]["method"]).partition(":")
        params, features = dict(told["best"]["params"]), str(told["study"]["features"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{path}: must be written by 'eddyline tune', got {error!r}; tune again"
        raise InputError(message) from error
    if kind != "classifier":
        message = (
            f"{path}: must hold parameters of a classifier to train, holds those of {method!r}"
        )
        raise UsageError(message)
    known = classifier_class(method)().get_params()
    strange = sorted(set(params) - set(known))
    if strange:
        message = f"{path}: {method} must take the parameters, does not take {', '.join(strange)}"
        raise UsageError(message)
    return method, params, features
