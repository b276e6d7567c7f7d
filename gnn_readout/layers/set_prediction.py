"""Deep set prediction: a set encoder whose gradient decodes.

Of all sets one is sought that a given encoder maps to a given vector, by steps
of gradient descent on the set. As the encoder does not depend on the order of
its elements, no output owns one of them.

Letters: S sets of a batch, n elements of a set with d features each and a mask
in [0, 1], L the length of the vector, T steps.

Reference: Zhang, Hare and Prügel-Bennett 2019, "Deep Set Prediction Networks";
Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural Networks"
(thesis), chapter 6.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import Sets, make_sets
from gnn_readout.minimisation import minimise


def huber(x: Array) -> Array:
  """Returns x^2 / 2 where |x| < 1, and |x| - 1/2 elsewhere."""
  size = jnp.abs(x)
  return jnp.where(size < 1, x * x / 2, size - 0.5)


def with_mask(elements: Array, mask: Array, num_slots: int) -> Array:
  """Returns sets [S, m, d + 1] whose last feature is the mask.

  Padding, and the slots that are left over, are 0 in all features.

  Args:
    elements: [S, n, d].
    mask: [S, n], in [0, 1].
    num_slots: m, at least n.

  Raises:
    ValueError: If there are more elements than slots, or a value of the mask,
      as far as it is known, is outside [0, 1]; the message names the place.
  """
  size = elements.shape[1]
  if size > num_slots:
    raise ValueError(
      f"sets of {size} elements need as many slots, got {num_slots}."
    )
  if not isinstance(mask, jax.core.Tracer):
    known = np.asarray(mask, np.float64)
    for place in np.argwhere(~((known >= 0) & (known <= 1)))[:1]:
      raise ValueError(
        f"a mask must lie in [0, 1], got {known[tuple(place)]:g} for element"
        f" {place[1]} of set {place[0]}."
      )
  mask = jnp.asarray(mask, elements.dtype)[..., None]  # [S, n, 1]
  sets = jnp.concatenate([jnp.where(mask > 0, elements, 0), mask], axis=-1)
  return jnp.pad(sets, ((0, 0), (0, num_slots - size), (0, 0)))


def encode_dense(encode: Callable[[Array, Sets], Array], sets: Array) -> Array:
  """Returns what an encoder makes of sets of one size.

  Args:
    encode: (elements [N, D], sets) -> [S, L], or anything else.
    sets: [S, n, D].
  """
  num_sets, size, width = sets.shape
  sizes = jnp.full(num_sets, size, jnp.int32)
  flat = sets.reshape(-1, width)  # [S n, D]
  return encode(flat, make_sets(sizes, num_sets * size))


def predict_sets(
  encode: Callable[[Array, Sets], Array],
  vectors: Array,
  start: Array,
  *,
  learning_rate: Array | float,
  num_steps: int,
  momentum: Array | float = 0.0,
) -> Array:
  """Returns the sets Y^0, ..., Y^T on the way to one that is encoded as z.

  T times Y <- Y - eta dl/dY and m <- clip(m - eta dl/dm, 0, 1), where Y is the
  features, m the mask, and l = mean_L huber(g([Y, m]) - z).

  Differs from the paper: its step size is that of the mean over a batch of 32,
  800; of each set alone, as here, it is 800 / 32 = 25, whatever the batch.

  Args:
    encode: g, (elements [S n, d + 1], sets) -> [S, L]; twice differentiable.
      The last feature is the mask.
    vectors: z [S, L].
    start: [n, d + 1], learned, where all sets start. Its mask is cut off at 0
      and 1.
    learning_rate: eta.
    num_steps: T.
    momentum: Momentum of the descent.

  Returns:
    [T + 1, S, n, d + 1].

  Raises:
    ValueError: If the encoder makes vectors of another length.
  """
  num_sets = len(vectors)
  shape = (num_sets, *start.shape)

  def project(y: Array) -> Array:
    sets = y.reshape(shape)
    mask = jnp.clip(sets[..., -1:], 0, 1)
    return jnp.concatenate([sets[..., :-1], mask], axis=-1).reshape(y.shape)

  def energy(y: Array) -> Array:
    found = encode_dense(encode, y.reshape(shape))  # [S, L]
    if found.shape != vectors.shape:
      raise ValueError(
        f"the encoder makes vectors {list(found.shape)} of sets, but those to"
        f" decode are {list(vectors.shape)}."
      )
    return jnp.mean(huber(found - vectors), axis=-1)  # [S]

  y0 = jnp.broadcast_to(start.reshape(-1), (num_sets, start.size))
  solution = minimise(
    energy,
    project(y0),
    learning_rate=learning_rate,
    momentum=momentum,
    num_steps=num_steps,
    gradient_tolerance=0.0,
    project=project,
    iterates=True,
  )
  return solution.iterates.reshape(num_steps + 1, *shape)
