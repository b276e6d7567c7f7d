"""Auto-encoding regular polygons: one number has to hold their rotation.

A set is the vertices of a regular polygon around 0. Nothing but the rotation
varies, so that one number is enough to tell it; yet a decoder with one output
for each vertex has to jump where the polygon has turned onto itself (the
responsibility problem, section 5.3). FSUnpool does not: its output comes in the
order of the input, and the loss needs no assignment.

Differs from the paper: evaluation is on polygons drawn anew, their rotations
spread evenly over the circle; the authors' program averages training batches.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 5.3, 5.6.1 and A.3.1.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.tasks.set_autoencoder import build_autoencoder
from gnn_readout.tasks.set_losses import SET_LOSSES

# Many permutations [D, n, n] at once would fill the memory.
_EVALUATION_BATCH = 128
_MOST_FEATURES = 32


def polygons(angles: Array) -> Array:
  """Returns the points [..., 2] of the unit circle at angles [...], radians."""
  return jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)


def draw_polygons(
  key: Array, num_sets: int, num_points: int, is_spread: bool = False
) -> Array:
  """Draws polygons in random rotations, their vertices in random order.

  Args:
    key: A JAX key.
    num_sets: S.
    num_points: n.
    is_spread: Whether each S-th part of the circle gets one rotation. A mean
      over sets is that of free rotations, with less noise.

  Returns:
    [S, n, 2].
  """
  rotation_key, order_key = jax.random.split(key)
  turns = jax.random.uniform(rotation_key, (num_sets,))
  if is_spread:
    turns = (jnp.arange(num_sets) + turns) / num_sets
  vertices = jnp.arange(num_points) / num_points  # [n]
  angles = 2 * jnp.pi * (turns[:, None] + vertices)  # [S, n]
  return polygons(
    jax.random.permutation(order_key, angles, axis=1, independent=True)
  )


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  loss = mean_s (set_loss(f(X_s), X_s) + weight aux_loss_s) for an auto-encoder
  f. Evaluation gives all of `SET_LOSSES`, and judges by the Hungarian one.

  Args:
    config: As `configs/polygons.py` makes it.
    data_dir: Not used, the examples are made.
    cache_dir: Not used.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  del data_dir, cache_dir
  check_at_least(
    num_points=(config["num_points"], 2), batch_size=(config["batch_size"], 1)
  )
  check_known("loss", config["loss"], SET_LOSSES)
  set_loss = SET_LOSSES[config["loss"]]
  model = build_autoencoder(config["model"])
  draw = functools.partial(draw_polygons, num_points=config["num_points"])
  draw_training = functools.partial(draw, num_sets=config["batch_size"])
  draw_evaluation = functools.partial(
    draw, num_sets=_EVALUATION_BATCH, is_spread=True
  )

  def init(key: Array) -> hk.Params:
    return model.init(key, draw_training(key), True)

  def loss(
    params: hk.Params, key: Array, batch: Array
  ) -> tuple[Array, dict[str, Array]]:
    predicted, aux_loss = model.apply(params, key, batch, True)  # [S, n, 2]
    return jnp.mean(set_loss(predicted, batch) + aux_loss), {}

  def evaluate(params: hk.Params, batch: Array) -> dict[str, Array]:
    predicted, _ = model.apply(params, None, batch, False)  # [S, n, 2]
    return {
      name: jnp.mean(distance(predicted, batch))
      for name, distance in SET_LOSSES.items()
    }

  return SampledProblem(
    "polygons",
    config,
    init=init,
    sample=draw_training,
    loss=loss,
    evaluate=evaluate,
    sample_valid=draw_evaluation,
    sample_test=draw_evaluation,
    metric="hungarian",
    lower_is_better=True,
    describe_params=describe,
  )


def describe(params: hk.Params) -> dict[str, Any]:
  """Returns what of a model's parameters is worth keeping in its record.

  Args:
    params: Parameters of one model.

  Returns:
    'fspool_knots' [D, k], if the encoder has an FSPool: the values w of
    f(r, w) for each feature, of the first 32, with four digits.
  """
  knots = params.get("~", {}).get("fspool_knots")
  if knots is None:
    return {}
  features = np.asarray(knots, np.float64).T[:_MOST_FEATURES]  # [D, k]
  return {"fspool_knots": features.round(4).tolist()}
