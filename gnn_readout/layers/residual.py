"""Fully-connected residual networks, as the paper's listing has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.layers.mlp import check_widths


class ResidualMLP(hk.Module):
  """z_k = S_k z_{k-1} + s_k + u_k with u_k = act(LN(W_k z_{k-1} + b_k)).

  The last layer has neither LN, LayerNorm with scale and offset, nor act. S_k,
  s_k is a linear map with bias if the width changes, else z_{k-1} is added as
  it is.

  Differs from the paper: the listing is that of the potential, with tanh and
  LayerNorm. Of the "fully-connected ResNets" that embed numbers and predict
  from pooled vectors only the widths are given.

  Reference: Bartunov et al. 2022, Listing 1, SuperMLP.
  """

  def __init__(
    self,
    widths: Sequence[int],
    activation: Callable[[Array], Array] = jax.nn.tanh,
    layer_norm: bool = True,
    name: str | None = None,
  ):
    """Creates the network.

    Args:
      widths: Widths of the layers; the last one is D_out.
      activation: act.
      layer_norm: Whether LN is LayerNorm, else nothing.
      name: Haiku's name of the module.

    Raises:
      ValueError: if there are no widths or one is not positive.
    """
    super().__init__(name=name)
    check_widths(widths=widths)
    if not widths:
      raise ValueError("widths must hold at least one width, got none.")
    self._widths = tuple(widths)
    self._activation = activation
    self._layer_norm = layer_norm

  def __call__(self, z: Array) -> Array:
    """Returns [..., D_out] from z [..., D]."""
    for k, width in enumerate(self._widths):
      u = hk.Linear(width, name=f"layer_{k}")(z)  # [..., W_k]
      if k < len(self._widths) - 1:
        if self._layer_norm:
          u = hk.LayerNorm(-1, True, True, name=f"norm_{k}")(u)
        u = self._activation(u)
      if width != jnp.shape(z)[-1]:
        z = hk.Linear(width, name=f"skip_{k}")(z)
      z = z + u
    return z
