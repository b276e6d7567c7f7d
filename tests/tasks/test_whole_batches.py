"""Which examples are in which batch, and for how many the noise is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from gnn_readout.tasks.whole_batches import whole_batches


@pytest.mark.parametrize(
  ("num_examples", "batch_size", "num_wanted", "shape"),
  [
    (23, 5, None, (4, 5)),
    (20, 5, None, (4, 5)),
    (3, 5, None, (1, 3)),
    (23, 5, 11, (2, 5)),
    (23, 5, 99, (4, 5)),
    (23, 5, 2, (1, 5)),
    (3, 5, 1, (1, 3)),
  ],
)
def test_whole_batches(num_examples, batch_size, num_wanted, shape):
  calls = []

  def make(count):
    calls.append(count)
    return {
      "number": np.arange(num_examples)[:count],
      "points": np.arange(2 * num_examples).reshape(-1, 2)[:count],
    }

  batches = whole_batches(make, num_examples, batch_size, num_wanted)
  num_batches, size = shape
  assert calls == [num_batches * size]
  assert batches["points"].shape == (*shape, 2)
  for k, numbers in enumerate(batches["number"]):
    assert numbers.tolist() == [*range(k * size, (k + 1) * size)]
