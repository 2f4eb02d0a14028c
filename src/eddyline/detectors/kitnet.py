"""KitNET: a band of small autoencoders, each over columns that move together, judged by one more.

What belongs here: the network and its steps, compiled. What does not: which columns go together
(``correlation.py``), the columns it is usually given (``features/damped.py``), and networks that are trained
in batches (``deep/``).
"""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np
from numba import njit

from eddyline.detectors.correlation import Sizes, column_groups, correlate
from eddyline.detectors.detector import refuse_model
from eddyline.detectors.stream import StreamDetector
from eddyline.errors import UsageError
from eddyline.tables import Floats

SMALLEST_RANGE = 1e-16
"""Added to a column's range before dividing by it; the authors'."""

LARGEST = 1e300
"""Numbers beyond it count as this large, so that their differences stay finite."""

FARTHEST = 1e100
"""Ranges beyond the learned one, at most, so that squares of errors stay finite."""


class KitNet(StreamDetector):
    """Score rows by how badly a band of small autoencoders rebuilds them.

    Rows of shape ``(n, d)`` in, scores >= 0 out: the root mean square error of the last autoencoder, which
    learns how large the others' errors usually are. The first ``map_rows`` rows show which columns move
    together; each group of at most ``largest`` of them gets an autoencoder, and the next ``train_rows`` rows
    train all of them, a step a row. Then it stands still unless ``keep_learning``: a network that goes on
    learning gets used to a slow attack, one that stands still does not get used to a new printer. Attacks
    among the training rows become usual. Columns come into [0, 1] by the range learned; a value beyond it
    counts in full, so an extreme value of one column can outweigh the rest. Costs about
    ``4 x d x largest`` multiplications a row.

    Parameters
    ----------
    map_rows
        Rows that the map is made of, >= 2.
    train_rows
        Rows that train the network, >= 1.
    largest
        Columns of one autoencoder at most, >= 1.
    hidden_share
        Hidden units for each column, in (0, 1]; rounded up.
    rate
        Step of the gradient descent, > 0.
    keep_learning
        Whether rows after the training are learned too.
    seed
        Start of the randomness.

    References
    ----------
    Mirsky, Doitshman, Elovici, Shabtai, "Kitsune: An ensemble of autoencoders for online network intrusion
    detection", NDSS 2018, doi:10.14722/ndss.2018.23204. Scores are those of the authors' program, in which
    the biases of a layer move together by their mean gradient, given the same first weights.

    Examples
    --------
    >>> import numpy as np
    >>> crowd = np.random.default_rng(0).normal(size=(900, 4))
    >>> net = KitNet(map_rows=100, train_rows=800).partial_fit(crowd)
    >>> bool(net.anomaly_score([[9.0, 9.0, 9.0, 9.0]])[0] > net.anomaly_score(crowd).max())
    True
    """

    _arrays: ClassVar[tuple[str, ...]] = (
        "sums_",
        "products_",
        "order_",
        "sizes_",
        "weights_",
        "biases_",
        "ranges_",
    )

    sums_: Floats
    """Sums of the columns, of their residuals squared; shape ``(2, d)``."""

    products_: Floats
    """Sums of the products of two columns' residuals, shape ``(d, d)``."""

    order_: Sizes
    """Columns in the order of the autoencoders."""

    sizes_: Sizes
    """Columns of each autoencoder; the last one takes the others' errors."""

    weights_: Floats
    biases_: Floats
    ranges_: Floats

    def __init__(
        self,
        *,
        map_rows: int = 5_000,
        train_rows: int = 50_000,
        largest: int = 10,
        hidden_share: float = 0.75,
        rate: float = 0.1,
        keep_learning: bool = False,
        seed: int = 0,
    ) -> None:
        self.map_rows = map_rows
        self.train_rows = train_rows
        self.largest = largest
        self.hidden_share = hidden_share
        self.rate = rate
        self.keep_learning = keep_learning
        self.seed = seed

    @property
    def warm_rows(self) -> int:
        """Rows of the map and of the training."""
        return self.map_rows + self.train_rows

    def _begin(self, width: int) -> None:
        if self.map_rows < 2 or self.train_rows < 1 or self.largest < 1:
            message = (
                f"map_rows must be >= 2, train_rows and largest >= 1, got {self.map_rows}, "
                f"{self.train_rows} and {self.largest}; the defaults are 5000, 50000 and 10"
            )
            raise UsageError(message)
        if not 0 < self.hidden_share <= 1 or not self.rate > 0:
            message = (
                f"hidden_share must be in (0, 1] and rate > 0, got {self.hidden_share} and "
                f"{self.rate}; the defaults are 0.75 and 0.1"
            )
            raise UsageError(message)
        self.sums_ = np.zeros((2, width))
        self.products_ = np.zeros((width, width))
        self._lay_out([np.arange(width)])

    def _lay_out(self, groups: list[Sizes]) -> None:
        """Make the network of a map, with its first weights."""
        self.order_ = np.concatenate(groups).astype(np.int64)
        self.sizes_ = np.array([*(len(group) for group in groups), len(groups)], np.int64)
        hidden = self._hidden()
        rng = np.random.default_rng(self.seed)
        self.weights_ = np.concatenate(
            [rng.uniform(-1 / n, 1 / n, n * h) for n, h in zip(self.sizes_, hidden, strict=True)]
        )
        self.biases_ = np.zeros(int(hidden.sum() + self.sizes_.sum()))
        self.ranges_ = np.repeat([[np.inf], [-np.inf]], self.sizes_.sum(), axis=1)

    def _hidden(self) -> Sizes:
        return np.array([math.ceil(n * self.hidden_share) for n in self.sizes_], np.int64)

    def _plan(self) -> Sizes:
        """Give for each autoencoder its first input, inputs, hidden units, first weight and first bias."""
        sizes, hidden = self.sizes_, self._hidden()
        ends = [np.cumsum(part) for part in (sizes, sizes * hidden, sizes + hidden)]
        starts = [np.concatenate([[0], end[:-1]]) for end in ends]
        return np.stack([starts[0], sizes, hidden, starts[1], starts[2]], axis=1).astype(np.int64)

    def _learn(self, rows: Floats) -> None:
        mapped = min(max(self.map_rows - self.n_seen_, 0), len(rows))
        if mapped:
            correlate(rows[:mapped], self.n_seen_, self.sums_, self.products_)
            if self.n_seen_ + mapped == self.map_rows:
                self._lay_out(column_groups(self.sums_, self.products_, self.largest))
        left = len(rows) if self.keep_learning else max(self.warm_rows - self.n_seen_, 0)
        if left > mapped:
            self._run(rows[mapped:left], np.empty(0), learn=True)

    def _score(self, rows: Floats) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=False)
        return scores

    def _score_and_learn(self, rows: Floats) -> Floats:
        scores = np.empty(len(rows))
        self._run(rows, scores, learn=self.keep_learning)
        return scores

    def _run(self, rows: Floats, scores: Floats, *, learn: bool) -> None:
        state = (self.weights_, self.biases_, self.ranges_)
        run(rows, scores, learn, self.rate, (self.order_, self._plan()), state)

    def _restore(self) -> None:
        width = self.n_features_in_
        self._restored("sums_", np.float64, (2, width))
        self._restored("products_", np.float64, (width, width))
        self._restored("order_", np.int64, (width,))
        if not np.array_equal(np.sort(self.order_), np.arange(width)):
            raise refuse_model(self, "gives each column to one autoencoder", self.order_[:5])
        sizes = np.asarray(self.sizes_)
        self._restored("sizes_", np.int64, (len(sizes) if sizes.ndim == 1 else 0,))
        whole = len(sizes) > 1 and sizes[-1] == len(sizes) - 1 and sizes.min() > 0
        if not whole or sizes[:-1].sum() != width:
            raise refuse_model(self, "shares its columns among its autoencoders", sizes[:5])
        hidden, total = self._hidden(), int(sizes.sum())
        self._restored("weights_", np.float64, (int((sizes * hidden).sum()),))
        self._restored("biases_", np.float64, (int(hidden.sum()) + total,))
        self._restored("ranges_", np.float64, (2, total))
        if not (np.isfinite(self.weights_).all() and np.isfinite(self.biases_).all()):
            raise refuse_model(self, "holds finite weights", "infinity")


