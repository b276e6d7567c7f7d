"""Heads: from pooled node states to logits.

A head is two functions. `join` puts the node states of the layers, L times
[N, D_l], into K groups, each to be pooled side by side by a readout of its own;
`classify` takes the pooled vectors [G, D_k] to the logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
from jax import Array

from gnn_readout import signatures
from gnn_readout.errors import suggest
from gnn_readout.layers.mlp import Linear, check_rate, dropout
from gnn_readout.layers.norm import BatchNorm


class Head(NamedTuple):
  """What is pooled, and what becomes of it.

  Attributes:
    join: (states, L times [N, D_l]) -> K groups of some of them.
    classify: (pooled, K times [G, D_k], graph mask [G], is_training) -> logits
      [G, T].
  """

  join: Callable[[Sequence[Array]], Sequence[Sequence[Array]]]
  classify: Callable[[Sequence[Array], Array, bool], Array]


def linear(num_outputs: int, node_width: int) -> Head:
  """Returns OGB's head: pools the last state; one linear map."""
  del node_width

  def classify(pooled, mask, is_training):
    del mask, is_training
    return Linear(num_outputs, name="head")(pooled[0])

  return Head(lambda states: [states[-1:]], classify)


def mlp(
  num_outputs: int,
  node_width: int,
  dropout_rate: float | Array,
  initialisation: str = "xavier",
) -> Head:
  """Returns the head of Zhang's thesis, A.3.4.

  It pools the states of all layers side by side; then BatchNorm, Linear to
  `node_width`, ReLU, dropout, Linear.

  Args:
    num_outputs: T.
    node_width: D, of the node states and of the hidden layer.
    dropout_rate: Probability of a zero; may be traced.
    initialisation: A key of `mlp.INITIALISATIONS`.
  """

  def classify(pooled, mask, is_training):
    x = BatchNorm(name="head_norm")(pooled[0], mask, is_training)
    x = Linear(node_width, initialisation, name="head_1")(x)  # [G, D]
    x = dropout(jax.nn.relu(x), dropout_rate, is_training)
    return Linear(num_outputs, initialisation, name="head_2")(x)

  return Head(lambda states: [states], classify)


def layerwise(
  num_outputs: int, node_width: int, dropout_rate: float | Array
) -> Head:
  """Returns the head of Xu et al. 2019, eq. 4.2 as their program has it.

  It pools every state by itself; each is mapped to logits, which go through
  dropout and are added up.

  Args:
    num_outputs: T.
    node_width: Not used.
    dropout_rate: Probability of a zero; may be traced.
  """
  del node_width

  def classify(pooled, mask, is_training):
    del mask
    scores = [Linear(num_outputs, name=f"head_{i}") for i in range(len(pooled))]
    scores = [f(x) for f, x in zip(scores, pooled, strict=True)]
    return sum(dropout(x, dropout_rate, is_training) for x in scores)

  return Head(lambda states: [[state] for state in states], classify)


HEADS = {"layerwise": layerwise, "linear": linear, "mlp": mlp}


def arguments(name: str) -> dict[str, signatures.Argument]:
  """Returns the arguments of a head's own, by name.

  Raises:
    ValueError: if no head has this name; names the nearest.
  """
  if name not in HEADS:
    raise ValueError(f"Unknown head {name!r}.{suggest(name, HEADS)}")
  return signatures.arguments(HEADS[name], ("num_outputs", "node_width"))


def make_head(name: str, num_outputs: int, node_width: int, **kwargs) -> Head:
  """Returns a head by name.

  Args:
    name: A key of `HEADS`.
    num_outputs: T.
    node_width: D, of the states of the network.
    **kwargs: Arguments of the head's own.

  Raises:
    ValueError: if the name or an argument is unknown, or `dropout_rate`
      impossible.
  """
  signatures.check(f"Head {name!r}", kwargs, arguments(name))
  check_rate("dropout_rate", kwargs.get("dropout_rate", 0))
  return HEADS[name](num_outputs, node_width, **kwargs)
