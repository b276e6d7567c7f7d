"""The potential of Equilibrium Aggregation, cheap to minimise over y.

The potential is a residual network on z_0 = [x_i, y] with L layers of widths
W_1..W_L (Listing 1; row vectors):
  u_k = tanh(LayerNorm(z_{k-1} W_k + b_k)),  z_k = z_{k-1} S_k + s_k + u_k
for k < L, where S_k, s_k is a linear map with bias if the width changes and
the identity if not; the last layer is linear, o = z_{L-1} (W_L + S_L) + b_L
+ s_L. F = mean_k o_k^2.

`fold` rewrites it without approximation. Between the tanh everything is
linear, so every pre-activation, and the output, is a sum of one linear map of
x, one of y, and one of each earlier u_k:
  p_j = x A_j + y B_j + sum_{k<j} u_k C_kj + c_j,  u_k = tanh(norm(p_k)).
What belongs to x is computed once and not at every step; what belongs to y
once per set and not per element; u_k meets all that follows in one product
with C_k = [C_k,k+1 | ... | C_k,L]. For widths [2h, h, 32] that is one
[N, 2h] x [2h, h + 32] product per evaluation. LayerNorm's subtraction of the
mean is linear too and goes into the maps.

`gradient` is dE/dy, written out by hand, and so is its own derivative, which
training through the loop needs. Multiply-adds per element, P = 2h (h + 32):
2P for the gradient and 4P for its derivative, against 2Q and 4Q, Q = 8h^2 +
64h, for the network as it stands. Of every step only the results of products
are kept for the derivative, 4h + 32 numbers per element, a seventh of what
automatic differentiation keeps; norms and tanh are computed again.

Shapes: N elements of S sets; D features of x; M of y; R_k = W_{k+1} + ... +
W_L, the width of all that follows layer k.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets

_EPSILON = 1e-5  # LayerNorm's.


class Folded(NamedTuple):
  """The energy of S sets as a function of y alone.

  Attributes:
    first: [N, W_1], the elements' part of the first pre-activation.
    later: [N, R_1], of all later ones, the output last.
    y_map: [M, W_1 + R_1], from y to all pre-activations, [B_1 | ... | B_L].
    maps: C_k [W_k, R_k] for k < L.
    scales, offsets: [W_k] for k < L, LayerNorm's.
    quadratic, linear: [N, 1]; an element adds sum_k (quadratic/2 o_k + linear)
      o_k to the energy of its set. Zero for padding.
    ridge: [S, 1]; a set's regulariser is ridge/2 |y|^2.
    sets: Which element belongs to which set.
  """

  first: Array
  later: Array
  y_map: Array
  maps: tuple[Array, ...]
  scales: tuple[Array, ...]
  offsets: tuple[Array, ...]
  quadratic: Array
  linear: Array
  ridge: Array
  sets: Sets


def fold(
  params: Mapping[str, Array],
  elements: Array,
  sets: Sets,
  *,
  quadratic: Array,
  linear: Array,
  ridge: Array,
) -> Folded:
  """Folds the potential's layers and applies what needs no y.

  Args:
    params: Parameters of layer k of L, counted from 0: `w_k` [in, out] and
      `b_k`; `scale_k` and `offset_k` but for the last; `skip_w_k` [in, out] and
      `skip_b_k` where in differs from out.
    elements: [N, D]; padding must be finite.
    sets: Which element belongs to which set.
    quadratic: [S], see `Folded`.
    linear: [S].
    ridge: [S].

  Returns:
    The energy, ready for any y.
  """
  num_layers = sum(name.startswith("w_") for name in params)
  out = params[f"b_{num_layers - 1}"].shape[0]
  # From the last layer to the first: the map from the stream z_k to all that
  # follows, and the constant that goes with it.
  reach = jnp.eye(out, dtype=elements.dtype)  # [W_k, R_k]
  constant = jnp.zeros(out, elements.dtype)  # [R_k]
  maps = []
  for k in reversed(range(num_layers)):
    w, b = params[f"w_{k}"], params[f"b_{k}"]
    past, past_constant = reach, constant  # Through the skip connection.
    if f"skip_w_{k}" in params:
      past = params[f"skip_w_{k}"] @ reach
      past_constant = params[f"skip_b_{k}"] @ reach + constant
    if k == num_layers - 1:
      reach, constant = w + past, b + past_constant
    else:
      maps.insert(0, reach)
      reach = jnp.concatenate([_centred(w), past], axis=-1)
      constant = jnp.concatenate([_centred(b), past_constant])
  num_features = elements.shape[1]
  shares = elements @ reach[:num_features] + constant  # [N, W_1 + R_1]
  width = maps[0].shape[0]
  return Folded(
    first=shares[:, :width],
    later=shares[:, width:],
    y_map=reach[num_features:],
    maps=tuple(maps),
    scales=tuple(params[f"scale_{k}"] for k in range(num_layers - 1)),
    offsets=tuple(params[f"offset_{k}"] for k in range(num_layers - 1)),
    quadratic=segments.broadcast(quadratic[:, None], sets),
    linear=segments.broadcast(linear[:, None], sets),
    ridge=ridge[:, None],
    sets=sets,
  )


def energy(folded: Folded, y: Array) -> Array:
  """Returns the energy [S] at y [S, M]."""
  *_, out = _forward(folded, y @ folded.y_map)  # [N, W_L]
  potentials = jnp.sum(
    (folded.quadratic / 2 * out + folded.linear) * out, axis=-1, keepdims=True
  )  # [N, 1]
  ridge = folded.ridge / 2 * jnp.sum(y * y, axis=-1, keepdims=True)
  return (segments.sum(potentials, folded.sets) + ridge)[:, 0]


@jax.custom_vjp
def gradient(folded: Folded, y: Array) -> Array:
  """Returns dE/dy [S, M] at y [S, M].

  Differentiable in reverse mode; `quadratic` and `linear`, which come from the
  sizes of the sets, count as constants.
  """
  return _gradient(folded, y)[0]


class _Kept(NamedTuple):
  """What the derivative of the gradient would be dear to compute again.

  Attributes:
    y_first: [S, W_1], y's part of the first pre-activation.
    pre: p_k [N, W_k] for 1 < k < L.
    inverse: [N, 1] for k < L, one over the standard deviation of p_k.
    slope: [N, 1] for k < L, mean_d (dE/dnorm)_d norm_d.
    grad_u: dE/du_k [N, W_k] for k < L - 1; the last one costs little.
    grad_later: [N, R_1], dE/dp_k for all k > 1.
    grad_sums: [S, W_1 + R_1], the sums of dE/dp_k over each set.
  """

  y_first: Array
  pre: list[Array]
  inverse: list[Array]
  slope: list[Array]
  grad_u: list[Array]
  grad_later: Array
  grad_sums: Array


def _forward(folded, from_y):
  """Returns p_k, 1/std(p_k), norm(p_k), u_k, each a list over k, and o."""
  width = folded.first.shape[1]
  first, later = from_y[:, :width], from_y[:, width:]
  p = folded.first + _spread(first, folded.sets)  # [N, W_1]
  later = folded.later + _spread(later, folded.sets)  # [N, R_1]
  pre, inverse, norm, u = [], [], [], []
  for k, c in enumerate(folded.maps):
    if k:
      p, later = _split(later, c)
    pre.append(p)
    inverse.append(jax.lax.rsqrt(_row_mean(p, p) + _EPSILON))
    norm.append(p * inverse[k])
    u.append(jnp.tanh(norm[k] * folded.scales[k] + folded.offsets[k]))
    later = later + u[k] @ c  # [N, R_k]
  return pre, inverse, norm, u, later


def shares(folded: Folded, y: Array) -> Array:
  """Returns |g_i| / sum_j |g_j| [N, 1] with g_i = dF(x_i, y)/dy; padding 0.

  The gradients of the elements of a set and that of its regulariser add up to
  dE/dy: at a minimum they pull against each other, and this is how strong each
  element is. Where nothing pulls all shares are 0.
  """
  first, later, _ = _element_gradients(folded, y @ folded.y_map)
  pulls = jnp.concatenate([first, later], axis=-1) @ folded.y_map.T  # [N, M]
  # Divided by the largest number before it is squared, it cannot overflow.
  largest = jnp.max(jnp.abs(pulls), axis=-1, keepdims=True)  # [N, 1]
  scaled = pulls / jnp.where(largest > 0, largest, 1)
  norms = largest * jnp.sqrt(jnp.sum(scaled * scaled, axis=-1, keepdims=True))
  norms = segments.masked(norms, folded.sets)  # [N, 1]
  most = segments.broadcast(segments.max(norms, folded.sets), folded.sets)
  norms = norms / jnp.where(most > 0, most, 1)
  total = segments.broadcast(segments.sum(norms, folded.sets), folded.sets)
  return norms / jnp.where(total > 0, total, 1)


def _gradient(folded, y):
  """Returns dE/dy and what its derivative needs."""
  sets = folded.sets
  from_y = y @ folded.y_map  # [S, W_1 + R_1]
  grad_p, later, (pre, inverse, slope, grad_u) = _element_gradients(
    folded, from_y
  )
  grad_sums = jnp.concatenate(
    [segments.sum(grad_p, sets), segments.sum(later, sets)], axis=-1
  )  # [S, W_1 + R_1]
  result = grad_sums @ folded.y_map.T + folded.ridge * y
  y_first = from_y[:, : grad_p.shape[1]]
  return result, _Kept(
    y_first, pre[1:], inverse, slope, grad_u[:-1], later, grad_sums
  )


def _element_gradients(folded, from_y):
  """Returns dF_i/dp_1 [N, W_1], that of all later p_k [N, R_1], and the way."""
  scales = folded.scales
  pre, inverse, norm, u, out = _forward(folded, from_y)
  later = folded.quadratic * out + folded.linear  # dE/do
  grad_u, slope = [], []
  for k in reversed(range(len(u))):
    grad_u.insert(0, later @ folded.maps[k].T)  # [N, W_k]
    grad_norm = grad_u[0] * (1 - u[k] * u[k]) * scales[k]
    slope.insert(0, _row_mean(grad_norm, norm[k]))
    grad_p = inverse[k] * (grad_norm - norm[k] * slope[0])  # [N, W_k]
    if k:
      later = jnp.concatenate([grad_p, later], axis=-1)  # [N, R_{k-1}]
  return grad_p, later, (pre, inverse, slope, grad_u)


def _gradient_fwd(folded, y):
  result, kept = _gradient(folded, y)
  return result, (folded, y, kept)


def _gradient_bwd(saved, v):
  """Pulls a cotangent v [S, M] back through the gradient.

  That is the derivative of <v, dE/dy>, the slope of E along v: one sweep
  forward with the slopes (names in dot_) of all quantities, and one back
  through both (the derivatives with respect to p_k, u_k: names in bar_).
  """
  folded, y, kept = saved
  sets, maps, scales = folded.sets, folded.maps, folded.scales
  along = v @ folded.y_map  # [S, W_1 + R_1]
  width = folded.first.shape[1]
  dot_p = _spread(along[:, :width], sets)  # [N, W_1]
  dot_later = _spread(along[:, width:], sets)  # [N, R_1]
  p = folded.first + _spread(kept.y_first, sets)  # [N, W_1]
  later = kept.grad_later  # dE/dp of all that follows, [N, R_1]
  layers = []
  for k, c in enumerate(maps):
    if k:
      p = kept.pre[k - 1]  # [N, W_k]
      dot_p, dot_later = _split(dot_later, c)
      later = later[:, c.shape[0] :]  # [N, R_k]
    norm = p * kept.inverse[k]
    u = jnp.tanh(norm * scales[k] + folded.offsets[k])
    grad_u = kept.grad_u[k] if k < len(maps) - 1 else later @ c.T
    grad_n = grad_u * (1 - u * u)  # dE/d(norm scale + offset)
    drift = _row_mean(norm, dot_p)
    dot_norm = kept.inverse[k] * (dot_p - norm * drift)
    dot_u = (1 - u * u) * scales[k] * dot_norm  # [N, W_k]
    dot_later = dot_later + dot_u @ c  # [N, R_k]
    layers.append((norm, u, grad_n, dot_p, drift, dot_norm, dot_u, later))

  bar_later = folded.quadratic * dot_later  # [N, W_L]
  bar_maps, bar_scales, bar_offsets = [], [], []
  for k in reversed(range(len(maps))):
    norm, u, grad_n, dot_p, drift, dot_norm, dot_u, later = layers[k]
    inverse, slope = kept.inverse[k], kept.slope[k]
    bar_maps.insert(0, u.T @ bar_later + dot_u.T @ later)
    bar_u = bar_later @ maps[k].T  # [N, W_k]
    bar_n = (1 - u * u) * bar_u - 2 * u * scales[k] * dot_norm * grad_n
    bar_scales.insert(0, jnp.sum(bar_n * norm + grad_n * dot_norm, axis=0))
    bar_offsets.insert(0, jnp.sum(bar_n, axis=0))
    # Through norm and dot_norm, both of them functions of p.
    grad_norm = grad_n * scales[k]
    bar_norm = bar_n * scales[k] - inverse * (drift * grad_norm + slope * dot_p)
    shrink = inverse * (
      _row_mean(grad_norm, dot_p) - drift * slope
    ) + _row_mean(bar_norm, norm)  # [N, 1]
    bar_p = inverse * (bar_norm - norm * shrink)  # [N, W_k]
    if k:
      bar_later = jnp.concatenate([bar_p, bar_later], axis=-1)  # [N, R_{k-1}]

  bar_sums = jnp.concatenate(
    [segments.sum(bar_p, sets), segments.sum(bar_later, sets)], axis=-1
  )  # [S, W_1 + R_1]
  bar_y = bar_sums @ folded.y_map.T + folded.ridge * v
  bar_y_map = jnp.concatenate([y, v]).T @ jnp.concatenate(
    [bar_sums, kept.grad_sums]
  )  # [M, W_1 + R_1]
  bar_folded = Folded(
    first=bar_p,
    later=bar_later,
    y_map=bar_y_map,
    maps=tuple(bar_maps),
    scales=tuple(bar_scales),
    offsets=tuple(bar_offsets),
    quadratic=jnp.zeros_like(folded.quadratic),
    linear=jnp.zeros_like(folded.linear),
    ridge=jnp.sum(y * v, axis=-1, keepdims=True),
    sets=None,
  )
  return bar_folded, bar_y


gradient.defvjp(_gradient_fwd, _gradient_bwd)


def _spread(values, sets):
  """`segments.broadcast`, but padding gets any set's value, not zeros.

  That needs no mask: what comes of it is multiplied by the padding's weight 0.
  """
  return values.at[sets.segment_ids].get(mode="clip", indices_are_sorted=True)


def _split(later, following_map):
  """Splits the pre-activation of the next layer off all later ones."""
  width = following_map.shape[0]
  return later[:, :width], later[:, width:]


def _centred(x):
  return x - jnp.mean(x, axis=-1, keepdims=True)


def _row_mean(a, b):
  return jnp.mean(a * b, axis=-1, keepdims=True)
