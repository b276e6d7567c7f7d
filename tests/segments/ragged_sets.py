"""Sets of many sizes, empty ones among them, with garbage where they end."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from gnn_readout.graphs import make_sets

D = 5
FEW = (7, 0, 1, 13, 2, 0)
MANY = FEW + (0, 1, 2) * 43  # 135 sets: no product with the membership matrix.
PADDING = 11


def example(sizes, width=D):
  """Returns elements whose padding holds garbage, and their sets."""
  rng = np.random.default_rng(len(sizes))
  num_elements = sum(sizes) + PADDING
  shape = (num_elements,) if width is None else (num_elements, width)
  elements = rng.normal(size=shape)
  garbage = np.resize([np.nan, np.inf, 1e300, -np.inf], PADDING)
  elements[sum(sizes) :].T[:] = garbage
  return jnp.asarray(elements), make_sets(np.array(sizes), num_elements)


def values_and_slopes(function, arguments, cotangent):
  """Returns the value and what each argument gets of the cotangent."""

  def both(arguments, cotangent):
    values, pull = jax.vjp(function, *arguments)
    return values, *pull(cotangent)

  return map(np.asarray, jax.jit(both)(arguments, jnp.asarray(cotangent)))
