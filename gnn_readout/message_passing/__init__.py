"""Message passing: node states from node states and edges."""

from gnn_readout.message_passing.aggregate import AggregateLayer
from gnn_readout.message_passing.gcn import GCNLayer
from gnn_readout.message_passing.gin import GINLayer
from gnn_readout.message_passing.stack import MessagePassing

LAYERS = {"aggregate": AggregateLayer, "gcn": GCNLayer, "gin": GINLayer}

__all__ = ["LAYERS", "AggregateLayer", "GCNLayer", "GINLayer", "MessagePassing"]