@njit(cache=True, nogil=True)
def run(
    rows: Floats,
    scores: Floats,
    learn: bool,
    rate: float,
    layout: tuple[Sizes, Sizes],
    state: tuple[Floats, Floats, Floats],
) -> None:  # pragma: no cover
    """Score rows, train on them, or both in turn.

    Parameters
    ----------
    rows
        Shape ``(n, d)``.
    scores
        Shape ``(n,)`` to be filled, or empty when only to train.
    learn
        Whether rows train the network.
    rate
        Step of the gradient descent.
    layout
        Columns in the order of the autoencoders; a row a part of ``KitNet._plan``.
    state
        Weights, biases and ranges, autoencoder by autoencoder.
    """
    order, plan = layout
    n_inputs = order.shape[0]
    inputs = np.empty(n_inputs + plan.shape[0])
    room = (np.empty(inputs.shape[0]), np.empty(inputs.shape[0]), np.empty(inputs.shape[0]))
    for i in range(rows.shape[0]):
        if len(scores) > 0:
            for j in range(n_inputs):
                inputs[j] = min(max(rows[i, order[j]], -LARGEST), LARGEST)
            scores[i] = pass_row(inputs, n_inputs, False, rate, plan, state, room)
        if learn:
            for j in range(n_inputs):
                inputs[j] = min(max(rows[i, order[j]], -LARGEST), LARGEST)
            pass_row(inputs, n_inputs, True, rate, plan, state, room)


