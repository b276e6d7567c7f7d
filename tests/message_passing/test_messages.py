"""Messages through slots against a sum over a plain list of edges."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import jraph
import numpy as np
import pytest

from gnn_readout.message_passing import messages

pytestmark = pytest.mark.usefixtures("double_precision")

N, D = 29, 5
REAL_NODES = 23
PADDING_EDGES = 7


def directed_edges(num_random=31, seed=0):
  """Returns senders and receivers of an asymmetric multigraph, by receiver.

  Node 2 receives from 7 nodes, node 3 sends to 9: both have more edges than
  slots. Node 4 has a loop, 5 and 6 two edges alike; nodes 20 to 22 have none.
  """
  rng = np.random.default_rng(seed)
  pairs = [(u, 2) for u in range(7, 14)] + [(3, v) for v in range(8, 17)]
  pairs += [(4, 4), (5, 6), (5, 6)]
  pairs += rng.integers(0, 20, (num_random, 2)).tolist()
  senders, receivers = np.array(pairs, np.int32).T
  order = np.argsort(receivers, kind="stable")
  return senders[order], receivers[order]


def batch_of(senders, receivers, features, real_nodes=REAL_NODES, num_nodes=N):
  """Returns one graph, and one of padding whose edges loop on the last node."""
  num_real, padding = len(senders), np.full(PADDING_EDGES, num_nodes - 1)
  if features is not None:
    zeros = np.zeros((PADDING_EDGES, features.shape[1]), features.dtype)
    features = np.concatenate([features, zeros])
  return jraph.GraphsTuple(
    nodes=np.zeros((num_nodes, 1)),
    edges=features,
    senders=np.concatenate([senders, padding]).astype(np.int32),
    receivers=np.concatenate([receivers, padding]).astype(np.int32),
    n_node=np.array([real_nodes, num_nodes - real_nodes], np.int32),
    n_edge=np.array([num_real, PADDING_EDGES], np.int32),
    globals={"mask": np.array([True, False])},
  )


def draw_features(sizes, num_edges, seed=1):
  rng = np.random.default_rng(seed)
  columns = [rng.integers(0, size, num_edges) for size in sizes]
  return np.stack(columns, axis=1).astype(np.uint8)


def multi_hot(features, sizes):
  blocks = [np.eye(size)[features[:, f]] for f, size in enumerate(sizes)]
  return np.concatenate(blocks, axis=1)


# name: vocabulary sizes, what features to draw, random edges, number of codes.
CASES = {
  "bonds": ((5, 6, 2), "categories", 31, 60),
  "no features": ((), None, 31, 1),
  "features of width 0": ((), 0, 31, 1),
  "no random edges": ((5, 6, 2), "categories", 0, 60),
  "many combinations": ((37, 31), "categories", 31, None),
  "real-valued": ((), 3, 31, None),
  "dense": ((5, 6, 2), "categories", 101, 60),
}


def make_case(name):
  """Returns a batch, its vocabulary, encoded real edges, and codes expected."""
  sizes, kind, num_random, num_codes = CASES[name]
  senders, receivers = directed_edges(num_random)
  num_edges = len(senders)
  if kind == "categories":
    features = draw_features(sizes, num_edges)
    encoded = multi_hot(features, sizes)
  elif kind is None:
    features, encoded = None, np.zeros((num_edges, 0))
  else:
    features = np.random.default_rng(2).normal(size=(num_edges, kind))
    encoded = features
  return batch_of(senders, receivers, features), sizes, encoded, num_codes


def plain_sum(x, table, weight, encoded, senders, receivers):
  """y_v = sum w relu(x_u + e) over the real edges, by a plain segment sum."""
  sent = jax.nn.relu(x[senders] + jnp.asarray(encoded) @ table)
  return jax.ops.segment_sum(sent * weight[:, None], receivers, len(x))


def prepared(batch, sizes):
  return jax.jit(messages.prepare, static_argnums=1)(batch, sizes)


def values_and_slopes(function, x, table, cotangent):
  """Returns y and what x and the table get of the cotangent."""

  @jax.jit
  def both(x, table, cotangent):
    y, pull = jax.vjp(function, x, table)
    return y, *pull(cotangent)

  return both(x, table, cotangent)


@pytest.mark.parametrize("name", CASES)
def test_values_and_gradients(name):
  batch, sizes, encoded, num_codes = make_case(name)
  num_real = len(encoded)
  edges = jax.eval_shape(lambda: messages.prepare(batch, sizes))
  if num_codes is None:
    assert edges.codes is None
  else:
    assert edges.combinations.shape == (num_codes, sum(sizes))
  # More than there are slots.
  assert np.bincount(batch.senders[:num_real]).max() > 4
  assert np.bincount(batch.receivers[:num_real]).max() > 4
  assert (len(batch.senders) / N > 3) == name.startswith("dense")

  rng = np.random.default_rng(3)
  x = jnp.asarray(rng.normal(size=(N, D)))
  table = jnp.asarray(rng.normal(size=(encoded.shape[1], D)))
  weight = np.zeros(len(batch.senders))
  weight[:num_real] = rng.uniform(0.5, 2, num_real)
  cotangent = jnp.asarray(rng.normal(size=(N, D)))

  def ours(x, table):
    edges = messages.prepare(batch, sizes)
    return messages.relu_sum(x, table, jnp.asarray(weight), edges)

  def theirs(x, table):
    real = slice(num_real)
    senders, receivers = batch.senders[real], batch.receivers[real]
    return plain_sum(x, table, weight[real], encoded, senders, receivers)

  result = values_and_slopes(ours, x, table, cotangent)
  expected = values_and_slopes(theirs, x, table, cotangent)
  for a, b in zip(result, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
  # Isolated nodes and padding.
  np.testing.assert_array_equal(result[0][20:], 0)


# No share of the edges beyond the slots is too many, or any is.
@pytest.mark.parametrize("many", [1.0, 0.0])
@pytest.mark.parametrize("inward", [True, False])
def test_degrees_around_the_number_of_slots(monkeypatch, inward, many):
  """Stars of 0 to 9 leaves, whose edges all point one way."""
  monkeypatch.setattr(messages, "_MANY_BEYOND", many)
  degrees = np.array([0, 1, 3, 4, 5, 8, 9])
  centres = np.cumsum(degrees + 1) - degrees - 1
  hubs = np.repeat(centres, degrees)
  num_real = int((degrees + 1).sum())
  leaves = np.setdiff1d(np.arange(num_real), centres)
  senders, receivers = (leaves, hubs) if inward else (hubs, leaves)
  batch = batch_of(senders, receivers, None, num_real, num_real + 4)
  rng = np.random.default_rng(5)
  x = rng.normal(size=(num_real + 4, D))
  cotangent = rng.normal(size=x.shape)

  def ours(x, table):
    edges = messages.prepare(batch, ())
    return messages.relu_sum(x, table, edges.mask.astype(x.dtype), edges)

  y, slopes, _ = values_and_slopes(
    ours, jnp.asarray(x), jnp.zeros((0, D)), jnp.asarray(cotangent)
  )
  expected = np.zeros(x.shape)
  np.add.at(expected, receivers, np.maximum(x[senders], 0))
  np.testing.assert_allclose(y, expected, atol=1e-12)
  expected = np.zeros(x.shape)
  np.add.at(expected, senders, cotangent[receivers] * (x[senders] > 0))
  np.testing.assert_allclose(slopes, expected, atol=1e-12)


def test_no_real_edges():
  empty = np.zeros(0, np.int32)
  batch = batch_of(empty, empty, np.zeros((0, 3), np.uint8))
  edges = prepared(batch, (5, 6, 2))
  weight = jnp.zeros(PADDING_EDGES)
  results = values_and_slopes(
    lambda x, table: messages.relu_sum(x, table, weight, edges),
    jnp.ones((N, D)),
    jnp.ones((13, D)),
    jnp.ones((N, D)),
  )
  for result in results:
    np.testing.assert_array_equal(result, 0)


def test_not_even_edges_of_padding():
  empty = np.zeros(0, np.int32)
  batch = jraph.GraphsTuple(
    nodes=np.zeros((N, 1)),
    edges=None,
    senders=empty,
    receivers=empty,
    n_node=np.array([N]),
    n_edge=np.array([0]),
    globals=None,
  )
  edges = messages.prepare(batch, ())
  y = messages.relu_sum(
    jnp.ones((N, D)), jnp.zeros((0, D)), jnp.zeros(0), edges
  )
  np.testing.assert_array_equal(y, 0)


def test_slope_of_the_kink_is_zero_as_relus():
  batch, sizes, *_ = make_case("no features")
  edges = prepared(batch, sizes)
  weight = edges.mask.astype(float)
  _, slopes, _ = values_and_slopes(
    lambda x, table: messages.relu_sum(x, table, weight, edges),
    jnp.zeros((N, D)),
    jnp.zeros((0, D)),
    jnp.ones((N, D)),
  )
  np.testing.assert_array_equal(slopes, 0)


def test_garbage_in_padding_and_members_of_a_population():
  """Members share the edges; the second has garbage in its padding nodes."""
  batch, sizes, encoded, _ = make_case("bonds")
  real = slice(len(encoded))
  senders, receivers = batch.senders[real], batch.receivers[real]
  rng = np.random.default_rng(7)
  x, cotangent = rng.normal(size=(2, 3, N, D))
  table = rng.normal(size=(3, 13, D))
  garbage_x, garbage_cotangent = x.copy(), cotangent.copy()
  garbage_x[1, REAL_NODES:] = garbage_cotangent[1, REAL_NODES:] = 1e300

  def ours(x, table):
    edges = messages.prepare(batch, sizes)
    weight = edges.mask.astype(x.dtype)
    return jax.vmap(messages.relu_sum, (0, 0, None, None))(
      x, table, weight, edges
    )

  def theirs(x, table):
    member = lambda x, table: plain_sum(
      x, table, np.ones(len(encoded)), encoded, senders, receivers
    )
    return jax.vmap(member)(x, table)

  result = values_and_slopes(ours, garbage_x, table, garbage_cotangent)
  expected = values_and_slopes(theirs, x, table, cotangent)
  for a, b in zip(result, expected, strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("side", ["incoming", "outgoing"])
def test_adjacency(side):
  batch, sizes, encoded, _ = make_case("bonds")
  adjacency = getattr(prepared(batch, sizes), side)
  nodes = batch.receivers if side == "incoming" else batch.senders
  order, start, degree, slot = (
    np.asarray(getattr(adjacency, field))
    for field in ("order", "start", "degree", "slot")
  )
  np.testing.assert_array_equal(np.sort(order), np.arange(len(nodes)))
  for v in range(N):
    own = set(np.flatnonzero(nodes[: len(encoded)] == v).tolist())
    mine = order[start[v] : start[v] + degree[v]].tolist()
    assert set(mine) == own and len(mine) == len(own)
    np.testing.assert_array_equal(slot[mine], np.arange(len(mine)))
  np.testing.assert_array_equal(slot[len(encoded) :], 0)


def test_edges_sum_and_codes():
  batch, sizes, encoded, _ = make_case("bonds")
  edges = prepared(batch, sizes)
  assert edges.num_nodes == N
  real = slice(len(encoded))
  np.testing.assert_array_equal(edges.features[real], encoded)
  combinations = np.asarray(edges.combinations)
  np.testing.assert_array_equal(combinations[edges.codes[real]], encoded)
  sent = np.random.default_rng(8).normal(size=(len(batch.senders), D))
  expected = np.zeros((N, D))
  np.add.at(expected, batch.receivers, sent)
  np.testing.assert_allclose(edges.sum(jnp.asarray(sent)), expected, atol=1e-12)


def test_single_precision():
  batch, sizes, encoded, _ = make_case("bonds")
  rng = np.random.default_rng(9)
  x, table = rng.normal(size=(N, D)), rng.normal(size=(13, D))
  num_real = len(encoded)
  expected = np.zeros((N, D))
  sent = np.maximum(x[batch.senders[:num_real]] + encoded @ table, 0)
  np.add.at(expected, batch.receivers[:num_real], sent)

  @jax.jit
  def ours(x, table):
    edges = messages.prepare(batch, sizes)
    return messages.relu_sum(x, table, edges.mask.astype(x.dtype), edges)

  with jax.enable_x64(False):
    y = ours(x, table)
  assert y.dtype == jnp.float32
  np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)


def undirected_edges():
  """Returns the edges of `directed_edges` without loops, once, both ways."""
  senders, receivers = directed_edges()
  pairs = {(u, v) for u, v in zip(senders, receivers) if u != v}
  pairs |= {(v, u) for u, v in pairs}
  receivers, senders = np.array(sorted((v, u) for u, v in pairs), np.int32).T
  return senders, receivers


@pytest.mark.parametrize("chunk", [1 << 16, 29])
@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("many", [0.0, 1.0])
@pytest.mark.parametrize("symmetric", [False, True])
def test_neighbour_sum(monkeypatch, symmetric, many, dense, chunk):
  """Values and slopes; a node has up to 9 neighbours, padding holds garbage."""
  monkeypatch.setattr(messages, "_CHUNK", chunk)
  monkeypatch.setattr(messages, "_MANY_BEYOND", many)
  monkeypatch.setattr(messages, "_MAX_DENSITY", 0.0 if dense else 100.0)
  senders, receivers = undirected_edges() if symmetric else directed_edges()
  batch = batch_of(senders, receivers, None)
  rng = np.random.default_rng(11)
  x, cotangent = rng.normal(size=(2, N, D))
  expected, slopes = np.zeros((2, N, D))
  np.add.at(expected, receivers, x[senders])
  np.add.at(slopes, senders, cotangent[receivers])
  x[REAL_NODES:] = cotangent[REAL_NODES:] = np.nan

  def ours(x):
    edges = messages.prepare(batch, ())
    return messages.neighbour_sum(x, edges, symmetric)

  y, pull = jax.vjp(jax.jit(ours), jnp.asarray(x))
  np.testing.assert_allclose(y, expected, atol=1e-12)
  np.testing.assert_allclose(
    pull(jnp.asarray(cotangent))[0], slopes, atol=1e-12
  )


def test_a_symmetric_neighbour_sum_sorts_nothing(monkeypatch):
  monkeypatch.setattr(messages, "_MAX_DENSITY", 100.0)
  batch = batch_of(*undirected_edges(), None)

  def loss(x, batch, symmetric):
    edges = messages.prepare(batch, ())
    return jnp.sum(messages.neighbour_sum(x, edges, symmetric) ** 2)

  for symmetric in (True, False):
    gradient = jax.jit(jax.grad(loss), static_argnums=2)
    compiled = gradient.lower(jnp.ones((N, D)), batch, symmetric).compile()
    assert (" sort(" in compiled.as_text()) != symmetric


@pytest.mark.parametrize("num_edges", [0, PADDING_EDGES])
def test_neighbour_sum_of_none(num_edges):
  empty = np.zeros(0, np.int32)
  batch = batch_of(empty, empty, None)
  batch = batch._replace(
    senders=batch.senders[:num_edges],
    receivers=batch.receivers[:num_edges],
    n_edge=np.array([0, num_edges]),
  )
  edges = messages.prepare(batch, ())
  y = messages.neighbour_sum(jnp.ones((N, D)), edges)
  np.testing.assert_array_equal(y, 0)


def test_neighbour_sum_of_a_population():
  senders, receivers = directed_edges()
  batch = batch_of(senders, receivers, None)
  x, cotangent = np.random.default_rng(12).normal(size=(2, 3, N, D))
  expected, slopes = np.zeros((2, 3, N, D))
  np.add.at(expected, (slice(None), receivers), x[:, senders])
  np.add.at(slopes, (slice(None), senders), cotangent[:, receivers])

  @jax.jit
  def ours(x, cotangent):
    edges = messages.prepare(batch, ())
    total = jax.vmap(lambda x: messages.neighbour_sum(x, edges))
    y, pull = jax.vjp(total, x)
    return y, *pull(cotangent)

  result = ours(jnp.asarray(x), jnp.asarray(cotangent))
  np.testing.assert_allclose(result[0], expected, atol=1e-12)
  np.testing.assert_allclose(result[1], slopes, atol=1e-12)
