"""Commands run side by side, each in a folder of its own, until all are done.

A command that dies is started again and is expected to go on where it was. Its
folder is locked from before it starts until it has ended, by the command itself
and not by this process: when this process is killed, its commands are asked to
stop, and who runs the same commands next waits for each of them to be gone. A
command that takes the lock by `locks.hold` finds that it has it.
"""

from __future__ import annotations

import collections
import ctypes
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Console

from gnn_readout.files import naming
from gnn_readout.runs import devices, locks
from gnn_readout.runs.progress import ProgressLine, duration
from gnn_readout.runs.signals import stop_signals
from gnn_readout.wording import counted

LOG = "log.txt"
MAX_RESTARTS = 2  # In a row without a later checkpoint.

_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1  # Of Linux's prctl.


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


class Outcome(NamedTuple):
  """What became of the jobs.

  Attributes:
    done: Names of the jobs that are complete.
    failed: By name of a job that was given up, why.
    signal: The name of the signal that stopped the rest, or ''.
  """

  done: list[str]
  failed: dict[str, str]
  signal: str


def run_jobs(
  jobs: Sequence[Job],
  num_workers: int,
  is_complete: Callable[[Job], bool],
  saved_step: Callable[[Job], int],
  on_complete: Callable[[Job], None] = lambda job: None,
) -> Outcome:
  """Runs jobs and shows how far they are.

  A job that ends incomplete is started again, at most `MAX_RESTARTS` times in a
  row without a later checkpoint. A signal to stop is handed on to the commands,
  as SIGTERM, and their end is waited for.

  Args:
    jobs: In the order to start them.
    num_workers: How many run at a time.
    is_complete: Whether a job, which is not running, needs no more running.
    saved_step: The step that a job would go on from.
    on_complete: Called for each job that is complete.

  Raises:
    OSError: If a folder cannot be written or a command cannot be started.
  """
  console = Console()
  separator = "\n" if console.is_terminal else " | "
  with stop_signals() as stop, ProgressLine(len(jobs), console) as line:
    pool = _Pool(
      jobs, num_workers, is_complete, saved_step, on_complete, line.say
    )
    try:
      while pool.running or (pool.waiting and not stop):
        if not stop:
          pool.start_all()
        elif not pool.is_stopping:
          running = counted(len(pool.running), "run")
          line.say(f"{stop[0]}: waiting for {running} to save")
          pool.stop()
        pool.reap()
        line.show(pool.num_ended, lambda: separator.join(pool.describe()))
        time.sleep(_POLL_SECONDS)
    finally:
      # After an error or a second signal: nothing is left running.
      pool.stop()
      for attempt in pool.running.values():
        attempt.process.wait()
  return Outcome(pool.done, pool.failed, stop[0] if stop else "")


class _Attempt(NamedTuple):
  """A running command, the step it started from and restarts before it."""

  job: Job
  process: subprocess.Popen
  step: int
  restarts: int


