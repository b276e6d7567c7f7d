"""Message passing: node states from node states and edges.

It imports `readouts`, which aggregate messages, and what they import.
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
