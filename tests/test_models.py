"""Whole models: sizes, padding, the rest of the batch, and PyTorch's model."""

from __future__ import annotations

import dataclasses
import functools

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from configs import molpcba
from gnn_readout import losses, models
from gnn_readout.data import batches
from gnn_readout.data.building import build_from_undirected
from gnn_readout.data.sources import molecules
from gnn_readout.data.store import GraphStore
from gnn_readout.readouts import readout_class

KINDS = ("gcn", "gin", "gcn,virtual_node", "gin,virtual_node")
# With a virtual node all of a model without one is tested as well.
KINDS_ONCE = [
  *(pytest.param(kind, marks=pytest.mark.slow) for kind in KINDS[:2]),
  *KINDS[2:],
]
SIZES, DEGREES = np.array([3, 8]), np.array([0, 1, 1, 2, 3])
PNA = {"name": "pna", "delta": None}


def random_store(num_graphs=23, num_tasks=3, seed=0) -> GraphStore:
  """Random graphs, among them one without nodes, one node, one of degree 6."""
  rng = np.random.default_rng(seed)
  num_nodes = rng.integers(2, 14, num_graphs)
  num_nodes[[3, 5]] = 0, 1
  num_nodes[7] = 9
  bonds, num_bonds = [], []
  for g, n in enumerate(num_nodes):
    pairs = [(i, rng.integers(max(0, i - 3), i)) for i in range(1, n)]
    if g == 7:
      pairs = [(0, i) for i in range(1, 7)] + [(7, 8)]
    bonds += pairs
    num_bonds.append(len(pairs))
  draw = lambda sizes, n: np.stack([rng.integers(0, s, n) for s in sizes], 1)
  labels = rng.integers(0, 2, (num_graphs, num_tasks)).astype(np.float32)
  labels[rng.random(labels.shape) < 0.3] = np.nan
  schema = molecules.molecule_schema(
    "random", "binary", "ap", tuple(f"task{t}" for t in range(num_tasks))
  )
  return build_from_undirected(
    schema,
    num_nodes,
    np.array(num_bonds),
    draw(schema.node_sizes, num_nodes.sum()).astype(np.uint8),
    np.array(bonds, np.int32).reshape(-1, 2),
    draw(schema.edge_sizes, len(bonds)).astype(np.uint8),
    labels,
    {
      "train": np.arange(15, dtype=np.int32),
      "valid": np.arange(15, 19, dtype=np.int32),
      "test": np.arange(19, num_graphs, dtype=np.int32),
    },
  )


def config_of(kind, readout="mean", width=11, dropout=0.0):
  config = molpcba.get_config(f"{kind},{readout}").model
  config.message_passing.update(width=width, num_layers=3, dropout=dropout)
  if kind == "equilibrium":
    config.message_passing.aggregator.num_steps = 2
  models.complete_config(config, SIZES, lambda: DEGREES)
  return config


def batch_of(store, graphs, budget=None):
  graphs = np.asarray(graphs, np.int64)
  nodes = int(store.num_nodes[graphs].sum())
  edges = int(store.num_edges[graphs].sum())
  if budget is None:
    budget = batches.Budget(len(graphs) + 1, nodes + 1, edges + 8)
  (batch,) = batches.collate(
    store, graphs, np.array([0, len(graphs)]), [budget]
  )
  return jax.tree.map(jnp.asarray, batch)


@pytest.mark.parametrize(
  ("kind", "expected"),
  [
    ("gcn", 566_228),
    ("gcn,virtual_node", 2_017_328),
    ("gin", 1_923_733),
    ("gin,virtual_node", 3_374_833),
  ],
)
def test_parameter_counts_are_ogbs(kind, expected):
  store = random_store(num_tasks=128)
  config = molpcba.get_config(f"{kind},mean").model
  model = models.build_model(config, store.schema)
  params, _ = model.init(jax.random.key(0), batch_of(store, [0, 1]))
  assert models.count_parameters(params) == expected


