"""Fused Gromov-Wasserstein distances of graphs to templates.

A graph has n nodes of features F and weight 1/n each and an adjacency matrix C,
a template m nodes of features F', weights q and a matrix C'. A plan T [n, m]
with the marginals 1/n and q couples them at the cost

  (1 - alpha) sum_ik |F_i - F'_k|^2 T_ik
    + alpha sum_ijkl (C_ij - C'_kl)^2 T_ik T_jl,

the least of which is the distance. The quadratic term is taken apart as
constant - 2 C T C'^T: C T is a sum over the edges, so that no matrix [n, n] is
formed and graphs of any sizes share a batch.

All functions take the nodes of all graphs, sorted by graph, and K templates.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from gnn_readout import segments
from gnn_readout.graphs import Sets


class Templates(NamedTuple):
  """K graphs of m nodes.

  Attributes:
    features: [K, m, D].
    adjacencies: [K, m, m], symmetric.
    log_weights: [K, m], logarithms of numbers that sum to 1.
  """

  features: Array
  adjacencies: Array
  log_weights: Array


def distances(
  elements: Array,
  sets: Sets,
  templates: Templates,
  alpha: float | Array,
  epsilon: float,
  num_iterations: int,
  num_scalings: int,
) -> Array:
  """Returns the distances [S, K], 0 for empty graphs.

  Proximal steps: T <- argmin <slope(T), T'> + epsilon KL(T' || T), each solved
  by Sinkhorn's scaling on logarithms. They go to a plan of zero slope of the
  problem itself, not of an entropic one. Every step can be differentiated.

  Args:
    elements: F [N, D], finite.
    sets: Which graph each node belongs to, with edges; each in both directions
      and once.
    templates: The K templates.
    alpha: Weight of the structure, between 0 and 1.
    epsilon: Weight of the proximal term; a smaller one takes longer steps.
    num_iterations: Proximal steps.
    num_scalings: Scalings, of rows and columns, in each.

  Raises:
    ValueError: if the sets have no edges.
  """
  edges = sets.edges
  if edges is None:
    raise ValueError(
      "sets must have the edges between the elements, as graphs.node_sets gives"
      " them, and there are none"
    )
  length, dtype = len(elements), elements.dtype
  num_templates, num_nodes = templates.log_weights.shape
  linear = _squared_distances(elements, templates.features)  # [N, K, m]
  weights = jnp.exp(templates.log_weights)  # [K, m]
  sizes = jnp.maximum(sets.sizes, 1).astype(dtype)  # [S]
  log_node = segments.broadcast(-jnp.log(sizes), sets)[:, None]  # [N, 1]

  # Edges of padding go nowhere: their sender is past the end.
  senders = jnp.where(edges.mask, edges.senders, length)
  receivers = jnp.where(edges.mask, edges.receivers, 0)

  def along_edges(values):
    """Returns C T [N, ...]."""
    return jax.ops.segment_sum(values[receivers], senders, length)

  node_weight = segments.masked(jnp.exp(log_node), sets)  # [N, 1]
  constant = along_edges(node_weight)[..., None] + jnp.einsum(
    "kab,kb->ka", jnp.square(templates.adjacencies), weights
  )  # [N, K, m]

  def structure(plan):
    """Returns sum_jl (C_ij - C'_kl)^2 T_jl, [N, K, m]."""
    mixed = jnp.einsum("nkb,kab->nka", along_edges(plan), templates.adjacencies)
    return constant - 2 * mixed

  def flat(x):
    return x.reshape(length, -1)

  def scale(scores):
    """Returns log T with the marginals, T ~ exp(scores) scaled."""

    def step(columns, _):
      rows = log_node - jax.nn.logsumexp(
        scores + segments.broadcast(columns, sets), axis=2
      )  # [N, K]
      totals = segments.logsumexp(flat(scores + rows[..., None]), sets)
      return templates.log_weights - totals.reshape(columns.shape), rows

    start = jnp.zeros((sets.num_segments, num_templates, num_nodes), dtype)
    columns, rows = jax.lax.scan(step, start, None, num_scalings)
    return (
      scores + rows[-1][..., None] + segments.broadcast(columns, sets)
    )  # [N, K, m]

  def plan_of(log_plan):
    return segments.masked(jnp.exp(log_plan), sets)

  def iterate(log_plan, _):
    plan = plan_of(log_plan)
    slope = (1 - alpha) * linear + 2 * alpha * structure(plan)
    return scale(log_plan - slope / epsilon), None

  log_plan = log_node[..., None] + templates.log_weights  # [N, K, m]
  log_plan, _ = jax.lax.scan(
    jax.checkpoint(iterate), log_plan, None, num_iterations
  )
  plan = plan_of(log_plan)
  cost = plan * ((1 - alpha) * linear + alpha * structure(plan))
  return segments.sum(jnp.sum(cost, axis=2), sets)  # [S, K]


def _squared_distances(x: Array, y: Array) -> Array:
  """Returns |x_n - y_km|^2 [N, K, m] for x [N, D] and y [K, m, D]."""
  product = jnp.einsum("nd,kmd->nkm", x, y)
  squares = jnp.sum(jnp.square(x), axis=1)[:, None, None]
  squares = squares + jnp.sum(jnp.square(y), axis=2)
  return jnp.maximum(squares - 2 * product, 0)
