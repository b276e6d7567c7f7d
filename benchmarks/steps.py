"""Training steps to be measured, ours and the peers', on the same batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np

from benchmarks import peers
from gnn_readout import data, models
from gnn_readout.data.batches import make_plan, train_batches
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest
from gnn_readout.message_passing import make_network
from gnn_readout.readouts import readout_class
from gnn_readout.runs import settings
from gnn_readout.tasks.base import Batch
from gnn_readout.tasks.graph_property import GraphProperty
from gnn_readout.training.program import Program

DATASET = "ogbg-molhiv"


class Work(NamedTuple):
  """Batches made before the clock starts, the same for all sides.

  Attributes:
    config: Complete: what the model measures on the data is filled in.
    store: The dataset.
    batches: Padded, of the training split.
    nodes: Real nodes per graph, on average over the batches.
    rows: Nodes per batch with padding, on average over the batches.
  """

  config: Any
  store: GraphStore
  batches: Sequence[jraph.GraphsTuple]
  nodes: float
  rows: float

  def with_readout(self, name: str) -> Work:
    """Returns the same with another readout, of default arguments."""
    config = self.config.copy_and_resolve_references().unlock()
    measured = readout_class(name).arguments_from_data(
      self.store.num_nodes[self.store.splits["train"]]
    )
    config.model.readout = {"name": name, "aux_weight": 0.0, **measured}
    return self._replace(config=config)


def load(
  config: Any,
  num_batches: int,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> Work:
  """Checks a config and makes batches for it.

  Args:
    config: Config as for launch.train; its dataset is not used, unless it is of
      the TU collection.
    num_batches: How many batches of the first epochs.
    dataset: Name of the dataset; `DATASET` by default.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.
  """
  settings.check(config)
  if config.dataset.startswith("tu/"):
    if dataset not in (None, config.dataset):
      raise ValueError(f"the config is for {config.dataset}, got {dataset!r}.")
    store = data.load_config(config, data_dir, cache_dir)
  else:
    store = data.load(dataset or DATASET, data_dir, cache_dir)
  graphs = store.splits["train"]
  models.complete_config(
    config.model, store.num_nodes[graphs], lambda: store.in_degrees(graphs)
  )
  plan = make_plan(store, "train", **config.batching, seed=0)
  stream = train_batches(plan)
  batches = [item.batch for item in itertools.islice(stream, num_batches)]
  stream.close()
  real = sum(batch.n_node[batch.globals["mask"]].sum() for batch in batches)
  padded = sum(len(batch.nodes) for batch in batches)
  return Work(
    config, store, batches, float(real) / _count(batches), padded / len(batches)
  )


def check_peers(against: Sequence[str], known: Sequence[str]) -> None:
  """Raises ValueError for a peer that is not known; names the nearest."""
  for peer in against:
    if peer not in known:
      raise ValueError(f"unknown peer {peer!r}.{suggest(peer, known)}")


def program_of(work: Work) -> tuple[Program, list[Batch]]:
  """Returns a program of one member, and the batches as it takes them."""
  problem = GraphProperty(work.config, work.store)
  program = Program([problem])
  program.initialise()
  return program, [_shared(batch) for batch in work.batches]


def _shared(arrays: jraph.GraphsTuple) -> Batch:
  """Returns a batch as a program takes it, with its sizes."""
  graphs = int(arrays.globals["mask"].sum())
  real = graphs, arrays.n_node[:graphs].sum(), arrays.n_edge[:graphs].sum()
  padded = len(arrays.n_node), len(arrays.nodes), len(arrays.senders)
  return Batch(arrays, np.array([real]), padded)


def ours(work: Work) -> Callable[[], int]:
  """Returns a function that trains on all batches and counts the graphs."""
  return epoch_of(*program_of(work))


def epoch_of(program: Program, batches: Sequence[Batch]) -> Callable[[], int]:
  """Returns a function that trains on some batches and counts the graphs.

  Args:
    program: Program of one member.
    batches: Batches in the form that the program takes.
  """
  count = int(sum(batch.real[0, 0] for batch in batches))

  def epoch() -> int:
    for batch in batches:
      losses = program.take(batch)
    jax.block_until_ready(losses)
    return count

  return epoch


def pyg(work: Work) -> Callable[[], int]:
  """Returns the same for the model in PyTorch Geometric."""
  schema, config = work.store.schema, work.config
  if config.model.message_passing.name == "gin_blocks":
    pyg_tu = peers.load("pyg_tu")
    sizes = schema.node_sizes
    model = pyg_tu.GIN(sum(sizes), schema.num_classes, config.model)
    step = pyg_tu.make_step(model, config.optimizer.learning_rate)
    tensors = [pyg_tu.to_torch(batch, sizes) for batch in work.batches]
  else:
    num_nodes = work.store.num_nodes[work.store.splits["train"]]
    pyg_molecules = peers.load("pyg_molecules")
    model = pyg_molecules.Model(schema, config.model, num_nodes)
    step = pyg_molecules.make_step(model, config.optimizer.learning_rate)
    tensors = [pyg_molecules.to_torch(batch) for batch in work.batches]

  def epoch() -> int:
    for batch in tensors:
      step(*batch)
    return _count(work.batches)

  return epoch


def _count(batches: Sequence[jraph.GraphsTuple]) -> int:
  return sum(int(batch.globals["mask"].sum()) for batch in batches)


def linear_flops(work: Work) -> float:
  """Returns operations per graph in linear layers, forward and backward."""
  passing = work.config.model.message_passing
  network = make_network(schema=work.store.schema, **passing)
  return 3 * 2 * work.nodes * network.multiply_adds()