@njit(cache=True, nogil=True)
def pass_row(
    inputs: Floats,
    n_inputs: int,
    learn: bool,
    rate: float,
    plan: Sizes,
    state: tuple[Floats, Floats, Floats],
    room: tuple[Floats, Floats, Floats],
) -> float:  # pragma: no cover
    """Pass a row through the band and its judge; give the judge's error, before the step if learning.

    Parameters
    ----------
    inputs
        The row in the order of the autoencoders, then room for their errors.
    n_inputs
        Columns of the row.
    learn, rate, plan, state
        As in ``run``.
    room
        Room for a hidden layer, for the errors of columns, and for a gradient.
    """
    ranges = state[2]
    error = 0.0
    for part in range(plan.shape[0]):
        first, n_in = plan[part, 0], plan[part, 1]
        for j in range(first, first + n_in):
            value = inputs[j]
            if learn:
                ranges[0, j], ranges[1, j] = min(ranges[0, j], value), max(ranges[1, j], value)
            value = (value - ranges[0, j]) / (ranges[1, j] - ranges[0, j] + SMALLEST_RANGE)
            inputs[j] = min(max(value, -FARTHEST), FARTHEST)
        error = rebuild(inputs, part, plan, state[0], state[1], room)
        if learn:
            step(inputs, part, rate, plan, state[0], state[1], room)
        if part < plan.shape[0] - 1:
            inputs[n_inputs + part] = error
    return error


@njit(cache=True, nogil=True)
def rebuild(
    x: Floats,
    part: int,
    plan: Sizes,
    W: Floats,
    b: Floats,
    room: tuple[Floats, Floats, Floats],
) -> float:  # pragma: no cover
    """Rebuild a row by one autoencoder; give the root mean square error.

    Places are counted in the flat arrays: a view of them a part would cost as much as the part.

    Parameters
    ----------
    x
        Row in [0, 1].
    part, plan
        Which autoencoder, and where its numbers lie.
    W, b
        Weights of all, hidden units of a column together; biases of all, hidden ones first.
    room
        Filled: hidden layer, error of each column.
    """
    first, n_in, n_hidden = plan[part, 0], plan[part, 1], plan[part, 2]
    weight, bias = plan[part, 3], plan[part, 4]
    y, miss = room[0], room[1]
    for k in range(n_hidden):
        z = 0.0
        for j in range(n_in):
            z += x[first + j] * W[weight + j * n_hidden + k]
        y[k] = 1.0 / (1.0 + math.exp(-(z + b[bias + k])))
    total = 0.0
    for j in range(n_in):
        z = 0.0
        for k in range(n_hidden):
            z += y[k] * W[weight + j * n_hidden + k]
        miss[j] = x[first + j] - 1.0 / (1.0 + math.exp(-(z + b[bias + n_hidden + j])))
        total += miss[j] * miss[j]
    return math.sqrt(total / n_in)


@njit(cache=True, nogil=True)
def step(
    x: Floats,
    part: int,
    rate: float,
    plan: Sizes,
    W: Floats,
    b: Floats,
    room: tuple[Floats, Floats, Floats],
) -> None:  # pragma: no cover
    """Move one autoencoder against the gradient of the error that ``rebuild`` left.

    The biases of a layer move together, by the mean gradient, as in the authors' program.

    Parameters
    ----------
    x
        Row in [0, 1].
    part, plan, W, b
        As in ``rebuild``.
    rate
        Step.
    room
        Hidden layer and errors of ``rebuild``; room for the hidden gradient.
    """
    first, n_in, n_hidden = plan[part, 0], plan[part, 1], plan[part, 2]
    weight, bias = plan[part, 3], plan[part, 4]
    y, miss, back = room
    hidden_sum, visible_sum = 0.0, 0.0
    for j in range(n_in):
        visible_sum += miss[j]
    for k in range(n_hidden):
        z = 0.0
        for j in range(n_in):
            z += miss[j] * W[weight + j * n_hidden + k]
        back[k] = z * y[k] * (1.0 - y[k])
        hidden_sum += back[k]
    for j in range(n_in):
        for k in range(n_hidden):
            W[weight + j * n_hidden + k] += rate * (x[first + j] * back[k] + miss[j] * y[k])
    for k in range(n_hidden):
        b[bias + k] += rate * (hidden_sum / n_hidden)
    for j in range(n_in):
        b[bias + n_hidden + j] += rate * (visible_sum / n_in)
