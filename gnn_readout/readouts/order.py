"""How much the order of the elements matters to a readout."""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.graphs import Sets


def shuffled(elements: Array, sets: Sets, key: Array) -> Array:
  """Returns the elements [N, D] of each set in a random order."""
  numbers = jax.random.uniform(key, sets.segment_ids.shape)
  return elements[jnp.lexsort((numbers, sets.segment_ids))]


def order_dependence(
  pool: Callable[[Array], Array],
  elements: Array,
  sets: Sets,
  key: Array,
  num_orders: int = 16,
) -> Array:
  """Returns the share of the variance of y that is due to the order.

  w / (w + b), with w the variance of y over random orders of a set's elements,
  in the mean of the sets, and b that of its mean over the sets; both summed
  over the features. It is 0 where the order does not matter and 1 where y says
  nothing else. Sets of fewer than two elements are left out.

  Args:
    pool: From elements [N, D] to values [S, D_out].
    elements: [N, D].
    sets: Which set each element belongs to; two at least have two elements.
    key: A JAX key.
    num_orders: How many orders to draw.

  Raises:
    ValueError: if `num_orders` is less than 2.
  """
  if num_orders < 2:
    raise ValueError(f"num_orders must be at least 2, got {num_orders}.")
  keys = jax.random.split(key, num_orders)
  orders = jax.lax.map(lambda k: pool(shuffled(elements, sets, k)), keys)
  counts = (sets.sizes > 1)[:, None]  # [S, 1]
  variance = jnp.var(orders, axis=0, ddof=1)  # [S, D_out]
  within = jnp.sum(jnp.mean(variance, axis=0, where=counts))
  means = jnp.mean(orders, axis=0)  # [S, D_out]
  between = jnp.sum(jnp.var(means, axis=0, ddof=1, where=counts))
  return within / (within + between)
