"""Sorting numbers by an order that is learned from pairs.

Letters: S sets of a batch, N numbers of a set, P [S, N, N] the share of each
number at each place, H the width of the network of pairs, T steps.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 4.4.1 and A.2.1; Zhang, Hare and Prügel-Bennett
2019, section 4.1.
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
import optax
from jax import Array

from gnn_readout.layers import permutation
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.sampled import SampledProblem

_EVALUATION_BATCH = 16


def place_all(scores: Array) -> Array:
  """Returns the elements [S, N] of all places that have the highest sum.

  By the Hungarian method, one set after the other. Not scipy's in a callback,
  which on a machine with one core waits for itself for ever.

  Args:
    scores: [S, N, N], of elements at places.
  """

  def solve(scores: Array) -> Array:
    finite = jnp.nan_to_num(scores, nan=-1e30, neginf=-1e30)
    places, elements = optax.assignment.hungarian_algorithm(-finite.T)
    return jnp.zeros_like(elements).at[places].set(elements)

  return jax.lax.map(solve, scores)


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  The loss is the mean squared error of Y = P^T x to the numbers in ascending
  order, of numbers uniform on [0, 1]. In evaluation it is also said, for every
  interval that numbers are stretched to, in which share of the sets no number
  is at a wrong place: `sorted_LOW_HIGH` by the Hungarian method on -P, as
  published, and `sorted_log_LOW_HIGH` on -log P. Equal numbers are no mistake.

  Args:
    config: As `configs/sorting.py` makes it.
    data_dir: Not used, the examples are made.
    cache_dir: Not used.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  del data_dir, cache_dir
  _check(config)
  arguments, size = order_of(config["model"]), config["set_size"]
  test_size = config["test_set_size"] or size
  bounds = config["intervals"]
  intervals = [*zip(bounds[::2], bounds[1::2], strict=True)]

  def forward(numbers: Array) -> Array:
    """Returns log P [S, N, N] of numbers [S, N]."""
    elements = numbers[..., None]  # [S, N, 1]
    return permutation.learned_order(elements, **arguments)

  network = hk.without_apply_rng(hk.transform(forward))

  def draw(key: Array, num_sets: int, set_size: int) -> Array:
    dtype = jnp.result_type(float)
    return jax.random.uniform(key, (num_sets, set_size), dtype)

  def error(numbers: Array, log_p: Array) -> Array:
    found = jnp.einsum("sik,si->sk", jnp.exp(log_p), numbers)  # [S, N]
    return jnp.mean((found - jnp.sort(numbers, axis=1)) ** 2)

  def loss(
    params: hk.Params, key: Array, batch: Array
  ) -> tuple[Array, dict[str, Array]]:
    del key
    mse = error(batch, network.apply(params, batch))
    return mse, {"mse": mse, "rate": jnp.abs(params["~"]["rate"])}

  def evaluate(params: hk.Params, batch: Array) -> dict[str, Array]:
    scores = {"mse": error(batch, network.apply(params, batch))}
    for low, high in intervals:
      numbers = low + (high - low) * batch
      log_p = network.apply(params, numbers)
      for name, score in (("sorted", jnp.exp(log_p)), ("sorted_log", log_p)):
        order = place_all(score)  # [S, N]
        found = jnp.take_along_axis(numbers, order, axis=1)
        right = jnp.all(found == jnp.sort(numbers, axis=1), axis=1)  # [S]
        share = jnp.mean(right.astype(batch.dtype))
        scores[f"{name}_{low:g}_{high:g}"] = share
    return scores

  evaluated = functools.partial(
    draw,
    num_sets=min(_EVALUATION_BATCH, config["num_eval_sets"]),
    set_size=test_size,
  )
  return SampledProblem(
    "sorting",
    config,
    init=lambda key: network.init(key, draw(key, 1, size)),
    sample=functools.partial(
      draw, num_sets=config["batch_size"], set_size=size
    ),
    loss=loss,
    evaluate=evaluate,
    sample_valid=evaluated,
    sample_test=evaluated,
    metric="mse",
    lower_is_better=True,
    describe_params=describe,
  )


def describe(params: hk.Params) -> dict[str, Any]:
  """Returns the learned step size of a model's parameters, 'rate'."""
  return {"rate": abs(float(np.asarray(params["~"]["rate"])))}


def order_of(model: Mapping[str, Any]) -> dict[str, Any]:
  """Returns what `permutation.learned_order` takes of a model.

  Args:
    model: `width`, `start`, `num_steps`, `num_rounds`, and others.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  check_at_least(
    **{
      "model.width": (model["width"], 1),
      "model.num_steps": (model["num_steps"], 0),
      "model.num_rounds": (model["num_rounds"], 1),
    }
  )
  check_known("model.start", model["start"], permutation.STARTS)
  names = ("width", "start", "num_steps", "num_rounds")
  return {name: model[name] for name in names}


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  model = config["model"]
  check_at_least(
    set_size=(config["set_size"], 2),
    batch_size=(config["batch_size"], 1),
    num_eval_sets=(config["num_eval_sets"], 1),
  )
  test_size = config["test_set_size"]
  if test_size is not None:
    check_at_least(test_set_size=(test_size, 2))
  if model["start"] == "linear" and test_size not in (None, config["set_size"]):
    raise ValueError(
      "model.start 'linear' has a weight for each position, so test_set_size"
      f" must equal set_size={config['set_size']}, got {test_size}"
    )
  bounds = config["intervals"]
  pairs = [*zip(bounds[::2], bounds[1::2], strict=False)]
  if len(bounds) % 2 or not all(low < high for low, high in pairs):
    raise ValueError(
      "intervals must be pairs of bounds, the lower one first, got"
      f" {list(bounds)}"
    )
