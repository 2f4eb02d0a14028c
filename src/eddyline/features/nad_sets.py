"""The sets of NAD 2021 as feature sets of flows: causal, float32, one object a stream.

What belongs here: a name for each set, so that classifiers find it. What does not: any feature (``nad.py``).
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from eddyline.features.dictionary import Feature
from eddyline.features.nad import NadStream
from eddyline.features.nad_names import FeatureSet, features_of
from eddyline.features.nad_options import NadOptions


class Nad113:
    """The 113 columns of the challenge's article, segments so far instead of whole ones."""

    features: ClassVar[FeatureSet] = "nad113"

    def __init__(self) -> None:
        self._stream = NadStream(NadOptions(features=self.features))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self._stream.names

    @property
    def dictionary(self) -> tuple[Feature, ...]:
        """What each column means, in order."""
        return features_of(self.features)

    def update(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """Give the rows of some flows, shape ``(n, d)``, finite.

        Parameters
        ----------
        frame
            Flows with the core columns of the record, by ``ts_end``, none before those given earlier.

        Raises
        ------
        DataError
            When the set needs IPv4 addresses and one is not.
        """
        return self._stream.update(frame).X


class Nad113Plus(Nad113):
    """The same with what won: broadcast addresses, ports of zero, ends inside."""

    features: ClassVar[FeatureSet] = "nad113+"


class FlowNoIp(Nad113):
    """Those of the 113 that need no IPv4 address, for IPv6 and for names in the place of addresses."""

    features: ClassVar[FeatureSet] = "flow-noip"


class FlowNoIpPlus(Nad113):
    """The same with what won among them."""

    features: ClassVar[FeatureSet] = "flow-noip+"
