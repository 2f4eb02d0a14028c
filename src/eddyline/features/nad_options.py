"""Which NAD features are wanted and how they are counted: what a model keeps of its input.

What belongs here: the options. What does not: computing (``nad.py``) and names (``nad_names.py``).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from eddyline.errors import UsageError
from eddyline.features.dictionary import Feature
from eddyline.features.nad_names import FeatureSet, Form, features_of
from eddyline.features.runs import GAP_US
from eddyline.features.window import WindowSettings


@dataclass(frozen=True, slots=True)
class NadOptions:
    """Which features, and how they are counted; part of a model, which is served with the same.

    Parameters
    ----------
    features
        One of ``nad_names.SETS``.
    form
        ``causal``, or ``look-ahead`` for whole files.
    window
        Widths of the counters' windows.
    gap_us
        Gap that splits a segment, µs.
    fold_apps
        True to count every application without a column of its own as ``app_others``.
    sweep
        True to add ``is_sweep``.
    """

    features: FeatureSet = "nad113"
    form: Form = "causal"
    window: WindowSettings = field(default_factory=WindowSettings)
    gap_us: int = GAP_US
    fold_apps: bool = False
    sweep: bool = False

    def __post_init__(self) -> None:
        """Check the names."""
        features_of(self.features, self.form)

    @property
    def dictionary(self) -> tuple[Feature, ...]:
        """The features in the order of the columns of X."""
        return features_of(self.features, self.form, sweep=self.sweep)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in the order of the columns of X."""
        return tuple(feature.name for feature in self.dictionary)

    @property
    def with_ip(self) -> bool:
        """True when the set has what only IPv4 addresses have."""
        return not self.features.startswith("flow-noip")

    def as_dict(self) -> dict[str, Any]:
        """Give the options as plain values, for a model's manifest."""
        return asdict(self)

    def must_equal(self, served: NadOptions) -> None:
        """Check that a model is served with the options it was trained with.

        Parameters
        ----------
        served
            Options of the features that are to be judged.

        Raises
        ------
        UsageError
            When one differs: set, form, window, gap.
        """
        mine, theirs = self.as_dict(), served.as_dict()
        for name, value in mine.items():
            if theirs[name] != value:
                message = (
                    f"features must be made as for training, with {name} = {value!r}, got "
                    f"{theirs[name]!r}; build them with the model's options"
                )
                raise UsageError(message)
