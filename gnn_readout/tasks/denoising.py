"""Clean digits from noisy ones: auto-encoders of sets that are not of one size.

The set of an image has a point for each bright pixel. Points are noisy where
they go in, and clean where they are compared. With FSPool and FSUnpool the
output has the order of the input, so each point is compared with its own; other
decoders have an order of their own, and the Chamfer loss.

Letters: S sets of a batch, n points of the largest, D the width of all hidden
layers, L the size of the latent vector.

Differs from the paper: padding is masked everywhere, where its program pools
over it and compares it, so that levels do not match; with a mask there is
nothing that a further feature for padding could tell (table 5.5). FSPool sorts
truly, where its program relaxes the sort, in memory of D n^2 for each set.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), section 5.6.2 and table 5.4.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.data.sources import mnist
from gnn_readout.graphs import Sets, padded_sets
from gnn_readout.layers.featurewise_sort import fspool, fsunpool
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.readouts.fspool import INITIALISERS
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.mnist_sets import as_points, noisy, pixel_numbers
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.tasks.set_autoencoder import xavier_mlp
from gnn_readout.tasks.set_losses import chamfer
from gnn_readout.tasks.set_prediction import BASELINES
from gnn_readout.tasks.whole_batches import whole_batches

DECODERS = ("fspool", *BASELINES)
_EVALUATION_BATCH = 50
_NOISE_SEED = 1


class NoisySets(NamedTuple):
  """A batch of sets, as they go in and as they should come out.

  Attributes:
    noisy: [S, n, 2], row and column in 27ths.
    clean: [S, n, 2].
    mask: [S, n] bool, false for padding, which is at the end.
  """

  noisy: Array
  clean: Array
  mask: Array


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes, on the digits it names.

  Args:
    config: As `configs/denoising.py` makes it.
    data_dir: Where the datasets are.
    cache_dir: Not used.

  Raises:
    FileNotFoundError: The dataset is not there.
    ValueError: The dataset is unknown or damaged, or a field has an impossible
      value; the message names it.
  """
  del cache_dir
  _check(config)
  return reconstruction(config, mnist.load(config["dataset"], data_dir))


