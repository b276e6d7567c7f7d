"""Counting squares of which several may show the same: the toy task.

Of n squares in the unit square some are of objects. The score of each is how
much it overlaps with the nearest of those, so one that nearly covers an object
is a duplicate of it. Both squares and scores are noisy, as an object detector
is.

Letters: S sets of a batch, n squares of a set, l the side of all, q the share
of noise in the scores, D the width of what a readout makes of a set.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), section 3.5.1; Zhang, Hare and Prügel-Bennett 2018, section
5.1.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import make_sets
from gnn_readout.layers import counting
from gnn_readout.layers.mlp import check_widths
from gnn_readout.layers.residual import ResidualMLP
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.classes import class_scores, loss_with_auxiliary
from gnn_readout.tasks.sampled import SampledProblem

_SMALLEST_SIDE = 1e-6


class Squares(NamedTuple):
  """A batch of sets of squares.

  Attributes:
    scores: a [S, n], in [0, 1].
    boxes: [S, n, 4], (x1, y1, x2, y2).
    count: [S] int32, how many are of objects, from 0 to n.
  """

  scores: Array
  boxes: Array
  count: Array


def draw_squares(
  key: Array, num_sets: int, set_size: int, side: float, noise: float
) -> Squares:
  """Draws sets of squares, the first c of each of objects.

  The corner of a square is uniform on [0, 1 - l]^2 and c on 0..n. A score is
  (1 - q) u + q z, where u is the largest overlap with a square of an object, by
  intersection over union, and z uniform. u is 1 for those squares themselves,
  and all are 0 if c = 0.

  Args:
    key: A JAX key.
    num_sets: S.
    set_size: n.
    side: l, at least 1e-6 as in the authors' program.
    noise: q.
  """
  corner_key, count_key, noise_key = jax.random.split(key, 3)
  dtype = jnp.result_type(float)
  side = max(side, _SMALLEST_SIDE)
  shape = num_sets, set_size
  corners = jax.random.uniform(corner_key, (*shape, 2), dtype) * (1 - side)
  boxes = jnp.concatenate([corners, corners + side], axis=-1)  # [S, n, 4]
  number = jax.random.randint(count_key, (num_sets,), 0, set_size + 1)
  is_true = jnp.arange(set_size) < number[:, None]  # [S, n]
  overlaps = counting.iou(boxes, boxes) * is_true[:, None, :]  # [S, n, n]
  scores = jnp.where(is_true, 1, jnp.max(overlaps, axis=-1))  # [S, n]
  z = jax.random.uniform(noise_key, shape, dtype)
  return Squares((1 - noise) * scores + noise * z, boxes, number)


def _module(
  batch: Squares, model: Mapping[str, Any], is_training: bool
) -> tuple[Array, Any]:
  """Returns logits of the counting module and one linear map."""
  del model, is_training
  size = batch.scores.shape[-1]
  module = counting.Counting(size, name="counting")
  return _classifier(module(batch.scores, batch.boxes).features), None


def _score_sum(
  batch: Squares, model: Mapping[str, Any], is_training: bool
) -> tuple[Array, Any]:
  """Returns logits of the sum of the scores and one linear map."""
  del model, is_training
  total = jnp.sum(batch.scores, axis=-1)  # [S]
  return _classifier(counting.one_hot(total, batch.scores.shape[-1])), None


def _classifier(features: Array) -> Array:
  """Returns a linear map of [S, n + 1], the identity at first."""
  eye = jnp.eye(features.shape[-1], dtype=features.dtype)
  start = hk.initializers.Constant(eye)
  return hk.Linear(features.shape[-1], w_init=start, name="classifier")(
    features
  )


def _readout(
  batch: Squares, model: Mapping[str, Any], is_training: bool
) -> tuple[Array, Any]:
  """Returns logits of a readout between two networks."""
  num_sets, size = batch.scores.shape
  arguments, _ = split_weight(model["readout"])
  arguments |= arguments_from_data(arguments, np.array([size]))
  elements = jnp.concatenate([batch.scores[..., None], batch.boxes], axis=-1)
  elements = elements.reshape(-1, 5)  # [S n, 5]
  width = model["width"]
  widths = (*model["element_widths"], width)
  elements = ResidualMLP(widths, name="element_net")(elements)  # [S n, D]
  sets = make_sets(jnp.full(num_sets, size, jnp.int32), len(elements))
  pool = make_readout(output_size=width, **arguments)
  aggregate = pool(elements, sets, is_training)
  widths = (*model["head_widths"], size + 1)
  logits = ResidualMLP(widths, name="output_net")(aggregate.values)
  return logits, aggregate  # [S, n + 1]


# What `model.name` may be: (batch, model, is_training) -> (logits [S, n + 1],
# the Aggregate of a readout, if there is one).
MODELS: dict[str, Callable[..., tuple[Array, Any]]] = {
  "module": _module,
  "score_sum": _score_sum,
  "readout": _readout,
}


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  The loss is the cross entropy of the n + 1 counts, and the weighted auxiliary
  loss of a readout; the metric is accuracy.

  Args:
    config: As `configs/counting.py` makes it.
    data_dir: Not used, the examples are made.
    cache_dir: Not used.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  del data_dir, cache_dir
  _check(config)
  model = config["model"]
  aux_weight = split_weight(model["readout"])[1] if "readout" in model else 0.0
  draw = functools.partial(
    draw_squares,
    num_sets=config["batch_size"],
    set_size=config["set_size"],
    side=config["side"],
    noise=config["noise"],
  )
  network = hk.transform(
    lambda batch, is_training: MODELS[model["name"]](batch, model, is_training)
  )

  def scored(
    params: hk.Params, key: Array | None, batch: Squares, is_training: bool
  ) -> tuple[dict[str, Array], Any]:
    logits, aggregate = network.apply(params, key, batch, is_training)
    return class_scores(logits, batch.count), aggregate

  def loss(
    params: hk.Params, key: Array, batch: Squares
  ) -> tuple[Array, dict[str, Array]]:
    scalars, aggregate = scored(params, key, batch, True)
    if aggregate is None:
      return scalars["cross_entropy"], scalars
    return loss_with_auxiliary(scalars, aggregate, aux_weight)

  def evaluate(params: hk.Params, batch: Squares) -> dict[str, Array]:
    return scored(params, None, batch, False)[0]

  return SampledProblem(
    "counting",
    config,
    init=lambda key: network.init(key, draw(key), True),
    sample=draw,
    loss=loss,
    evaluate=evaluate,
    sample_valid=draw,
    sample_test=draw,
    metric="accuracy",
    lower_is_better=False,
    describe_params=describe,
  )


def describe(params: hk.Params) -> dict[str, Any]:
  """Returns what the counting module has learned, if there is one.

  Args:
    params: Parameters of one model.

  Returns:
    'functions' [8, d + 1]: the values of f_1 to f_8 at 0, 1 / d, ..., 1, with
    four digits.
  """
  weights = params.get("counting", {}).get("weights")
  if weights is None:
    return {}
  shares = np.abs(np.asarray(weights, np.float64))  # [8, d]
  heights = np.cumsum(shares, axis=1) / shares.sum(axis=1, keepdims=True)
  heights = np.pad(heights, ((0, 0), (1, 0)))  # [8, d + 1]
  return {"functions": heights.round(4).tolist()}


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  names = "set_size", "batch_size"
  check_at_least(**{name: (config[name], 1) for name in names})
  for name in ("side", "noise"):
    if not 0 <= config[name] <= 1:
      raise ValueError(f"{name} must lie in [0, 1], got {config[name]}")
  model = config["model"]
  check_known("model.name", model["name"], MODELS)
  if model["name"] == "readout":
    split_weight(model["readout"])  # Refuses an unknown one.
    check_at_least(**{"model.width": (model["width"], 1)})
    check_widths(
      **{
        "model.element_widths": model["element_widths"],
        "model.head_widths": model["head_widths"],
      }
    )
