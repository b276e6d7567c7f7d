"""The image encoder against scipy's correlation, one image at a time."""

from __future__ import annotations

import haiku as hk
import jax
import numpy as np
import pytest
from scipy.signal import correlate2d

from gnn_readout.layers.images import ImageEncoder

# An odd side and an even one: their padding differs.
HEIGHT, WIDTH = 7, 10


def encoder(**kwargs):
  return hk.without_apply_rng(
    hk.transform(lambda images: ImageEncoder(name="net", **kwargs)(images))
  )


def convolve(x, params, stride=1):
  """[h, w, c] -> [h/stride, w/stride, C], padded as little as can be."""
  w = params["w"].astype(np.float64)
  out = sum(
    np.stack(
      [
        correlate2d(x[..., c], v, "same") for v in np.moveaxis(w[:, :, c], 2, 0)
      ],
      axis=-1,
    )
    for c in range(x.shape[-1])
  )
  if stride == 2:
    # Three taps over an even side need padding at its end alone.
    first = [int(len(w) == 3 and side % 2 == 0) for side in x.shape[:2]]
    out = out[first[0] :: 2, first[1] :: 2]
  return out + params["b"]


def normalise(x, params):
  x = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
  return x * params["scale"] + params["offset"]


def encode(params, x, num_blocks):
  params = {name.removeprefix("net/"): value for name, value in params.items()}
  for k in range(num_blocks):
    u = convolve(x, params[f"first_{k}"], stride=2)
    u = np.maximum(normalise(u, params[f"first_norm_{k}"]), 0)
    u = normalise(
      convolve(u, params[f"second_{k}"]), params[f"second_norm_{k}"]
    )
    x = np.maximum(convolve(x, params[f"skip_{k}"], stride=2) + u, 0)
  linear = params["linear"]
  return x.reshape(-1) @ linear["w"] + linear["b"]


def test_is_a_residual_network_of_single_images():
  rng = np.random.default_rng(0)
  images = rng.random((3, HEIGHT, WIDTH, 2)).astype(np.float32)
  transformed = encoder(channels=(2, 3), width=5)
  shapes = jax.eval_shape(transformed.init, jax.random.key(0), images)
  params = jax.tree.map(
    lambda leaf: rng.normal(size=leaf.shape).astype(leaf.dtype), shapes
  )
  result = jax.jit(transformed.apply)(params, images)
  expected = [encode(params, image.astype(np.float64), 2) for image in images]
  np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
  ("kwargs", "words"),
  [
    ({"channels": (2, 0), "width": 5}, r"channels must be positive, got \[2"),
    ({"channels": (2,), "width": 0}, r"width must be positive, got \[0"),
  ],
)
def test_impossible_widths(kwargs, words):
  with pytest.raises(ValueError, match=words):
    encoder(**kwargs).init(jax.random.key(0), np.ones((1, 8, 8, 1)))
