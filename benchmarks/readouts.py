"""Speed of every readout by itself, against PyTorch Geometric's."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import peers, steps, timing
from gnn_readout import data
from gnn_readout.graphs import make_sets
from gnn_readout.readouts import make_readout, readout_class
from gnn_readout.wording import counted

_NUM_GRAPHS = 256
_WIDTH = 300
_MEBIBYTE = 2**20
_KINDS = {"forward": "forward pass", "training": "gradient"}


class Problem(NamedTuple):
  """Random elements in sets of the sizes of real graphs.

  Attributes:
    elements: [N, D].
    sizes: [S].
    slopes: [S, D], of the loss in the values.
  """

  elements: np.ndarray
  sizes: np.ndarray
  slopes: np.ndarray


class Programs(NamedTuple):
  """A readout, compiled.

  Attributes:
    forward: Computes the values; returns S.
    training: Computes the gradient of sum(values * slopes) in elements and
      parameters; returns S.
    num_parameters: How many there are.
    mebibytes: What the gradient needs besides arguments and results.
  """

  forward: Callable[[], int]
  training: Callable[[], int]
  num_parameters: int = 0
  mebibytes: float = 0.0


def run(
  against: Sequence[str] = (),
  rounds: int = 5,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures forward passes and gradients, 256 graphs, 300 wide.

  Args:
    against: Peers: `pyg`, the default.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, the records of `timing.compare` of both for each readout, with
    `readout` and `kind`, 'forward' or 'training'.
  """
  steps.check_peers(against, ("pyg",))
  pyg_readouts = peers.load("pyg_readouts")
  given = problem(dataset, data_dir, cache_dir)
  records = {}
  for name in pyg_readouts.PEERS:
    sides = {
      "ours": ours(name, given),
      "peer": _pyg(pyg_readouts.PEERS[name], given),
    }
    records[name] = {
      kind: timing.compare(
        f"{name}, {_KINDS[kind]}",
        timing.alternate(
          {side: getattr(programs, kind) for side, programs in sides.items()},
          rounds,
          min_seconds=0.3,
        ),
        against="pyg",
      )
      for kind in _KINDS
    }
    ratios = {kind: f"{r['ratio']:.2f}x" for kind, r in records[name].items()}
    print(name, *ratios.values(), flush=True)
  timing.print_table(
    f"{dataset or steps.DATASET}: {_NUM_GRAPHS} graphs, {_WIDTH} wide,"
    f" {counted(os.cpu_count(), 'core')}, float32, graphs/s",
    ["", "forward", "PyG", "ratio", "gradient", "PyG", "ratio"],
    [
      [
        name,
        *(
          cell
          for record in kinds.values()
          for cell in (
            f"{record['ours']:,.0f}",
            f"{record['peer']:,.0f}",
            f"{record['ratio']:.2f}x",
          )
        ),
      ]
      for name, kinds in records.items()
    ],
  )
  facts = {"dataset": dataset or steps.DATASET, "batch_size": _NUM_GRAPHS}
  return {
    "name": "readouts",
    "rows": [
      {**record, **facts, "width": _WIDTH, "readout": name, "kind": kind}
      for name, kinds in records.items()
      for kind, record in kinds.items()
    ],
  }


def problem(
  dataset: str | None, data_dir: str | None, cache_dir: str | None
) -> Problem:
  """Returns sets of the sizes of the first training graphs of a dataset."""
  store = data.load(dataset or steps.DATASET, data_dir, cache_dir)
  return _random(store.num_nodes[store.splits["train"][:_NUM_GRAPHS]], _WIDTH)


def large_problem(
  dataset: str,
  data_dir: str | None,
  cache_dir: str | None,
  num_graphs: int = 32,
  width: int = 64,
) -> Problem:
  """Returns sets of the sizes of evenly chosen graphs, with the largest one.

  Args:
    dataset: Dataset, such as 'tu/REDDIT-BINARY'.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.
    num_graphs: S.
    width: D.
  """
  sizes = np.sort(data.load(dataset, data_dir, cache_dir).num_nodes)
  chosen = np.linspace(0, len(sizes) - 1, num_graphs).round().astype(int)
  return _random(sizes[chosen], width)


def _random(sizes: np.ndarray, width: int) -> Problem:
  rng = np.random.default_rng(0)
  shapes = (sizes.sum(), width), (len(sizes), width)
  elements, slopes = (rng.normal(size=s).astype(np.float32) for s in shapes)
  return Problem(elements, sizes, slopes)


def ours(name: str, given: Problem) -> Programs:
  """Compiles a readout of the table, with the arguments its data asks for."""
  arguments = readout_class(name).arguments_from_data(given.sizes)
  width = given.elements.shape[1]
  transformed = hk.transform(
    lambda elements, sets: make_readout(name, output_size=width, **arguments)(
      elements, sets, is_training=True
    )
  )
  elements = jnp.asarray(given.elements)
  sets = make_sets(given.sizes, len(elements))
  params = jax.jit(transformed.init)(jax.random.key(0), elements, sets)

  def values(params, elements):
    return transformed.apply(params, jax.random.key(1), elements, sets).values

  def loss(params, elements):
    return jnp.sum(values(params, elements) * given.slopes)

  forward = jax.jit(values).lower(params, elements).compile()
  gradient = jax.jit(jax.grad(loss, (0, 1))).lower(params, elements).compile()

  def repeat(function):
    def call() -> int:
      jax.block_until_ready(function(params, elements))
      return len(given.sizes)

    return call

  memory = gradient.memory_analysis().temp_size_in_bytes / _MEBIBYTE
  count = sum(leaf.size for leaf in jax.tree.leaves(params))
  return Programs(repeat(forward), repeat(gradient), count, memory)


def _pyg(make: Callable[..., Any], given: Problem) -> Programs:
  import torch

  device = peers.torch_device()
  sizes = torch.from_numpy(given.sizes.astype(np.int64))
  module = make(_WIDTH, sizes).to(device)
  index = torch.repeat_interleave(torch.arange(len(sizes)), sizes).to(device)
  elements = torch.from_numpy(given.elements).to(device).requires_grad_()
  slopes = torch.from_numpy(given.slopes).to(device)
  parameters = [elements, *module.parameters()]

  def values():
    return module(elements, index, dim_size=len(sizes))

  def forward() -> int:
    with torch.no_grad():
      values()
    peers.wait(device)
    return len(sizes)

  def training() -> int:
    # Its EquilibriumAggregation holds parameters it does not use.
    total = (values() * slopes).sum()
    torch.autograd.grad(total, parameters, allow_unused=True)
    peers.wait(device)
    return len(sizes)

  torch.set_num_threads(
    steps.fastest_threads(
      training, torch.set_num_threads, len(os.sched_getaffinity(0))
    )
  )
  return Programs(forward, training)
