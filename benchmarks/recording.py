"""A benchmark on a quiet machine, and the record of what it measured."""

from __future__ import annotations

import hashlib
import importlib.metadata
import pathlib
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks import load
from gnn_readout import paths, programs, provenance, records
from gnn_readout.report.results import speed

_PEERS = ("torch", "torch-geometric")
_SOURCES = ("gnn_readout", "launch", "configs", "benchmarks")
FOLDER = "results/records"


def measure(
  function: Callable[[], dict[str, Any]],
  command: str,
  folder: str | None,
  despite_load: bool = False,
) -> dict[str, Any]:
  """Runs a benchmark, and writes its record if nothing disturbed it.

  Args:
    function: Measures; returns a mapping with `rows`.
    command: What makes the same again.
    folder: Where records are; None: nothing is written.
    despite_load: Whether to measure where others use the CPU; it is not
      recorded then.

  Returns:
    What `function` returned.

  Raises:
    ValueError: If there is a folder and others use the CPU, before it starts
      or meanwhile.
  """
  before = load.now() if folder else None
  if folder and not load.is_quiet(before):
    told = _told(before, "before it started")
    if not despite_load:
      raise ValueError(
        f"{told}: nothing was measured. Wait until the machine is quiet, or"
        " measure without a record by --despite_load."
      )
    print(f"{told}: there will be no record", flush=True)
    folder = None
  start, began = load.sample(), time.monotonic()
  result = function()
  seconds = time.monotonic() - began
  during = load.share_of_others(start, load.sample())
  if not load.is_quiet(during):
    told = _told(during, "meanwhile")
    if folder and not despite_load:
      raise ValueError(f"{told}: what was measured is not recorded.")
    print(f"{told}: do not trust these figures", flush=True)
  elif folder:
    shares = {"before": before, "meanwhile": during}
    facts = {**result, "load": shares, "seconds": round(seconds, 1)}
    record, slower = write(folder, command, facts)
    print(f"recorded: {record['name']}")
    for line in slower:
      print(f"slower than before: {line}", flush=True)
  return result


def write(
  folder: str, command: str, result: Mapping[str, Any]
) -> tuple[records.Record, list[str]]:
  """Writes the record of a benchmark, one for each device.

  Args:
    folder: Where records are.
    command: What makes it again; its name is made of that and the device.
    result: As `measure` has it.

  Returns:
    The record, and what became slower since the last one of this device, as
    `speed.slower` says it; the record has that as well.
  """
  surroundings = environment()
  device = speed.device_of(surroundings)
  last = speed.find(benchmarks_in(folder), speed.arguments(command), device)
  facts = {
    **result,
    "kind": "benchmark",
    "name": _name(command, device),
    "benchmark": speed.arguments(command)[0],
    "command": command,
    **surroundings,
    "slower": speed.slower(last, result) if last else [],
  }
  written = records.write(folder, facts, f"{facts['name']}.json")
  return written, facts["slower"]


def benchmarks_in(folder: str | None) -> list[records.Record]:
  """Returns the records of benchmarks in a folder; none where it is None."""
  if folder is None:
    return []
  return list(records.read_folder(folder, "benchmark").values())


def environment() -> dict[str, Any]:
  """Returns that of `provenance`, with the peers' versions and `code`."""
  found = provenance.environment()
  for package in _PEERS:
    try:
      found["versions"][package] = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
      continue
  return {**found, "code": fingerprint_of_code()}


def fingerprint_of_code(root: pathlib.Path | None = None) -> str:
  """Returns a name for all that is run here, committed or not.

  Args:
    root: Where the code lies; by default where this does.
  """
  root = root or programs.root()
  digest = hashlib.sha256()
  for folder in _SOURCES:
    for path in sorted((root / folder).rglob("*.py")):
      digest.update(str(path.relative_to(root)).encode())
      digest.update(path.read_bytes())
  return digest.hexdigest()[:16]


def _name(command: str, device: speed.Device) -> str:
  words = " ".join([*speed.arguments(command), *device.words()])
  words = words.replace("--", "").replace("configs/", "")
  return paths.part(re.sub(r"[^\w,.=-]+", "_", words))


def _told(share: float | None, when: str) -> str:
  return (
    f"other programs used {share:.0%} of the CPU {when}, where at most"
    f" {load.MOST:.0%} disturbs nothing"
  )
