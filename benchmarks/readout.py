"""Speed of a training step of GCN and one readout, against its peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks import steps, timing, train
from configs import molpcba
from gnn_readout import readouts

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
    against: Peers: those of `steps.PEERS`, `literal` for `equilibrium` alone.
      Default `pyg`.
    rounds: Runs of each side.
    dataset: Name of the dataset; ogbg-molhiv by default.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, by batch size and peer, what `train.compare` returns; for
    `equilibrium` with the achieved GFLOP/s and the machine's matrix rate.
  """
  readouts.readout_class(readout)
  is_listed = readout == "equilibrium"
  known = [name for name in steps.PEERS if is_listed or name != "literal"]
  against = list(against) or ["pyg"]
  steps.check_peers(against, known)
  rows = []
  for batch_size in _BATCH_SIZES:
    config = molpcba.get_config(f"gcn,{readout}").unlock()
    config.batching.batch_size = batch_size
    work = steps.load(config, _NUM_BATCHES, dataset, data_dir, cache_dir)
    measured = train.compare(work, against, rounds)
    rates = _rates(work, measured[0]["ours"]) if is_listed else {}
    rows += [{**row, **rates} for row in measured]
  return {"name": readout, "rows": rows}


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
