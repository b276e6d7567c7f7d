"""Jobs on a cluster: a job array of Slurm, watched until all are done.

Slurm is asked by its commands (sbatch, squeue, scancel) and decides what runs
where. The array outlives the process that watches it: who runs the same jobs
next finds it by its name and watches on. A task that ends incomplete, by a time
limit or a failure, is submitted again; one that is preempted is requeued by
Slurm itself, and resumes from its checkpoint either way.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console

from gnn_readout.files import atomic_write_text, naming
from gnn_readout.runs import settings
from gnn_readout.runs.progress import ProgressLine
from gnn_readout.runs.signals import stop_signals
from gnn_readout.sweeps.jobs import LOG, Hooks, Job, Ledger, Outcome
from gnn_readout.wording import counted

_POLL_SECONDS = 5.0
_FOLDER = "slurm"  # Of the scripts, in the folder of the sweep.


class Options(NamedTuple):
  """How the tasks are submitted; what is None is left to the cluster.

  Attributes:
    partition: Partition, such as 'gpu'.
    time: The limit of one task, in a form that sbatch takes: '60' (minutes),
      '12:00:00', '2-00:00:00'.
    gres: What each task needs besides cores, such as 'gpu:1'.
    max_running: So many tasks run at a time; 0: as many as Slurm will.
    more: Further options of sbatch, such as '--mem=16G'.
  """

  partition: str | None = None
  time: str | None = None
  gres: str | None = None
  max_running: int = 0
  more: Sequence[str] = ()

  def words(self) -> list[str]:
    """Returns the options of sbatch."""
    values = {
      "partition": self.partition,
      "time": self.time,
      "gres": self.gres,
    }
    return [f"--{k}={v}" for k, v in values.items() if v] + [*self.more]


class _Task(NamedTuple):
  """A job that Slurm has: the step it starts from and restarts before it."""

  job: Job
  step: int
  restarts: int


def run_jobs(
  jobs: Sequence[Job], hooks: Hooks, options: Options, folder: pathlib.Path
) -> Outcome:
  """Runs jobs as an array of Slurm and shows how far they are.

  SIGTERM and Ctrl-C cancel the tasks, which save, and wait for their end. When
  the terminal is closed or this process killed, the tasks stay with Slurm.

  Args:
    jobs: Jobs in the order to start them, in folders that all nodes see.
    hooks: What is asked about each.
    options: How they are submitted.
    folder: Folder of the sweep, which all nodes see. The scripts lie in it, and
      the tasks are called after it.

  Raises:
    ValueError: If Slurm does not answer at first, or refuses the tasks.
    OSError: If a folder cannot be written.
  """
  console = Console()
  separator = "\n" if console.is_terminal else " | "
  with stop_signals() as stop, ProgressLine(len(jobs), console) as line:
    ledger = Ledger(len(jobs), hooks, line.say)
    array = _Array(jobs, hooks, options, folder, ledger, line.say)
    while array.waiting or array.tasks:
      if not stop:
        array.submit_waiting()
      elif stop[0] == signal.SIGHUP.name:
        line.say(f"{stop[0]}: stopped watching; the runs continue in Slurm")
        break
      elif not array.is_stopping:
        running = counted(len(array.tasks), "run")
        line.say(f"{stop[0]}: waiting for {running} to save")
        array.cancel()
      line.show(ledger.num_ended, lambda: separator.join(array.describe()))
      _sleep(stop, array.is_stopping)
      array.poll()
  return Outcome(ledger.done, ledger.failed, stop[0] if stop else "")


def _sleep(stop: Sequence[str], is_stopping: bool) -> None:
  """Waits until it is time to ask again, or a signal comes."""
  end = time.monotonic() + _POLL_SECONDS
  while time.monotonic() < end and not (stop and not is_stopping):
    time.sleep(min(0.1, _POLL_SECONDS))


class _Array:
  """The jobs that wait to be submitted, and those that Slurm has."""

  def __init__(self, jobs, hooks, options, folder, ledger, say):
    self._hooks, self._options, self._ledger = hooks, options, ledger
    self._folder, self._say = folder.resolve() / _FOLDER, say
    digest = hashlib.sha256(str(self._folder).encode()).hexdigest()[:8]
    self._name = f"gnn_readout-{folder.resolve().name}-{digest}"
    self._states: dict[str, str] = {}  # By name of a job.
    self._gone: set[str] = set()  # Missing when Slurm was last asked.
    self.is_stopping = False
    self.tasks: dict[str, _Task] = {}
    self.waiting: list[_Task] = []
    queued = self._adopt()
    for job in jobs:
      if job.name in queued:
        self.tasks[job.name] = _Task(job, queued[job.name], 0)
      else:
        self._wait(job, 0)
    if self.tasks:
      say(f"{counted(len(self.tasks), 'run')} already submitted to Slurm")

  def submit_waiting(self) -> None:
    """Submits what waits: all at once, or later what there is room for."""
    most = self._options.max_running
    # Slurm limits the tasks of one array; those of a later one start as there
    # is room beside the first.
    if self.tasks and most:
      count = max(most - len(self.tasks), 0)
    else:
      count = len(self.waiting)
    batch, self.waiting = self.waiting[:count], self.waiting[count:]
    batch = [task for task in batch if not self._ledger.is_done(task.job)]
    if batch:
      self._submit(batch)

  def poll(self) -> None:
    """Asks Slurm what it has; takes note of the tasks that have ended."""
    try:
      self._states = self._ask()
    except ValueError as error:  # It may be back later.
      self._say(f"{error}; asking again")
      return
    missing = set(self.tasks) - set(self._states)
    # Asked twice, the files of a run have come from its node by now.
    for name in sorted(missing & self._gone):
      task = self.tasks.pop(name)
      if not self._ledger.is_done(task.job) and not self.is_stopping:
        self._retry(task)
    self._gone = missing & set(self.tasks)

  def cancel(self) -> None:
    """Asks all tasks to save and end."""
    self.is_stopping = True
    self.waiting = []
    if self.tasks:
      _call("scancel", f"--name={self._name}", f"--user={os.getuid()}")

  def describe(self) -> list[str]:
    """Returns counts and, for each running job, what its log ends with."""
    running = [
      task.job
      for name, task in self.tasks.items()
      if self._states.get(name) == "RUNNING"
    ]
    first, *rows = self._ledger.describe(running)
    pending = len(self.tasks) - len(running) + len(self.waiting)
    return [f"{first}  {len(running)} running, {pending} waiting", *rows]

  def _retry(self, task: _Task) -> None:
    how, limit = "it ended", self._options.time
    if self._hooks.saved_step(task.job) <= task.step:
      how += " without a new checkpoint"
      how += f" within --slurm.time={limit}" * bool(limit)
    restarts = self._ledger.restart(*task, how)
    if restarts is not None:
      self._wait(task.job, restarts)

  def _wait(self, job: Job, restarts: int) -> None:
    """Puts a job among those to be submitted."""
    with naming(job.folder):
      job.folder.mkdir(parents=True, exist_ok=True)
    self.waiting.append(_Task(job, self._hooks.saved_step(job), restarts))

  def _submit(self, batch: Sequence[_Task]) -> None:
    """Writes the scripts of some tasks and hands them to Slurm."""
    numbers = [int(x.name) for x in self._folder.glob("*") if x.name.isdigit()]
    folder = self._folder / str(max(numbers, default=-1) + 1)
    with naming(folder):
      folder.mkdir(parents=True)
    for i, task in enumerate(batch):
      log = shlex.quote(str(task.job.folder.resolve() / LOG))
      script = f"exec {shlex.join(task.job.command)} >> {log} 2>&1\n"
      atomic_write_text(folder / f"{i}.sh", script)
    here = shlex.quote(str(folder))
    script = f'#!/bin/sh\nexec sh {here}/"$SLURM_ARRAY_TASK_ID".sh\n'
    atomic_write_text(folder / "array.sh", script)
    # Written before they are submitted: whoever finds them can name them.
    jobs = {task.job.name: task.step for task in batch}
    atomic_write_text(folder / "jobs.json", json.dumps(jobs) + "\n")
    most = self._options.max_running
    throttle = f"%{most}" * bool(most)
    _call(
      "sbatch",
      f"--job-name={self._name}",
      f"--comment={folder.name}",
      f"--array=0-{len(batch) - 1}{throttle}",
      f"--output={folder}/%a.out",
      "--open-mode=append",
      "--requeue",
      *self._options.words(),
      str(folder / "array.sh"),
    )
    self.tasks |= {task.job.name: task for task in batch}

  def _adopt(self) -> dict[str, int]:
    """Returns, by name, the first steps of the jobs that Slurm has already."""
    names = self._ask()
    steps = {}
    for path in self._folder.glob("*/jobs.json"):
      steps |= settings.read_json(path)
    return {name: steps[name] for name in names}

  def _ask(self) -> dict[str, str]:
    """Returns the states of the tasks that Slurm has, by name of the job."""
    rows = _call(
      "squeue",
      "--noheader",
      "--array",
      f"--name={self._name}",
      f"--user={os.getuid()}",
      "--format=%k|%K|%T",
    )
    states = {}
    for row in rows.split():
      batch, index, state = row.split("|")
      jobs = settings.read_json(self._folder / batch / "jobs.json")
      states[[*jobs][int(index)]] = state
    return states


def _call(command: str, *words: str) -> str:
  """Returns what a command of Slurm prints.

  Raises:
    ValueError: If the command is not there or fails.
  """
  try:
    done = subprocess.run(
      [command, *words], capture_output=True, text=True, check=False
    )
  except FileNotFoundError:
    raise ValueError(
      f"{command}: not found; --cluster=slurm needs Slurm's commands on this"
      " machine, and --print_commands prints the runs for any other launcher"
    ) from None
  if done.returncode:
    said = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
    raise ValueError(f"{command}: {said.removeprefix(f'{command}: ')}")
  return done.stdout
