"""Commands run side by side, each in a folder of its own, until all are done.

A command that dies is started again and is expected to resume where it was. Its
folder is locked from before it starts until it has ended, by the command itself
and not by this process: when this process is killed, its commands are asked to
stop, and who runs the same commands next waits for each of them to be gone. A
command that takes the lock by `locks.hold` finds that it has it.
"""

from __future__ import annotations

import collections
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from rich.console import Console

from gnn_readout.files import naming
from gnn_readout.runs import devices, locks
from gnn_readout.runs.progress import ProgressLine
from gnn_readout.runs.signals import stop_signals
from gnn_readout.sweeps.jobs import LOG, Hooks, Job, Ledger, Outcome
from gnn_readout.wording import counted

_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1  # Of Linux's prctl.


def run_jobs(
  jobs: Sequence[Job], hooks: Hooks, num_workers: int = 1
) -> Outcome:
  """Runs jobs on this machine and shows how far they are.

  A job that ends incomplete is started again, at most `MAX_RESTARTS` times in a
  row without a later checkpoint. A signal to stop is handed on to the commands,
  as SIGTERM, and their end is waited for.

  Args:
    jobs: Jobs in the order to start them.
    hooks: What is asked about each.
    num_workers: How many run at a time.

  Raises:
    OSError: If a folder cannot be written or a command cannot be started.
  """
  console = Console()
  separator = "\n" if console.is_terminal else " | "
  with stop_signals() as stop, ProgressLine(len(jobs), console) as line:
    ledger = Ledger(len(jobs), hooks, line.say)
    pool = _Pool(jobs, num_workers, hooks, ledger, line.say)
    try:
      while pool.running or (pool.waiting and not stop):
        if not stop:
          pool.start_all()
        elif not pool.is_stopping:
          running = counted(len(pool.running), "run")
          line.say(f"{stop[0]}: waiting for {running} to save")
          pool.stop()
        pool.reap()
        line.show(ledger.num_ended, lambda: separator.join(pool.describe()))
        time.sleep(_POLL_SECONDS)
    finally:
      # After an error or a second signal: nothing is left running.
      pool.stop()
      for attempt in pool.running.values():
        attempt.process.wait()
  return Outcome(ledger.done, ledger.failed, stop[0] if stop else "")


class _Attempt(NamedTuple):
  """A running command, the step it started from and restarts before it."""

  job: Job
  process: subprocess.Popen
  step: int
  restarts: int


class _Pool:
  """The jobs that wait and run."""

  def __init__(self, jobs, num_workers, hooks, ledger, say):
    self._hooks, self._ledger, self._say = hooks, ledger, say
    self._cores = devices.shares_of_cores(num_workers)
    self._told: set[str] = set()
    self.waiting = collections.deque(jobs)
    self.running: dict[int, _Attempt] = {}  # By worker.
    self.is_stopping = False

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
      if not self._ledger.is_done(attempt.job) and not self.is_stopping:
        self._retry(worker, attempt, code)

  def stop(self) -> None:
    """Asks all commands to save and end; a second time, to end at once."""
    self.is_stopping = True
    for attempt in self.running.values():
      attempt.process.terminate()

  def describe(self) -> list[str]:
    """Returns counts and, for each running job, what its log ends with."""
    return self._ledger.describe(x.job for x in self.running.values())

  def _start(self, worker: int, job: Job, restarts: int = 0) -> bool:
    """Starts a job; returns whether its folder was free to do so."""
    with naming(job.folder):
      job.folder.mkdir(parents=True, exist_ok=True)
    lock = locks.try_lock(job.folder)
    if lock is None:
      if job.name not in self._told:
        self._told.add(job.name)
        owner = locks.holder(job.folder)
        self._say(
          f"{job.name}: waiting until {owner} has finished in {job.folder}"
        )
      return False
    try:
      # Whoever had the lock before may have completed it.
      if self._ledger.is_done(job):
        return True
      step = self._hooks.saved_step(job)
      process = _spawn(job, lock, self._cores[worker])
      locks.sign(lock, process.pid)
    finally:
      os.close(lock)  # The command has it open.
    self.running[worker] = _Attempt(job, process, step, restarts)
    return True

  def _retry(self, worker: int, attempt: _Attempt, code: int) -> None:
    how = f"exit status {code}"
    if code < 0:
      how = f"killed by {signal.Signals(-code).name}"
    job, step, before = attempt.job, attempt.step, attempt.restarts
    restarts = self._ledger.restart(job, step, before, how)
    if restarts is not None and not self._start(worker, job, restarts):
      # A child of the command outlives it; the restarts are counted anew.
      self.waiting.append(job)


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
