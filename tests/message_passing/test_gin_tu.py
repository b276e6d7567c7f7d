"""The GINs of the TU collection, against PyTorch Geometric equal weights."""

from __future__ import annotations

import haiku as hk
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import pytest

from configs import tu
from gnn_readout import losses, models
from gnn_readout.data import batches
from gnn_readout.data.building import build_store
from gnn_readout.data.store import Schema
from gnn_readout.message_passing import gin_tu, messages

SIZES = (5, 2)
NUM_NODES = [7, 0, 1, 13, 2, 3]  # The sixth has no edge.


def random_store(symmetric=True, seed=0):
  """Returns random graphs, a hub of 12 neighbours among their nodes."""
  rng = np.random.default_rng(seed)
  pairs, num_edges = [], []
  for n in NUM_NODES[:-1]:
    own = {(0, v) for v in range(1, n)}
    own |= {tuple(sorted(rng.choice(n, 2, False))) for _ in range(n * (n > 1))}
    own |= {(v, u) for u, v in own} if symmetric else set()
    pairs += sorted(own)
    num_edges.append(len(own))
  schema = Schema(
    name="random",
    task_type="multiclass",
    num_tasks=1,
    num_classes=3,
    metric="accuracy",
    node_sizes=SIZES,
    edge_sizes=(),
    node_dim=2,
    edge_dim=0,
    task_names=("class",),
    symmetric=symmetric,
  )
  edges = np.array(pairs)
  return build_store(
    schema,
    num_nodes=np.array(NUM_NODES),
    num_edges=np.array([*num_edges, 0]),
    nodes=np.stack([rng.integers(0, n, sum(NUM_NODES)) for n in SIZES], 1),
    edges=np.zeros((len(edges), 0)),
    senders=edges[:, 0],
    receivers=edges[:, 1],
    labels=rng.integers(0, 3, (len(NUM_NODES), 1)).astype(np.float32),
    splits={},
  )


def batch_of(store, padding=11):
  count = store.num_graphs
  budget = batches.Budget(
    count + 3, len(store.nodes) + padding, len(store.senders) + padding
  )
  (batch,) = batches.collate(
    store, np.arange(count), np.array([0, count]), [budget]
  )
  return batch


def config_of(variant, dropout_rate=0.0):
  config = tu.get_config(variant).model
  config.message_passing.update(width=11, num_layers=2)
  config.head.dropout_rate = dropout_rate
  if "width" in config.head:
    config.head.width = 7
  return config


def perturbed(params):
  """Returns parameters of which none is 0.

  With offsets and biases of 0 the pooled empty graph is the mean of all graphs,
  and its hidden units lie on the kink of their ReLU.
  """
  rng = np.random.default_rng(7)
  return jax.tree.map(lambda p: p + rng.normal(0, 0.1, p.shape), params)


def make_gradients(model):
  """Returns a function to loss, logits, new state and gradient."""

  @jax.jit
  def gradients(params, state, batch):
    def loss(params):
      output, new_state = model.apply(params, state, None, batch, True)
      value = losses.masked_loss("multiclass")(
        output.logits, batch.globals["labels"], batch.globals["mask"]
      )
      return value, (output.logits, new_state)

    (value, (logits, new_state)), gradient = jax.value_and_grad(
      loss, has_aux=True
    )(params)
    return value, logits, new_state, gradient

  return gradients


@pytest.mark.parametrize(
  ("variant", "symmetric", "eps"),
  [
    ("T,sum", True, "zero"),
    ("T,mean", False, "inputs"),
    ("T,sum,gin0", True, "zero"),
  ],
)
def test_same_as_pytorch_geometric(variant, symmetric, eps):
  """Logits, loss, gradients and running statistics, whatever padding holds."""
  pytest.importorskip("torch_geometric", reason="the peers extra is missing")
  import torch

  from benchmarks.peers import pyg_tu

  store, config = random_store(symmetric), config_of(variant)
  config.message_passing.eps = eps
  batch = batch_of(store)
  with jax.enable_x64(True):
    model = models.build_model(config, store.schema)
    params, state = model.init(jax.random.key(3), batch)
    params = perturbed(params)
    gradients = make_gradients(model)
    loss, logits, new_state, gradient = gradients(params, state, batch)
    nodes = batch.nodes.copy()
    nodes[len(store.nodes) :] = [4, 1]
    again = gradients(params, state, batch._replace(nodes=nodes))
    for a, b in zip(
      jax.tree.leaves(again[2:]), jax.tree.leaves([new_state, gradient])
    ):
      np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
  peer = pyg_tu.GIN(sum(SIZES), 3, config).double()
  pyg_tu.copy_parameters(peer, params)
  x, *rest, classes = pyg_tu.to_torch(batch, SIZES)
  expected = peer.train()(x.double(), *rest)
  np.testing.assert_allclose(
    logits[: len(NUM_NODES)], expected.detach(), rtol=1e-9, atol=1e-9
  )
  value = torch.nn.functional.cross_entropy(expected, classes)
  value.backward()
  np.testing.assert_allclose(loss, value.item(), rtol=1e-9)
  for ours, theirs in pyg_tu.pairs(peer, gradient):
    np.testing.assert_allclose(ours, theirs.grad, rtol=1e-8, atol=1e-9)
  for i, block in enumerate(peer.blocks):
    norms = [m for m in block.nn if isinstance(m, torch.nn.BatchNorm1d)]
    for j, norm in enumerate(norms, start=1):
      ours = new_state[f"gin_blocks/norm_{i}_{j}"]
      np.testing.assert_allclose(ours["mean"], norm.running_mean, atol=1e-9)
      np.testing.assert_allclose(ours["var"], norm.running_var, rtol=1e-9)
  with jax.enable_x64(True):
    evaluate = jax.jit(lambda *args: model.apply(*args, False)[0].logits)
    evaluated = evaluate(params, new_state, None, batch)
  expected = peer.eval()(x.double(), *rest)
  np.testing.assert_allclose(
    evaluated[: len(NUM_NODES)], expected.detach(), rtol=1e-9, atol=1e-9
  )


