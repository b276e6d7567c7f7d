"""Fixtures shared by the whole suite."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pathlib

import pytest

from tests import compilation_cache

# Half the time of the suite is compilation, of programs that run once. Two
# devices, so that what spreads over devices does.
_FLAGS = (
  "--xla_backend_optimization_level=0 --xla_force_host_platform_device_count=2"
)
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_FLAGS}".strip()
compilation_cache.use(os.environ)

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402

from configs.molpcba import get_config  # noqa: E402
from gnn_readout import data, models  # noqa: E402
from gnn_readout.data.store import GraphStore, Schema  # noqa: E402

TASKS = 3
# The kernel allows a process 65,530 regions of memory, and each compiled
# program takes several.
_MANY_REGIONS = 6_000


@pytest.fixture(autouse=True, scope="module")
def _not_too_many_programs():
  """Forgets what JAX has compiled before the kernel refuses more of it."""
  yield
  regions = pathlib.Path("/proc/self/maps")
  if regions.exists() and regions.read_bytes().count(b"\n") > _MANY_REGIONS:
    jax.clear_caches()
    gc.collect()
    # The memory goes back to the system, which may have little of it.
    with contextlib.suppress(OSError, AttributeError):
      ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture
def double_precision():
  """Switches float64 on."""
  with jax.enable_x64(True):
    yield


@pytest.fixture(scope="session")
def make_store():
  """Returns a function that makes the tiny dataset, the same every time."""
  return _random_store


def _random_store(node_sizes=(7, 5)):
  """Returns 83 random graphs of 1 to 13 nodes with three binary tasks."""
  rng = np.random.default_rng(5)
  graphs = 83
  sizes = rng.integers(1, 14, graphs)
  edges = rng.integers(0, 3 * sizes)
  senders = [rng.integers(0, n, e) for n, e in zip(sizes, edges, strict=True)]
  receivers = [
    np.sort(rng.integers(0, n, e)) for n, e in zip(sizes, edges, strict=True)
  ]
  labels = rng.integers(0, 2, (graphs, TASKS)).astype(np.float32)
  labels[rng.random(labels.shape) < 0.1] = np.nan
  order = rng.permutation(graphs).astype(np.int32)
  features = [rng.integers(0, min(n, 5), sizes.sum()) for n in node_sizes]
  return GraphStore(
    schema=Schema(
      name="tiny",
      task_type="binary",
      num_tasks=TASKS,
      num_classes=0,
      metric="ap",
      node_sizes=node_sizes,
      edge_sizes=(3,),
      node_dim=len(node_sizes),
      edge_dim=1,
      task_names=("a", "b", "c"),
    ),
    node_offsets=np.concatenate([[0], np.cumsum(sizes)]),
    edge_offsets=np.concatenate([[0], np.cumsum(edges)]),
    nodes=np.stack(features, axis=1).astype(np.uint8),
    edges=rng.integers(0, 3, (edges.sum(), 1)).astype(np.uint8),
    senders=np.concatenate(senders).astype(np.int32),
    receivers=np.concatenate(receivers).astype(np.int32),
    labels=labels,
    splits={
      "train": order[:53],
      "valid": order[53:70],
      "test": order[70:],
    },
  )


def _build_model(config, schema):
  """A model that compiles at once: sums of features, dropout, running mean."""

  def init(key, graphs):
    shape = graphs.nodes.shape[1], schema.num_outputs
    params = {"w": jax.random.normal(key, shape), "b": jnp.zeros(shape[1])}
    return params, {"mean": jnp.zeros(shape[0])}

  def apply(params, state, key, graphs, is_training):
    num_graphs = len(graphs.n_node)
    graph = jnp.arange(num_graphs)
    graph = jnp.repeat(
      graph, graphs.n_node, total_repeat_length=len(graphs.nodes)
    )
    sums = jax.ops.segment_sum(
      graphs.nodes.astype(jnp.float32), graph, num_graphs
    )  # [G, D]
    if is_training:
      mask = graphs.globals["mask"][:, None]
      mean = jnp.mean(sums, axis=0, where=mask)
      state = {"mean": 0.9 * state["mean"] + 0.1 * mean}
      sums = sums * jax.random.bernoulli(key, 0.5, sums.shape)
    logits = 0.1 * (sums - state["mean"]) @ params["w"] + params["b"]
    diagnostics = {"largest": jnp.abs(logits).max()}
    return models.Output(logits, jnp.zeros(num_graphs), diagnostics), state

  return models.Model(init, apply)


@pytest.fixture
def quick_model(monkeypatch):
  """Every model is one that compiles at once."""
  monkeypatch.setattr(models, "build_model", _build_model)


@pytest.fixture
def store(make_store, quick_model, monkeypatch):
  """The tiny dataset, whatever is asked for."""
  tiny = make_store()
  monkeypatch.setattr(data, "load_config", lambda *unused, **unused_too: tiny)
  return tiny


@pytest.fixture
def config():
  """11 steps of a small model, evaluated after 5, 10 and 11."""
  config = get_config("gcn,sum")
  config.model.message_passing.update(width=7, num_layers=2)
  config.batching.update(batch_size=5, num_buckets=1)
  config.update(
    dataset="tiny", num_steps=11, num_epochs=0.0, eval_every=5, log_every=3
  )
  config.update(eval_batch_size=11, tensorboard=False)
  return config


@pytest.fixture(scope="session")
def data_dir() -> pathlib.Path:
  """The folder of real datasets, or a skip that says why."""
  root = os.environ.get("GNN_READOUT_DATA")
  if not root:
    pytest.skip("GNN_READOUT_DATA is not set: no real datasets here")
  return pathlib.Path(root)


@pytest.fixture(scope="session")
def cases(data_dir) -> pathlib.Path:
  """The folder of small inputs beside the data, or a skip that says why."""
  folder = data_dir.parent / "cases"
  if not folder.is_dir():
    pytest.skip(f"{folder} is not there: no small inputs from reports")
  return folder
