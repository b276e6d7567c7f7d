"""Graph models: encoder -> message passing -> readout -> head."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout.errors import suggest
from gnn_readout.layers.encoders import FeatureEncoder
from gnn_readout.layers.mlp import Linear
from gnn_readout.message_passing import LAYERS, MessagePassing
from gnn_readout.readouts import make_readout, readout_class


class Output(NamedTuple):
  """What a model returns for a batch.

  Attributes:
    logits: [G, T], or [G, classes] for a multi-class task.
    aux_loss: [G], auxiliary losses, weighted.
    diagnostics: Named scalars worth logging.
  """

  logits: Array
  aux_loss: Array
  diagnostics: dict[str, Array]


class Model(NamedTuple):
  """A pair of pure functions.

  Attributes:
    init: (rng, graphs) -> (params, state).
    apply: (params, state, rng, graphs, is_training) -> (Output, new state).
  """

  init: Callable[..., Any]
  apply: Callable[..., Any]


def build_model(config: Mapping[str, Any], schema) -> Model:
  """Returns the graph model a config describes.

  Args:
    config: `message_passing` (name, width, num_layers, dropout, virtual_node,
      jumping; and for `aggregate` the `aggregator`, a readout like the next)
      and `readout` (name, aux_weight, and its own arguments).
    schema: The dataset's: `node_sizes`, `edge_sizes`, `task_type`,
      `num_tasks`, `num_classes`.

  Raises:
    ValueError: if a name is unknown.
  """
  passing = config["message_passing"]
  layer_name = passing["name"]
  if layer_name not in LAYERS:
    raise ValueError(
      f"Unknown message passing {layer_name!r}.{suggest(layer_name, LAYERS)}"
    )
  layer, local_weight = LAYERS[layer_name], 0.0
  if layer_name == "aggregate":
    aggregator, local_weight = _split_weight(passing["aggregator"])
    layer = functools.partial(layer, aggregator=aggregator)
  readout, aux_weight = _split_weight(config["readout"])
  width = passing["width"]
  outputs = (
    schema.num_classes if schema.task_type == "multiclass" else schema.num_tasks
  )

  def forward(graphs: jraph.GraphsTuple, is_training: bool) -> Output:
    sets = graphs_lib.node_sets(graphs)
    h = FeatureEncoder(width, schema.node_sizes, name="nodes")(graphs.nodes)
    h, local_aux = MessagePassing(
      layer,
      width,
      passing["num_layers"],
      passing["dropout"],
      tuple(schema.edge_sizes),
      passing["virtual_node"],
      passing["jumping"],
      name=layer_name,
    )(h, graphs, is_training)  # [N, D]
    pool = make_readout(output_size=width, **readout)
    pooled = pool(h, sets, is_training)  # [G, D]
    logits = Linear(outputs, name="head")(pooled.values)  # [G, T]
    aux_loss = aux_weight * pooled.aux_loss + local_weight * local_aux  # [G]
    return Output(logits, aux_loss, pooled.diagnostics)

  transformed = hk.transform_with_state(forward)

  def init(rng, graphs):
    return transformed.init(rng, graphs, True)

  return Model(jax.jit(init), transformed.apply)


def _split_weight(readout: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
  """Returns the arguments of `make_readout` and the auxiliary weight."""
  arguments = dict(readout)
  weight = arguments.pop("aux_weight", 0.0)
  readout_class(arguments["name"])
  return arguments, weight


def complete_config(
  config, num_nodes: np.ndarray, in_degrees: Callable[[], np.ndarray]
) -> None:
  """Fills in what a readout measures on the training set, such as PNA's delta.

  The sets of a readout are graphs and their elements nodes; those of a local
  aggregation (`message_passing.aggregator`) are nodes, and their elements the
  messages that reach them.

  Args:
    config: The `model` part of a config; fields of its readout and aggregator
      that are None are set in place.
    num_nodes: The number of nodes of each training graph.
    in_degrees: Returns the number of edges that reach each node of the
      training graphs; only called for a local aggregation.
  """
  _measure(config.readout, num_nodes)
  if "aggregator" in config.message_passing:
    _measure(config.message_passing.aggregator, in_degrees())


def _measure(readout, sizes: np.ndarray) -> None:
  """Sets the fields that are None, in a config that may be locked."""
  measured = readout_class(readout.name).data_defaults(sizes)
  for field, value in measured.items():
    if readout.get(field) is None:
      with readout.unlocked():
        readout[field] = value


def count_parameters(params) -> int:
  """Returns the number of learned numbers."""
  return sum(int(np.prod(jnp.shape(leaf))) for leaf in jax.tree.leaves(params))