def reconstruction(
  config: Mapping[str, Any], parts: Mapping[str, mnist.Digits]
) -> SampledProblem:
  """Returns the task of cleaning given digits.

  Two layers on each point, a readout, two layers to the latent vector; then two
  layers, FSUnpool and two layers on each element, or a decoder of
  `set_prediction`. The loss is the mean of squares of each point, or the
  Chamfer loss; the metric is always the latter, by squares.

  Args:
    config: As `make_task` takes it.
    parts: 'train', 'valid' and 'test'. Of the last two what is left of whole
      batches of 50 is not scored, if there are so many.
  """
  model, noise = config["model"], config["noise"]
  width, is_ordered = model["width"], model["decoder"] == "fspool"
  readout, aux_weight = split_weight(model["readout"])
  points = {
    name: tuple(map(jnp.asarray, pixel_numbers(part.images)))
    for name, part in parts.items()
  }
  most = max(numbers.shape[1] for numbers, _ in points.values())
  side = parts["train"].images.shape[2]
  if not is_ordered:
    readout |= arguments_from_data(readout, points["train"][1])

  def sets_of(key: Array, numbers: Array, sizes: Array) -> NoisySets:
    clean, mask = as_points(numbers, sizes, side)
    return NoisySets(noisy(key, clean, noise), clean, mask)

  def sample(key: Array) -> NoisySets:
    image_key, noise_key = jax.random.split(key)
    numbers, sizes = points["train"]
    shape = (config["batch_size"],)
    chosen = jax.random.randint(image_key, shape, 0, len(sizes))
    return sets_of(noise_key, numbers[chosen], sizes[chosen])

  def forward(batch: NoisySets, is_training: bool) -> tuple[Array, Array]:
    """Returns [S, n, 2] and auxiliary losses [S]."""
    elements, sets = padded_sets(batch.noisy, batch.mask)  # [S n, 2]
    elements = xavier_mlp("element_encoder", width, width)(elements)
    if is_ordered:
      vectors, rows = fspool(elements, sets, _knots("fspool_knots", model))
      aux = jnp.zeros(len(vectors))
    else:
      pool = make_readout(output_size=width, **readout)
      vectors, aux, *_ = pool(elements, sets, is_training)
    latent = xavier_mlp("encoder", width, model["latent_size"])(vectors)
    if not is_ordered:
      decoded = BASELINES[model["decoder"]](latent, (most, 2), model)
      return decoded[:, : batch.mask.shape[1]], aux
    vectors = xavier_mlp("decoder", width, width)(latent)  # [S, D]
    knots = _knots("fsunpool_knots", model)
    elements = fsunpool(vectors, sets, knots, rows)  # [S n, D]
    elements = xavier_mlp("element_decoder", width, 2)(elements)
    return _dense(elements, sets, batch.mask.shape[1]), aux

  network = hk.transform(forward)

  def loss(
    params: hk.Params, key: Array, batch: NoisySets
  ) -> tuple[Array, dict[str, Array]]:
    found, aux = network.apply(params, key, batch, True)
    if is_ordered:
      losses = _direct(found, batch)
    else:
      losses = chamfer(found, batch.clean, mask=batch.mask)
    return jnp.mean(losses + aux_weight * aux), {
      "reconstruction": jnp.mean(losses)
    }

  def evaluate(params: hk.Params, batch: NoisySets) -> dict[str, Array]:
    found, _ = network.apply(params, None, batch, False)
    scores = {"chamfer": chamfer(found, batch.clean, mask=batch.mask)}
    if is_ordered:
      scores["direct"] = _direct(found, batch)
    return {name: jnp.mean(x) for name, x in scores.items()}

  def fixed(name: str) -> NoisySets:
    numbers, sizes = points[name]
    key = jax.random.key(_NOISE_SEED)
    return whole_batches(
      lambda count: sets_of(key, numbers[:count], sizes[:count]),
      len(sizes),
      _EVALUATION_BATCH,
    )

  return SampledProblem(
    "denoising",
    config,
    init=lambda key: network.init(key, sample(key), True),
    sample=sample,
    loss=loss,
    evaluate=evaluate,
    fixed={name: fixed(name) for name in ("valid", "test")},
    metric="chamfer",
    lower_is_better=True,
  )


def _knots(name: str, model: Mapping[str, Any]) -> Array:
  readout = model["readout"]
  shape = readout.get("num_knots", 20), model["width"]
  init = INITIALISERS[readout.get("initialisation", "normal")]
  return hk.get_parameter(name, shape, init=init)


def _dense(elements: Array, sets: Sets, size: int) -> Array:
  """Returns [S, n, d] of [N, d]; padding holds anything."""
  starts = jnp.cumsum(sets.sizes) - sets.sizes  # [S]
  rows = starts[:, None] + jnp.arange(size)  # [S, n]
  return elements.at[rows].get(mode="clip")


def _direct(found: Array, batch: NoisySets) -> Array:
  """Returns [S]: the mean of squares over points and coordinates."""
  square = jnp.mean((found - batch.clean) ** 2, axis=-1) * batch.mask  # [S, n]
  count = jnp.maximum(jnp.sum(batch.mask, axis=-1), 1)
  return jnp.sum(square, axis=-1) / count


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  model = config["model"]
  check_known("model.decoder", model["decoder"], DECODERS)
  split_weight(model["readout"])  # Refuses an unknown one.
  check_at_least(
    noise=(config["noise"], 0),
    batch_size=(config["batch_size"], 1),
    **{
      f"model.{name}": (model[name], 1)
      for name in ("width", "latent_size", "decoder_width")
    },
  )
  name = model["readout"]["name"]
  if model["decoder"] == "fspool" and name != "fspool":
    raise ValueError(
      "model.decoder 'fspool' takes the order that the readout 'fspool' finds,"
      f" and model.readout.name is {name!r}; take model.decoder 'mlp'"
    )
