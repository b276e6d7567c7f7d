"""Two-dimensional convolutions that train fast on CPUs, in loops as well.

XLA knows the fast kernels of a CPU by the layout of a convolution's operands.
In the body of a loop it does not bring them into that layout, and the
convolutions that automatic differentiation makes do not have it: there a step
takes 20 times as long. So the two of the gradient are written out here, their
operands transposed to the layout of the one forward.

Shapes: N images of h x w pixels, C channels to D, windows of k x k pixels,
stride s.
"""

from __future__ import annotations

import functools

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

_LAYOUT = ("NHWC", "HWIO", "NHWC")


class Convolution(hk.Module):
  """y = x * W + b, zero-padded so that h and w are divided by s, rounded up.

  Parameters as those of `hk.Conv2D`: `w` [k, k, C, D] and `b` [D].
  """

  def __init__(
    self, channels: int, size: int, stride: int = 1, name: str | None = None
  ):
    """Creates the layer.

    Args:
      channels: D.
      size: k.
      stride: s.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._channels, self._size, self._stride = channels, size, stride

  def __call__(self, x: Array) -> Array:
    """Returns [N, h/s, w/s, D] from x [N, h, w, C]."""
    fan_in = self._size**2 * x.shape[-1]
    shape = self._size, self._size, x.shape[-1], self._channels
    init = hk.initializers.TruncatedNormal(fan_in**-0.5)
    w = hk.get_parameter("w", shape, x.dtype, init)
    b = hk.get_parameter("b", (self._channels,), x.dtype, jnp.zeros)
    by_hand = jax.default_backend() == "cpu"
    return (convolve_by_hand if by_hand else convolve)(x, w, self._stride) + b


def convolve(x: Array, w: Array, stride: int) -> Array:
  """Returns x * w, [N, h/s, w/s, D].

  Args:
    x: [N, h, w, C].
    w: [k, k, C, D].
    stride: s.
  """
  return jax.lax.conv_general_dilated(
    x, w, (stride, stride), "SAME", dimension_numbers=_LAYOUT
  )


# The same, differentiable in reverse mode, once.
convolve_by_hand = jax.custom_vjp(convolve, nondiff_argnums=(2,))


def _forward(x, w, stride):
  return convolve(x, w, stride), (x, w)


def _backward(stride, saved, dy):
  x, w = saved
  size = w.shape[0]
  before, after = [], []
  for side, steps in zip(x.shape[1:3], dy.shape[1:3], strict=True):
    reach = (steps - 1) * stride + size  # Pixels that windows look at.
    before.append(max(reach - side, 0) // 2)
    after.append(side - reach + before[-1])  # Unseen ones; below 0: padding.
  unit = functools.partial(
    jax.lax.conv_general_dilated,
    window_strides=(1, 1),
    dimension_numbers=_LAYOUT,
  )
  dx = unit(
    dy,
    jnp.flip(w, (0, 1)).swapaxes(2, 3),  # [k, k, D, C]
    padding=[
      (size - 1 - b, size - 1 + a) for b, a in zip(before, after, strict=True)
    ],
    lhs_dilation=(stride, stride),
  )  # [N, h, w, C]
  dw = unit(
    x.transpose(3, 1, 2, 0),  # [C, h, w, N]
    dy.transpose(1, 2, 0, 3),  # [h/s, w/s, N, D]
    padding=[(b, -a) for b, a in zip(before, after, strict=True)],
    rhs_dilation=(stride, stride),
  )  # [C, k, k, D]
  return dx, dw.transpose(1, 2, 0, 3)


convolve_by_hand.defvjp(_forward, _backward)
