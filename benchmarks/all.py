"""Every figure of speed that there is to be, each in a process of its own."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import recording, timing
from gnn_readout import programs
from gnn_readout.data import folders, packed, sources
from gnn_readout.errors import suggest
from gnn_readout.records import Record
from gnn_readout.report.results import speed
from gnn_readout.runs.progress import duration
from gnn_readout.wording import counted

DONE = ("measured", "there already")


class Job(NamedTuple):
  """A figure to be measured.

  Attributes:
    name: Key of `speed.FIGURES`.
    command: The words that measure it.
    seconds: What it took the last time on this device; None if unknown.
  """

  name: str
  command: list[str]
  seconds: float | None


def run(
  only: Sequence[str] = (),
  rounds: int = 5,
  records: str | None = None,
  despite_load: bool = False,
  data_dir: str | None = None,
  cache_dir: str | None = None,
) -> dict[str, Any]:
  """Measures all of `speed.FIGURES` whose records are not there.

  A record is there if it is of this device, code and versions and has as many
  rounds; called again, what is missing is measured.

  Args:
    only: Names of figures, if not all.
    rounds: Runs of each side.
    records: The folder of the records; None: none is read or written.
    despite_load: As `recording.measure` takes it.
    data_dir: As `gnn_readout.data.load` takes it.
    cache_dir: As `gnn_readout.data.load` takes it.

  Returns:
    In `rows`, what became of each.

  Raises:
    ValueError: If there is no such figure, or one was not measured.
  """
  names = _names(only)
  environment = _in_fresh_process(recording.environment)
  device = speed.device_of(environment)
  found = recording.benchmarks_in(records)
  outcome, jobs = {}, []
  for name in names:
    figure = speed.FIGURES[name]
    record = speed.find(found, figure.arguments, device)
    if lacking := [d for d in figure.datasets if not _is_there(d, data_dir)]:
      outcome[name] = f"skipped: {', '.join(lacking)} is not there"
    elif speed.is_measured(record, environment, rounds):
      outcome[name] = "there already"
    else:
      options = {"data_dir": data_dir, "cache_dir": cache_dir}
      options |= {"records": records, "rounds": rounds}
      words = [f"--{k}={v}" for k, v in options.items() if v is not None]
      words += ["--despite_load"] * despite_load
      command = [*programs.child("benchmark"), *figure.arguments, *words]
      jobs.append(Job(name, command, _seconds(record)))
  for name, text in outcome.items():
    print(f"{name}: {text}", flush=True)
  outcome |= measure(jobs)
  outcome = {name: outcome[name] for name in names}
  timing.print_table(
    f"{device.name}, {counted(device.cores, 'core')}: figures of speed",
    ["figure", "outcome"],
    [[name, text] for name, text in outcome.items()],
  )
  if missed := [name for name, text in outcome.items() if text not in DONE]:
    raise ValueError(
      f"{counted(len(missed), 'figure')} of {len(names)} not measured:"
      f" {', '.join(missed)}; the same command measures them"
    )
  return {"name": "all", "rows": [{"name": k} for k in outcome]}


def measure(
  jobs: Sequence[Job],
  start: Callable[[Sequence[str]], tuple[int, str]] | None = None,
) -> dict[str, str]:
  """Runs jobs one after another, and says how long it will take yet.

  Args:
    jobs: What to run.
    start: Runs a command to its end and returns its exit status and the last
      line of what went wrong; by default a process.

  Returns:
    By name of a job, 'measured' or what went wrong.
  """
  start = start or _process
  outcome = {}
  for number, job in enumerate(jobs):
    left = remaining([job.seconds for job in jobs], number)
    eta = "unknown" if left is None else duration(left)
    print(
      f"\n[{number + 1}/{len(jobs)}] {job.name}: {speed_command(job.name)}"
      f"  ETA {eta}",
      flush=True,
    )
    status, said = start(job.command)
    outcome[job.name] = DONE[0]
    if status:
      said = said.removeprefix("error: ") or f"it ended with status {status}"
      outcome[job.name] = said
  return outcome


def speed_command(name: str) -> str:
  """Returns what measures a figure, as it is typed here."""
  return programs.spelled(speed.FIGURES[name].command)


def remaining(seconds: Sequence[float | None], done: int) -> float | None:
  """Returns how long jobs will take, the unknown ones as long as the others.

  Args:
    seconds: Duration of each job; None where it is unknown.
    done: Number of jobs that have ended.

  Returns:
    None if nothing is known.
  """
  known = [value for value in seconds if value is not None]
  if not known:
    return None
  mean = statistics.fmean(known)
  return sum(mean if value is None else value for value in seconds[done:])


def _names(only: Sequence[str]) -> list[str]:
  names = [name for words in only for name in words.split(",") if name]
  for name in names:
    if name not in speed.FIGURES:
      raise ValueError(
        f"unknown figure {name!r}.{suggest(name, speed.FIGURES)}"
      )
  return [name for name in speed.FIGURES if not names or name in names]


def _seconds(record: Record | None) -> float | None:
  return record.get("seconds") if record else None


def _is_there(dataset: str, data_dir: str | None) -> bool:
  folder = folders.data_folder(data_dir)
  if sources.is_there(dataset, folder):
    return True
  source = sources.find(dataset)
  return packed.path_of(source, dataset, folder).is_file()


def _in_fresh_process(function: Callable[[], Mapping[str, Any]]) -> Any:
  """Calls a function elsewhere: here it would take the accelerator's memory."""
  context = multiprocessing.get_context("spawn")
  with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
    return pool.submit(function).result()


def _process(command: Sequence[str]) -> tuple[int, str]:
  """Runs a command; what it prints and complains of is passed on."""
  last = ""

  def pass_on() -> None:
    nonlocal last
    for line in process.stderr:
      print(line, end="", file=sys.stderr, flush=True)
      last = line.strip() or last

  with subprocess.Popen(
    command, stderr=subprocess.PIPE, encoding="utf-8", errors="replace"
  ) as process:
    reader = threading.Thread(target=pass_on)
    reader.start()
    try:
      process.wait()
    except BaseException:  # As a signal is.
      process.terminate()
      raise
    finally:
      reader.join()
  return process.returncode, last
