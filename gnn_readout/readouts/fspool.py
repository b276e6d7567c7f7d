"""Featurewise sort pooling."""

from __future__ import annotations

from collections.abc import Callable

import haiku as hk
import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets
from gnn_readout.layers import featurewise_sort
from gnn_readout.readouts.base import Aggregate, Readout, without_loss

INITIALISERS: dict[str, Callable[..., Array]] = {
  "ones": jnp.ones,
  "normal": hk.initializers.RandomNormal(),
}


class FSPool(Readout):
  """y_d = sum_j f((j - 1) / (n - 1), w_d) sort(x_d)_j, highest first.

  f(r, w) = sum_i max(0, 1 - |r (k - 1) - (i - 1)|) w_i is piecewise linear
  with learned values w at k knots. A single element has r = 0; the empty set
  gives 0. Equal knots make it a multiple of the sum; w = (1, 0, ..., 0) and
  (0, ..., 0, 1) the maximum and the minimum of sets of up to k elements, and
  a peak in the middle the median of those of odd size.

  Differs from the authors' programs: they count the pieces between knots, so
  that their k pieces are k + 1 knots; on graphs they sort upwards, which is
  the same with the knots reversed; padding is a large value there, and here
  told by the sizes of the sets.

  Reference: Zhang et al. 2020, "FSPool: Learning Set Representations with
  Featurewise Sort Pooling"; eq. 5.6-5.7 of Y. Zhang's thesis.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((5, 3)), make_sets(jnp.array([2, 3]), 5)
    >>> f = hk.transform(lambda x, s: FSPool()(x, s).values)
    >>> f.apply(f.init(jax.random.key(0), x, sets), None, x, sets).tolist()
    [[2.0, 2.0, 2.0], [3.0, 3.0, 3.0]]
  """

  family = "order statistics"
  reduces_to = "sum, max, min, median, by knots"
  weighs = True

  def __init__(
    self,
    num_knots: int = 20,
    initialisation: str = "ones",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_knots: k, at least 2. The authors' program for graphs has 5 pieces,
        that is 6 knots.
      initialisation: Initial values of the knots: "ones", so that training
        starts at the sum, as in the authors' program for graphs, or "normal",
        N(0, 1), as in their others.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `num_knots` is less than 2 or `initialisation` unknown.
    """
    super().__init__(output_size, name)
    if num_knots < 2:
      raise ValueError(f"num_knots must be at least 2, got {num_knots}.")
    if initialisation not in INITIALISERS:
      raise ValueError(
        f"initialisation must be one of {sorted(INITIALISERS)}, "
        f"got {initialisation!r}."
      )
    self._num_knots = num_knots
    self._init = INITIALISERS[initialisation]

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D] and the weight that each element's rank has [N, D]."""
    shape = (self._num_knots, elements.shape[-1])
    knots = hk.get_parameter("knots", shape, elements.dtype, self._init)
    values, rows = featurewise_sort.fspool(elements, sets, knots)
    return without_loss(values, featurewise_sort.weights(sets, knots, rows))
