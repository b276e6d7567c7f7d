"""A batch in D shares, one on each of D devices, and sums over all of them.

Inside `sharded` a function sees the share of one device. What the whole batch
decides, such as the mean of a normalisation or the number of labels, it takes
from `total`. Outside a batch is whole, and `total` changes nothing.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import jax
from jax import Array

_axis: contextvars.ContextVar[str | None] = contextvars.ContextVar(
  "axis", default=None
)


@contextlib.contextmanager
def sharded(axis: str | None) -> Iterator[None]:
  """Says that what is traced in the block sees one share of its batch.

  Args:
    axis: The mesh axis of the shares, which `jax.shard_map` has bound; None
      for a batch that is whole.
  """
  token = _axis.set(axis)
  try:
    yield
  finally:
    _axis.reset(token)


def is_sharded() -> bool:
  """Returns whether what is traced now sees one share of its batch."""
  return _axis.get() is not None


def total(tree: Any) -> Any:
  """Returns the sum over all shares of each array of a tree.

  It is one message between the devices. It must not be differentiated: the
  gradient of the whole batch is the total of those of the shares, which are
  taken of losses that add up.
  """
  axis = _axis.get()
  return tree if axis is None else jax.lax.psum(tree, axis)


def own_key(key: Array) -> Array:
  """Returns another JAX key for each share, and `key` for a whole batch."""
  axis = _axis.get()
  if axis is None:
    return key
  return jax.random.fold_in(key, jax.lax.axis_index(axis))


def own(num_shares: int) -> slice:
  """Returns which of D shares the devices of this process have.

  Args:
    num_shares: D.

  Raises:
    ValueError: If the processes cannot have equally many.
  """
  processes = jax.process_count()
  if num_shares % processes:
    raise ValueError(
      f"num_devices must be a multiple of the {processes} processes, got"
      f" {num_shares}"
    )
  size = num_shares // processes
  return slice(jax.process_index() * size, (jax.process_index() + 1) * size)
