"""Message passing: node states from node states and edges, one table of layers
and one of networks; imports `readouts`, which aggregate messages, and below.
"""

from gnn_readout.message_passing.base import Layer
from gnn_readout.message_passing.networks import (
  LAYERS,
  NETWORKS,
  make_network,
  network_class,
)
from gnn_readout.message_passing.stack import MessagePassing

__all__ = [
  "LAYERS",
  "NETWORKS",
  "Layer",
  "MessagePassing",
  "make_network",
  "network_class",
]
