"""A convolutional residual network: from images to vectors."""

from __future__ import annotations

from collections.abc import Sequence

import haiku as hk
import jax
from jax import Array

from gnn_readout.layers.convolution import Convolution
from gnn_readout.layers.mlp import check_widths


class ImageEncoder(hk.Module):
  """Residual blocks, each of which halves height and width, then a linear map.

  Block k, with C_k channels:
    u = relu(N(x * W_k1 + b_k1)),  x <- relu(x * P_k + N(u * W_k2 + b_k2)),
  where * is a convolution, W_k1 and P_k with stride 2, W_k1 and W_k2 of 3x3
  pixels, P_k of one. N normalises all numbers of one image by their mean and
  variance, with a scale and an offset per channel. What is left is flattened
  and mapped to `width`.

  Differs from the paper: it gives the channels, the 3x3 filters, the stride
  and the linear map. Two convolutions to a block, the ReLUs and the projection
  P are those of He et al. 2016. Theirs have batch normalisation; with N the
  vector of an image does not depend on the others of the batch.

  Reference: Bartunov et al. 2022, section 5.2; He et al. 2016, "Deep Residual
  Learning for Image Recognition"; N: Wu and He 2018, "Group Normalization", of
  one group.
  """

  def __init__(
    self, channels: Sequence[int], width: int, name: str | None = None
  ):
    """Creates the network.

    Args:
      channels: C_k of each block.
      width: D.
      name: Haiku's name of the module.

    Raises:
      ValueError: if one of these is not positive.
    """
    super().__init__(name=name)
    check_widths(channels=channels, width=[width])
    self._channels = tuple(channels)
    self._width = width

  def __call__(self, images: Array) -> Array:
    """Returns [N, D] from images [N, height, width, channels]."""
    x = images
    for k, channels in enumerate(self._channels):
      u = Convolution(channels, 3, stride=2, name=f"first_{k}")(x)
      u = jax.nn.relu(_normalise(u, f"first_norm_{k}"))  # [N, h/2, w/2, C_k]
      u = Convolution(channels, 3, name=f"second_{k}")(u)
      u = _normalise(u, f"second_norm_{k}")
      skip = Convolution(channels, 1, stride=2, name=f"skip_{k}")(x)
      x = jax.nn.relu(skip + u)
    return hk.Linear(self._width, name="linear")(x.reshape(len(x), -1))


def _normalise(x: Array, name: str) -> Array:
  axes = (-3, -2, -1)
  return hk.LayerNorm(axes, True, True, param_axis=-1, name=name)(x)
