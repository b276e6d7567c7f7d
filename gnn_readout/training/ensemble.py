"""Runs as they lie in their folders, opened to predict together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from gnn_readout import tasks
from gnn_readout.data import identity
from gnn_readout.data.building import build_store
from gnn_readout.data.store import GraphStore, Schema
from gnn_readout.errors import Damaged, brief
from gnn_readout.readouts import READOUTS
from gnn_readout.runs import checkpoints
from gnn_readout.tasks import GraphProperty
from gnn_readout.training import evaluation
from gnn_readout.training.predictions import output_names
from gnn_readout.training.program import Program
from gnn_readout.training.step import best_of


class Run(NamedTuple):
  """A checkpoint in memory, and the model that it is of.

  Attributes:
    workdir: The folder of the run.
    problem: What it learned, without its data.
    facts: What identifies these, see `identity`.
    params: The model's parameters.
    model_state: The model's running statistics, and the scale of the targets.
  """

  workdir: str
  problem: GraphProperty
  facts: identity.Facts
  params: Any
  model_state: Any

  @property
  def schema(self) -> Schema:
    """Schema of the dataset that the run was trained on."""
    return self.problem.schema

  @property
  def arrays(self) -> tuple[Any, Any]:
    """Parameters and state, the arguments of its function."""
    return self.params, self.model_state

  @property
  def batch_size(self) -> int:
    """Largest number of graphs in a batch."""
    return self.problem.config.eval_batch_size


def open_runs(
  workdirs: str | Sequence[str], checkpoint: str = "best"
) -> list[Run]:
  """Opens runs that predict together.

  Args:
    workdirs: Their folders, or their names with commas between.
    checkpoint: 'best' or 'latest'.

  Returns:
    They learned the same tasks from the same graphs; splits may differ.

  Raises:
    FileNotFoundError: A folder holds no run, or no such checkpoint.
    ValueError: A run is given twice, is damaged, of another version of this
      program, of another task or of a population, or the data differ.
  """
  if isinstance(workdirs, str):
    workdirs = split_folders(workdirs)
  known: dict[str, str] = {}
  for workdir in workdirs:
    path = os.path.realpath(workdir)
    if path in known:
      raise ValueError(
        f"{workdir} and {known[path]} are the same run, given twice"
      )
    known[path] = workdir
  runs = [open_run(workdir, checkpoint) for workdir in workdirs]
  for run in runs[1:]:
    _check_same(runs[0], run)
  return runs


def split_folders(text: str) -> list[str]:
  """Splits the names of folders at commas, but at none of a folder's name."""
  pieces, found, start = text.split(","), [], 0
  while start < len(pieces):
    end = next(
      (
        end
        for end in range(len(pieces), start, -1)
        if os.path.isdir(",".join(pieces[start:end]))
      ),
      start + 1,
    )
    found.append(",".join(pieces[start:end]))
    start = end
  return found


def open_run(workdir: str, checkpoint: str = "best") -> Run:
  """Opens the run in a folder; its dataset need not be there.

  Args:
    workdir: The folder.
    checkpoint: 'best' or 'latest'.

  Raises:
    FileNotFoundError: As `open_runs`.
    ValueError: As `open_runs`.
  """
  config = evaluation.read_config(workdir)
  task = tasks.task_name(config)
  if tasks.problem_class(config) is not GraphProperty:
    raise ValueError(
      f"{workdir} was trained on the task {task!r}, which draws its examples;"
      " there are no graphs to predict for"
    )
  try:
    meta = checkpoints.read_meta(workdir, checkpoint)
    if meta is None:
      folder = os.path.join(workdir, "checkpoints")
      raise FileNotFoundError(f"no checkpoint {checkpoint!r} in {folder}")
    problem = _problem(workdir, config, meta)
    program = Program([problem])
    like = program.shapes_of_arrays()
    like = like if checkpoint == "latest" else like["best"]
    saved = checkpoints.restore(workdir, checkpoint, like, problem.schema)
  except Damaged as error:
    instead = evaluation.INSTEAD[checkpoint]
    raise Damaged(f"{error}; {instead}") from error
  (facts,) = identity.of_checkpoint(saved.meta)
  state = saved.state
  best = best_of(state["state"]) if checkpoint == "latest" else state
  params, model_state = jax.tree.map(
    lambda x: np.asarray(x[0]), (best.params, best.model_state)
  )
  return Run(
    str(workdir), problem, facts, *jax.device_put((params, model_state))
  )


def check_weighs(run: Run) -> None:
  """Raises ValueError if the readout of a run has no weights of nodes."""
  outputs = run.problem.outputs(run.schema)
  found = jax.eval_shape(outputs, {}, *run.arrays, run.problem.example())
  if found.weights is None:
    name = run.problem.config.model.readout.name
    known = sorted(name for name, kind in READOUTS.items() if kind.weighs)
    raise ValueError(
      f"{run.workdir} has the readout {name!r}, which does not weigh nodes;"
      f" those that do are {', '.join(known)}"
    )


def _problem(workdir: str, config: Any, meta: dict[str, Any]) -> GraphProperty:
  """Returns what a run learned, on a dataset of one node."""
  try:
    return GraphProperty(config, _blank(Schema.from_json(meta["schema"])))
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise ValueError(
      f"{workdir} was trained by another version of this program, or its"
      f" config.json was changed: {brief(str(error), 300)}"
    ) from error


def _blank(schema: Schema) -> GraphStore:
  """Returns a dataset of one graph of one node, to have the shapes of."""
  none = np.zeros(0, np.int32)
  return build_store(
    schema,
    num_nodes=np.ones(1, np.int32),
    num_edges=np.zeros(1, np.int32),
    nodes=np.zeros((1, schema.node_dim)),
    edges=np.zeros((0, schema.edge_dim)),
    senders=none,
    receivers=none,
    labels=np.full((1, schema.num_tasks), np.nan),
    splits={"train": np.zeros(1, np.int32)},
  )


def _check_same(first: Run, other: Run) -> None:
  """Raises ValueError unless two runs learned the same from the same data."""
  differ = identity.differences(
    identity.without_splits(first.facts),
    identity.without_splits(other.facts),
    (f"in {first.workdir}", f"in {other.workdir}"),
  )
  outputs = [", ".join(output_names(run.schema)) for run in (first, other)]
  if outputs[0] != outputs[1] and not differ:
    places = zip(outputs, (first.workdir, other.workdir), strict=True)
    differ = ["outputs: " + ", ".join(f"{x} in {w}" for x, w in places)]
  if differ:
    raise ValueError(
      f"{first.workdir} and {other.workdir} cannot form an ensemble because"
      f" they were trained on different data: {'; '.join(differ)}"
    )
