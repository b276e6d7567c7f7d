"""Speed of a training step of GCN and one readout, against its peers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any
from unittest import mock

from jax import Array

from benchmarks import steps, timing
from configs import molpcba
from gnn_readout import readouts
from gnn_readout.graphs import Sets
from gnn_readout.readouts import Aggregate, EquilibriumAggregation
from gnn_readout.wording import counted

_BATCH_SIZES = (8, 32)  # The paper's and OGB's.
_NUM_BATCHES = 4
_GCN_ROWS = 832  # Nodes of a batch of 32 molecules.


def run(
  readout: str,
  against: Sequence[str] = (),
  rounds: int = 5,
  dataset: str | None = None,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures training steps per graph on batches of a real dataset.

  Args:
    readout: Its name.
    against: Peers: `pyg`, the default, and for `equilibrium` also `literal`,
      the paper's listing in JAX.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    By batch size and peer, the records of `timing.compare`; for
    `equilibrium` the achieved GFLOP/s and the machine's matrix rate as well.
  """
  readouts.readout_class(readout)
  peers = {"pyg": steps.pyg}
  if readout == "equilibrium":
    peers["literal"] = _literal
  against = list(against) or ["pyg"]
  steps.check_peers(against, list(peers))
  result: dict[str, Any] = {"name": readout, "dataset": dataset}
  for batch_size in _BATCH_SIZES:
    config = molpcba.get_config(f"gcn,{readout}").unlock()
    config.batching.batch_size = batch_size
    work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
    functions = {"ours": steps.ours(work)}
    functions |= {peer: peers[peer](work) for peer in against}
    measured = timing.alternate(functions, rounds)
    records = {
      peer: timing.compare(f"against {peer}", measured, peer=peer)
      for peer in against
    }
    timing.print_compared(
      f"{work.store.schema.name}: training step, gcn,{readout}, batch"
      f" {batch_size}, {config.model.message_passing.width} wide,"
      f" {counted(os.cpu_count(), 'core')}, float32",
      list(records.values()),
    )
    result[str(batch_size)] = records
    if readout == "equilibrium":
      result[str(batch_size)]["rates"] = _rates(work, measured["ours"].median)
  return result


def _literal(work: steps.Work) -> Callable[[], int]:
  """Returns the training of the same model with the paper's listing in it."""
  try:
    from tests.readouts.equilibrium_listing import equilibrium
  except ImportError as error:
    raise ValueError(
      "peer 'literal' is part of tests/, which is missing: run from the"
      " source tree"
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

  with mock.patch.dict(readouts.READOUTS, equilibrium=Listing):
    epoch = steps.ours(work)
    epoch()  # Traces every shape while the table holds the listing.
  return epoch


def _rates(work: steps.Work, graphs_per_second: float) -> dict[str, float]:
  """Prints and returns what the products achieve and where the rest goes."""
  model = work.config.model
  h, num_steps = model.message_passing.width, model.readout.num_steps
  outputs = 32
  # `folded_potential`: two products of P multiply-adds for the gradient and
  # four for its derivative, at every step.
  inner = 12 * 2 * h * (h + outputs) * num_steps * work.nodes
  message = steps.linear_flops(work)
  flops = graphs_per_second * (inner + message)
  rows = round(work.rows)
  inner_rate = timing.matrix_rate(rows, 2 * h, h + outputs)
  message_rate = timing.matrix_rate(_GCN_ROWS, h, h)
  busy = graphs_per_second * (inner / inner_rate + message / message_rate) / 1e9
  batch = work.config.batching.batch_size
  print(
    f"products: {(inner + message) * batch / 1e9:.1f} GFLOP per step,"
    f" {inner / (inner + message):.0%} of them in the inner loop, done at"
    f" {flops / 1e9:.0f} GFLOP/s; the machine multiplies [{rows}, {2 * h}]"
    f" [{2 * h}, {h + outputs}] at {inner_rate:.0f} GFLOP/s. At that rate they"
    f" take {busy:.0%} of the {1e3 * batch / graphs_per_second:.0f} ms; the"
    " rest is padding, norms, tanh, reductions, messages and Adam."
  )
  return {
    "gflops": flops / 1e9,
    "matrix_gflops": inner_rate,
    "share_of_products": busy,
  }
