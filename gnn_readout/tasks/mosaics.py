"""Mosaics: tiles of an image, shuffled, are put back by a learned order.

Letters: S images of a batch, R x R tiles of an image, N = R^2, w the side of a
tile, M features of a tile, P [S, N, N] the share of each tile at each place, T
steps.

Differs from the paper: training images are drawn with replacement. Images of
other sizes than R w are resized, linearly. Tiles that are the same may stand
for one another.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 4.4.2 and A.2.2; Zhang, Hare and Prügel-Bennett
2019, "Learning Representations of Sets through Optimized Permutations".
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.data.sources import mnist, omniglot
from gnn_readout.layers import permutation
from gnn_readout.layers.mlp import XAVIER
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.tasks.sorting import order_of, place_all
from gnn_readout.tasks.whole_batches import whole_batches

_EVALUATION_BATCH = 50
_MNIST = 0.1307, 0.3081  # Mean and standard deviation of all of it.


class Mosaics(NamedTuple):
  """A batch of mosaics.

  Attributes:
    tiles: [S, N, w, w], shuffled.
    target: [S, N, w, w], row by row.
  """

  tiles: Array
  target: Array


class Images(NamedTuple):
  """Images of a dataset.

  Attributes:
    parts: [M, height, width] uint8 of 'train', 'valid' and 'test'.
    mean: Mean of the ink, as a share of all ink.
    deviation: Standard deviation of the ink, in the same unit.
  """

  parts: Mapping[str, np.ndarray]
  mean: float
  deviation: float


def _digits(dataset: str, data_dir: Any, cache_dir: Any) -> Images:
  del cache_dir
  parts = mnist.load(dataset, data_dir)
  return Images({name: x.images for name, x in parts.items()}, *_MNIST)


def _characters(dataset: str, data_dir: Any, cache_dir: Any) -> Images:
  parts = {
    name: x.images.reshape(-1, *x.images.shape[2:])
    for name, x in omniglot.load(dataset, data_dir, cache_dir).items()
  }
  ink = parts["train"] / 255
  return Images(parts, float(ink.mean()), float(ink.std()))


# By dataset: (dataset, data_dir, cache_dir) -> Images.
DATASETS: dict[str, Callable[..., Images]] = {
  **dict.fromkeys(mnist.DATASETS, _digits),
  **dict.fromkeys(omniglot.DATASETS, _characters),
}


def cut(images: Array, side: int, mean: float, deviation: float) -> Array:
  """Returns the tiles [S, N, w, w] of images, of mean 0 and variance 1.

  Args:
    images: [S, height, width] uint8.
    side: R; w is a R-th of the height, rounded up.
    mean: Mean of the ink, as a share of all ink.
    deviation: Standard deviation of the ink, in the same unit.
  """
  width = -(-images.shape[1] // side)  # w
  shape = len(images), side * width, side * width
  ink = images.astype(jnp.result_type(float)) / 255
  if ink.shape != shape:
    ink = jax.image.resize(ink, shape, "linear")
  ink = (ink - mean) / deviation
  tiles = ink.reshape(len(images), side, width, side, width)
  tiles = jnp.swapaxes(tiles, 2, 3)  # [S, R, R, w, w]
  return tiles.reshape(len(images), side * side, width, width)


def shuffled(key: Array, target: Array) -> Mosaics:
  """Returns mosaics whose tiles are in a random order each."""
  keys = jax.random.split(key, len(target))
  return Mosaics(jax.vmap(jax.random.permutation)(keys, target), target)


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes, on the images it names.

  Args:
    config: As `configs/mosaics.py` makes it.
    data_dir: Where the datasets are.
    cache_dir: Where decoded images are.

  Raises:
    FileNotFoundError: The dataset is not there.
    ValueError: The dataset is unknown or damaged, or a field has an impossible
      value; the message names it.
  """
  _check(config)
  load = DATASETS[config["dataset"]]
  return restoration(config, load(config["dataset"], data_dir, cache_dir))


def restoration(config: Mapping[str, Any], images: Images) -> SampledProblem:
  """Returns the task of restoring given images.

  The loss is the mean squared error of Y_k = sum_i P_ik x_i to the tiles in
  their places; P has the costs of the order within rows and within columns. In
  evaluation P is the permutation next to it, by the Hungarian method: `mse`,
  and `accuracy`, the share of images in which all tiles are in place.

  Args:
    config: As `make_task` takes it.
    images: Images to train on, to choose by and to test on.
  """
  model, side = config["model"], config["side"]
  arguments = order_of(model)
  size = side * side  # N
  units = images.mean, images.deviation
  own = jnp.asarray(images.parts["train"])

  def sample(key: Array) -> Mosaics:
    image_key, order_key = jax.random.split(key)
    chosen = jax.random.randint(image_key, (config["batch_size"],), 0, len(own))
    return shuffled(order_key, cut(own[chosen], side, *units))

  def forward(tiles: Array) -> Array:
    """Returns log P [S, N, N]."""
    num_sets = len(tiles)
    x = tiles.reshape(-1, *tiles.shape[2:], 1)  # [S N, w, w, 1]
    x = hk.Conv2D(model["channels"], 5, w_init=XAVIER, name="tile")(x)
    x = hk.max_pool(jax.nn.relu(x), (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    elements = x.reshape(num_sets, size, -1)  # [S, N, M]
    return permutation.learned_order(
      elements, start_init=XAVIER, is_grid=True, **arguments
    )

  network = hk.without_apply_rng(hk.transform(forward))

  def loss(
    params: hk.Params, key: Array, batch: Mosaics
  ) -> tuple[Array, dict[str, Array]]:
    del key
    p = jnp.exp(network.apply(params, batch.tiles))
    found = jnp.einsum("sik,sihw->skhw", p, batch.tiles)
    mse = jnp.mean((found - batch.target) ** 2)
    return mse, {"mse": mse, "rate": jnp.abs(params["~"]["rate"])}

  def evaluate(params: hk.Params, batch: Mosaics) -> dict[str, Array]:
    order = place_all(jnp.exp(network.apply(params, batch.tiles)))  # [S, N]
    found = batch.tiles[jnp.arange(len(order))[:, None], order]
    right = jnp.all(found == batch.target, axis=(1, 2, 3))
    return {
      "mse": jnp.mean((found - batch.target) ** 2),
      "accuracy": jnp.mean(right.astype(found.dtype)),
    }

  def batches(name: str) -> Mosaics:
    part = images.parts[name]

    def make(count: int) -> Mosaics:
      tiles = cut(jnp.asarray(part[:count]), side, *units)
      return shuffled(jax.random.key(1), tiles)

    return whole_batches(
      make, len(part), _EVALUATION_BATCH, config["num_eval_sets"]
    )

  return SampledProblem(
    "mosaics",
    config,
    init=lambda key: network.init(key, sample(key).tiles),
    sample=sample,
    loss=loss,
    evaluate=evaluate,
    fixed={name: batches(name) for name in ("valid", "test")},
    metric="accuracy",
    lower_is_better=False,
  )


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  model = config["model"]
  check_known("dataset", config["dataset"], DATASETS)
  check_at_least(
    **{
      "side": (config["side"], 2),
      "batch_size": (config["batch_size"], 1),
      "model.channels": (model["channels"], 1),
    }
  )
  order_of(model)
