"""Message passing: node states from node states and edges."""

from gnn_readout.message_passing.networks import (
  LAYERS,
  NETWORKS,
  network_class,
  split_weight,
)
from gnn_readout.message_passing.stack import MessagePassing

__all__ = [
  "LAYERS",
  "NETWORKS",
  "MessagePassing",
  "network_class",
  "split_weight",
]
