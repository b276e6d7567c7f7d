"""Jobs of a sweep and what becomes of them, on whatever machine they run.

A job is a command with a folder of its own. It may be stopped at any moment and
is expected to resume where it was when it is started again.
"""

from __future__ import annotations

import os
import pathlib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gnn_readout.runs.progress import duration

LOG = "log.txt"
MAX_RESTARTS = 2  # In a row without a later checkpoint.


class Job(NamedTuple):
  """A command to run.

  Attributes:
    name: What it is called in messages.
    command: Words of the command line.
    folder: Where its log and its lock are; made if need be.
  """

  name: str
  command: Sequence[str]
  folder: pathlib.Path


class Hooks(NamedTuple):
  """What is asked about a job, and told.

  Attributes:
    is_complete: Whether a job, which is not running, needs no more running.
    saved_step: The step that a job would resume from.
    on_complete: Called for each job that is complete.
  """

  is_complete: Callable[[Job], bool]
  saved_step: Callable[[Job], int]
  on_complete: Callable[[Job], None] = lambda job: None


class Outcome(NamedTuple):
  """What became of the jobs.

  Attributes:
    done: Names of the jobs that are complete.
    failed: Why a job was given up, by its name.
    signal: The name of the signal that stopped the rest, or ''.
  """

  done: list[str]
  failed: dict[str, str]
  signal: str


# Runs jobs until each is complete or has failed, or a signal came.
Engine = Callable[[Sequence[Job], Hooks], Outcome]


class Ledger:
  """Keeps account of which jobs are done and which have failed.

  Attributes:
    done: Names of the jobs that are complete, in the order of their ends.
    failed: Why a job was given up, by its name.
  """

  def __init__(
    self, num_jobs: int, hooks: Hooks, say: Callable[[str], None]
  ) -> None:
    """Starts with no job ended.

    Args:
      num_jobs: How many there are.
      hooks: What is asked about each.
      say: Takes a line for the user.
    """
    self._num_jobs, self._hooks, self._say = num_jobs, hooks, say
    self._began = time.monotonic()
    self.done: list[str] = []
    self.failed: dict[str, str] = {}

  @property
  def num_ended(self) -> int:
    """Jobs that are done or have failed."""
    return len(self.done) + len(self.failed)

  def is_done(self, job: Job) -> bool:
    """Whether a job that is not running is complete; takes note if it is."""
    if not self._hooks.is_complete(job):
      return False
    self._hooks.on_complete(job)
    self.done.append(job.name)
    self._say(f"done    {job.name}  {last_line(job.folder / LOG)}")
    return True

  def restart(self, job: Job, step: int, restarts: int, how: str) -> int | None:
    """Decides whether a job that ended incomplete is started again.

    Args:
      job: The job.
      step: The saved step that it was started from.
      restarts: Number of restarts in a row before, without a later checkpoint.
      how: The way it ended, such as 'exit status 1'.

    Returns:
      The restarts in a row with the one to come, or None if it has failed.
    """
    saved = self._hooks.saved_step(job)
    why = "; ".join(filter(None, [how, last_line(job.folder / LOG)]))
    restarts = 0 if saved > step else restarts
    if restarts == MAX_RESTARTS:
      self.failed[job.name] = why
      self._say(f"failed  {job.name}  {why}")
      return None
    self._say(f"again   {job.name}  from step {saved}, after {why}")
    return restarts + 1

  def describe(self, running: Iterable[Job]) -> list[str]:
    """Returns counts and, for each running job, what its log ends with."""
    words = (
      f"{len(self.done)} of {self._num_jobs} done, {len(self.failed)} failed"
    )
    if self.num_ended:
      seconds = (time.monotonic() - self._began) / self.num_ended
      left = duration(seconds * (self._num_jobs - self.num_ended))
      words += f"  ETA {left}"
    rows = [f"{brief(last_line(x.folder / LOG))}  {x.name}" for x in running]
    return [words, *rows]


def last_line(path: str | os.PathLike[str]) -> str:
  """Returns the last line of a text file that is not empty, or ''."""
  try:
    with open(path, "rb") as file:
      file.seek(max(os.fstat(file.fileno()).st_size - 4096, 0))
      lines = file.read().decode(errors="replace").split("\n")
  except FileNotFoundError:
    return ""
  return next((x.strip() for x in reversed(lines) if x.strip()), "")


def brief(line: str) -> str:
  """Returns step and ETA of a line of progress, all of any other line."""
  words = [x for x in line.split("  ") if x.startswith(("step ", "ETA "))]
  return "  ".join(words) or line
