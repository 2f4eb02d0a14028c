"""Methods that measure distances, on columns of one scale.

What belongs here: scaling before a method and the check of what was loaded. What does not: any method.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from eddyline.detectors.detector import MatrixDetector, refuse_model
from eddyline.detectors.scaling import RobustScale
from eddyline.errors import UsageError
from eddyline.tables import Floats


class ScaledDetector(MatrixDetector):
    """Score rows after each column was brought to robust log units, or as they are.

    A subclass has an argument ``scaling`` (``robust`` or ``none``) and a ``seed``, writes ``_fit_scaled`` and
    ``_score_scaled``, and names its own arrays in ``_own``.
    """

    _arrays: ClassVar[tuple[str, ...]] = ("centre_", "scale_")

    scaling: str
    seed: int
    centre_: Floats
    scale_: Floats

    @abstractmethod
    def _fit_scaled(self, Z: Floats) -> None:
        """Learn from scaled rows, C-ordered float64 ``(n, d)``."""

    @abstractmethod
    def _score_scaled(self, Z: Floats) -> Floats:
        """Score scaled rows, C-ordered float64 ``(n, d)``; float64 ``(n,)``."""

    def _fit(self, X: Floats) -> None:
        if self.scaling not in ("robust", "none"):
            message = (
                f"scaling must be 'robust' or 'none', got {self.scaling!r}; 'robust' is usual"
            )
            raise UsageError(message)
        if self.scaling == "robust":
            scale = RobustScale.of(X)
            self.centre_, self.scale_ = scale.centre, scale.scale
        else:
            self.centre_, self.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        self._fit_scaled(self._scaled(X))

    def _score(self, X: Floats) -> Floats:
        return self._score_scaled(self._scaled(X))

    def _scaled(self, X: Floats) -> Floats:
        if self.scaling == "none":
            return X
        return RobustScale(self.centre_, self.scale_).apply(X)

    def _restore(self) -> None:
        width = (self.n_features_in_,)
        if self.centre_.shape != width or self.scale_.shape != width:
            raise refuse_model(self, f"has a scale of {width[0]} columns", self.scale_.shape)
        if not np.isfinite(self.centre_).all() or not (self.scale_ > 0).all():
            raise refuse_model(self, "has finite centres and positive scales", "others")
        self.centre_ = np.ascontiguousarray(self.centre_, dtype=np.float64)
        self.scale_ = np.ascontiguousarray(self.scale_, dtype=np.float64)
        self._restore_own()

    def _restore_own(self) -> None:
        """Check the method's own arrays after loading."""

    def _finite(self, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Give a loaded array as float64 when it is finite and has the shape; -1 allows any length > 0."""
        values: Any = getattr(self, name)
        fits = values.ndim == len(shape) and all(
            have > 0 and want in (-1, have) for have, want in zip(values.shape, shape, strict=True)
        )
        if not fits or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise refuse_model(self, f"has a finite {name} of shape {shape}", values.shape)
        return np.ascontiguousarray(values, dtype=np.float64)
