"""Class counting: of how many characters are these 16 drawings?

Letters: S sets of a batch, M = 16 images of a set, C characters, K drawings of
each character.
Reference: Bartunov et al. 2022, section 5.2.
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

from gnn_readout.data.sources import omniglot
from gnn_readout.graphs import make_sets
from gnn_readout.layers.images import ImageEncoder
from gnn_readout.layers.residual import ResidualMLP
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.tasks.checks import check_at_least
from gnn_readout.tasks.classes import class_scores, loss_with_auxiliary
from gnn_readout.tasks.sampled import SampledProblem


class ImageSets(NamedTuple):
  """A batch of sets of images.

  Attributes:
    images: [S, M, height, width] uint8, ink in 255ths.
    num_classes: [S] int32, the number of characters among the M, from 1.
  """

  images: Array
  num_classes: Array


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task a config describes, on the Omniglot it names.

  Args:
    config: As `configs/omniglot.py` makes it.
    data_dir: Where the datasets are.
    cache_dir: Where their decoded images are.

  Raises:
    FileNotFoundError: The dataset is not there.
    ValueError: The dataset is unknown or damaged, or no sets can be made of it
      as the config wants them.
  """
  parts = omniglot.load(config["dataset"], data_dir, cache_dir)
  return class_counting(config, {k: part.images for k, part in parts.items()})


def class_counting(
  config: Mapping[str, Any], images: Mapping[str, np.ndarray]
) -> SampledProblem:
  """Returns the task of counting the classes of sets of given images.

  Images are embedded one by one, a readout makes one vector of each set, and a
  residual network the logits of 1, 2, ... classes. The loss is their softmax
  cross entropy and the weighted auxiliary loss of the readout, the metric
  accuracy. All three samplers draw batches of `batch_size` sets.

  Args:
    config: `sets` (set_size M, num_classes, the most there are in a set),
      `model` (`encoder`: channels, width; `readout`: name, aux_weight, and its
      own arguments; `output`: widths of the hidden layers) and `batch_size`.
    images: [C, K, height, width] uint8 of 'train', 'valid' and 'test'.

  Raises:
    ValueError: If there are too few characters or drawings, or a number of the
      config is impossible.
  """
  num_sets = config["batch_size"]
  set_size, most_classes = (
    config["sets"][name] for name in ("set_size", "num_classes")
  )
  check_at_least(batch_size=(num_sets, 1))
  if not 1 <= most_classes <= set_size:
    raise ValueError(
      f"sets.num_classes must be from 1 to sets.set_size = {set_size}, got"
      f" {most_classes}."
    )
  for name, array in images.items():
    num_characters, num_drawings = array.shape[:2]
    if num_characters < most_classes or num_drawings < set_size:
      raise ValueError(
        f"{name}: {num_characters} characters with {num_drawings} drawings"
        f" each, but sets of {set_size} images of up to {most_classes}"
        " characters need at least as many characters and drawings."
      )
  model = config["model"]
  readout, aux_weight = split_weight(model["readout"])
  readout |= arguments_from_data(readout, np.array([set_size]))

  def sampler(name):
    drawings = jnp.asarray(images[name])

    def sample(key):
      return draw_sets(key, drawings, num_sets, set_size, most_classes)

    return sample

  def forward(sets_of_images: Array, is_training: bool):
    elements = sets_of_images.reshape(-1, *sets_of_images.shape[2:], 1)
    elements = elements.astype(jnp.result_type(float)) / 255  # [S M, h, w, 1]
    elements = ImageEncoder(**model["encoder"])(elements)  # [S M, D]
    sizes = jnp.full(len(sets_of_images), set_size, jnp.int32)  # [S]
    width = model["encoder"]["width"]
    pool = make_readout(output_size=width, **readout)
    aggregate = pool(elements, make_sets(sizes, len(elements)), is_training)
    widths = (*model["output"]["widths"], most_classes)
    logits = ResidualMLP(widths, name="output_net")(aggregate.values)
    return logits, aggregate  # [S, num_classes]

  network = hk.transform(forward)
  shape = (num_sets, set_size, *images["train"].shape[2:])

  def init(key):
    return network.init(key, jnp.zeros(shape, jnp.uint8), True)

  def loss(params, key, batch):
    logits, aggregate = network.apply(params, key, batch.images, True)
    scores = class_scores(logits, batch.num_classes - 1)
    return loss_with_auxiliary(scores, aggregate, aux_weight)

  def evaluate(params, batch):
    logits, _ = network.apply(params, None, batch.images, False)
    return class_scores(logits, batch.num_classes - 1)

  return SampledProblem(
    "omniglot",
    config,
    init=jax.jit(init),
    sample=sampler("train"),
    loss=loss,
    evaluate=evaluate,
    sample_valid=sampler("valid"),
    sample_test=sampler("test"),
    metric="accuracy",
    lower_is_better=False,
  )


def draw_sets(
  key: Array, images: Array, num_sets: int, set_size: int, most_classes: int
) -> ImageSets:
  """Draws sets of images and counts their classes.

  The number k of classes is uniform on 1, ..., `most_classes`, and the classes
  are k different characters. The first k images are one of each; every further
  one is of any of the k with equal probability. No image is in a set twice.

  Differs from the paper: "we randomly choose between 1 and 10 character classes
  and sample their images to form the input set" leaves open how k is
  distributed, whether every class is met (or k an upper bound), how many images
  a class gets, and whether an image may be met again. That k is uniform and
  every class met is after Lee et al. 2019, "Set Transformer", the experiment it
  was inspired by; the rest is the simplest that goes with it.

  Args:
    key: A JAX key.
    images: [C, K, ...], K drawings of each of C characters.
    num_sets: S.
    set_size: M, at most K.
    most_classes: The largest k, at most C and at most M.
  """
  num_characters, num_drawings = images.shape[:2]
  count_key, character_key, fill_key, drawing_key = jax.random.split(key, 4)
  counts = jax.random.randint(count_key, (num_sets,), 1, most_classes + 1)
  characters = _distinct(
    character_key, (num_sets, most_classes), num_characters
  )
  places = jnp.arange(set_size)
  fill = jax.random.randint(
    fill_key, (num_sets, set_size), 0, counts[:, None]
  )  # [S, M]
  classes = jnp.where(places < counts[:, None], places, fill)  # [S, M]
  # The i-th image of a class is the i-th of its drawings in a random order.
  alike = classes[:, :, None] == classes[:, None, :]  # [S, M, M]
  earlier = jnp.sum(jnp.tril(alike, -1), axis=-1)  # [S, M]
  orders = _distinct(
    drawing_key, (num_sets, most_classes, set_size), num_drawings
  )
  own = jnp.arange(num_sets)[:, None]  # [S, 1]
  chosen = characters[own, classes], orders[own, classes, earlier]  # [S, M]
  return ImageSets(images[chosen], counts)


def _distinct(key: Array, shape: tuple[int, ...], total: int) -> Array:
  """Returns rows of different numbers from 0 to total - 1, in random order."""
  *rows, count = shape
  return jax.lax.top_k(jax.random.uniform(key, (*rows, total)), count)[1]