@pytest.mark.parametrize(("eps", "own"), [("zero", 1), ("inputs", 8)])
def test_the_weight_of_a_nodes_own_state(eps, own):
  """By a dense matrix of neighbours; seven features come in."""
  store = random_store()
  graphs = batch_of(store)._replace(edges=None)
  rng = np.random.default_rng(0)
  neighbours = own * np.eye(len(graphs.nodes))
  real = len(store.senders)
  np.add.at(neighbours, (graphs.receivers[:real], graphs.senders[:real]), 1)
  with jax.enable_x64(True):
    x = rng.normal(size=(len(graphs.nodes), 7))
    layer = hk.without_apply_rng(
      hk.transform(
        lambda x: gin_tu.NeighbourLinear(3, symmetric=True, eps=eps)(
          x, messages.prepare(graphs, ())
        )
      )
    )
    params = layer.init(jax.random.key(0), x)
    found = layer.apply(params, x)
    (weights,) = jax.tree.map(np.asarray, params).values()
  expected = neighbours @ x @ weights["w"] + weights["b"]
  nodes = slice(sum(NUM_NODES))
  np.testing.assert_allclose(found[nodes], expected[nodes], rtol=1e-12)


def test_an_unknown_eps_names_the_nearest():
  config = config_of("T,sum")
  config.message_passing.eps = "input"
  store = random_store()
  model = models.build_model(config, store.schema)
  with pytest.raises(ValueError, match="eps 'input'. Did you mean 'inputs'"):
    model.init(jax.random.key(0), batch_of(store))


def test_members_of_a_population_train_as_they_would_alone():
  """One vmapped step with a seed, a learning rate and a dropout rate each."""
  store, batch = random_store(), batch_of(random_store())
  config = config_of("T,sum")
  config.message_passing.num_layers = 1
  config = config.to_dict()
  loss = losses.masked_loss("multiclass")

  def train(seed, learning_rate, dropout_rate):
    head = {**config["head"], "dropout_rate": dropout_rate}
    model = models.build_model({**config, "head": head}, store.schema)
    init_key, key = jax.random.split(jax.random.key(seed))
    params, state = model.init(init_key, batch)

    def objective(params):
      output, _ = model.apply(params, state, key, batch, True)
      labels, mask = batch.globals["labels"], batch.globals["mask"]
      return loss(output.logits, labels, mask)

    # Not Adam, whose first step makes much of a gradient of nothing.
    value, grads = jax.value_and_grad(objective)(params)
    moved = jax.tree.map(lambda x, g: x - learning_rate * g, params, grads)
    return moved, value

  members = [(0, 0.01, 0.5), (5, 0.003, 0.25)]
  seeds, *rates = zip(*members)
  with jax.enable_x64(True):
    together = jax.jit(jax.vmap(train))(
      jnp.array(seeds, jnp.int32), *map(jnp.array, rates)
    )
    for i, member in enumerate(members):
      alone = jax.jit(train)(*member)
      for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone)):
        np.testing.assert_allclose(a[i], b, rtol=1e-6, atol=1e-7)


def test_sizes_are_checked():
  config = ml_collections.ConfigDict(config_of("T,sum").to_dict())
  config.message_passing.num_layers = 0
  store = random_store()
  model = models.build_model(config, store.schema)
  with pytest.raises(ValueError, match="num_layers and width must be positive"):
    model.init(jax.random.key(0), batch_of(store))


def test_real_values_are_as_good_as_categories():
  """One-hot columns that are real numbers give the same."""
  store, config = random_store(), config_of("T,sum")
  batch = batch_of(store)
  hot = [np.eye(n)[batch.nodes[:, i]] for i, n in enumerate(SIZES)]
  fields = {**store.schema.to_json(), "node_sizes": (), "node_dim": sum(SIZES)}
  outputs = []
  for schema, nodes in (
    (store.schema, batch.nodes),
    (Schema(**fields), np.concatenate(hot, axis=1).astype(np.float32)),
  ):
    with jax.enable_x64(True):
      model = models.build_model(config, schema)
      graphs = batch._replace(nodes=nodes)
      params, state = model.init(jax.random.key(0), graphs)
      evaluate = jax.jit(lambda *args: model.apply(*args, False)[0].logits)
      outputs.append(evaluate(params, state, None, graphs))
  np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-10)
