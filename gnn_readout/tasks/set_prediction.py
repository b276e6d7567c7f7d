"""Predicting sets from vectors: by a set encoder's gradient, MLP or LSTM.

Either the vector is what the encoder makes of the set itself (an auto-encoder),
or a network's output for an input that describes the set. Every set has n rows
of d features and a mask; rows that are padding are all 0.

Letters: S sets of a batch, n rows of a set, d features, L the length of the
vector, T steps of the decoder.

Differs from the paper: the mask is a target of all three decoders alike. The
text adds 1 to the mask of the baselines and has none for its own; the program
does neither.

Reference: Zhang 2020, "Learning to Represent and Predict Sets with Deep Neural
Networks" (thesis), chapter 6; Zhang, Hare and Prügel-Bennett 2019, "Deep Set
Prediction Networks".
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

from gnn_readout.graphs import Sets, make_sets
from gnn_readout.layers.mlp import check_widths
from gnn_readout.layers.set_prediction import (
  encode_dense,
  huber,
  predict_sets,
)
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.tasks.checks import check_at_least, check_known
from gnn_readout.tasks.sampled import SampledProblem
from gnn_readout.tasks.set_autoencoder import xavier_mlp
from gnn_readout.tasks.set_losses import SET_LOSSES
from gnn_readout.tasks.set_sources import DATA, INPUTS, Data

_EVALUATION_BATCH = 128
_START = "start"  # The module of the learned start; no other has this name.


def _mlp_decoder(
  vectors: Array, shape: tuple[int, int], model: Mapping[str, Any]
) -> Array:
  """Returns [S, n, d + 1], in an order of its own."""
  width = model["decoder_width"]
  widths = width, width, shape[0] * shape[1]
  flat = xavier_mlp("decoder", *widths)(vectors)
  return flat.reshape(-1, *shape)


def _lstm_decoder(
  vectors: Array, shape: tuple[int, int], model: Mapping[str, Any]
) -> Array:
  """Returns [S, n, d + 1]: the vector is the first cell, inputs are zeros."""
  width = model["decoder_width"]
  cell = hk.Linear(width, name="first_cell")(vectors)  # [S, D]
  core = hk.LSTM(width, name="lstm")
  inputs = jnp.zeros((shape[0], len(vectors), 1), vectors.dtype)
  state = hk.LSTMState(jnp.zeros_like(cell), cell)
  hidden, _ = hk.dynamic_unroll(core, inputs, state)  # [n, S, D]
  rows = hk.Linear(shape[1], name="rows")(hidden)
  return jnp.swapaxes(rows, 0, 1)


# Baselines that map a vector to a set in one go, by `model.decoder`.
BASELINES = {"mlp": _mlp_decoder, "lstm": _lstm_decoder}
DECODERS = ("dspn", *BASELINES)


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  Args:
    config: As `configs/set_prediction.py` makes it.
    data_dir: Where the datasets are.
    cache_dir: Not used.

  Raises:
    FileNotFoundError: The dataset is not there.
    ValueError: The dataset is damaged, or a field has an impossible value; the
      message names it.
  """
  del cache_dir
  for name, known in (("data", DATA), ("input", INPUTS)):
    check_known(name, config[name], known)
  data = DATA[config["data"]](config, data_dir)
  return prediction("set_prediction", config, data)


