"""Random pictures in place of handwritten digits."""

from __future__ import annotations

import numpy as np

from gnn_readout.data.sources import mnist


def digits(count, seed):
  rng = np.random.default_rng(seed)
  images = (255 * (rng.random((count, 5, 5)) < 0.4)).astype(np.uint8)
  return mnist.Digits(images, np.zeros(count, np.int32))


PARTS = {
  name: digits(23, k) for k, name in enumerate(("train", "valid", "test"))
}