class _Pool:
  """The jobs that wait, run and have ended."""

  def __init__(
    self, jobs, num_workers, is_complete, saved_step, on_complete, say
  ):
    self._is_complete, self._saved_step = is_complete, saved_step
    self._on_complete, self._say = on_complete, say
    self._num_jobs = len(jobs)
    self._cores = devices.shares_of_cores(num_workers)
    self._told: set[str] = set()
    self._began = time.monotonic()
    self.waiting = collections.deque(jobs)
    self.running: dict[int, _Attempt] = {}  # By worker.
    self.done: list[str] = []
    self.failed: dict[str, str] = {}
    self.is_stopping = False

  @property
  def num_ended(self) -> int:
    return len(self.done) + len(self.failed)

  def start_all(self) -> None:
    """Gives every idle worker a job whose folder is free, if there is one."""
    for worker in range(len(self._cores)):
      if worker in self.running:
        continue
      for _ in range(len(self.waiting)):
        job = self.waiting.popleft()
        if self._start(worker, job):
          break
        self.waiting.append(job)

  def reap(self) -> None:
    """Takes note of the commands that have ended; restarts those that may."""
    for worker, attempt in list(self.running.items()):
      code = attempt.process.poll()
      if code is None:
        continue
      del self.running[worker]
      job = attempt.job
      if self._is_complete(job):
        self._complete(job)
      elif not self.is_stopping:
        self._retry(worker, attempt, code)

  def stop(self) -> None:
    """Asks all commands to save and end; a second time, to end at once."""
    self.is_stopping = True
    for attempt in self.running.values():
      attempt.process.terminate()

  def describe(self) -> list[str]:
    """Returns counts and, for each running job, what its log ends with."""
    words = (
      f"{len(self.done)} of {self._num_jobs} done, {len(self.failed)} failed"
    )
    if self.num_ended:
      seconds = (time.monotonic() - self._began) / self.num_ended
      left = duration(seconds * (self._num_jobs - self.num_ended))
      words += f"  ETA {left}"
    rows = [
      f"{brief(last_line(attempt.job.folder / LOG))}  {attempt.job.name}"
      for attempt in self.running.values()
    ]
    return [words, *rows]

  def _start(self, worker: int, job: Job, restarts: int = 0) -> bool:
    """Starts a job; returns whether its folder was free to do so."""
    with naming(job.folder):
      job.folder.mkdir(parents=True, exist_ok=True)
    lock = locks.try_lock(job.folder)
    if lock is None:
      if job.name not in self._told:
        self._told.add(job.name)
        owner = locks.holder(job.folder)
        self._say(f"{job.name}: waiting for {owner} to leave {job.folder}")
      return False
    try:
      # Whoever had the lock before may have completed it.
      if self._is_complete(job):
        self._complete(job)
        return True
      step = self._saved_step(job)
      process = _spawn(job, lock, self._cores[worker])
      locks.sign(lock, process.pid)
    finally:
      os.close(lock)  # The command has it open.
    self.running[worker] = _Attempt(job, process, step, restarts)
    return True

  def _complete(self, job: Job) -> None:
    self._on_complete(job)
    self.done.append(job.name)
    self._say(f"done    {job.name}  {last_line(job.folder / LOG)}")

  def _retry(self, worker: int, attempt: _Attempt, code: int) -> None:
    job, step = attempt.job, self._saved_step(attempt.job)
    how = f"exit status {code}"
    if code < 0:
      how = f"killed by {signal.Signals(-code).name}"
    why = f"{how}; {last_line(job.folder / LOG)}"
    restarts = 0 if step > attempt.step else attempt.restarts
    if restarts == MAX_RESTARTS:
      self.failed[job.name] = why
      self._say(f"failed  {job.name}  {why}")
      return
    self._say(f"again   {job.name}  from step {step}, after {why}")
    if not self._start(worker, job, restarts + 1):
      # A child of the command outlives it; the restarts are counted anew.
      self.waiting.append(job)


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


def _spawn(job: Job, lock: int, cores: set[int]) -> subprocess.Popen:
  """Starts a command that holds `lock` and does not outlive this process."""
  with open(job.folder / LOG, "ab") as file:
    return subprocess.Popen(
      job.command,
      env={**os.environ, locks.INHERITED: str(lock)},
      stdin=subprocess.DEVNULL,
      stdout=file,
      stderr=file,
      pass_fds=[lock],
      # Ctrl-C is for this process, which tells the commands once.
      process_group=0,
      preexec_fn=_preparation(cores),
    )


def _preparation(cores: set[int]) -> Callable[[], None]:
  """Returns what a child does between fork and exec."""
  parent = os.getpid()
  on_linux = sys.platform == "linux"
  prctl = ctypes.CDLL(None).prctl if on_linux else None

  def prepare() -> None:
    # A signal that came to this process's handler before exec would be lost.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if prctl is not None:
      prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
      if os.getppid() != parent:  # It died before it was asked for.
        os._exit(1)
    if cores:
      os.sched_setaffinity(0, cores)

  return prepare
