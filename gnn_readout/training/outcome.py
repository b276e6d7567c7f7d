"""The progress line of a program, and the test results of its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import haiku as hk
import numpy as np

from gnn_readout.runs import processes, settings
from gnn_readout.runs.progress import duration
from gnn_readout.tasks.base import Scores
from gnn_readout.training.history import History
from gnn_readout.training.program import Program
from gnn_readout.wording import counted


def status(
  program: Program, histories: Sequence[History], seconds: float
) -> str:
  """Returns a line: how far members are, how good, how fast, how long yet.

  Args:
    program: Program of the members.
    histories: Theirs.
    seconds: Wall time of all members together.
  """
  words = [f"step {program.step:,}/{program.num_steps:,}"]
  going = [history for history in histories if not history.failure]
  if losses := sorted(h.train[-1][1] for h in going if h.train):
    words.append(f"loss {losses[len(losses) // 2]:.4g}")
  if bests := sorted(h.best["valid"] for h in going if h.best):
    scored = f"valid {program.problems[0].metric}"
    if len(histories) == 1:
      now = going[0].valid[-1][1]
      words.append(f"{scored} {now:.4g} (best {bests[0]:.4g})")
    else:
      words.append(f"best {scored} {bests[0]:.4g} to {bests[-1]:.4g}")
  if speed := program.graphs_per_second:
    words.append(f"{speed:,.0f} graphs/s")
  else:
    words.append(f"{program.steps_per_second:,.1f} steps/s")
  left = seconds / max(program.step, 1) * (program.num_steps - program.step)
  return "  ".join([*words, f"ETA {duration(left)}"])


def facts(
  program: Program,
  m: int,
  history: History,
  scores: dict[str, Scores] | ValueError,
  best_params: hk.Params,
  seconds: float,
) -> dict[str, Any]:
  """Returns what the record of a member says, but for what any record says.

  Args:
    program: Program at its end.
    m: Which of its members.
    history: The member's.
    scores: Scores of its best state, of 'test'.
    best_params: The parameters of its best state.
    seconds: Wall time of all members together.

  Raises:
    ValueError: If the best state cannot be scored.
  """
  problem, size = program.problems[m], program.num_members
  fields = settings.without_folder(settings.as_json(problem.config))
  test = _test(problem.metric, history, scores)
  padding = None
  if program.padded[m].any():
    empty = 1 - program.real[m] / np.maximum(program.padded[m], 1)
    names = ("graphs", "nodes", "edges")
    padding = dict(zip(names, empty.tolist(), strict=True))
  return {
    "kind": "run",
    "problem": problem.name,
    "config": fields,
    "config_hash": settings.config_hash(fields),
    "seed": problem.config.seed,
    **problem.facts(),
    "num_parameters": program.num_parameters,
    "steps": program.num_steps,
    "curves": {
      "train": history.train,
      "valid": history.valid,
      "diagnostics": history.diagnostics,
    },
    "best": history.best,
    "test": test,
    "lower_is_better": problem.lower_is_better,
    "failure": history.failure,
    **({"restarts": history.restarts} if history.restarts else {}),
    **_stop(history, program.num_steps),
    # All members train at once: a member's share of the time, and the speed
    # of all of them.
    "wall_seconds": seconds / size,
    "steps_per_second": size * program.steps_per_second,
    "graphs_per_second": program.graphs_per_second or None,
    "num_members": size,
    "num_devices": program.mesh.size,
    "num_processes": processes.count(),
    "num_hosts": processes.num_hosts(),
    "padding": padding,
    "num_compiled_shapes": len(program.shapes) or None,
    "describe": problem.describe_params(best_params) if test else {},
    "note": problem.config.note,
  }


def scored(
  metric: str, values: Mapping[str, float], details: Mapping[str, Any]
) -> str:
  """Returns scores, each beside that of a constant prediction where known.

  Args:
    metric: The one that counts; it comes first.
    values: Values by metric.
    details: Details as in `Scores`, or what a record has of them.

  Returns:
    Such as 'rocauc 0.7298 (constant 0.5), ap 0.31 (constant 0.06), over 12
    tasks'.
  """
  constants = details.get("constant_scores", {})
  names = [metric, *(name for name in constants if name != metric)]
  words = []
  for name in names:
    constant = f" (constant {constants[name]:.5g})" if name in constants else ""
    words.append(f"{name} {values[name]:.5g}{constant}")
  if count := details.get("num_tasks_scored"):
    words.append(f"over {counted(count, 'task')}")
  return ", ".join(words)


def summary(name: str, record: dict[str, Any]) -> str:
  """Returns a line that says how a member did.

  Args:
    name: Name of the member; empty if it is alone.
    record: Its record.
  """
  words, test = [], record["test"]
  if test:
    words.append(
      f"test {scored(test['metric'], test['scores'], test)}, at step"
      f" {test['step']}, the best on valid ({record['best']['valid']:.5g})"
    )
  words += filter(None, [record["failure"]])
  return ": ".join(filter(None, [name, "; ".join(words)]))


def _stop(history: History, num_steps: int) -> dict[str, int]:
  """Returns at which step a member's patience ended, if it did."""
  if history.failure or not history.valid:
    return {}
  last = int(history.valid[-1][0])
  return {"stopped_at": last} if last < num_steps else {}


def _test(
  metric: str, history: History, scores: dict[str, Scores] | ValueError
) -> dict[str, Any] | None:
  """Returns the test at the best step, None for a member that has none."""
  if not history.best:
    return None
  if isinstance(scores, ValueError):
    raise scores
  return {
    "metric": metric,
    "value": scores["test"].values[metric],
    "step": int(history.best["step"]),
    "scores": scores["test"].values,
    **scores["test"].details,
  }