@functools.partial(jax.jit, static_argnums=0)
def losses_and_gradients(model, params, state, batch):
  def loss(params):
    output, new_state = model.apply(
      params, state, jax.random.key(0), batch, True
    )
    value = losses.masked_loss("binary")(
      output.logits, batch.globals["labels"], batch.globals["mask"]
    )
    return value, (new_state, output.logits)

  (value, (new_state, logits)), gradient = jax.value_and_grad(
    loss, has_aux=True
  )(params)
  return value, logits, new_state, gradient


@functools.partial(jax.jit, static_argnums=0)
def evaluate(model, params, state, batch):
  return model.apply(params, state, None, batch, False)


def assert_close(a, b, tolerance=1e-10):
  jax.tree.map(
    lambda x, y: np.testing.assert_allclose(
      x, y, rtol=tolerance, atol=tolerance
    ),
    a,
    b,
  )


@pytest.mark.parametrize("kind", (*KINDS_ONCE, "equilibrium"))
def test_padding_and_order_change_nothing(kind):
  with jax.enable_x64(True):
    store = random_store()
    graphs = np.arange(15)
    model = models.build_model(config_of(kind, "pna"), store.schema)
    tight = batch_of(store, graphs)
    params, state = model.init(jax.random.key(1), tight)
    expected = losses_and_gradients(model, params, state, tight)
    assert np.isfinite(expected[0])

    roomy = batch_of(store, graphs, batches.Budget(29, 301, 709))
    result = losses_and_gradients(model, params, state, roomy)
    assert_close(result[0], expected[0])
    assert_close(result[1][:15], expected[1][:15])
    assert_close(result[2:], expected[2:])

    order = np.random.default_rng(2).permutation(15)
    result = losses_and_gradients(
      model, params, state, batch_of(store, graphs[order])
    )
    assert_close(result[0], expected[0])
    assert_close(result[1][:15], expected[1][order])
    assert_close(result[2:], expected[2:])


@pytest.mark.parametrize("kind", KINDS_ONCE)
def test_evaluation_graph_by_graph(kind):
  assert_graph_by_graph(kind)


def test_evaluation_graph_by_graph_with_a_readout_of_edges():
  assert_graph_by_graph("gcn", "template_gromov")


def assert_graph_by_graph(kind, readout="mean"):
  with jax.enable_x64(True):
    store = random_store()
    model = models.build_model(config_of(kind, readout), store.schema)
    together = batch_of(store, np.arange(23))
    params, state = model.init(jax.random.key(1), together)
    _, _, state, _ = losses_and_gradients(model, params, state, together)
    expected, unchanged = evaluate(model, params, state, together)
    assert_close(unchanged, state, 0)
    budget = batches.Budget(2, 17, 41)
    for g in (0, 3, 5, 7, 22):  # No nodes, one node, degree 6 among them.
      alone, _ = evaluate(model, params, state, batch_of(store, [g], budget))
      assert_close(alone.logits[0], expected.logits[g])


@pytest.mark.parametrize("task_type", ["multiclass", "regression"])
def test_other_heads(task_type):
  store = random_store(num_tasks=1)
  schema = dataclasses.replace(
    store.schema,
    task_type=task_type,
    num_classes=5 if task_type == "multiclass" else 0,
    metric={"multiclass": "accuracy", "regression": "rmse"}[task_type],
  )
  model = models.build_model(config_of("gcn"), schema)
  batch = batch_of(store, np.arange(4))
  params, state = model.init(jax.random.key(0), batch)
  output, _ = evaluate(model, params, state, batch)
  assert output.logits.shape == (5, 5 if task_type == "multiclass" else 1)


@pytest.mark.parametrize("name", ["max", "sum"])
def test_pooled_one_by_one_as_side_by_side(monkeypatch, name):
  store = random_store(num_tasks=1)
  batch = batch_of(store, np.arange(4))
  config = config_of("gin", name).unlock()
  config.head = {"name": "mlp", "dropout_rate": 0.0}
  outputs = []
  for columnwise in (True, False):
    monkeypatch.setattr(readout_class(name), "columnwise", columnwise)
    model = models.build_model(config, store.schema)
    params, state = model.init(jax.random.key(0), batch)
    outputs.append(evaluate(model, params, state, batch)[0])
  assert_close(*outputs)


