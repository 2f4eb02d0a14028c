"""A fitted leg as arrays and back.

What belongs here: the parts of a leg in a model file. What does not: the file itself (``archive.py``).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eddyline.verdicts.calibrate import Calibrator
from eddyline.verdicts.fitted import Fitted, LegSpec, detector_of
from eddyline.verdicts.leg import Leg
from eddyline.verdicts.normal import profile_arrays, profile_from_arrays


def describe(spec: LegSpec) -> dict[str, Any]:
    """Give a leg's specification for the manifest.

    Parameters
    ----------
    spec
        The leg.
    """
    return {
        "view": spec.view,
        "detector": spec.detector,
        "own": spec.own,
        "weight": spec.weight,
        "params": dict(spec.params),
    }


def leg_arrays(leg: Leg) -> dict[str, NDArray[Any]]:
    """Give a fitted leg as arrays of numbers and text.

    Parameters
    ----------
    leg
        The leg.
    """
    arrays = {f"detector_{k}": v for k, v in leg.whole.detector.to_arrays().items()}
    arrays |= {f"calibration_{k}": v for k, v in leg.calibrator.to_arrays().items()}
    if leg.strangers is not None:
        arrays |= {f"strangers_{k}": v for k, v in leg.strangers.to_arrays().items()}
    if leg.whole.profile is not None:
        arrays |= {f"past_{k}": v for k, v in profile_arrays(leg.whole.profile).items()}
    return arrays


def load_leg(entry: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Leg:
    """Rebuild a leg from its part of a model file.

    Parameters
    ----------
    entry
        Its specification in the manifest, with ``fitted_rows``.
    arrays
        What ``leg_arrays`` gave.

    Raises
    ------
    ModelError
        When a part is missing or could not have been fitted.
    """
    spec = LegSpec(
        view=entry["view"],
        detector=entry["detector"],
        own=bool(entry["own"]),
        weight=float(entry["weight"]),
        params=entry["params"],
    )

    def part(prefix: str) -> dict[str, NDArray[Any]]:
        return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}

    detector = detector_of(spec).from_arrays(part("detector_"), spec.params)
    profile = profile_from_arrays(part("past_")) if spec.own else None
    calibrator = Calibrator.from_arrays(part("calibration_"))
    rows = int(entry["fitted_rows"])
    leg = Leg(spec, Fitted(spec, detector, profile), [], np.zeros(0), calibrator, rows)
    others = part("strangers_")
    leg.strangers = Calibrator.from_arrays(others) if others else None
    return leg
