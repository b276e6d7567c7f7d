"""Median estimation: what is the median of these 100 numbers?

Letters: S sets of a batch, n numbers of a set, D the width of what a set is
pooled to.
Reference: Bartunov et al. 2022, sections 5.1 and D.1.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from gnn_readout.graphs import make_sets
from gnn_readout.layers.mlp import check_widths
from gnn_readout.layers.residual import ResidualMLP
from gnn_readout.readouts import arguments_from_data, make_readout, split_weight
from gnn_readout.tasks.checks import check_at_least
from gnn_readout.tasks.sampled import SampledProblem


class NumberSets(NamedTuple):
  """A batch of sets of numbers.

  Attributes:
    numbers: [S, n].
    median: [S].
  """

  numbers: Array
  median: Array


# What the numbers of a set are, as functions of u ~ U(0, 1) and the standard
# normal z = Phi^-1(u), so that one draw serves all three.
DISTRIBUTIONS = {
  "uniform": lambda u, z: u,
  "gamma": lambda u, z: 0.1 * z**2,
  "normal": lambda u, z: 0.5 + 0.4 * z,
}


def draw_sets(key: Array, num_sets: int, set_size: int) -> NumberSets:
  """Draws sets of numbers, each from one of three distributions.

  They are U(0, 1), Gamma(shape 0.5, scale 0.2) and N(0.5, 0.4^2), with equal
  probability. The second is that of 0.1 z^2 for a standard normal z: chi^2 of
  one degree is Gamma(shape 0.5, scale 2). For an even n the median is the mean
  of the middle two, as numpy has it.

  Differs from the paper: it says neither which of the middle two is the median,
  nor how often each distribution comes.

  Args:
    key: A JAX key.
    num_sets: S.
    set_size: n.
  """
  kind_key, number_key = jax.random.split(key)
  kind = jax.random.randint(kind_key, (num_sets, 1), 0, len(DISTRIBUTIONS))
  dtype = jnp.result_type(float)
  lowest = np.nextafter(np.array(-1, dtype), np.array(0, dtype))  # Not -1.
  v = jax.random.uniform(
    number_key, (num_sets, set_size), dtype, minval=lowest, maxval=1
  )
  z = np.sqrt(2).astype(dtype) * jax.lax.erf_inv(v)
  draws = [of((v + 1) / 2, z) for of in DISTRIBUTIONS.values()]
  numbers = jax.lax.select_n(jnp.broadcast_to(kind, v.shape), *draws)  # [S, n]
  return NumberSets(numbers, jnp.median(numbers, axis=1))


def make_task(
  config: Mapping[str, Any],
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
) -> SampledProblem:
  """Returns the task that a config describes.

  loss = mean_s (f(X_s) - median(X_s))^2 + weight * mean_s aux_loss_s. The model
  f embeds every number by a residual network, pools by a readout and ends in
  another residual network, of widths D, `head_widths` and 1. Where
  `element_widths` is empty the readout takes the numbers as they are.

  Args:
    config: As `configs/median.py` makes it.
    data_dir: Not used, the examples are made.
    cache_dir: Not used.

  Raises:
    ValueError: If a field has an impossible value; the message names it.
  """
  del data_dir, cache_dir
  model = config["model"]
  names = "set_size", "batch_size", "num_eval_sets"
  check_at_least(**{name: (config[name], 1) for name in names})
  width = model["width"]  # D
  check_at_least(**{"model.width": (width, 1)})
  check_widths(
    **{
      "model.element_widths": model["element_widths"],
      "model.head_widths": model["head_widths"],
    }
  )
  readout, aux_weight = split_weight(model["readout"])
  readout |= arguments_from_data(readout, np.array([config["set_size"]]))

  def forward(numbers: Array, is_training: bool) -> tuple[Array, Any]:
    num_sets, set_size = numbers.shape
    elements = numbers.reshape(-1, 1)  # [S n, 1]
    if model["element_widths"]:
      widths = (*model["element_widths"], width)
      elements = ResidualMLP(widths, name="element_net")(elements)  # [S n, D]
    sets = make_sets(jnp.full(num_sets, set_size, jnp.int32), len(elements))
    pool = make_readout(output_size=width, **readout)
    aggregate = pool(elements, sets, is_training)
    widths = (width, *model["head_widths"], 1)
    output = ResidualMLP(widths, name="output_net")(aggregate.values)  # [S, 1]
    return output[:, 0], aggregate

  network = hk.transform(forward)
  draw = functools.partial(
    draw_sets, num_sets=config["batch_size"], set_size=config["set_size"]
  )

  def init(key: Array) -> hk.Params:
    shape = config["batch_size"], config["set_size"]
    return network.init(key, jnp.zeros(shape, jnp.result_type(float)), True)

  def loss(
    params: hk.Params, key: Array, batch: NumberSets
  ) -> tuple[Array, dict[str, Array]]:
    output, aggregate = network.apply(params, key, batch.numbers, True)
    mse = jnp.mean((output - batch.median) ** 2)
    aux_loss = jnp.mean(aggregate.aux_loss)
    scalars = {"mse": mse, "aux_loss": aux_loss, **aggregate.diagnostics}
    return mse + aux_weight * aux_loss, scalars

  def evaluate(params: hk.Params, batch: NumberSets) -> dict[str, Array]:
    output, _ = network.apply(params, None, batch.numbers, False)
    return {"mse": jnp.mean((output - batch.median) ** 2)}

  return SampledProblem(
    "median",
    config,
    init=init,
    sample=draw,
    loss=loss,
    evaluate=evaluate,
    sample_valid=draw,
    sample_test=draw,
    metric="mse",
    lower_is_better=True,
  )