def test_dropout_is_fresh_in_training_and_absent_in_evaluation():
  store = random_store()
  model = models.build_model(config_of("gcn", dropout=0.5), store.schema)
  batch = batch_of(store, np.arange(15))
  params, state = model.init(jax.random.key(0), batch)

  apply = jax.jit(model.apply, static_argnums=4)

  def logits(seed, is_training):
    key = jax.random.key(seed)
    return apply(params, state, key, batch, is_training)[0].logits[:15]

  assert not np.allclose(logits(0, True), logits(1, True))
  np.testing.assert_array_equal(logits(0, True), logits(0, True))
  np.testing.assert_array_equal(logits(0, False), logits(1, False))


def test_unknown_message_passing():
  config = config_of("gcn")
  config.message_passing.name = "gcm"
  with pytest.raises(ValueError, match="Did you mean 'gcn'"):
    models.build_model(config, random_store().schema)


@pytest.mark.parametrize("kind", ["gcn", "gin"])
def test_same_as_pytorch_geometric(kind):
  """The same weights give the same logits, statistics and gradients."""
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  import torch

  from benchmarks.peers import pyg_molecules as pyg

  store = random_store()
  config = config_of(kind, "sum", width=13)
  model = models.build_model(config, store.schema)
  # PyTorch Geometric has no graph without nodes in a batch norm's way.
  batch = batch_of(store, [0, 1, 2, 4, 5, 6, 7, 8])
  with jax.enable_x64(True):
    params, state = model.init(jax.random.key(3), batch)
    params = jax.tree.map(lambda x: x.astype(jnp.float64), params)
    state = jax.tree.map(lambda x: x.astype(jnp.float64), state)
    loss, logits, new_state, gradient = losses_and_gradients(
      model, params, state, batch
    )
    logits = logits[:8]
  peer = pyg.Model(store.schema, config).double()
  pyg.copy_parameters(peer, params, config)
  nodes, edges, features, ids, num_graphs, labels = pyg.to_torch(
    jax.tree.map(np.asarray, batch)
  )
  peer.train()
  expected = peer(nodes, edges, features, ids, num_graphs)
  np.testing.assert_allclose(logits, expected.detach(), rtol=1e-9, atol=1e-9)
  known = ~torch.isnan(labels)
  value = torch.nn.functional.binary_cross_entropy_with_logits(
    expected[known], labels.double()[known]
  )
  value.backward()
  np.testing.assert_allclose(loss, value.item(), rtol=1e-9)
  for ours, theirs in pyg.pairs(peer, gradient, config):
    np.testing.assert_allclose(ours, theirs.grad, rtol=1e-8, atol=1e-9)
  for i, norm in enumerate(peer.norms):
    ours = new_state[f"{kind}/norm_{i}"]
    np.testing.assert_allclose(ours["mean"], norm.running_mean, atol=1e-9)
    np.testing.assert_allclose(ours["var"], norm.running_var, rtol=1e-9)


def measuring(readout, aggregator=None):
  config = ml_collections.ConfigDict({"readout": readout})
  config.message_passing = {"name": "gcn"}
  if aggregator is not None:
    config.message_passing = {"name": "aggregate", "aggregator": aggregator}
  return config.lock()


def test_graphs_are_measured_for_the_readout_messages_for_the_aggregator():
  config = measuring(PNA, PNA)
  models.complete_config(config, SIZES, lambda: DEGREES)
  expected = pytest.approx(np.log([4, 9]).mean())
  assert config.readout.delta == expected
  expected = pytest.approx(np.log([1, 2, 2, 3, 4]).mean())
  assert config.message_passing.aggregator.delta == expected
  assert config.is_locked
  assert config.message_passing.aggregator.is_locked


def test_what_is_given_is_not_measured():
  given = {"name": "pna", "delta": 1.7}
  config = measuring(given, given)
  before = config.to_dict()
  models.complete_config(config, SIZES, lambda: DEGREES)
  assert config.to_dict() == before


def test_degrees_are_counted_for_an_aggregator_only():
  def unused():
    raise AssertionError("counted in vain")

  config = measuring(PNA)
  models.complete_config(config, SIZES, unused)
  assert config.readout.delta > 0
