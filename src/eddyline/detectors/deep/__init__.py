"""Detectors on torch networks; imported by name only, with the extra ``[deep]``."""

import eddyline.nets  # noqa: F401  # says which extra is missing before a module here misses torch
