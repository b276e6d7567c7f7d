"""Softmax of each feature over the elements, with a learned temperature."""

from __future__ import annotations

from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.readouts.base import Aggregate, Readout, without_loss
from gnn_readout.readouts.coefficients import Coefficient


class Softmax(Readout):
  """y_d = sum_i exp(t x_id) x_id / sum_j exp(t x_jd), 0 for the empty set.

  t is an inverse temperature: the mean at t = 0, the maximum as t grows, the
  minimum as it falls. PyTorch Geometric's SoftmaxAggregation is the same, its
  default a fixed t.

  Reference: Li et al. 2020, "DeeperGCN: All You Need to Train Deeper GCNs",
  SoftMax_Agg.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> sets = make_sets(jnp.array([2, 0, 1]), num_elements=4)
    >>> x = jnp.array([[1.0, 8.0], [3.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    >>> pool = hk.transform(lambda: Softmax(t=99.0)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).tolist()
    [[3.0, 8.0], [0.0, 0.0], [5.0, 5.0]]
  """

  family = "learned means"
  reduces_to = "mean (t = 0), max (t → ∞), min (t → -∞)"
  carries_faults = True
  weighs = True

  def __init__(
    self,
    t: float = 1.0,
    learn: bool = True,
    per_channel: bool = False,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      t: Inverse temperature, at initialisation if it is learned.
      learn: Whether t is a parameter.
      per_channel: Whether each feature has its own t.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `t` is not finite, or is `per_channel` but not learned.
    """
    super().__init__(output_size, name)
    self._t = Coefficient("t", t, learn, per_channel)

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D] and exp(t x_id) / sum_j exp(t x_jd) [N, D]."""
    logits = self._t(elements) * elements  # [N, D]
    values = segments.softmax_mean(logits, elements, sets)
    return without_loss(values, segments.softmax(logits, sets))
