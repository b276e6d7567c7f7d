"""Graphs of one's own: from arrays, jraph, networkx or PyTorch Geometric.

Each function checks what it is given, makes a `GraphStore` of it and, if it is
told where, writes its folder. That folder is a dataset by its path. They import
`store`, `building` and `checks`, and none of the libraries.
"""

from gnn_readout.data.own.arrays import from_arrays
from gnn_readout.data.own.jraph_graphs import from_jraph
from gnn_readout.data.own.networkx_graphs import from_networkx
from gnn_readout.data.own.pyg_graphs import from_pyg

__all__ = ["from_arrays", "from_jraph", "from_networkx", "from_pyg"]
