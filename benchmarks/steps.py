"""Training steps to be measured, ours and the peers', on the same batches."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import jax
import jraph
import numpy as np
from jax import Array
from jax.experimental.compilation_cache import compilation_cache

from benchmarks import peers, timing
from gnn_readout import data, errors, models
from gnn_readout.data.batches import make_plan, train_batches
from gnn_readout.data.store import GraphStore
from gnn_readout.errors import suggest
from gnn_readout.graphs import Sets
from gnn_readout.message_passing import make_network
from gnn_readout.readouts import (
  READOUTS,
  Aggregate,
  EquilibriumAggregation,
  readout_class,
)
from gnn_readout.runs import settings
from gnn_readout.tasks.base import Batch
from gnn_readout.tasks.graph_property import GraphProperty
from gnn_readout.training.program import Program

DATASET = "ogbg-molhiv"
_MEBIBYTE = 2**20
_MOST = 300  # Characters of why something cannot be compiled.


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

  Raises:
    ValueError: If the config is one of a task on sets, or impossible.
  """
  settings.check(config)
  if task := config.get("task"):
    raise ValueError(
      f"the config is for the task {task!r}, not for graphs, such as that of"
      " configs/molpcba.py."
    )
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


def check_config(config: Any, benchmark: str) -> None:
  """Raises ValueError if a benchmark that needs a config has none."""
  if config is None:
    raise ValueError(f"benchmark {benchmark!r} needs --config.")


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


class FirstStep(NamedTuple):
  """What the first step of a program takes.

  Attributes:
    seconds: Time to trace, compile and take it, with an empty compilation
      cache.
    mebibytes: What the compiled step needs besides its arguments.
  """

  seconds: float
  mebibytes: float


def first_step(program: Program, batches: Sequence[Batch]) -> FirstStep:
  """Takes a step on the largest batch, compiled anew.

  Args:
    program: That has not taken a batch of this shape.
    batches: As it takes them.
  """
  largest = max(batches, key=lambda batch: batch.padded)
  with _nothing_kept():
    began = time.perf_counter()
    jax.block_until_ready(program.take(largest))
    seconds = time.perf_counter() - began
  memory = program.step_of(largest).memory_analysis()
  return FirstStep(seconds, memory.temp_size_in_bytes / _MEBIBYTE)


@contextlib.contextmanager
def _nothing_kept() -> Iterator[None]:
  """Compiles what is compiled inside, though it may have been kept."""
  is_kept = jax.config.jax_enable_compilation_cache
  try:
    jax.config.update("jax_enable_compilation_cache", False)
    compilation_cache.reset_cache()  # It looks at the switch only once.
    yield
  finally:
    jax.config.update("jax_enable_compilation_cache", is_kept)
    compilation_cache.reset_cache()


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
  """Returns the same for the model in PyTorch Geometric, as it is written.

  It has as many threads as are the fastest.
  """
  return _pyg(work)


def pyg_compiled(work: Work) -> Callable[[], int]:
  """Returns the same for that model under torch.compile.

  Its shapes are dynamic, as every batch has others; a shape at a time would be
  compiled for each of them. Where the default fails, it is compiled again
  without donated buffers, which a second derivative does not allow.

  Raises:
    peers.Unavailable: If it cannot be compiled here.
  """
  peers.load("pyg_readouts")  # Before PyTorch, which may not be there.
  import torch
  import torch._functorch.config as functorch
  from torch._inductor import config

  config.compile_threads = 1  # Other processes would look like other load.
  for is_donated in (functorch.donated_buffer, False):
    functorch.donated_buffer = is_donated
    torch.compiler.reset()
    epoch = _pyg(work, functools.partial(torch.compile, dynamic=True))
    try:
      epoch()  # Which compiles it.
    except Exception as error:  # Of a compiler; it may be any.
      failure = error
    else:
      return epoch
  reason = errors.brief(" ".join(f"{failure}".split()), _MOST)
  raise peers.Unavailable(
    f"torch.compile failed: {type(failure).__name__}: {reason}"
  ) from failure


