"""Graph models: encoder -> message passing -> readout -> head."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout.graphs import Sets
from gnn_readout.layers import precision
from gnn_readout.layers.heads import make_head
from gnn_readout.message_passing import make_network
from gnn_readout.message_passing.networks import FeatureSchema
from gnn_readout.readouts import (
  Aggregate,
  arguments_from_data,
  make_readout,
  readout_class,
  split_weight,
)

if TYPE_CHECKING:  # The library alone does without it.
  from ml_collections import ConfigDict


class DatasetSchema(FeatureSchema, Protocol):
  """What a model must know of a dataset; `data.store.Schema` has it."""

  @property
  def task_type(self) -> str:
    """'binary', 'multiclass' or 'regression'."""

  @property
  def num_tasks(self) -> int:
    """Columns of labels, T."""

  @property
  def num_classes(self) -> int:
    """Classes of a multiclass task."""


class Output(NamedTuple):
  """What a model returns for a batch.

  Attributes:
    logits: [G, T], or [G, classes] for a multi-class task.
    aux_loss: [G], auxiliary losses, weighted.
    diagnostics: Named scalars worth logging.
    vectors: [G, D], what the readout made of each graph; of several readouts
      side by side, as the next two.
    nodes: [N, D], the states that were pooled.
    weights: [N, H], those of the nodes where the readout has any.
  """

  logits: Array
  aux_loss: Array
  diagnostics: dict[str, Array]
  vectors: Array | None = None
  nodes: Array | None = None
  weights: Array | None = None


class Model(NamedTuple):
  """A pair of pure functions.

  Attributes:
    init: (rng, graphs) -> (params, state).
    apply: (params, state, rng, graphs, is_training) -> (Output, new state).
  """

  init: Callable[..., Any]
  apply: Callable[..., Any]


def build_model(config: Mapping[str, Any], schema: DatasetSchema) -> Model:
  """Returns the graph model a config describes.

  Args:
    config: `message_passing` (name, width, num_layers, and the network's own
      arguments), `readout` (name, aux_weight, and its own arguments) and,
      unless it is one linear map, `head` (name, and its own arguments), and
      unless it is float32, `precision`, see `layers.precision`.
    schema: The dataset's.

  Raises:
    ValueError: if a name or an argument is unknown, or one is missing.
  """
  passing = config["message_passing"]
  network = make_network(schema=schema, **passing)
  readout, aux_weight = split_weight(config["readout"])
  is_multiclass = schema.task_type == "multiclass"
  head = make_head(
    num_outputs=schema.num_classes if is_multiclass else schema.num_tasks,
    node_width=passing["width"],
    **config.get("head", {"name": "linear"}),
  )

  def forward(graphs: jraph.GraphsTuple, is_training: bool) -> Output:
    sets = graphs_lib.node_sets(graphs)
    states, aux_loss = network(graphs, is_training)  # L times [N, D], [G]
    pooled: list[Array] = []
    weights: list[Array] = []
    diagnostics: dict[str, Array] = {}
    groups = head.join(states)
    for k, group in enumerate(groups):
      aggregate = _pool_side_by_side(readout, group, sets, is_training)
      pooled.append(aggregate.values)  # [G, D_k]
      weights += [] if aggregate.weights is None else [aggregate.weights]
      aux_loss = aux_loss + aux_weight * aggregate.aux_loss
      suffix = f"_{k}" if k else ""
      diagnostics |= {
        name + suffix: value for name, value in aggregate.diagnostics.items()
      }
    mask = graphs_lib.graph_mask(graphs)
    logits = head.classify(pooled, mask, is_training)  # [G, T]
    return Output(
      logits,
      aux_loss,
      diagnostics,
      vectors=jnp.concatenate(pooled, axis=1),
      nodes=jnp.concatenate([x for group in groups for x in group], axis=1),
      weights=jnp.concatenate(weights, axis=1) if weights else None,
    )

  transformed = hk.transform_with_state(forward)

  def init(rng: Array, graphs: jraph.GraphsTuple) -> Any:
    return transformed.init(rng, graphs, True)

  def apply(*args: Any, **kwargs: Any) -> Any:
    with precision.of_linear_layers(config.get("precision", "float32")):
      return transformed.apply(*args, **kwargs)

  return Model(jax.jit(init), apply)


def _pool_side_by_side(
  readout: Mapping[str, Any],
  states: Sequence[Array],
  sets: Sets,
  is_training: bool,
) -> Aggregate:
  """Returns what a readout makes of some states [N, D_l] side by side.

  Where it treats each column by itself they are pooled one by one, and never
  written side by side: of large graphs that is most of what a readout costs.
  """
  if not readout_class(readout["name"]).columnwise:
    states = [jnp.concatenate(states, axis=1)]
  parts = [
    make_readout(output_size=x.shape[1], **readout)(x, sets, is_training)
    for x in states
  ]
  values = jnp.concatenate([part.values for part in parts], axis=1)
  return parts[0]._replace(values=values)


def complete_config(
  config: ConfigDict,
  num_nodes: np.ndarray,
  in_degrees: Callable[[], np.ndarray],
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

  Raises:
    ValueError: if the readout or the aggregator has an impossible argument.
  """
  _measure(config.readout, num_nodes)
  if "aggregator" in config.message_passing:
    _measure(config.message_passing.aggregator, in_degrees())


def _measure(readout: ConfigDict, sizes: np.ndarray) -> None:
  """Sets what is not given, in a config that may be locked; checks the rest."""
  with readout.unlocked():
    readout.update(arguments_from_data(readout, sizes))
  arguments, _ = split_weight(readout)
  # As long as they are numbers: a population has traced ones.
  hk.transform(lambda: make_readout(**arguments)).init(None)


def count_parameters(params: hk.Params) -> int:
  """Returns the number of learned numbers."""
  return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(params))
