"""Networks: from a batch of graphs to the states of its nodes.

A network is made from the schema of a dataset and the `message_passing` part of
a config, whose fields are its arguments. It maps (graphs, is_training) to the
node states [N, D] of one or more layers and an auxiliary loss [G], weighted.
`LAYERS` is the table of what can be stacked, `NETWORKS` that of all networks. A
new layer is a file here, a row there, and a test of what only it promises.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, Protocol

import jax.numpy as jnp
import jraph
from jax import Array

from gnn_readout import graphs as graphs_lib
from gnn_readout import signatures
from gnn_readout.errors import suggest
from gnn_readout.layers.encoders import FeatureEncoder
from gnn_readout.message_passing import messages
from gnn_readout.message_passing.aggregate import AggregateLayer
from gnn_readout.message_passing.base import Layer
from gnn_readout.message_passing.gcn import GCNLayer
from gnn_readout.message_passing.gin import GINLayer
from gnn_readout.message_passing.gin_tu import GINBlocks
from gnn_readout.message_passing.stack import MessagePassing

LAYERS: dict[str, type[Layer]] = {
  "aggregate": AggregateLayer,
  "gcn": GCNLayer,
  "gin": GINLayer,
}


class FeatureSchema(Protocol):
  """What a network must know of a dataset; `data.store.Schema` has it."""

  @property
  def node_sizes(self) -> Sequence[int]:
    """Vocabulary size of each categorical node feature."""

  @property
  def edge_sizes(self) -> Sequence[int]:
    """The same of edges."""

  @property
  def symmetric(self) -> bool:
    """Whether the inverse of every edge is known to be there too."""


class OGBNetwork:
  """Encoder and OGB's stack of layers with edge features; one state.

  Attributes:
    reads_edges: Whether edge features have an influence.
  """

  reads_edges = True

  def __init__(
    self,
    schema: FeatureSchema,
    name: str,
    width: int,
    num_layers: int,
    dropout: float = 0.5,
    virtual_node: bool = False,
    jumping: str = "last",
    **layer: Any,
  ):
    """Creates the network.

    Args:
      schema: The dataset's.
      name: A key of `LAYERS`.
      width: D.
      num_layers: L.
      dropout: Probability of a zero after each layer; may be traced.
      virtual_node: Whether each graph has a virtual node.
      jumping: `last`, or `sum` of all states.
      **layer: Arguments of the layer's own.
    """
    self._schema, self._width = schema, width
    self._num_layers, self._layer = num_layers, LAYERS[name]
    self._stack = functools.partial(
      MessagePassing,
      functools.partial(self._layer, **layer),
      width,
      num_layers,
      dropout,
      tuple(schema.edge_sizes),
      virtual_node,
      jumping,
      name=name,
    )

  @classmethod
  def arguments(cls, name: str) -> dict[str, signatures.Argument]:
    """Returns the arguments of the stack and of the layer of this name."""
    besides = ("self", "schema", "name", "layer")
    own = signatures.arguments(cls.__init__, besides)
    return own | LAYERS[name].arguments()

  def multiply_adds(self) -> int:
    """Returns those of the layers' linear maps, for one node."""
    return self._num_layers * self._layer.multiply_adds(self._width)

  def __call__(
    self, graphs: jraph.GraphsTuple, is_training: bool
  ) -> tuple[list[Array], Array]:
    """Returns [states [N, D]] and the auxiliary loss [G]."""
    encoder = FeatureEncoder(self._width, self._schema.node_sizes, name="nodes")
    nodes = encoder(graphs.nodes)  # [N, D]
    h, aux_loss = self._stack()(nodes, graphs, is_training)
    return [h], aux_loss


class GINNetwork:
  """`GINBlocks`, with the states of all of them.

  Attributes:
    reads_edges: Whether edge features have an influence.
  """

  reads_edges = False

  def __init__(
    self,
    schema: FeatureSchema,
    name: str,
    width: int,
    num_layers: int,
    norm_first: bool = False,
    with_input: bool = False,
    initialisation: str = "xavier",
    eps: str = "zero",
  ):
    """Creates the network; its arguments are those of `GINBlocks`."""
    self._width, self._num_layers = width, num_layers
    self._blocks = functools.partial(
      GINBlocks,
      width,
      num_layers,
      schema.node_sizes,
      schema.symmetric,
      norm_first,
      with_input,
      initialisation,
      eps,
      name=name,
    )

  @classmethod
  def arguments(cls, name: str) -> dict[str, signatures.Argument]:
    """Returns the arguments besides the name."""
    del name
    return signatures.arguments(cls.__init__, ("self", "schema", "name"))

  def multiply_adds(self) -> int:
    """Returns those of two maps [D, D] a block, for one node."""
    return 2 * self._num_layers * self._width**2

  def __call__(
    self, graphs: jraph.GraphsTuple, is_training: bool
  ) -> tuple[list[Array], Array]:
    """Returns a list of states [N, D] and a loss [G] of zeros."""
    edges = messages.prepare(graphs._replace(edges=None), ())
    sets = graphs_lib.node_sets(graphs)
    nodes = jnp.asarray(graphs.nodes)
    states = self._blocks()(nodes, edges, sets.mask, is_training)
    return states, jnp.zeros(sets.num_segments, states[-1].dtype)


Network = OGBNetwork | GINNetwork
NETWORKS: dict[str, type[Network]] = {
  **{name: OGBNetwork for name in LAYERS},
  "gin_blocks": GINNetwork,
}


def network_class(name: str) -> type[Network]:
  """Returns the class of a network.

  Raises:
    ValueError: if no network has this name; names the nearest.
  """
  if name not in NETWORKS:
    known = suggest(name, NETWORKS)
    raise ValueError(f"Unknown message passing {name!r}.{known}")
  return NETWORKS[name]


def make_network(name: str, schema: FeatureSchema, **kwargs: Any) -> Network:
  """Returns a network by name.

  Args:
    name: A key of `NETWORKS`.
    schema: The dataset's.
    **kwargs: `width`, `num_layers` and the network's own arguments.

  Raises:
    ValueError: if the name or an argument is unknown, or one is missing.
  """
  make = network_class(name)
  signatures.check(f"Message passing {name!r}", kwargs, make.arguments(name))
  return make(schema, name, **kwargs)
