"""OGB's whole stack, with and without virtual node, written out literally."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from gnn_readout.message_passing import LAYERS, MessagePassing

pytestmark = pytest.mark.usefixtures("double_precision")

D, L = 5, 3
EDGE_SIZES = (3, 2)
# Nodes and directed edges graph by graph: an empty graph, one without edges, a
# star whose centre has more edges than slots, arrows in one direction.
GRAPHS = (
  (3, [(0, 1), (1, 0), (1, 2), (2, 1)]),
  (0, []),
  (1, []),
  (7, [(0, i) for i in range(1, 7)] + [(i, 0) for i in range(1, 7)]),
  (2, [(0, 1)]),
)
PADDING_NODES, PADDING_EDGES = 6, 5


def example():
  """Returns a padded batch and its encoded nodes."""
  rng = np.random.default_rng(0)
  num_nodes = sum(n for n, _ in GRAPHS) + PADDING_NODES
  pairs, first = [], 0
  for n, edges in GRAPHS:
    edges = sorted(edges, key=lambda edge: edge[1])
    pairs += [(u + first, v + first) for u, v in edges]
    first += n
  num_real = len(pairs)
  pairs += [(num_nodes - 1, num_nodes - 1)] * PADDING_EDGES
  features = np.stack(
    [rng.integers(0, size, len(pairs)) for size in EDGE_SIZES], axis=1
  )
  features[num_real:] = 0
  senders, receivers = np.array(pairs, np.int32).T
  batch = jraph.GraphsTuple(
    nodes=np.zeros((num_nodes, 1)),
    edges=features.astype(np.uint8),
    senders=senders,
    receivers=receivers,
    n_node=np.array([*(n for n, _ in GRAPHS), PADDING_NODES, 0], np.int32),
    n_edge=np.array([*(len(e) for _, e in GRAPHS), PADDING_EDGES, 0], np.int32),
    globals={"mask": np.arange(len(GRAPHS) + 2) < len(GRAPHS)},
  )
  return batch, jnp.asarray(rng.normal(size=(num_nodes, D)))


def stack(layer, virtual_node, jumping):
  def forward(h, batch, is_training):
    return MessagePassing(
      LAYERS[layer],
      D,
      L,
      0.0,
      EDGE_SIZES,
      virtual_node,
      jumping,
      name="stack",
    )(h, batch, is_training)

  return hk.without_apply_rng(hk.transform_with_state(forward))


def draw(function, seed):
  """Returns parameters and estimates, none at special points such as zero."""
  batch, h = example()
  shapes = jax.eval_shape(
    lambda: function.init(jax.random.key(0), h, batch, True)
  )
  rng = np.random.default_rng(seed)
  return jax.tree.map(
    lambda x: jnp.asarray(rng.uniform(0.1, 1, x.shape)), shapes
  )


class Literal:
  """The same stack on the real graphs alone, as products with dense matrices.

  Attributes:
    source, target: [E, N], one 1 per edge.
    features: [E, F'], multi-hot.
    member: [G, N], 1 where a node belongs to a graph.
  """

  def __init__(self, layer, batch, params, state, is_training):
    self.layer, self.is_training = layer, is_training
    self.params, self.state = params, state
    self.new_state = dict(state)
    mask = batch.globals["mask"]
    sizes, num_edges = batch.n_node[mask], batch.n_edge[mask].sum()
    eye = np.eye(sizes.sum())
    self.source = eye[batch.senders[:num_edges]]
    self.target = eye[batch.receivers[:num_edges]]
    self.features = np.concatenate(
      [np.eye(n)[batch.edges[:num_edges, f]] for f, n in enumerate(EDGE_SIZES)],
      axis=1,
    )
    self.member = np.repeat(np.eye(len(sizes)), sizes, axis=1)

  def linear(self, x, name):
    return x @ self.params[name]["w"] + self.params[name]["b"]

  def norm(self, x, name):
    old, params = self.state[name], self.params[name]
    mean, var = old["mean"], old["var"]
    if self.is_training:
      mean, var = jnp.mean(x, 0), jnp.var(x, 0)
      self.new_state[name] = {
        "mean": 0.9 * old["mean"] + 0.1 * mean,
        "var": 0.9 * old["var"] + 0.1 * jnp.var(x, 0, ddof=1),
      }
    x = (x - mean) / jnp.sqrt(var + 1e-5)
    return x * params["scale"] + params["offset"]

  def convolve(self, h, name):
    params = self.params[name]
    encoded = self.features @ params["bonds"]  # [E, D]
    if self.layer == "gin":
      received = self.target.T @ jax.nn.relu(self.source @ h + encoded)
      x = (1 + params["epsilon"]) * h + received
      x = self.norm(self.linear(x, f"{name}/linear_1"), f"{name}/norm")
      return self.linear(jax.nn.relu(x), f"{name}/linear_2")
    x = self.linear(h, f"{name}/linear")
    degree = self.source.sum(0)[:, None] + 1  # [N, 1]
    sent = jax.nn.relu(self.source @ x + encoded) / np.sqrt(
      (self.source @ degree) * (self.target @ degree)
    )
    return self.target.T @ sent + jax.nn.relu(x + params["root"]) / degree

  def __call__(self, h, virtual_node, jumping):
    h_list = [h]
    if virtual_node:
      start = self.params["stack"]["virtual_node"]
      v = jnp.stack([start] * len(self.member))  # [G, D]
    for i in range(L):
      if virtual_node:
        h_list[i] = h_list[i] + self.member.T @ v
      x = self.norm(
        self.convolve(h_list[i], f"stack/layer_{i}"), f"stack/norm_{i}"
      )
      h_list.append(x if i == L - 1 else jax.nn.relu(x))
      if virtual_node and i < L - 1:
        name = f"stack/virtual_node_{i}"
        x = self.member @ h_list[i] + v
        x = self.norm(self.linear(x, f"{name}/linear_1"), f"{name}/norm_1")
        x = self.linear(jax.nn.relu(x), f"{name}/linear_2")
        v = jax.nn.relu(self.norm(x, f"{name}/norm_2"))
    return h_list[-1] if jumping == "last" else sum(h_list)


@pytest.mark.parametrize(
  ("layer", "virtual_node", "jumping", "is_training"),
  [
    ("gcn", True, "last", True),
    ("gin", True, "sum", True),
    ("gin", True, "last", False),
  ],
)
def test_stack(layer, virtual_node, jumping, is_training):
  """Values, running estimates, and in training all gradients."""
  batch, h = example()
  num_real = len(h) - PADDING_NODES
  function = stack(layer, virtual_node, jumping)
  params, state = draw(function, 1)
  weights = jnp.asarray(np.random.default_rng(3).normal(size=(num_real, D)))

  def ours(params, h):
    (y, aux_loss), new_state = function.apply(
      params, state, h, batch, is_training
    )
    y = y[:num_real]
    return jnp.sum(y * weights), (y, aux_loss, new_state)

  def literal(params, h):
    oracle = Literal(layer, batch, params, state, is_training)
    y = oracle(h[:num_real], virtual_node, jumping)
    aux_loss = jnp.zeros(len(batch.n_node))
    return jnp.sum(y * weights), (y, aux_loss, oracle.new_state)

  def run(function):
    if is_training:
      function = jax.grad(function, (0, 1), has_aux=True)
    return jax.jit(function)(params, h)

  result, expected = run(ours), run(literal)
  assert jax.tree.structure(result) == jax.tree.structure(expected)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10),
    result,
    expected,
  )


def test_parameters_of_the_virtual_node():
  """It starts at zero; the last layer has no update after it."""
  batch, h = example()
  function = stack("gcn", True, "last")
  init = lambda: function.init(jax.random.key(0), h, batch, True)[0]
  start = jax.jit(lambda: init()["stack"]["virtual_node"])()
  np.testing.assert_array_equal(start, np.zeros(D))
  names = jax.eval_shape(init)
  updates = {name.split("/")[1] for name in names if "virtual" in name}
  assert updates == {f"virtual_node_{i}" for i in range(L - 1)}


def test_virtual_node_joins_the_nodes_of_a_graph():
  """A node's state depends on all nodes of its graph, and on no other's."""
  batch, h = example()
  num_real = len(h) - PADDING_NODES
  function = stack("gcn", True, "last")
  params, state = draw(function, 2)
  run = lambda h: function.apply(params, state, h, batch, False)[0][0]
  moved = h + np.eye(num_real, len(h))[:, :, None]  # [N, N, D], a node each.
  y = jax.jit(jax.vmap(run))(jnp.concatenate([h[None], moved]))
  reach = (y[1:] != y[0]).any(-1)[:, :num_real]  # [N, N], from row to column.
  sizes = [n for n, _ in GRAPHS]
  graph_of = np.repeat(np.arange(len(sizes)), sizes)
  np.testing.assert_array_equal(reach, graph_of[:, None] == graph_of)


@pytest.mark.parametrize(
  ("change", "message"),
  [
    ({"jumping": "max"}, "jumping must be 'last' or 'sum', got 'max'"),
    ({"num_layers": 0}, "must be positive, got 0 and 5"),
    ({"width": -1}, "must be positive, got 3 and -1"),
    ({"dropout_rate": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ({"dropout_rate": -0.1}, r"dropout must lie in \[0, 1\), got -0.1"),
  ],
)
def test_bad_arguments(change, message):
  arguments = {
    "layer": LAYERS["gcn"],
    "width": D,
    "num_layers": L,
    "dropout_rate": 0.0,
    "edge_sizes": EDGE_SIZES,
  }
  batch, h = example()
  function = hk.transform_with_state(
    lambda: MessagePassing(**{**arguments, **change})(h, batch, True)
  )
  with pytest.raises(ValueError, match=message):
    function.init(jax.random.key(0))
