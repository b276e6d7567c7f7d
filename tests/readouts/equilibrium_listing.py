"""The paper's Listings 1 and 2 as they stand: the oracle of the fast path.

Transcribed in structure and in names, with the parameters in a flat dict and
the sets as segments. No part of it is shared with the readout.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp


def super_mlp(params, x, widths):
  """Listing 1, SuperMLP with residual and normalize."""
  for i, size in enumerate(widths):
    h = x @ params[f"w_{i}"] + params[f"b_{i}"]

    if i < len(widths) - 1:
      mean = jnp.mean(h, axis=-1, keepdims=True)
      variance = jnp.var(h, axis=-1, keepdims=True)
      h = (h - mean) * jax.lax.rsqrt(variance + 1e-5)
      h = h * params[f"scale_{i}"] + params[f"offset_{i}"]
      h = jnp.tanh(h)

    if size != x.shape[1]:
      x = x @ params[f"skip_w_{i}"] + params[f"skip_b_{i}"]

    x += h
  return x


def potential_net(params, x, y, widths, square_reduction):
  """Listing 1, potential_net; the text has the sum of squares."""
  z = jnp.concatenate([x, y], axis=-1)
  h = super_mlp(params, z, widths)
  if square_reduction == "none":
    return h[:, 0]
  return getattr(jnp, square_reduction)(jnp.square(h), axis=1)


def equilibrium(
  params,
  elements,
  segment_ids,
  sizes,
  *,
  widths,
  output_size=None,
  max_iters=15,
  gtol=1e-3,
  clip_value=None,
  square_reduction="mean",
  aux_reduction="mean",
):
  """Listing 2, MomentumOptimizer, applied to the energy of eq. C.1.

  Args:
    params: The readout's own parameters.
    elements: [N, D], finite everywhere.
    segment_ids: [N], with len(sizes) for elements of no set.
    sizes: [S].
    widths: Of the potential.
    output_size: M, or None for D.
    max_iters: T.
    gtol: Tolerance of the max norm.
    clip_value: Or None.
    square_reduction: 'mean', 'sum' or 'none'.
    aux_reduction: 'mean' or 'sum'.

  Returns:
    y [S, M] and the auxiliary loss [S].
  """
  num_sets = sizes.shape[0]
  size = output_size or elements.shape[1]

  def f(y, x, theta):
    own = y[jnp.minimum(segment_ids, num_sets - 1)]
    potentials = potential_net(theta, x, own, widths, square_reduction)
    total = jax.ops.segment_sum(potentials, segment_ids, num_sets)
    regulariser = jax.nn.softplus(theta["lambda"]) * jnp.sum(y**2, axis=1)
    n = sizes.astype(y.dtype)
    return (regulariser + total) / (n + 1e-8) * jnp.log2(n + 1)

  def combined_objective(y, x, theta):
    fval = f(y, x, theta)
    return jnp.sum(fval), fval

  grad_fn = jax.grad(combined_objective, argnums=0, has_aux=True)
  mu = jax.nn.sigmoid(params["momentum"])
  learning_rate = jax.nn.softplus(params["learning_rate"])

  # The listing starts at zeros; section 2 also names a learned start.
  start = params.get("start", jnp.zeros(size, elements.dtype))
  y = jnp.broadcast_to(start, (num_sets, size))
  grad_norm = jnp.zeros([num_sets], elements.dtype)
  momentum = jnp.zeros_like(y)

  def loop_body(_, args):
    y, grad_norm, momentum = args
    grad, _ = grad_fn(y + mu * momentum, elements, params)
    max_norm = jnp.max(jnp.abs(grad), axis=1)
    grad_mask = jnp.greater_equal(max_norm, gtol)
    grad_mask = grad_mask.astype(y.dtype)
    momentum = mu * momentum - learning_rate * grad
    y += grad_mask[:, None] * momentum
    if clip_value is not None:
      y = jnp.clip(y, 0.0 - clip_value, clip_value)
    grad_norm += getattr(jnp, aux_reduction)(jnp.square(grad), axis=1)
    return y, grad_norm, momentum

  y, grad_norm, _ = jax.lax.fori_loop(
    0, max_iters, loop_body, (y, grad_norm, momentum)
  )
  return y, grad_norm / max_iters
