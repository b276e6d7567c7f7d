"""Auto-encoders of sets of one size, with FSPool and FSUnpool or without.

Letters: S sets of n points with d coordinates each, D the width of all hidden
layers, L the size of the latent vector, k knots.

Differs from the paper: k knots are k - 1 pieces, as in eq. 5.6; the authors'
program has k pieces.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), sections 5.4.3, 5.6.1 and A.3; Zhang et al. 2020, "FSPool:
Learning Set Representations with Featurewise Sort Pooling".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import haiku as hk
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import make_sets
from gnn_readout.layers.featurewise_sort import relaxed_fspool, relaxed_fsunpool
from gnn_readout.layers.mlp import XAVIER
from gnn_readout.readouts import (
  arguments_from_data,
  make_readout,
  readout_class,
  split_weight,
)
from gnn_readout.readouts.fspool import INITIALISERS
from gnn_readout.tasks.checks import check_at_least, check_known


def xavier_mlp(name: str, *widths: int) -> hk.nets.MLP:
  """Returns Linear-ReLU-...-Linear with the widths of its layers."""
  return hk.nets.MLP(widths, w_init=XAVIER, name=name)


def _knots(name: str, readout: Mapping[str, Any], width: int) -> Array:
  shape = (readout.get("num_knots", 20), width)
  init = INITIALISERS[readout.get("initialisation", "normal")]
  return hk.get_parameter(name, shape, init=init)


def _pool(
  elements: Array, readout: Mapping[str, Any], is_training: bool
) -> tuple[Array, Array | None, Array]:
  """Pools sets by FSPool, its sort relaxed, or by another readout.

  Args:
    elements: [S, n, D].
    readout: Readout of the model.
    is_training: Whether this is a training step.

  Returns:
    The values [S, D], the relaxed permutations [S, D, n, n], if any, and the
    auxiliary loss [S], weighted.
  """
  num_sets, size, width = elements.shape
  if readout["name"] == "fspool":
    knots = _knots("fspool_knots", readout, width)
    pooled = relaxed_fspool(elements, knots, readout.get("temperature", 1.0))
    return *pooled, jnp.zeros(num_sets)
  arguments, aux_weight = split_weight(readout)
  arguments |= arguments_from_data(arguments, np.array([size]))
  pool = make_readout(**arguments, output_size=width)
  flat = elements.reshape(-1, width)  # [S n, D]
  sets = make_sets(jnp.full(num_sets, size), num_sets * size)
  aggregate = pool(flat, sets, is_training)
  return aggregate.values, None, aux_weight * aggregate.aux_loss


def _fsunpool_decoder(
  latent: Array,
  permutation: Array | None,
  shape: tuple[int, int],
  model: Mapping[str, Any],
) -> Array:
  """Returns [S, n, d], its rows in the order of what was encoded."""
  width = model["width"]
  vectors = xavier_mlp("decoder", width, width)(latent)  # [S, D]
  knots = _knots("fsunpool_knots", model["readout"], width)
  elements = relaxed_fsunpool(vectors, knots, permutation)  # [S, n, D]
  return xavier_mlp("element_decoder", width, shape[-1])(elements)  # [S, n, d]


def _mlp_decoder(
  latent: Array,
  permutation: Array | None,
  shape: tuple[int, int],
  model: Mapping[str, Any],
) -> Array:
  """Returns [S, n, d], in an order of its own."""
  width = model["width"]
  flat = xavier_mlp("decoder", width, width, shape[0] * shape[1])(
    latent
  )  # [S, n d]
  return flat.reshape(-1, *shape)


DECODERS = {"fspool": _fsunpool_decoder, "mlp": _mlp_decoder}


def build_autoencoder(model: Mapping[str, Any]) -> hk.Transformed:
  """Returns the auto-encoder that a config describes.

  Two layers on each point, the readout, two layers to the latent vector; then
  two layers, FSUnpool and two layers on each element, or three layers with an
  output for every coordinate. Weights start as Xavier's uniform numbers, knots
  as standard normal ones, biases at 0.

  FSPool sorts by NeuralSort, in evaluation too, as the network learns to read
  the relaxed permutation; `temperature` 1e-6 is close to an exact sort.

  Args:
    model: `width` D; `latent_size` L; `latent_value`, a number that stands for
      all of the latent vector, so that the decoder has nothing to go by but the
      permutation, or None; `readout`, with `num_knots`, `temperature` and
      `initialisation` ("normal" unless given) for 'fspool', for others their
      arguments and `aux_weight`; `decoder`, a key of `DECODERS`.

  Returns:
    The transformed function of (points [S, n, d], is_training) to the
    reconstruction [S, n, d] and the weighted auxiliary loss [S].

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  _check(model)

  def reconstruct(points: Array, is_training: bool) -> tuple[Array, Array]:
    width = model["width"]
    elements = xavier_mlp("element_encoder", width, width)(points)  # [S, n, D]
    pooled, permutation, aux = _pool(elements, model["readout"], is_training)
    latent = xavier_mlp("encoder", width, model["latent_size"])(
      pooled
    )  # [S, L]
    if model["latent_value"] is not None:
      latent = jnp.full_like(latent, model["latent_value"])
    decode = DECODERS[model["decoder"]]
    return decode(latent, permutation, points.shape[1:], model), aux

  return hk.transform(reconstruct)


def _check(model: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no auto-encoder."""
  readout, decoder = model["readout"], model["decoder"]
  readout_class(readout["name"])
  check_known("model.decoder", decoder, DECODERS)
  bounds = {
    "model.width": (model["width"], 1),
    "model.latent_size": (model["latent_size"], 1),
  }
  if readout["name"] == "fspool":
    bounds["model.readout.num_knots"] = (readout.get("num_knots", 20), 2)
    start = readout.get("initialisation", "normal")
    check_known("model.readout.initialisation", start, INITIALISERS)
    temperature = readout.get("temperature", 1.0)
    if not temperature > 0:
      raise ValueError(
        f"model.readout.temperature must be positive, got {temperature}; 1e-6"
        " is close to an exact sort"
      )
  elif decoder == "fspool":
    raise ValueError(
      "model.decoder 'fspool' needs the order found by the readout 'fspool',"
      f" but model.readout.name is {readout['name']!r}; use model.decoder"
      " 'mlp'"
    )
  check_at_least(**bounds)
