"""What a sweep will take, from the time of a few training steps of its own."""

from __future__ import annotations

import contextlib
import heapq
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
from ml_collections import ConfigDict
from rich.console import Console
from rich.table import Table

from gnn_readout import tasks
from gnn_readout.config_fields import LENGTHS
from gnn_readout.records import NON_RESULT_FIELDS
from gnn_readout.runs import devices
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.sweeps import run_spec
from gnn_readout.sweeps.run_spec import RunSpec, State
from gnn_readout.tasks import Problem
from gnn_readout.training import members
from gnn_readout.training.program import Program, group_by_program
from gnn_readout.wording import counted

_NUM_BATCHES = 8  # Enough to hold the shapes about as often as an epoch does.
_MIN_PASSES = 3
_MIN_SECONDS = 1.0
# What decides how many steps a run has, but not how long one takes.
_NOT_OF_A_STEP = (*LENGTHS, *NON_RESULT_FIELDS, "eval_every", "num_eval_sets")

# What decides the time of a step, and the members that make it together.
_Shape = tuple[str, int]


class Cost(NamedTuple):
  """What was measured of one program.

  Attributes:
    num_steps: Number of steps of a whole run.
    seconds: Time of a training step in seconds; the median, since others use
      the machine too.
    measured: Steps that were timed.
  """

  num_steps: int
  seconds: float
  measured: int


