"""Where the sets come from that `set_prediction` predicts, and their inputs.

Letters: S sets of a batch, n rows of a set, d features, I features of an input,
L the length of the vector that describes a set, K batches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.data.sources import mnist
from gnn_readout.layers.set_prediction import with_mask
from gnn_readout.tasks.checks import check_at_least
from gnn_readout.tasks.mnist_sets import as_points, pixel_numbers
from gnn_readout.tasks.polygons import polygons
from gnn_readout.tasks.set_autoencoder import xavier_mlp


class Examples(NamedTuple):
  """A batch of sets.

  Attributes:
    sets: [S, n, d + 1], the last feature the mask.
    inputs: [S, ...], what describes each; None if nothing does.
  """

  sets: Array
  inputs: Array | None


def describe_by_mlp(inputs: Array, model: Mapping[str, Any]) -> Array:
  """Returns vectors [S, L] of inputs [S, I], in a Haiku transform."""
  widths = (model["width"],) * 2
  return xavier_mlp("describer", *widths, model["latent_size"])(inputs)


def means(outputs: Mapping[str, Any]) -> dict[str, float]:
  """Returns the mean of every loss over all batches of a split."""
  return {name: float(np.mean(x)) for name, x in outputs["losses"].items()}


class Data(NamedTuple):
  """Where sets come from, and what is special about them.

  Attributes:
    sample: (key, S) -> Examples to train on.
    sample_valid: (key, S) -> Examples to select by.
    sample_test: (key, S) -> Examples to report.
    describe: F, (inputs [S, ...], model) -> [S, L], in a Haiku transform.
    compare: (predicted [S, n, d + 1], target) -> what `summarise` scores by,
      any tree of arrays.
    summarise: Scores of a split: {'losses': by name, [K]; 'compared': what
      `compare` returned, a list with an entry for each of `test_num_steps`, all
      arrays stacked over K batches} -> scores.
  """

  sample: Callable[[Array, int], Examples]
  sample_valid: Callable[[Array, int], Examples]
  sample_test: Callable[[Array, int], Examples]
  describe: Callable[[Array, Mapping[str, Any]], Array] = describe_by_mlp
  compare: Callable[[Array, Array], Any] = lambda predicted, target: ()
  summarise: Callable[[Mapping[str, Any]], dict[str, float]] = means


# What a polygon is described by: (rotation [S], n) -> angle [S] of the input.
# The first two points of it are one-to-one only for `phase`.
INPUTS: dict[str, Callable[[Array, int], Array] | None] = {
  "set": None,  # An auto-encoder.
  "rotation": lambda angle, size: angle,
  "phase": lambda angle, size: size * angle,
}


def polygon_data(config: Mapping[str, Any]) -> Data:
  """Returns regular polygons in random rotations.

  The input, if any, is (cos a, sin a) of the rotation a, or (cos na, sin na),
  which polygons and inputs share one to one.

  Args:
    config: `num_points` n, at least 2, and `input`, a key of `INPUTS`.
  """
  size, describe = config["num_points"], INPUTS[config["input"]]
  check_at_least(num_points=(size, 2))

  def draw(key: Array, num_sets: int) -> Examples:
    rotation_key, order_key = jax.random.split(key)
    angle = 2 * jnp.pi * jax.random.uniform(rotation_key, (num_sets,))
    corners = angle[:, None] + 2 * jnp.pi * jnp.arange(size) / size  # [S, n]
    corners = jax.random.permutation(order_key, corners, 1, independent=True)
    points = polygons(corners)  # [S, n, 2]
    ones = jnp.ones(points.shape[:2])
    inputs = None
    if describe is not None:
      inputs = polygons(describe(angle, size))  # [S, 2]
    return Examples(with_mask(points, ones, size), inputs)

  return Data(draw, draw, draw)


def digit_data(
  config: Mapping[str, Any], parts: Mapping[str, mnist.Digits]
) -> Data:
  """Returns the points of digits, filled up to the largest set of all parts.

  Args:
    config: `input`, which must be 'set': nothing else describes a digit.
    parts: 'train', 'valid' and 'test'.
  """
  if config["input"] != "set":
    raise ValueError(
      f"input {config['input']!r} is for polygons; for digits it must be 'set'"
    )
  found = {name: pixel_numbers(x.images) for name, x in parts.items()}
  size = max(numbers.shape[1] for numbers, _ in found.values())
  side = parts["train"].images.shape[2]

  def sampler(name: str) -> Callable[[Array, int], Examples]:
    numbers, sizes = found[name]
    numbers, sizes = jnp.asarray(numbers), jnp.asarray(sizes)

    def draw(key: Array, num_sets: int) -> Examples:
      chosen = jax.random.randint(key, (num_sets,), 0, len(sizes))
      points, mask = as_points(numbers[chosen], sizes[chosen], side)
      return Examples(with_mask(points, mask, size), None)

    return draw

  return Data(*map(sampler, ("train", "valid", "test")))


# What `data` may be: (config, data_dir) -> Data.
DATA: dict[str, Callable[..., Data]] = {
  "polygons": lambda config, data_dir: polygon_data(config),
  "digits": lambda config, data_dir: digit_data(
    config, mnist.load(config["dataset"], data_dir)
  ),
}
