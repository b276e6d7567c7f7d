"""Predictions of one run, or of an ensemble of several, for new graphs.

A run's folder is all that is needed of it: its checkpoint knows the features,
the tasks and the scale of the targets, its config the model. Graphs come a
window at a time, made by other processes if they are molecules, and padded in
a thread, while the device computes. Letters: M rows of the input, D different
graphs in it, K runs, C outputs of each.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jraph
import numpy as np
from absl import logging

from gnn_readout.data.batches.budgets import Budget
from gnn_readout.data.batches.prefetch import prefetch
from gnn_readout.data.batches.shapes import Shapes, padded_batches
from gnn_readout.data.store import Schema
from gnn_readout.errors import brief
from gnn_readout.files import check_writable
from gnn_readout.runs import progress
from gnn_readout.training import ensemble, predictions, sheets
from gnn_readout.training.collected import Collected
from gnn_readout.training.ensemble import Run
from gnn_readout.training.inputs import Input, open_input
from gnn_readout.training.sheets import Ragged, Sheet
from gnn_readout.wording import counted

# Nodes of a batch: what a CPU's cache holds of their states, and what keeps
# another device busy.
_NODES, _NODES_ELSEWHERE = 1_024, 16_384
_MAX_AHEAD = 2  # Batches that may wait for the device.
_WINDOWS = 2  # Of batches, that are made ahead.


class Wanted(NamedTuple):
  """What is asked for besides the predictions.

  Attributes:
    vectors: The readout's vector of each graph.
    nodes: The states of the nodes that it pools.
    weights: How much each node weighs in it.
  """

  vectors: bool = False
  nodes: bool = False
  weights: bool = False


PREDICTIONS = Wanted()  # And nothing else.


class Result(NamedTuple):
  """What is predicted for each row of an input.

  Attributes:
    input: What it is predicted for.
    schema: Schema of the dataset that was learned from.
    values: [M, C] probabilities or values, of an ensemble their means; NaN for
      a row that could not be read.
    std: [M, C], their sample standard deviation in an ensemble; else None.
    vectors: [M, D], if wanted.
    nodes: Vectors of every row's nodes, if wanted.
    weights: Weights of every row's nodes, if wanted; of an ensemble the mean of
      all heads and runs.
  """

  input: Input
  schema: Schema
  values: np.ndarray
  std: np.ndarray | None
  vectors: np.ndarray | None = None
  nodes: Ragged | None = None
  weights: Ragged | None = None

  def sheet(self, wanted: Wanted) -> Sheet:
    """Returns what is written of it."""
    results = dict(
      predictions.results_of(self.schema, self.values, std=self.std)
    )
    arrays = {
      "names": np.asarray(predictions.output_names(self.schema), str),
      "predictions": self.values.astype(np.float32),
    }
    if self.std is not None:
      arrays["std"] = self.std.astype(np.float32)
    vectors = {"embedding": self.vectors} if wanted.vectors else {}
    ragged = {"node_embeddings": self.nodes} if wanted.nodes else {}
    ragged |= {"weights": self.weights} if wanted.weights else {}
    return Sheet(self.input.keys, results, arrays, vectors, ragged)

  def drawings(self) -> tuple[Any, ...]:
    """Returns what `report.figures.molecules.write` takes."""
    first, column = next(
      predictions.results_of(self.schema, self.values, std=self.std)
    )
    rows, count = self.input.rows.tolist(), len(self.values)
    said = [x if isinstance(x, str) else f"{x:.3g}" for x in column.tolist()]
    captions = [
      f"row {row}: {first} {x}" for row, x in zip(rows, said, strict=True)
    ]
    weights = map(self.weights.row, range(count))
    return rows, self.input.smiles, weights, captions


def run(
  workdirs: str | Sequence[str],
  name: str,
  path: str,
  wanted: Wanted = PREDICTIONS,
  *,
  draws: bool = False,
  checkpoint: str = "best",
  smiles_column: str | None = None,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  say: Callable[[str], None] = print,
) -> Result:
  """Predicts for an input, and writes a file.

  Args:
    workdirs: Folders of runs, or their names with commas between.
    name: The input, see `open_input`.
    path: The file, see `sheets.write`.
    wanted: What it holds besides the predictions.
    draws: Whether the result is to be drawn: it has weights then.
    checkpoint: 'best' or 'latest'.
    smiles_column: The column of SMILES; None = as in training, or `smiles`.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    say: Takes a line about what was done.

  Returns:
    What was predicted.

  Raises:
    FileNotFoundError: There is no such folder, checkpoint or input.
    ValueError: The runs do not fit together or the input does not fit them,
      the readout has no weights, or the file is of no kind for what is wanted.
    OSError: The file cannot be written.
  """
  suffix = sheets.check_path(path)
  if wanted.nodes and suffix == ".csv":
    raise ValueError(
      f"{path}: a .csv file cannot hold the vectors of nodes; write .parquet"
      " or .npz"
    )
  check_writable(os.path.dirname(path) or ".")
  runs = ensemble.open_runs(workdirs, checkpoint)
  needed = wanted._replace(weights=wanted.weights or draws)
  _check_wanted(runs, needed)
  source = open_input(name, runs[0], smiles_column, data_dir, cache_dir)
  if draws and source.smiles is None:
    raise ValueError(
      f"{name} has no SMILES, which are needed to draw molecules"
    )
  _check_names(source, runs, wanted, path)
  began = time.monotonic()
  result, spent = predict(runs, source, needed)
  sheets.write(path, result.sheet(wanted))
  valid = int((~np.isnan(result.values)).all(axis=1).sum())
  seconds = time.monotonic() - began
  say(
    f"{path}: {counted(len(result.values), 'row')}, predictions for {valid:,},"
    f" in {seconds:.1f} s ({valid / max(seconds, 1e-9):,.0f}/s); {spent}"
  )
  return result


class Spent(NamedTuple):
  """Where the time went, in seconds of this process.

  Attributes:
    waiting: Time spent waiting for graphs, in seconds.
    compiling: Time spent compiling shapes, in seconds.
    computing: Time spent waiting for the device, in seconds.
    shapes: How many there were.
  """

  waiting: float
  compiling: float
  computing: float
  shapes: int

  def __str__(self) -> str:
    return (
      f"waited {self.waiting:.1f} s for the features, compiled"
      f" {counted(self.shapes, 'shape')} in {self.compiling:.1f} s, computed"
      f" {self.computing:.1f} s"
    )


def predict(
  runs: Sequence[Run], source: Input, wanted: Wanted = PREDICTIONS
) -> tuple[Result, Spent]:
  """Predicts for all graphs of an input.

  Args:
    runs: One, or those of an ensemble.
    source: From `open_input`; it can be read once.
    wanted: What is returned besides the predictions.

  Returns:
    The predictions, and where the time went.
  """
  forwards = _forwards(runs, source.schema, wanted)
  different = [*{id(forward): forward for forward in forwards}.values()]
  found = Collected(len(runs), source.num_graphs, wanted._asdict())
  is_cpu = jax.default_backend() == "cpu"
  shapes = Shapes(
    min(run.batch_size for run in runs),
    _NODES if is_cpu else _NODES_ELSEWHERE,
  )
  waiting: collections.deque = collections.deque()
  spent, done, clock = collections.Counter(), 0, time.monotonic()

  def lap(what: str) -> None:
    nonlocal clock
    now = time.monotonic()
    spent[what] += now - clock
    clock = now

  def fetch() -> None:
    job, outputs = waiting.popleft()
    found.add(job, jax.device_get(outputs))
    lap("computing")

  batches = prefetch(padded_batches(source.windows, shapes), _WINDOWS)
  kind = "molecule" if source.smiles is not None else "graph"
  with (
    contextlib.closing(batches),
    progress.counting(source.num_graphs, f"{kind}s") as show,
  ):
    for window in batches:
      lap("waiting")
      for job in window:
        for forward in different:
          forward.compile(job.budget, job.batch)
        lap("compiling")
        outputs = [
          forward(job.budget, run, job.batch)
          for forward, run in zip(forwards, runs, strict=True)
        ]
        lap("computing")
        waiting.append((job, outputs))
        if len(waiting) > _MAX_AHEAD:
          fetch()
        done += len(job.places)
        show(done)
    lap("waiting")
    while waiting:
      fetch()
  if (invalid := source.invalid(found.sizes)) is not None:
    logging.warning("%s: %s: left empty", source.name, invalid)
  schema = runs[0].schema
  result = Result(source, schema, **found.of_rows(source.codes, schema))
  count = sum(len(forward.shapes) for forward in different)
  names = ("waiting", "compiling", "computing")
  return result, Spent(*(spent[name] for name in names), count)


class _Forward:
  """A model's function, compiled once for each shape.

  Attributes:
    shapes: What is compiled.
  """

  def __init__(self, run: Run, schema: Schema, wanted: Wanted):
    """Prepares it.

    Args:
      run: One of those that share it.
      schema: Schema of the graphs.
      wanted: What it returns.
    """
    outputs = run.problem.outputs(schema)

    def forward(params, model_state, batch):
      output = outputs({}, params, model_state, batch)
      return {
        "logits": output.logits,
        **{k: getattr(output, k) for k, x in wanted._asdict().items() if x},
      }

    self._function, self._arrays = jax.jit(forward), run.arrays
    self.shapes: dict[Budget, Any] = {}

  def compile(self, budget: Budget, batch: jraph.GraphsTuple) -> None:
    """Makes sure that a shape is compiled."""
    if budget not in self.shapes:
      lowered = self._function.lower(*self._arrays, batch)
      self.shapes[budget] = lowered.compile()

  def __call__(
    self, budget: Budget, run: Run, batch: jraph.GraphsTuple
  ) -> Mapping[str, jax.Array]:
    """Starts to compute a batch of that shape."""
    return self.shapes[budget](*run.arrays, batch)


def _forwards(
  runs: Sequence[Run], schema: Schema, wanted: Wanted
) -> list[_Forward]:
  """Returns the function of each run; those of one model share it."""
  made: dict[str, _Forward] = {}
  found = []
  for run in runs:
    key = json.dumps(run.problem.config.model.to_dict(), sort_keys=True)
    if key not in made:
      made[key] = _Forward(run, schema, wanted)
    found.append(made[key])
  return found


def _check_wanted(runs: Sequence[Run], wanted: Wanted) -> None:
  """Raises ValueError for what the runs do not have."""
  if len(runs) > 1 and (wanted.vectors or wanted.nodes):
    raise ValueError(
      "an ensemble has no embeddings, as each run has its own; give a single"
      " --workdir"
    )
  if wanted.weights:
    for run in runs:
      ensemble.check_weighs(run)


def _check_names(
  source: Input, runs: Sequence[Run], wanted: Wanted, path: str
) -> None:
  """Raises ValueError if a column would be written twice, or not fit."""
  schema = runs[0].schema
  nothing = np.zeros((0, schema.num_outputs))
  std = nothing if len(runs) > 1 else None
  empty = Ragged(np.zeros(1, np.int64), np.zeros((0, 1)))
  made = Result(source, schema, nothing, std, nothing, empty, empty)
  _, results, arrays, vectors, ragged = made.sheet(wanted)
  taken = [*results, *vectors, *ragged]
  if sheets.check_path(path) == ".npz":
    taken = [*arrays, *vectors, *ragged, *(["offsets"] if ragged else [])]
  for name in taken:
    if name in source.keys:
      raise ValueError(
        f"{source.name} already has a column {brief(name, 80)!r}, which {path}"
        " would then have twice: rename it"
      )
  sheets.check_keys(path, source.keys)