def literal(work: Work) -> Callable[[], int]:
  """Returns the same for our model with the paper's listing in it.

  Raises:
    ValueError: If the readout is not that of the listing.
    peers.Unavailable: If the listing is not here.
  """
  readout = work.config.model.readout.name
  if readout != "equilibrium":
    raise ValueError(
      f"peer 'literal' has the readout 'equilibrium', the config {readout!r}."
    )
  try:
    from tests.readouts.equilibrium_listing import equilibrium
  except ImportError as error:
    raise peers.Unavailable(
      "peer 'literal' is in tests/, which is not here: run from the source tree"
    ) from error

  class Listing(EquilibriumAggregation):
    def aggregate(
      self, elements: Array, sets: Sets, is_training: bool
    ) -> Aggregate:
      y, aux_loss = equilibrium(
        self._parameters(elements),
        elements,
        sets.segment_ids,
        sets.sizes,
        widths=self.widths(elements),
        max_iters=self._num_steps,
      )
      return Aggregate(y, aux_loss, {})

  config = work.config.copy_and_resolve_references().unlock()
  # Under the name of ours it would share what is compiled with it.
  config.model.readout.name = "literal"
  with mock.patch.dict(READOUTS, literal=Listing):
    epoch = ours(work._replace(config=config))
    epoch()  # Traces every shape while the table holds the listing.
  return epoch


# By name, what trains on all batches of some work and counts the graphs.
PEERS: dict[str, Callable[[Work], Callable[[], int]]] = {
  "literal": literal,
  "pyg": pyg,
  "pyg_compiled": pyg_compiled,
}


def against(
  work: Work, names: Sequence[str]
) -> tuple[dict[str, Callable[[], int]], dict[str, str]]:
  """Returns the peers that can be measured here, and why others cannot.

  Args:
    work: What all train on.
    names: Keys of `PEERS`, or names of readouts that replace the config's.
  """
  found, lacking = {}, {}
  for name in names:
    try:
      if name in PEERS:
        found[name] = PEERS[name](work)
      else:
        found[name] = ours(work.with_readout(name))
    except peers.Unavailable as error:
      lacking[name] = str(error)
  return found, lacking


def fastest_threads(
  call: Callable[[], object],
  set_threads: Callable[[int], None],
  cores: int,
) -> int:
  """Returns with how many threads a function is the fastest: all, or half.

  Two threads on one core of two are slower than one, where products dominate.

  Args:
    call: What is timed.
    set_threads: Sets how many it has.
    cores: That may be used.
  """

  def with_threads(number: int) -> Callable[[], int]:
    def timed() -> int:
      set_threads(number)
      call()
      return 1

    return timed

  numbers = {cores, max(1, cores // 2)}
  measured = timing.alternate(
    {str(number): with_threads(number) for number in sorted(numbers)},
    rounds=2,
    min_seconds=0.5,
  )
  return int(max(measured, key=lambda number: measured[number].median))


def _pyg(
  work: Work, compiled: Callable[[Any], Any] = lambda model: model
) -> Callable[[], int]:
  """Returns an epoch in PyTorch, of what `compiled` makes of the model."""
  schema, config = work.store.schema, work.config
  if config.model.message_passing.name == "gin_blocks":
    program = peers.load("pyg_tu")
    sizes = schema.node_sizes
    model = program.GIN(sum(sizes), schema.num_classes, config.model)
    tensors = [program.to_torch(batch, sizes) for batch in work.batches]
  else:
    num_nodes = work.store.num_nodes[work.store.splits["train"]]
    program = peers.load("pyg_molecules")
    model = program.Model(schema, config.model, num_nodes)
    tensors = [program.to_torch(batch) for batch in work.batches]

  import torch

  device, rate = peers.torch_device(), config.optimizer.learning_rate
  model.to(device)
  tensors = [
    [x.to(device) if torch.is_tensor(x) else x for x in batch]
    for batch in tensors
  ]
  eager = program.make_step(model, rate)
  threads = fastest_threads(
    lambda: eager(*tensors[0]),
    torch.set_num_threads,
    len(os.sched_getaffinity(0)),
  )
  step = program.make_step(compiled(model), rate)
  count = _count(work.batches)

  def epoch() -> int:
    torch.set_num_threads(threads)  # Of the process: another peer's may differ.
    for batch in tensors:
      step(*batch)
    peers.wait(device)
    return count

  return epoch


def _count(batches: Sequence[jraph.GraphsTuple]) -> int:
  return sum(int(batch.globals["mask"].sum()) for batch in batches)


def linear_flops(work: Work) -> float:
  """Returns operations per graph in linear layers, forward and backward."""
  passing = work.config.model.message_passing
  network = make_network(schema=work.store.schema, **passing)
  return 3 * 2 * work.nodes * network.multiply_adds()
