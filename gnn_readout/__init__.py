"""Graph readouts in JAX: how a set of node embeddings becomes one vector."""

__version__ = "0.1.0"
