"""Generalised f-mean aggregation, with a learned f."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import check_widths
from gnn_readout.readouts.base import Aggregate, Readout


class Generalised(Readout):
  """y = g(n^(a - 1) sum_i f(x_i - b mean(x))), with g the learned inverse of f.

  f and g are networks of one number each, R -> R^K and R^K -> R, the same for
  all features, with Mish between the layers; a and b are learned from 0. With
  f = log, exp or a power it is the geometric mean, log-mean-exp or a power mean
  (a = 0), the product or the sum (a = 1), and with b = 1 a central moment. The
  empty set gives 0.

  What makes g the inverse of f is the auxiliary loss, the mean over a set
  of (|z| - |g(f(z))|)^2, z = x - b mean(x). The paper adds it with a weight of
  1: set `aux_weight`.

  Differs from the authors' program in that no layer is batch-normalised: what
  a set is pooled to would depend on the other sets of the batch. Its invertible
  network is not there either.

  Reference: Kortvelesy et al. 2023, "Generalised f-Mean Aggregation for Graph
  Neural Networks", GenAgg.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: Generalised()(x, sets))
    >>> y, aux_loss, *_ = pool.apply(pool.init(jax.random.key(0)), None)
    >>> y.shape, aux_loss.shape
    ((3, 4), (3,))
  """

  family = "learned means"
  reduces_to = "sum, mean, product, power means, max, moments, by f, a and b"

  def __init__(
    self,
    widths: Sequence[int] = (2, 2, 4),
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      widths: Widths of the layers of f, the last one K; g has them in reverse.
      output_size: D_out, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there is no width, or one is not positive.
    """
    super().__init__(output_size, name)
    check_widths(widths=widths)
    if not widths:
      raise ValueError("widths must be at least one positive number, got [].")
    self._widths = tuple(widths)

  def aggregate(
    self, elements: Array, sets: Sets, is_training: bool
  ) -> Aggregate:
    """Returns [S, D], and how far g is from the inverse of f."""
    width, dtype = elements.shape[1], elements.dtype
    exponent = hk.get_parameter("a", (), dtype, jnp.zeros)
    share = hk.get_parameter("b", (), dtype, jnp.zeros)
    f = _network("f", self._widths)
    g = _network("g", (*self._widths[-2::-1], 1))
    mean = segments.mean(elements, sets)  # [S, D]
    z = elements - share * segments.broadcast(mean, sets)  # [N, D]
    mapped = f(z[..., None])  # [N, D, K]
    means = segments.mean(mapped.reshape(len(z), -1), sets)  # [S, D K]
    sizes = jnp.maximum(sets.sizes, 1).astype(dtype)
    scaled = sizes[:, None] ** exponent * means
    values = g(scaled.reshape(sets.num_segments, width, -1))[..., 0]  # [S, D]
    values = jnp.where(sets.sizes[:, None] > 0, values, 0)
    error = jnp.abs(z) - jnp.abs(g(mapped)[..., 0])  # [N, D]
    of_elements = jnp.mean(jnp.square(error), axis=1, keepdims=True)  # [N, 1]
    aux_loss = segments.mean(of_elements, sets)[:, 0]  # [S]
    count = jnp.maximum(jnp.sum(sets.sizes > 0), 1)
    inverse_error = jax.lax.stop_gradient(jnp.sum(aux_loss) / count)
    return Aggregate(values, aux_loss, {"inverse_error": inverse_error})


def _network(name: str, widths: Sequence[int]) -> hk.Sequential:
  """Returns a network with Mish between its layers, drawn as He et al. do."""
  he = hk.initializers.VarianceScaling(2.0, "fan_in", "normal")
  layers = []
  for k, width in enumerate(widths):
    layers += [_mish] if k else []
    layers.append(hk.Linear(width, w_init=he, name=f"{name}_{k}"))
  return hk.Sequential(layers, name=name)


def _mish(x: Array) -> Array:
  """Returns x tanh(softplus(x))."""
  return x * jnp.tanh(jax.nn.softplus(x))
