"""Distances of a graph to learned templates; looks at the edges."""

from __future__ import annotations

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import fused_gromov
from gnn_readout.graphs import Sets
from gnn_readout.layers.set_attention import check_counts
from gnn_readout.readouts.base import Readout


class TemplateGromov(Readout):
  """y_k = FGW_alpha(G, G_k), distances of the graph to K learned templates.

  The fused Gromov-Wasserstein distance, see `gnn_readout.fused_gromov`, is that
  of the best coupling of nodes by features and by edges. A template has m nodes
  with features, weights, and edges of any weight. It does not depend on the
  order of the nodes, but on more than their set: it needs the edges, which only
  the nodes of graphs have. alpha = 0 is the Wasserstein distance of the nodes'
  features. The empty graph gives 0.

  Differs from the paper: the distance is found by proximal steps of a fixed
  number and differentiated through them, where a conditional gradient runs to
  its end and the plan is taken as constant; the features of the templates are
  drawn from N(0, 1), not from the nodes of the data.

  Reference: Vincent-Cuaz et al. 2022, "Template based Graph Neural Network with
  Optimal Transport Distances", TFGW.

  Example:
    >>> import dataclasses
    >>> from gnn_readout.graphs import Edges, make_sets
    >>> x, sets = jnp.ones((3, 4)), make_sets(jnp.array([2, 1]), 3)
    >>> edges = Edges(jnp.array([0, 1]), jnp.array([1, 0]), jnp.ones(2, bool))
    >>> sets = dataclasses.replace(sets, edges=edges)
    >>> pool = hk.transform(lambda: TemplateGromov(7)(x, sets).values)
    >>> pool.apply(pool.init(jax.random.key(0)), None).shape
    (2, 7)
  """

  family = "graphs"
  reduces_to = "Wasserstein distances to sets (alpha = 0)"

  def __init__(
    self,
    num_templates: int = 8,
    num_nodes: int = 8,
    alpha: float | None = None,
    epsilon: float = 0.5,
    num_iterations: int = 10,
    num_scalings: int = 10,
    output_size: int | None = None,
    name: str | None = None,
  ):
    """Creates the readout.

    Args:
      num_templates: K.
      num_nodes: m.
      alpha: Weight of the edges against the features, in [0, 1]; learned from
        1/2 if None.
      epsilon: Weight of a proximal step.
      num_iterations: The number of these steps.
      num_scalings: Sinkhorn's, in each of them.
      output_size: D_out, or None for K.
      name: Haiku's name of the module.

    Raises:
      ValueError: if a number is out of range.
    """
    super().__init__(output_size, name)
    check_counts(
      num_templates=num_templates,
      num_nodes=num_nodes,
      num_iterations=num_iterations,
      num_scalings=num_scalings,
    )
    if alpha is not None and not 0 <= alpha <= 1:
      raise ValueError(f"alpha must be in [0, 1], got {alpha}.")
    if not epsilon > 0:
      raise ValueError(f"epsilon must be positive, got {epsilon}.")
    self._shape = num_templates, num_nodes
    self._alpha = alpha
    self._solver: dict[str, Any] = dict(
      epsilon=epsilon, num_iterations=num_iterations, num_scalings=num_scalings
    )

  def aggregate(self, elements: Array, sets: Sets, is_training: bool) -> Array:
    """Returns [S, K]."""
    if sets.edges is None:
      raise ValueError(
        "template_gromov needs the edges between the elements: it can read"
        " out graphs (`graphs.node_sets`) but cannot aggregate messages."
      )
    dtype = elements.dtype
    normal = hk.initializers.RandomNormal()
    uniform = hk.initializers.RandomUniform(0, 1)
    num_nodes = self._shape[1]
    features = hk.get_parameter(
      "features", (*self._shape, elements.shape[1]), dtype, normal
    )
    adjacencies = hk.get_parameter(
      "adjacencies", (*self._shape, num_nodes), dtype, uniform
    )
    weights = hk.get_parameter("weights", self._shape, dtype, jnp.zeros)
    alpha: float | Array | None = self._alpha
    if alpha is None:
      alpha = jax.nn.sigmoid(hk.get_parameter("alpha", (), dtype, jnp.zeros))
    templates = fused_gromov.Templates(
      features,
      (adjacencies + adjacencies.mT) / 2,
      jax.nn.log_softmax(weights, axis=1),
    )
    return fused_gromov.distances(
      elements, sets, templates, alpha, **self._solver
    )
