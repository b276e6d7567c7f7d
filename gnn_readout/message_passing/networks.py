"""Networks: from a batch of graphs to the states of its nodes.

A network is made from the `message_passing` part of a config and the schema of
a dataset. It maps (graphs, is_training) to the node states [N, D] of one or
more layers and an auxiliary loss [G], weighted. Its `FIELDS` are what its
config must hold besides `name`, `num_layers` and `width`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import jraph
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout.errors import suggest
from gnn_readout.layers.encoders import FeatureEncoder
from gnn_readout.message_passing import messages
from gnn_readout.message_passing.aggregate import AggregateLayer
from gnn_readout.message_passing.gcn import GCNLayer
from gnn_readout.message_passing.gin import GINLayer
from gnn_readout.message_passing.gin_tu import GINBlocks
from gnn_readout.message_passing.stack import MessagePassing
from gnn_readout.readouts import readout_class

LAYERS = {"aggregate": AggregateLayer, "gcn": GCNLayer, "gin": GINLayer}


def split_weight(readout: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
  """Returns the arguments of `make_readout` and the auxiliary weight.

  Args:
    readout: A readout's part of a config.

  Raises:
    ValueError: if no readout has its name.
  """
  arguments = dict(readout)
  weight = arguments.pop("aux_weight", 0.0)
  readout_class(arguments["name"])
  return arguments, weight


class OGBNetwork:
  """Encoder and OGB's stack of layers with edge features; one state."""

  FIELDS = ("dropout", "jumping", "virtual_node")

  def __init__(self, config: Mapping[str, Any], schema):
    """Reads a config: `aggregate` has an `aggregator`, a readout's part."""
    self._config, self._schema = config, schema
    self._layer, self._aux_weight = LAYERS[config["name"]], 0.0
    if "aggregator" in config:
      aggregator, self._aux_weight = split_weight(config["aggregator"])
      self._layer = functools.partial(self._layer, aggregator=aggregator)

  def __call__(
    self, graphs: jraph.GraphsTuple, is_training: bool
  ) -> tuple[list[Array], Array]:
    """Returns [states [N, D]] and the auxiliary loss [G]."""
    config, schema = self._config, self._schema
    encoder = FeatureEncoder(config["width"], schema.node_sizes, name="nodes")
    h, aux_loss = MessagePassing(
      self._layer,
      config["width"],
      config["num_layers"],
      config["dropout"],
      tuple(schema.edge_sizes),
      config["virtual_node"],
      config["jumping"],
      name=config["name"],
    )(encoder(graphs.nodes), graphs, is_training)  # [N, D]
    return [h], self._aux_weight * aux_loss


class GINNetwork:
  """`GINBlocks`, with the states of all of them."""

  FIELDS = ("initialisation", "norm_first", "with_input")

  def __init__(self, config: Mapping[str, Any], schema):
    """Reads a config."""
    self._schema = schema
    names = (*self.FIELDS, "num_layers", "width")
    self._arguments = {name: config[name] for name in names}

  def __call__(
    self, graphs: jraph.GraphsTuple, is_training: bool
  ) -> tuple[list[Array], Array]:
    """Returns a list of states [N, D] and a loss [G] of zeros."""
    edges = messages.prepare(graphs._replace(edges=None), ())
    blocks = GINBlocks(
      sizes=self._schema.node_sizes,
      symmetric=self._schema.symmetric,
      name="gin_blocks",
      **self._arguments,
    )
    sets = graphs_lib.node_sets(graphs)
    states = blocks(jnp.asarray(graphs.nodes), edges, sets.mask, is_training)
    return states, jnp.zeros(sets.num_segments, states[-1].dtype)


NETWORKS = {**dict.fromkeys(LAYERS, OGBNetwork), "gin_blocks": GINNetwork}


def network_class(name: str) -> type[OGBNetwork] | type[GINNetwork]:
  """Returns the class of a network.

  Raises:
    ValueError: if no network has this name; names the nearest.
  """
  if name not in NETWORKS:
    known = suggest(name, NETWORKS)
    raise ValueError(f"Unknown message passing {name!r}.{known}")
  return NETWORKS[name]