def prediction(
  name: str, config: Mapping[str, Any], data: Data
) -> SampledProblem:
  """Returns the task of predicting given sets.

  With z = F(input), or z = g(Y) where there is no input, and Y^0, ..., Y^T what
  the decoder makes of z (of a baseline one alone), the loss is

    mean_t set_loss(Y^t, Y) + lambda mean_L huber(g(Y) - z),

  the first term of the last step alone unless `loss_of_all_steps`. Set losses
  are by Huber's function, means over features and elements; the metric is the
  set loss of squares at the last step. Where `test_num_steps` are several, the
  first is what a run is judged by; scores after the others have their number of
  steps in the name, as `hungarian_20`.

  Args:
    name: Name of the task.
    config: As `make_task` takes it.
    data: Where sets come from.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  _check(config)
  model = config["model"]
  latent, is_paired = model["latent_size"], model["pairs"]
  set_loss = functools.partial(SET_LOSSES[config["loss"]], cost=huber)
  example = jax.eval_shape(lambda key: data.sample(key, 1), jax.random.key(0))
  shape = example.sets.shape[1:]  # (n, d + 1)
  readout, aux_weight = split_weight(model["readout"])
  count = shape[0] ** 2 if is_paired else shape[0]  # Of what is pooled.
  readout |= arguments_from_data(readout, np.array([count]))

  def encode(elements: Array, sets: Sets, is_training: bool):
    if is_paired:
      elements, sets = _pairs(elements, shape[0])
    widths = (*model["element_widths"], latent)
    elements = xavier_mlp("element_encoder", *widths)(
      elements
    )  # [S n, L] or [S n^2, L]
    pool = make_readout(output_size=latent, **readout)
    aggregate = pool(elements / count, sets, is_training)
    return aggregate.values, aggregate.aux_loss

  encoder = hk.transform(encode)
  describer = hk.without_apply_rng(
    hk.transform(lambda inputs: data.describe(inputs, model))
  )
  is_dspn = model["decoder"] == "dspn"
  decode = BASELINES.get(model["decoder"])
  baseline = hk.without_apply_rng(
    hk.transform(lambda z: decode(z, shape, model))
  )

  def init(key: Array) -> hk.Params:
    keys = jax.random.split(key, 4)
    examples = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), example)
    z = jnp.zeros((1, latent))

    def of_sets(elements, sets):
      return encoder.init(keys[0], elements, sets, True)

    params = encode_dense(of_sets, examples.sets)
    if examples.inputs is not None:
      params |= describer.init(keys[1], examples.inputs)
    if not is_dspn:
      return params | baseline.init(keys[2], z)
    start = jax.random.uniform(keys[3], shape)
    return params | {_START: {"sets": start.at[:, -1].set(0.5)}}

  def predicted(params, key, batch, is_training, num_steps):
    """Returns [T + 1, S, n, d + 1], g(Y), z, and auxiliary losses [S]."""

    def encoded(elements, sets):
      return encoder.apply(params, key, elements, sets, is_training)

    own, aux = encode_dense(encoded, batch.sets)  # [S, L], [S]
    z = own
    if batch.inputs is not None:
      z = describer.apply(params, batch.inputs)
    if not is_dspn:
      return baseline.apply(params, z)[None], own, z, aux
    sets = predict_sets(
      lambda elements, sets: encoded(elements, sets)[0],
      z,
      params[_START]["sets"],
      learning_rate=model["inner_learning_rate"],
      num_steps=num_steps,
      momentum=model["momentum"],
    )
    return sets, own, z, aux

  def loss(params, key, batch):
    sets, own, z, aux = predicted(params, key, batch, True, model["num_steps"])
    if not config["loss_of_all_steps"]:
      sets = sets[-1:]
    losses = jax.lax.map(lambda y: jnp.mean(set_loss(y, batch.sets)), sets)
    representation = jnp.mean(huber(own - z))
    total = jnp.mean(losses) + config["representation_weight"] * representation
    scalars = {"set_loss": losses[-1], "representation_loss": representation}
    return total + aux_weight * jnp.mean(aux), scalars

  def evaluate(params, batch):
    sets, *_ = predicted(params, None, batch, False, max(test_steps))
    losses, compared = {}, []
    for i, steps in enumerate(test_steps):
      found = sets[steps if is_dspn else -1]
      own = {"set_loss": set_loss(found, batch.sets)}
      for score in config["scores"]:
        own[score] = SET_LOSSES[score](found, batch.sets)
      for score, value in own.items():
        losses[step_name(score, steps, i)] = jnp.mean(value)
      compared.append(data.compare(found, batch.sets))
    return {"losses": losses, "compared": compared}

  def sampler(draw, size):
    return lambda key: draw(key, size)

  test_steps = steps_in_testing(config)
  size = min(_EVALUATION_BATCH, max(1, config["num_eval_sets"]))
  return SampledProblem(
    name,
    config,
    init=init,
    sample=sampler(data.sample, config["batch_size"]),
    loss=loss,
    evaluate=evaluate,
    sample_valid=sampler(data.sample_valid, size),
    sample_test=sampler(data.sample_test, size),
    metric=config["scores"][0],
    lower_is_better=True,
    summarise=data.summarise,
  )


def steps_in_testing(config: Mapping[str, Any]) -> tuple[int, ...]:
  """Returns after how many steps each score is taken; of a baseline (0,)."""
  model = config["model"]
  if model["decoder"] != "dspn":
    return (0,)
  return tuple(model["test_num_steps"]) or (model["num_steps"],)


def step_name(score: str, steps: int, place: int) -> str:
  """Returns what a score after some steps is called.

  Args:
    score: Score, such as 'hungarian'.
    steps: After how many.
    place: Index in `steps_in_testing`; the first number is not named.
  """
  return f"{score}_{steps}" if place else score


def _pairs(elements: Array, size: int) -> tuple[Array, Sets]:
  """Returns all ordered pairs of the elements of each set, [S n^2, 2 D]."""
  dense = elements.reshape(-1, size, elements.shape[-1])  # [S, n, D]
  shape = (*dense.shape[:2], size, dense.shape[2])
  one = jnp.broadcast_to(dense[:, :, None], shape)
  two = jnp.broadcast_to(dense[:, None], shape)
  pairs = jnp.concatenate([one, two], axis=-1)  # [S, n, n, 2 D]
  pairs = pairs.reshape(-1, pairs.shape[-1])
  sizes = jnp.full(len(dense), size * size, jnp.int32)
  return pairs, make_sets(sizes, len(pairs))


def _check(config: Mapping[str, Any]) -> None:
  """Raises ValueError if a config describes no task."""
  model = config["model"]
  for name, value, known in (
    ("loss", config["loss"], SET_LOSSES),
    ("model.decoder", model["decoder"], DECODERS),
    *(("scores", name, SET_LOSSES) for name in config["scores"]),
  ):
    check_known(name, value, known)
  if not config["scores"]:
    raise ValueError("scores must name at least one set loss, got none")
  check_at_least(
    **{
      "batch_size": (config["batch_size"], 1),
      "model.num_steps": (model["num_steps"], 0),
      **{
        f"model.{name}": (model[name], 1)
        for name in ("width", "latent_size", "decoder_width")
        if name in model
      },
    }
  )
  if min(model["test_num_steps"], default=0) < 0:
    raise ValueError(
      "model.test_num_steps must not be negative, got"
      f" {model['test_num_steps']}"
    )
  if not model["inner_learning_rate"] > 0:
    raise ValueError(
      "model.inner_learning_rate must be positive, got"
      f" {model['inner_learning_rate']}"
    )
  split_weight(model["readout"])  # Refuses an unknown one.
  check_widths(**{"model.element_widths": model["element_widths"]})
