"""The plane of two probabilities: how common a flow is by two token sets, as one number.

What belongs here: the follow-up paper's baseline. What does not: the frequencies themselves, which are an
n-gram of order 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eddyline.errors import DataError
from eddyline.tables import Floats


@dataclass(frozen=True, slots=True)
class ProbabilityPlane:
    """The first principal component of the probabilities of a flow's tokens.

    Source: Radford, Richardson, Davis, Sequence Aggregation Rules for Anomaly Detection in Computer Network
    Traffic, 2018 (arXiv:1805.03735). The columns are centred, and the component's sign is such that it falls
    as the probabilities rise; the paper leaves both open.

    Parameters
    ----------
    centre
        Mean of each column, shape ``(d,)``.
    axis
        Unit vector of the component, shape ``(d,)``.
    """

    centre: Floats
    axis: Floats

    @classmethod
    def fit(cls, chances: Floats) -> ProbabilityPlane:
        """Find the component.

        Parameters
        ----------
        chances
            Probability of each flow by each token set, shape ``(n, d)``, at least two flows.

        Raises
        ------
        DataError
            When there are fewer.
        """
        if chances.ndim != 2 or len(chances) < 2:
            message = (
                f"the plane needs at least two rows of probabilities, got shape {chances.shape}; give "
                f"it more flows"
            )
            raise DataError(message)
        centre = chances.mean(axis=0)
        _, vectors = np.linalg.eigh((chances - centre).T @ (chances - centre))
        axis = vectors[:, -1]
        return cls(centre, -axis if axis.sum() > 0 else axis)

    def score(self, chances: Floats) -> Floats:
        """Give the component of each flow; higher is rarer.

        Parameters
        ----------
        chances
            As for ``fit``.
        """
        turned: Floats = ((chances - self.centre) * self.axis).sum(axis=1)
        return turned
