"""Deep Sets: a network of the pooled outputs of a network."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
from jax import Array

from gnn_readout import segments
from gnn_readout.errors import suggest
from gnn_readout.graphs import Sets
from gnn_readout.layers.mlp import check_widths
from gnn_readout.readouts.base import Readout

_POOLS = {"sum": segments.sum, "mean": segments.mean, "max": segments.max}


class DeepSets(Readout):
  """y = rho(sum_i phi(x_i)), phi and rho networks with ReLU.

  phi ends in a ReLU, rho in a linear layer. The empty set gives rho(0), which
  is learned like any other value. With both the identity it would be `sum`;
  `pool="max"` is PointNet. It is PyTorch Geometric's DeepSetsAggregation with
  these networks.

  Reference: Zaheer et al. 2017, "Deep Sets", Theorem 2.

  Example:
    >>> import haiku as hk, jax, jax.numpy as jnp
    >>> from gnn_readout.graphs import make_sets
    >>> x, sets = jnp.ones((6, 4)), make_sets(jnp.array([2, 0, 3]), 6)
    >>> pool = hk.transform(lambda: DeepSets(phi_widths=[8])(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (3, 4)
  """

  family = "networks"
  reduces_to = "sum, if phi and rho are the identity"

  def __init__(
    self,
    phi_widths: Sequence[int] | None = None,
    rho_widths: Sequence[int] | None = None,
    pool: str = "sum",
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      phi_widths: Widths of the layers of phi; [D, D] by default.
      rho_widths: Widths of the hidden layers of rho; [D] by default.
      pool: 'sum', 'mean' or 'max'.
      output_size: D_out, the width of rho, or None for D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `pool` is unknown or a width is not positive.
    """
    super().__init__(output_size, name)
    if pool not in _POOLS:
      raise ValueError(f"Unknown pool {pool!r}.{suggest(pool, _POOLS)}")
    check_widths(phi_widths=phi_widths, rho_widths=rho_widths)
    self._pool = _POOLS[pool]
    self._phi_widths = phi_widths
    self._rho_widths = rho_widths

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, D_out]."""
    width = elements.shape[1]
    phi_widths = (
      (width, width) if self._phi_widths is None else self._phi_widths
    )
    rho_widths = (width,) if self._rho_widths is None else self._rho_widths
    phi = hk.nets.MLP(phi_widths, activate_final=True, name="phi")
    rho = hk.nets.MLP((*rho_widths, self._output_size or width), name="rho")
    return rho(self._pool(phi(elements), sets))
