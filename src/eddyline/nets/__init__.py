"""Torch blocks and training loops shared by the deep detectors and classifiers.

What belongs here: layers, losses, and the loop that trains them. What does not: scores and class
probabilities, which are `detectors.deep` and `classifiers.deep`; anything that knows a network.
"""

import eddyline.nets.determinism  # noqa: F401  # says which extra is missing before a module here misses torch