def print_plan(
  runs: Sequence[RunSpec],
  workdir: str | os.PathLike[str],
  num_workers: int = 1,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> None:
  """Prints how far every run is and the hours that the rest will take.

  What differs in nothing that a step takes is timed once, and told at once.
  Writes nothing but the cache of converted datasets.

  Args:
    runs: All runs of a sweep.
    workdir: The folder of the sweep; need not exist.
    num_workers: Processes at a time; the steps are timed on the cores that one
      of them will have.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.

  Raises:
    ValueError: If the folder holds runs of other configs, or a dataset is
      unknown, damaged or not fit for the config.
  """
  if any(run.config.get("population", "") for run in runs):
    devices.use_all_cores(num_workers)  # As the runs will.
  else:
    most = max((run.config.get("num_devices", 0) for run in runs), default=0)
    devices.use_cores(most, is_population=False, num_processes=1)
  states = [run_spec.state(run, workdir) for run in runs]
  costs: dict[int, Cost] = {}
  missing: dict[str, None] = {}  # In order.
  groups: dict[tuple[_Shape, ...], list[int]] = {}
  for i, (run, state) in enumerate(zip(runs, states, strict=True)):
    if not state.is_done:
      groups.setdefault(_shapes(run.config), []).append(i)
  known: dict[_Shape, Cost] = {}
  cores = devices.shares_of_cores(num_workers)[0]
  with ProgressLine(len(groups)) as line, _on_cores(cores):
    began = time.monotonic()
    for n, group in enumerate(groups.values()):
      first = runs[group[0]]
      try:
        for i in group:
          costs[i] = measure(runs[i].config, data_dir, cache_dir, known)
      except FileNotFoundError as error:
        missing[f"their dataset is missing: {error}"] = None
        continue
      cost = costs[group[0]]
      left = (time.monotonic() - began) / (n + 1) * (len(groups) - n - 1)
      line.say(
        f"{first.name}: {1e3 * cost.seconds:.1f} ms per step, over"
        f" {counted(cost.measured, 'step')} on {jax.default_backend()} "
        f" {n + 1} of {len(groups)}  ETA {duration(left)}"
      )
  _print_table(runs, states, costs)
  _print_total(states, costs, num_workers, cores)
  for reason in missing:
    print(f"no estimate for some runs: {reason}")


def measure(
  config: ConfigDict,
  data_dir: str | os.PathLike[str] | None = None,
  cache_dir: str | os.PathLike[str] | None = None,
  known: dict[_Shape, Cost] | None = None,
) -> Cost:
  """Times training steps on the first batches of a run.

  Compilation does not count.

  Args:
    config: Config of a run, of a population or of a task. A step of a
      population is one of all its members.
    data_dir: Where the datasets are.
    cache_dir: Where their converted columns are.
    known: What was timed for other runs; gets what is timed for this one.

  Raises:
    ValueError: If the dataset is unknown, damaged or not fit for the config.
    OSError: If the dataset is not there.
  """
  known = {} if known is None else known
  configs = members.expand(config.copy_and_resolve_references())
  # Before they are completed, as `_shapes` has them.
  keys = [members.program_key(each, _NOT_OF_A_STEP) for each in configs]
  problems = tasks.make_problems(configs, data_dir, cache_dir)
  costs = []
  for group in group_by_program(problems):
    shape = keys[group[0]], len(group)
    if shape not in known:
      known[shape] = _measure_program([problems[i] for i in group])
    num_steps = problems[group[0]].num_steps
    costs.append(known[shape]._replace(num_steps=num_steps))
  num_steps = sum(cost.num_steps for cost in costs)
  total = sum(cost.num_steps * cost.seconds for cost in costs)
  measured = sum(cost.measured for cost in costs)
  return Cost(num_steps, total / max(num_steps, 1), measured)


def _shapes(config: ConfigDict) -> tuple[_Shape, ...]:
  """Returns what decides the time of a step of each program of a run."""
  configs = members.expand(config)
  return tuple(
    (members.program_key(configs[group[0]], _NOT_OF_A_STEP), len(group))
    for group in members.group_by_program(configs)
  )


def _measure_program(problems: Sequence[Problem]) -> Cost:
  """Times passes of a few steps of all members, but for the first pass."""
  program = Program(problems)
  program.initialise()
  steps = _NUM_BATCHES if problems[0].functions().sample is None else 1
  times: list[float] = []
  program.advance(steps)
  while len(times) < _MIN_PASSES or sum(times) < _MIN_SECONDS:
    before = program.step_seconds  # It counts no compilation.
    program.advance(steps)
    times.append(program.step_seconds - before)
  program.close()
  seconds = statistics.median(times) / steps
  return Cost(program.num_steps, seconds, len(times) * steps)


def time_of_all(times: Sequence[float], num_workers: int) -> float:
  """Returns how long workers take that start a run whenever one is free.

  Args:
    times: Times of every run, in the order in which they are started.
    num_workers: How many run at a time.
  """
  free = [0.0] * num_workers
  for taken in times:
    heapq.heapreplace(free, free[0] + taken)
  return max(free)


@contextlib.contextmanager
def _on_cores(cores: set[int]) -> Iterator[None]:
  """Keeps this process to some cores; an empty set stands for all."""
  if not cores:
    yield
    return
  before = os.sched_getaffinity(0)
  os.sched_setaffinity(0, cores)
  try:
    yield
  finally:
    os.sched_setaffinity(0, before)


def _configured(config: ConfigDict) -> str:
  """Returns the length of a run as far as it is known without the data."""
  if config.get("num_epochs", 0) > 0:
    return counted(config.num_epochs, "epoch")
  return f"{config.num_steps:,}"


def _hours(cost: Cost, state: State) -> float:
  return max(cost.num_steps - state.step, 0) * cost.seconds / 3600


def _print_table(
  runs: Sequence[RunSpec],
  states: Sequence[State],
  costs: dict[int, Cost],
) -> None:
  table = Table("run", "state", box=None)
  for title in ("steps", "ms per step", "hours left"):
    table.add_column(title, justify="right")
  for i, (run, state) in enumerate(zip(runs, states, strict=True)):
    cells = [_configured(run.config), "", ""]
    if i in costs:
      cost = costs[i]
      cells = [f"{cost.num_steps:,}", f"{1e3 * cost.seconds:.1f}"]
      cells.append(f"{_hours(cost, state):.3g}")
    table.add_row(run.name, str(state), *cells)
  console = Console()
  console.width = console.width if console.is_terminal else 240
  console.print(table, highlight=False)


def _print_total(
  states: Sequence[State],
  costs: dict[int, Cost],
  num_workers: int,
  cores: set[int],
) -> None:
  rest = sum(not state.is_done for state in states)
  print(
    f"{counted(len(states), 'run')}, {len(states) - rest} done, {rest} to do"
  )
  if not costs:
    return
  hours = [_hours(costs[i], states[i]) for i in sorted(costs)]
  share = (
    f", each on {len(cores)} of {counted(os.cpu_count(), 'core')}"
    if cores
    else ""
  )
  print(
    f"{time_of_all(hours, num_workers):.3g} hours with"
    f" {counted(num_workers, 'worker')}{share} for the training steps of"
    f" {counted(len(costs), 'run')}; start-up, validation and testing take"
    " more"
  )
