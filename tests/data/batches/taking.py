"""What the tests of batches take from their iterators."""

import itertools

import jax
import numpy as np

from gnn_readout.data import batches


def take(iterator, num):
  items = list(itertools.islice(iterator, num))
  iterator.close()
  return items


def indices(batch):
  return batch.globals["index"][batch.globals["mask"]]


def assert_same(a, b):
  jax.tree.map(np.testing.assert_array_equal, a, b)


MODES = {
  "bucketed": {"batch_size": 7},
  "keep_last": {"batch_size": 7, "keep_last": True},
  "paper": {"mode": "paper", "batch_size": 7, "max_nodes": 61},
}


def epochs(plan, num):
  """The batches of the first `num` epochs, by epoch."""
  result = [[] for _ in range(num)]
  iterator = batches.train_batches(plan, prefetch=0)
  for step, epoch, batch, _ in iterator:
    if epoch == num:
      return result
    assert step == sum(map(len, result))
    result[epoch].append(batch)
