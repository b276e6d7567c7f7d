"""Given examples as batches of one size, to be scored.

Letters: M examples, B of them in a batch, K batches.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def whole_batches(
  make: Callable[[int], Any],
  num_examples: int,
  batch_size: int,
  num_wanted: int | None = None,
) -> Any:
  """Returns a tree of batches [K, B, ...], all of them whole.

  What is left over of whole batches is left out. Where there are fewer examples
  than a batch has, they are one batch.

  Args:
    make: count -> the first examples, a tree of arrays [count, ...]. It is
      called once, with K B: noise that it draws is drawn for that number.
    num_examples: M, at least 1.
    batch_size: How many a batch has, if there are so many.
    num_wanted: How many of them are wanted, of which there is at least a batch;
      None: all.
  """
  size = min(batch_size, num_examples)  # B
  wanted = num_examples if num_wanted is None else num_wanted
  count = max(min(num_examples, wanted) // size, 1) * size  # K B
  return jax.tree.map(lambda x: x.reshape(-1, size, *x.shape[1:]), make(count))
