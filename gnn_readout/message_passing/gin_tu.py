"""GIN as it is used on the TU collection, without edge features."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout.errors import suggest
from gnn_readout.layers.encoders import (
  num_raw_features,
  project,
  raw_features,
)
from gnn_readout.layers.mlp import Linear, initialisers
from gnn_readout.layers.norm import BatchNorm
from gnn_readout.message_passing.messages import Edges, neighbour_sum

# eps from the number of a block's inputs.
EPSILONS: dict[str, Callable[[int], float]] = {
  "zero": lambda num_inputs: 0.0,
  "inputs": float,
}


class NeighbourLinear(hk.Module):
  """y_v = W ((1 + eps) x_v + sum_{u -> v} x_u) + b.

  W comes before the sum, which is the same: of one-hot features it then is a
  lookup, and the sum has no more columns than the result.
  """

  def __init__(
    self,
    width: int,
    sizes: Sequence[int] = (),
    symmetric: bool = False,
    initialisation: str = "pytorch",
    eps: str = "zero",
    name: str | None = None,
  ):
    """Creates the layer.

    Args:
      width: D_out.
      sizes: Vocabulary size of each categorical feature, which come before
        those that are real numbers.
      symmetric: Whether the inverse of every edge is known to be there.
      initialisation: A key of `mlp.INITIALISATIONS`.
      eps: A key of `EPSILONS`.
      name: Haiku's name of the module.
    """
    super().__init__(name=name)
    self._width = width
    self._sizes = tuple(sizes)
    self._symmetric = symmetric
    self._initialisation = initialisation
    self._eps = EPSILONS[eps]

  def __call__(self, x: Array, edges: Edges) -> Array:
    """Returns [N, D_out] from x [N, D_in] or features [N, F]."""
    fan_in = num_raw_features(x.shape[1], self._sizes)
    shape, dtype = (fan_in, self._width), jnp.result_type(float)
    w_init, b_init = initialisers(self._initialisation, *shape)
    w = hk.get_parameter("w", shape, dtype, w_init)
    b = hk.get_parameter("b", shape[1:], dtype, b_init)
    y = project(x, self._sizes, w)  # [N, D_out]
    own = (1 + self._eps(fan_in)) * y  # [N, D_out]
    return own + neighbour_sum(y, edges, self._symmetric) + b


class GINBlocks(hk.Module):
  """L blocks, each h_v = MLP((1 + eps) h_v + sum_{u -> v} h_u), eps = 0.

  MLP = Linear, ReLU, BatchNorm, Linear, ReLU, BatchNorm, or with
  `norm_first`, as Xu et al. have it, each BatchNorm before its ReLU.

  In the program published with the thesis eps is the number of a block's
  inputs, since that is passed as the second argument of its `GINConv`. A
  node's own state has the weight 65 in blocks of 64, 33 in blocks of 32, and
  in the first block the number of features plus 1. With `eps="inputs"` it is
  so here; the text of the thesis says nothing of it, and it is not the default.

  Reference: Xu et al. 2019, "How Powerful are Graph Neural Networks?", eq. 4.1;
  Y. Zhang's thesis, A.3.4.
  """

  def __init__(
    self,
    width: int,
    num_layers: int,
    sizes: Sequence[int] = (),
    symmetric: bool = False,
    norm_first: bool = False,
    with_input: bool = False,
    initialisation: str = "xavier",
    eps: str = "zero",
    name: str | None = None,
  ):
    """Creates the blocks.

    Args:
      width: D, of both linear maps of all blocks.
      num_layers: L.
      sizes: Vocabulary size of each categorical node feature.
      symmetric: Whether the inverse of every edge is known to be there.
      norm_first: Whether BatchNorm comes before its ReLU.
      with_input: Whether the features themselves are the first of the states.
      initialisation: A key of `mlp.INITIALISATIONS`.
      eps: "zero", or "inputs" for the number of inputs of each block.
      name: Haiku's name of the module.

    Raises:
      ValueError: if `width` or `num_layers` is not positive, or `eps` unknown.
    """
    super().__init__(name=name)
    if num_layers < 1 or width < 1:
      raise ValueError(
        f"num_layers and width must be positive, got {num_layers} and {width}."
      )
    if eps not in EPSILONS:
      raise ValueError(f"Unknown eps {eps!r}.{suggest(eps, EPSILONS)}")
    self._width = width
    self._num_layers = num_layers
    self._sizes = tuple(sizes)
    self._symmetric = symmetric
    self._norm_first = norm_first
    self._with_input = with_input
    self._initialisation = initialisation
    self._eps = eps

  def __call__(
    self, nodes: Array, edges: Edges, mask: Array, is_training: bool
  ) -> list[Array]:
    """Returns the states after every block, L times [N, D].

    Args:
      nodes: [N, F], the features.
      edges: The edges.
      mask: [N] bool, false for padding.
      is_training: Whether this is a training step.

    Returns:
      With `with_input` one more, the features [N, F'].
    """

    def activate(x: Array, name: str) -> Array:
      norm = BatchNorm(name=name)
      if self._norm_first:
        return jax.nn.relu(norm(x, mask, is_training))
      return norm(jax.nn.relu(x), mask, is_training)

    states = [raw_features(nodes, self._sizes)] if self._with_input else []
    x, sizes = nodes, self._sizes
    for i in range(self._num_layers):
      first = NeighbourLinear(
        self._width,
        sizes,
        self._symmetric,
        self._initialisation,
        self._eps,
        name=f"linear_{i}_1",
      )
      second = Linear(self._width, self._initialisation, name=f"linear_{i}_2")
      x = first(x, edges)  # [N, D]
      x = activate(x, f"norm_{i}_1")
      x = activate(second(x), f"norm_{i}_2")
      states.append(x)
      sizes = ()
    return states
