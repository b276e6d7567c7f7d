"""Which digit is it? Handwritten digits as sets of points.

The set of an image has a point for each pixel that is brighter than the mean of
MNIST: its row and its column. Points may be noisy. Sets are ragged; padding is
masked everywhere.

Letters: S sets of a batch, n points of the largest set, D the width of what a
set is pooled to, L the size of the latent vector.

Differs from the paper: training sets are drawn with replacement, so an epoch is
as many draws as there are images, and evaluation has the same noise each time.
Its program pools over padding too where the readout is not FSPool.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), section 5.6.3 and tables 5.6 to 5.8; Zhang et al. 2020,
"FSPool: Learning Set Representations with Featurewise Sort Pooling".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.data.sources import mnist
from gnn_readout.graphs import padded_sets
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.tasks.checks import check_at_least
from gnn_readout.tasks.classes import class_scores, loss_with_auxiliary
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.tasks.set_autoencoder import xavier_mlp
from gnn_readout.tasks.whole_batches import whole_batches

MEAN_INK = 0.1307  # Of MNIST: brighter pixels are points.
_EVALUATION_BATCH = 100
_NOISE_SEED = 1


class PointSets(NamedTuple):
  """A batch of sets of points with a label each.

  Attributes:
    points: [S, n, 2], row and column in 27ths; padding holds anything.
    mask: [S, n] bool, false for padding.
    labels: [S] int32, 0 to 9.
  """

  points: Array
  mask: Array
  labels: Array


def pixel_numbers(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Returns which pixels of every image are points.

  Args:
    images: [M, height, width] uint8.

  Returns:
    Their numbers, row by row, [M, n] int16, n the most of an image; and how
    many they are, [M] int32. Padding, at the end, is 0.
  """
  flat = images.reshape(len(images), -1) > MEAN_INK * 255  # [M, pixels]
  sizes = flat.sum(axis=1).astype(np.int32)
  order = np.argsort(~flat, axis=1, kind="stable")[:, : max(sizes.max(), 1)]
  real = np.arange(order.shape[1]) < sizes[:, None]
  return np.where(real, order, 0).astype(np.int16), sizes


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes, on the digits it names.

  Args:
    config: As `configs/mnist_sets.py` makes it.
    data_dir: Where the datasets are.
    cache_dir: Not used.

  Raises:
    FileNotFoundError: The dataset is not there.
    ValueError: The dataset is unknown or damaged, or a field has an impossible
      value; the message names it.
  """
  del cache_dir
  _check(config)
  return classification(config, mnist.load(config["dataset"], data_dir))


def classification(
  config: Mapping[str, Any], parts: Mapping[str, mnist.Digits]
) -> SampledProblem:
  """Returns the task of classifying given digits.

  Two layers on each point, a readout, two layers to a latent vector, and two
  more to the logits of ten digits. The loss is their softmax cross entropy and
  the weighted auxiliary loss of the readout, the metric accuracy.

  Args:
    config: As `make_task` takes it.
    parts: 'train', 'valid' and 'test'. Of the last two what is left of whole
      hundreds is not scored, if there are hundreds.
  """
  model, noise = config["model"], config["noise"]
  width = model["width"]  # D
  readout, aux_weight = split_weight(model["readout"])
  numbers, sizes = pixel_numbers(parts["train"].images)
  readout |= arguments_from_data(readout, sizes)
  own = jnp.asarray(numbers), jnp.asarray(sizes)
  labels = jnp.asarray(parts["train"].labels)
  side = parts["train"].images.shape[2]

  def sample(key: Array) -> PointSets:
    image_key, noise_key = jax.random.split(key)
    shape = (config["batch_size"],)
    chosen = jax.random.randint(image_key, shape, 0, len(labels))
    points, mask = as_points(*(x[chosen] for x in own), side)
    return PointSets(noisy(noise_key, points, noise), mask, labels[chosen])

  def forward(batch: PointSets, is_training: bool) -> tuple[Array, Any]:
    elements, sets = padded_sets(batch.points, batch.mask)  # [S n, 2]
    elements = xavier_mlp("element_encoder", width, width)(elements)
    pool = make_readout(output_size=width, **readout)
    aggregate = pool(elements, sets, is_training)
    latent = xavier_mlp("encoder", width, model["latent_size"])(
      aggregate.values
    )  # [S, L]
    widths = model["latent_size"], mnist.NUM_CLASSES
    return xavier_mlp("classifier", *widths)(latent), aggregate

  network = hk.transform(forward)

  def loss(
    params: hk.Params, key: Array, batch: PointSets
  ) -> tuple[Array, dict[str, Array]]:
    logits, aggregate = network.apply(params, key, batch, True)
    scores = class_scores(logits, batch.labels)
    return loss_with_auxiliary(scores, aggregate, aux_weight)

  def evaluate(params: hk.Params, batch: PointSets) -> dict[str, Array]:
    logits, _ = network.apply(params, None, batch, False)
    return class_scores(logits, batch.labels)

  return SampledProblem(
    "mnist_sets",
    config,
    init=lambda key: network.init(key, sample(key), True),
    sample=sample,
    loss=loss,
    evaluate=evaluate,
    fixed={name: _batches(parts[name], noise) for name in ("valid", "test")},
    metric="accuracy",
    lower_is_better=False,
  )


def as_points(numbers: Array, sizes: Array, side: int) -> tuple[Array, Array]:
  """Returns points [S, n, 2] and mask [S, n] of pixels by their numbers.

  Args:
    numbers: [S, n].
    sizes: [S].
    side: The width of an image; coordinates are parts of side - 1.
  """
  dtype = jnp.result_type(float)
  rows, columns = jnp.divmod(numbers.astype(jnp.int32), side)
  points = jnp.stack([rows, columns], axis=-1).astype(dtype) / (side - 1)
  return points, jnp.arange(numbers.shape[1]) < sizes[:, None]


def noisy(key: Array, points: Array, noise: float) -> Array:
  """Returns points with N(0, noise^2) added to every coordinate."""
  if noise == 0:
    return points
  return points + noise * jax.random.normal(key, points.shape, points.dtype)


def _batches(digits: mnist.Digits, noise: float) -> PointSets:
  """Returns all digits as batches [K, B, ...], their noise always the same."""

  def make(count: int) -> PointSets:
    numbers, sizes = pixel_numbers(digits.images[:count])
    points, mask = as_points(
      jnp.asarray(numbers), jnp.asarray(sizes), digits.images.shape[2]
    )
    points = noisy(jax.random.key(_NOISE_SEED), points, noise)
    return PointSets(points, mask, jnp.asarray(digits.labels[:count]))

  return whole_batches(make, len(digits.labels), _EVALUATION_BATCH)


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  model = config["model"]
  split_weight(model["readout"])  # Refuses an unknown one.
  check_at_least(
    noise=(config["noise"], 0),
    batch_size=(config["batch_size"], 1),
    **{f"model.{name}": (model[name], 1) for name in ("width", "latent_size")},
  )
